//! Another state in the place of the ensemble's, because an operator restored it.
//!
//! ```text
//! leader, epoch 7                     restored                           led again, epoch 8
//! … 7.41 7.42 ──── another state, at 7.43, durable ── gives the lead up ──▶ the others take its tree
//! ```
//!
//! The state gets the next place in the epoch of the one server that can give places in it, and that server gives no
//! more in this epoch. So no zxid ever means two things, the state is later than all that anybody has, and to the
//! others it is what any server has that is ahead of them: votes are for it, and whoever follows takes its tree. Whether
//! the state becomes the ensemble's is decided as with everything that no quorum has yet: if this server dies before,
//! the others may go on without it, and it comes back as one that must give up what it has.

use zoorum_proto::{Epoch, Monotonic, Zxid};

use super::{Part, Peer};

impl Peer {
    /// Another state, which stands at `at`, has taken the place of this server's history, durably. What it holds goes back
    /// to changes of epoch `origin`, perhaps of another ensemble: the next epoch is to be later than that.
    ///
    /// # Panics
    ///
    /// If this server does not lead, or `at` is not a place in its epoch that it has not given yet.
    pub fn on_restored(&mut self, now: Monotonic, at: Zxid, origin: Epoch) {
        self.now = now;
        assert_eq!(self.part, Part::Leading(at.epoch()), "only a leader knows the next place");
        assert!(at > self.history.last(), "no other change has this place");
        self.history.replace(at);
        self.origin = self.origin.max(origin);
        // The others look for a leader once they miss this one, and must not agree without having heard its vote.
        self.elector.skip_round();
        self.step_down("another state was restored: the ensemble is to take it over from this server");
        self.settle();
    }
}
