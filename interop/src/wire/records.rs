//! The values that the client protocol carries, and its numbers by name.

use super::codec::{Reader, Writer};

/// Operation codes.
pub mod op {
    /// create
    pub const CREATE: i32 = 1;
    /// delete
    pub const DELETE: i32 = 2;
    /// exists
    pub const EXISTS: i32 = 3;
    /// getData
    pub const GET_DATA: i32 = 4;
    /// setData
    pub const SET_DATA: i32 = 5;
    /// getACL
    pub const GET_ACL: i32 = 6;
    /// setACL
    pub const SET_ACL: i32 = 7;
    /// getChildren
    pub const GET_CHILDREN: i32 = 8;
    /// sync
    pub const SYNC: i32 = 9;
    /// ping
    pub const PING: i32 = 11;
    /// getChildren2
    pub const GET_CHILDREN2: i32 = 12;
    /// check, which only a multi may carry
    pub const CHECK: i32 = 13;
    /// multi
    pub const MULTI: i32 = 14;
    /// create2
    pub const CREATE2: i32 = 15;
    /// reconfig
    pub const RECONFIG: i32 = 16;
    /// checkWatches
    pub const CHECK_WATCHES: i32 = 17;
    /// removeWatches
    pub const REMOVE_WATCHES: i32 = 18;
    /// createContainer
    pub const CREATE_CONTAINER: i32 = 19;
    /// deleteContainer, which no client should send
    pub const DELETE_CONTAINER: i32 = 20;
    /// createTTL
    pub const CREATE_TTL: i32 = 21;
    /// multiRead
    pub const MULTI_READ: i32 = 22;
    /// auth
    pub const AUTH: i32 = 100;
    /// setWatches
    pub const SET_WATCHES: i32 = 101;
    /// sasl
    pub const SASL: i32 = 102;
    /// getEphemerals
    pub const GET_EPHEMERALS: i32 = 103;
    /// getAllChildrenNumber
    pub const GET_ALL_CHILDREN_NUMBER: i32 = 104;
    /// setWatches2
    pub const SET_WATCHES2: i32 = 105;
    /// addWatch
    pub const ADD_WATCH: i32 = 106;
    /// whoAmI
    pub const WHO_AM_I: i32 = 107;
    /// createSession, which no client should send
    pub const CREATE_SESSION: i32 = -10;
    /// closeSession
    pub const CLOSE_SESSION: i32 = -11;
}

/// Error codes of replies.
pub mod code {
    /// A multi's operation behind the one that failed.
    pub const RUNTIME_INCONSISTENCY: i32 = -2;
    /// A record that cannot be decoded.
    pub const MARSHALLING_ERROR: i32 = -5;
    /// No such operation here.
    pub const UNIMPLEMENTED: i32 = -6;
    /// A path, flag or TTL that is never valid.
    pub const BAD_ARGUMENTS: i32 = -8;
    /// The node, or the parent, does not exist.
    pub const NO_NODE: i32 = -101;
    /// The ACL does not allow it.
    pub const NO_AUTH: i32 = -102;
    /// The version is another.
    pub const BAD_VERSION: i32 = -103;
    /// The parent is ephemeral.
    pub const NO_CHILDREN_FOR_EPHEMERALS: i32 = -108;
    /// The node exists already.
    pub const NODE_EXISTS: i32 = -110;
    /// The node has children.
    pub const NOT_EMPTY: i32 = -111;
    /// The session is over.
    pub const SESSION_EXPIRED: i32 = -112;
    /// The ACL list is invalid.
    pub const INVALID_ACL: i32 = -114;
    /// The server has no leader, and serves reads.
    pub const NOT_READ_ONLY: i32 = -119;
    /// The session is known to one server only, and cannot own a node.
    pub const EPHEMERAL_ON_LOCAL_SESSION: i32 = -120;
    /// Authentication failed.
    pub const AUTH_FAILED: i32 = -115;
    /// No such watch.
    pub const NO_WATCHER: i32 = -121;
    /// Reconfiguration is switched off.
    pub const RECONFIG_DISABLED: i32 = -123;
    /// The server demands authentication first.
    pub const AUTH_REQUIRED: i32 = -124;
    /// A hard quota would be exceeded.
    pub const QUOTA_EXCEEDED: i32 = -125;
    /// The request waited too long, and was not executed.
    pub const THROTTLED_OP: i32 = -127;
}

