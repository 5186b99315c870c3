//! Every metric, by ZooKeeper's names, from what the threads told.

use std::collections::BTreeMap;

use zoorum_server::histogram::Histogram;
use zoorum_server::replica::Mode;
use zoorum_server::worker::ResponseSize;
use zoorum_zab::{LearnerReport, PeerReport, Spans};

use super::gathered::Gathered;
use super::names::{ADVANCED, COUNTERS, SUMMARIES};
use super::numbers::average;
use crate::process::OpenFiles;

/// All metrics at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    /// What goes up and down.
    pub(crate) gauges: Vec<(String, Number)>,
    /// What only grows.
    pub(crate) counters: BTreeMap<&'static str, u64>,
    /// What was observed many times.
    pub(crate) summaries: BTreeMap<&'static str, Summary>,
    /// The same, with quantiles.
    pub(crate) advanced: BTreeMap<&'static str, Summary>,
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

/// Which quantiles are kept.
const PER_MILLE: [u64; 5] = [500, 900, 950, 990, 999];

impl Metrics {
    /// All that this server counts; what it has no counterpart of is there with 0.
    pub(crate) fn of(gathered: &Gathered) -> Self {
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
    let files = OpenFiles::now();
    let rows = [
        ("avg_latency", Number::Real(average(latency.total_ms, latency.count))),
        ("max_latency", integer(latency.max_ms)),
        ("min_latency", integer(latency.min_ms)),
        ("packets_received", integer(gathered.sum(|counters| counters.packets_received))),
        ("packets_sent", integer(gathered.sum(|counters| counters.packets_sent))),
        ("num_alive_connections", integer(gathered.connections().count() as u64)),
        ("outstanding_requests", integer(gathered.outstanding() as u64)),
        ("uptime", integer(up_ms(gathered))),
        ("znode_count", integer(gathered.tree.nodes as u64)),
        ("watch_count", integer(gathered.workers.iter().map(|worker| worker.watches as u64).sum())),
        ("ephemerals_count", integer(gathered.tree.ephemerals as u64)),
        ("approximate_data_size", integer(gathered.tree.data_size)),
        ("global_sessions", integer(gathered.tree.sessions as u64)),
        ("local_sessions", integer(gathered.local_sessions() as u64)),
        ("open_file_descriptor_count", integer(files.open)),
        ("max_file_descriptor_count", integer(files.limit)),
        ("last_client_response_size", of_size(|size| size.last)),
        ("max_client_response_size", of_size(|size| size.max)),
        ("min_client_response_size", of_size(|size| size.min)),
        ("auth_failed_count", integer(gathered.sum(|counters| counters.auth_failed))),
        ("connection_drop_probability", Number::Real(gathered.drop_probability)),
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
    let of_peers = gathered.peer().map(|peer| of_ensemble(gathered, peer)).unwrap_or_default();
    fixed.chain(of_quota).chain(of_peers).collect()
}

/// How long the server has served in the part that it has now.
pub(crate) fn up_ms(gathered: &Gathered) -> u64 {
    let up = gathered.peer().map_or(gathered.now.0, |peer| gathered.now.since(peer.since));
    u64::try_from(up.as_millis()).unwrap_or(u64::MAX)
}

/// What only members of an ensemble tell, and most of it only a leader.
fn of_ensemble(gathered: &Gathered, peer: &PeerReport) -> Vec<(String, Number)> {
    let number = |value: usize| Number::Integer(i64::try_from(value).unwrap_or(i64::MAX));
    let named = |(name, value): (&str, Number)| (name.to_owned(), value);
    let size = named(("quorum_size", number(peer.voters)));
    let in_step = |is_meant: fn(&LearnerReport) -> bool| {
        let learners = peer.learners.iter().filter(|learner| learner.in_step);
        number(learners.filter(|learner| is_meant(learner)).count())
    };
    if gathered.standing.mode == Mode::ReadOnly {
        return Vec::new();
    }
    if gathered.standing.mode != Mode::Leader {
        // A follower may have some of its own.
        let observers = (!peer.learners.is_empty()).then(|| named(("synced_observers", in_step(|_| true))));
        return std::iter::once(size).chain(observers).collect();
    }
    let sizes = gathered.standing.proposal_sizes;
    let rows = [
        ("learners", number(peer.learners.len())),
        ("synced_followers", in_step(|learner| !learner.observes)),
        ("synced_non_voting_followers", in_step(|learner| !learner.observes && !learner.votes)),
        ("synced_observers", in_step(|learner| learner.observes)),
        ("pending_syncs", number(peer.pending_syncs)),
        ("leader_uptime", Number::Integer(i64::try_from(up_ms(gathered)).unwrap_or(i64::MAX))),
        ("last_proposal_size", sizes.map_or(Number::Integer(-1), |sizes| number(sizes.last))),
        ("min_proposal_size", sizes.map_or(Number::Integer(-1), |sizes| number(sizes.min))),
        ("max_proposal_size", sizes.map_or(Number::Integer(-1), |sizes| number(sizes.max))),
    ];
    std::iter::once(size).chain(rows.map(named)).collect()
}

/// Sizes of the replies of all workers. Which was the newest of all, nobody knows: one of the newest.
pub(crate) fn response_size(gathered: &Gathered) -> Option<ResponseSize> {
    let sizes = gathered.workers.iter().filter_map(|worker| worker.counters.response_size);
    sizes.reduce(|a, b| ResponseSize { last: b.last, min: a.min.min(b.min), max: a.max.max(b.max) })
}

fn counters(gathered: &Gathered) -> BTreeMap<&'static str, u64> {
    let replica = gathered.replica.as_ref().map(|replica| &replica.counters);
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
        ("stale_sessions_expired", replica.map_or(0, |counters| counters.expired_sessions)),
        ("digest_mismatches_count", replica.map_or(0, |counters| counters.digest_mismatches)),
        ("prep_processor_request_queued", replica.map_or(0, |counters| counters.proposals)),
        ("sync_processor_request_queued", replica.map_or(0, |counters| counters.proposals)),
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
            ("learner_proposal_received_count", peer.counters.proposals_received),
            ("learner_commit_received_count", peer.counters.commits_received),
            ("revalidate_count", counters.revalidations),
            ("connection_revalidate_count", counters.revalidations_asked),
        ];
        all.extend(of_peers);
    }
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
    let token_deficit = gathered.histogram(|counters| &counters.token_deficit);
    all.insert("connection_token_deficit", Summary::of(&token_deficit));
    all.insert("fsynctime", Summary::of(&gathered.timings.fsync));
    all.insert("snapshottime", Summary::of(&gathered.timings.snapshot));
    all.insert("dbinittime", Summary::of(&gathered.timings.recovery));
    if let Some(peer) = gathered.peer() {
        let of_peers = [
            ("election_time", peer.counters.elections),
            ("follower_sync_time", peer.counters.follower_syncs),
            ("observer_sync_time", peer.counters.observer_syncs),
            ("unavailable_time", peer.counters.unavailable),
            ("leader_unavailable_time", peer.counters.leader_unavailable),
        ];
        all.extend(of_peers.map(|(name, spans)| (name, Summary::of_spans(&spans))));
    }
    all
}

