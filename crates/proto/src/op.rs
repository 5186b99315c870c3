//! What clients ask for.
//!
//! Operations are split by where they are decided: a [`ReadOp`] is answered from the local tree, a
//! [`WriteOp`] is ordered by the replica. [`OpCode::class`] tells which, before anything is decoded.

mod read;
mod write;

pub use read::{
    AddWatch, AuthPacket, MultiReadOp, PathAndWatch, PathRequest, ReadOp, SaslRequest, SetWatches,
    SetWatches2, WatchesRequest,
};
pub use write::{
    CheckRequest, CreateOp, CreateRequest, DeleteRequest, MultiOp, ReconfigRequest, SetAclRequest,
    SetDataRequest, WriteOp,
};

use zoorum_jute::{Decode, Encode};

use crate::Xid;

/// Opens every packet from a client after the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RequestHeader {
    /// By which the client knows the reply.
    pub xid: Xid,
    /// The raw [`OpCode`].
    pub op: i32,
}

macro_rules! op_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// The number of an operation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum OpCode { $($(#[$doc])* $name = $code,)* }

        impl OpCode {
            /// The operation of this number, if there is one.
            pub fn from_number(number: i32) -> Option<Self> {
                match number { $($code => Some(Self::$name),)* _ => None }
            }
        }
    };
}

op_codes! {
    /// Create a znode; the reply has its path.
    Create = 1,
    /// Delete a znode.
    Delete = 2,
    /// Ask for a Stat, watching even what does not exist.
    Exists = 3,
    /// Read data.
    GetData = 4,
    /// Set data.
    SetData = 5,
    /// Read an ACL.
    GetAcl = 6,
    /// Set an ACL.
    SetAcl = 7,
    /// List children.
    GetChildren = 8,
    /// Catch up with the leader.
    Sync = 9,
    /// Keep the session alive.
    Ping = 11,
    /// List children, with the Stat.
    GetChildren2 = 12,
    /// Check a version; in a multi only.
    Check = 13,
    /// Several writes or none.
    Multi = 14,
    /// Create a znode; the reply has path and Stat.
    Create2 = 15,
    /// Change the membership.
    Reconfig = 16,
    /// Ask whether a watch is set.
    CheckWatches = 17,
    /// Remove watches.
    RemoveWatches = 18,
    /// Create a container.
    CreateContainer = 19,
    /// Delete a container or TTL znode; the server's own.
    DeleteContainer = 20,
    /// Create a znode with a time to live.
    CreateTtl = 21,
    /// Several reads.
    MultiRead = 22,
    /// Prove who one is.
    Auth = 100,
    /// Restore watches after a reconnect.
    SetWatches = 101,
    /// A step of a SASL exchange.
    Sasl = 102,
    /// List the session's ephemeral znodes.
    GetEphemerals = 103,
    /// Count descendants.
    GetAllChildrenNumber = 104,
    /// Restore watches after a reconnect, persistent ones too.
    SetWatches2 = 105,
    /// Set a persistent watch.
    AddWatch = 106,
    /// Ask who one is.
    WhoAmI = 107,
    /// Open a session; the server's own.
    CreateSession = -10,
    /// Close the session.
    CloseSession = -11,
    /// A write that was refused, as the log keeps it.
    Error = -1,
}

/// Where an operation is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpClass {
    /// On the connection, as soon as it is read.
    Inline,
    /// From the local tree, in the session's order.
    Read,
    /// By the replica, in everybody's order.
    Write,
    /// By no client's wish: the connection closes.
    Refused,
}

impl OpCode {
    /// Where the operation is decided when a client sends it.
    pub fn class(self) -> OpClass {
        match self {
            Self::Auth | Self::Sasl => OpClass::Inline,
            Self::Exists
            | Self::GetData
            | Self::GetAcl
            | Self::GetChildren
            | Self::Ping
            | Self::GetChildren2
            | Self::CheckWatches
            | Self::RemoveWatches
            | Self::MultiRead
            | Self::SetWatches
            | Self::GetEphemerals
            | Self::GetAllChildrenNumber
            | Self::SetWatches2
            | Self::AddWatch
            | Self::WhoAmI => OpClass::Read,
            Self::Create
            | Self::Delete
            | Self::SetData
            | Self::SetAcl
            | Self::Sync
            | Self::Multi
            | Self::Create2
            | Self::Reconfig
            | Self::CreateContainer
            | Self::CreateTtl
            | Self::CloseSession => OpClass::Write,
            Self::Check | Self::DeleteContainer | Self::CreateSession | Self::Error => OpClass::Refused,
        }
    }
}
