//! A worker's thread: sockets in, the tree once, sockets out.
//!
//! ```text
//! sleep ▶ read every ready socket ▶ ┌ tree, shared ─────────────────┐ ▶ requests to the replica
//!                                   │ outcomes, then what was read  │ ▶ write every dirty connection
//!                                   └───────────────────────────────┘
//! ```
//!
//! One system call reads all that a socket has, one writes all that a connection is owed, and the tree is
//! locked once for everything in between. No system call happens under the lock.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Poll, Token};
use zoorum_server::Worker;
use zoorum_server::message::{ConnectionId, WorkerId};
use zoorum_server::time::Monotonic;
use zoorum_server::worker::Command;

use crate::mail::{ToReplica, ToWorker};
use crate::shared::Shared;
use crate::sockets::{ReadOutcome, Sockets, Written};

/// The token of a worker's waker; connections have the lower ones.
pub(crate) const WAKER: Token = Token(usize::MAX);
/// Most bytes read from one socket at a time.
const READ_SIZE: usize = 64 << 10;
/// Most bytes read from all sockets before the tree is looked at.
const CYCLE_SIZE: usize = 512 << 10;
/// Writing to so many connections takes long enough that help is worth calling for.
const CROWD: usize = 256;
/// Connections that one thread writes to before it looks for more.
const PORTION: usize = 8;

/// A four-letter word that waits for its answer.
#[derive(Debug)]
pub struct Question {
    /// Which worker has the connection.
    pub worker: WorkerId,
    /// The word.
    pub command: Command,
}

/// A worker with its thread's belongings.
pub(crate) struct WorkerThread {
    shared: Arc<Shared>,
    worker: Worker,
    poll: Poll,
    sockets: Sockets,
    questions: Sender<Question>,
    mail: Vec<ToWorker>,
    buffer: Vec<u8>,
    arrivals: Vec<(ConnectionId, Range<usize>)>,
    ready: Vec<ConnectionId>,
    dirty: Vec<ConnectionId>,
    next_tick_at: Monotonic,
    /// The server ends, its clients are gone, and the replica knows.
    has_left: bool,
}

impl WorkerThread {
    pub(crate) fn new(shared: Arc<Shared>, worker: Worker, poll: Poll, questions: Sender<Question>) -> Self {
        Self {
            next_tick_at: shared.clock.monotonic() + shared.settings.tick / 2,
            shared,
            worker,
            poll,
            sockets: Sockets::default(),
            questions,
            mail: Vec::new(),
            buffer: vec![0; CYCLE_SIZE],
            arrivals: Vec::new(),
            ready: Vec::new(),
            dirty: Vec::new(),
            has_left: false,
        }
    }

