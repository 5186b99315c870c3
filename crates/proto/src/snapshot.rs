//! Records of a snapshot file.

use std::borrow::Cow;

use zoorum_jute::{Decode, Encode};

use crate::{Acl, SessionId, Version, WallClock, Zxid};

/// A session that was open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SnapshotSession {
    /// Which.
    pub session: SessionId,
    /// Its timeout.
    pub timeout_ms: i32,
}

/// An ACL list under the number that znodes refer to it by.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SnapshotAcl<'a> {
    /// The number; never −1, which means world:anyone with all permissions.
    pub number: i64,
    /// The list.
    pub acl: Vec<Acl<'a>>,
}

/// The ACL number of world:anyone with all permissions.
pub const OPEN_ACL: i64 = -1;

/// A znode, behind its path. The root's path is the empty string.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SnapshotNode<'a> {
    /// Its full path.
    pub path: Cow<'a, str>,
    /// Its data.
    pub data: Option<&'a [u8]>,
    /// Number of its ACL.
    pub acl: i64,
    /// The change that created it.
    pub czxid: Zxid,
    /// The change that last set its data.
    pub mzxid: Zxid,
    /// When it was created.
    pub ctime: WallClock,
    /// When its data was last set.
    pub mtime: WallClock,
    /// How often its data was set.
    pub version: Version,
    /// How many children it has ever had.
    pub creates: i32,
    /// How often its ACL was set.
    pub aversion: Version,
    /// Its kind, as [`crate::mode::NodeKind`] reads it.
    pub owner: i64,
    /// The change that last created or deleted a child.
    pub pzxid: Zxid,
}
