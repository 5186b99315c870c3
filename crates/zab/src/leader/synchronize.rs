//! Bringing a learner's history into step with the leader's, and the moment at which a quorum is.
//!
//! ```text
//! DIFF | TRUNC | SNAP and tree    where the two histories meet
//! PROPOSAL COMMIT …               what is committed behind that
//! NEWLEADER                       owes an ack
//! PROPOSAL …                      what is proposed and not yet committed, then everything as it comes
//! ```
//!
//! All of it is put together in one step, so that nothing can fall between the history that is sent and what
//! follows as it comes. Nothing that is not committed stands before NEWLEADER: older followers fail over that
//! (ZOOKEEPER-4394).

use zoorum_proto::quorum::{PacketType, QuorumPacket};
use zoorum_proto::{Encode, Monotonic, ServerId, Zxid};

use super::learners::{Learner, Stage};
use super::{Leader, Phase};
use crate::action::Sought;
use crate::ground::Ground;
use crate::link::LinkId;
use crate::packets::encode_entry;
use crate::sync::{self, Load, Plan, Start};

impl Leader {
    /// Up to here this server's history counts.
    fn through(&self, ground: &Ground<'_>) -> Zxid {
        if self.phase == Phase::Leading { ground.history.committed() } else { ground.history.last() }
    }

    /// Sends a learner what it lacks, or has it sought.
    pub(super) fn synchronize(&mut self, ground: &mut Ground<'_>, link: LinkId) {
        let through = self.through(ground);
        let Some(learner) = self.learners.get_mut(&link) else { return };
        match Plan::of(ground.history, ground.settings.sync, learner.last, through) {
            Plan::Start(start) => self.begin(ground, link, start),
            Plan::Seek { after, file_from } => {
                learner.stage = Stage::AwaitsFiles(sync::seek(ground, link, after, file_from));
            }
        }
    }

    /// What there is for a learner has been found.
    pub(crate) fn on_sought(&mut self, ground: &mut Ground<'_>, link: LinkId, sought: Sought) {
        let Some(learner) = self.learners.get_mut(&link) else { return };
        let Stage::AwaitsFiles(kept) = learner.stage else { return };
        match Start::of(ground.history, sought, kept) {
            Some(start) => self.begin(ground, link, start),
            None => learner.stage = Stage::AwaitsFiles(sync::seek(ground, link, None, None)),
        }
    }

    /// What lies behind this must stay in memory: a learner is about to be sent it.
    pub(crate) fn kept(&self) -> Option<Zxid> {
        let kept = |learner: &Learner| match learner.stage {
            Stage::AwaitsFiles(kept) => Some(kept),
            _ => None,
        };
        self.learners.values().filter_map(kept).min()
    }

    /// Sends a learner what it lacks, and from now on everything as it comes.
    fn begin(&mut self, ground: &mut Ground<'_>, link: LinkId, start: Start) {
        let (through, load) = (self.through(ground), self.load());
        let Some(learner) = self.learners.get_mut(&link) else { return };
        let votes = !learner.is_observer && ground.ensemble.joint.is_voter(learner.id);
        if let Some(reason) = load.refuses(ground.settings.sync, start, learner.id, votes) {
            return self.drop_learner(ground, link, &reason);
        }
        let (mut out, mut packets) = start.send(ground, link, through);
        let text = ground.ensemble.text.as_bytes().to_vec();
        QuorumPacket::with_data(PacketType::NewLeader, Zxid::new(self.epoch, 0), text).encode(&mut out);
        if !learner.is_observer {
            for entry in ground.history.between(through, self.proposed) {
                encode_entry(PacketType::Proposal, entry.zxid, &entry.payload, &mut out);
                packets += 1;
            }
        }
        learner.traffic.on_sent(packets + 1, Zxid::new(self.epoch, 0)); // the leader's beginning is one
        learner.fed_after = through;
        learner.takes_tree = start.is_tree();
        learner.stage = Stage::OwesNewLeaderAck;
        learner.deadline = ground.now + ground.settings.init_time();
        let text = start.told_of(&learner.name(), learner.last, through);
        ground.write(link, out.into());
        match start.is_tree() {
            true => ground.counters.snapshots += 1,
            false => ground.counters.diffs += 1,
        }
        ground.tell(text);
    }

