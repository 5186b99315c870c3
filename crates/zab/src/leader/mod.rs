//! The leader: makes its history the ensemble's, then gives every change its place and says when it counts.
//!
//! ```text
//! Discovering ─ a quorum says which epochs it has accepted ─▶ (accepted epoch durable)
//! Promising   ─ a quorum promises to follow ───────────────▶ (current epoch durable)
//! InStep      ─ a quorum has all of the leader's history ──▶ Leading
//! ```
//!
//! Everything that the leader's history holds when it is established is committed by that; before, nothing is.
//! Each phase has its deadline, and a leader that misses one, or later loses touch with a quorum, gives up.
//!
//! **Source.** ZooKeeper's quorum protocol 1.0. A promise counts only from a voter that made it for the first
//! time, and quorums are those of every configuration that may be in force.

mod broadcast;
mod discovery;
mod learners;
mod synchronize;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use zoorum_proto::quorum::{PacketType, QuorumPacket};
use zoorum_proto::{Epoch, Monotonic, ServerId, Zxid};

use crate::action::{Action, FromLearner, Persist};
use crate::ground::Ground;
use crate::history::History;
use crate::link::{LinkAction, LinkId};
use crate::packets::{self, PacketBuffer};
use crate::report::{LearnerReport, Traffic};
use crate::settings::Ensemble;
use learners::{Learner, Stage};

/// How far the leader has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Waits for a quorum of learners; the epoch will be above all that they have accepted.
    Discovering,
    /// The epoch is fixed. Waits for a quorum of promises.
    Promising,
    /// Waits for a quorum that has all of the history.
    InStep,
    /// Established.
    Leading,
}

/// Why a leader gives up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abdication(pub String);

/// A server that leads, or tries to.
#[derive(Debug)]
pub struct Leader {
    phase: Phase,
    /// When the phase must be over; while leading, when the quorum is looked at next.
    deadline: Monotonic,
    /// When learners are pinged next.
    ping_at: Monotonic,
    /// The current epoch and the end of history that this server was elected with.
    summary: (Epoch, Zxid),
    /// Highest epoch that anybody has accepted, then the leader's own.
    epoch: Epoch,
    learners: BTreeMap<LinkId, Learner>,
    /// Voters that have come while the epoch was not fixed, this server included.
    connected: BTreeSet<ServerId>,
    /// Voters that have promised, this server included once its own epoch is durable.
    promised: BTreeSet<ServerId>,
    /// Voters that have all of the history.
    in_step: BTreeSet<ServerId>,
    /// Syncs to be answered, in order, each once this zxid is committed.
    syncs: VecDeque<(Zxid, LinkId)>,
    /// The newest change that was sent to followers.
    proposed: Zxid,
}

impl Leader {
    /// An elected server takes up leading. Its epoch will be above `accepted`; `current` is durable.
    pub(crate) fn new(ground: &mut Ground<'_>, accepted: Epoch, current: Epoch) -> Self {
        let deadline = ground.now + ground.settings.init_time();
        let mut leader = Self {
            phase: Phase::Discovering,
            deadline,
            ping_at: deadline,
            summary: (current, ground.history.last()),
            epoch: accepted,
            learners: BTreeMap::new(),
            connected: BTreeSet::new(),
            promised: BTreeSet::new(),
            in_step: BTreeSet::new(),
            syncs: VecDeque::new(),
            proposed: ground.history.last(),
        };
        leader.connected.insert(ground.settings.me);
        ground.actions.push(Action::Link(LinkAction::Open { door: crate::link::Door::Quorum }));
        leader.try_to_fix_epoch(ground);
        leader
    }

    /// Whether it is established.
    pub(crate) fn is_established(&self) -> bool {
        self.phase == Phase::Leading
    }

    /// A learner has called.
    pub(crate) fn on_accepted(&mut self, ground: &mut Ground<'_>, link: LinkId, from: String) {
        let learner = Learner {
            stage: Stage::Hello,
            id: ServerId::NONE,
            is_observer: false,
            from,
            input: PacketBuffer::new(ground.settings.packet_max),
            deadline: ground.now + ground.settings.init_time(),
            accepted: Epoch::ZERO,
            last: Zxid::ZERO,
            takes_tree: false,
            fed_after: Zxid::ZERO,
            acked: Zxid::ZERO,
            unacked: None,
            traffic: Traffic::since(ground.now),
        };
        self.learners.insert(link, learner);
    }

    /// Whether this is the connection of a learner.
    pub(crate) fn has_link(&self, link: LinkId) -> bool {
        self.learners.contains_key(&link)
    }

