//! What a learner and its leader may say to each other when: one connection to a quorum port.
//!
//! ```text
//! learner   FOLLOWERINFO or OBSERVERINFO, ACKEPOCH, ACKs up to that of NEWLEADER, then anything
//! leader    LEADERINFO, then after ACKEPOCH one of DIFF, TRUNC, SNAP; NEWLEADER; after its ACK UPTODATE
//! ```
//!
//! Besides: transactions follow each other without a gap, only what was proposed is committed, in order and
//! once, and a learner acknowledges in order and once.

use std::collections::VecDeque;

use super::dialogue::Speaker;
use super::dialogue::packet::{
    self, ACK, ACKEPOCH, COMMIT, COMMITANDACTIVATE, DIFF, FOLLOWERINFO, INFORM, INFORMANDACTIVATE,
    LEADERINFO, NEWLEADER, OBSERVERINFO, PROPOSAL, SNAP, TRUNC, UPTODATE,
};

/// One connection, and how far it has come.
#[derive(Debug, Default)]
pub(super) struct Rules {
    learner: Learner,
    leader: Leader,
    /// What NEWLEADER said.
    epoch: i64,
    /// The last transaction that the leader sent.
    sent: Option<i64>,
    /// Proposed, and not yet committed, in order.
    proposed: VecDeque<i64>,
    /// The last transaction that the learner acknowledged.
    acknowledged: i64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Learner {
    #[default]
    Silent,
    Introduced,
    Promised,
    Follows,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Leader {
    #[default]
    Silent,
    Introduced,
    Synchronizes,
    Leads,
    LetsServe,
}

impl Rules {
    /// Takes note of a packet, or says what is wrong with it.
    pub fn heard(&mut self, speaker: Speaker, kind: i32, zxid: i64) -> Result<(), String> {
        match speaker {
            Speaker::Dialer => self.learner_says(kind, zxid),
            Speaker::Target => self.leader_says(kind, zxid),
        }
        .map_err(|wrong| {
            let name = packet::name(kind).unwrap_or("unknown");
            format!("{name} with {zxid:#x}, {wrong}; {self:x?}")
        })
    }

    fn learner_says(&mut self, kind: i32, zxid: i64) -> Result<(), &'static str> {
        self.learner = match (self.learner, kind) {
            (Learner::Silent, FOLLOWERINFO | OBSERVERINFO) => Learner::Introduced,
            (Learner::Introduced, ACKEPOCH) if self.leader == Leader::Introduced => Learner::Promised,
            (Learner::Promised, ACK) if self.leader >= Leader::Leads && zxid == self.epoch => {
                Learner::Follows
            }
            // Learners of 3.8.0 may acknowledge transactions before they follow.
            (Learner::Promised, ACK) if counter(zxid) != 0 => Learner::Promised,
            (Learner::Follows, FOLLOWERINFO | OBSERVERINFO | ACKEPOCH) => return Err("once is enough"),
            (Learner::Follows, _) => Learner::Follows,
            _ => return Err("which a learner does not say yet"),
        };
        if kind == ACK && counter(zxid) != 0 {
            if zxid <= self.acknowledged {
                return Err("which is acknowledged already");
            }
            if self.sent.is_none_or(|sent| zxid > sent) {
                return Err("which was not proposed");
            }
            self.acknowledged = zxid;
        }
        Ok(())
    }

    fn leader_says(&mut self, kind: i32, zxid: i64) -> Result<(), &'static str> {
        self.leader = match (self.leader, kind) {
            (Leader::Silent, LEADERINFO) if self.learner == Learner::Introduced => Leader::Introduced,
            (Leader::Introduced, DIFF | TRUNC | SNAP) if self.learner == Learner::Promised => {
                Leader::Synchronizes
            }
            (Leader::Synchronizes, NEWLEADER) => {
                self.epoch = zxid;
                Leader::Leads
            }
            // The original's leaders take the first acknowledgement of any kind for that of NEWLEADER.
            (Leader::Leads, UPTODATE) if self.learner == Learner::Follows || self.acknowledged != 0 => {
                Leader::LetsServe
            }
            (_, LEADERINFO | DIFF | TRUNC | SNAP | NEWLEADER | UPTODATE) => {
                return Err("which a leader does not say now");
            }
            (Leader::Silent | Leader::Introduced, _) => return Err("which a leader does not say yet"),
            (state, _) => state,
        };
        match kind {
            PROPOSAL => {
                self.proposed.push_back(zxid);
                self.send(zxid)
            }
            INFORM | INFORMANDACTIVATE => self.send(zxid),
            COMMIT | COMMITANDACTIVATE if self.proposed.pop_front() != Some(zxid) => {
                Err("which is not the oldest proposal")
            }
            _ => Ok(()),
        }
    }

