//! The replica as one of an ensemble: what its peers do, and what that means for its clients.
//!
//! What that means for whom this server serves is told in [`super::service`].

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use zoorum_proto::connect::ReadOnly;
use zoorum_proto::quorum::{ForwardedRequest, Revalidate, Revalidated};
use zoorum_proto::{
    Decode, Encode, ErrorCode, Monotonic, OpCode, SessionId, Txn, TxnHeader, WallClock, WriteOp, Xid, Zxid,
};
use zoorum_tree::Tree;
use zoorum_zab::{
    Action, Entry, FromLeader, FromLearner, LinkAction, LinkEvent, LinkId, Notice, Part, Peer, Persist, Seek,
    SnapshotStep, Sought,
};

use super::local::Before;
use super::order::Order;
use super::report::age_ms;
use super::service::Serving;
use super::sessions::Holder;
use super::{Answer, Asker, InFlight, Now, Replica};
use crate::message::{Address, Identity, Outcome};

/// A learner's tree that was not what the leader's digests say for so many changes in a row is wrong.
pub(super) const DISTRUSTED_AFTER: u64 = 1_000;

/// What the host is to do for a member of an ensemble, in order, and before anything else is handed in.
#[derive(Clone, Debug)]
pub enum Effect {
    /// About connections to peers.
    Link(LinkAction),
    /// Make this durable, then call [`Replica::on_persisted`].
    Persist(Persist),
    /// About a tree that comes from the leader: [`Replica::on_snapshot_received`], then
    /// [`Replica::on_snapshot_installed`] is to be called, or [`Replica::on_snapshot_refused`].
    Snapshot(SnapshotStep),
    /// The tree is not what the leader's digests say: leave a durable note that a leader's own must take its place.
    DistrustTree,
    /// What a learner lacks is to be found: [`Replica::on_sought`].
    Seek(Seek),
    /// Something for the log.
    Tell(Notice),
}

/// What a member keeps besides.
#[derive(Default)]
pub(super) struct Membership {
    pub(super) effects: Vec<Effect>,
    pub(super) serving: Serving,
    /// The tree must have this before anybody is served.
    pub(super) serves_from: Zxid,
    /// Counts the times of service, so that what was asked in an earlier one is known.
    pub(super) era: u64,
    /// Syncs that the leader has answered, and whose turn has not come: each with what was committed then, which the
    /// tree must have. It may yet have to be logged here.
    pub(super) synced: VecDeque<Zxid>,
    /// Clients that wait to hear from the leader whether their sessions live.
    pub(super) asking: BTreeMap<SessionId, VecDeque<Returning>>,
    /// What learners said before this server was ready to serve.
    pub(super) early: Vec<FromLearner>,
    /// So many changes in a row have led to another tree than the leader's.
    mismatches: u64,
    /// When something was last heard of peers or log.
    heard_at: WallClock,
    /// Where the state stands that was restored here last, while it is part of the history.
    pub(super) restored: Option<Zxid>,
    ending: Ending,
    pub(super) seed: u64,
}

/// How far a server is on its way out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Ending {
    #[default]
    No,
    /// Learners' clients are not taken up any more: they would be let go again in a moment.
    TakesNobody,
    /// Nothing more is taken from learners.
    TakesNothing,
}

/// A client that comes with a session.
pub(super) struct Returning {
    address: Address,
    timeout_ms: i32,
    read_only: Option<ReadOnly>,
}

impl Ending {
    /// Whether what a learner says is still heard.
    fn takes(self, word: &FromLearner) -> bool {
        let brings_somebody = match word {
            FromLearner::Request { request, .. } => request.op == OpCode::CreateSession as i32,
            FromLearner::Revalidate { .. } => true,
            FromLearner::Touched(_) | FromLearner::Gone(_) => return true,
        };
        match self {
            Self::No => true,
            Self::TakesNobody => !brings_somebody,
            Self::TakesNothing => false,
        }
    }
}

impl Membership {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// When something was last heard of peers or log.
    pub(super) fn heard_at(&self) -> WallClock {
        self.heard_at
    }

