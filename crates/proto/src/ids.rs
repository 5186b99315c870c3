//! Numbers with a meaning, a type each.

use std::fmt;

use zoorum_jute::{Decode, Encode};

/// Position of one change in the ensemble's single history.
///
/// The high 32 bits are the epoch of the leader that proposed the change; the low 32 bits count that
/// leader's proposals, from 1. Comparing two zxids therefore compares when they committed. A standalone
/// server stays in epoch 0 and simply counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Zxid(pub i64);

impl Zxid {
    /// Before every change.
    pub const ZERO: Self = Self(0);

    /// The zxid after this one in the same epoch.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Change number `counter` of the leader of `epoch`. Counter 0 stands for the leader's beginning.
    pub fn new(epoch: Epoch, counter: u32) -> Self {
        Self(epoch.0 << 32 | i64::from(counter))
    }

    /// The epoch: the high 32 bits, with their sign.
    pub fn epoch(self) -> Epoch {
        Epoch(self.0 >> 32)
    }

    /// The counter within the epoch: the low 32 bits.
    pub fn counter(self) -> u32 {
        self.0 as u32
    }

    /// Whether no change can lie between this one and `later`, as far as zxids tell: it is the next one, or
    /// begins a later epoch. How many changes the epoch before had, they do not tell.
    pub fn may_precede(self, later: Self) -> bool {
        later == self.next() || (later.epoch() > self.epoch() && later.counter() == 1)
    }
}

/// `0x` and lower-case hex, as ZooKeeper's tools print it.
impl fmt::Display for Zxid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// A server's number: what its `myid` file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct ServerId(pub i64);

impl ServerId {
    /// What a server that cannot be elected proposes.
    pub const NONE: Self = Self(i64::MIN);
    /// What an observer without a number says that it is.
    pub const ANONYMOUS: Self = Self(i64::MAX);
}

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One leader's time in office: no two leaders ever share an epoch.
///
/// Zab has two per server: the one it *accepted*, below which it obeys nobody any more, and its *current*
/// one, whose leader it has followed. Votes carry any number; see [`Self::is_usable`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Epoch(pub i64);

impl Epoch {
    /// Before every leader.
    pub const ZERO: Self = Self(0);
    /// After this one no leader can be established: zxids have no room for another.
    pub const LAST: Self = Self(0x7fff_fffe);
    /// In the vote of a server that cannot be elected.
    pub const NONE: Self = Self(i64::MIN);

    /// The epoch after this one, if there is one.
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self).filter(|&next| next <= Self::LAST)
    }

    /// Whether a server can be in this epoch. Java's are in −1 as long as their database is missing.
    pub fn is_usable(self) -> bool {
        (-1..=Self::LAST.0).contains(&self.0)
    }
}

/// In hex, as ZooKeeper's tools print it.
impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// One round of voting, which ZooKeeper also calls election epoch or logical clock. It lives in memory only
/// and has nothing to do with an [`Epoch`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Round(pub i64);

impl Round {
    /// Before every round.
    pub const ZERO: Self = Self(0);

    /// The round after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// A client's session. Zero asks for a new one and is never issued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct SessionId(pub i64);

impl SessionId {
    /// No session.
    pub const NONE: Self = Self(0);

    /// The 16 bytes that let a client take up its session again: a function of the id alone, so that every
    /// server can check it. It proves nothing to an attacker who knows the algorithm; it only tells clients
    /// apart. (Java's 48-bit linear congruential generator, seeded with `id ^ 0xB3415C00`.)
    pub fn password(self) -> [u8; 16] {
        const MULTIPLIER: u64 = 0x5_DEEC_E66D;
        const MASK: u64 = (1 << 48) - 1;
        let mut state = ((self.0 as u64 ^ 0xB341_5C00) ^ MULTIPLIER) & MASK;
        let mut password = [0; 16];
        for word in password.chunks_exact_mut(4) {
            state = state.wrapping_mul(MULTIPLIER).wrapping_add(0xB) & MASK;
            word.copy_from_slice(&((state >> 16) as u32).to_le_bytes());
        }
        password
    }
}

/// `0x` and lower-case hex, as ZooKeeper's tools print it.
impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// The number by which a client knows its request again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Xid(pub i32);

impl Xid {
    /// A watch event, which answers no request.
    pub const NOTIFICATION: Self = Self(-1);
    /// A ping, and its reply whatever xid the ping had.
    pub const PING: Self = Self(-2);
    /// An auth packet, by convention.
    pub const AUTH: Self = Self(-4);
}

/// How often a znode's data, or its ACL, was changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Version(pub i32);

impl Version {
    /// In a request: whatever the version is.
    pub const ANY: Self = Self(-1);

