//! The learner: gets in step with a leader, then takes every change as it comes.
//!
//! ```text
//! Connecting ─▶ Registering ─ LEADERINFO ─▶ (accepted epoch durable) ─ ACKEPOCH ─▶ AwaitsPlan
//! AwaitsPlan ─ DIFF | TRUNC, durable | SNAP, durable ─▶ InSync ─ NEWLEADER ─▶ Completing
//! Completing ─ all that came is durable, then the current epoch ─ ACK ─▶ AwaitsStart ─ UPTODATE ─▶ Active
//! ```
//!
//! Changes are logged in the order in which they come, each only behind the one that it follows; none is
//! obeyed before UPTODATE. Between ACKEPOCH and the ACK nothing is sent, or the leader would take it for that
//! (ZOOKEEPER-4685).
//!
//! **Source.** ZooKeeper's quorum protocol 1.0, in the order of release 3.9.4.

mod follow;
mod synchronize;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use zoorum_proto::quorum::{ForwardedRequest, LearnerInfo, PacketType, Revalidate, Touch};
use zoorum_proto::{AuthId, Epoch, Monotonic, ServerId, SessionId, Zxid};

use crate::action::{Action, Part, Persist, SnapshotStep};
use crate::elector::Elected;
use crate::ground::Ground;
use crate::history::Entry;
use crate::link::{Door, LinkAction, LinkId, PeerAddress};
use crate::master::masters;
use crate::packets::PacketBuffer;
use crate::peer::pause;
use crate::settings::{observer_addresses, quorum_addresses};

/// So often is a leader called before it is given up: a few times quickly, since whoever is elected opens its door a
/// moment later, then as often as the original calls.
const CALLS: u32 = 10;
/// Pause after the first call in vain; it doubles up to the configured one.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// How far the learner has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The connection is being made.
    Connecting,
    /// The last call failed; another is due.
    Pausing,
    /// It has said who it is.
    Registering,
    /// The accepted epoch is being made durable.
    Promising,
    /// It has said where its history ends.
    AwaitsPlan,
    /// Its history is being cut.
    Truncating,
    /// A tree is coming, which is no packet.
    TakesSnapshot,
    /// The leader's history is coming.
    InSync,
    /// A tree that has come, with the changes behind it, is taking the place of this server's history.
    Installing,
    /// All of it has come, and is being made durable; then the current epoch.
    Completing,
    /// It has said that it has all.
    AwaitsStart,
    /// It is in step, and serves.
    Active,
}

impl Stage {
    /// Whether something must be made durable before anything more is read.
    fn is_waiting(self) -> bool {
        matches!(self, Self::Promising | Self::Truncating | Self::TakesSnapshot | Self::Installing)
    }
}

/// What a learner needs besides what it lacks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needs {
    /// Its history cannot be mended by cutting and adding.
    pub(crate) snapshot: bool,
    /// It must not be counted before it has that.
    pub(crate) abstention: bool,
}

/// Why a learner lets go of its leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost(pub String);

type Step = Result<(), Lost>;

/// A server that follows or observes, or tries to.
#[derive(Debug)]
pub struct Learner {
    leader: ServerId,
    /// Followers that an observer calls before it turns to the leader.
    masters: VecDeque<ServerId>,
    /// So long does it call them, round after round.
    masters_until: Monotonic,
    /// Which of them it has called.
    master: Option<ServerId>,
    is_observer: bool,
    needs: Needs,
    stage: Stage,
    link: Option<LinkId>,
    calls: u32,
    /// No call is made after this.
    connect_until: Monotonic,
    /// The stage must be over, or something heard, before this.
    deadline: Monotonic,
    input: PacketBuffer,
    /// This server's durable epochs.
    accepted: Epoch,
    current: Epoch,
    /// The leader's epoch.
    epoch: Epoch,
    /// When it was answered: from then on it gets in step.
    answered_at: Monotonic,
    /// The newest change that has come, or where what comes begins.
    received: Zxid,
    /// What has come and was not yet handed to the log.
    fresh: Vec<Entry>,
    /// What has come and is not known to be committed.
    uncommitted: VecDeque<Zxid>,
    /// What the leader has said is committed, believed from UPTODATE on.
    committed: Zxid,
    /// Proposals to be acknowledged once they are durable.
    unacked: VecDeque<Zxid>,
    /// The zxid of a tree that has come; what comes behind it is not logged until it takes its place.
    staged: Option<Zxid>,
    /// Everything up to here must be durable before the leader's beginning is acknowledged.
    complete_at: Zxid,
    /// Sessions heard from since the last ping, with their timeouts.
    touches: BTreeMap<SessionId, i32>,
}

