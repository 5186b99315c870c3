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
mod containers;
mod local;
mod member;
mod observed;
mod order;
mod passages;
mod propose;
mod reads;
mod reply;
mod report;
mod requests;
mod restored;
mod service;
mod sessions;
mod snapshots;
mod tally;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use zoorum_proto::connect::ReadOnly;
use zoorum_proto::{Encode, ErrorCode, OpCode, SessionId, Txn, WallClock, Xid, Zxid};
use zoorum_tree::{Pending, Tree};
use zoorum_zab::{Broadcast, Entry, Peer};

use crate::audit::{Auditor, Record};
use crate::chance::Chance;
use crate::message::{Address, ConnectionId, Outcome, Outcomes, WorkerId};
use crate::settings::Settings;
use crate::time::Monotonic;
use containers::Containers;
pub use member::Effect;
use member::Membership;
use order::Order;
use passages::Passages;
use reads::{Read, Reads};
pub use report::{
    Mode, ProposalSizes, ReplicaCounters, ReplicaReport, ReplicaTraffic, SessionReport, Standing,
};
pub use restored::{NotRestorable, Place};
use sessions::{Holder, Sessions};
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
#[derive(Clone, Debug)]
pub struct Proposals(Arc<[Entry]>);

impl Proposals {
    /// Each transaction with its zxid, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Zxid, &[u8])> {
        self.0.iter().map(|entry| (entry.zxid, &entry.payload[..]))
    }

    /// The newest change.
    pub fn last(&self) -> Option<Zxid> {
        self.0.last().map(|entry| entry.zxid)
    }
}

/// Changes that are decided, and encoded one after another.
#[derive(Debug, Default)]
struct Fresh {
    bytes: Vec<u8>,
    /// Where each ends.
    items: Vec<(Zxid, usize)>,
}

impl Fresh {
    /// Encodes a transaction; returns how many bytes it takes.
    fn push(&mut self, txn: &Txn<'_>) -> usize {
        let start = self.bytes.len();
        txn.encode(&mut self.bytes);
        self.items.push((txn.header.zxid, self.bytes.len()));
        self.bytes.len() - start
    }

    /// All of them; they share their memory.
    fn take(&mut self) -> Vec<Entry> {
        let Self { bytes, items } = std::mem::take(self);
        let bytes = Bytes::from(bytes);
        let mut start = 0;
        let cut = |(zxid, end)| {
            let payload = bytes.slice(start..end);
            start = end;
            Entry { zxid, payload }
        };
        items.into_iter().map(cut).collect()
    }
}

/// Who is told what became of something in flight.
#[derive(Debug)]
enum Asker {
    /// A client that sent a request. It is denied what it wants if it wants to own something, and its session is
    /// known to this server alone: the leader does not know why.
    Client { address: Address, session: SessionId, op: OpCode, xid: Xid, is_denied: bool },
    /// Nobody, of a session that this server alone knew, and that becomes known to all.
    Upgrade { session: SessionId },
    /// A client that wants a session.
    Connect { address: Address, session: SessionId, timeout_ms: i32, read_only: Option<ReadOnly> },
    /// The server itself.
    Nobody,
}

/// Something that waits its turn to be answered.
#[derive(Debug)]
enum InFlight {
    /// A change, at this place in history; without one, the leader is yet to give it its place. It was taken up then.
    Txn { zxid: Option<Zxid>, asker: Asker, taken: Monotonic },
    /// A request that changes nothing: a frame whose header's zxid is filled in when its turn comes. That can be
    /// when the leader says so.
    Answer { address: Address, xid: Xid, answer: Answer, from_leader: bool },
}

/// The reply to a request that changes nothing.
#[derive(Debug)]
enum Answer {
    /// It is refused, whatever it says.
    Refused(ErrorCode),
    /// This session, which only this server knew, is at its end.
    Closed(SessionId),
    /// A sync: its path, echoed.
    Synced(Option<Box<str>>),
}