    /// Whether the leader has answered the oldest sync, and a tree up to `applied` has all that was committed then.
    pub(super) fn has_synced(&self, applied: Zxid) -> bool {
        self.synced.front().is_some_and(|committed| *committed <= applied)
    }
}

/// Whether an entry of history holds a change that can be read, at its place.
fn is_sound(entry: &Entry) -> bool {
    Txn::from_bytes(&entry.payload).is_ok_and(|txn| txn.header.zxid == entry.zxid)
}

impl Replica {
    /// What has come from the leader, to be logged, each change one that can be read: a leader that sends others
    /// is not followed.
    pub(super) fn take_received(&mut self, tree: &Tree, now: Now) -> Vec<Entry> {
        let Some(peer) = self.order.peer_mut() else { return Vec::new() };
        let entries = peer.take_received(now.monotonic, is_sound);
        for entry in &entries {
            self.snapshots.on_logged(entry.payload.len());
            if let Ok(header) = TxnHeader::from_bytes(&entry.payload) {
                self.counters.arrival.observe(age_ms(now.wall, header.time));
            }
        }
        self.act(tree, now);
        entries
    }

    /// How this server gets along with its peers; `None` if it has none.
    pub fn peer(&self) -> Option<&Peer> {
        self.order.peer()
    }

    /// Where this server stands among its peers; `None` if it has none.
    pub fn part(&self) -> Option<Part> {
        self.order.peer().map(Peer::part)
    }

    /// Whether this server passes on what its clients ask.
    pub(super) fn passes_on(&self) -> bool {
        !self.order.decides()
    }

