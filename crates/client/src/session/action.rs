//! What goes into a session and what comes out of it.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use zoorum_proto::reply::EventType;
use zoorum_proto::{DecodeError, OpCode, SessionId, Zxid};

use super::{Host, WatchKind, WatcherId};

/// How a session behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The session timeout to ask for; the server may choose another.
    pub timeout: Duration,
    /// Whether a server without a quorum will do, for reading.
    pub read_only: bool,
    /// A session to take up again, with its password.
    pub resume: Option<(SessionId, [u8; 16])>,
    /// The largest request that is sent. Servers close the connection on one larger than their
    /// `jute.maxbuffer`.
    pub request_bytes_max: usize,
    /// The largest reply that is accepted; a larger one closes the connection.
    pub reply_bytes_max: usize,
    /// How many requests may wait for a connection or for their replies; those beyond are refused.
    pub requests_max: usize,
    /// How many bytes these may have together; the request that would exceed it is refused.
    pub waiting_bytes_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            read_only: false,
            resume: None,
            request_bytes_max: 0xf_ffff,
            reply_bytes_max: 64 << 20,
            requests_max: 1 << 18,
            waiting_bytes_max: 256 << 20,
        }
    }
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionState {
    /// Before the first connection.
    Connecting,
    /// A server serves it.
    Connected,
    /// A server without a quorum serves it, for reading alone.
    ConnectedReadOnly,
    /// The connection is lost, and another is being sought. The session, with its ephemeral znodes, may go on
    /// or end meanwhile: nobody knows until a server says so.
    Disconnected,
    /// The session has ended, and its ephemeral znodes are gone or going. Final.
    Expired,
    /// The server refused the credentials. Final.
    AuthFailed,
    /// The session was closed from here. Final.
    Closed,
}

impl SessionState {
    /// Whether nothing follows.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Expired | Self::AuthFailed | Self::Closed)
    }

    /// Whether reads are answered.
    pub fn is_connected(self) -> bool {
        matches!(self, Self::Connected | Self::ConnectedReadOnly)
    }
}

/// Why a request got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// There was no connection, or it broke.
    Disconnected,
    /// The session has expired.
    Expired,
    /// The server refused the credentials.
    AuthFailed,
    /// The session was closed from here.
    Closed,
    /// Too many requests are waiting already, or too many bytes of them.
    Overloaded,
    /// The request is larger than servers accept.
    TooLarge,
    /// The server's answer makes no sense.
    Nonsense,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disconnected => "there is no connection to a server",
            Self::Expired => "the session has expired; open a new one",
            Self::AuthFailed => "the server refused the session's credentials",
            Self::Closed => "the session is closed",
            Self::Overloaded => "too many requests are waiting for their answers already",
            Self::TooLarge => "the request is larger than a server accepts (jute.maxbuffer)",
            Self::Nonsense => "the server's answer makes no sense",
        })
    }
}

/// What is known of a request that did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// It never left: it certainly has no effect.
    NotSent(Cause),
    /// It was sent and the answer never came: it may have been carried out, or not, or may yet be.
    Unknown(Cause),
    /// The server's answer is this error code.
    Refused(i32),
}

/// By which a request's outcome is known again; chosen by whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// One of a session's connections, successful or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// A request, encoded.
#[derive(Clone, Debug)]
pub struct Request {
    /// By which its outcome is known again.
    pub id: RequestId,
    /// The operation.
    pub op: OpCode,
    /// Its record.
    pub body: Vec<u8>,
    /// The watch that it leaves if it succeeds.
    pub watch: Option<NewWatch>,
}

/// What a request would watch.
#[derive(Clone, Debug)]
pub struct NewWatch {
    /// Who will be told.
    pub watcher: WatcherId,
    /// The path as the server knows it.
    pub path: String,
    /// By which request it is set.
    pub by: WatchingOp,
}

/// The requests that can leave a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchingOp {
    /// getData.
    GetData,
    /// exists, which watches what is missing, too.
    Exists,
    /// getChildren.
    GetChildren,
    /// addWatch, persistent.
    AddPersistent,
    /// addWatch, persistent and recursive.
    AddRecursive,
}

impl WatchingOp {
    /// What it watches in an existing znode.
    pub(super) fn kind(self) -> WatchKind {
        match self {
            Self::GetData | Self::Exists => WatchKind::Data,
            Self::GetChildren => WatchKind::Child,
            Self::AddPersistent => WatchKind::Persistent,
            Self::AddRecursive => WatchKind::Recursive,
        }
    }
}

/// A server's answer without an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The change that answered, or the newest change the server has applied.
    pub zxid: Zxid,
    /// The record.
    pub body: Bytes,
}

/// A change that a watcher waited for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WatchedEvent {
    /// What happened.
    pub kind: EventType,
    /// To which znode.
    pub path: String,
    /// By which change; −1 where the server does not say: before 3.9, and for what happened while there was
    /// no connection.
    pub zxid: Zxid,
}

/// Why a connection is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It broke, or could not be made.
    Broken,
    /// The server did not take the session in time.
    Slow,
    /// The server was not heard for two thirds of the session timeout.
    Silent,
    /// What the server sent makes no sense.
    Nonsense(DecodeError),
    /// A server without a quorum does not know the session.
    Ignorant,
    /// A read-write server was found.
    BetterServer,
    /// The list of servers has changed.
    NewList,
    /// The session is over.
    Over,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken => f.write_str("the connection is gone"),
            Self::Slow => f.write_str("the server did not take the session in time"),
            Self::Silent => f.write_str("the server was silent for two thirds of the session timeout"),
            Self::Nonsense(error) => write!(f, "the server broke the protocol: {error}"),
            Self::Ignorant => {
                f.write_str("a server without a quorum does not know the session, which says nothing")
            }
            Self::BetterServer => f.write_str("a read-write server was found"),
            Self::NewList => f.write_str("the list of servers has changed"),
            Self::Over => f.write_str("the session is over"),
        }
    }
}

/// What is to be done for a session, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Connect, then say [`super::Session::on_connected`], or [`super::Session::on_disconnected`] if it fails.
    Connect {
        /// The new connection's id.
        connection: ConnectionId,
        /// Where to.
        host: Host,
        /// By which one of the host's addresses is to be chosen.
        salt: u64,
    },
    /// Send bytes on the connection.
    Send(Vec<u8>),
    /// Send what is to be sent as far as it goes without waiting, and close the connection.
    Disconnect {
        /// Which.
        connection: ConnectionId,
        /// Why, for people.
        why: Why,
    },
    /// Ask a server whether it is read-write (`isro`), then say [`super::Session::on_probed`].
    Probe {
        /// Which.
        host: Host,
        /// By which one of the host's addresses is to be chosen.
        salt: u64,
    },
    /// A request's outcome.
    Complete(RequestId, Result<Answer, Failure>),
    /// The session stands elsewhere.
    State(SessionState),
    /// Tell a watcher.
    Fire {
        /// Whom.
        watcher: WatcherId,
        /// What.
        event: WatchedEvent,
    },
    /// Tell a persistent watcher that changes may have been missed, for there was no connection.
    Missed(WatcherId),
    /// A watcher will never be told anything any more.
    Forget(WatcherId),
}