    /// Its learners, for reports.
    pub(crate) fn report(&self, ensemble: &Ensemble) -> Vec<LearnerReport> {
        let known = self.learners.iter().filter(|(_, learner)| learner.stage != Stage::Hello);
        let report = |(link, learner): (&LinkId, &Learner)| LearnerReport {
            link: *link,
            id: learner.id,
            from: learner.from.clone(),
            observes: learner.is_observer,
            votes: !learner.is_observer && ensemble.joint.is_voter(learner.id),
            in_step: learner.stage == Stage::Active,
            traffic: learner.traffic,
            queued: (0, 0),
        };
        let mut learners: Vec<_> = known.map(report).collect();
        learners.sort_by_key(|learner| learner.id);
        learners
    }

    /// Starts counting anew what passes on its observers' connections.
    pub(crate) fn reset_observers(&mut self) {
        let observers = self.learners.values_mut().filter(|learner| learner.is_observer);
        observers.for_each(|observer| observer.traffic.reset());
    }

    /// Syncs that wait for what was proposed before.
    pub(crate) fn pending_syncs(&self) -> usize {
        self.syncs.len()
    }

    /// Voters that have all of the history, for messages.
    pub(crate) fn names_in_step(&self) -> String {
        names(&self.in_step)
    }

    /// The epoch in which it leads.
    pub(crate) fn established_epoch(&self) -> Epoch {
        self.epoch
    }

    /// What was asked for is durable.
    pub(crate) fn on_persisted(&mut self, ground: &mut Ground<'_>, what: Persist) {
        match what {
            Persist::AcceptedEpoch(epoch) if epoch == self.epoch && self.phase == Phase::Promising => {
                self.on_accepted_epoch_durable(ground);
            }
            Persist::CurrentEpoch(epoch) if epoch == self.epoch && self.phase == Phase::InStep => {
                self.on_current_epoch_durable(ground);
            }
            _ => {} // of a role that is over
        }
    }

    /// A learner has sent something.
    pub(crate) fn on_received(&mut self, ground: &mut Ground<'_>, link: LinkId, bytes: &Bytes) {
        let Some(learner) = self.learners.get_mut(&link) else { return };
        learner.input.push(bytes);
        while let Some(learner) = self.learners.get_mut(&link) {
            match learner.input.next_packet() {
                Ok(None) => break,
                Ok(Some(packet)) => {
                    if let Err(reason) = self.on_packet(ground, link, packet) {
                        self.drop_learner(ground, link, &reason);
                    }
                }
                Err(error) => self.drop_learner(ground, link, &error.to_string()),
            }
        }
        self.commit(ground); // once for all the acks among them
    }

    /// A learner's connection is gone.
    pub(crate) fn on_closed(&mut self, ground: &mut Ground<'_>, link: LinkId, reason: &str) {
        if let Some(learner) = self.learners.remove(&link) {
            self.forget(ground, link);
            if learner.stage != Stage::Hello {
                ground.tell(format!("{} is gone: {reason}", learner.name()));
            }
        }
    }

    fn on_packet(
        &mut self,
        ground: &mut Ground<'_>,
        link: LinkId,
        packet: QuorumPacket,
    ) -> Result<(), String> {
        let Some(learner) = self.learners.get_mut(&link) else { return Ok(()) };
        let patience = match learner.stage {
            Stage::Active | Stage::AwaitsStart => ground.settings.sync_time(),
            _ => ground.settings.init_time(),
        };
        learner.deadline = ground.now + patience;
        if matches!(learner.stage, Stage::AwaitsStart | Stage::Active) {
            learner.traffic.on_received(packet.kind == PacketType::Request);
        }
        match (learner.stage, packet.kind) {
            (Stage::Hello, PacketType::FollowerInfo | PacketType::ObserverInfo) => {
                self.on_info(ground, link, &packet)
            }
            (Stage::OwesAckEpoch, PacketType::AckEpoch) => self.on_ack_epoch(ground, link, &packet),
            (Stage::OwesNewLeaderAck, PacketType::Ack) => {
                self.on_ack_in_sync(ground, link, packet.zxid);
                Ok(())
            }
            (Stage::AwaitsStart | Stage::Active, PacketType::Ack) => self.on_ack(ground, link, packet.zxid),
            (Stage::AwaitsStart | Stage::Active, _) => self.on_word(ground, link, packet),
            (stage, kind) => Err(format!("it sent {kind} when {}", stage.expects())),
        }
    }

    /// Time passes. An error means that this server leads no longer.
    pub(crate) fn on_tick(&mut self, ground: &mut Ground<'_>) -> Result<(), Abdication> {
        let silent: Vec<LinkId> = self
            .learners
            .iter()
            .filter(|(_, learner)| learner.deadline <= ground.now)
            .map(|(link, _)| *link)
            .collect();
        for link in silent {
            self.drop_learner(ground, link, "nothing was heard of it in time");
        }
        if self.deadline <= ground.now {
            if !self.is_established() {
                return Err(Abdication(self.missed(ground)));
            }
            self.deadline = ground.now + ground.settings.tick;
            let me = ground.settings.me;
            let present: BTreeSet<ServerId> = self.voters_present(ground).chain([me]).collect();
            if !ground.ensemble.joint.is_quorum(|id| present.contains(&id)) {
                return Err(Abdication(format!(
                    "only servers {} are in touch, which is no quorum",
                    names(&present)
                )));
            }
        }
        if self.ping_at <= ground.now && self.is_established() {
            self.ping_at = ground.now + ground.settings.tick / 2;
            self.ping(ground);
        }
        Ok(())
    }

