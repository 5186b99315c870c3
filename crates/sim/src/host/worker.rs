//! A worker's loop: sockets in, the tree once, letters to the replica, sockets out.

use std::collections::BTreeMap;

use zoorum_server::message::ConnectionId;
use zoorum_server::{Monotonic, Worker};

use super::{Process, Step, Stepped, WorkerMail};
use crate::faults::Bug;
use crate::ground::{Alarm, Ground, Wake};
use crate::network::{LinkId, Side};

/// Where the loop is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Read,
    Look,
    Ask,
    Write,
}

/// A worker with its thread's belongings.
pub(super) struct WorkerThread {
    pub(super) worker: Worker,
    pub(super) alarm: Alarm,
    pub(super) mail: WorkerMail,
    pub(super) accepted: Vec<LinkId>,
    pub(super) writable: Vec<LinkId>,
    stage: Stage,
    taken: WorkerMail,
    sockets: BTreeMap<LinkId, ConnectionId>,
    links: BTreeMap<ConnectionId, LinkId>,
    arrivals: Vec<(ConnectionId, Vec<u8>)>,
    dirty: Vec<ConnectionId>,
    next_tick_at: Monotonic,
}

impl WorkerThread {
    pub(super) fn new(worker: Worker, next_tick_at: Monotonic) -> Self {
        Self {
            worker,
            alarm: Alarm::default(),
            mail: WorkerMail::new(),
            accepted: Vec::new(),
            writable: Vec::new(),
            stage: Stage::Read,
            taken: WorkerMail::new(),
            sockets: BTreeMap::new(),
            links: BTreeMap::new(),
            arrivals: Vec::new(),
            dirty: Vec::new(),
            next_tick_at,
        }
    }

    /// Reads each socket once, some of them not to their end.
    fn read_sockets(&mut self, ground: &mut Ground, place: usize) {
        let now = ground.monotonic(place);
        for link in std::mem::take(&mut self.accepted) {
            let port = 1024 + (link.0 % 60_000) as u16;
            let id = self.worker.on_accepted(now, ([127, 0, 0, 1], port).into());
            self.sockets.insert(link, id);
            self.links.insert(id, link);
        }
        for link in std::mem::take(&mut self.writable) {
            if let Some(&id) = self.sockets.get(&link) {
                self.write(ground, id);
            }
        }
        let sockets: Vec<_> = self.sockets.iter().map(|(link, id)| (*link, *id)).collect();
        for (link, id) in sockets {
            if !self.worker.wants_input(id) || !ground.network.is_readable(link, Side::Server) {
                continue;
            }
            let count = if ground.chance.one_in(4) { 1 + ground.chance.below(300) } else { 64 << 10 };
            match ground.network.read(link, Side::Server, count) {
                Some(bytes) => self.arrivals.push((id, bytes)),
                None => self.forget(ground, id),
            }
        }
    }

    /// Sends what a connection is owed, and closes it if that was all.
    fn write(&mut self, ground: &mut Ground, id: ConnectionId) {
        let Some(&link) = self.links.get(&id) else { return };
        let Some(sent) = ground.send(link, Side::Client, self.worker.output(id)) else {
            return self.forget(ground, id);
        };
        if sent > 0 {
            self.worker.on_sent(id, sent);
        }
        if self.worker.is_closing(id) && self.worker.output(id).is_empty() {
            self.forget(ground, id);
        }
    }

    fn forget(&mut self, ground: &mut Ground, id: ConnectionId) {
        self.worker.on_closed(id);
        if let Some(link) = self.links.remove(&id) {
            self.sockets.remove(&link);
            ground.close(link, Side::Server);
        }
    }

    /// Whether there is something to do before the next tick.
    fn is_busy(&self, ground: &Ground) -> bool {
        let readable = |(link, id): (&LinkId, &ConnectionId)| {
            self.worker.wants_input(*id) && ground.network.is_readable(*link, Side::Server)
        };
        !self.mail.is_empty()
            || !self.accepted.is_empty()
            || !self.writable.is_empty()
            || self.worker.can_resume()
            || self.worker.has_requests()
            || self.sockets.iter().any(readable)
    }
}

impl Process {
    pub(crate) fn step_worker(&mut self, ground: &mut Ground, number: usize) -> Stepped {
        let id = self.workers[number].worker.id();
        if !self.workers[number].alarm.take(ground.now) {
            return Ok(Step::Done);
        }
        let thread = &mut self.workers[number];
        let mut next = ground.now + ground.chance.micros(1, 60);
        match thread.stage {
            Stage::Read => {
                thread.read_sockets(ground, self.place);
                thread.taken.append(&mut thread.mail);
                thread.stage = Stage::Look;
            }
            Stage::Look if self.is_locked => {}
            Stage::Look => {
                self.look_at_tree(ground, number);
                self.workers[number].stage = Stage::Ask;
            }
            Stage::Ask => {
                thread.stage = Stage::Write;
                if thread.worker.has_requests() {
                    let requests = thread.worker.take_requests();
                    self.send_requests(ground, id, requests);
                }
            }
            Stage::Write => {
                let mut dirty = std::mem::take(&mut thread.dirty);
                thread.worker.take_dirty(&mut dirty);
                dirty.iter().for_each(|id| thread.write(ground, *id));
                thread.dirty = dirty;
                thread.stage = Stage::Read;
                if !thread.is_busy(ground) {
                    next = next.max(ground.true_time(self.place, thread.next_tick_at));
                }
            }
        }
        self.workers[number].alarm.set(ground, next, Wake::Worker(self.number, number));
        Ok(Step::Done)
    }

    /// One look at the tree, under its shared lock: whatever a read can see, its watchers are told of first.
    fn look_at_tree(&mut self, ground: &Ground, number: usize) {
        let now = ground.monotonic(self.place);
        let (tree, thread) = (&self.tree, &mut self.workers[number]);
        if ground.faults.bug != Some(Bug::LateMail) {
            thread.taken.append(&mut thread.mail);
        }
        thread.worker.on_outcomes(tree, now, &std::mem::take(&mut thread.taken));
        for (id, bytes) in thread.arrivals.drain(..) {
            thread.worker.on_received(tree, now, id, &bytes);
        }
        if thread.worker.can_resume() {
            thread.worker.resume(tree, now);
        }
        if now >= thread.next_tick_at {
            thread.worker.on_tick(now);
            thread.next_tick_at = now + self.settings.tick / 2;
        }
        self.watching[number] = thread.worker.has_watches();
    }

    fn send_requests(
        &mut self,
        ground: &mut Ground,
        worker: zoorum_server::WorkerId,
        mut requests: zoorum_server::Requests,
    ) {
        use zoorum_server::message::Request;
        if ground.faults.bug == Some(Bug::DropHeard) {
            requests.items.retain(|request| !matches!(request, Request::Heard(_)));
        }
        self.mail.push((worker, requests));
        self.wake_replica(ground);
    }
}
