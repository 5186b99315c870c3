//! A tree of many znodes, made as fast as the server takes it.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::args::{FillArgs, folders_for};
use crate::bulk::{Bulk, Script, folder_spans, spans};
use crate::engine::Engine;
use crate::latency::LatencySummary;
use crate::process::CpuClock;
use crate::progress::Progress;
use crate::wire::Target;

/// Small steps end within this time.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Serialize)]
struct Report {
    nodes: u32,
    size: usize,
    per_parent: u32,
    /// How many were there before.
    existing: u64,
    seconds: f64,
    per_second: f64,
    latency_us: LatencySummary,
    client_cpu_seconds: f64,
    server_cpu_seconds: Option<f64>,
}

/// Creates the tree and prints how long it took. Loads find it with `--prepared` and the same
/// `--root` and `--per-parent`.
pub fn run(args: &FillArgs) -> anyhow::Result<()> {
    let folders = folders_for(args.nodes, args.per_parent)?;
    let mut engine = Engine::new(&args.server, args.in_flight, Instant::now())?;
    engine.open(args.connections as usize, PATIENCE)?;
    engine.run(&mut Script::create_root(&args.server.root), PATIENCE)?;
    let prefix = format!("{}/p", args.server.root);
    Bulk::create(&prefix, Target::Folder, b"", folder_spans(folders)).run(&mut engine)?;

    let progress = Progress::start("fill", 1, args.server.quiet);
    let cpu = CpuClock::start(&args.server.server_pid);
    let start = Instant::now();
    let value = vec![b'z'; args.size];
    let mut bulk = Bulk::create(&prefix, Target::Node, &value, spans(args.nodes, args.per_parent))
        .counted_on(progress.counter(0));
    bulk.run(&mut engine)?;
    let seconds = start.elapsed().as_secs_f64();
    let (client_cpu_seconds, server_cpu_seconds) = cpu.elapsed();
    drop(progress);
    engine.close(PATIENCE)?;

    let report = Report {
        nodes: args.nodes,
        size: args.size,
        per_parent: args.per_parent,
        existing: bulk.errors.values().sum(),
        seconds,
        per_second: (f64::from(args.nodes) / seconds).round(),
        latency_us: bulk.latencies.summary(),
        client_cpu_seconds,
        server_cpu_seconds,
    };
    if args.server.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{} znodes in {seconds:.1} s, {}/s; {}", args.nodes, report.per_second, report.latency_us);
    }
    Ok(())
}
