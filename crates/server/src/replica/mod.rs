//! The replica: what all of a server's clients must agree on.
//!
//! ```text
//! on_requests ─ prep ─▶ proposals ─▶ (host: log, sync) ─▶ on_synced ─ apply ─▶ outcomes
//! ```
//!
//! A write is judged against the tree as it will be once everything in flight is applied, gets its place in
//! history, and leaves as bytes for the log. Only when the log has said that the bytes are durable is it
//! applied and answered. Everything that is answered without a transaction, such as `sync`, waits in the same
//! queue, so that answers keep the order of requests.

mod apply;
mod barrier;
mod chance;
mod containers;
mod propose;
mod reply;
mod report;
mod sessions;
mod snapshots;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use zoorum_proto::connect::ReadOnly;
use zoorum_proto::{OpCode, SessionId, WallClock, Xid, Zxid};
use zoorum_tree::{Pending, Tree};
use zoorum_zab::Broadcast;

use crate::audit::{Auditor, Record};
use crate::message::{Address, ConnectionId, Outcome, Outcomes, Request, Requests, WorkerId};
use crate::settings::Settings;
use crate::time::Monotonic;
use barrier::Barrier;
use chance::Chance;
use containers::Containers;
pub use report::{ReplicaCounters, ReplicaReport, SessionReport};
use sessions::Sessions;
use snapshots::SnapshotSchedule;

/// The two clocks, read once by the host for all that it hands over together.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Drives timeouts.
    pub monotonic: Monotonic,
    /// Stamps znodes.
    pub wall: WallClock,
}

/// Changes on their way to the log: each a transaction in ZooKeeper's encoding, without the log's own frame.
#[derive(Debug, Default)]
pub struct Proposals {
    bytes: Vec<u8>,
    items: Vec<(Zxid, Range<usize>)>,
}

impl Proposals {
    /// Each transaction with its zxid, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Zxid, &[u8])> {
        self.items.iter().map(|(zxid, range)| (*zxid, &self.bytes[range.clone()]))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The newest change.
    pub fn last(&self) -> Option<Zxid> {
        self.items.last().map(|(zxid, _)| *zxid)
    }
}

/// Who is told what became of something in flight.
#[derive(Debug)]
enum Asker {
    /// A client that sent a request.
    Client { address: Address, session: SessionId, op: OpCode, xid: Xid, behind_reads: bool },
    /// A client that wants a session.
    Connect { address: Address, session: SessionId, timeout_ms: i32, read_only: Option<ReadOnly> },
    /// The server itself.
    Nobody,
}

/// Something that waits its turn to be answered.
#[derive(Debug)]
enum InFlight {
    /// A transaction; its bytes are the next ones not yet applied.
    Txn { zxid: Zxid, asker: Asker },
    /// A request that changes nothing: a frame whose header's zxid is filled in when its turn comes.
    Answer { address: Address, xid: Xid, behind_reads: bool, answer: Answer },
}

/// The reply to a request that changes nothing.
#[derive(Debug)]
enum Answer {
    /// The request could not be decoded.
    Undecodable,
    /// A sync: its path, echoed.
    Synced(Option<Box<str>>),
}

/// The part of a server that orders changes and applies them.
pub struct Replica {
    settings: Arc<Settings>,
    broadcast: Broadcast,
    pending: Pending,
    sessions: Sessions,
    in_flight: VecDeque<InFlight>,
    /// Proposed since the host last asked.
    fresh: Proposals,
    /// Handed to the host and not yet applied whole; of the first, so many are.
    handed_out: VecDeque<Arc<Proposals>>,
    applied_of_first: usize,
    outcomes: Vec<Outcomes>,
    barrier: Barrier,
    snapshots: SnapshotSchedule,
    containers: Containers,
    counters: ReplicaCounters,
    /// Sessions whose time was up, with their timeouts, until the host asks.
    expired: Vec<(SessionId, Duration)>,
    auditor: Option<Auditor>,
}

impl Replica {
    /// Takes up service on a recovered tree with `workers` workers. Every session of the tree gets a full
    /// timeout. Ephemeral znodes of sessions that are gone, which another server's files can hold, go by changes
    /// like any other, proposed at once. `seed` decides when snapshots fall due.
    pub fn new(settings: Arc<Settings>, tree: &Tree, workers: usize, now: Now, seed: u64) -> Self {
        let mut sessions = Sessions::new(settings.tick, settings.server_id, now);
        for open in tree.sessions() {
            sessions.restore(now.monotonic, open.session, open.timeout_ms);
        }
        let mut replica = Self {
            broadcast: Broadcast::alone(tree.last_zxid()),
            pending: Pending::new(seed),
            sessions,
            in_flight: VecDeque::new(),
            fresh: Proposals::default(),
            handed_out: VecDeque::new(),
            applied_of_first: 0,
            outcomes: std::iter::repeat_with(Outcomes::default).take(workers).collect(),
            barrier: Barrier::new(workers),
            snapshots: SnapshotSchedule::new(settings.snapshots.clone(), Chance::new(seed)),
            containers: Containers::new(settings.containers.clone(), now.monotonic),
            counters: ReplicaCounters::default(),
            expired: Vec::new(),
            auditor: None,
            settings,
        };
        let owners = tree.sessions_with_ephemerals();
        let mut gone: Vec<_> = owners.filter(|owner| tree.session_timeout(*owner).is_none()).collect();
        gone.sort_unstable();
        for session in gone {
            replica.close_session(tree, now, session, Asker::Nobody, Xid(0));
        }
        replica
    }

    /// From now on, every change makes records for the audit log: see [`Self::take_audit_records`].
    pub fn start_auditing(&mut self) {
        self.auditor.get_or_insert_default();
    }

