//! A worker: some of the server's connections, and all that belongs to a connection.
//!
//! The host hands it what sockets received and what the replica decided, each with the tree at hand, and then
//! collects: [`Worker::take_requests`] for the replica, [`Worker::take_dirty`] for the sockets. Watch tables
//! are the worker's own, so that setting a watch takes no lock and fan-out runs on every core.

mod answers;
mod connection;
mod dispatch;
mod handshake;
mod leave;
mod reads;
mod report;
mod table;
mod throttle;
mod watches;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use zoorum_tree::{Tree, WatchTable};

use crate::gate::Gate;
use crate::message::{ConnectionId, Outcome, Outcomes, Request, Requests, Service, WorkerId};
use crate::settings::Settings;
use crate::slow::{Slow, SlowLog};
use crate::time::Monotonic;
use crate::traffic::Traffic;
use answers::Reply;
use connection::{Asked, Connection, Output, Phase, Waiting};
pub use report::{
    ConnectionReport, Counters, EnsembleClaims, LatencyReport, ResponseSize, WatchReport, WorkerReport,
};
use table::Table;

/// Bytes waiting to be sent to a client above which we stop reading from it.
const OUTPUT_SOFT_LIMIT: usize = 1 << 20;
/// Bytes waiting to be sent above which a client that does not read its watch events is cut off.
const OUTPUT_HARD_LIMIT: usize = 64 << 20;
/// Bytes waiting to be sent on all connections of a worker above which those are cut off that have most.
const ALL_OUTPUT_LIMIT: usize = 512 << 20;
/// Bytes of events after which all that waits to be sent is counted.
const COUNT_AFTER: usize = 64 << 20;
/// Unanswered requests of a connection above which we stop reading from it.
const WAITING_LIMIT: usize = 4096;
/// Bytes of unanswered requests of a connection above which we stop reading from it.
const WAITING_BYTES_LIMIT: usize = 4 << 20;
/// Bytes of writes with the replica, of all connections, above which those with any are no longer read, and
/// above twice as many none: each connection of a storm may bring one more.
const ALL_WAITING_BYTES_LIMIT: usize = 64 << 20;
/// Bytes of paths that one connection may watch, [`WatchTable::BYTES_BESIDES_PATH`] for each watch included: half a
/// million watches on paths of two hundred bytes. What asks for more is refused.
const WATCHES_LIMIT: usize = 128 << 20;
/// Work done for one connection, in bytes answered and znodes walked over, before others have their turn.
const TURN_LIMIT: usize = 1 << 20;

/// A four-letter word that a connection sent instead of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// Who waits for the answer.
    pub connection: ConnectionId,
    /// The word.
    pub word: [u8; 4],
    /// The number behind `stmk`.
    pub argument: i64,
}

/// Some of a server's connections.
pub struct Worker {
    id: WorkerId,
    settings: Arc<Settings>,
    gate: Arc<Gate>,
    connections: Table,
    watches: WatchTable,
    requests: Requests,
    /// Reads with the replica that ask for a watch.
    watches_asked: usize,
    dirty: Vec<ConnectionId>,
    paused: Vec<ConnectionId>,
    commands: Vec<Command>,
    load: Load,
    /// The requests that the replica still has of connections that are gone.
    orphans: BTreeMap<ConnectionId, VecDeque<Asked>>,
    /// Bytes of events since [`ALL_OUTPUT_LIMIT`] was looked at.
    events_uncounted: usize,
    /// Work done in the turn at hand: see [`TURN_LIMIT`].
    turn_work: usize,
    /// The time of service, if clients are served.
    service: Option<Service>,
    /// The server ends: clients are let go.
    is_leaving: bool,
    counters: report::Counters,
    /// What was read.
    traffic: Traffic,
    slow: SlowLog,
    heard_reported_at: Monotonic,
    /// When those who wait to be let in are looked over.
    next_stall: Option<Monotonic>,
}

/// What the replica has of a worker's connections, those that are gone included.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    /// Writes.
    requests: usize,
    /// What these hold in memory.
    bytes: usize,
    /// Sessions asked for.
    sessions: usize,
}

