//! A vote as it is counted: with the round, the state and the format it came in.

use std::collections::BTreeMap;

use zoorum_proto::quorum::{Notification, PeerState, Vote};
use zoorum_proto::{Round, ServerId};

/// What one server said last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ballot {
    pub(super) vote: Vote,
    pub(super) round: Round,
    pub(super) state: PeerState,
    /// The format of the notification: positive from servers since 3.5.
    pub(super) version: i32,
}

/// The last ballot of each server.
pub(super) type Ballots = BTreeMap<ServerId, Ballot>;

impl Ballot {
    pub(super) fn of(notification: &Notification) -> Self {
        let Notification { state, vote, round, version, .. } = *notification;
        Self { vote, round, state, version }
    }

    /// Whether two ballots are for the same leadership.
    ///
    /// Servers that follow a leader may have come to it in different rounds and by different votes. Those
    /// before 3.5 do not learn the leader's new epoch, so against their ballots only the leader counts.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        if self.state == PeerState::Looking || other.state == PeerState::Looking {
            return self.vote == other.vote && self.round == other.round;
        }
        let same_format = (self.version > 0) == (other.version > 0);
        self.vote.leader == other.vote.leader && (!same_format || self.vote.epoch == other.vote.epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zoorum_proto::{Epoch, Zxid};

    #[test]
    fn ballots_agree_about_a_leadership() {
        use PeerState::{Following, Leading, Looking};
        let ballot = |state, version, (epoch, zxid, leader), round| Ballot {
            vote: Vote { epoch: Epoch(epoch), zxid: Zxid(zxid), leader: ServerId(leader) },
            round: Round(round),
            state,
            version,
        };
        let rows = [
            (ballot(Looking, 0, (1, 2, 3), 4), ballot(Looking, 0, (1, 2, 3), 4), true),
            (ballot(Looking, 0, (1, 2, 3), 4), ballot(Following, 2, (1, 2, 3), 4), true),
            (ballot(Looking, 0, (1, 2, 3), 4), ballot(Looking, 0, (1, 2, 3), 5), false),
            (ballot(Looking, 0, (1, 2, 3), 4), ballot(Leading, 2, (1, 9, 3), 4), false),
            (ballot(Looking, 0, (1, 2, 3), 4), ballot(Leading, 2, (9, 2, 3), 4), false),
            (ballot(Following, 2, (1, 2, 3), 4), ballot(Leading, 2, (1, 7, 3), 8), true),
            (ballot(Following, 2, (1, 2, 3), 4), ballot(Leading, 2, (2, 2, 3), 4), false),
            (ballot(Following, 0, (1, 2, 3), 4), ballot(Leading, 2, (2, 2, 3), 4), true),
            (ballot(Following, 0, (1, 2, 3), 4), ballot(Leading, 0, (2, 2, 3), 4), false),
            (ballot(Following, 0, (1, 2, 3), 4), ballot(Leading, 2, (1, 2, 4), 4), false),
        ];
        for (one, two, agree) in rows {
            assert_eq!(one.agrees_with(&two), agree, "{one:?} {two:?}");
            assert_eq!(two.agrees_with(&one), agree, "{two:?} {one:?}");
        }
    }
}
