//! Every metric, by ZooKeeper's names, from what the threads told.

use std::collections::BTreeMap;

use zoorum_server::histogram::Histogram;
use zoorum_server::worker::ResponseSize;

use super::gathered::Gathered;
use super::names::{ADVANCED, COUNTERS, SUMMARIES};
use super::numbers::average;

/// All metrics at one moment.
#[derive(Clone, Debug)]
pub(super) struct Metrics {
    /// What goes up and down.
    pub(super) gauges: Vec<(String, Number)>,
    /// What only grows.
    pub(super) counters: BTreeMap<&'static str, u64>,
    /// What was observed many times.
    pub(super) summaries: BTreeMap<&'static str, Summary>,
    /// The same, with quantiles.
    pub(super) advanced: BTreeMap<&'static str, Summary>,
}

/// The value of a gauge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Integer(i64),
    Real(f64),
}

/// What is told of values observed many times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) count: u64,
    pub(super) sum: u64,
    pub(super) min: u64,
    pub(super) max: u64,
    /// The values below which half of all, 95, 99 and 99.9 of a hundred lie.
    pub(super) quantiles: [u64; 4],
}

impl Metrics {
    /// All that this server counts; what it has no counterpart of is there with 0.
    pub(super) fn of(gathered: &Gathered) -> Self {
        Self {
            gauges: gauges(gathered),
            counters: counters(gathered),
            summaries: summaries(gathered),
            advanced: advanced(gathered),
        }
    }
}

fn gauges(gathered: &Gathered) -> Vec<(String, Number)> {
    let integer = |value: u64| Number::Integer(i64::try_from(value).unwrap_or(i64::MAX));
    let size = response_size(gathered);
    let of_size =
        |pick: fn(ResponseSize) -> u64| size.map_or(Number::Integer(-1), |size| integer(pick(size)));
    let latency = gathered.latency();
    let files = open_files();
    let rows = [
        ("avg_latency", Number::Real(average(latency.total_ms, latency.count))),
        ("max_latency", integer(latency.max_ms)),
        ("min_latency", integer(latency.min_ms)),
        ("packets_received", integer(gathered.sum(|counters| counters.packets_received))),
        ("packets_sent", integer(gathered.sum(|counters| counters.packets_sent))),
        ("num_alive_connections", integer(gathered.connections().count() as u64)),
        ("outstanding_requests", integer(gathered.outstanding() as u64)),
        ("uptime", integer(gathered.now.0.as_millis() as u64)),
        ("znode_count", integer(gathered.tree.nodes as u64)),
        ("watch_count", integer(gathered.workers.iter().map(|worker| worker.watches as u64).sum())),
        ("ephemerals_count", integer(gathered.tree.ephemerals as u64)),
        ("approximate_data_size", integer(gathered.tree.data_size)),
        ("global_sessions", integer(gathered.tree.sessions as u64)),
        ("local_sessions", Number::Integer(0)),
        ("open_file_descriptor_count", integer(files.open)),
        ("max_file_descriptor_count", integer(files.limit)),
        ("last_client_response_size", of_size(|size| size.last)),
        ("max_client_response_size", of_size(|size| size.max)),
        ("min_client_response_size", of_size(|size| size.min)),
        ("auth_failed_count", integer(gathered.sum(|counters| counters.auth_failed))),
        ("connection_drop_probability", Number::Real(0.0)),
        // Java counts these for its other kind of socket only.
        ("non_mtls_local_conn_count", Number::Integer(0)),
        ("non_mtls_remote_conn_count", Number::Integer(0)),
        ("outstanding_tls_handshake", Number::Integer(0)),
    ];
    let fixed = rows.into_iter().map(|(name, value)| (name.to_owned(), value));
    let of_quota = gathered.tree.quotas.iter().flat_map(|quota| {
        let rows = [
            ("count_limit", quota.count_limit),
            ("bytes_limit", quota.bytes_limit),
            ("count_usage", quota.count_usage),
            ("bytes_usage", quota.bytes_usage),
        ];
        rows.map(|(what, value)| {
            (format!("{}_quota_{what}_per_namespace", quota.namespace), Number::Integer(value))
        })
    });
    fixed.chain(of_quota).collect()
}