    /// A learner takes what is streamed to it: however long that takes, it is not silent.
    pub(crate) fn on_taken(&mut self, until: Monotonic, link: LinkId) {
        if let Some(learner) = self.learners.get_mut(&link) {
            learner.deadline = learner.deadline.max(until);
        }
    }

    /// Who is being brought into step.
    fn load(&self) -> Load {
        let syncing = self.learners.values().filter(|learner| learner.stage == Stage::OwesNewLeaderAck);
        let (trees, diffs): (Vec<&Learner>, Vec<&Learner>) = syncing.partition(|learner| learner.takes_tree);
        Load { trees: trees.len(), diffs: diffs.len() }
    }

    /// A learner that is being brought into step acknowledges something.
    pub(super) fn on_ack_in_sync(&mut self, ground: &mut Ground<'_>, link: LinkId, zxid: Zxid) {
        let beginning = Zxid::new(self.epoch, 0);
        let Some(learner) = self.learners.get_mut(&link) else { return };
        if zxid != beginning {
            // Older followers acknowledge proposals early (ZOOKEEPER-4685).
            if zxid > learner.fed_after && zxid <= self.proposed {
                learner.acked = learner.acked.max(zxid);
            }
            return;
        }
        learner.stage = Stage::AwaitsStart;
        learner.acked = learner.acked.max(learner.fed_after);
        // It is not heard of until it is told to start, and that can take as long as the others take.
        learner.deadline = ground.now + ground.settings.init_time() + ground.settings.sync_time();
        let counts = !learner.is_observer && self.promised.contains(&learner.id);
        let id = learner.id;
        if counts {
            self.in_step.insert(id);
        }
        if self.phase == Phase::Leading {
            self.start_learner(ground, link);
        } else {
            self.try_to_establish(ground);
        }
    }

    /// Whether a quorum has all of the history: then all of it is committed, and this server leads.
    pub(super) fn try_to_establish(&mut self, ground: &mut Ground<'_>) {
        if self.phase != Phase::InStep {
            return;
        }
        if ground.history.synced() == ground.history.last() {
            self.in_step.insert(ground.settings.me);
        }
        let in_step: Vec<ServerId> = self.in_step.iter().copied().collect();
        // Every configuration must count this server among its quorum's, too, or its log could lack the end.
        if !ground.ensemble.joint.is_quorum(|id| in_step.contains(&id))
            || !self.in_step.contains(&ground.settings.me)
        {
            return;
        }
        self.phase = Phase::Leading;
        self.deadline = ground.now + ground.settings.tick;
        self.ping_at = ground.now + ground.settings.tick / 2;
        ground.history.on_committed(ground.history.last());
        let waiting: Vec<LinkId> = self
            .learners
            .iter()
            .filter(|(_, learner)| learner.stage == Stage::AwaitsStart)
            .map(|(link, _)| *link)
            .collect();
        for link in waiting {
            self.start_learner(ground, link);
        }
    }

    fn start_learner(&mut self, ground: &mut Ground<'_>, link: LinkId) {
        let Some(learner) = self.learners.get_mut(&link) else { return };
        learner.stage = Stage::Active;
        learner.deadline = ground.now + ground.settings.sync_time();
        learner.unacked =
            (learner.acked < self.proposed && !learner.is_observer).then_some((self.proposed, ground.now));
        learner.traffic.on_sent(1, Zxid(-1));
        ground.send(link, &QuorumPacket::bare(PacketType::UpToDate, Zxid(-1)));
    }
}
