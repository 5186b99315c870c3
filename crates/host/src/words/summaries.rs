//! What was observed many times.

use std::collections::BTreeMap;

use zoorum_server::histogram::Histogram;
use zoorum_server::replica::Mode;
use zoorum_server::stages::Stage;
use zoorum_server::traffic::Traffic;

use super::gathered::Gathered;
use super::metrics::{Summary, SummarySet};
use super::names::{ADVANCED, SUMMARIES};

/// Watchers of each change, in the order in which workers count them.
const WATCHES: [&str; 4] = [
    "node_created_watch_count",
    "node_deleted_watch_count",
    "node_changed_watch_count",
    "node_children_watch_count",
];

pub(super) fn summaries(gathered: &Gathered) -> BTreeMap<&'static str, Summary> {
    let mut all: BTreeMap<_, _> = SUMMARIES.map(|name| (name, Summary::default())).into();
    for (index, name) in WATCHES.into_iter().enumerate() {
        all.insert(name, Summary::of(&gathered.histogram(|counters| &counters.watchers[index])));
    }
    let token_deficit = gathered.histogram(|counters| &counters.token_deficit);
    all.insert("connection_token_deficit", Summary::of(&token_deficit));
    all.insert("fsynctime", Summary::of(&gathered.timings.fsync));
    all.insert("snapshottime", Summary::of(&gathered.timings.snapshot));
    all.insert("dbinittime", Summary::of(&gathered.timings.recovery));
    all.insert("restore_time", Summary::of(&gathered.timings.restore));
    all.insert("startup_txns_loaded", Summary::of(&gathered.timings.replayed));
    all.insert("prep_process_time", Summary::of(&gathered.stage(Stage::Prep)));
    all.insert("commit_process_time", Summary::of(&gathered.stage(Stage::Apply)));
    if let Some(replica) = &gathered.replica {
        all.insert("sync_processor_batch_size", Summary::of(&replica.counters.batch_sizes));
        all.insert("sync_processor_queue_size", Summary::of(&replica.counters.batch_sizes));
        all.insert("prep_processor_queue_size", Summary::of(&replica.counters.letter_sizes));
        all.insert("sync_process_time", Summary::of(&replica.counters.sync_times));
    }
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

pub(super) fn advanced(gathered: &Gathered) -> BTreeMap<&'static str, Summary> {
    let mut all: BTreeMap<_, _> = ADVANCED.map(|name| (name, Summary::default())).into();
    all.insert("readlatency", Summary::of(&gathered.histogram(|counters| &counters.reads)));
    let throttle_queue = gathered.histogram(|counters| &counters.throttle_queue);
    all.insert("request_throttle_queue_time_ms", Summary::of(&throttle_queue));
    all.insert("updatelatency", Summary::of(&gathered.histogram(|counters| &counters.updates)));
    all.insert("prep_processor_queue_time_ms", Summary::of(&gathered.stage(Stage::Queue)));
    all.insert("write_final_proc_time_ms", Summary::of(&gathered.stage(Stage::Apply)));
    all.insert("sync_processor_queue_flush_time_ms", Summary::of(&gathered.timings.fsync));
    if let Some(replica) = &gathered.replica {
        all.insert("sync_processor_queue_and_flush_time_ms", Summary::of(&replica.counters.sync_times));
    }
    let Some(replica) = &gathered.replica else { return all };
    let propagation = Summary::of(&replica.counters.propagation);
    all.insert("propagation_latency", propagation);
    if replica.peer.is_some() {
        let committed = gathered.workers.iter().map(|worker| worker.counters.stages.committed());
        let committed = committed.fold(Histogram::default(), |all, one| all.merged(&one));
        all.insert("local_write_committed_time_ms", Summary::of(&committed));
        // A change is in the tree as soon as it is known that a quorum has it.
        let of_quorum = match gathered.standing.mode {
            Mode::Leader => "quorum_ack_latency",
            _ => "commit_propagation_latency",
        };
        all.insert(of_quorum, propagation);
        if gathered.standing.mode != Mode::Observer {
            all.insert("proposal_latency", Summary::of(&replica.counters.arrival));
            all.insert("proposal_ack_creation_latency", Summary::of(&replica.counters.acknowledgement));
        }
    }
    all
}

/// What is told apart by namespace, or by learner.
pub(super) fn sets(gathered: &Gathered) -> Vec<SummarySet> {
    let of_workers = gathered.workers.iter().map(|worker| &worker.traffic);
    let replica = gathered.replica.iter().map(|replica| &replica.traffic);
    let read = by_namespace(of_workers.chain(replica.clone().map(|traffic| &traffic.read)));
    let written = by_namespace(replica.map(|traffic| &traffic.written));
    // What goes to a learner is written at once: nothing waits in a queue of its own.
    let learners = gathered.peer().into_iter().flat_map(|peer| &peer.learners);
    let of_learners: BTreeMap<_, _> =
        learners.map(|learner| (learner.id.to_string(), Summary::default())).collect();
    let set = |name, has_quantiles, by_key| SummarySet { name, has_quantiles, by_key };
    vec![
        set("read_per_namespace", false, read),
        set("write_per_namespace", false, written),
        set("learner_handler_qp_size", false, of_learners.clone()),
        set("learner_handler_qp_time_ms", true, of_learners),
    ]
}

fn by_namespace<'t>(all: impl Iterator<Item = &'t Traffic>) -> BTreeMap<String, Summary> {
    let mut merged: BTreeMap<String, Histogram> = BTreeMap::new();
    for (namespace, sizes) in all.flat_map(Traffic::iter) {
        let so_far = merged.entry(namespace.to_owned()).or_default();
        *so_far = so_far.merged(sizes);
    }
    merged.into_iter().map(|(namespace, sizes)| (namespace, Summary::of(&sizes))).collect()
}
