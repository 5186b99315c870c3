//! Taking changes as they come.

use bytes::Bytes;
use zoorum_proto::Zxid;
use zoorum_proto::quorum::{DesignatedLeader, PacketType, QuorumPacket, Revalidated};

use super::{Learner, Stage, Step};
use crate::action::{Action, FromLeader};
use crate::ground::Ground;
use crate::history::Entry;
use crate::packets::encode_bare;

impl Learner {
    pub(super) fn on_packet(&mut self, ground: &mut Ground<'_>, packet: QuorumPacket) -> Step {
        match self.stage {
            Stage::Registering if packet.kind == PacketType::LeaderInfo => {
                self.on_leader_info(ground, &packet)
            }
            Stage::Registering => {
                Err(self.nonsense(&format!("it sent {} instead of LEADERINFO", packet.kind)))
            }
            Stage::AwaitsPlan => self.on_plan(ground, &packet),
            Stage::InSync if packet.kind == PacketType::NewLeader => self.on_new_leader(ground, &packet),
            Stage::AwaitsStart if packet.kind == PacketType::UpToDate => {
                self.on_up_to_date(ground);
                Ok(())
            }
            Stage::InSync | Stage::Completing | Stage::AwaitsStart => self.on_history(ground, packet),
            Stage::Active => self.on_news(ground, packet),
            Stage::Connecting
            | Stage::Pausing
            | Stage::Promising
            | Stage::Truncating
            | Stage::TakesSnapshot
            | Stage::Installing => unreachable!("nothing is read at stage {:?}", self.stage),
        }
    }

    /// What an active learner is told besides history.
    fn on_news(&mut self, ground: &mut Ground<'_>, packet: QuorumPacket) -> Step {
        match packet.kind {
            PacketType::Ping => {
                self.give_sign(ground, packet.zxid);
                Ok(())
            }
            PacketType::Sync => {
                ground.actions.push(Action::FromLeader(FromLeader::Synced(self.committed)));
                Ok(())
            }
            PacketType::Revalidate => {
                let answer: Revalidated = packet.read().map_err(|error| self.nonsense(&error.to_string()))?;
                ground.actions.push(Action::FromLeader(FromLeader::Revalidated(answer)));
                Ok(())
            }
            _ => self.on_history(ground, packet),
        }
    }

    /// A change, or the word that one counts. Whatever else comes while getting in step is not for us.
    fn on_history(&mut self, ground: &mut Ground<'_>, packet: QuorumPacket) -> Step {
        match packet.kind {
            PacketType::Proposal => {
                ground.counters.proposals_received += 1;
                self.on_proposal(packet.zxid, packet.data)
            }
            PacketType::Commit => self.on_commit(ground, packet.zxid),
            PacketType::CommitAndActivate => self.on_commit(ground, packet.zxid),
            PacketType::Inform => self.on_inform(ground, packet.zxid, packet.data),
            PacketType::InformAndActivate => {
                let (_, txn) =
                    DesignatedLeader::and_txn(&packet).map_err(|error| self.nonsense(&error.to_string()))?;
                self.on_inform(ground, packet.zxid, Some(txn))
            }
            _ => Ok(()),
        }
    }

    fn on_proposal(&mut self, zxid: Zxid, payload: Option<Bytes>) -> Step {
        if zxid <= self.received {
            return Ok(()); // sent once with the history and once as it came
        }
        self.receive(zxid, payload)?;
        self.uncommitted.push_back(zxid);
        if !self.is_observer {
            self.unacked.push_back(zxid);
        }
        Ok(())
    }

    fn receive(&mut self, zxid: Zxid, payload: Option<Bytes>) -> Step {
        if !self.received.may_precede(zxid) {
            let received = self.received;
            return Err(self.nonsense(&format!("{zxid} comes behind {received}: something is missing")));
        }
        if zxid.epoch() > self.epoch {
            let epoch = self.epoch;
            return Err(self.nonsense(&format!("{zxid} is of an epoch after the leader's own, {epoch}")));
        }
        let Some(payload) = payload else {
            return Err(self.nonsense(&format!("{zxid} comes without what it is")));
        };
        self.received = zxid;
        self.fresh.push(Entry { zxid, payload });
        Ok(())
    }

    fn on_commit(&mut self, ground: &mut Ground<'_>, zxid: Zxid) -> Step {
        if zxid <= self.committed {
            return Ok(()); // of a proposal that came twice
        }
        if self.uncommitted.pop_front() != Some(zxid) {
            return Err(self.nonsense(&format!("it commits {zxid} out of turn")));
        }
        self.believe(ground, zxid);
        Ok(())
    }

    fn on_inform(&mut self, ground: &mut Ground<'_>, zxid: Zxid, payload: Option<Bytes>) -> Step {
        if zxid > self.received {
            self.receive(zxid, payload)?;
        }
        if zxid > self.committed {
            self.uncommitted.retain(|uncommitted| *uncommitted > zxid);
            self.believe(ground, zxid);
        }
        Ok(())
    }

    fn believe(&mut self, ground: &mut Ground<'_>, zxid: Zxid) {
        self.committed = zxid;
        ground.counters.commits_received += 1;
        if self.stage == Stage::Active {
            // An earlier leader may have said so of changes behind it, which were lost with its connection before they were
            // logged: they are as committed as ever, and come once more.
            ground.history.on_committed(zxid.max(ground.history.committed()));
        }
    }

    /// This server's log keeps more than before.
    pub(crate) fn on_synced(&mut self, ground: &mut Ground<'_>) {
        match self.stage {
            Stage::Completing => self.try_to_complete(ground),
            Stage::Active => self.ack_what_is_synced(ground),
            _ => {}
        }
    }

    /// One ack for each proposal, in order: that is what ZooKeeper's leaders count.
    pub(super) fn ack_what_is_synced(&mut self, ground: &mut Ground<'_>) {
        let mut acks = Vec::new();
        while let Some(zxid) = self.unacked.front().copied().filter(|zxid| *zxid <= ground.history.synced()) {
            encode_bare(PacketType::Ack, zxid, &mut acks);
            self.unacked.pop_front();
        }
        if let Some(link) = self.link.filter(|_| !acks.is_empty()) {
            ground.write(link, acks.into());
        }
    }
}
