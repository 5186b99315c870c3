//! Another state in the place of the one that there is, because an operator restored it.
//!
//! It gets the next place in history that nothing has had, here or where it comes from. Whatever is in flight is
//! forgotten, and every connection is closed: the clients do not know what became of what they asked, and the
//! sessions that they had are not in the new state. In an ensemble the leader takes it, and the others take it over from
//! that server: see [`zoorum_zab::Peer::on_restored`]. There its place is the leader's next one, and what it holds can be of
//! later zxids, if it comes from another ensemble; the epoch that follows is later than all of them.

use zoorum_proto::Zxid;
use zoorum_tree::Tree;
use zoorum_zab::{Broadcast, Part};

use super::containers::Containers;
use super::order::Order;
use super::{Now, Replica};
use crate::message::Outcome;

/// A state of a later place than this leaves no room for what comes after it.
const LAST_ORIGIN: Zxid = Zxid(i64::MAX - (1 << 33));

/// Where a state that is to be restored can stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Here, if nothing is proposed before it is taken up.
    Next(Zxid),
    /// That is to be seen once it is known who leads.
    NotYetKnown,
}

/// Why a state cannot take the place of this server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRestorable {
    /// Another server says what the ensemble's history is.
    #[error("this server does not lead its ensemble, and a state is restored by the leader: ask that one")]
    NotLeading,
    /// There are no places left after it.
    #[error("the snapshot is of zxid {0}, which leaves no room for changes after it")]
    NoRoom(Zxid),
}

impl Replica {
    /// The place of a state that is to be restored, and that comes from a history up to `origin`.
    ///
    /// # Errors
    ///
    /// If this server cannot have it.
    pub fn place_for_restored(&self, origin: Zxid) -> Result<Place, NotRestorable> {
        if !(Zxid::ZERO..LAST_ORIGIN).contains(&origin) {
            return Err(NotRestorable::NoRoom(origin));
        }
        match &self.order {
            Order::Alone(broadcast) => Ok(Place::Next(broadcast.proposed().max(origin).next())),
            Order::Among { peer, proposed } => match peer.part() {
                Part::Following(..) | Part::Observing(..) => Err(NotRestorable::NotLeading),
                Part::Looking => Ok(Place::NotYetKnown),
                Part::Leading(_) if !self.serves() => Ok(Place::NotYetKnown),
                Part::Leading(_) => Ok(Place::Next(proposed.next())),
            },
        }
    }

    /// `tree` is the restored state, at the place that it was promised, and comes from a history up to `origin`. All that
    /// was logged is replaced by it, durably.
    pub fn on_restored(&mut self, tree: &Tree, now: Now, origin: Zxid) {
        self.unapplied.clear();
        match &mut self.order {
            Order::Alone(broadcast) => {
                *broadcast = Broadcast::alone(tree.last_zxid());
                self.begin_anew_alone(tree, now);
            }
            Order::Among { peer, .. } => {
                peer.on_restored(now.monotonic, tree.last_zxid(), origin.epoch());
                self.member.restored = Some(tree.last_zxid());
                self.act(tree, now);
            }
        }
        self.check_invariants();
    }

    fn begin_anew_alone(&mut self, tree: &Tree, now: Now) {
        let nobody = Outcome::Served { service: None };
        self.outcomes.iter_mut().for_each(|outcomes| outcomes.items.push(nobody.clone()));
        self.member.era += 1;
        self.end_service(); // and those who come from now on are served
        self.sessions.begin_anew(now.monotonic, true, tree);
        self.containers = Containers::new(self.settings.containers.clone(), now.monotonic);
    }

    /// Whether the ensemble has taken over the state that was restored here last; `None` if that is not known yet. It
    /// has if this server came to serve again and kept the state: who leads, or is followed, has it in its history.
    pub fn is_taken_over(&self) -> Option<bool> {
        let is_alone = self.order.peer().is_none();
        self.serves().then_some(is_alone || self.member.restored.is_some())
    }

    /// What lies behind `to` is no part of the history any more.
    pub(super) fn forget_restored_behind(&mut self, to: Zxid) {
        self.member.restored = self.member.restored.filter(|at| *at <= to);
    }
}
