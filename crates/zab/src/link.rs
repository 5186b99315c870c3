//! Connections between servers, as the protocol sees them: bytes in order, until one side is gone.
//!
//! The protocol decides whom to call and what to say; whoever drives it, the real host or the simulator, moves
//! the bytes. [`LinkEvent`]s come in, [`LinkAction`]s go out, and are carried out in order.

use std::time::Duration;

use bytes::Bytes;
use zoorum_proto::Zxid;

/// A connection to a peer, never used twice in the life of a process. Those that the protocol dials are
/// numbered by it, those that are accepted by the host: the two never meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

impl LinkId {
    /// The first number for accepted connections; dialed ones stay below.
    pub const ACCEPTED: u64 = 1 << 63;
}

/// What peers connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Door {
    /// For votes; open as long as the process lives.
    Election,
    /// For followers and observers; open while this server leads.
    Quorum,
    /// For observers of a follower; open while this server follows.
    ObserverMaster,
}

/// Where a peer may be reached. Names are resolved anew at every attempt.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerAddress {
    /// A name, or an address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// What happened to a connection.
#[derive(Clone, Debug)]
pub enum LinkEvent {
    /// A dialed connection stands.
    Dialed {
        /// Which.
        link: LinkId,
    },
    /// A peer has called.
    Accepted {
        /// The connection.
        link: LinkId,
        /// Where it called.
        door: Door,
        /// From where it called, for messages.
        from: String,
    },
    /// Bytes have come.
    Received {
        /// On which connection.
        link: LinkId,
        /// The bytes.
        bytes: Bytes,
    },
    /// A tree or changes from files are streamed on it, and the peer has taken some more of what waits.
    Taken {
        /// On which connection.
        link: LinkId,
    },
    /// The connection is gone, or could not be made. Not told of one that [`LinkAction::Close`] named.
    Closed {
        /// Which.
        link: LinkId,
        /// Why, for messages.
        reason: String,
    },
    /// A door cannot be opened.
    Shut {
        /// Which.
        door: Door,
        /// Why, for messages.
        reason: String,
    },
}

/// What is to be done about connections, in order.
#[derive(Clone, Debug)]
pub enum LinkAction {
    /// Call a peer, at any of these addresses: [`LinkEvent::Dialed`] or [`LinkEvent::Closed`] follows.
    Dial {
        /// The number of the connection.
        link: LinkId,
        /// At which of the peer's doors.
        door: Door,
        /// Where that is.
        addresses: Vec<PeerAddress>,
        /// How long to try.
        timeout: Duration,
    },
    /// Send bytes behind all that was to be sent before.
    Write {
        /// On which connection.
        link: LinkId,
        /// What; shared among all that get the same.
        bytes: Bytes,
    },
    /// Send, behind all that was to be sent before, a snapshot of the tree exactly as it is now, in the form
    /// of a synchronization stream.
    WriteSnapshot {
        /// On which connection.
        link: LinkId,
        /// The zxid of the tree.
        zxid: Zxid,
    },
    /// Send, behind all that was to be sent before, what was sought and found for this learner.
    WriteSought {
        /// On which connection.
        link: LinkId,
    },
    /// Close the connection. What is still to be sent may be lost.
    Close {
        /// Which.
        link: LinkId,
    },
    /// Let peers call at this door.
    Open {
        /// Which.
        door: Door,
    },
    /// Let nobody call at this door any more. Connections that came in by it stay.
    Shut {
        /// Which.
        door: Door,
    },
}
