//! What a worker can tell of itself, for four-letter words and metrics.

use std::net::SocketAddr;
use std::time::Duration;

use zoorum_proto::reply::EventType;
use zoorum_proto::{OpClass, OpCode, SessionId, Xid, Zxid};

use super::Worker;
use super::connection::Phase;
use super::table::Table;
use crate::histogram::Histogram;
use crate::time::Monotonic;

/// Everything a worker counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    /// Packets from clients.
    pub packets_received: u64,
    /// Packets to clients.
    pub packets_sent: u64,
    /// Bytes from clients.
    pub bytes_received: u64,
    /// Bytes of replies.
    pub response_bytes: u64,
    /// Bytes of watch events.
    pub watch_bytes: u64,
    /// Requests for a session.
    pub connect_requests: u64,
    /// Requests for a session that were not let in.
    pub sessions_refused: u64,
    /// How many tokens were missing after each that was let in.
    pub token_deficit: Histogram,
    /// Connections closed because there was too much of large requests.
    pub large_rejected: u64,
    /// How often a connection had to wait until a request was let in.
    pub throttle_waits: u64,
    /// How long requests waited to be let in, in ms, if there is a limit.
    pub throttle_queue: Histogram,
    /// Requests refused because they had waited too long.
    pub throttled_ops: u64,
    /// Requests executed though they were stale.
    pub stale_requests: u64,
    /// Connections closed because what they sent was stale.
    pub stale_dropped: u64,
    /// Replies to clients that were gone.
    pub stale_replies: u64,
    /// Of these, answered that the session is gone, for a wrong password.
    pub expired_replies: u64,
    /// Auth packets that were refused.
    pub auth_failed: u64,
    /// Connections dropped because they never opened a session.
    pub sessionless_expired: u64,
    /// Writes that were refused.
    pub refused: u64,
    /// Watch events sent: created, deleted, data changed, children changed.
    pub events: [u64; 4],
    /// How long requests took.
    pub latency: LatencyReport,
    /// How long reads took, in ms; pings are none.
    pub reads: Histogram,
    /// How long writes took, in ms.
    pub updates: Histogram,
    /// Size of the newest reply in bytes, and of the smallest and largest.
    pub response_size: Option<ResponseSize>,
}

/// Sizes of replies in bytes.
#[derive(Clone, Copy, Debug)]
pub struct ResponseSize {
    /// The newest.
    pub last: u64,
    /// The smallest.
    pub min: u64,
    /// The largest.
    pub max: u64,
}

/// How long requests took, in ms, from reading the request to writing the reply.
#[derive(Clone, Copy, Debug, Default)]
pub struct LatencyReport {
    /// The shortest.
    pub min_ms: u64,
    /// The longest.
    pub max_ms: u64,
    /// All together.
    pub total_ms: u64,
    /// How many.
    pub count: u64,
}

impl LatencyReport {
    fn add(&mut self, latency: Duration) {
        let ms = latency.as_millis() as u64;
        self.min_ms = if self.count == 0 { ms } else { self.min_ms.min(ms) };
        self.max_ms = self.max_ms.max(ms);
        self.total_ms += ms;
        self.count += 1;
    }

    /// Both together.
    #[must_use]
    pub fn merged(self, other: Self) -> Self {
        match (self.count, other.count) {
            (0, _) => other,
            (_, 0) => self,
            _ => Self {
                min_ms: self.min_ms.min(other.min_ms),
                max_ms: self.max_ms.max(other.max_ms),
                total_ms: self.total_ms + other.total_ms,
                count: self.count + other.count,
            },
        }
    }
}

impl Counters {
    pub(super) fn answered(&mut self, op: OpCode, bytes: usize, latency: Duration, err: i32) {
        let size = without_length(bytes);
        self.packets_sent += 1;
        self.response_bytes += size;
        self.refused += u64::from(err != 0);
        self.latency.add(latency);
        match op.class() {
            OpClass::Write => self.updates.observe(latency.as_millis() as u64),
            OpClass::Read if op != OpCode::Ping => self.reads.observe(latency.as_millis() as u64),
            OpClass::Read | OpClass::Inline | OpClass::Refused => {}
        }
        let seen = self.response_size.unwrap_or(ResponseSize { last: size, min: size, max: size });
        self.response_size =
            Some(ResponseSize { last: size, min: seen.min.min(size), max: seen.max.max(size) });
    }

