//! What the threads of a server tell of themselves, put together.

use std::collections::BTreeMap;
use std::time::SystemTime;

use zoorum_proto::{SessionId, Zxid, path};
use zoorum_server::histogram::Histogram;
use zoorum_server::latencies::Latencies;
use zoorum_server::replica::{ReplicaReport, Standing};
use zoorum_server::stages::Stage;
use zoorum_server::time::Monotonic;
use zoorum_server::worker::{ConnectionReport, Counters, LatencyReport, WorkerReport};
use zoorum_tree::Tree;
use zoorum_zab::PeerReport;

use crate::reporter::Reporter;
use crate::timings::TimingsReport;

/// All that was told, at about one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gathered {
    /// The moment, since the server started.
    pub(crate) now: Monotonic,
    /// The same moment.
    pub(crate) wall: Option<SystemTime>,
    /// Where the server stands.
    pub(crate) standing: Standing,
    /// What the workers told.
    pub(crate) workers: Vec<WorkerReport>,
    /// What the replica told, if it was asked and is not stuck.
    pub(crate) replica: Option<ReplicaReport>,
    /// What the tree shows.
    pub(crate) tree: TreeReport,
    /// How long slow things took.
    pub(crate) timings: TimingsReport,
    /// Connections that were not admitted.
    pub(crate) refused_connections: u64,
    /// How likely it is that a new connection is dropped by chance.
    pub(crate) drop_probability: f64,
}

/// What the tree shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct TreeReport {
    pub(crate) last_zxid: Zxid,
    /// Znodes, as ZooKeeper counts them.
    pub(crate) nodes: usize,
    pub(crate) ephemerals: usize,
    pub(crate) data_size: u64,
    pub(crate) sessions: usize,
    /// Ephemeral znodes by session; only for those who asked for them.
    pub(crate) ephemerals_of: Vec<(SessionId, Vec<String>)>,
    /// Limits and usage of top-level znodes that have a quota; only for those who asked for all.
    pub(crate) quotas: Vec<QuotaReport>,
}

/// The quota of one top-level znode. −1: unlimited, or unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct QuotaReport {
    pub(crate) namespace: String,
    pub(crate) count_limit: i64,
    pub(crate) bytes_limit: i64,
    pub(crate) count_usage: i64,
    pub(crate) bytes_usage: i64,
}

impl Gathered {
    /// Asks the workers and looks at the tree.
    pub(crate) fn from_workers(reporter: &Reporter, standing: Standing) -> Self {
        let workers = reporter.workers();
        let tree = TreeReport::brief(&reporter.shared().tree.read());
        Self::at_once(reporter, standing, workers, None, tree)
    }

    /// Asks the replica too, which may be waiting for the disk.
    pub(crate) fn from_all(reporter: &Reporter, standing: Standing) -> Self {
        let replica = reporter.replica();
        let workers = reporter.workers();
        let tree = TreeReport::with_quotas(&reporter.shared().tree.read());
        Self::at_once(reporter, standing, workers, replica, tree)
    }

    /// The same, with every ephemeral path. There may be many, and the tree stands still meanwhile.
    pub(crate) fn with_ephemerals(reporter: &Reporter, standing: Standing) -> Self {
        let mut gathered = Self::from_all(reporter, standing);
        gathered.tree.ephemerals_of = ephemerals_of(&reporter.shared().tree.read());
        gathered
    }

    fn at_once(
        reporter: &Reporter,
        standing: Standing,
        workers: Vec<WorkerReport>,
        replica: Option<ReplicaReport>,
        tree: TreeReport,
    ) -> Self {
        let now = reporter.shared().clock.monotonic();
        let timings = reporter.shared().timings.report();
        Self {
            now,
            wall: Some(SystemTime::now()),
            standing,
            workers,
            replica,
            tree,
            timings,
            refused_connections: reporter.shared().admission.refused(),
            drop_probability: reporter.shared().gate.drop_probability(),
        }
    }

    /// What the replica told of its part among its peers.
    pub(crate) fn peer(&self) -> Option<&PeerReport> {
        self.replica.as_ref()?.peer.as_ref()
    }

    /// Sessions that nobody else knows.
    pub(super) fn local_sessions(&self) -> usize {
        let sessions = self.replica.iter().flat_map(|replica| &replica.sessions);
        sessions.filter(|session| session.is_local).count()
    }

    /// Every connection.
    pub(crate) fn connections(&self) -> impl Iterator<Item = &ConnectionReport> {
        self.workers.iter().flat_map(|worker| &worker.connections)
    }

    /// Requests without an answer.
    pub(crate) fn outstanding(&self) -> usize {
        self.workers.iter().map(|worker| worker.outstanding).sum()
    }