/// The part of a server that orders changes and applies them.
pub struct Replica {
    settings: Arc<Settings>,
    order: Order,
    member: Membership,
    pending: Pending,
    sessions: Sessions,
    in_flight: VecDeque<InFlight>,
    /// Proposed since the host last asked.
    fresh: Fresh,
    /// Handed to the host, to be logged, and not yet applied.
    unapplied: VecDeque<Entry>,
    passages: Passages,
    outcomes: Vec<Outcomes>,
    reads: Reads,
    snapshots: SnapshotSchedule,
    containers: Containers,
    counters: ReplicaCounters,
    /// What was written, and what was read between writes.
    traffic: ReplicaTraffic,
    /// Sessions whose time was up, with their timeouts, until the host asks.
    expired: Vec<(SessionId, Duration)>,
    auditor: Option<Auditor>,
}

impl Replica {
    /// Takes up service on a recovered tree with `workers` workers. Every session of the tree gets a full
    /// timeout. Ephemeral znodes of sessions that are gone, which another server's files can hold, go by changes
    /// like any other, proposed at once. `seed` decides when snapshots fall due.
    pub fn new(settings: Arc<Settings>, tree: &Tree, workers: usize, now: Now, seed: u64) -> Self {
        let mut replica = Self::start(settings, tree, workers, now, seed);
        replica.sessions.begin_anew(now.monotonic, true, tree);
        replica.close_orphans(tree, now);
        replica
    }

    fn start(settings: Arc<Settings>, tree: &Tree, workers: usize, now: Now, seed: u64) -> Self {
        Self {
            order: Order::Alone(Broadcast::alone(tree.last_zxid())),
            member: Membership::new(seed),
            pending: Pending::new(seed),
            in_flight: VecDeque::new(),
            fresh: Fresh::default(),
            unapplied: VecDeque::new(),
            passages: Passages::default(),
            outcomes: std::iter::repeat_with(Outcomes::default).take(workers).collect(),
            reads: Reads::default(),
            snapshots: SnapshotSchedule::new(settings.snapshots.clone(), Chance::new(seed)),
            containers: Containers::new(settings.containers.clone(), now.monotonic),
            counters: ReplicaCounters::default(),
            traffic: ReplicaTraffic::default(),
            expired: Vec::new(),
            auditor: None,
            sessions: Sessions::new(settings.tick, settings.server_id, now),
            settings,
        }
    }

    /// The same as one of an ensemble: it serves nobody until there is a leader. The workers must have been told
    /// to wait: see [`crate::Worker::hold`].
    pub fn among_peers(
        settings: Arc<Settings>,
        tree: &Tree,
        workers: usize,
        now: Now,
        seed: u64,
        peer: Peer,
    ) -> Self {
        let mut replica = Self::start(settings, tree, workers, now, seed);
        replica.order = Order::Among { peer: Box::new(peer), proposed: Zxid::ZERO };
        replica.act(tree, now);
        replica
    }

