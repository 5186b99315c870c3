//! What workers and the replica tell each other, in batches: one allocation and one wake-up serve many
//! requests.

use std::ops::Range;
use std::sync::Arc;

use zoorum_proto::connect::ReadOnly;
use zoorum_proto::{AuthId, OpCode, SessionId, Xid, Zxid};
use zoorum_tree::{AclList, ChangeKind};

use crate::stages::Stamps;
use crate::time::Monotonic;

/// A worker, by its place among the workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId(pub u16);

/// A connection of one worker. The generation tells it from earlier ones that had the same slot, so that a
/// late message to a closed connection finds nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId {
    /// Place in the worker's table.
    pub slot: u32,
    /// How often the slot was used before.
    pub generation: u32,
}

/// A connection, seen from outside its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// Whose connection it is.
    pub worker: WorkerId,
    /// Which of that worker's.
    pub connection: ConnectionId,
}

/// What a connection has proved to be, shared by its requests in flight.
pub type Identity = Arc<[AuthId]>;

/// A time in which clients are served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Counts them.
    pub era: u64,
    /// There is no leader: only clients are served that can do with reads of what this server knows.
    pub read_only: bool,
}

/// What one worker asks of the replica, in order.
#[derive(Debug, Default)]
pub struct Requests {
    /// Bodies of writes and reads, one after another.
    pub bytes: Vec<u8>,
    /// What is asked.
    pub items: Vec<Request>,
    /// In which time of service; always the same unless the server is one of an ensemble.
    pub era: u64,
}

/// One thing that a worker asks of the replica.
#[derive(Debug)]
pub enum Request {
    /// Order a client's write.
    Write {
        /// Who will get the reply.
        connection: ConnectionId,
        /// In which session.
        session: SessionId,
        /// The client's number for it.
        xid: Xid,
        /// What it is; the body lies in [`Requests::bytes`].
        op: OpCode,
        /// Where the body lies.
        body: Range<usize>,
        /// Who the client was when it sent it.
        identity: Identity,
    },
    /// Answer a client's read between the write of the same connection that was asked for before, and the one
    /// that follows.
    Read {
        /// Who will get the reply.
        connection: ConnectionId,
        /// The client's number for it.
        xid: Xid,
        /// What it is; the body lies in [`Requests::bytes`].
        op: OpCode,
        /// Where the body lies.
        body: Range<usize>,
        /// Who the client is.
        identity: Identity,
    },
    /// Open a session, or take one up again.
    Connect {
        /// Who will get the reply.
        connection: ConnectionId,
        /// The session to take up again, if any; its password has been verified.
        session: Option<SessionId>,
        /// The negotiated timeout in ms.
        timeout_ms: i32,
        /// What the request said of read-only servers, for the reply.
        read_only: Option<ReadOnly>,
    },
    /// These sessions were heard from, at these moments.
    Heard(Vec<(SessionId, Monotonic)>),
    /// The connection is gone; its session may live on.
    Gone {
        /// Which.
        connection: ConnectionId,
        /// Whose it was.
        session: SessionId,
    },
}

/// What the replica tells one worker, in order.
#[derive(Debug, Default)]
pub struct Outcomes {
    /// Reply frames, one after another.
    pub bytes: Vec<u8>,
    /// What happened.
    pub items: Vec<Outcome>,
    /// When that was where: from which item on, until the next.
    pub stamps: Vec<(usize, Option<Stamps>)>,
}

impl Outcomes {
    /// From the next item on, things were here and there at these moments.
    pub(crate) fn stamp(&mut self, stamps: Option<Stamps>) {
        if self.stamps.last().and_then(|(_, last)| *last) != stamps {
            self.stamps.push((self.items.len(), stamps));
        }
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// What they hold in memory, in bytes.
    pub fn weight(&self) -> usize {
        let paths = self.items.iter().map(|item| match item {
            Outcome::Changed(change) => change.path.len(),
            _ => 0,
        });
        self.bytes.len() + size_of_val(&self.items[..]) + paths.sum::<usize>()
    }
}

/// One thing that the replica tells a worker.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The tree changed; told before the reply to whoever changed it.
    Changed(TreeChange),
    /// The reply to the oldest unanswered request of the connection that the replica has, as a whole frame in
    /// [`Outcomes::bytes`].
    Reply {
        /// Whose.
        connection: ConnectionId,
        /// Where the frame lies.
        frame: Range<usize>,
        /// Whether the request succeeded, for audit and statistics.
        err: i32,
        /// Whether the connection is to be closed behind it.
        close: bool,
    },
    /// The connection has its session.
    Connected {
        /// Which connection.
        connection: ConnectionId,
        /// The session, or `None` if it is gone.
        session: Option<SessionId>,
        /// The negotiated timeout in ms.
        timeout_ms: i32,
        /// What the request said of read-only servers.
        read_only: Option<ReadOnly>,
    },
    /// Clients are served from now on, in this time of service; or no longer: then every connection is to be closed,
    /// and what was asked and not answered is forgotten.
    Served {
        /// How, if at all.
        service: Option<Service>,
    },
    /// The session ended, or went to another connection: close without a word.
    Close {
        /// Which.
        connection: ConnectionId,
    },
}

/// A change of the tree, as watchers are told of it.
#[derive(Clone, Debug)]
pub struct TreeChange {
    /// What happened.
    pub kind: ChangeKind,
    /// Where.
    pub path: Arc<str>,
    /// By which transaction.
    pub zxid: Zxid,
    /// The znode's ACL: the new one's for a creation, the last one for a deletion.
    pub acl: AclList,
    /// The parent's ACL.
    pub parent_acl: AclList,
}