impl Learner {
    /// An elected leader is to be followed. `accepted` and `current` are this server's durable epochs.
    pub(crate) fn new(
        ground: &mut Ground<'_>,
        elected: &Elected,
        accepted: Epoch,
        current: Epoch,
        needs: Needs,
        turn: u64,
    ) -> Self {
        let connect_until = ground.now + ground.settings.connect_time();
        let last = ground.history.last();
        let mut learner = Self {
            leader: elected.leader,
            masters: VecDeque::new(),
            masters_until: ground.now + ground.settings.connect_time() / 2,
            master: None,
            is_observer: elected.observes,
            needs,
            stage: Stage::Pausing,
            link: None,
            calls: 0,
            connect_until,
            deadline: connect_until,
            input: PacketBuffer::new(ground.settings.packet_max),
            accepted,
            current,
            epoch: Epoch::ZERO,
            answered_at: ground.now,
            received: last,
            fresh: Vec::new(),
            uncommitted: VecDeque::new(),
            committed: last,
            unacked: VecDeque::new(),
            staged: None,
            complete_at: Zxid::ZERO,
            touches: BTreeMap::new(),
        };
        if elected.observes && ground.settings.observer_master_port.is_some() {
            learner.masters = masters(ground, elected.leader, turn);
        }
        let pause = match elected.observes {
            true => pause(ground.settings.me, turn, ground.settings.observer_reconnect_pause),
            false => Duration::ZERO,
        };
        learner.deadline = ground.now + pause;
        if pause.is_zero() {
            learner.call(ground);
        }
        learner
    }

    /// Where it stands once it is active.
    pub(crate) fn part(&self) -> Part {
        if self.is_observer {
            Part::Observing(self.leader, self.epoch)
        } else {
            Part::Following(self.leader, self.epoch)
        }
    }

    /// What was asked for is durable.
    pub(crate) fn on_persisted(&mut self, ground: &mut Ground<'_>, what: Persist) -> Step {
        match (self.stage, what) {
            (Stage::Promising, Persist::AcceptedEpoch(epoch)) if epoch == self.epoch => {
                self.on_accepted_epoch_durable(ground)
            }
            (Stage::Truncating, Persist::Truncate(to)) if to == self.received => self.on_truncated(ground),
            (Stage::Completing, Persist::CurrentEpoch(epoch)) if epoch == self.epoch => {
                self.on_current_epoch_durable(ground)
            }
            _ => Ok(()), // of a role that is over
        }
    }

    /// Whether it is in step, and serves.
    pub(crate) fn is_active(&self) -> bool {
        self.stage == Stage::Active
    }

    /// Whether this is the connection to the leader.
    pub(crate) fn has_link(&self, link: LinkId) -> bool {
        self.link == Some(link)
    }

    fn call(&mut self, ground: &mut Ground<'_>) {
        let (door, addresses) = self.whom_to_call(ground);
        let link = ground.next_link();
        self.link = Some(link);
        self.stage = Stage::Connecting;
        self.deadline = self.connect_until;
        let timeout = match door {
            Door::ObserverMaster => ground.settings.connect_time() / 4,
            _ => self.connect_until.since(ground.now),
        };
        ground.actions.push(Action::Link(LinkAction::Dial { link, door, addresses, timeout }));
    }

    /// An observer turns to followers first, if they let it in. Their names are looked up at every call.
    fn whom_to_call(&mut self, ground: &Ground<'_>) -> (Door, Vec<PeerAddress>) {
        self.master = self.masters.pop_front();
        if let (Some(master), Some(port)) = (self.master, ground.settings.observer_master_port) {
            let member = ground.ensemble.member(master);
            let addresses = member.map(|member| observer_addresses(member, port));
            return (Door::ObserverMaster, addresses.unwrap_or_default());
        }
        self.calls += 1;
        let leader = ground.ensemble.member(self.leader);
        (Door::Quorum, leader.map(quorum_addresses).unwrap_or_default())
    }

    /// Whether it has no vote.
    pub(crate) fn observes(&self) -> bool {
        self.is_observer
    }

    /// Whom it learns from, for messages.
    fn teacher(&self) -> String {
        match self.master {
            Some(master) => format!("server {master}, which stands between this observer and the leader,"),
            None => format!("the leader, server {},", self.leader),
        }
    }

    /// The connection stands.
    pub(crate) fn on_dialed(&mut self, ground: &mut Ground<'_>, link: LinkId) {
        self.stage = Stage::Registering;
        self.deadline = ground.now + ground.settings.init_time();
        let kind = if self.is_observer { PacketType::ObserverInfo } else { PacketType::FollowerInfo };
        let version = ground.ensemble.joint.committed().version;
        ground.send(link, &LearnerInfo::packet(kind, self.accepted, ground.settings.me, version));
    }

    /// The connection is gone, or was not to be had.
    pub(crate) fn on_closed(&mut self, ground: &mut Ground<'_>, reason: &str) -> Step {
        self.link = None;
        let pause = FIRST_PAUSE * 2_u32.pow(self.calls.saturating_sub(1));
        let resumes_at = ground.now + ground.settings.connect_pause.min(pause);
        if self.stage != Stage::Connecting {
            return Err(Lost(format!("{} is gone: {reason}", self.teacher())));
        }
        if let Some(master) = self.master {
            if self.masters.is_empty() && resumes_at < self.masters_until {
                self.masters = masters(ground, self.leader, 0);
                self.stage = Stage::Pausing;
                self.deadline = resumes_at;
                return Ok(());
            }
            if self.masters.is_empty() {
                ground.tell(format!("no follower lets this observer in, server {master} neither: {reason}"));
            }
            self.call(ground);
            return Ok(());
        }
        if self.calls >= CALLS || resumes_at >= self.connect_until {
            return Err(Lost(format!("{} cannot be reached: {reason}", self.teacher())));
        }
        self.stage = Stage::Pausing;
        self.deadline = resumes_at;
        Ok(())
    }

