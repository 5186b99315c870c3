//! `mntr`: every metric, a line each.

use std::fmt::Write as _;

use zoorum_config::MetricsProvider;
use zoorum_server::replica::Mode;
use zoorum_zab::Part;

use super::gathered::Gathered;
use super::metrics::{Metrics, Number, Summary};
use super::numbers::{average, java_real};
use super::server::mode_name;
use crate::prometheus::samples;

/// The version, the state, and every metric if any are kept, in the form of who keeps them.
pub(crate) fn mntr(version: &str, gathered: &Gathered, provider: &MetricsProvider) -> String {
    let mut text = String::new();
    line(&mut text, "version", version);
    line(&mut text, "server_state", mode_name(gathered.standing.mode));
    if let Some(doing) = doing(gathered.standing.mode) {
        // Only who is done with election, discovery and synchronization serves, and tells anything.
        line(&mut text, "peer_state", format_args!("{doing} - broadcast"));
    }
    if let Some(Part::Observing(leader, _)) = gathered.peer().map(|peer| peer.part) {
        line(&mut text, "observer_master_id", leader);
    }
    match provider {
        MetricsProvider::Null => {}
        MetricsProvider::Default => text.push_str(&metrics(gathered)),
        MetricsProvider::Prometheus { .. } => text.push_str(&samples(&Metrics::of(gathered))),
    }
    text
}

fn metrics(gathered: &Gathered) -> String {
    let mut text = String::new();
    let metrics = Metrics::of(gathered);
    for (name, value) in &metrics.gauges {
        match value {
            Number::Integer(value) => line(&mut text, name, value),
            Number::Real(value) => line(&mut text, name, java_real(*value)),
        }
    }
    metrics.counters.iter().for_each(|(name, value)| line(&mut text, name, value));
    for set in &metrics.counter_sets {
        set.by_key.iter().for_each(|(key, value)| line(&mut text, &format!("{key}_{}", set.name), value));
    }
    metrics.summaries.iter().for_each(|(name, summary)| basic(&mut text, name, summary));
    metrics.advanced.iter().for_each(|(name, summary)| advanced(&mut text, name, summary));
    for set in &metrics.sets {
        let form = if set.has_quantiles { advanced } else { basic };
        set.by_key.iter().for_each(|(key, summary)| form(&mut text, &format!("{key}_{}", set.name), summary));
    }
    text
}

/// What a member of an ensemble does, in the words of metrics.
fn doing(mode: Mode) -> Option<&'static str> {
    match mode {
        Mode::Standalone | Mode::ReadOnly => None,
        Mode::Waiting => Some("looking"),
        Mode::Leader => Some("leading"),
        Mode::Follower => Some("following"),
        Mode::Observer => Some("observing"),
    }
}

fn advanced(text: &mut String, name: &str, summary: &Summary) {
    basic(text, name, summary);
    for (quantile, per_mille) in [("p50", 500), ("p95", 950), ("p99", 990), ("p999", 999)] {
        line(text, &format!("{quantile}_{name}"), summary.quantile(per_mille));
    }
}

fn basic(text: &mut String, name: &str, summary: &Summary) {
    line(text, &format!("avg_{name}"), java_real(average(summary.sum, summary.count)));
    let rows = [("min", summary.min), ("max", summary.max), ("cnt", summary.count), ("sum", summary.sum)];
    rows.into_iter().for_each(|(what, value)| line(text, &format!("{what}_{name}"), value));
}

