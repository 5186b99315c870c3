//! What a server sends on an established connection.

use std::borrow::Cow;

use zoorum_jute::{Decode, Encode};

use crate::{Acl, Stat, Xid, Zxid};

/// Opens every packet to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ReplyHeader {
    /// The request's xid, or one of the special ones.
    pub xid: Xid,
    /// The change that answered, or the newest change the server has applied.
    pub zxid: Zxid,
    /// 0, or the number of an [`crate::ErrorCode`].
    pub err: i32,
}

/// Reply to create.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CreateResponse<'a> {
    /// The path that was created, with its number if it is sequential.
    pub path: Cow<'a, str>,
}

/// Reply to create2, createContainer and createTTL.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Create2Response<'a> {
    /// The path that was created, with its number if it is sequential.
    pub path: Cow<'a, str>,
    /// The new znode's.
    pub stat: Stat,
}

/// Reply to getData. `None` is length −1 on the wire and `Some(empty)` length 0; clients can tell.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GetDataResponse<'a> {
    /// The data.
    pub data: Option<&'a [u8]>,
    /// The znode's.
    pub stat: Stat,
}

/// Reply to exists, setData and setACL.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct StatResponse {
    /// The znode's.
    pub stat: Stat,
}

/// Reply to getACL.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GetAclResponse<'a> {
    /// The entries, digests hidden from whoever may not administer.
    pub acl: Vec<Acl<'a>>,
    /// The znode's.
    pub stat: Stat,
}

/// Reply to getChildren, and the front of that to getChildren2.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GetChildrenResponse<'a> {
    /// Names of the children, in no order.
    pub children: Vec<Cow<'a, str>>,
}

/// Reply to getChildren2.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GetChildren2Response<'a> {
    /// Names of the children, in no order.
    pub children: Vec<Cow<'a, str>>,
    /// The parent's.
    pub stat: Stat,
}

/// Reply to getAllChildrenNumber.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GetAllChildrenNumberResponse {
    /// Descendants of the znode.
    pub total: i32,
}

/// Reply to getEphemerals.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GetEphemeralsResponse<'a> {
    /// Paths of the session's ephemeral znodes.
    pub paths: Vec<Cow<'a, str>>,
}

/// Reply to sync.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SyncResponse<'a> {
    /// The request's path, echoed.
    pub path: Option<Cow<'a, str>>,
}

/// An error where a result would stand: in a multi, and in reply to addWatch.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ErrorResponse {
    /// 0, or the number of an [`crate::ErrorCode`].
    pub err: i32,
}

/// Precedes every request and result of a multi, and ends the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MultiHeader {
    /// Opcode of what follows; −1 for an error or the end.
    pub op: i32,
    /// Whether the list ends here.
    pub done: bool,
    /// −1 in requests; the result's error code in replies.
    pub err: i32,
}

impl MultiHeader {
    /// Ends a list.
    pub const END: Self = Self { op: -1, done: true, err: -1 };
}

/// Reply to a SASL packet.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SetSaslResponse<'a> {
    /// The next token; null when there is none.
    pub token: Option<&'a [u8]>,
}

/// One id of a connection, as whoAmI tells it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ClientInfo<'a> {
    /// How the client proved who it is.
    pub auth_scheme: Cow<'a, str>,
    /// Who it is, without secrets.
    pub user: Cow<'a, str>,
}

/// Reply to whoAmI.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct WhoAmIResponse<'a> {
    /// Every id of the connection.
    pub client_info: Vec<ClientInfo<'a>>,
}

/// What happened to a watched path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventType {
    /// It was created.
    NodeCreated = 1,
    /// It was deleted.
    NodeDeleted = 2,
    /// Its data was set.
    NodeDataChanged = 3,
    /// A child was created or deleted.
    NodeChildrenChanged = 4,
}

impl EventType {
    /// The event of this number, if there is one.
    pub fn from_number(number: i32) -> Option<Self> {
        Some(match number {
            1 => Self::NodeCreated,
            2 => Self::NodeDeleted,
            3 => Self::NodeDataChanged,
            4 => Self::NodeChildrenChanged,
            _ => return None,
        })
    }
}

/// Body of a notification.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct WatcherEvent<'a> {
    /// An [`EventType`].
    pub kind: i32,
    /// Always 3, SyncConnected, from a server.
    pub state: i32,
    /// The path it happened to.
    pub path: Cow<'a, str>,
}

impl<'a> WatcherEvent<'a> {
    /// `kind` happened to `path`.
    pub fn new(kind: EventType, path: &'a str) -> Self {
        Self { kind: kind as i32, state: 3, path: path.into() }
    }
}
