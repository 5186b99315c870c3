//! Broadcast in an ensemble of one: the quorum is the server's own log.

use zoorum_proto::Zxid;

/// The leader's side of broadcast.
///
/// ```text
/// propose ─▶ proposed ──(log synced)──▶ synced ──(a quorum has it)──▶ committed
/// ```
#[derive(Clone, Debug)]
pub struct Broadcast {
    proposed: Zxid,
    synced: Zxid,
    committed: Zxid,
}

impl Broadcast {
    /// Broadcast in an ensemble of one whose history, all of it durable, ends at `last`.
    pub fn alone(last: Zxid) -> Self {
        Self { proposed: last, synced: last, committed: last }
    }

    /// Gives the next change its place in history. The caller must see it logged, and say so with
    /// [`Self::on_synced`].
    pub fn propose(&mut self) -> Zxid {
        self.proposed = self.proposed.next();
        self.proposed
    }

    /// The log now keeps everything up to `through` across a power cut. Returns how far changes may be obeyed.
    pub fn on_synced(&mut self, through: Zxid) -> Zxid {
        assert!(through <= self.proposed, "nothing is synced that was not proposed");
        assert!(through >= self.synced, "what was synced stays synced");
        self.synced = through;
        self.committed = self.synced; // a quorum of one
        self.check_invariants();
        self.committed
    }

    /// The newest change that has a place in history.
    pub fn proposed(&self) -> Zxid {
        self.proposed
    }

    /// The newest change that may be obeyed.
    pub fn committed(&self) -> Zxid {
        self.committed
    }

    /// What holds between any two steps.
    pub fn check_invariants(&self) {
        assert!(self.committed <= self.synced, "only what a quorum has synced is committed");
        assert!(self.synced <= self.proposed, "nothing is synced that was not proposed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_committed_only_once_it_is_synced() {
        let mut broadcast = Broadcast::alone(Zxid(7));
        assert_eq!((broadcast.propose(), broadcast.propose()), (Zxid(8), Zxid(9)));
        assert_eq!(broadcast.committed(), Zxid(7));
        assert_eq!(broadcast.on_synced(Zxid(8)), Zxid(8));
        assert_eq!(broadcast.on_synced(Zxid(9)), Zxid(9));
    }

    #[test]
    #[should_panic(expected = "nothing is synced that was not proposed")]
    fn a_sync_beyond_what_was_proposed_is_our_own_error() {
        Broadcast::alone(Zxid(7)).on_synced(Zxid(8));
    }
}
