//! The exporter of metrics for Prometheus, under ZooKeeper's names, so that dashboards and alerts go on.
//!
//! **Source.** Apache ZooKeeper 3.9.5, `PrometheusMetricsProvider`: text format 0.0.4, names without prefix and
//! without `_total`, every value a real number.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::http;
use crate::process::{OpenFiles, Usage};
use crate::words::Sources;
use crate::words::gathered::Gathered;
use crate::words::metrics::{Metrics, Number, Summary};
use crate::words::numbers::java_real;

/// Who says nothing for so long is sent away: longer than any interval between two looks.
const IDLE: Duration = Duration::from_secs(300);
/// The text format.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Quantiles of what is told by its middle alone, by name and per mille.
const BASIC: [(&str, u64); 1] = [("0.5", 500)];
/// Of the rest.
const ADVANCED: [(&str, u64); 3] = [("0.5", 500), ("0.9", 900), ("0.99", 990)];

/// What an exporter shows.
#[derive(Clone)]
struct Exporter {
    sources: Sources,
    /// Figures of the process, too.
    with_process: bool,
}

/// Listens, and answers `/metrics` until the process ends.
///
/// # Errors
///
/// When the address cannot be listened on, or the system has no thread to spare.
pub(crate) fn start(host: &str, port: u16, with_process: bool, sources: Sources) -> io::Result<SocketAddr> {
    let router = Router::new().route("/metrics", get(metrics)).with_state(Exporter { sources, with_process });
    http::serve("prometheus", (host, port), IDLE, router)
}

