//! What goes up and down.

use zoorum_server::replica::Mode;
use zoorum_server::worker::ResponseSize;
use zoorum_zab::{LearnerReport, PeerReport};

use super::gathered::Gathered;
use super::metrics::Number;
use super::numbers::average;
use crate::process::OpenFiles;

pub(super) fn gauges(gathered: &Gathered) -> Vec<(String, Number)> {
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