impl Worker {
    /// A worker without connections. `seed` keeps clients from aiming at its hash tables.
    pub fn new(id: WorkerId, settings: Arc<Settings>, gate: Arc<Gate>, seed: u64) -> Self {
        Self {
            id,
            slow: SlowLog::new(settings.slow_operation),
            settings,
            gate,
            connections: Table::default(),
            watches: WatchTable::new(seed, WATCHES_LIMIT),
            requests: Requests::default(),
            watches_asked: 0,
            dirty: Vec::new(),
            paused: Vec::new(),
            commands: Vec::new(),
            load: Load::default(),
            orphans: BTreeMap::new(),
            events_uncounted: 0,
            turn_work: 0,
            service: Some(Service::default()),
            is_leaving: false,
            counters: report::Counters::default(),
            traffic: Traffic::default(),
            heard_reported_at: Monotonic::default(),
            next_stall: None,
        }
    }

    /// The server is one of an ensemble: nobody is served until the replica says so.
    pub fn hold(&mut self) {
        self.service = None;
    }

    /// Which worker it is.
    pub fn id(&self) -> WorkerId {
        self.id
    }

    /// A client has connected.
    pub fn on_accepted(&mut self, now: Monotonic, peer: SocketAddr) -> ConnectionId {
        let id = self.connections.insert(Connection::new(now, peer));
        if self.is_leaving {
            self.close(id);
        }
        id
    }

    /// The socket has received `bytes`.
    pub fn on_received(&mut self, tree: &Tree, now: Monotonic, id: ConnectionId, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.closing {
            return;
        }
        self.counters.bytes_received += bytes.len() as u64;
        if connection.input.is_empty() {
            let used = self.consume(tree, now, id, bytes);
            if let Some(connection) = self.connections.get_mut(id).filter(|connection| !connection.closing) {
                connection.input.extend_from_slice(&bytes[used..]);
            }
        } else {
            connection.input.extend_from_slice(bytes);
            self.consume_input(tree, now, id);
        }
    }

    /// The socket is closed, by whichever side. Requests in flight are executed, their replies dropped.
    pub fn on_closed(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.remove(id) else { return };
        self.counters.dropped += u64::from(!connection.closing);
        let watching =
            |waiting: &&Waiting| matches!(waiting, Waiting::Asked(Asked { watching: Some(_), .. }));
        self.watches_asked -= connection.queue.iter().filter(watching).count();
        let asked: VecDeque<_> = connection.queue.into_iter().filter_map(Waiting::into_asked).collect();
        if !asked.is_empty() {
            self.orphans.insert(id, asked);
        }
        self.watches.remove_watcher(watches::watcher(id));
        if let Phase::Established { session, .. } = connection.phase {
            if connection.heard_at >= self.heard_reported_at {
                self.requests.items.push(Request::Heard(vec![(session, connection.heard_at)]));
            }
            self.requests.items.push(Request::Gone { connection: id, session });
        }
    }

