//! The text that Prometheus reads.

use std::collections::{BTreeMap, BTreeSet};

use zoorum_proto::{Epoch, ServerId};
use zoorum_server::replica::{Mode, ReplicaReport, Standing};
use zoorum_server::time::Monotonic;
use zoorum_server::worker::WorkerReport;
use zoorum_zab::{LearnerReport, LinkId, Part, PeerCounters, PeerReport, Traffic};

use super::*;
use crate::words::gathered::QuotaReport;

/// The page that tells what each metric means.
const PAGE: &str = include_str!("../../../../docs/metrics.md");
/// The dashboard, and the alerts.
const DASHBOARD: &str = include_str!("../../../../deploy/grafana/zoorum.json");
const ALERTS: &str = include_str!("../../../../deploy/prometheus/zoorum-alerts.yml");

/// A server that has everything that any has: it leads, and has quotas and traffic.
fn leader() -> Gathered {
    let learner = LearnerReport {
        link: LinkId(1),
        id: ServerId(2),
        from: "10.0.0.2:40000".to_owned(),
        observes: false,
        votes: true,
        in_step: true,
        traffic: Traffic::since(Monotonic::default()),
        queued: (0, 0),
    };
    let peer = PeerReport {
        part: Part::Leading(Epoch(1)),
        since: Monotonic::default(),
        accepted: Epoch(1),
        current: Epoch(1),
        voters: 3,
        learners: vec![learner],
        pending_syncs: 0,
        counters: PeerCounters::default(),
    };
    let mut replica = ReplicaReport { peer: Some(peer), ..ReplicaReport::default() };
    replica.traffic.written.on_write("/app/a", 5);
    replica.traffic.over_quota.on_write("/app/b", 0);
    let mut worker = WorkerReport::default();
    worker.traffic.on_write("/app", 7);
    let mut gathered = Gathered {
        workers: vec![worker],
        replica: Some(replica),
        standing: Standing { mode: Mode::Leader, ..Standing::default() },
        ..Gathered::default()
    };
    gathered.tree.quotas = vec![QuotaReport { namespace: "app".to_owned(), ..QuotaReport::default() }];
    gathered
}

fn text(gathered: &Gathered) -> String {
    all_families(gathered, true).iter().map(Family::to_string).collect()
}

#[test]
fn metrics_have_the_names_and_the_form_of_the_original() {
    let mut gathered = leader();
    [3, 5].into_iter().for_each(|ms| gathered.timings.fsync.observe(ms));
    let text = text(&gathered);
    let rows = [
        "# HELP znode_count znode_count\n# TYPE znode_count gauge\nznode_count 0.0\n",
        "# TYPE connection_request_count counter\nconnection_request_count 0.0\n",
        "# TYPE fsynctime summary\nfsynctime{quantile=\"0.5\",} 3.0\nfsynctime_count 2.0\nfsynctime_sum 8.0\n",
        "readlatency{quantile=\"0.5\",} NaN\nreadlatency{quantile=\"0.9\",} NaN\n",
        "# TYPE write_per_namespace summary\nwrite_per_namespace{key=\"app\",quantile=\"0.5\",} 11.0\n",
        "write_per_namespace_count{key=\"app\",} 1.0\nwrite_per_namespace_sum{key=\"app\",} 11.0\n",
        "learner_handler_qp_time_ms{key=\"2\",quantile=\"0.99\",} NaN\n",
    ];
    for row in rows {
        assert!(text.contains(row), "{row} in {text}");
    }
    let lines = samples(&Metrics::of(&gathered));
    for row in [
        "zk_znode_count\t0.0\n",
        "zk_fsynctime{quantile=\"0.5\"}\t3.0\n",
        "zk_fsynctime_sum\t8.0\n",
        "zk_read_per_namespace{key=\"app\",quantile=\"0.5\"}\t11.0\n",
    ] {
        assert!(lines.contains(row), "{row} in {lines}");
    }
    assert!(!lines.contains("zoorum_"), "mntr has the names of the original");
}