fn line(text: &mut String, name: &str, value: impl std::fmt::Display) {
    // Strings accept everything.
    let _ = writeln!(text, "zk_{name}\t{value}");
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use zoorum_proto::{Epoch, ServerId};
    use zoorum_server::replica::{ReplicaReport, Standing};
    use zoorum_server::time::Monotonic;
    use zoorum_server::worker::WorkerReport;
    use zoorum_zab::{LearnerReport, LinkId, PeerCounters, PeerReport, Traffic};

    use super::super::gathered::QuotaReport;
    use super::*;

    fn value<'t>(text: &'t str, name: &str) -> Option<&'t str> {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('\t'))
    }

    #[test]
    fn every_name_of_a_new_zookeeper_server_is_there_and_no_other() {
        let text = mntr("3.9.5-x", &Gathered::default(), &MetricsProvider::Default);
        let names: BTreeSet<_> = text.lines().filter_map(|line| Some(line.split_once('\t')?.0)).collect();
        let expected: BTreeSet<_> = include_str!("testdata/mntr-keys.txt").lines().collect();
        assert_eq!(names.symmetric_difference(&expected).collect::<Vec<_>>(), Vec::<&&str>::new());
        assert_eq!(text.lines().count(), expected.len(), "no name stands there twice");
        assert!(text.starts_with("zk_version\t3.9.5-x\nzk_server_state\tstandalone\n"), "{text}");
    }

    #[test]
    fn members_of_an_ensemble_have_more_names_and_leaders_most() {
        let standalone: BTreeSet<_> = include_str!("testdata/mntr-keys.txt").lines().collect();
        let extra = |mode, part, learners| {
            let peer = PeerReport {
                part,
                since: Monotonic::default(),
                accepted: Epoch(2),
                current: Epoch(2),
                voters: 3,
                learners,
                pending_syncs: 0,
                counters: PeerCounters::default(),
            };
            let replica = Some(ReplicaReport { peer: Some(peer), ..ReplicaReport::default() });
            let standing = Standing { mode, ..Standing::default() };
            let text =
                mntr("v", &Gathered { standing, replica, ..Gathered::default() }, &MetricsProvider::Default);
            let more = text.lines().filter_map(|line| line.split_once('\t'));
            let more =
                more.filter(|(name, _)| !standalone.contains(name) && !name.contains("learner_handler"));
            more.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
        };
        let following = Part::Following(ServerId(3), Epoch(2));
        let expected = "zk_peer_state=following - broadcast zk_quorum_size=3";
        assert_eq!(extra(Mode::Follower, following, Vec::new()), expected);
        let observing = Part::Observing(ServerId(3), Epoch(2));
        let expected = "zk_peer_state=observing - broadcast zk_observer_master_id=3 zk_quorum_size=3";
        assert_eq!(extra(Mode::Observer, observing, Vec::new()), expected);
        let learner = |id, observes, in_step| LearnerReport {
            link: LinkId(1),
            traffic: Traffic::since(Monotonic::default()),
            queued: (0, 0),
            id: ServerId(id),
            from: "10.0.0.1:40000".to_owned(),
            observes,
            votes: !observes,
            in_step,
        };
        let learners = vec![learner(1, false, true), learner(2, false, false), learner(4, true, true)];
        let expected = "zk_peer_state=leading - broadcast zk_quorum_size=3 zk_learners=3 zk_synced_followers=1 \
            zk_synced_non_voting_followers=0 zk_synced_observers=1 zk_pending_syncs=0 zk_leader_uptime=0 \
            zk_last_proposal_size=-1 zk_min_proposal_size=-1 zk_max_proposal_size=-1";
        assert_eq!(extra(Mode::Leader, Part::Leading(Epoch(2)), learners), expected);
    }

    #[test]
    fn without_a_provider_of_metrics_only_the_first_lines_are_there() {
        assert_eq!(
            mntr("v", &Gathered::default(), &MetricsProvider::Null),
            "zk_version\tv\nzk_server_state\tstandalone\n"
        );
    }

    #[test]
    fn values_have_the_form_that_tools_parse() {
        let mut worker = WorkerReport::default();
        worker.counters.latency.total_ms = 206;
        worker.counters.latency.count = 240;
        worker.counters.watchers[2].observe(3);
        worker.watches = 4;
        let mut gathered = Gathered { workers: vec![worker.clone(), worker], ..Gathered::default() };
        gathered.tree.quotas =
            vec![QuotaReport { namespace: "c".to_owned(), count_limit: 3, ..QuotaReport::default() }];
        [3, 8].into_iter().for_each(|ms| gathered.timings.fsync.observe(ms));
        let text = mntr("v", &gathered, &MetricsProvider::Default);
        let rows = [
            ("zk_avg_latency", "0.8583"),
            ("zk_watch_count", "8"),
            ("zk_last_client_response_size", "-1"),
            ("zk_sum_node_changed_watch_count", "6"),
            ("zk_avg_node_changed_watch_count", "3.0"),
            ("zk_cnt_node_changed_watch_count", "2"),
            ("zk_avg_fsynctime", "5.5"),
            ("zk_max_fsynctime", "8"),
            ("zk_avg_snapshottime", "0.0"),
            ("zk_p999_readlatency", "0"),
            ("zk_c_quota_count_limit_per_namespace", "3"),
        ];
        for (name, expected) in rows {
            assert_eq!(value(&text, name), Some(expected), "{name}");
        }
    }
}