    pub(super) fn event_sent(&mut self, kind: EventType, bytes: usize) {
        self.packets_sent += 1;
        self.watch_bytes += without_length(bytes);
        self.events[kind as usize - 1] += 1;
    }
}

/// The size of a frame as ZooKeeper counts it.
fn without_length(frame: usize) -> u64 {
    (frame as u64).saturating_sub(4)
}

/// What `cons` tells of one connection.
#[derive(Clone, Debug)]
pub struct ConnectionReport {
    /// The client's address.
    pub peer: SocketAddr,
    /// Its session, if it has one.
    pub session: SessionId,
    /// The negotiated timeout in ms; 0 without a session.
    pub timeout_ms: i32,
    /// Whether it is still read from.
    pub open: bool,
    /// Requests without an answer.
    pub queued: usize,
    /// Packets received.
    pub received: u64,
    /// Packets sent.
    pub sent: u64,
    /// When it connected.
    pub opened_at: Monotonic,
    /// When it was last heard from.
    pub heard_at: Monotonic,
    /// The newest answer: operation, the client's number, the zxid, when, and after how many ms.
    pub last: Option<(OpCode, Xid, Zxid, Monotonic, u64)>,
    /// How long its requests took.
    pub latency: LatencyReport,
}

/// Watches of one worker, for the `wch` words.
#[derive(Clone, Debug, Default)]
pub struct WatchReport {
    /// Data watches: session and path.
    pub data: Vec<(SessionId, String)>,
    /// Watches of every kind.
    pub total: usize,
}

/// All that a worker can tell of itself.
#[derive(Clone, Debug, Default)]
pub struct WorkerReport {
    /// What it counts.
    pub counters: Counters,
    /// Its connections.
    pub connections: Vec<ConnectionReport>,
    /// Requests without an answer.
    pub outstanding: usize,
    /// Watches of every kind.
    pub watches: usize,
}

impl Worker {
    /// Tells of itself.
    pub fn report(&self) -> WorkerReport {
        WorkerReport {
            counters: self.counters,
            connections: connections(&self.connections),
            outstanding: self.load.requests,
            watches: self.watches.len(),
        }
    }

    /// Tells of its watches. With many watches this is long.
    pub fn watch_report(&mut self) -> WatchReport {
        let mut report = WatchReport { data: Vec::new(), total: self.watches.len() };
        for (path, watcher) in self.watches.data_watches() {
            if let Some((_, connection)) = self.connections.at_slot(watcher.0) {
                report.data.push((connection.session(), path.to_owned()));
            }
        }
        report
    }

    /// Starts counting anew: what `srst` resets.
    pub fn reset_counters(&mut self) {
        self.counters = Counters::default();
    }

    /// Starts counting anew for each connection: what `crst` resets.
    pub fn reset_connections(&mut self) {
        self.connections.iter_mut().for_each(|(_, connection)| connection.stats = Default::default());
    }
}

fn connections(table: &Table) -> Vec<ConnectionReport> {
    let report = |connection: &super::connection::Connection| {
        let stats = &connection.stats;
        let timeout_ms = match connection.phase {
            Phase::Established { timeout_ms, .. } => timeout_ms,
            _ => 0,
        };
        ConnectionReport {
            peer: connection.peer,
            session: connection.session(),
            timeout_ms,
            open: !connection.closing && connection.phase != Phase::Command,
            queued: connection.queue.len(),
            received: stats.received,
            sent: stats.sent,
            opened_at: connection.opened_at,
            heard_at: connection.heard_at,
            last: stats.last.map(|last| (last.op, last.xid, last.zxid, last.at, last.latency_ms)),
            latency: LatencyReport {
                min_ms: stats.latency_min_ms,
                max_ms: stats.latency_max_ms,
                total_ms: stats.latency_total_ms,
                count: stats.answers,
            },
        }
    };
    table.iter().map(|(_, connection)| report(connection)).collect()
}
