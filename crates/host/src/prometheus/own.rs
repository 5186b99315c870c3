//! What the original does not have: histograms of how long things take, and what the server is.

use zoorum_server::latencies::Latencies;
use zoorum_server::replica::Mode;
use zoorum_server::stages::Stage;

use super::families::{Family, Sample};
use crate::version;
use crate::words::gathered::Gathered;
use crate::words::server::mode_name;

/// Every state that a server can be in.
const STATES: [Mode; 6] =
    [Mode::Standalone, Mode::Waiting, Mode::ReadOnly, Mode::Leader, Mode::Follower, Mode::Observer];

pub(super) fn families(gathered: &Gathered) -> Vec<Family> {
    let state = |mode| {
        let is_in_it = f64::from(u8::from(gathered.standing.mode == mode));
        Sample::of("zoorum_server_state", is_in_it).labelled("state", mode_name(mode))
    };
    let info = Sample::of("zoorum_info", 1.0).labelled("version", version::full());
    let requests = [
        ("read", gathered.latencies(|counters| counters.read_latencies)),
        ("write", gathered.latencies(|counters| counters.write_latencies)),
    ];
    let stages = Stage::ALL
        .map(|stage| (stage.name(), gathered.latencies(|counters| counters.stages.of(stage).latencies)));
    vec![
        Family { name: "zoorum_info".to_owned(), kind: "gauge", samples: vec![info] },
        Family { name: "zoorum_server_state".to_owned(), kind: "gauge", samples: STATES.map(state).into() },
        histogram("zoorum_request_seconds", "op", &requests),
        histogram("zoorum_stage_seconds", "stage", &stages),
        histogram_alone("zoorum_fsync_seconds", &gathered.timings.fsync_latencies),
        Family::single(
            "zoorum_slow_operations_total",
            "counter",
            gathered.sum(|counters| counters.slow) as f64,
        ),
    ]
}

/// One histogram for each value of a label.
fn histogram(name: &str, label: &'static str, rows: &[(&str, Latencies)]) -> Family {
    let of_row = |(value, latencies): &(&str, Latencies)| {
        let value = (*value).to_owned();
        buckets(name, latencies).into_iter().map(move |sample| sample.labelled(label, value.clone()))
    };
    Family { name: name.to_owned(), kind: "histogram", samples: rows.iter().flat_map(of_row).collect() }
}

fn histogram_alone(name: &str, latencies: &Latencies) -> Family {
    Family { name: name.to_owned(), kind: "histogram", samples: buckets(name, latencies) }
}

fn buckets(name: &str, latencies: &Latencies) -> Vec<Sample> {
    let bucket = format!("{name}_bucket");
    let below = |(bound, count): (std::time::Duration, u64)| {
        Sample::of(bucket.clone(), count as f64).labelled("le", bound.as_secs_f64().to_string())
    };
    let count = latencies.count() as f64;
    let mut samples: Vec<Sample> = latencies.cumulative().map(below).collect();
    samples.push(Sample::of(bucket.clone(), count).labelled("le", "+Inf"));
    samples.push(Sample::of(format!("{name}_count"), count));
    samples.push(Sample::of(format!("{name}_sum"), latencies.sum().as_secs_f64()));
    samples
}