    /// A sum over the workers.
    pub(crate) fn sum(&self, count: impl Fn(&Counters) -> u64) -> u64 {
        self.workers.iter().map(|worker| count(&worker.counters)).sum()
    }

    /// A histogram over the workers.
    pub(crate) fn histogram(&self, of: impl Fn(&Counters) -> &Histogram) -> Histogram {
        let all = self.workers.iter().map(|worker| of(&worker.counters));
        all.fold(Histogram::default(), |merged, histogram| merged.merged(histogram))
    }

    /// What a stage took of the writes of this server's clients, in ms.
    pub(crate) fn stage(&self, stage: Stage) -> Histogram {
        let all = self.workers.iter().map(|worker| worker.counters.stages.of(stage).ms);
        all.fold(Histogram::default(), |merged, histogram| merged.merged(&histogram))
    }

    /// The same of what is counted in buckets.
    pub(crate) fn latencies(&self, of: impl Fn(&Counters) -> Latencies) -> Latencies {
        let all = self.workers.iter().map(|worker| of(&worker.counters));
        all.fold(Latencies::default(), |merged, latencies| merged.merged(&latencies))
    }

    /// How long requests took.
    pub(crate) fn latency(&self) -> LatencyReport {
        let all = self.workers.iter().map(|worker| worker.counters.latency);
        all.fold(LatencyReport::default(), LatencyReport::merged)
    }

    /// When `moment` is, or was, by the wall clock.
    pub(crate) fn wall_at(&self, moment: Monotonic) -> SystemTime {
        let wall = self.wall.unwrap_or(SystemTime::UNIX_EPOCH);
        if moment >= self.now { wall + moment.since(self.now) } else { wall - self.now.since(moment) }
    }
}

impl TreeReport {
    fn brief(tree: &Tree) -> Self {
        Self {
            last_zxid: tree.last_zxid(),
            // Java keeps the root under two names, and counts both.
            nodes: tree.node_count() + 1,
            ephemerals: tree.ephemeral_count(),
            data_size: tree.approximate_data_size(),
            sessions: tree.session_count(),
            ephemerals_of: Vec::new(),
            quotas: Vec::new(),
        }
    }

    fn with_quotas(tree: &Tree) -> Self {
        Self { quotas: quotas(tree), ..Self::brief(tree) }
    }
}

fn ephemerals_of(tree: &Tree) -> Vec<(SessionId, Vec<String>)> {
    let owners = tree.sessions_with_ephemerals();
    let mut all: Vec<_> = owners.map(|session| (session, tree.ephemerals(session))).collect();
    all.sort_unstable();
    all
}

fn quotas(tree: &Tree) -> Vec<QuotaReport> {
    let Some(top) = tree.node(path::QUOTA) else { return Vec::new() };
    let mut quotas: Vec<_> = top.children().filter_map(|namespace| quota(tree, namespace)).collect();
    quotas.sort_unstable_by(|a, b| a.namespace.cmp(&b.namespace));
    quotas
}

fn quota(tree: &Tree, namespace: &str) -> Option<QuotaReport> {
    let values = |leaf: &str| {
        let node = tree.node(&format!("{}/{namespace}/{leaf}", path::QUOTA))?;
        Some(quota_values(&String::from_utf8_lossy(node.data().unwrap_or_default())))
    };
    let limits = values(path::QUOTA_LIMITS)?;
    let usage = values(path::QUOTA_STATS).unwrap_or_default();
    let value = |values: &BTreeMap<String, i64>, key: &str| values.get(key).copied().unwrap_or(-1);
    let limit = |soft, hard| match value(&limits, hard) {
        ..0 => value(&limits, soft),
        hard => hard,
    };
    Some(QuotaReport {
        namespace: namespace.to_owned(),
        count_limit: limit("count", "countHardLimit"),
        bytes_limit: limit("bytes", "byteHardLimit"),
        count_usage: value(&usage, "count"),
        bytes_usage: value(&usage, "bytes"),
    })
}

/// `count=3,bytes=100=;countHardLimit=3` taken apart; what is no number is left out.
fn quota_values(text: &str) -> BTreeMap<String, i64> {
    let pairs = text.split([',', ';']).filter_map(|pair| pair.split_once('='));
    let numbers = pairs.filter_map(|(key, value)| Some((key, value.trim_end_matches('=').parse().ok()?)));
    numbers.map(|(key, value)| (key.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_quota_is_taken_apart() {
        let values = quota_values("count=3,bytes=100=;byteHardLimit=7;countHardLimit=x");
        let expected = [("byteHardLimit", 7), ("bytes", 100), ("count", 3)];
        assert_eq!(values, expected.map(|(key, value)| (key.to_owned(), value)).into());
    }
}
