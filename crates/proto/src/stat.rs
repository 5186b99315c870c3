//! What clients see of a znode besides its data.

use zoorum_jute::{Decode, Encode};

use crate::{SessionId, Version, WallClock, Zxid};

/// A znode's history and size: 68 bytes on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Stat {
    /// The change that created the znode.
    pub czxid: Zxid,
    /// The change that last set its data.
    pub mzxid: Zxid,
    /// When it was created.
    pub ctime: WallClock,
    /// When its data was last set.
    pub mtime: WallClock,
    /// How often its data was set.
    pub version: Version,
    /// How often its set of children changed.
    pub cversion: i32,
    /// How often its ACL was set.
    pub aversion: Version,
    /// The session that owns it; none unless it is ephemeral, and none for containers and TTL znodes.
    pub ephemeral_owner: SessionId,
    /// Bytes of data; 0 for null.
    pub data_length: i32,
    /// Direct children.
    pub num_children: i32,
    /// The change that last created or deleted a child, or created the znode.
    pub pzxid: Zxid,
}
