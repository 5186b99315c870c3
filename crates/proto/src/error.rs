//! The codes by which a server refuses a request.

use zoorum_jute::Encode;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// Why a request was refused, with the number that the client sees.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($(#[$doc])* $name = $code,)* }

        impl ErrorCode {
            /// The code of this number, if ZooKeeper has one.
            pub fn from_number(number: i32) -> Option<Self> {
                match number { $($code => Some(Self::$name),)* _ => None }
            }
        }
    };
}

codes! {
    /// In a multi: not executed, because an earlier operation failed.
    RuntimeInconsistency = -2,
    /// The record could not be decoded.
    MarshallingError = -5,
    /// No such operation, or it is switched off.
    Unimplemented = -6,
    /// A bad path, flag, TTL or reconfiguration.
    BadArguments = -8,
    /// The znode, or its parent, does not exist.
    NoNode = -101,
    /// The ACL refuses.
    NoAuth = -102,
    /// The version is not the expected one.
    BadVersion = -103,
    /// The parent is ephemeral.
    NoChildrenForEphemerals = -108,
    /// The znode exists.
    NodeExists = -110,
    /// The znode has children.
    NotEmpty = -111,
    /// The session is closed or closing.
    SessionExpired = -112,
    /// The ACL list is empty or has an invalid entry.
    InvalidAcl = -114,
    /// The auth packet was rejected.
    AuthFailed = -115,
    /// Another server owns the session. Never sent: the connection closes instead.
    SessionMoved = -118,
    /// The server is read-only.
    NotReadOnly = -119,
    /// An ephemeral znode on a local session.
    EphemeralOnLocalSession = -120,
    /// No such watch on this connection.
    NoWatcher = -121,
    /// Reconfiguration is switched off.
    ReconfigDisabled = -123,
    /// The connection must authenticate first.
    SessionClosedRequireAuth = -124,
    /// A hard quota would be exceeded.
    QuotaExceeded = -125,
    /// The request waited too long and was not executed.
    ThrottledOp = -127,
}

impl ErrorCode {
    /// The number on the wire.
    pub fn number(self) -> i32 {
        self as i32
    }
}

impl Encode for ErrorCode {
    fn encode(&self, out: &mut Vec<u8>) {
        self.number().encode(out);
    }
}