    /// When [`Self::on_tick`] is to be called next.
    pub(crate) fn next_wakeup(&self) -> Monotonic {
        let own = if self.is_established() { self.deadline.min(self.ping_at) } else { self.deadline };
        self.learners.values().map(|learner| learner.deadline).fold(own, Monotonic::min)
    }

    /// The role is over: every learner is let go.
    pub(crate) fn end(&mut self, ground: &mut Ground<'_>) {
        for (link, _) in std::mem::take(&mut self.learners) {
            ground.actions.push(Action::Link(LinkAction::Close { link }));
            ground.actions.push(Action::FromLearner(FromLearner::Gone(link)));
        }
        ground.actions.push(Action::Link(LinkAction::Shut { door: crate::link::Door::Quorum }));
    }

    /// What was not reached in time.
    fn missed(&self, ground: &Ground<'_>) -> String {
        let within = ground.settings.init_time();
        match self.phase {
            Phase::Discovering => {
                format!("only servers {} came within {within:?}, which is no quorum", names(&self.connected))
            }
            Phase::Promising => {
                format!("only servers {} promised to follow within {within:?}", names(&self.promised))
            }
            Phase::InStep | Phase::Leading => {
                format!("only servers {} got in step within {within:?}", names(&self.in_step))
            }
        }
    }

    /// Voters that are in touch.
    fn voters_present(&self, ground: &Ground<'_>) -> impl Iterator<Item = ServerId> {
        let joint = ground.ensemble.joint.clone();
        self.learners
            .values()
            .filter(move |learner| learner.stage != Stage::Hello && joint.is_voter(learner.id))
            .map(|learner| learner.id)
    }

    fn ping(&mut self, ground: &mut Ground<'_>) {
        let ping = packets::bytes(&QuorumPacket::bare(PacketType::Ping, self.proposed));
        let mut slow = Vec::new();
        for (link, learner) in self.learners.iter_mut().filter(|(_, learner)| learner.is_fed()) {
            let is_slow = learner
                .unacked
                .is_some_and(|(_, since)| ground.now.since(since) > ground.settings.sync_time());
            if is_slow {
                slow.push(*link);
            } else {
                learner.traffic.on_sent(1, self.proposed);
                ground.write(*link, ping.clone());
            }
        }
        for link in slow {
            self.drop_learner(ground, link, "it acknowledges nothing");
        }
    }

    fn drop_learner(&mut self, ground: &mut Ground<'_>, link: LinkId, reason: &str) {
        if let Some(learner) = self.learners.remove(&link) {
            ground.warn(format!("closing the connection of {}: {reason}", learner.name()));
            ground.actions.push(Action::Link(LinkAction::Close { link }));
            self.forget(ground, link);
        }
    }

    fn forget(&mut self, ground: &mut Ground<'_>, link: LinkId) {
        self.syncs.retain(|(_, learner)| *learner != link);
        ground.actions.push(Action::FromLearner(FromLearner::Gone(link)));
    }

    /// This server's log keeps more than before.
    pub(crate) fn on_synced(&mut self, ground: &mut Ground<'_>) {
        match self.phase {
            Phase::InStep => self.try_to_establish(ground),
            Phase::Leading => self.commit(ground),
            Phase::Discovering | Phase::Promising => {}
        }
    }

    /// What holds between any two steps.
    pub(crate) fn check_invariants(&self, history: &History) {
        // Until it leads, it may lack what it has heard to be committed: then nobody will follow it.
        assert!(
            !self.is_established() || history.committed() <= self.proposed.max(history.last()),
            "only what is proposed is committed"
        );
        assert!(
            self.learners.values().all(|learner| learner.acked <= self.proposed.max(history.last())),
            "nobody has what was not sent"
        );
        debug_assert!(self.syncs.iter().is_sorted_by_key(|(zxid, _)| *zxid), "syncs wait in order");
    }
}

/// Servers, for messages.
fn names(servers: &BTreeSet<ServerId>) -> String {
    servers.iter().map(ServerId::to_string).collect::<Vec<_>>().join(", ")
}

impl Stage {
    /// What a learner at this stage may send, for messages.
    fn expects(self) -> &'static str {
        match self {
            Self::Hello => "it was to say who it is",
            Self::AwaitsEpoch | Self::AwaitsTurn | Self::AwaitsFiles(_) => "it was to wait",
            Self::OwesAckEpoch => "it was to answer which epoch and history it has",
            Self::OwesNewLeaderAck => "it was to acknowledge the leader's beginning, and nothing else",
            Self::AwaitsStart | Self::Active => "that means nothing",
        }
    }
}