    /// The first `sent` bytes of the connection's output have been sent.
    pub fn on_sent(&mut self, id: ConnectionId, sent: usize) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.output.consume(sent);
            connection.stalled_since = None;
        }
    }

    /// The replica has decided `batches`, in this order. They must be all that have come, and the tree shows
    /// them all: so requests that waited for them are dealt with only once every change has been told.
    pub fn on_outcomes<'a>(
        &mut self,
        tree: &Tree,
        now: Monotonic,
        batches: impl IntoIterator<Item = &'a Outcomes>,
    ) {
        let mut answered = Vec::new();
        let mut connected = Vec::new();
        for outcomes in batches {
            let (mut stamped, mut stamps) = (outcomes.stamps.iter().peekable(), None);
            for (index, outcome) in outcomes.items.iter().enumerate() {
                while let Some((_, next)) = stamped.next_if(|(from, _)| *from <= index) {
                    stamps = next.as_ref();
                }
                match outcome {
                    Outcome::Changed(change) => self.on_changed(change),
                    Outcome::Reply { connection, frame, err, close } => {
                        let frame = &outcomes.bytes[frame.clone()];
                        let reply = Reply { frame, err: *err, close: *close, stamps };
                        self.on_reply(tree, now, *connection, &reply);
                        answered.push(*connection);
                    }
                    Outcome::Connected { connection, session, timeout_ms, read_only } => {
                        self.on_connected(now, *connection, *session, *timeout_ms, *read_only);
                        connected.push(*connection);
                    }
                    Outcome::Close { connection } => self.close(*connection),
                    Outcome::Served { service } => {
                        self.on_served(now, *service);
                        (answered, connected) = (Vec::new(), Vec::new());
                    }
                }
            }
        }
        for id in answered {
            self.run_waiting_reads(tree, now, id);
            self.let_go_if_leaving(id);
        }
        connected.into_iter().for_each(|id| self.consume_input(tree, now, id));
    }

    /// Service begins, or is over: then whatever was asked will not be answered, and every client must look for
    /// another server.
    fn on_served(&mut self, now: Monotonic, service: Option<Service>) {
        self.service = service;
        if service.is_some() {
            return;
        }
        self.requests = Requests::default();
        self.orphans.clear();
        self.load = Load::default();
        self.watches_asked = 0;
        let mut served = Vec::new();
        for (id, connection) in self.connections.iter_mut() {
            connection.queue.clear();
            connection.waiting_bytes = 0;
            if connection.phase != Phase::Command {
                connection.homeless_since.get_or_insert(now);
                served.push(id);
            }
        }
        served.into_iter().for_each(|id| self.close(id));
    }

    /// Whether a connection that is not read from may be read from again: see [`Self::resume`].
    pub fn can_resume(&self) -> bool {
        self.paused.iter().any(|id| self.may_resume(*id))
    }

    fn may_resume(&self, id: ConnectionId) -> bool {
        !self.must_pause(id) || self.connections.get(id).is_some_and(Connection::has_postponed_reads)
    }

    /// Takes up reading from connections that had too much waiting: first what they have sent already; the
    /// host then finds them among the dirty ones, and [`Self::wants_input`]. Who must wait again does so behind those
    /// whose turn it was not.
    pub fn resume(&mut self, tree: &Tree, now: Monotonic) {
        let mut first = Vec::new();
        for id in std::mem::take(&mut self.paused) {
            if !self.may_resume(id) {
                first.push(id);
            } else if let Some(connection) = self.connections.get_mut(id) {
                connection.paused = false;
                self.mark_dirty(id);
                self.run_waiting_reads(tree, now, id);
                self.consume_input(tree, now, id);
                self.let_go_if_leaving(id);
            }
        }
        first.append(&mut self.paused);
        self.paused = first;
    }

    /// Time passes: tells the replica which sessions were heard from, and drops connections that never
    /// opened one, or do not take the last that they are owed. To be called every half tick.
    pub fn on_tick(&mut self, now: Monotonic) {
        let last = std::mem::replace(&mut self.heard_reported_at, now);
        self.slow.on_tick(now);
        self.abandon_stalled(now);
        let mut heard = Vec::new();
        let mut silent = Vec::new();
        for (id, connection) in self.connections.iter() {
            match connection.phase {
                Phase::Established { session, .. } if connection.heard_at >= last => {
                    heard.push((session, connection.heard_at));
                }
                Phase::Handshake if now.since(connection.opened_at) >= self.settings.sessionless_timeout => {
                    silent.push(id);
                }
                _ => {}
            }
        }
        self.counters.sessionless_expired += silent.len() as u64;
        silent.into_iter().for_each(|id| self.close(id));
        if !heard.is_empty() {
            self.requests.items.push(Request::Heard(heard));
        }
    }

    /// Connections that are to be closed, and whose clients have read nothing for as long as one may stay
    /// without a session, are owed nothing any more. Nor are those whose sessions would end while they read on.
    fn abandon_stalled(&mut self, now: Monotonic) {
        let mut abandoned = Vec::new();
        for (id, connection) in self.connections.iter_mut().filter(|(_, connection)| connection.closing) {
            let since = *connection.stalled_since.get_or_insert(now);
            let is_late =
                connection.homeless_since.is_some_and(|since| now.since(since) >= connection.farewell_time());
            if is_late || now.since(since) >= self.settings.sessionless_timeout {
                connection.output = Output::default();
                abandoned.push(id);
            }
        }
        abandoned.into_iter().for_each(|id| self.mark_dirty(id));
    }

    /// The answer to a four-letter word.
    pub fn on_answer(&mut self, id: ConnectionId, text: &[u8]) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.output.bytes().extend_from_slice(text);
            self.counters.packets_sent += 1;
            self.close(id);
        }
    }

    /// What the replica is asked since the last call.
    pub fn take_requests(&mut self) -> Requests {
        let requests = std::mem::take(&mut self.requests);
        Requests { era: self.service.unwrap_or_default().era, ..requests }
    }

    /// Whether the replica is asked anything.
    pub fn has_requests(&self) -> bool {
        !self.requests.items.is_empty()
    }

    /// Connections with output to send, or to be closed once it is sent, since the last call. The list is
    /// the caller's to reuse.
    pub fn take_dirty(&mut self, into: &mut Vec<ConnectionId>) {
        into.clear();
        std::mem::swap(&mut self.dirty, into);
        for id in into.iter() {
            if let Some(connection) = self.connections.get_mut(*id) {
                connection.dirty = false;
            }
        }
    }

    /// What is to be told of slow operations since the last call.
    pub fn take_slow(&mut self) -> Vec<Slow> {
        self.slow.take()
    }

    /// What was received has been dealt with, and whoever is owed something has been written to, in so much time.
    pub fn on_turn_over(&mut self, took: Duration) {
        self.counters.turn_over(took);
    }

    /// Four-letter words received since the last call.
    pub fn take_commands(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.commands)
    }

    /// What is yet to be sent to a connection.
    pub fn output(&self, id: ConnectionId) -> &[u8] {
        self.connections.get(id).map_or(&[], |connection| connection.output.unsent())
    }

    /// Whether the host should close the connection once its output is sent.
    pub fn is_closing(&self, id: ConnectionId) -> bool {
        self.connections.get(id).is_none_or(|connection| connection.closing)
    }

    /// Whether the host should read from the connection's socket. Not while its first packet waits for an
    /// answer: whatever follows could not be dealt with, and there is no end to it.
    pub fn wants_input(&self, id: ConnectionId) -> bool {
        self.connections.get(id).is_some_and(|connection| {
            let is_asking = matches!(connection.phase, Phase::Connecting { .. } | Phase::Command);
            !connection.closing && !connection.paused && !is_asking
        })
    }

    /// Whether any connection watches anything, or will once the replica has answered: if not, changes need not be
    /// told.
    pub fn has_watches(&self) -> bool {
        !self.watches.is_empty() || self.watches_asked > 0
    }

    /// The connection is to be closed once its output is sent; nothing more is read from it.
    fn close(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.closing = true;
            connection.input = Vec::new();
            connection.queue.retain(|waiting| matches!(waiting, Waiting::Asked(_)));
            self.mark_dirty(id);
        }
    }

    /// The connection is owed more than anybody can be: it gets nothing more.
    fn cut_off(&mut self, id: ConnectionId) {
        self.close(id);
        if let Some(connection) = self.connections.get_mut(id) {
            connection.output = Output::default();
        }
    }

    fn mark_dirty(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(id)
            && !std::mem::replace(&mut connection.dirty, true)
        {
            self.dirty.push(id);
        }
    }

    /// Whether we should stop reading from the connection, so that nothing grows without bound.
    fn must_pause(&self, id: ConnectionId) -> bool {
        let Some(connection) = self.connections.get(id) else { return false };
        let all_busy =
            self.load.requests > self.settings.outstanding_limit || self.load.bytes > ALL_WAITING_BYTES_LIMIT;
        connection.output.unsent().len() > OUTPUT_SOFT_LIMIT
            || connection.queue.len() >= WAITING_LIMIT
            || connection.must_hold()
            || connection.waiting_bytes > WAITING_BYTES_LIMIT
            || all_busy && !connection.queue.is_empty()
            || self.load.bytes > 2 * ALL_WAITING_BYTES_LIMIT
            || self.is_full()
            || self.is_leaving
    }

    fn pause(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(id)
            && !std::mem::replace(&mut connection.paused, true)
        {
            self.paused.push(id);
        }
    }

    /// Works through what was received earlier and could not be dealt with then.
    fn consume_input(&mut self, tree: &Tree, now: Monotonic, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let mut input = std::mem::take(&mut connection.input);
        let used = self.consume(tree, now, id, &input);
        if let Some(connection) = self.connections.get_mut(id).filter(|connection| !connection.closing) {
            input.drain(..used);
            if !input.is_empty() {
                connection.input = input;
            }
        }
    }
}

#[cfg(test)]
mod tests;