    /// What is to be told to the audit log since the last call, in the order of history.
    pub fn take_audit_records(&mut self) -> Vec<Record> {
        self.auditor.as_mut().map(Auditor::take_records).unwrap_or_default()
    }

    /// Sessions that were found to be expired since the last call, with their timeouts.
    pub fn take_expired(&mut self) -> Vec<(SessionId, Duration)> {
        std::mem::take(&mut self.expired)
    }

    /// A worker asks.
    pub fn on_requests(&mut self, tree: &Tree, now: Now, worker: WorkerId, requests: &Requests) {
        self.barrier.on_seen(worker, requests.outcomes_seen);
        for request in &requests.items {
            match request {
                Request::Write { connection, session, xid, op, body, identity, behind_reads } => {
                    let address = Address { worker, connection: *connection };
                    let body = &requests.bytes[body.clone()];
                    let asker = Asker::Client {
                        address,
                        session: *session,
                        op: *op,
                        xid: *xid,
                        behind_reads: *behind_reads,
                    };
                    self.on_write(tree, now, asker, body, identity);
                }
                Request::Connect { connection, session, timeout_ms, read_only } => {
                    let address = Address { worker, connection: *connection };
                    match session {
                        None => self.open_session(tree, now, address, *timeout_ms, *read_only),
                        Some(session) => {
                            self.take_up_session(now, address, *session, *timeout_ms, *read_only);
                        }
                    }
                }
                Request::Heard(heard) => {
                    heard.iter().for_each(|(session, at)| self.sessions.touch(*session, *at));
                }
                Request::Gone { connection, session } => {
                    self.sessions.leave(*session, Address { worker, connection: *connection });
                }
            }
        }
    }

    /// Time passes. To be called when [`Self::next_wakeup`] has come; requests that came before `now` must have
    /// been handed over first, or a session could expire whose sign of life is on its way.
    pub fn on_tick(&mut self, tree: &Tree, now: Now) {
        for session in self.sessions.take_expired(now.monotonic) {
            self.counters.expired_sessions += 1;
            self.expired.push((session, self.sessions.timeout(session)));
            self.close_session(tree, now, session, Asker::Nobody, Xid(0));
        }
        for path in self.containers.due(tree, now) {
            self.delete_container(tree, now, &path);
        }
    }

    /// How many changes wait to be taken by [`Self::take_proposals`].
    pub fn unlogged(&self) -> usize {
        self.fresh.items.len()
    }

    /// What has been proposed since the last call, to be logged and synced in this order.
    pub fn take_proposals(&mut self) -> Option<Arc<Proposals>> {
        if self.fresh.is_empty() {
            return None;
        }
        let proposals = Arc::new(std::mem::take(&mut self.fresh));
        self.handed_out.push_back(Arc::clone(&proposals));
        Some(proposals)
    }

    /// The log now keeps everything up to `through` across a power cut.
    pub fn on_synced(&mut self, through: Zxid) {
        self.broadcast.on_synced(through);
    }

    /// Whether [`Self::apply`] would do anything.
    pub fn can_apply(&self) -> bool {
        !self.waits_for_reads() && self.has_committed()
    }

    /// Whether what is committed must wait until a worker has answered reads that came before it. That is a
    /// matter of moments, in which nothing slow should be begun.
    pub fn waits_for_reads(&self) -> bool {
        self.barrier.is_closed()
    }

    /// When [`Self::on_tick`] is to be called next.
    pub fn next_wakeup(&self) -> Monotonic {
        self.sessions.next_expiry().map_or(self.containers.next_at(), |at| at.min(self.containers.next_at()))
    }

    fn has_committed(&self) -> bool {
        match self.in_flight.front() {
            Some(InFlight::Txn { zxid, .. }) => *zxid <= self.broadcast.committed(),
            Some(InFlight::Answer { .. }) => true,
            None => false,
        }
    }

    /// What a worker is to be told since the last call. Changes of the tree are among it, so it must reach
    /// the worker before the worker sees the tree again.
    pub fn take_outcomes(&mut self, worker: WorkerId) -> Outcomes {
        let outcomes = std::mem::take(&mut self.outcomes[usize::from(worker.0)]);
        if !outcomes.is_empty() {
            self.barrier.on_taken(worker);
        }
        outcomes
    }

    /// Whether enough has changed that the host should roll the log and write a snapshot. Answers yes once.
    pub fn take_snapshot_due(&mut self) -> bool {
        self.snapshots.take_due()
    }

    /// Takes up an existing session on a new connection; an earlier connection of it is closed.
    fn take_up_session(
        &mut self,
        now: Now,
        address: Address,
        session: SessionId,
        timeout_ms: i32,
        read_only: Option<ReadOnly>,
    ) {
        let alive = self.sessions.take_up(now.monotonic, session, address, timeout_ms);
        if let Some(Some(earlier)) = alive
            && earlier != address
        {
            self.tell(earlier, |connection| Outcome::Close { connection });
        }
        let session = alive.map(|_| session);
        self.tell(address, |connection| Outcome::Connected { connection, session, timeout_ms, read_only });
    }

    fn tell(&mut self, address: Address, outcome: impl FnOnce(ConnectionId) -> Outcome) {
        self.outcomes[usize::from(address.worker.0)].items.push(outcome(address.connection));
    }

    /// What holds between any two steps.
    pub fn check_invariants(&self) {
        self.broadcast.check_invariants();
        let mut zxids = self.in_flight.iter().filter_map(|entry| match entry {
            InFlight::Txn { zxid, .. } => Some(*zxid),
            InFlight::Answer { .. } => None,
        });
        debug_assert!(zxids.by_ref().is_sorted(), "changes in flight stand in the order of history");
    }
}

#[cfg(test)]
mod tests;