    /// Serves until the process ends.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            let patience = self.patience();
            match self.poll.poll(&mut events, Some(patience)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => self.shared.worker(self.worker.id()).is_awake(),
            }
            for event in &events {
                if event.token() != WAKER
                    && let Some(id) = self.sockets.on_event(event)
                {
                    self.write(id);
                }
            }
            self.cycle();
        }
    }

    /// How long the worker may sleep.
    fn patience(&self) -> Duration {
        let busy = self.sockets.has_ready() || self.worker.can_resume();
        if busy || !self.shared.worker(self.worker.id()).may_sleep() {
            return Duration::ZERO;
        }
        let wakeup = self.worker.next_stall().map_or(self.next_tick_at, |at| at.min(self.next_tick_at));
        wakeup.since(self.shared.clock.monotonic())
    }

    fn cycle(&mut self) {
        self.read_sockets();
        let now = self.shared.clock.monotonic();
        self.shared.worker(self.worker.id()).take(&mut self.mail);
        self.accept_new(now);
        self.look_at_tree(now);
        if self.worker.next_stall().is_some_and(|at| at <= now) {
            self.worker.on_stall(now);
        }
        self.answer_mail();
        if self.worker.has_requests() {
            let requests = self.worker.take_requests();
            self.shared.replica.send(ToReplica::Requests(self.worker.id(), requests));
        }
        for command in self.worker.take_commands() {
            // Nobody is left to answer only when the process ends.
            let _ = self.questions.send(Question { worker: self.worker.id(), command });
        }
        let mut dirty = std::mem::take(&mut self.dirty);
        self.worker.take_dirty(&mut dirty);
        if dirty.len() < CROWD || !self.write_to_crowd(&dirty) {
            dirty.iter().for_each(|id| self.write(*id));
        }
        self.dirty = dirty;
        self.worker.on_turn_over(self.shared.clock.monotonic().since(now));
        self.worker.take_slow().iter().for_each(|slow| tracing::warn!("{slow}"));
        if self.worker.has_left() && !std::mem::replace(&mut self.has_left, true) {
            self.shared.replica.send(ToReplica::Left);
        }
    }

    /// Reads each ready socket once, as long as there is room.
    fn read_sockets(&mut self) {
        let mut filled = 0;
        let mut ready = std::mem::take(&mut self.ready);
        self.sockets.take_ready(&mut ready);
        for id in ready.drain(..) {
            if !self.worker.wants_input(id) {
                if self.sockets.has_ended(id) && self.worker.on_hang_up(id) {
                    self.forget(id);
                }
                continue; // remembered as readable; see Self::write
            }
            if filled + READ_SIZE > self.buffer.len() {
                self.sockets.on_wanted(id); // its turn comes next time
                continue;
            }
            match self.sockets.read(id, &mut self.buffer[filled..filled + READ_SIZE]) {
                ReadOutcome::Bytes(count) => {
                    self.arrivals.push((id, filled..filled + count));
                    filled += count;
                }
                ReadOutcome::Nothing => {}
                ReadOutcome::Closed => self.forget(id),
            }
        }
        self.ready = ready;
    }

    fn look_at_tree(&mut self, now: Monotonic) {
        let ticks = now >= self.next_tick_at;
        let idle = self.arrivals.is_empty() && self.mail.is_empty() && !self.worker.can_resume();
        if idle && !ticks {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let tree = shared.tree.read();
        // The mail may have grown while the lock was waited for, and only what is in it by now is surely as
        // new as the tree: whatever a read below can see, its watchers are told of first.
        let mut late = Vec::new();
        shared.worker(self.worker.id()).take(&mut late);
        self.mail.append(&mut late);
        let batches = self.mail.iter().filter_map(|message| match message {
            ToWorker::Outcomes(outcomes) => Some(outcomes),
            _ => None,
        });
        // The tree may have been waited for: that is part of what an answer took.
        let answered_at = if self.mail.is_empty() { now } else { shared.clock.monotonic() };
        self.worker.on_outcomes(&tree, answered_at, batches);
        for (id, range) in self.arrivals.drain(..) {
            self.worker.on_received(&tree, now, id, &self.buffer[range]);
        }
        if self.worker.can_resume() {
            self.worker.resume(&tree, now);
        }
        if ticks {
            self.worker.on_tick(now);
            self.next_tick_at = now + shared.settings.tick / 2;
        }
        shared.watching[usize::from(self.worker.id().0)].store(self.worker.has_watches(), Ordering::Release);
    }

    /// Everything in the mail that needs no tree. Clients that connected while the tree was waited for are
    /// kept for the next round.
    fn answer_mail(&mut self) {
        for message in std::mem::take(&mut self.mail) {
            match message {
                ToWorker::Outcomes(_) => {}
                ToWorker::Accepted(stream, peer) => {
                    self.accept(self.shared.clock.monotonic(), stream, peer);
                }
                ToWorker::Answer(id, text) => self.worker.on_answer(id, &text),
                // Whoever asked may have given up.
                ToWorker::Report(reply) => drop(reply.send(self.worker.report())),
                ToWorker::ReportWatches(reply) => drop(reply.send(self.worker.watch_report())),
                ToWorker::ResetCounters => self.worker.reset_counters(),
                ToWorker::ResetConnections => self.worker.reset_connections(),
                ToWorker::Leave => self.worker.leave(),
            }
        }
    }

    fn accept_new(&mut self, now: Monotonic) {
        let mut rest = Vec::with_capacity(self.mail.len());
        for message in std::mem::take(&mut self.mail) {
            match message {
                ToWorker::Accepted(stream, peer) => self.accept(now, stream, peer),
                other => rest.push(other),
            }
        }
        self.mail = rest;
    }

    fn accept(&mut self, now: Monotonic, stream: TcpStream, peer: std::net::SocketAddr) {
        let id = self.worker.on_accepted(now, peer);
        if let Err(error) = self.sockets.insert(self.poll.registry(), stream, id, peer.ip()) {
            tracing::warn!(%error, %peer, "cannot watch a new connection, closing it");
            self.worker.on_closed(id);
            self.shared.admission.leave(peer.ip());
        }
    }

    /// Sends what a connection is owed, and closes it if that was all.
    fn write(&mut self, id: ConnectionId) {
        let written = self.sockets.write(id, self.worker.output(id));
        self.on_written(id, written);
    }

    /// The same for many connections, with the help of the core that no worker has. Whether it was free.
    fn write_to_crowd(&mut self, crowd: &[ConnectionId]) -> bool {
        let shared = Arc::clone(&self.shared);
        let Some(_helper) = shared.spare_core.try_lock() else { return false };
        let (sockets, worker) = (&self.sockets, &self.worker);
        let next = AtomicUsize::new(0);
        let write = |pause: fn()| {
            let mut written = Vec::with_capacity(crowd.len());
            while let Some(portion) = crowd.chunks(PORTION).nth(next.fetch_add(1, Ordering::Relaxed)) {
                written.extend(portion.iter().map(|id| (*id, sockets.write(*id, worker.output(*id)))));
                pause();
            }
            written
        };
        let written = thread::scope(|scope| {
            // The core may be wanted by others, the clients themselves for one.
            let helper = thread::Builder::new().spawn_scoped(scope, || write(thread::yield_now));
            let mut written = write(|| {});
            if let Ok(helper) = helper {
                written.extend(helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            written
        });
        written.into_iter().for_each(|(id, written)| self.on_written(id, written));
        true
    }

    fn on_written(&mut self, id: ConnectionId, written: Written) {
        let Some(sent) = self.sockets.on_written(id, written) else { return self.forget(id) };
        if sent > 0 {
            self.worker.on_sent(id, sent);
        }
        if self.worker.is_closing(id) && self.worker.output(id).is_empty() {
            self.forget(id);
        } else if self.worker.wants_input(id) {
            self.sockets.on_wanted(id);
        }
    }

    fn forget(&mut self, id: ConnectionId) {
        self.worker.on_closed(id);
        if let Some(address) = self.sockets.remove(self.poll.registry(), id) {
            self.shared.admission.leave(address);
        }
    }
}
