//! One connection: where it stands, who it is, and what it waits for.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use zoorum_proto::connect::ReadOnly;
use zoorum_proto::{OpCode, SessionId, Xid, Zxid};

use super::OUTPUT_SOFT_LIMIT;
use crate::auth;
use crate::gate::LargeRequest;
use crate::message::Identity;
use crate::time::Monotonic;
use crate::view::View;

/// Where a connection stands.
///
/// ```text
/// Handshake ─▶ Connecting ─▶ Established
///     └──▶ Command
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing but perhaps half a packet has come.
    Handshake,
    /// The replica is asked for the session, for a new one since then; what follows waits.
    Connecting { new_since: Option<Monotonic> },
    /// The session is this connection's.
    Established { session: SessionId, timeout_ms: i32 },
    /// A four-letter word waits for its answer.
    Command,
}

/// A request whose reply is yet to be made.
#[derive(Debug)]
pub(super) enum Waiting {
    /// The replica has it.
    Asked(Asked),
    /// A read behind a request that the replica has.
    Read { xid: Xid, op: OpCode, body: Box<[u8]>, at: Monotonic },
    /// A refusal whose turn has not come: no such operation. The connection closes behind it.
    Unknown { xid: Xid },
    /// A refusal whose turn has not come: it waited too long to be let in.
    Throttled { xid: Xid },
}

impl Waiting {
    /// The request, if the replica has it.
    pub(super) fn into_asked(self) -> Option<Asked> {
        match self {
            Self::Asked(asked) => Some(asked),
            Self::Read { .. } | Self::Unknown { .. } | Self::Throttled { .. } => None,
        }
    }

    /// Whether only the worker can answer it, so that no write may be handed over behind it.
    fn is_workers_own(&self) -> bool {
        match self {
            Self::Asked(_) => false,
            Self::Read { op, .. } => !View::suffices(*op),
            Self::Unknown { .. } | Self::Throttled { .. } => true,
        }
    }
}

/// A request that the replica has: a write, or a read between writes.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) xid: Xid,
    pub(super) op: OpCode,
    /// What it holds in memory until it is answered.
    pub(super) bytes: usize,
    pub(super) at: Monotonic,
    /// Keeps its place among the large requests under way, if it is one.
    pub(super) _large: Option<LargeRequest>,
    /// The body, of a read that asks for a watch.
    pub(super) watching: Option<Box<[u8]>>,
}

/// One client's connection.
pub(super) struct Connection {
    pub(super) peer: SocketAddr,
    pub(super) phase: Phase,
    /// What the handshake said of read-only servers.
    pub(super) read_only: Option<ReadOnly>,
    pub(super) identity: Identity,
    /// Received and not yet dealt with: part of a frame, or whole ones while paused.
    pub(super) input: Vec<u8>,
    pub(super) output: Output,
    pub(super) queue: VecDeque<Waiting>,
    /// Bytes of the bodies in `queue`.
    pub(super) waiting_bytes: usize,
    /// To be closed once the output is sent.
    pub(super) closing: bool,
    /// Since when its session must go on at another server.
    pub(super) homeless_since: Option<Monotonic>,
    /// Since when a connection to be closed is known to have taken nothing of its output.
    pub(super) stalled_since: Option<Monotonic>,
    /// Not read from, because too much is waiting.
    pub(super) paused: bool,
    /// Since when the whole packets in `input` have waited to be let in.
    pub(super) waiting_since: Option<Monotonic>,
    /// The client is known to have hung up, though it is not read to its end.
    pub(super) has_hung_up: bool,
    /// In the worker's list of connections to attend to.
    pub(super) dirty: bool,
    pub(super) opened_at: Monotonic,
    pub(super) heard_at: Monotonic,
    pub(super) stats: ConnectionStats,
}

impl Connection {
    pub(super) fn new(now: Monotonic, peer: SocketAddr) -> Self {
        Self {
            peer,
            phase: Phase::Handshake,
            read_only: None,
            identity: [auth::ip(peer.ip())].into(),
            input: Vec::new(),
            output: Output::default(),
            queue: VecDeque::new(),
            waiting_bytes: 0,
            closing: false,
            homeless_since: None,
            stalled_since: None,
            paused: false,
            waiting_since: None,
            has_hung_up: false,
            dirty: false,
            opened_at: now,
            heard_at: now,
            stats: ConnectionStats::default(),
        }
    }

    /// How long a client whose session must go on at another server may take what it is owed here: it is to hear that
    /// it must move while there is time.
    pub(super) fn farewell_time(&self) -> Duration {
        match self.phase {
            Phase::Established { timeout_ms, .. } => Duration::from_millis(timeout_ms.max(0) as u64) / 3,
            _ => Duration::ZERO,
        }
    }

    /// Whether reads whose turn has come were put off, and may be answered now.
    pub(super) fn has_postponed_reads(&self) -> bool {
        let is_due = !matches!(self.queue.front(), None | Some(Waiting::Asked(_)));
        is_due && self.output.unsent().len() <= OUTPUT_SOFT_LIMIT
    }

    /// Whether it has sent something that is yet to be let in.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting_since.is_some() && !self.closing
    }

    /// Whether what comes next must wait for what is in the queue.
    pub(super) fn must_hold(&self) -> bool {
        self.queue.back().is_some_and(Waiting::is_workers_own)
    }

    /// What its ids hold in memory.
    pub(super) fn identity_bytes(&self) -> usize {
        self.identity.iter().map(|id| size_of_val(id) + id.scheme.len() + id.id.len()).sum()
    }

    pub(super) fn session(&self) -> SessionId {
        match self.phase {
            Phase::Established { session, .. } => session,
            _ => SessionId::NONE,
        }
    }
}

/// Bytes on their way to a client.
#[derive(Default)]
pub(super) struct Output {
    bytes: Vec<u8>,
    sent: usize,
}

impl Output {
    /// Where to append.
    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub(super) fn unsent(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// The next `count` bytes are sent. Memory that one large reply took is given back.
    pub(super) fn consume(&mut self, count: usize) {
        const KEPT: usize = 64 << 10;
        self.sent += count;
        if self.sent == self.bytes.len() {
            self.sent = 0;
            self.bytes.clear();
            if self.bytes.capacity() > KEPT {
                self.bytes = Vec::new();
            }
        } else if self.sent > KEPT && self.sent > self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }
}

/// What `cons` tells of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ConnectionStats {
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) last: Option<LastAnswer>,
    pub(super) latency_min_ms: u64,
    pub(super) latency_max_ms: u64,
    pub(super) latency_total_ms: u64,
    pub(super) answers: u64,
}

/// The newest answer on a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct LastAnswer {
    pub(super) op: OpCode,
    pub(super) xid: Xid,
    pub(super) zxid: Zxid,
    pub(super) at: Monotonic,
    pub(super) latency_ms: u64,
}

impl ConnectionStats {
    pub(super) fn answered(&mut self, op: OpCode, xid: Xid, zxid: Zxid, now: Monotonic, asked: Monotonic) {
        let latency_ms = now.since(asked).as_millis() as u64;
        self.sent += 1;
        self.latency_min_ms =
            if self.answers == 0 { latency_ms } else { self.latency_min_ms.min(latency_ms) };
        self.latency_max_ms = self.latency_max_ms.max(latency_ms);
        self.latency_total_ms += latency_ms;
        self.answers += 1;
        self.last = Some(LastAnswer { op, xid, zxid, at: now, latency_ms });
    }
}