/// Sizes of the replies of all workers. Which was the newest of all, nobody knows: one of the newest.
fn response_size(gathered: &Gathered) -> Option<ResponseSize> {
    let sizes = gathered.workers.iter().filter_map(|worker| worker.counters.response_size);
    sizes.reduce(|a, b| ResponseSize { last: b.last, min: a.min.min(b.min), max: a.max.max(b.max) })
}

fn counters(gathered: &Gathered) -> BTreeMap<&'static str, u64> {
    let replica = gathered.replica.as_ref().map(|replica| &replica.counters);
    let known = [
        ("bytes_received_count", gathered.sum(|counters| counters.bytes_received)),
        ("response_bytes", gathered.sum(|counters| counters.response_bytes)),
        ("watch_bytes", gathered.sum(|counters| counters.watch_bytes)),
        ("connection_rejected", gathered.refused_connections),
        ("connection_request_count", gathered.sum(|counters| counters.connect_requests)),
        ("sessionless_connections_expired", gathered.sum(|counters| counters.sessionless_expired)),
        ("stale_sessions_expired", replica.map_or(0, |counters| counters.expired_sessions)),
        ("digest_mismatches_count", replica.map_or(0, |counters| counters.digest_mismatches)),
        ("prep_processor_request_queued", replica.map_or(0, |counters| counters.proposals)),
        ("sync_processor_request_queued", replica.map_or(0, |counters| counters.proposals)),
    ];
    let mut all: BTreeMap<_, _> = COUNTERS.map(|name| (name, 0)).into();
    all.extend(known);
    all
}

fn summaries(gathered: &Gathered) -> BTreeMap<&'static str, Summary> {
    // In the order in which workers count events.
    let watches = [
        "node_created_watch_count",
        "node_deleted_watch_count",
        "node_changed_watch_count",
        "node_children_watch_count",
    ];
    let mut all: BTreeMap<_, _> = SUMMARIES.map(|name| (name, Summary::default())).into();
    for (index, name) in watches.into_iter().enumerate() {
        // Each watcher told is one observation of one watcher.
        let count = gathered.sum(|counters| counters.events[index]);
        let one = u64::from(count > 0);
        all.insert(name, Summary { count, sum: count, min: one, max: one, ..Summary::default() });
    }
    all.insert("fsynctime", Summary::of(&gathered.timings.fsync));
    all.insert("snapshottime", Summary::of(&gathered.timings.snapshot));
    all.insert("dbinittime", Summary::of(&gathered.timings.recovery));
    all
}

fn advanced(gathered: &Gathered) -> BTreeMap<&'static str, Summary> {
    let mut all: BTreeMap<_, _> = ADVANCED.map(|name| (name, Summary::default())).into();
    all.insert("readlatency", Summary::of(&gathered.histogram(|counters| &counters.reads)));
    all.insert("updatelatency", Summary::of(&gathered.histogram(|counters| &counters.updates)));
    all
}

impl Summary {
    fn of(histogram: &Histogram) -> Self {
        Self {
            count: histogram.count(),
            sum: histogram.sum(),
            min: histogram.min(),
            max: histogram.max(),
            quantiles: [500, 950, 990, 999].map(|per_mille| histogram.quantile(per_mille)),
        }
    }
}

/// File descriptors of this process.
struct OpenFiles {
    open: u64,
    limit: u64,
}

fn open_files() -> OpenFiles {
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64);
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    // The listing itself takes one.
    OpenFiles { open: open.saturating_sub(1), limit: limit.current.unwrap_or(u64::MAX) }
}
