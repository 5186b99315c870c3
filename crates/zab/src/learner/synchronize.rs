//! Getting in step: from the leader's epoch to its beginning.

use bytes::Bytes;
use zoorum_proto::Zxid;
use zoorum_proto::quorum::{AckEpoch, PacketType, QuorumPacket};

use super::{Learner, Stage, Step};
use crate::action::{Action, Persist, SnapshotStep};
use crate::ground::Ground;

impl Learner {
    /// The leader tells its epoch.
    pub(super) fn on_leader_info(&mut self, ground: &mut Ground<'_>, packet: &QuorumPacket) -> Step {
        let epoch = packet.epoch().map_err(|error| self.nonsense(&error.to_string()))?;
        if epoch < self.accepted {
            let accepted = self.accepted;
            return Err(
                self.nonsense(&format!("its epoch {epoch} is older than {accepted}, which is accepted"))
            );
        }
        self.epoch = epoch;
        if epoch > self.accepted {
            self.stage = Stage::Promising;
            ground.actions.push(Action::Persist(Persist::AcceptedEpoch(epoch)));
        } else {
            // This epoch was promised to somebody before, perhaps to this leader: it must not count again.
            self.answer_epoch(ground, AckEpoch(None));
        }
        Ok(())
    }

    /// The accepted epoch is durable.
    pub(crate) fn on_accepted_epoch_durable(&mut self, ground: &mut Ground<'_>) -> Step {
        self.accepted = self.epoch;
        self.answer_epoch(ground, AckEpoch((!self.needs.abstention).then_some(self.current)));
        self.read(ground)
    }

    fn answer_epoch(&mut self, ground: &mut Ground<'_>, answer: AckEpoch) {
        self.stage = Stage::AwaitsPlan;
        self.answered_at = ground.now;
        // Said only where it is not counted: a quorum must not be misled about where histories end.
        let asks_for_all = self.needs.snapshot && answer.0.is_none();
        let last = if asks_for_all { Zxid(-1) } else { ground.history.last() };
        if let Some(link) = self.link {
            ground.send(link, &answer.packet(last));
        }
    }

    /// The leader says where the histories meet.
    pub(super) fn on_plan(&mut self, ground: &mut Ground<'_>, packet: &QuorumPacket) -> Step {
        let (last, committed) = (ground.history.last(), ground.history.committed());
        if self.needs.snapshot && packet.kind != PacketType::Snap {
            return Err(self.nonsense(&format!("it sent {}, and only a whole tree helps", packet.kind)));
        }
        match packet.kind {
            PacketType::Diff => self.begin_sync(last),
            PacketType::Trunc | PacketType::Snap if packet.zxid < committed => {
                let to = packet.zxid;
                return Err(self.nonsense(&format!("it goes back to {to}, and {committed} was committed")));
            }
            PacketType::Trunc => {
                if packet.zxid > last {
                    let to = packet.zxid;
                    return Err(self.nonsense(&format!("it wants {last} cut to {to}, which comes later")));
                }
                (self.received, self.committed) = (packet.zxid, packet.zxid);
                self.stage = Stage::Truncating;
                ground
                    .tell(format!("cutting off what comes after {}, which was never committed", packet.zxid));
                ground.actions.push(Action::Persist(Persist::Truncate(packet.zxid)));
            }
            PacketType::Snap => {
                self.stage = Stage::TakesSnapshot;
                let rest = self.input.take_rest();
                ground.actions.push(Action::Snapshot(SnapshotStep::Begin(packet.zxid)));
                if !rest.is_empty() {
                    ground.actions.push(Action::Snapshot(SnapshotStep::Bytes(rest)));
                }
            }
            kind => return Err(self.nonsense(&format!("it sent {kind} instead of DIFF, TRUNC or SNAP"))),
        }
        Ok(())
    }

    /// The history is cut, durably.
    pub(crate) fn on_truncated(&mut self, ground: &mut Ground<'_>) -> Step {
        self.begin_sync(self.received);
        self.read(ground)
    }

    /// A whole tree of this zxid has come; `rest` came behind it.
    pub(crate) fn on_snapshot_received(&mut self, ground: &mut Ground<'_>, zxid: Zxid, rest: &Bytes) -> Step {
        self.staged = Some(zxid);
        self.begin_sync(zxid);
        self.input.push(rest);
        self.read(ground)
    }

    /// The tree, with what came behind it, has taken the place of this server's history, durably.
    pub(crate) fn on_snapshot_installed(&mut self, ground: &mut Ground<'_>) -> Step {
        if let Some(zxid) = self.staged.take() {
            ground.history.replace(zxid);
            ground.history.append(&std::mem::take(&mut self.fresh));
            ground.history.on_synced(ground.history.last());
            self.stage = Stage::Completing;
            self.try_to_complete(ground);
        }
        self.read(ground)
    }

    fn begin_sync(&mut self, base: Zxid) {
        self.received = base;
        self.committed = base;
        self.stage = Stage::InSync;
    }

    /// The leader's history ends here.
    pub(super) fn on_new_leader(&mut self, ground: &mut Ground<'_>, packet: &QuorumPacket) -> Step {
        if packet.zxid != Zxid::new(self.epoch, 0) {
            let epoch = self.epoch;
            return Err(self.nonsense(&format!("it begins with {} in epoch {epoch}", packet.zxid)));
        }
        self.stage = Stage::Completing;
        self.complete_at = self.received;
        let committed = self.committed;
        self.unacked.retain(|zxid| *zxid > committed);
        if self.staged.is_some() {
            self.stage = Stage::Installing;
            ground.actions.push(Action::Snapshot(SnapshotStep::Install(self.fresh.clone())));
        } else {
            self.try_to_complete(ground);
        }
        Ok(())
    }

    /// Once everything is durable that came before NEWLEADER, the epoch may be claimed.
    pub(super) fn try_to_complete(&mut self, ground: &mut Ground<'_>) {
        if self.stage == Stage::Completing && ground.history.synced() >= self.complete_at {
            ground.actions.push(Action::Persist(Persist::CurrentEpoch(self.epoch)));
        }
    }

    /// The current epoch is durable, and the history before it was.
    pub(crate) fn on_current_epoch_durable(&mut self, ground: &mut Ground<'_>) -> Step {
        self.current = self.epoch;
        self.stage = Stage::AwaitsStart;
        self.deadline = ground.now + ground.settings.sync_time();
        self.ack_beginning(ground);
        self.read(ground)
    }

    fn ack_beginning(&mut self, ground: &mut Ground<'_>) {
        if let Some(link) = self.link {
            ground.send(link, &QuorumPacket::bare(PacketType::Ack, Zxid::new(self.epoch, 0)));
        }
    }

    /// A quorum is in step, this server too: it serves.
    pub(super) fn on_up_to_date(&mut self, ground: &mut Ground<'_>) {
        self.stage = Stage::Active;
        let syncs = match self.is_observer {
            true => &mut ground.counters.observer_syncs,
            false => &mut ground.counters.follower_syncs,
        };
        syncs.observe(ground.now.since(self.answered_at));
        self.ack_beginning(ground);
        ground.history.on_committed(self.committed.max(ground.history.committed()));
        self.ack_what_is_synced(ground);
    }
}