    /// Time passes.
    pub(crate) fn on_tick(&mut self, ground: &mut Ground<'_>) -> Step {
        if ground.now < self.deadline {
            return Ok(());
        }
        match self.stage {
            Stage::Pausing => {
                self.call(ground);
                Ok(())
            }
            Stage::Connecting => Err(Lost(format!("{} does not answer", self.teacher()))),
            _ => Err(Lost(format!("nothing was heard of {} in time", self.teacher()))),
        }
    }

    /// When [`Self::on_tick`] is to be called next.
    pub(crate) fn next_wakeup(&self) -> Monotonic {
        self.deadline
    }

    /// The role is over. What has come and was not handed to the log is as if it had never come.
    pub(crate) fn end(&mut self, ground: &mut Ground<'_>) {
        if let Some(link) = self.link.take() {
            ground.actions.push(Action::Link(LinkAction::Close { link }));
        }
        if self.stage == Stage::TakesSnapshot || self.staged.is_some() {
            ground.actions.push(Action::Snapshot(SnapshotStep::Abandon));
        }
    }

    /// The leader has sent something.
    pub(crate) fn on_received(&mut self, ground: &mut Ground<'_>, bytes: &Bytes) -> Step {
        let patience = if matches!(self.stage, Stage::AwaitsStart | Stage::Active) {
            ground.settings.sync_time()
        } else {
            ground.settings.init_time()
        };
        self.deadline = ground.now + patience;
        if self.stage == Stage::TakesSnapshot {
            ground.actions.push(Action::Snapshot(SnapshotStep::Bytes(bytes.clone())));
            return Ok(());
        }
        self.input.push(bytes);
        self.read(ground)
    }

    /// Deals with the packets that are there, as long as nothing must be made durable first.
    fn read(&mut self, ground: &mut Ground<'_>) -> Step {
        while !self.stage.is_waiting() {
            match self.input.next_packet() {
                Ok(Some(packet)) => self.on_packet(ground, packet)?,
                Ok(None) => break,
                Err(error) => return Err(self.nonsense(&error.to_string())),
            }
        }
        Ok(())
    }

    fn nonsense(&self, what: &str) -> Lost {
        Lost(format!("{} cannot be followed: {what}", self.teacher()))
    }

    /// What has come since the last call, to be logged in this order.
    pub(crate) fn take_fresh(&mut self) -> Vec<Entry> {
        if self.staged.is_some() { Vec::new() } else { std::mem::take(&mut self.fresh) }
    }

    /// Whether anything is to be logged.
    pub(crate) fn fresh_count(&self) -> usize {
        if self.staged.is_some() { 0 } else { self.fresh.len() }
    }

    /// A client of this server asks the leader.
    pub(crate) fn forward(&mut self, ground: &mut Ground<'_>, request: &ForwardedRequest, ids: Vec<AuthId>) {
        if let Some(link) = self.link {
            ground.send(link, &request.packet(Some(ids)));
        }
    }

    /// Asks the leader whether a session lives.
    pub(crate) fn revalidate(&mut self, ground: &mut Ground<'_>, request: Revalidate) {
        if let Some(link) = self.link {
            ground.send(link, &request.packet());
        }
    }

    /// A session was heard from: the leader is told with the next ping.
    pub(crate) fn touch(&mut self, session: SessionId, timeout_ms: i32) {
        self.touches.insert(session, timeout_ms);
    }

    /// Gives the sign of life for which the leader has asked, or may have asked unheard.
    pub(crate) fn give_sign(&mut self, ground: &mut Ground<'_>, asked: Zxid) {
        let touches = self.take_touches();
        if let Some(link) = self.link {
            ground.send(link, &Touch::packet(asked, &touches));
        }
    }

    /// Gives a sign of life unasked.
    pub(crate) fn give_sign_unasked(&mut self, ground: &mut Ground<'_>) {
        if self.stage == Stage::Active {
            self.give_sign(ground, self.committed);
        }
    }

    fn take_touches(&mut self) -> Vec<Touch> {
        let touches = std::mem::take(&mut self.touches);
        touches.into_iter().map(|(session, timeout_ms)| Touch { session, timeout_ms }).collect()
    }

    /// What holds between any two steps.
    pub(crate) fn check_invariants(&self) {
        debug_assert!(self.uncommitted.iter().is_sorted(), "proposals stand in the order of history");
        debug_assert!(self.unacked.iter().is_sorted(), "acks leave in the order of history");
        assert!(self.committed <= self.received, "only what has come is committed");
    }
}