/// Flags of a create.
pub mod flag {
    /// An ordinary node.
    pub const PERSISTENT: i32 = 0;
    /// A node that goes with its session.
    pub const EPHEMERAL: i32 = 1;
    /// A node whose name gets a number.
    pub const SEQUENTIAL: i32 = 2;
    /// Both.
    pub const EPHEMERAL_SEQUENTIAL: i32 = 3;
    /// A node that goes when its last child went.
    pub const CONTAINER: i32 = 4;
    /// A node that goes when nobody changed it for its TTL.
    pub const TTL: i32 = 5;
    /// The same with a number.
    pub const SEQUENTIAL_TTL: i32 = 6;
}

/// Types of watch events.
pub mod event {
    /// NodeCreated
    pub const CREATED: i32 = 1;
    /// NodeDeleted
    pub const DELETED: i32 = 2;
    /// NodeDataChanged
    pub const DATA_CHANGED: i32 = 3;
    /// NodeChildrenChanged
    pub const CHILDREN_CHANGED: i32 = 4;
}

/// Permissions of an ACL entry.
pub mod perm {
    /// Read data and children.
    pub const READ: i32 = 1;
    /// Set data.
    pub const WRITE: i32 = 2;
    /// Create children.
    pub const CREATE: i32 = 4;
    /// Delete children.
    pub const DELETE: i32 = 8;
    /// Set the ACL.
    pub const ADMIN: i32 = 16;
    /// All five.
    pub const ALL: i32 = 31;
}

/// One entry of an ACL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Acl {
    /// A set of [`perm`] bits.
    pub perms: i32,
    /// The authentication scheme.
    pub scheme: String,
    /// Who, in the scheme's own words.
    pub id: String,
}

impl Acl {
    /// An entry.
    pub fn new(perms: i32, scheme: &str, id: &str) -> Acl {
        Acl { perms, scheme: scheme.into(), id: id.into() }
    }

    /// All permissions for everybody.
    pub fn open() -> Vec<Acl> {
        vec![Acl::new(perm::ALL, "world", "anyone")]
    }
}

/// What the server knows of a node besides its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// zxid of the creation.
    pub czxid: i64,
    /// zxid of the last change of data.
    pub mzxid: i64,
    /// Milliseconds since 1970 at the creation.
    pub ctime: i64,
    /// Milliseconds since 1970 at the last change of data.
    pub mtime: i64,
    /// Changes of data.
    pub version: i32,
    /// Changes of the list of children.
    pub cversion: i32,
    /// Changes of the ACL.
    pub aversion: i32,
    /// The owning session of an ephemeral node, otherwise 0.
    pub ephemeral_owner: i64,
    /// Bytes of data.
    pub data_length: i32,
    /// Children.
    pub num_children: i32,
    /// zxid of the last change of the list of children.
    pub pzxid: i64,
}

/// The first packet of a connection.
#[derive(Clone, Debug)]
pub struct Connect {
    /// Ignored by servers.
    pub protocol: i32,
    /// The highest zxid that the client has seen.
    pub last_zxid: i64,
    /// The session timeout asked for, in milliseconds.
    pub timeout: i32,
    /// The session to resume, or 0 for a new one.
    pub session: i64,
    /// The session's password.
    pub password: Option<Vec<u8>>,
    /// Whether a read-only server will do; old clients send no such field.
    pub read_only: Option<bool>,
}

impl Default for Connect {
    /// Asks for a new session of 40 seconds, the longest that servers grant by default.
    fn default() -> Connect {
        Connect {
            protocol: 0,
            last_zxid: 0,
            timeout: 40_000,
            session: 0,
            password: Some(vec![0; 16]),
            read_only: Some(false),
        }
    }
}

impl Connect {
    /// Asks to resume `session`.
    pub fn resume(session: &Connected) -> Connect {
        Connect {
            session: session.session,
            password: Some(session.password.clone()),
            timeout: session.timeout,
            ..Connect::default()
        }
    }

    /// The packet without its length.
    pub fn encode(&self) -> Vec<u8> {
        let record = Writer::new()
            .int(self.protocol)
            .long(self.last_zxid)
            .int(self.timeout)
            .long(self.session)
            .buffer(self.password.as_deref());
        match self.read_only {
            None => record.done(),
            Some(flag) => record.bool(flag).done(),
        }
    }
}

/// The answer to [`Connect`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// Always 0.
    pub protocol: i32,
    /// The negotiated timeout in milliseconds; 0 when the session is refused.
    pub timeout: i32,
    /// The session; 0 when it is refused.
    pub session: i64,
    /// The session's password.
    pub password: Vec<u8>,
    /// Whether the server is read-only; absent when the request lacked the field.
    pub read_only: Option<bool>,
}

