//! A storm of sessions: all opened at once, as after a restart, then closed at once.

use std::time::Instant;

use serde::Serialize;

use crate::args::SessionsArgs;
use crate::engine::Engine;
use crate::latency::{Latencies, LatencySummary};
use crate::process::CpuClock;

#[derive(Debug, Serialize)]
struct Report {
    sessions: u32,
    /// From the first connection begun to the last session established.
    open_seconds: f64,
    opened_per_second: f64,
    /// From the first connection begun to each session.
    open_us: LatencySummary,
    /// Connections that broke and were made anew.
    retries: u64,
    /// From the first close request to the last reply.
    close_seconds: f64,
    closed_per_second: f64,
    close_us: LatencySummary,
    client_cpu_seconds: f64,
    server_cpu_seconds: Option<f64>,
}

/// Opens the sessions, holds them, closes them, and prints how long it took.
pub fn run(args: &SessionsArgs) -> anyhow::Result<()> {
    let count = args.count as usize;
    let mut engine = Engine::new(&args.server, 1, Instant::now())?;
    let cpu = CpuClock::start(&args.server.server_pid);
    let opened = engine.open(count, args.within)?;
    let mut latencies = Latencies::new();
    opened.established.iter().for_each(|&at| latencies.record(at));
    let open_seconds = opened.established.iter().max().map_or(0.0, |&at| at as f64 / 1e9);

    engine.hold(args.hold)?;
    let closing = Instant::now();
    let close_latencies = engine.close(args.within)?;
    let close_seconds = closing.elapsed().as_secs_f64();
    let (client_cpu_seconds, server_cpu_seconds) = cpu.elapsed();

    let report = Report {
        sessions: args.count,
        open_seconds,
        opened_per_second: (f64::from(args.count) / open_seconds).round(),
        open_us: latencies.summary(),
        retries: opened.retries,
        close_seconds,
        closed_per_second: (f64::from(args.count) / close_seconds).round(),
        close_us: close_latencies.summary(),
        client_cpu_seconds,
        server_cpu_seconds,
    };
    if args.server.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!(
            "{} sessions open in {open_seconds:.3} s ({} retries); {}",
            count, report.retries, report.open_us
        );
        println!("  closed in {close_seconds:.3} s; {}", report.close_us);
    }
    Ok(())
}
