//! Finding an epoch that nobody has used, and a quorum that promises to follow in it.

use zoorum_proto::quorum::{AckEpoch, LeaderInfo, LearnerInfo, PacketType, QuorumPacket};
use zoorum_proto::{ServerId, Zxid};

use super::learners::Stage;
use super::{Leader, Phase};
use crate::action::{Action, Persist};
use crate::ground::Ground;
use crate::link::LinkId;

impl Leader {
    /// A learner says who it is, and which epoch it has accepted.
    pub(super) fn on_info(
        &mut self,
        ground: &mut Ground<'_>,
        link: LinkId,
        packet: &QuorumPacket,
    ) -> Result<(), String> {
        let info = LearnerInfo::of(packet).map_err(|error| error.to_string())?;
        let is_observer = packet.kind == PacketType::ObserverInfo;
        let accepted = packet.epoch().map_err(|error| error.to_string())?;
        let Some(id) = info.server else { return Err("it does not say which server it is".to_owned()) };
        if info.protocol_version < zoorum_proto::quorum::payload::PROTOCOL_VERSION {
            return Err(format!("server {id} speaks a protocol older than that of release 3.4"));
        }
        if id == ground.settings.me {
            return Err(format!("it says that it is server {id}, which is this server: two have one myid"));
        }
        if ground.ensemble.member(id).is_none() {
            return Err(format!("server {id} is not in this server's configuration"));
        }
        if let Some(version) = info.config_version
            && version > ground.ensemble.joint.committed().version
        {
            return Err(format!("server {id} has a later configuration, {version}"));
        }
        self.replace_older(ground, link, id);
        let Some(learner) = self.learners.get_mut(&link) else { return Ok(()) };
        learner.id = id;
        learner.is_observer = is_observer;
        learner.accepted = accepted;
        learner.stage = Stage::AwaitsEpoch;
        if self.phase == Phase::Discovering {
            self.epoch = self.epoch.max(accepted);
            if !is_observer && ground.ensemble.joint.is_voter(id) {
                self.connected.insert(id);
            }
            self.try_to_fix_epoch(ground);
        } else {
            self.tell_epoch(ground, link);
        }
        Ok(())
    }

    /// A server that calls again has lost its earlier connection, whether we know it or not.
    fn replace_older(&mut self, ground: &mut Ground<'_>, link: LinkId, id: ServerId) {
        let older: Vec<LinkId> = self
            .learners
            .iter()
            .filter(|(other, learner)| **other != link && learner.stage != Stage::Hello && learner.id == id)
            .map(|(other, _)| *other)
            .collect();
        for other in older {
            self.drop_learner(ground, other, "it has called again");
        }
    }

    pub(super) fn try_to_fix_epoch(&mut self, ground: &mut Ground<'_>) {
        let connected = &self.connected;
        if self.phase != Phase::Discovering || !ground.ensemble.joint.is_quorum(|id| connected.contains(&id))
        {
            return;
        }
        match self.epoch.next() {
            Some(epoch) => {
                self.epoch = epoch;
                self.phase = Phase::Promising;
                self.deadline = ground.now + ground.settings.init_time();
                ground.actions.push(Action::Persist(Persist::AcceptedEpoch(epoch)));
            }
            None => ground.warn(format!(
                "epoch {} has been accepted, after which there is none: this server cannot lead",
                self.epoch
            )),
        }
    }

    /// This server's own accepted epoch is durable: now others may hear of it.
    pub(crate) fn on_accepted_epoch_durable(&mut self, ground: &mut Ground<'_>) {
        self.promised.insert(ground.settings.me);
        let waiting: Vec<LinkId> = self
            .learners
            .iter()
            .filter(|(_, learner)| learner.stage == Stage::AwaitsEpoch)
            .map(|(link, _)| *link)
            .collect();
        for link in waiting {
            self.tell_epoch(ground, link);
        }
        self.try_to_finish_discovery(ground);
    }

    fn tell_epoch(&mut self, ground: &mut Ground<'_>, link: LinkId) {
        let Some(learner) = self.learners.get_mut(&link) else { return };
        if learner.accepted > self.epoch {
            // It has promised itself to a leader that is to come. It would refuse, and must be let go.
            let reason = format!("it has accepted epoch {}, and this is {}", learner.accepted, self.epoch);
            return self.drop_learner(ground, link, &reason);
        }
        learner.stage = Stage::OwesAckEpoch;
        learner.traffic.on_sent(1, Zxid::new(self.epoch, 0));
        ground.send(link, &LeaderInfo::packet(self.epoch));
    }

    /// A learner tells its current epoch and the end of its history.
    pub(super) fn on_ack_epoch(
        &mut self,
        ground: &mut Ground<'_>,
        link: LinkId,
        packet: &QuorumPacket,
    ) -> Result<(), String> {
        let AckEpoch(promised) = packet.read().map_err(|error| error.to_string())?;
        let Some(learner) = self.learners.get_mut(&link) else { return Ok(()) };
        learner.last = packet.zxid;
        learner.stage = Stage::AwaitsTurn;
        let (id, last) = (learner.id, learner.last);
        let is_voter = !learner.is_observer && ground.ensemble.joint.is_voter(id);
        if let Some(current) = promised {
            if self.phase == Phase::Promising && is_voter && (current, last) > self.summary {
                return Err(format!(
                    "its history, of epoch {current} up to {last}, is ahead of this server's, of epoch {} up to {}",
                    self.summary.0, self.summary.1
                ));
            }
            if is_voter && last != Zxid(-1) {
                self.promised.insert(id);
            }
        }
        match self.phase {
            Phase::InStep | Phase::Leading => self.synchronize(ground, link),
            Phase::Discovering | Phase::Promising => self.try_to_finish_discovery(ground),
        }
        Ok(())
    }

    fn try_to_finish_discovery(&mut self, ground: &mut Ground<'_>) {
        let promised = &self.promised;
        if self.phase == Phase::Promising && ground.ensemble.joint.is_quorum(|id| promised.contains(&id)) {
            self.phase = Phase::InStep;
            self.deadline = ground.now + ground.settings.init_time();
            ground.actions.push(Action::Persist(Persist::CurrentEpoch(self.epoch)));
        }
    }

    /// This server's own current epoch is durable: now others are brought into step with its history.
    pub(crate) fn on_current_epoch_durable(&mut self, ground: &mut Ground<'_>) {
        let waiting: Vec<LinkId> = self
            .learners
            .iter()
            .filter(|(_, learner)| learner.stage == Stage::AwaitsTurn)
            .map(|(link, _)| *link)
            .collect();
        for link in waiting {
            self.synchronize(ground, link);
        }
        self.try_to_establish(ground);
    }
}