impl Connected {
    /// What a server answers to who resumes a session that is over or not theirs.
    pub fn refusal() -> Connected {
        Connected { protocol: 0, timeout: 0, session: 0, password: vec![0; 16], read_only: Some(false) }
    }

    /// Reads the packet without its length.
    pub fn decode(frame: &[u8]) -> Connected {
        let mut reader = Reader::new(frame);
        let connected = Connected {
            protocol: reader.int(),
            timeout: reader.int(),
            session: reader.long(),
            password: reader.buffer().expect("a password is never null"),
            read_only: (reader.left() > 0).then(|| reader.bool()),
        };
        reader.end();
        connected
    }
}

/// The password of a session, which every server computes from its id alone: sixteen bytes from the 48-bit
/// linear congruential generator of Java's library, seeded with the id and a constant.
pub fn password(session: i64) -> Vec<u8> {
    const MULTIPLIER: u64 = 0x5_DEEC_E66D;
    const MASK: u64 = (1 << 48) - 1;
    let mut state = (session as u64 ^ 0xB341_5C00 ^ MULTIPLIER) & MASK;
    let mut bytes = Vec::new();
    for _ in 0..4 {
        state = state.wrapping_mul(MULTIPLIER).wrapping_add(0xB) & MASK;
        bytes.extend(((state >> 16) as u32).to_le_bytes());
    }
    bytes
}

/// A reply: its header, and the record behind it as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Copied from the request.
    pub xid: i32,
    /// Depends on the request; see the protocol's description.
    pub zxid: i64,
    /// 0 or one of [`code`].
    pub err: i32,
    /// Empty for every error and for operations without a result.
    pub body: Vec<u8>,
}

impl Reply {
    /// The body, to be read if there was no error.
    pub fn ok(&self) -> Result<Reader<'_>, i32> {
        if self.err == 0 {
            return Ok(Reader::new(&self.body));
        }
        assert_eq!(self.body, b"", "a reply with error {} carries a record", self.err);
        Err(self.err)
    }
}

/// A watch event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// zxid of the change, or −1 when the event makes up for one missed.
    pub zxid: i64,
    /// One of [`event`].
    pub kind: i32,
    /// Always 3, connected.
    pub state: i32,
    /// The path that changed.
    pub path: String,
}

/// One packet from the server, in the order of arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// An answer.
    Reply(Reply),
    /// A notification.
    Event(Event),
}

/// One operation of a multi: its code and its record.
pub type SubOp = (i32, Vec<u8>);

/// One result of a multi.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubResult {
    /// create
    Created(String),
    /// create2, createContainer and createTTL
    Created2(String, Stat),
    /// delete
    Deleted,
    /// setData
    Set(Stat),
    /// check
    Checked,
    /// getChildren of a multiRead
    Children(Vec<String>),
    /// getData of a multiRead
    Data(Option<Vec<u8>>, Stat),
    /// The operation failed, or an other one did.
    Error(i32),
}

/// The body of a multi.
pub fn encode_multi(ops: &[SubOp]) -> Vec<u8> {
    ops.iter()
        .fold(Writer::new(), |writer, (kind, record)| writer.int(*kind).bool(false).int(-1).raw(record))
        .int(-1)
        .bool(true)
        .int(-1)
        .done()
}

/// Reads the body of a multi's reply, which must be well-formed to its last byte.
pub fn decode_multi(mut reader: Reader<'_>) -> Vec<SubResult> {
    let mut results = Vec::new();
    loop {
        let (kind, done, err) = (reader.int(), reader.bool(), reader.int());
        if done {
            assert_eq!((kind, err), (-1, -1), "the terminator of a multi");
            reader.end();
            return results;
        }
        results.push(match kind {
            op::CREATE => SubResult::Created(reader.text()),
            op::CREATE2 => SubResult::Created2(reader.text(), reader.stat()),
            op::DELETE => SubResult::Deleted,
            op::SET_DATA => SubResult::Set(reader.stat()),
            op::CHECK => SubResult::Checked,
            op::GET_CHILDREN => SubResult::Children(reader.names()),
            op::GET_DATA => SubResult::Data(reader.buffer(), reader.stat()),
            -1 => {
                assert_eq!(reader.int(), err, "header and body of a failed operation tell one code");
                SubResult::Error(err)
            }
            other => panic!("a multi's result of type {other}"),
        });
        if kind != -1 {
            assert_eq!(err, 0, "the header of a successful operation");
        }
    }
}
