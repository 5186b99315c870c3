//! Every metric, by ZooKeeper's names, from what the threads told.

use std::collections::BTreeMap;

use zoorum_server::histogram::Histogram;
use zoorum_server::replica::Mode;
use zoorum_zab::Spans;

use super::gathered::Gathered;
use super::gauges::gauges;
use super::names::COUNTERS;
use super::summaries::{advanced, sets, summaries};

/// All metrics at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    /// What goes up and down.
    pub(crate) gauges: Vec<(String, Number)>,
    /// What only grows.
    pub(crate) counters: BTreeMap<&'static str, u64>,
    /// The same of several things, told apart by a key.
    pub(crate) counter_sets: Vec<CounterSet>,
    /// What was observed many times.
    pub(crate) summaries: BTreeMap<&'static str, Summary>,
    /// The same, with quantiles.
    pub(crate) advanced: BTreeMap<&'static str, Summary>,
    /// The same of several things, told apart by a key.
    pub(crate) sets: Vec<SummarySet>,
}

/// The value of a gauge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Integer(i64),
    Real(f64),
}

/// What is told of values observed many times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) count: u64,
    pub(crate) sum: u64,
    pub(crate) min: u64,
    pub(crate) max: u64,
    /// The values below which so many of a thousand lie as [`PER_MILLE`] says.
    quantiles: [u64; PER_MILLE.len()],
}

/// Counters of one kind.
#[derive(Clone, Debug)]
pub(crate) struct CounterSet {
    pub(crate) name: &'static str,
    pub(crate) by_key: BTreeMap<String, u64>,
}

/// Summaries of one kind.
#[derive(Clone, Debug)]
pub(crate) struct SummarySet {
    pub(crate) name: &'static str,
    pub(crate) has_quantiles: bool,
    pub(crate) by_key: BTreeMap<String, Summary>,
}

/// Which quantiles are kept.
const PER_MILLE: [u64; 5] = [500, 900, 950, 990, 999];

impl Metrics {
    /// All that this server counts; what it has no counterpart of is there with 0.
    pub(crate) fn of(gathered: &Gathered) -> Self {
        Self {
            gauges: gauges(gathered),
            counters: counters(gathered),
            counter_sets: vec![over_quota(gathered)],
            summaries: summaries(gathered),
            advanced: advanced(gathered),
            sets: sets(gathered),
        }
    }
}

fn counters(gathered: &Gathered) -> BTreeMap<&'static str, u64> {
    let replica = gathered.replica.as_ref().map(|replica| &replica.counters);
    // Alone, the original sends every request through the same stages.
    let is_alone = gathered.standing.mode == Mode::Standalone;
    let reads = if is_alone { gathered.histogram(|counters| &counters.reads).count() } else { 0 };
    let known = [
        ("bytes_received_count", gathered.sum(|counters| counters.bytes_received)),
        ("response_bytes", gathered.sum(|counters| counters.response_bytes)),
        ("watch_bytes", gathered.sum(|counters| counters.watch_bytes)),
        (
            "connection_rejected",
            gathered.refused_connections + gathered.sum(|counters| counters.sessions_refused),
        ),
        ("connection_request_count", gathered.sum(|counters| counters.connect_requests)),
        ("large_requests_rejected", gathered.sum(|counters| counters.large_rejected)),
        ("request_throttle_wait_count", gathered.sum(|counters| counters.throttle_waits)),
        ("throttled_ops", gathered.sum(|counters| counters.throttled_ops)),
        ("stale_requests", gathered.sum(|counters| counters.stale_requests)),
        ("stale_requests_dropped", gathered.sum(|counters| counters.stale_dropped)),
        ("stale_replies", gathered.sum(|counters| counters.stale_replies)),
        ("sessionless_connections_expired", gathered.sum(|counters| counters.sessionless_expired)),
        ("connection_drop_count", gathered.sum(|counters| counters.dropped)),
        ("cnxn_closed_without_zk_server_running", gathered.sum(|counters| counters.not_served)),
        ("ensemble_auth_success", gathered.sum(|counters| counters.ensemble.right)),
        ("ensemble_auth_fail", gathered.sum(|counters| counters.ensemble.wrong)),
        ("ensemble_auth_skip", gathered.sum(|counters| counters.ensemble.none)),
        ("stale_sessions_expired", replica.map_or(0, |counters| counters.expired_sessions)),
        ("digest_mismatches_count", replica.map_or(0, |counters| counters.digest_mismatches)),
        ("snapshot_error_count", gathered.timings.refused.snapshots_failed),
        ("snapshot_rate_limited_count", gathered.timings.refused.snapshots_limited),
        ("restore_error_count", gathered.timings.refused.restores_failed),
        ("restore_rate_limited_count", gathered.timings.refused.restores_limited),
        ("prep_processor_request_queued", replica.map_or(0, |counters| counters.proposals) + reads),
        ("sync_processor_request_queued", replica.map_or(0, |counters| counters.batch_sizes.sum()) + reads),
        ("outstanding_changes_queued", replica.map_or(0, |counters| counters.touched)),
        ("outstanding_changes_removed", replica.map_or(0, |counters| counters.touched_applied)),
    ];
    let mut all: BTreeMap<_, _> = COUNTERS.map(|name| (name, 0)).into();
    all.extend(known);
    if let (Some(peer), Some(counters)) = (gathered.peer(), replica) {
        let of_peers = [
            ("looking_count", peer.counters.looking),
            ("diff_count", peer.counters.diffs),
            ("snap_count", peer.counters.snapshots),
            ("proposal_count", counters.proposals),
            ("commit_count", peer.counters.commits),
            ("request_commit_queued", counters.commits),
            ("learner_proposal_received_count", peer.counters.proposals_received),
            ("learner_commit_received_count", peer.counters.commits_received),
            ("revalidate_count", counters.revalidations),
            ("connection_revalidate_count", counters.revalidations_asked),
        ];
        all.extend(of_peers);
    }
    all
}

fn over_quota(gathered: &Gathered) -> CounterSet {
    let refused = gathered.replica.iter().flat_map(|replica| replica.traffic.over_quota.iter());
    CounterSet {
        name: "quota_exceeded_error_per_namespace",
        by_key: refused.map(|(namespace, sizes)| (namespace.to_owned(), sizes.count())).collect(),
    }
}

impl Summary {
    /// The value below which so many of a thousand lie; 0 if that is not kept.
    pub(crate) fn quantile(&self, per_mille: u64) -> u64 {
        let index = PER_MILLE.iter().position(|kept| *kept == per_mille);
        index.map_or(0, |index| self.quantiles[index])
    }

    /// In ms.
    pub(super) fn of_spans(spans: &Spans) -> Self {
        let ms = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Self {
            count: spans.count,
            sum: ms(spans.sum),
            min: ms(spans.min),
            max: ms(spans.max),
            quantiles: [0; PER_MILLE.len()],
        }
    }

    pub(super) fn of(histogram: &Histogram) -> Self {
        Self {
            count: histogram.count(),
            sum: histogram.sum(),
            min: histogram.min(),
            max: histogram.max(),
            quantiles: PER_MILLE.map(|per_mille| histogram.quantile(per_mille)),
        }
    }
}
