//! What the replica can tell of itself, for four-letter words and metrics.

use std::time::Duration;

use zoorum_proto::{SessionId, Zxid};

use super::Replica;
use crate::message::Address;
use crate::time::Monotonic;

/// Everything the replica counts.
#[derive(Clone, Debug, Default)]
pub struct ReplicaCounters {
    /// Changes proposed.
    pub proposals: u64,
    /// Changes applied.
    pub commits: u64,
    /// Sessions that ended because nothing was heard of them.
    pub expired_sessions: u64,
    /// Applied changes after which the tree's hash was not the predicted one.
    pub digest_mismatches: u64,
    /// The tree's hash after every 128th change, the newest 1,024 of them.
    pub digests: std::collections::VecDeque<(Zxid, i64)>,
}

/// An open session.
#[derive(Clone, Copy, Debug)]
pub struct SessionReport {
    /// Which.
    pub session: SessionId,
    /// Its timeout.
    pub timeout: Duration,
    /// When it ends unless it is heard from.
    pub expires_at: Monotonic,
    /// The connection that has it.
    pub owner: Option<Address>,
}

/// All that the replica can tell of itself.
#[derive(Clone, Debug, Default)]
pub struct ReplicaReport {
    /// What it counts.
    pub counters: ReplicaCounters,
    /// Open sessions.
    pub sessions: Vec<SessionReport>,
    /// Changes and requests without an answer.
    pub in_flight: usize,
    /// The newest change applied.
    pub committed: Zxid,
}

impl Replica {
    /// Tells of itself.
    pub fn report(&self) -> ReplicaReport {
        let sessions = self.sessions.iter().map(|(session, state)| SessionReport {
            session,
            timeout: state.timeout,
            expires_at: state.expires_at,
            owner: state.owner,
        });
        ReplicaReport {
            counters: self.counters.clone(),
            sessions: sessions.collect(),
            in_flight: self.in_flight.len(),
            committed: self.broadcast.committed(),
        }
    }

    /// Starts counting anew: what `srst` resets. Digests stay, they are no count.
    pub fn reset_counters(&mut self) {
        let digests = std::mem::take(&mut self.counters.digests);
        self.counters = ReplicaCounters { digests, ..ReplicaCounters::default() };
    }

    /// Open sessions.
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }
}
