//! Whom a member of an ensemble serves, and when.
//!
//! ```text
//!            leads, or is in step, and the tree has what was committed
//!  Nobody ─────────────────────────────────────────────────────────▶ Everybody, or Learners
//!     ▲ │ ◀──────────────── no leader any more ─────────────────────────┘
//!     │ └── has looked for a leader for a while ──▶ Readers
//!     └────────── there may be a leader ───────────────┘
//! ```
//!
//! When a time of service ends, every connection is closed and whatever was asked is forgotten: the clients do not
//! know what became of it, and find out from another server, or here once there is a leader. Readers see what this
//! server knew when it lost its leader; their sessions are its own, and end with their time of service.

use zoorum_proto::{Monotonic, Zxid};
use zoorum_tree::{Pending, Tree};
use zoorum_zab::{Notice, Part, Peer};

use super::containers::Containers;
use super::order::Order;
use super::{Fresh, Now, Replica, reads};
use crate::message::{Outcome, Service};
use crate::replica::Effect;

/// Whom a member serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Serving {
    /// There is no leader, or this server is not in step with it yet.
    #[default]
    Nobody,
    /// There is no leader: clients that can do with reads alone.
    Readers,
    /// It leads, and leaves clients to others.
    Learners,
    /// Clients of all kinds, and learners if it leads.
    Everybody,
}

impl Replica {
    /// Whether this server takes part in service: clients are served, its own or those of its learners.
    pub fn serves(&self) -> bool {
        match self.member.serving {
            Serving::Nobody | Serving::Readers => self.order.peer().is_none(),
            Serving::Learners | Serving::Everybody => true,
        }
    }

    /// Whether clients of this server are served, and if so, whether with reads only.
    pub(super) fn service(&self) -> Option<Service> {
        let era = self.member.era;
        match self.member.serving {
            Serving::Nobody | Serving::Learners if self.order.peer().is_some() => None,
            serving => Some(Service { era, read_only: serving == Serving::Readers }),
        }
    }

    /// Whether clients get nothing but reads.
    pub(super) fn is_read_only(&self) -> bool {
        self.member.serving == Serving::Readers
    }

    /// To be called once what is committed has been applied: service begins when the tree has all it must.
    pub fn on_round(&mut self, tree: &Tree, now: Now) {
        self.passages.on_applied(now.monotonic);
        self.leave_before_the_last_place(tree, now);
        let Some(peer) = self.order.peer() else { return };
        if peer.part().serves() && !self.serves() && tree.last_zxid() >= self.member.serves_from {
            self.begin_service(tree, now);
        }
    }

    pub(super) fn become_part(&mut self, part: Part) {
        if part.serves() {
            let committed = self.order.peer().map_or(Zxid::ZERO, |peer| peer.history().committed());
            let last = self.order.peer().map_or(Zxid::ZERO, |peer| peer.history().last());
            self.member.serves_from = committed.min(last);
        } else {
            self.end_service();
        }
    }

    fn begin_service(&mut self, tree: &Tree, now: Now) {
        self.begin(now, Serving::Everybody, tree);
        self.containers = Containers::new(self.settings.containers.clone(), now.monotonic);
        if let Order::Among { peer, proposed } = &mut self.order
            && let Part::Leading(epoch) = peer.part()
        {
            *proposed = Zxid::new(epoch, 0);
            if !self.settings.member.leader_serves {
                self.member.serving = Serving::Learners;
                let text = "leaderServes=no: clients are left to the others".to_owned();
                self.member.effects.push(Effect::Tell(Notice::Info(text)));
            }
            self.close_orphans(tree, now);
        }
        self.tell_workers();
        for word in std::mem::take(&mut self.member.early) {
            self.on_learner(tree, now, word);
        }
    }

    fn begin(&mut self, now: Now, serving: Serving, tree: &Tree) {
        self.member.serving = serving;
        self.member.era += 1;
        self.counters.proposal_sizes = None;
        self.pending = Pending::new(self.member.seed);
        self.sessions.begin_anew(now.monotonic, self.order.decides(), tree);
    }

    pub(super) fn end_service(&mut self) {
        self.member.early.clear();
        self.member.asking.clear();
        self.member.synced.clear();
        self.member.serving = Serving::Nobody;
        self.fresh = Fresh::default();
        self.in_flight.clear();
        self.passages.forget();
        self.reads = reads::Reads::default();
        self.pending = Pending::new(self.member.seed);
        self.tell_workers();
    }

    fn tell_workers(&mut self) {
        let service = self.service();
        self.outcomes.iter_mut().for_each(|outcomes| outcomes.items.push(Outcome::Served { service }));
    }

    /// When readers are to be served, if that is yet to come.
    pub(super) fn read_only_at(&self) -> Option<Monotonic> {
        let since = self.order.peer().and_then(Peer::looking_since)?;
        let after = self.settings.member.read_only_after?;
        (self.member.serving == Serving::Nobody).then(|| since + after)
    }

    /// Begins to serve readers when there has been no leader for a while; ends it when there may be one.
    pub(super) fn mind_the_lack_of_a_leader(&mut self, tree: &Tree, now: Now) {
        if self.read_only_at().is_some_and(|at| at <= now.monotonic) {
            self.begin(now, Serving::Readers, tree);
            self.tell_workers();
        } else if self.is_read_only() && self.order.peer().and_then(Peer::looking_since).is_none() {
            self.end_service();
        }
    }
}
