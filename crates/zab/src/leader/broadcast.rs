//! Giving changes to the followers, and counting who has them.

use bytes::Bytes;
use zoorum_proto::quorum::packet::PacketError;
use zoorum_proto::quorum::{ForwardedRequest, PacketType, QuorumPacket, Revalidate, Revalidated, Touch};
use zoorum_proto::{ServerId, SessionId, Zxid};

use super::Leader;
use super::learners::{Learner, Stage};
use crate::action::{Action, FromLearner};
use crate::ground::Ground;
use crate::history::Entry;
use crate::link::LinkId;
use crate::packets::{encode_bare, encode_entry};

impl Leader {
    /// These changes, already part of the history, go to the followers; the log has yet to sync them.
    pub(crate) fn propose(&mut self, ground: &mut Ground<'_>, entries: &[Entry]) {
        let Some(last) = entries.last() else { return };
        assert!(self.is_established(), "only an established leader proposes");
        self.proposed = last.zxid;
        let mut packets = None;
        for (link, learner) in self.learners.iter_mut().filter(|(_, learner)| learner.is_fed_proposals()) {
            let bytes = packets.get_or_insert_with(|| {
                let size = entries.iter().map(|entry| entry.payload.len() + 20).sum();
                let mut out = Vec::with_capacity(size);
                for entry in entries {
                    encode_entry(PacketType::Proposal, entry.zxid, &entry.payload, &mut out);
                }
                Bytes::from(out)
            });
            if learner.stage == Stage::Active && learner.unacked.is_none() {
                learner.unacked = Some((last.zxid, ground.now));
            }
            learner.traffic.on_sent(entries.len() as u64, last.zxid);
            ground.write(*link, bytes.clone());
        }
    }

    /// A follower has everything up to here durably.
    pub(super) fn on_ack(&mut self, ground: &mut Ground<'_>, link: LinkId, zxid: Zxid) -> Result<(), String> {
        if zxid.counter() == 0 {
            return Ok(()); // the beginning once more, as every learner says it
        }
        let proposed = self.proposed;
        let Some(learner) = self.learners.get_mut(&link) else { return Ok(()) };
        if zxid > proposed {
            return Err(format!("it acknowledges {zxid}, and the last that was proposed is {proposed}"));
        }
        if zxid > learner.acked {
            learner.acked = zxid;
            if learner.unacked.is_some_and(|(watched, _)| watched <= zxid) {
                learner.unacked = (zxid < proposed).then_some((proposed, ground.now));
            }
        }
        Ok(())
    }

    /// Commits what a quorum has, and tells everybody. A sync is answered behind the last change before it and
    /// ahead of the next one: a learner of the original that gets the two in another order answers no client
    /// any more, as it holds what comes against the oldest of its open requests.
    pub(super) fn commit(&mut self, ground: &mut Ground<'_>) {
        let through = self.held_by_quorum(ground).min(self.proposed);
        if !self.is_established() {
            return;
        }
        while ground.history.committed() < through {
            let next_sync = self.syncs.front().map_or(through, |(after, _)| *after);
            self.commit_through(ground, through.min(next_sync));
            self.answer_syncs(ground);
        }
    }

    fn commit_through(&mut self, ground: &mut Ground<'_>, through: Zxid) {
        let before = ground.history.committed();
        let (mut commits, mut informs, mut count) = (Vec::new(), Vec::new(), 0);
        let has_observers = self.learners.values().any(|learner| learner.is_observer && learner.is_fed());
        for entry in ground.history.between(before, through) {
            encode_bare(PacketType::Commit, entry.zxid, &mut commits);
            ground.counters.commits += 1;
            count += 1;
            if has_observers {
                encode_entry(PacketType::Inform, entry.zxid, &entry.payload, &mut informs);
            }
        }
        ground.history.on_committed(through);
        let (commits, informs) = (Bytes::from(commits), Bytes::from(informs));
        for (link, learner) in self.learners.iter_mut().filter(|(_, learner)| learner.is_fed()) {
            learner.traffic.on_sent(count, through);
            ground.write(*link, if learner.is_observer { informs.clone() } else { commits.clone() });
        }
    }

    /// The newest change that a quorum has durably.
    fn held_by_quorum(&self, ground: &Ground<'_>) -> Zxid {
        let me = ground.settings.me;
        let synced = ground.history.synced();
        let held = |id: ServerId| {
            if id == me {
                return Some(synced);
            }
            let of_id = |learner: &&Learner| learner.id == id && learner.is_fed_proposals();
            self.learners.values().find(of_id).map(|learner| learner.acked)
        };
        let mut candidates: Vec<Zxid> = ground.ensemble.joint.voters().into_iter().filter_map(held).collect();
        candidates.sort_unstable();
        let is_held =
            |zxid: &Zxid| ground.ensemble.joint.is_quorum(|id| held(id).is_some_and(|held| held >= *zxid));
        candidates.into_iter().rev().find(is_held).unwrap_or(Zxid::ZERO)
    }

    /// A learner asks to be told when everything is committed that was proposed up to `after`.
    pub(crate) fn on_sync_request(&mut self, ground: &mut Ground<'_>, link: LinkId, after: Zxid) {
        if self.learners.contains_key(&link) {
            // The beginning of an epoch is no change, and all that was before it is committed.
            let after = if after.counter() == 0 { Zxid::ZERO } else { after };
            self.syncs.push_back((after, link));
            self.answer_syncs(ground);
        }
    }

    fn answer_syncs(&mut self, ground: &mut Ground<'_>) {
        while let Some((after, link)) = self.syncs.front()
            && *after <= ground.history.committed()
        {
            if let Some(learner) = self.learners.get_mut(link) {
                learner.traffic.on_sent(1, Zxid::ZERO);
            }
            ground.send(*link, &QuorumPacket::bare(PacketType::Sync, Zxid::ZERO));
            self.syncs.pop_front();
        }
    }

    /// A learner speaks for its clients.
    pub(super) fn on_word(
        &mut self,
        ground: &mut Ground<'_>,
        link: LinkId,
        packet: QuorumPacket,
    ) -> Result<(), String> {
        let wrong = |error: PacketError| error.to_string();
        let word = match packet.kind {
            PacketType::Request => {
                let request = ForwardedRequest::of(&packet).map_err(wrong)?;
                FromLearner::Request { learner: link, request, ids: packet.auth_ids.unwrap_or_default() }
            }
            PacketType::Revalidate => {
                let request: Revalidate = packet.read().map_err(wrong)?;
                FromLearner::Revalidate { learner: link, request }
            }
            PacketType::Ping => FromLearner::Touched(Touch::all_of(&packet).map_err(wrong)?),
            kind => {
                ground.warn(format!("ignoring {kind} of a learner: it means nothing to a leader"));
                return Ok(());
            }
        };
        ground.actions.push(Action::FromLearner(word));
        Ok(())
    }

    /// Whether a learner's session lives.
    pub(crate) fn revalidated(
        &mut self,
        ground: &mut Ground<'_>,
        link: LinkId,
        session: SessionId,
        alive: bool,
    ) {
        if let Some(learner) = self.learners.get_mut(&link) {
            learner.traffic.on_sent(1, Zxid::ZERO);
            ground.send(link, &Revalidated { session, valid: alive }.packet());
        }
    }
}

impl Learner {
    /// Whether proposals go to it as they come.
    fn is_fed_proposals(&self) -> bool {
        self.is_fed() && !self.is_observer
    }
}
