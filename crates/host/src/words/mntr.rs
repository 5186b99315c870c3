//! `mntr`: every metric, a line each.

use std::fmt::Write as _;

use super::metrics::{Metrics, Number, Summary};
use super::numbers::{average, java_real};

/// The version, the state, and every metric if any are kept.
pub(super) fn mntr(version: &str, metrics: Option<Metrics>) -> String {
    let mut text = String::new();
    line(&mut text, "version", version);
    line(&mut text, "server_state", "standalone");
    let Some(metrics) = metrics else { return text };
    for (name, value) in &metrics.gauges {
        match value {
            Number::Integer(value) => line(&mut text, name, value),
            Number::Real(value) => line(&mut text, name, java_real(*value)),
        }
    }
    metrics.counters.iter().for_each(|(name, value)| line(&mut text, name, value));
    metrics.summaries.iter().for_each(|(name, summary)| basic(&mut text, name, summary));
    for (name, summary) in &metrics.advanced {
        basic(&mut text, name, summary);
        for (quantile, value) in ["p50", "p95", "p99", "p999"].into_iter().zip(summary.quantiles) {
            line(&mut text, &format!("{quantile}_{name}"), value);
        }
    }
    text
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

    use zoorum_server::worker::WorkerReport;

    use super::super::gathered::{Gathered, QuotaReport};
    use super::*;

    fn value<'t>(text: &'t str, name: &str) -> Option<&'t str> {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('\t'))
    }

    #[test]
    fn every_name_of_a_new_zookeeper_server_is_there_and_no_other() {
        let text = mntr("3.9.5-x", Some(Metrics::of(&Gathered::default())));
        let names: BTreeSet<_> = text.lines().filter_map(|line| Some(line.split_once('\t')?.0)).collect();
        let expected: BTreeSet<_> = include_str!("testdata/mntr-keys.txt").lines().collect();
        assert_eq!(names.symmetric_difference(&expected).collect::<Vec<_>>(), Vec::<&&str>::new());
        assert_eq!(text.lines().count(), expected.len(), "no name stands there twice");
        assert!(text.starts_with("zk_version\t3.9.5-x\nzk_server_state\tstandalone\n"), "{text}");
    }

    #[test]
    fn without_a_provider_of_metrics_only_the_first_lines_are_there() {
        assert_eq!(mntr("v", None), "zk_version\tv\nzk_server_state\tstandalone\n");
    }

    #[test]
    fn values_have_the_form_that_tools_parse() {
        let mut worker = WorkerReport::default();
        worker.counters.latency.total_ms = 206;
        worker.counters.latency.count = 240;
        worker.counters.events = [0, 0, 3, 0];
        worker.watches = 4;
        let mut gathered = Gathered { workers: vec![worker.clone(), worker], ..Gathered::default() };
        gathered.tree.quotas =
            vec![QuotaReport { namespace: "c".to_owned(), count_limit: 3, ..QuotaReport::default() }];
        [3, 8].into_iter().for_each(|ms| gathered.timings.fsync.observe(ms));
        let text = mntr("v", Some(Metrics::of(&gathered)));
        let rows = [
            ("zk_avg_latency", "0.8583"),
            ("zk_watch_count", "8"),
            ("zk_last_client_response_size", "-1"),
            ("zk_sum_node_changed_watch_count", "6"),
            ("zk_avg_node_changed_watch_count", "1.0"),
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
