//! What a worker can tell of itself, for four-letter words and metrics.

use std::net::SocketAddr;
use std::time::Duration;

use zoorum_proto::{OpClass, OpCode, SessionId, Xid, Zxid};

use super::Worker;
use super::connection::Phase;
use super::table::Table;
use crate::histogram::Histogram;
use crate::latencies::Latencies;
use crate::stages::StageTimes;
use crate::time::Monotonic;
use crate::traffic::Traffic;

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
    /// Claims to know the name of this ensemble.
    pub ensemble: EnsembleClaims,
    /// Auth packets that were refused.
    pub auth_failed: u64,
    /// Connections dropped because they never opened a session.
    pub sessionless_expired: u64,
    /// Writes that were refused.
    pub refused: u64,
    /// Operations that took longer than `operation.warningthresholdms`.
    pub slow: u64,
    /// Connections that their clients ended.
    pub dropped: u64,
    /// Connections closed at their first packet, because nobody was served.
    pub not_served: u64,
    /// How many of this worker's connections watched for each change that somebody watched for: creations, deletions,
    /// changed data, changed children.
    pub watchers: [Histogram; 4],
    /// How long requests took.
    pub latency: LatencyReport,
    /// How long reads took, in ms, with pings and syncs among them.
    pub reads: Histogram,
    /// How long writes took, in ms, with new sessions among them.
    pub updates: Histogram,
    /// How long reads and syncs took, as long as the turn if they were answered in that in which they came.
    pub read_latencies: Latencies,
    /// How long writes took.
    pub write_latencies: Latencies,
    /// Reads that were answered at once; the turn is not over.
    reads_at_once: u64,
    /// Where writes spent that time.
    pub stages: StageTimes,
    /// Size of the newest reply in bytes, and of the smallest and largest.
    pub response_size: Option<ResponseSize>,
}

/// What came of auth packets of the scheme ensemble.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EnsembleClaims {
    /// The name was right.
    pub right: u64,
    /// It was wrong.
    pub wrong: u64,
    /// There was none.
    pub none: u64,
}

impl EnsembleClaims {
    pub(super) fn count(&mut self, claims: bool, is_right: bool) {
        match (claims, is_right) {
            (_, false) => self.wrong += 1,
            (true, true) => self.right += 1,
            (false, true) => self.none += 1,
        }
    }
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
        self.refused += u64::from(err != 0);
        self.latency.add(latency);
        match op.class() {
            // A sync makes no change: the original counts it among the reads.
            OpClass::Write if op != OpCode::Sync => {
                self.updates.observe(latency.as_millis() as u64);
                self.write_latencies.observe(latency, 1);
            }
            OpClass::Read | OpClass::Write => {
                self.reads.observe(latency.as_millis() as u64);
                if op == OpCode::Ping {
                    // It says nothing of how long reads take.
                } else if latency.is_zero() {
                    self.reads_at_once += 1;
                } else {
                    self.read_latencies.observe(latency, 1);
                }
            }
            OpClass::Inline | OpClass::Refused => {}
        }
        if op == OpCode::Ping {
            return; // the original takes its answer for no response
        }
        self.response_bytes += size;
        let seen = self.response_size.unwrap_or(ResponseSize { last: size, min: size, max: size });
        self.response_size =
            Some(ResponseSize { last: size, min: seen.min.min(size), max: seen.max.max(size) });
    }

    /// A session was opened so long after it was asked for.
    pub(super) fn session_opened(&mut self, latency: Duration) {
        self.latency.add(latency);
        self.updates.observe(latency.as_millis() as u64);
    }

    /// A turn took so long: so long those took that came in it and were answered.
    pub(super) fn turn_over(&mut self, took: Duration) {
        let reads = std::mem::take(&mut self.reads_at_once);
        if reads > 0 {
            self.read_latencies.observe(took, reads);
        }
    }

    pub(super) fn event_sent(&mut self, bytes: usize) {
        self.packets_sent += 1;
        self.watch_bytes += without_length(bytes);
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
    /// What was read.
    pub traffic: Traffic,
}

impl Worker {
    /// Tells of itself.
    pub fn report(&self) -> WorkerReport {
        WorkerReport {
            counters: self.counters,
            connections: connections(&self.connections),
            outstanding: self.load.requests,
            watches: self.watches.len(),
            traffic: self.traffic.clone(),
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
        self.traffic.reset();
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
