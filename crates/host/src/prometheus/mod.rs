//! The exporter of metrics for Prometheus, under ZooKeeper's names, so that dashboards and alerts go on.
//!
//! **Source.** Apache ZooKeeper 3.9.5, `PrometheusMetricsProvider`: text format 0.0.4, names without prefix and
//! without `_total`, every value a real number. What begins with `zoorum_` is this server's own: histograms, from which
//! quantiles over any time and any servers can be told.

mod families;
mod own;
mod process;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::http;
use crate::words::Sources;
use crate::words::gathered::Gathered;
use crate::words::metrics::Metrics;
use families::Family;
pub(crate) use families::samples;

/// Who says nothing for so long is sent away: longer than any interval between two looks.
const IDLE: Duration = Duration::from_secs(300);
/// The text format.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

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
        let families = all_families(&gathered, self.with_process);
        let is_wanted = |family: &&Family| {
            wanted.is_empty() || family.samples.iter().any(|sample| wanted.contains(&sample.name))
        };
        families.iter().filter(is_wanted).map(Family::to_string).collect()
    }
}

/// Everything that is shown of what was told.
fn all_families(gathered: &Gathered, with_process: bool) -> Vec<Family> {
    let mut all = families::of(&Metrics::of(gathered));
    all.extend(own::families(gathered));
    if with_process {
        all.extend(process::families());
    }
    all
}