    /// The version after one more change. It wraps, and skips −1, which means "any" in requests
    /// (ZOOKEEPER-4743).
    #[must_use]
    pub fn next(self) -> Self {
        match self.0.wrapping_add(1) {
            -1 => Self(0),
            next => Self(next),
        }
    }

    /// Whether a request that expects this version may change a znode of version `current`.
    pub fn admits(self, current: Self) -> bool {
        self == Self::ANY || self == current
    }
}

/// Milliseconds since 1970 at the leader. It only stamps `ctime` and `mtime`, and may jump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct WallClock(pub i64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_passwords_are_the_originals() {
        let rows: [(i64, u128); 4] = [
            (0x1, 0x054c_c74a_3732_7db2_15e7_02e2_0c73_f005),
            (0x0100_0000_0000_0000, 0xf22a_cd4a_97e6_9d6d_20a4_9bb6_38ea_db38),
            (0x0100_0013_787e_0000, 0x20e7_fe3f_2d5a_44e1_fe9e_9b22_be2e_e5f8),
            (0xff00_0000_dead_beef_u64 as i64, 0xe61e_b63f_1c18_02e5_d90d_40c2_c98c_7598),
        ];
        for (session, password) in rows {
            assert_eq!(SessionId(session).password(), password.to_be_bytes());
        }
    }

    #[test]
    fn a_zxid_is_an_epoch_and_a_counter() {
        let rows = [
            (0, 0, 0),
            (1, 7, 0x1_0000_0007),
            (-1, 0, -0x1_0000_0000),
            (0x7fff_fffe, u32::MAX, i64::MAX - (1 << 32)),
        ];
        for (epoch, counter, zxid) in rows {
            assert_eq!(Zxid::new(Epoch(epoch), counter), Zxid(zxid));
            assert_eq!((Zxid(zxid).epoch(), Zxid(zxid).counter()), (Epoch(epoch), counter));
        }
    }

    #[test]
    fn epochs_end_where_zxids_would_turn_negative() {
        assert_eq!(Epoch(0x7fff_fffd).next(), Some(Epoch::LAST));
        assert_eq!(Epoch::LAST.next(), None);
        assert_eq!(Epoch(i64::MAX).next(), None);
        let usable = [Epoch::NONE, Epoch(-2), Epoch(-1), Epoch::ZERO, Epoch::LAST, Epoch(0x7fff_ffff)];
        assert_eq!(usable.map(Epoch::is_usable), [false, false, true, true, true, false]);
    }

    #[test]
    fn a_change_follows_by_one_or_begins_a_later_epoch() {
        let rows = [
            (5, 6, true),
            (5, 7, false),
            (5, 0x1_0000_0001, true),
            (5, 0x1_0000_0002, false),
            (0x1_0000_0000, 0x1_0000_0001, true),
            (0xffff_ffff, 0x1_0000_0000, true),
            (0x1_0000_0005, 0x3_0000_0001, true),
            (0x3_0000_0001, 0x1_0000_0001, false),
        ];
        for (before, after, does) in rows {
            assert_eq!(Zxid(before).may_precede(Zxid(after)), does, "{before:#x} {after:#x}");
        }
    }

    #[test]
    fn versions_wrap_and_skip_minus_one() {
        assert_eq!(Version(i32::MAX).next(), Version(i32::MIN));
        assert_eq!(Version(-2).next(), Version(0));
    }
}