fn advanced(gathered: &Gathered) -> BTreeMap<&'static str, Summary> {
    let mut all: BTreeMap<_, _> = ADVANCED.map(|name| (name, Summary::default())).into();
    all.insert("readlatency", Summary::of(&gathered.histogram(|counters| &counters.reads)));
    let throttle_queue = gathered.histogram(|counters| &counters.throttle_queue);
    all.insert("request_throttle_queue_time_ms", Summary::of(&throttle_queue));
    all.insert("updatelatency", Summary::of(&gathered.histogram(|counters| &counters.updates)));
    if let Some(replica) = gathered.replica.as_ref().filter(|replica| replica.peer.is_some()) {
        let propagation = Summary::of(&replica.counters.propagation);
        all.insert("propagation_latency", propagation);
        // A change is in the tree as soon as it is known that a quorum has it.
        let of_quorum = match gathered.standing.mode {
            Mode::Leader => "quorum_ack_latency",
            _ => "commit_propagation_latency",
        };
        all.insert(of_quorum, propagation);
        if gathered.standing.mode != Mode::Observer {
            all.insert("proposal_latency", Summary::of(&replica.counters.arrival));
        }
    }
    all
}

impl Summary {
    /// The value below which so many of a thousand lie; 0 if that is not kept.
    pub(crate) fn quantile(&self, per_mille: u64) -> u64 {
        let index = PER_MILLE.iter().position(|kept| *kept == per_mille);
        index.map_or(0, |index| self.quantiles[index])
    }

    /// In ms.
    fn of_spans(spans: &Spans) -> Self {
        let ms = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Self {
            count: spans.count,
            sum: ms(spans.sum),
            min: ms(spans.min),
            max: ms(spans.max),
            quantiles: [0; PER_MILLE.len()],
        }
    }

    fn of(histogram: &Histogram) -> Self {
        Self {
            count: histogram.count(),
            sum: histogram.sum(),
            min: histogram.min(),
            max: histogram.max(),
            quantiles: PER_MILLE.map(|per_mille| histogram.quantile(per_mille)),
        }
    }
}