    /// Ephemeral znodes whose session is gone go by changes like any other.
    fn close_orphans(&mut self, tree: &Tree, now: Now) {
        let owners = tree.sessions_with_ephemerals();
        let mut gone: Vec<_> = owners.filter(|owner| tree.session_timeout(*owner).is_none()).collect();
        gone.sort_unstable();
        for session in gone {
            self.close_session(tree, now, session, Asker::Nobody, Xid(0));
        }
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

    /// Time passes. To be called when [`Self::next_wakeup`] has come; requests that came before `now` must have
    /// been handed over first, or a session could expire whose sign of life is on its way.
    pub fn on_tick(&mut self, tree: &Tree, now: Now) {
        if !self.serves() && !self.is_read_only() {
            return;
        }
        for session in self.sessions.take_expired(now.monotonic) {
            self.counters.expired_sessions += 1;
            self.expired.push((session, self.sessions.timeout(session)));
            if self.sessions.is_local(session) {
                self.end_session(session, &Asker::Nobody);
            } else {
                self.close_session(tree, now, session, Asker::Nobody, Xid(0));
            }
        }
        if self.passes_on() {
            return;
        }
        for path in self.containers.due(tree, now) {
            self.delete_container(tree, now, &path);
        }
    }

    /// How many changes wait to be taken by [`Self::take_proposals`].
    pub fn unlogged(&self) -> usize {
        self.fresh.items.len() + self.order.peer().map_or(0, Peer::unlogged)
    }

    /// What is to be logged since the last call, and synced, in this order. A leader's followers are sent it at
    /// once.
    pub fn take_proposals(&mut self, tree: &Tree, now: Now) -> Option<Proposals> {
        let entries =
            if self.passes_on() { self.take_received(tree, now) } else { self.take_decided(tree, now) };
        if entries.is_empty() {
            return None;
        }
        self.passages.on_logged(now, &entries);
        self.unapplied.extend(entries.iter().cloned());
        Some(Proposals(entries.into()))
    }

    fn take_decided(&mut self, tree: &Tree, now: Now) -> Vec<Entry> {
        let entries = self.fresh.take();
        if self.order.peer().is_some() {
            let sizes = entries.iter().map(|entry| entry.payload.len());
            let all =
                sizes.fold(self.counters.proposal_sizes, |all, size| Some(ProposalSizes::with(all, size)));
            self.counters.proposal_sizes = all;
        }
        self.order.propose(now.monotonic, &entries);
        self.act(tree, now);
        entries
    }

    /// The log now keeps everything up to `through` across a power cut.
    pub fn on_synced(&mut self, tree: &Tree, now: Now, through: Zxid) {
        self.passages.on_synced(now, through, &mut self.counters);
        self.order.on_synced(now.monotonic, through);
        self.act(tree, now);
    }

    /// Whether [`Self::apply`] would do anything.
    pub fn can_apply(&self) -> bool {
        self.reads.has_due() || self.has_committed()
    }

    /// When [`Self::on_tick`] is to be called next.
    pub fn next_wakeup(&self) -> Monotonic {
        if !self.serves() && !self.is_read_only() {
            return Monotonic(Duration::MAX);
        }
        let containers = if self.passes_on() { Monotonic(Duration::MAX) } else { self.containers.next_at() };
        self.sessions.next_expiry().into_iter().fold(containers, Monotonic::min)
    }

    /// Whether the oldest of what is in flight can be answered as it is.
    fn has_answer(&self) -> bool {
        match self.in_flight.front() {
            Some(InFlight::Answer { from_leader, .. }) => {
                !from_leader || self.member.has_synced(self.order.applied())
            }
            Some(InFlight::Txn { .. }) | None => false,
        }
    }

    /// Whether the tree may go on.
    fn has_change(&self) -> bool {
        self.unapplied.front().is_some_and(|entry| entry.zxid <= self.order.may_apply())
    }

    fn has_committed(&self) -> bool {
        self.has_answer() || self.has_change()
    }

    /// What a worker is to be told since the last call. Changes of the tree are among it, so it must reach
    /// the worker before the worker sees the tree again.
    pub fn take_outcomes(&mut self, worker: WorkerId) -> Outcomes {
        let mut outcomes = std::mem::take(&mut self.outcomes[usize::from(worker.0)]);
        for (_, stamps) in &mut outcomes.stamps {
            stamps.iter_mut().for_each(|stamps| stamps.applied = self.passages.applied_at());
        }
        outcomes
    }

    /// Whether enough has changed that the host should roll the log and write a snapshot. Answers yes once.
    pub fn take_snapshot_due(&mut self) -> bool {
        self.serves() && self.snapshots.take_due()
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
        let alive = self.sessions.take_up(now.monotonic, session, Holder::Here(address), timeout_ms);
        if let Some(Some(Holder::Here(earlier))) = alive
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
        self.order.check_invariants();
        let mut zxids = self.in_flight.iter().filter_map(|entry| match entry {
            InFlight::Txn { zxid, .. } => *zxid,
            InFlight::Answer { .. } => None,
        });
        debug_assert!(zxids.by_ref().is_sorted(), "changes in flight stand in the order of history");
    }
}

#[cfg(test)]
mod member_tests;
#[cfg(test)]
mod tests;
