//! How a znode is to be created, and how its kind is stored.

use crate::SessionId;

/// The flags of a create request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CreateMode {
    /// Stays until deleted.
    Persistent = 0,
    /// Goes with the session that made it.
    Ephemeral = 1,
    /// Persistent, its name ending in a number that the parent counts.
    PersistentSequential = 2,
    /// Ephemeral, its name ending in a number that the parent counts.
    EphemeralSequential = 3,
    /// Deleted by the server once its last child is gone.
    Container = 4,
    /// Deleted by the server once unchanged and childless for its time to live.
    PersistentWithTtl = 5,
    /// The same, its name ending in a number that the parent counts.
    PersistentSequentialWithTtl = 6,
}

impl CreateMode {
    /// The mode of a flag, if there is one.
    pub fn from_flags(flags: i32) -> Option<Self> {
        Some(match flags {
            0 => Self::Persistent,
            1 => Self::Ephemeral,
            2 => Self::PersistentSequential,
            3 => Self::EphemeralSequential,
            4 => Self::Container,
            5 => Self::PersistentWithTtl,
            6 => Self::PersistentSequentialWithTtl,
            _ => return None,
        })
    }

    /// Whether the session owns the znode.
    pub fn is_ephemeral(self) -> bool {
        matches!(self, Self::Ephemeral | Self::EphemeralSequential)
    }

    /// Whether the parent numbers the name.
    pub fn is_sequential(self) -> bool {
        matches!(
            self,
            Self::PersistentSequential | Self::EphemeralSequential | Self::PersistentSequentialWithTtl
        )
    }

    /// Whether the znode has a time to live.
    pub fn is_ttl(self) -> bool {
        matches!(self, Self::PersistentWithTtl | Self::PersistentSequentialWithTtl)
    }
}

/// The longest time to live: 2⁴⁰ − 1 ms.
pub const TTL_MAX: i64 = (1 << 40) - 1;

/// How the raw `ephemeralOwner` is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum OwnerReading {
    /// As [`NodeKind::from_owner`] says.
    #[default]
    Current,
    /// Every negative owner but that of a container is a time to live, as release 3.5.3 wrote them
    /// (`zookeeper.emulate353TTLNodes`). So is that of a session whose id is negative, which servers with ids above
    /// 127 give out.
    Emulating353,
}

impl OwnerReading {
    /// What kind of znode has this owner.
    #[inline]
    pub fn kind(self, owner: i64) -> NodeKind {
        match self {
            Self::Emulating353 if owner < 0 && owner != NodeKind::CONTAINER => {
                NodeKind::Ttl((owner as u64 & NodeKind::TTL_VALUE) as i64)
            }
            Self::Current | Self::Emulating353 => NodeKind::from_owner(owner),
        }
    }
}

/// What kind of znode it is, which files keep in one number, the raw `ephemeralOwner`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeKind {
    /// Stays until deleted.
    Persistent,
    /// Goes with this session.
    Ephemeral(SessionId),
    /// Goes once its last child is gone.
    Container,
    /// Goes once unchanged and childless for so many milliseconds.
    Ttl(i64),
}

impl NodeKind {
    const CONTAINER: i64 = i64::MIN;
    const EXTENDED_MASK: u64 = 0xff00_0000_0000_0000;
    const TTL_VALUE: u64 = 0x0000_00ff_ffff_ffff;

    /// Reads the raw owner. The top byte 0xFF always marks an extended type, whatever is configured:
    /// taking such a number for a session would delete the znode with it.
    pub fn from_owner(owner: i64) -> Self {
        match owner {
            0 => Self::Persistent,
            Self::CONTAINER => Self::Container,
            _ if owner as u64 & Self::EXTENDED_MASK == Self::EXTENDED_MASK => {
                Self::Ttl((owner as u64 & Self::TTL_VALUE) as i64)
            }
            _ => Self::Ephemeral(SessionId(owner)),
        }
    }

    /// The raw owner, as files keep it.
    pub fn owner(self) -> i64 {
        match self {
            Self::Persistent => 0,
            Self::Ephemeral(session) => session.0,
            Self::Container => Self::CONTAINER,
            Self::Ttl(ttl) => (Self::EXTENDED_MASK | (ttl as u64 & Self::TTL_VALUE)) as i64,
        }
    }

    /// The owner that clients see.
    pub fn session(self) -> SessionId {
        match self {
            Self::Ephemeral(session) => session,
            _ => SessionId::NONE,
        }
    }
}