    /// What the host is to do, in order.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.member.effects)
    }

    /// Something happened to a connection to a peer.
    pub fn on_link(&mut self, tree: &Tree, now: Now, event: LinkEvent) {
        if let Some(peer) = self.order.peer_mut() {
            peer.on_link(now.monotonic, event);
            self.act(tree, now);
        }
    }

    /// Time passes for what goes on between peers. To be called when [`Self::next_peer_wakeup`] has come.
    pub fn on_peer_tick(&mut self, tree: &Tree, now: Now) {
        if let Some(peer) = self.order.peer_mut() {
            peer.on_tick(now.monotonic);
            self.act(tree, now);
        }
    }

    /// This server is kept waiting by its disk, and does not hear what its peers say: whoever leads is told that it
    /// lives, and which sessions do.
    pub fn give_sign(&mut self, tree: &Tree, now: Now) {
        if let Some(peer) = self.order.peer_mut() {
            peer.give_sign(now.monotonic);
            self.act(tree, now);
        }
    }

    /// When [`Self::on_peer_tick`] is to be called next.
    pub fn next_peer_wakeup(&self) -> Monotonic {
        let wakeup = self.order.peer().map_or(Monotonic(Duration::MAX), Peer::next_wakeup);
        self.read_only_at().into_iter().fold(wakeup, Monotonic::min)
    }

    /// What an effect asked for is durable. A history that was cut is cut in the tree, too.
    pub fn on_persisted(&mut self, tree: &Tree, now: Now, what: Persist) {
        if let Persist::Truncate(to) = what {
            // The tree may have been recovered anew, and have some of it.
            let in_tree = tree.last_zxid();
            self.unapplied.retain(|entry| entry.zxid <= to && entry.zxid > in_tree);
            self.forget_restored_behind(to);
        }
        if let Some(peer) = self.order.peer_mut() {
            peer.on_persisted(now.monotonic, what);
            peer.on_applied(tree.last_zxid());
            self.act(tree, now);
        }
    }

    /// The history cannot be cut as an effect asked for.
    pub fn on_truncation_impossible(&mut self, tree: &Tree, now: Now, reason: &str) {
        if let Some(peer) = self.order.peer_mut() {
            peer.on_truncation_impossible(now.monotonic, reason);
            self.act(tree, now);
        }
    }

    /// The tree that the leader sends has come, whole; `rest` came behind it.
    pub fn on_snapshot_received(&mut self, tree: &Tree, now: Now, zxid: Zxid, rest: &Bytes) {
        if let Some(peer) = self.order.peer_mut() {
            peer.on_snapshot_received(now.monotonic, zxid, rest);
            self.act(tree, now);
        }
    }

    /// `tree` came from the leader and has taken the place of this server's; what came behind it is in the log.
    pub fn on_snapshot_installed(&mut self, tree: &Tree, now: Now) {
        if let Some(peer) = self.order.peer_mut() {
            peer.on_snapshot_installed(now.monotonic);
            let (after, last) = (tree.last_zxid(), peer.history().last());
            self.unapplied = peer.history().between(after, last).cloned().collect();
            self.member.mismatches = 0;
            self.member.restored = None;
            self.act(tree, now);
        }
    }

    /// What came from the leader is no tree.
    pub fn on_snapshot_refused(&mut self, tree: &Tree, now: Now, reason: &str) {
        if let Some(peer) = self.order.peer_mut() {
            peer.on_snapshot_refused(now.monotonic, reason);
            self.act(tree, now);
        }
    }

    /// What a learner lacks has been sought. If it is to be sent a tree, that is `tree` as it is.
    pub fn on_sought(&mut self, tree: &Tree, now: Now, link: LinkId, sought: Sought) {
        if let Some(peer) = self.order.peer_mut() {
            peer.on_sought(now.monotonic, link, sought);
            self.act(tree, now);
        }
    }

    /// An epoch has room for so many changes. Before it is used up, a leader gives way to a new epoch, its own or
    /// another's; no place is ever given twice, or in the half of the zxid that is the epoch.
    pub(super) fn leave_before_the_last_place(&mut self, tree: &Tree, now: Now) {
        let limit = self.settings.epoch_changes;
        if let Order::Among { peer, proposed } = &mut self.order
            && proposed.counter() >= limit
            // What an earlier epoch used up is no concern of this one.
            && peer.part() == Part::Leading(proposed.epoch())
        {
            peer.step_down("nearly all places of this epoch are used: the ensemble needs a new one");
            self.act(tree, now);
        }
    }

    /// Deals with what the protocol asks for.
    pub(super) fn act(&mut self, tree: &Tree, now: Now) {
        self.member.heard_at = now.wall;
        self.passages.on_heard(now.monotonic, self.order.may_apply());
        loop {
            let actions = self.order.peer_mut().map(Peer::take_actions).unwrap_or_default();
            if actions.is_empty() {
                return self.mind_the_lack_of_a_leader(tree, now);
            }
            for action in actions {
                match action {
                    Action::Link(action) => self.member.effects.push(Effect::Link(action)),
                    Action::Persist(what) => self.member.effects.push(Effect::Persist(what)),
                    Action::Snapshot(SnapshotStep::Install(behind)) if !behind.iter().all(is_sound) => {
                        if let Some(peer) = self.order.peer_mut() {
                            peer.on_snapshot_refused(now.monotonic, "a change behind it cannot be read");
                        }
                    }
                    Action::Snapshot(step) => self.member.effects.push(Effect::Snapshot(step)),
                    Action::Seek(seek) => self.member.effects.push(Effect::Seek(seek)),
                    Action::Tell(notice) => self.member.effects.push(Effect::Tell(notice)),
                    Action::Became(part) => self.become_part(part),
                    Action::FromLeader(FromLeader::Synced(after)) => self.member.synced.push_back(after),
                    Action::FromLeader(FromLeader::Revalidated(answer)) => self.on_revalidated(now, answer),
                    Action::FromLearner(word) if self.serves() => self.on_learner(tree, now, word),
                    Action::FromLearner(word) => self.member.early.push(word),
                    Action::FromObserver(word) => self.on_observer(now, word),
                }
            }
        }
    }

    /// A change of a leader's has led to the tree that it had, or to another.
    ///
    /// A tree that came from a leader of ZooKeeper's may hold parts of later changes, and differs until those have
    /// come. A tree that goes on differing is wrong.
    pub(super) fn on_learners_digest(&mut self, zxid: Zxid, matches: bool) {
        let before = self.member.mismatches;
        self.member.mismatches = if matches { 0 } else { before + 1 };
        if matches {
            return;
        }
        let told = match self.member.mismatches {
            1 => format!("the tree at {zxid} is not what the leader's digest says"),
            DISTRUSTED_AFTER => {
                if let Some(peer) = self.order.peer_mut() {
                    peer.distrust_tree();
                }
                self.member.effects.push(Effect::DistrustTree);
                format!(
                    "the tree at {zxid} is not what the leader's digest says, and was not for {DISTRUSTED_AFTER} changes: \
                     this server goes on, and takes the whole tree from its leader when it next gets in step with one"
                )
            }
            _ => return,
        };
        self.member.effects.push(Effect::Tell(Notice::Warning(told)));
    }

    /// The server ends, and its clients are about to be let go. If it leads, they are not to come back through a
    /// learner: there they wait until there is another leader.
    pub fn leave(&mut self) {
        self.member.ending = Ending::TakesNobody;
    }

    /// The server ends, and its clients are gone: nothing more is taken from learners either. Their clients will ask
    /// again, once there is another leader.
    pub fn finish(&mut self) {
        self.member.ending = Ending::TakesNothing;
    }

    /// Whether everything is committed that this server has given a place in history.
    pub fn is_finished(&self) -> bool {
        self.passes_on() || self.fresh.items.is_empty() && self.unapplied.is_empty()
    }

    /// A learner speaks, and this server leads.
    pub(super) fn on_learner(&mut self, tree: &Tree, now: Now, word: FromLearner) {
        if !self.member.ending.takes(&word) {
            return;
        }
        match word {
            FromLearner::Request { learner, request, ids } => {
                self.on_forwarded(tree, now, learner, &request, &ids.into());
            }
            FromLearner::Revalidate { learner, request: Revalidate { session, timeout_ms } } => {
                let earlier =
                    self.sessions.take_up(now.monotonic, session, Holder::Learner(learner), timeout_ms);
                if let Some(Some(Holder::Here(address))) = earlier {
                    self.tell(address, |connection| Outcome::Close { connection });
                }
                self.counters.revalidations += 1;
                if let Some(peer) = self.order.peer_mut() {
                    peer.revalidated(now.monotonic, learner, session, earlier.is_some());
                }
            }
            FromLearner::Touched(touches) => {
                touches.iter().for_each(|touch| self.sessions.touch(touch.session, now.monotonic));
            }
            // Its sessions stay its own until their clients come to somebody else.
            FromLearner::Gone(_) => {}
        }
    }

    /// A learner passes on what a client asked. Whatever it is, it gets a place in history: the learner knows the
    /// answer by that.
    fn on_forwarded(
        &mut self,
        tree: &Tree,
        now: Now,
        learner: LinkId,
        request: &ForwardedRequest,
        ids: &Identity,
    ) {
        let ForwardedRequest { session, xid, op, body } = request;
        match OpCode::from_number(*op) {
            Some(OpCode::CreateSession) => {
                let timeout_ms = i32::from_bytes(body).unwrap_or(0);
                self.sessions.open_elsewhere(now.monotonic, *session, Holder::Learner(learner), timeout_ms);
                self.propose_session(tree, now, *session, timeout_ms, Asker::Nobody);
            }
            Some(OpCode::CloseSession) => self.close_session(tree, now, *session, Asker::Nobody, *xid),
            Some(OpCode::Sync) => {
                let after = self.order.proposed();
                if let Some(peer) = self.order.peer_mut() {
                    peer.sync(now.monotonic, learner, after);
                }
            }
            op => match op.and_then(|op| WriteOp::decode(op, body).ok()) {
                Some(op) => {
                    let holder = Holder::Learner(learner);
                    self.decide(tree, now, *session, *xid, holder, &op, ids, Asker::Nobody);
                }
                None => self.refuse_unreadable(tree, now, *session, *xid),
            },
        }
    }

    /// A client's write goes to the leader. What cannot be read goes no further.
    pub(super) fn pass_on(&mut self, now: Now, asker: Asker, body: &[u8], identity: &Identity) {
        let Asker::Client { address, session, op, xid, .. } = asker else {
            unreachable!("only clients write")
        };
        if self.sessions.has_moved(session, Holder::Here(address)) {
            // To an observer of this server's. The connection is being closed, but what it asked still counts.
            return self.answer(address, xid, Answer::Refused(ErrorCode::SessionMoved));
        }
        let waiting = match WriteOp::decode(op, body) {
            Err(_) => return self.answer(address, xid, Answer::Refused(ErrorCode::MarshallingError)),
            Ok(WriteOp::Sync(path)) => {
                let answer = Answer::Synced(path.map(|path| path.into()));
                InFlight::Answer { address, xid, answer, from_leader: true }
            }
            Ok(asked) => {
                let before = self.before(session, &asked);
                if let Before::Upgrade { timeout_ms } = before {
                    self.pass_on_opening(now, session, timeout_ms, Asker::Upgrade { session });
                }
                let is_denied = before == Before::Denied;
                let asker = Asker::Client { address, session, op, xid, is_denied };
                InFlight::Txn { zxid: None, asker, taken: now.monotonic }
            }
        };
        self.in_flight.push_back(waiting);
        let request = ForwardedRequest { session, xid, op: op as i32, body: Bytes::copy_from_slice(body) };
        self.forward(now.monotonic, &request, identity);
    }

    /// A client wants a session, which the leader must open.
    pub(super) fn pass_on_open(
        &mut self,
        now: Now,
        address: Address,
        timeout_ms: i32,
        read_only: Option<ReadOnly>,
    ) {
        let session = self.sessions.open(now.monotonic, address, timeout_ms);
        let asker = Asker::Connect { address, session, timeout_ms, read_only };
        self.pass_on_opening(now, session, timeout_ms, asker);
    }

    fn pass_on_opening(&mut self, now: Now, session: SessionId, timeout_ms: i32, asker: Asker) {
        self.in_flight.push_back(InFlight::Txn { zxid: None, asker, taken: now.monotonic });
        let body = timeout_ms.to_vec().into();
        let request = ForwardedRequest { session, xid: Xid(0), op: OpCode::CreateSession as i32, body };
        self.forward(now.monotonic, &request, &Identity::from([]));
    }

    fn forward(&mut self, now: Monotonic, request: &ForwardedRequest, identity: &Identity) {
        if let Some(peer) = self.order.peer_mut() {
            peer.forward(now, request, identity.to_vec());
        }
    }

    /// A client comes with a session: the leader knows whether it lives.
    pub(super) fn ask_leader(
        &mut self,
        now: Now,
        address: Address,
        session: SessionId,
        timeout_ms: i32,
        read_only: Option<ReadOnly>,
    ) {
        let returning = Returning { address, timeout_ms, read_only };
        self.member.asking.entry(session).or_default().push_back(returning);
        self.counters.revalidations_asked += 1;
        if let Some(peer) = self.order.peer_mut() {
            peer.revalidate(now.monotonic, Revalidate { session, timeout_ms });
        }
    }

    fn on_revalidated(&mut self, now: Now, answer: Revalidated) {
        let Revalidated { session, valid } = answer;
        let Some(asking) = self.member.asking.get_mut(&session) else { return };
        let Some(Returning { address, timeout_ms, read_only }) = asking.pop_front() else { return };
        if asking.is_empty() {
            self.member.asking.remove(&session);
        }
        if valid {
            // Its creation may be known to the leader, and still be on its way here.
            self.sessions.open_elsewhere(now.monotonic, session, Holder::Here(address), timeout_ms);
            self.take_up_session(now, address, session, timeout_ms, read_only);
        } else {
            self.tell(address, |connection| Outcome::Connected {
                connection,
                session: None,
                timeout_ms,
                read_only,
            });
        }
    }

    /// A client was heard from.
    pub(super) fn heard(&mut self, session: SessionId, at: Monotonic) {
        self.sessions.touch(session, at);
        if self.passes_on()
            && !self.sessions.is_local(session)
            && let Some(timeout_ms) = self.sessions.timeout_ms(session)
            && let Some(peer) = self.order.peer_mut()
        {
            peer.touch(session, timeout_ms);
        }
    }
}