async fn metrics(State(exporter): State<Exporter>, Query(wanted): Query<Vec<(String, String)>>) -> Response {
    let wanted: Vec<String> =
        wanted.into_iter().filter(|(key, _)| key == "name[]").map(|(_, name)| name).collect();
    // Threads are asked, which may take a while to answer.
    match tokio::task::spawn_blocking(move || exporter.text(&wanted)).await {
        Ok(text) => ([(header::CONTENT_TYPE, FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

impl Exporter {
    fn text(&self, wanted: &[String]) -> String {
        let standing = *self.sources.reporter.shared().standing.lock();
        let gathered = Gathered::from_all(&self.sources.reporter, standing);
        let mut families = families(&Metrics::of(&gathered));
        if self.with_process {
            families.extend(of_process());
        }
        let is_wanted = |family: &&Family| {
            wanted.is_empty() || family.samples.iter().any(|sample| wanted.contains(&sample.name))
        };
        families.iter().filter(is_wanted).map(Family::to_string).collect()
    }
}

/// The same as lines of `mntr`, as the original has them when Prometheus keeps its metrics.
pub(crate) fn samples(metrics: &Metrics) -> String {
    let line = |sample: &Sample| {
        let labels: Vec<String> =
            sample.labels.iter().map(|(label, of)| format!("{label}=\"{of}\"")).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        format!("zk_{}{labels}\t{}\n", sample.name, shown(sample.value))
    };
    families(metrics).iter().flat_map(|family| &family.samples).map(line).collect()
}

/// Samples of one kind under one name.
struct Family {
    name: String,
    kind: &'static str,
    samples: Vec<Sample>,
}

/// A value, perhaps one of several.
struct Sample {
    name: String,
    labels: Vec<(&'static str, String)>,
    value: f64,
}

impl Sample {
    fn of(name: impl Into<String>, value: f64) -> Self {
        Self { name: name.into(), labels: Vec::new(), value }
    }
}

impl std::fmt::Display for Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, kind, samples } = self;
        writeln!(f, "# HELP {name} {name}\n# TYPE {name} {kind}")?;
        for Sample { name, labels, value } in samples {
            let mut text = String::new();
            for (label, of) in labels {
                // With a comma behind each, as the original has it; strings accept everything.
                let _ = write!(text, "{label}=\"{of}\",");
            }
            let text = if labels.is_empty() { text } else { format!("{{{text}}}") };
            writeln!(f, "{name}{text} {}", shown(*value))?;
        }
        Ok(())
    }
}

/// Nothing observed is no number.
fn shown(value: f64) -> String {
    if value.is_nan() { "NaN".to_owned() } else { java_real(value) }
}

fn families(metrics: &Metrics) -> Vec<Family> {
    let gauge = |(name, value): &(String, Number)| {
        let value = match value {
            Number::Integer(value) => *value as f64,
            Number::Real(value) => *value,
        };
        Family { name: name.clone(), kind: "gauge", samples: vec![Sample::of(name, value)] }
    };
    let counter = |(name, value): (&&str, &u64)| Family {
        name: (*name).to_owned(),
        kind: "counter",
        samples: vec![Sample::of(*name, *value as f64)],
    };
    let gauges = metrics.gauges.iter().filter(|(name, _)| !name.ends_with("_per_namespace")).map(gauge);
    let of_namespaces = per_namespace(&metrics.gauges);
    let counters = metrics.counters.iter().map(counter);
    let basic = metrics.summaries.iter().map(|(name, summary)| family_of(name, summary, &BASIC));
    let advanced = metrics.advanced.iter().map(|(name, summary)| family_of(name, summary, &ADVANCED));
    gauges.chain(of_namespaces).chain(counters).chain(basic).chain(advanced).collect()
}

/// `app_quota_count_limit_per_namespace` is of a family, with `app` for its key.
fn per_namespace(gauges: &[(String, Number)]) -> Vec<Family> {
    let kinds = ["count_limit", "bytes_limit", "count_usage", "bytes_usage"];
    let family = |kind: &str| {
        let name = format!("quota_{kind}_per_namespace");
        let of_key = |(full, value): &(String, Number)| {
            let key = full.strip_suffix(&name)?.strip_suffix('_')?;
            let value = match value {
                Number::Integer(value) => *value as f64,
                Number::Real(value) => *value,
            };
            Some(Sample { name: name.clone(), labels: vec![("key", key.to_owned())], value })
        };
        let samples: Vec<Sample> = gauges.iter().filter_map(of_key).collect();
        Family { name: name.clone(), kind: "gauge", samples }
    };
    kinds.into_iter().map(family).filter(|family| !family.samples.is_empty()).collect()
}

fn family_of(name: &str, summary: &Summary, quantiles: &[(&'static str, u64)]) -> Family {
    let quantile = |(quantile, per_mille): &(&'static str, u64)| Sample {
        name: name.to_owned(),
        labels: vec![("quantile", (*quantile).to_owned())],
        value: if summary.count == 0 { f64::NAN } else { summary.quantile(*per_mille) as f64 },
    };
    let totals = [
        Sample::of(format!("{name}_count"), summary.count as f64),
        Sample::of(format!("{name}_sum"), summary.sum as f64),
    ];
    let samples = quantiles.iter().map(quantile).chain(totals).collect();
    Family { name: name.to_owned(), kind: "summary", samples }
}

/// What every exporter tells of its process.
fn of_process() -> Vec<Family> {
    let (process, files) = (Usage::now(), OpenFiles::now());
    let rows = [
        ("process_cpu_seconds_total", "counter", process.cpu_seconds),
        ("process_start_time_seconds", "gauge", process.started_at),
        ("process_open_fds", "gauge", files.open as f64),
        ("process_max_fds", "gauge", files.limit as f64),
        ("process_virtual_memory_bytes", "gauge", process.virtual_bytes as f64),
        ("process_resident_memory_bytes", "gauge", process.resident_bytes as f64),
    ];
    let family = |(name, kind, value): (&str, &'static str, f64)| Family {
        name: name.to_owned(),
        kind,
        samples: vec![Sample::of(name, value)],
    };
    rows.map(family).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_have_the_names_and_the_form_of_the_original() {
        let mut gathered = Gathered::default();
        [3, 5].into_iter().for_each(|ms| gathered.timings.fsync.observe(ms));
        let text: String = families(&Metrics::of(&gathered)).iter().map(Family::to_string).collect();
        let rows = [
            "# HELP znode_count znode_count\n# TYPE znode_count gauge\nznode_count 0.0\n",
            "# TYPE connection_request_count counter\nconnection_request_count 0.0\n",
            "# TYPE fsynctime summary\nfsynctime{quantile=\"0.5\",} 3.0\nfsynctime_count 2.0\nfsynctime_sum 8.0\n",
            "readlatency{quantile=\"0.5\",} NaN\nreadlatency{quantile=\"0.9\",} NaN\n",
        ];
        for row in rows {
            assert!(text.contains(row), "{row} in {text}");
        }
        let lines = samples(&Metrics::of(&gathered));
        for row in
            ["zk_znode_count\t0.0\n", "zk_fsynctime{quantile=\"0.5\"}\t3.0\n", "zk_fsynctime_sum\t8.0\n"]
        {
            assert!(lines.contains(row), "{row} in {lines}");
        }
    }
}
