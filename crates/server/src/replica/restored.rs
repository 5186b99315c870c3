//! Another state in the place of the one that there is, because an operator restored it.
//!
//! It gets the next place in history that nothing has had, here or where it comes from. Whatever is in flight is
//! forgotten, and every connection is closed: the clients do not know what became of what they asked, and the
//! sessions that they had are not in the new state.

use zoorum_proto::Zxid;
use zoorum_tree::Tree;
use zoorum_zab::Broadcast;

use super::containers::Containers;
use super::order::Order;
use super::{Now, Replica};
use crate::message::Outcome;

/// A state of a later place than this leaves no room for what comes after it.
const LAST_ORIGIN: Zxid = Zxid(i64::MAX - (1 << 33));

/// Why a state cannot take the place of this server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRestorable {
    /// The others would go on with what they have.
    #[error(
        "this server is one of an ensemble, whose members must all have one state: restore it with 'zoorum restore' \
         while all of them are stopped"
    )]
    Ensemble,
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
    pub fn place_for_restored(&self, origin: Zxid) -> Result<Zxid, NotRestorable> {
        if self.order.peer().is_some() {
            return Err(NotRestorable::Ensemble);
        }
        if !(Zxid::ZERO..LAST_ORIGIN).contains(&origin) {
            return Err(NotRestorable::NoRoom(origin));
        }
        Ok(self.order.proposed().max(origin).next())
    }

    /// `tree` is the restored state, at the place that it was promised. All that was logged is replaced by it,
    /// durably.
    pub fn on_restored(&mut self, tree: &Tree, now: Now) {
        let Order::Alone(broadcast) = &mut self.order else { return };
        *broadcast = Broadcast::alone(tree.last_zxid());
        self.unapplied.clear();
        let nobody = Outcome::Served { service: None };
        self.outcomes.iter_mut().for_each(|outcomes| outcomes.items.push(nobody.clone()));
        self.member.era += 1;
        self.end_service(); // and those who come from now on are served
        self.sessions.begin_anew(now.monotonic, true, tree);
        self.containers = Containers::new(self.settings.containers.clone(), now.monotonic);
        self.check_invariants();
    }
}
