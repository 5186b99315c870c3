//! What the replica can tell of itself, for four-letter words and metrics.

use std::time::Duration;

use zoorum_proto::{SessionId, WallClock, Zxid};
use zoorum_zab::{Part, PeerReport};

use super::Replica;
use super::sessions::Holder;
use crate::histogram::Histogram;
use crate::message::Address;
use crate::time::Monotonic;
use crate::traffic::Traffic;

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
    /// Sizes of the changes proposed as leader; `None` before the first.
    pub proposal_sizes: Option<ProposalSizes>,
    /// From a leader's decision to the change in the tree, in ms. By wall clocks, perhaps of two machines.
    pub propagation: Histogram,
    /// From a leader's decision to its arrival here, in ms, likewise.
    pub arrival: Histogram,
    /// How many changes were synced together.
    pub batch_sizes: Histogram,
    /// From a leader's decision to this server's log, in ms. By wall clocks, perhaps of two machines.
    pub acknowledgement: Histogram,
    /// How many things each letter from a worker asked for.
    pub letter_sizes: Histogram,
    /// Znodes that the changes decided here touch, each time.
    pub touched: u64,
    /// The same of those that are applied.
    pub touched_applied: u64,
    /// How long it took from a change's way to the log until that kept it, in ms.
    pub sync_times: Histogram,
    /// Sessions that learners asked about, while this server led.
    pub revalidations: u64,
    /// Sessions about which a leader was asked.
    pub revalidations_asked: u64,
}

/// Bytes by namespace.
#[derive(Clone, Debug, Default)]
pub struct ReplicaTraffic {
    /// Read between two writes of one connection; workers count all other reads.
    pub read: Traffic,
    /// Written by changes that were applied.
    pub written: Traffic,
    /// Refused because of a quota, once for each request.
    pub over_quota: Traffic,
}

/// Sizes of changes, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProposalSizes {
    /// Of the newest.
    pub last: usize,
    /// The least.
    pub min: usize,
    /// The most.
    pub max: usize,
}

impl ProposalSizes {
    /// With one more change.
    pub(super) fn with(sizes: Option<Self>, size: usize) -> Self {
        let Self { min, max, .. } = sizes.unwrap_or(Self { last: size, min: size, max: size });
        Self { last: size, min: min.min(size), max: max.max(size) }
    }
}

/// How clients see this server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It has no peers.
    #[default]
    Standalone,
    /// Nobody is served: there is no leader, or this server is not in step with it yet.
    Waiting,
    /// There is no leader: clients get reads, if they can do with that.
    ReadOnly,
    /// It leads.
    Leader,
    /// It follows.
    Follower,
    /// It observes.
    Observer,
}

/// Where this server stands: little enough to be looked at often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// How clients see it.
    pub mode: Mode,
    /// Sizes of the changes it proposed as leader.
    pub proposal_sizes: Option<ProposalSizes>,
    /// A leader's beginning, which stands for its epoch until it has proposed something.
    pub begins_with: Zxid,
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
    /// Nobody else knows it.
    pub is_local: bool,
}

/// All that the replica can tell of itself.
#[derive(Clone, Debug, Default)]
pub struct ReplicaReport {
    /// What it counts.
    pub counters: ReplicaCounters,
    /// What was written and read.
    pub traffic: ReplicaTraffic,
    /// Open sessions.
    pub sessions: Vec<SessionReport>,
    /// Changes and requests without an answer.
    pub in_flight: usize,
    /// The newest change applied.
    pub committed: Zxid,
    /// Its part among its peers; `None` if it has none.
    pub peer: Option<PeerReport>,
}

impl Replica {
    /// Where it stands.
    pub fn standing(&self) -> Standing {
        let mode = match self.part() {
            None => Mode::Standalone,
            Some(_) if self.is_read_only() => Mode::ReadOnly,
            Some(_) if self.service().is_none() => Mode::Waiting,
            Some(Part::Looking) => Mode::Waiting,
            Some(Part::Leading(_)) => Mode::Leader,
            Some(Part::Following(..)) => Mode::Follower,
            Some(Part::Observing(..)) => Mode::Observer,
        };
        let begins_with = match self.part() {
            Some(Part::Leading(epoch)) => Zxid::new(epoch, 0),
            _ => Zxid::ZERO,
        };
        Standing { mode, proposal_sizes: self.counters.proposal_sizes, begins_with }
    }

    /// Starts counting anew what passes on the connections of observers.
    pub fn reset_observers(&mut self) {
        if let Some(peer) = self.order.peer_mut() {
            peer.reset_observers();
        }
    }

    /// Tells of itself.
    pub fn report(&self) -> ReplicaReport {
        let sessions = self.sessions.iter().map(|(session, state)| SessionReport {
            session,
            timeout: state.timeout,
            expires_at: state.expires_at,
            is_local: state.is_local,
            owner: match state.present_holder() {
                Some(Holder::Here(address)) => Some(address),
                Some(Holder::Learner(_)) | None => None,
            },
        });
        ReplicaReport {
            counters: self.counters.clone(),
            traffic: self.traffic.clone(),
            sessions: sessions.collect(),
            in_flight: self.in_flight.len(),
            committed: self.order.may_apply(),
            peer: self.order.peer().map(zoorum_zab::Peer::report),
        }
    }

    /// Starts counting anew: what `srst` resets. Digests stay, they are no count.
    pub fn reset_counters(&mut self) {
        let ReplicaTraffic { read, written, over_quota } = &mut self.traffic;
        [read, written, over_quota].into_iter().for_each(Traffic::reset);
        let digests = std::mem::take(&mut self.counters.digests);
        self.counters = ReplicaCounters { digests, ..ReplicaCounters::default() };
    }

    /// Open sessions.
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }
}

/// How long ago that was, in ms. Wall clocks may disagree: then not at all.
pub(super) fn age_ms(now: WallClock, then: WallClock) -> u64 {
    u64::try_from(now.0.saturating_sub(then.0)).unwrap_or(0)
}
