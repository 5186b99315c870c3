//! What every exporter tells of its process, and the little of a JVM's that dashboards of the original look at.

use super::families::{Family, Sample};
use crate::process::{OpenFiles, Usage};
use crate::version;

pub(super) fn families() -> Vec<Family> {
    let (process, files) = (Usage::now(), OpenFiles::now());
    let rows = [
        ("process_cpu_seconds_total", "counter", process.cpu_seconds),
        ("process_start_time_seconds", "gauge", process.started_at),
        ("process_open_fds", "gauge", files.open as f64),
        ("process_max_fds", "gauge", files.limit as f64),
        ("process_virtual_memory_bytes", "gauge", process.virtual_bytes as f64),
        ("process_resident_memory_bytes", "gauge", process.resident_bytes as f64),
        ("process_threads", "gauge", process.threads as f64),
        ("process_major_page_faults_total", "counter", process.major_faults as f64),
    ];
    let of_process = rows.map(|(name, kind, value)| Family::single(name, kind, value));
    of_process.into_iter().chain(of_jvm(&process)).collect()
}

/// There is no heap apart from the rest, and nothing is ever collected.
fn of_jvm(process: &Usage) -> [Family; 4] {
    let info = Sample::of("jvm_info", 1.0)
        .labelled("version", version::full())
        .labelled("vendor", "Zoorum")
        .labelled("runtime", "Zoorum");
    let used =
        |area: &str, bytes: u64| Sample::of("jvm_memory_bytes_used", bytes as f64).labelled("area", area);
    let collections =
        |what: &str| Sample::of(format!("jvm_gc_collection_seconds_{what}"), 0.0).labelled("gc", "none");
    [
        Family { name: "jvm_info".to_owned(), kind: "gauge", samples: vec![info] },
        Family {
            name: "jvm_memory_bytes_used".to_owned(),
            kind: "gauge",
            samples: vec![used("heap", process.resident_bytes), used("nonheap", 0)],
        },
        Family::single("jvm_threads_current", "gauge", process.threads as f64),
        Family {
            name: "jvm_gc_collection_seconds".to_owned(),
            kind: "summary",
            samples: vec![collections("count"), collections("sum")],
        },
    ]
}
