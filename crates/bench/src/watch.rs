//! Watch fan-out: something changes, and everybody who watches it is told.
//!
//! A round is one write to each watched znode, and ends with the last event. Only that is measured;
//! setting the watches again (they fire once) comes between the rounds.

use std::time::Instant;

use anyhow::ensure;
use serde::Serialize;

use crate::args::{WatchArgs, folders_for};
use crate::bulk::{Bulk, Script, folder_spans, spans};
use crate::engine::{Engine, Next, Reply, Turn, Work};
use crate::latency::{Latencies, LatencySummary};
use crate::process::CpuClock;
use crate::progress::{Counter, Progress};
use crate::wire::{Operation, Target, Template};

/// Watched znodes below one parent.
const PER_PARENT: u32 = 1000;
/// Watches set on one connection without waiting.
const ARM_IN_FLIGHT: u32 = 64;

#[derive(Debug, Serialize)]
struct Report {
    watchers: u32,
    connections: u32,
    changes: u32,
    events: u64,
    /// Events divided by the time from the first write of each round to its last event.
    events_per_second: f64,
    /// From the writes of a round to each event.
    event_us: LatencySummary,
    /// From the writes of a round to its last event.
    round_us: LatencySummary,
    client_cpu_seconds: f64,
    server_cpu_seconds: Option<f64>,
}

/// Sets the watches, changes what they watch, and prints how fast the events came.
pub fn run(args: &WatchArgs) -> anyhow::Result<()> {
    let connections = args.connections.unwrap_or(args.watchers).min(args.watchers);
    ensure!(
        args.watchers.is_multiple_of(connections),
        "{} watchers cannot be spread evenly over {connections}",
        args.watchers
    );
    let nodes = args.watchers / connections;
    let folders = folders_for(nodes, PER_PARENT)?;
    let mut engine = Engine::new(&args.server, ARM_IN_FLIGHT, Instant::now())?;
    // The last connection writes.
    let writer = connections as usize;
    engine.open(writer + 1, args.within)?;
    engine.run(&mut Script::create_root(&args.server.root), args.within)?;
    let prefix = format!("{}/watched", args.server.root);
    let value = vec![b'w'; args.size];
    Bulk::create(&prefix, Target::Folder, b"", folder_spans(folders)).run(&mut engine)?;
    Bulk::create(&prefix, Target::Node, &value, spans(nodes, PER_PARENT)).run(&mut engine)?;

    let progress = Progress::start("watch", 1, args.server.quiet);
    let mut fan_out = FanOut::new(args, nodes, writer, &prefix, &value, progress.counter(0));
    engine.run(&mut fan_out, args.within)?;
    drop(progress);
    let (client_cpu_seconds, server_cpu_seconds) =
        fan_out.cpu.as_ref().map_or((0.0, None), CpuClock::elapsed);

    Bulk::delete(&prefix, Target::Node, spans(nodes, PER_PARENT)).run(&mut engine)?;
    Bulk::delete(&prefix, Target::Folder, folder_spans(folders)).run(&mut engine)?;
    engine.close(args.within)?;

    let report = Report {
        watchers: args.watchers,
        connections,
        changes: args.changes,
        events: fan_out.events.count(),
        events_per_second: (fan_out.events.count() as f64 / (fan_out.seconds_nanos as f64 / 1e9)).round(),
        event_us: fan_out.events.summary(),
        round_us: fan_out.rounds.summary(),
        client_cpu_seconds,
        server_cpu_seconds,
    };
    if args.server.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!(
            "{} watchers: {} events/s; event {}",
            args.watchers, report.events_per_second, report.event_us
        );
        println!("  round {}", report.round_us);
    }
    Ok(())
}

/// Where a round stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Watches are set; so many replies are missing.
    Arming(u64),
    /// The changes are sent; so many events are missing.
    Firing(u64),
    /// All rounds are over.
    Done,
}

struct FanOut {
    nodes: u32,
    writer: usize,
    watchers: u64,
    watch: Template,
    change: Template,
    stage: Stage,
    /// By connection: the next node to watch or, for the writer, to change.
    next_node: Vec<u32>,
    rounds_left: u32,
    rounds_measured: u32,
    /// When the round's first change was sent.
    fired_at: u64,
    events: Latencies,
    rounds: Latencies,
    seconds_nanos: u64,
    cpu: Option<CpuClock>,
    server_pids: Vec<u32>,
    seen: u64,
    counter: Counter,
}

impl FanOut {
    fn new(
        args: &WatchArgs,
        nodes: u32,
        writer: usize,
        prefix: &str,
        value: &[u8],
        counter: Counter,
    ) -> Self {
        let mut next_node = vec![0; writer + 1];
        next_node[writer] = nodes; // nothing to change until every watch is set
        Self {
            nodes,
            writer,
            watchers: u64::from(args.watchers),
            watch: Template::new(Operation::Get, prefix, Target::Node, b"", true),
            change: Template::new(Operation::Set, prefix, Target::Node, value, false),
            stage: Stage::Arming(u64::from(args.watchers)),
            next_node,
            rounds_left: args.warm_up + args.changes,
            rounds_measured: args.changes,
            fired_at: 0,
            events: Latencies::new(),
            rounds: Latencies::new(),
            seconds_nanos: 0,
            cpu: None,
            server_pids: args.server.server_pid.clone(),
            seen: 0,
            counter,
        }
    }

    fn fire(&mut self, now: u64) {
        if self.rounds_left == self.rounds_measured {
            // Warm now: what was noted so far does not count.
            self.events.clear();
            self.rounds.clear();
            self.seconds_nanos = 0;
            self.cpu = Some(CpuClock::start(&self.server_pids));
        }
        self.fired_at = now;
        self.next_node[self.writer] = 0;
        self.stage = Stage::Firing(self.watchers);
    }

    fn end_round(&mut self, now: u64) {
        self.rounds.record(now - self.fired_at);
        self.seconds_nanos += now - self.fired_at;
        self.rounds_left -= 1;
        if self.rounds_left == 0 {
            self.stage = Stage::Done;
        } else {
            self.stage = Stage::Arming(self.watchers);
            self.next_node[..self.writer].fill(0);
        }
    }
}

impl Work for FanOut {
    fn next(&mut self, connection: usize, now: u64, xid: i32, out: &mut Vec<u8>) -> Next {
        let node = self.next_node[connection];
        if node == self.nodes || self.stage == Stage::Done {
            return Next::Nothing;
        }
        self.next_node[connection] += 1;
        let template = if connection == self.writer { &self.change } else { &self.watch };
        template.write(out, xid, node / PER_PARENT, node % PER_PARENT);
        Next::Request { tag: 0, at: now }
    }

    fn on_reply(&mut self, reply: Reply) -> anyhow::Result<()> {
        ensure!(reply.error == 0, "the server answered with error {}", reply.error);
        if reply.connection != self.writer
            && let Stage::Arming(left) = &mut self.stage
        {
            *left -= 1;
        }
        Ok(())
    }

    fn on_event(&mut self, _: usize, now: u64) {
        if let Stage::Firing(left) = &mut self.stage {
            *left = left.saturating_sub(1);
            self.seen += 1;
            self.events.record(now - self.fired_at);
        }
    }

    fn on_batch(&mut self, now: u64) -> Turn {
        self.counter.set(self.seen);
        match self.stage {
            Stage::Arming(0) => self.fire(now),
            Stage::Firing(0) => self.end_round(now),
            _ => return Turn::None,
        }
        Turn::All
    }

    fn is_done(&self, _: u64) -> bool {
        self.stage == Stage::Done
    }
}
