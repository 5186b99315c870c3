//! Where changes get their places in history, and how far history is settled: alone, or among peers.

use zoorum_proto::{Monotonic, Zxid};
use zoorum_zab::{Broadcast, Entry, Part, Peer};

/// See the module.
pub(super) enum Order {
    /// This server is all there is.
    Alone(Broadcast),
    /// It is one of an ensemble.
    Among {
        peer: Box<Peer>,
        /// The last place that was given, while this server leads.
        proposed: Zxid,
    },
}

impl Order {
    /// Gives the next change its place.
    pub(super) fn next_place(&mut self) -> Zxid {
        match self {
            Self::Alone(broadcast) => broadcast.propose(),
            Self::Among { proposed, .. } => {
                *proposed = proposed.next();
                *proposed
            }
        }
    }

    /// The last place that was given.
    pub(super) fn proposed(&self) -> Zxid {
        match self {
            Self::Alone(broadcast) => broadcast.proposed(),
            Self::Among { proposed, .. } => *proposed,
        }
    }

    /// How far the tree may go.
    pub(super) fn may_apply(&self) -> Zxid {
        match self {
            Self::Alone(broadcast) => broadcast.committed(),
            Self::Among { peer, .. } => peer.may_apply(),
        }
    }

    /// Up to here a member's tree has everything.
    pub(super) fn applied(&self) -> Zxid {
        self.peer().map_or(Zxid::ZERO, |peer| peer.history().applied())
    }

    /// These changes are on their way to the log.
    pub(super) fn propose(&mut self, now: Monotonic, entries: &[Entry]) {
        if let Self::Among { peer, .. } = self {
            peer.propose(now, entries);
        }
    }

    /// The log keeps everything up to here.
    pub(super) fn on_synced(&mut self, now: Monotonic, through: Zxid) {
        match self {
            Self::Alone(broadcast) => drop(broadcast.on_synced(through)),
            Self::Among { peer, .. } => peer.on_synced(now, through),
        }
    }

    /// The tree has everything up to here.
    pub(super) fn on_applied(&mut self, through: Zxid) {
        if let Self::Among { peer, .. } = self {
            peer.on_applied(through);
        }
    }

    /// Whether this server decides what becomes of requests.
    pub(super) fn decides(&self) -> bool {
        match self {
            Self::Alone(_) => true,
            Self::Among { peer, .. } => matches!(peer.part(), Part::Leading(_)),
        }
    }

    pub(super) fn peer(&self) -> Option<&Peer> {
        match self {
            Self::Alone(_) => None,
            Self::Among { peer, .. } => Some(peer),
        }
    }

    pub(super) fn peer_mut(&mut self) -> Option<&mut Peer> {
        match self {
            Self::Alone(_) => None,
            Self::Among { peer, .. } => Some(peer),
        }
    }

    pub(super) fn check_invariants(&self) {
        match self {
            Self::Alone(broadcast) => broadcast.check_invariants(),
            Self::Among { peer, .. } => peer.check_invariants(),
        }
    }
}