    /// The next transaction.
    fn send(&mut self, zxid: i64) -> Result<(), &'static str> {
        let before = self.sent.replace(zxid);
        let follows = |before: i64| zxid == before + 1 || (zxid >> 32 > before >> 32 && counter(zxid) == 1);
        if before.is_none_or(follows) {
            Ok(())
        } else {
            Err("which does not follow the transaction before it")
        }
    }
}

/// Which transaction of its epoch; 0 is the epoch's beginning.
fn counter(zxid: i64) -> i64 {
    zxid & 0xffff_ffff
}

#[cfg(test)]
mod tests {
    use super::Speaker::{Dialer, Target};
    use super::*;
    use crate::ensemble::dialogue::packet::PING;

    const EPOCH: i64 = 4 << 32;
    /// A learner that lacks one transaction.
    const DIALOGUE: [(Speaker, i32, i64); 10] = [
        (Dialer, FOLLOWERINFO, 3 << 32),
        (Target, LEADERINFO, EPOCH),
        (Dialer, ACKEPOCH, (3 << 32) + 4),
        (Target, DIFF, (3 << 32) + 5),
        (Target, PROPOSAL, (3 << 32) + 5),
        (Target, COMMIT, (3 << 32) + 5),
        (Target, NEWLEADER, EPOCH),
        (Dialer, ACK, EPOCH),
        (Target, UPTODATE, -1),
        (Dialer, ACK, EPOCH),
    ];

    /// What is wrong with the last packet of `dialogue`.
    fn verdict(dialogue: &[(Speaker, i32, i64)]) -> Result<(), String> {
        let mut rules = Rules::default();
        let (last, before) = dialogue.split_last().expect("something was said");
        for (speaker, kind, zxid) in before {
            rules.heard(*speaker, *kind, *zxid).expect("the packets before are right");
        }
        rules.heard(last.0, last.1, last.2)
    }

    #[test]
    fn a_dialogue_is_right_in_its_order_only() {
        for end in 1..=DIALOGUE.len() {
            assert_eq!(verdict(&DIALOGUE[..end]), Ok(()), "{end}");
        }
        // NEWLEADER may come before the COMMIT.
        for (at, said) in DIALOGUE.iter().enumerate().filter(|(at, _)| (1..9).contains(at) && *at != 6) {
            let early = [&DIALOGUE[..at - 1], &[*said]].concat();
            assert!(verdict(&early).is_err(), "{said:?} one packet too early");
        }
    }

    #[test]
    fn a_learner_says_nothing_but_acknowledgements_before_it_follows() {
        assert!(verdict(&[&DIALOGUE[..7], &[(Dialer, PING, EPOCH)]].concat()).is_err());
    }

    #[test]
    fn transactions_are_proposed_and_committed_and_acknowledged_in_order_and_once() {
        let then = |more: &[(Speaker, i32, i64)]| verdict(&[&DIALOGUE, more].concat());
        let first = (Target, PROPOSAL, EPOCH + 1);
        let second = (Target, PROPOSAL, EPOCH + 2);
        assert_eq!(then(&[first, second, (Target, COMMIT, EPOCH + 1), (Target, COMMIT, EPOCH + 2)]), Ok(()));
        assert!(then(&[second]).is_err(), "a gap");
        assert!(then(&[first, first]).is_err(), "a repetition");
        assert!(then(&[first, second, (Target, COMMIT, EPOCH + 2)]).is_err(), "not the oldest");
        assert!(then(&[(Target, COMMIT, EPOCH + 1)]).is_err(), "not proposed");
        assert_eq!(then(&[first, (Dialer, ACK, EPOCH + 1)]), Ok(()));
        assert!(then(&[(Dialer, ACK, EPOCH + 1)]).is_err(), "an acknowledgement of nothing");
        assert!(then(&[first, (Dialer, ACK, EPOCH + 1), (Dialer, ACK, EPOCH + 1)]).is_err(), "two of one");
    }
}