#[test]
fn histograms_count_upwards_and_say_who_leads() {
    let mut gathered = leader();
    let counters = &mut gathered.workers[0].counters;
    [2, 300].into_iter().for_each(|ms| counters.write_latencies.observe(Duration::from_millis(ms), 1));
    let text = text(&gathered);
    let rows = [
        "# TYPE zoorum_request_seconds histogram\n",
        "zoorum_request_seconds_bucket{op=\"write\",le=\"0.001\",} 0.0\n",
        "zoorum_request_seconds_bucket{op=\"write\",le=\"0.0025\",} 1.0\n",
        "zoorum_request_seconds_bucket{op=\"write\",le=\"0.5\",} 2.0\n",
        "zoorum_request_seconds_bucket{op=\"write\",le=\"+Inf\",} 2.0\n",
        "zoorum_request_seconds_count{op=\"write\",} 2.0\nzoorum_request_seconds_sum{op=\"write\",} 0.302\n",
        "zoorum_stage_seconds_count{stage=\"quorum\",} 0.0\n",
        "zoorum_server_state{state=\"leader\",} 1.0\nzoorum_server_state{state=\"follower\",} 0.0\n",
        "jvm_info{runtime=\"Zoorum\",vendor=\"Zoorum\",version=\"",
    ];
    for row in rows {
        assert!(text.contains(row), "{row} in {text}");
    }
}

#[test]
fn names_that_clients_choose_are_escaped() {
    let mut gathered = leader();
    gathered.workers[0].traffic.on_write("/a\"b\\c\nd", 0);
    assert!(text(&gathered).contains("read_per_namespace_count{key=\"a\\\"b\\\\c\\nd\",} 1.0\n"));
}

#[test]
fn the_page_lists_every_metric_with_its_type_and_no_other() {
    let row = |line: &str| -> Option<(String, String)> {
        let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
        let name = cells.next()?.strip_suffix('`')?;
        let kind = cells.next()?;
        ["gauge", "counter", "summary", "histogram"]
            .contains(&kind)
            .then(|| (name.to_owned(), kind.to_owned()))
    };
    let listed: BTreeMap<String, String> = PAGE.lines().filter_map(row).collect();
    let families = all_families(&leader(), true);
    let shown: BTreeMap<String, String> =
        families.iter().map(|family| (family.name.clone(), family.kind.to_owned())).collect();
    assert_eq!(shown.len(), families.len(), "no name stands there twice");
    let missing: Vec<_> = shown.iter().filter(|(name, kind)| listed.get(*name) != Some(*kind)).collect();
    let gone: Vec<_> = listed.keys().filter(|name| !shown.contains_key(*name)).collect();
    assert!(missing.is_empty() && gone.is_empty(), "docs/metrics.md lacks {missing:?}, and has {gone:?}");
}

#[test]
fn the_dashboard_and_the_alerts_name_metrics_that_there_are() {
    let families = all_families(&leader(), true);
    let mut known: BTreeSet<&str> =
        families.iter().flat_map(|family| &family.samples).map(|sample| sample.name.as_str()).collect();
    known.extend(["up", "job", "instance"]); // Prometheus's own
    let of_dashboard = DASHBOARD.lines().filter_map(|line| line.trim().strip_prefix("\"expr\": \""));
    let of_alerts = ALERTS.lines().filter_map(|line| line.trim().strip_prefix("expr: "));
    let mut seen = 0;
    for expression in of_dashboard.chain(of_alerts) {
        for name in names(expression) {
            assert!(known.contains(name.as_str()), "{name}, of {expression}, is no metric");
            seen += 1;
        }
    }
    assert!(seen > 70, "of {seen} names it can be told");
}

/// The metrics in an expression: names that are no function, no word of the language, and no label.
fn names(expression: &str) -> Vec<String> {
    const WORDS: [&str; 10] = ["by", "on", "and", "or", "sum", "max", "le", "op", "key", "stage"];
    let (mut names, mut name, mut depth) = (Vec::new(), String::new(), 0);
    for next in expression.chars().chain([' ']) {
        let is_of_name = next.is_ascii_alphanumeric() || next == '_';
        if is_of_name && depth == 0 {
            name.push(next);
            continue;
        }
        let whole = std::mem::take(&mut name);
        let is_name = whole.starts_with(|first: char| first.is_ascii_lowercase()) && next != '(';
        if is_name && !WORDS.contains(&whole.as_str()) {
            names.push(whole);
        }
        // What is in braces selects by labels, what is in brackets is a time.
        depth += i32::from(matches!(next, '{' | '[')) - i32::from(matches!(next, '}' | ']'));
    }
    names
}
