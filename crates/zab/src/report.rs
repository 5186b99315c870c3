//! What a server can tell of its part among its peers, for four-letter words and metrics.

use std::time::Duration;

use zoorum_proto::{Epoch, Monotonic, ServerId, Zxid};

use crate::action::Part;
use crate::link::LinkId;

/// Times that something took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spans {
    /// How many.
    pub count: u64,
    /// All together.
    pub sum: Duration,
    /// The shortest; zero of none.
    pub min: Duration,
    /// The longest.
    pub max: Duration,
}

impl Spans {
    /// One more.
    pub fn observe(&mut self, took: Duration) {
        self.min = if self.count == 0 { took } else { self.min.min(took) };
        self.max = self.max.max(took);
        self.count += 1;
        self.sum += took;
    }
}

/// What is counted from the start on, through all parts that a server had.
#[derive(Clone, Copy, Debug, Default)]
pub struct PeerCounters {
    /// How often it began to look for a leader.
    pub looking: u64,
    /// From looking to the end of the election. Observers have none.
    pub elections: Spans,
    /// From the leader's epoch to being in step, while it followed.
    pub follower_syncs: Spans,
    /// The same, while it observed.
    pub observer_syncs: Spans,
    /// From looking to serving.
    pub unavailable: Spans,
    /// The same, when it then led.
    pub leader_unavailable: Spans,
    /// Learners that it brought into step with what they lacked.
    pub diffs: u64,
    /// Learners to which it sent a whole tree.
    pub snapshots: u64,
    /// Changes that it committed, while it led.
    pub commits: u64,
    /// Changes that a leader proposed to it.
    pub proposals_received: u64,
    /// Changes of which a leader told it that they are committed.
    pub commits_received: u64,
}

/// What has passed on a learner's connection, but for trees and what came out of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Since when.
    pub since: Monotonic,
    /// Packets that came since it is in step.
    pub received: u64,
    /// Requests among them.
    pub requests: u64,
    /// Packets that went.
    pub sent: u64,
    /// The zxid of the last one that had one.
    pub last_zxid: Option<Zxid>,
}

impl Traffic {
    /// A connection of which nothing is counted yet.
    pub fn since(now: Monotonic) -> Self {
        Self { since: now, received: 0, requests: 0, sent: 0, last_zxid: None }
    }

    pub(crate) fn on_received(&mut self, is_request: bool) {
        self.received += 1;
        self.requests += u64::from(is_request);
    }

    /// So many packets went, the last one of them about `zxid`.
    pub(crate) fn on_sent(&mut self, packets: u64, zxid: Zxid) {
        self.sent += packets;
        if packets > 0 && zxid > Zxid::ZERO {
            self.last_zxid = Some(zxid);
        }
    }

    /// Starts counting anew.
    pub(crate) fn reset(&mut self) {
        *self = Self::since(self.since);
    }
}

/// A learner, as its leader knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LearnerReport {
    /// Its connection.
    pub link: LinkId,
    /// Which server.
    pub id: ServerId,
    /// Where it calls from.
    pub from: String,
    /// It observes.
    pub observes: bool,
    /// Its acknowledgements count.
    pub votes: bool,
    /// It is in step, and has everything as it comes.
    pub in_step: bool,
    /// What has passed on its connection.
    pub traffic: Traffic,
    /// Pieces that wait to be written to its socket, and their bytes; whoever has the sockets knows.
    pub queued: (usize, usize),
}

/// All that a server can tell of its part.
#[derive(Clone, Debug)]
pub struct PeerReport {
    /// Where it stands.
    pub part: Part,
    /// Since when.
    pub since: Monotonic,
    /// Below this epoch it obeys nobody.
    pub accepted: Epoch,
    /// The epoch of the leader that it followed, or was, last.
    pub current: Epoch,
    /// How many servers vote.
    pub voters: usize,
    /// Those who learn from it, if it leads, in the order of their ids; without those who have not said who they
    /// are.
    pub learners: Vec<LearnerReport>,
    /// Syncs that wait for what was proposed before.
    pub pending_syncs: usize,
    /// What it counts.
    pub counters: PeerCounters,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_know_the_shortest_and_the_longest() {
        let mut spans = Spans::default();
        [7, 3, 5].into_iter().for_each(|ms| spans.observe(Duration::from_millis(ms)));
        let [sum, min, max] = [15, 3, 7].map(Duration::from_millis);
        assert_eq!(spans, Spans { count: 3, sum, min, max });
    }
}
