//! Loads: operations chosen at random, as many as will go or as many as are wanted each second.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde::Serialize;

use crate::args::{LoadArgs, folders_for};
use crate::bulk::{Bulk, Script, Span, folder_spans, spans};
use crate::engine::Engine;
use crate::latency::{Latencies, LatencySummary, Series, Slice};
use crate::progress::Progress;
use crate::wire::{Operation, Target};

mod work;

use work::{Load, Made, Outcome};

/// Sessions stand within this time, and a run ends within this time of its due end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Operations and how often each is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mix(Vec<(Operation, u32)>);

impl Mix {
    fn has(&self, operation: Operation) -> bool {
        self.0.iter().any(|&(other, _)| other == operation)
    }
}

impl From<Operation> for Mix {
    fn from(operation: Operation) -> Self {
        Self(vec![(operation, 1)])
    }
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let part = |part: &str| {
            let (name, weight) =
                part.split_once('=').ok_or_else(|| format!("{part:?} is not like get=90"))?;
            let operation = Operation::ALL.into_iter().find(|operation| operation.name() == name);
            let weight = weight.parse::<u16>().map_err(|error| format!("{part:?}: {error}"))?;
            Ok((operation.ok_or_else(|| format!("there is no operation {name:?}"))?, u32::from(weight)))
        };
        let parts: Vec<_> = text.split(',').map(part).collect::<Result<_, String>>()?;
        let is_empty = parts.iter().all(|&(_, weight)| weight == 0);
        if is_empty { Err("every weight is zero".to_owned()) } else { Ok(Self(parts)) }
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [(operation, _)] = self.0[..] {
            return f.write_str(operation.name());
        }
        let parts: Vec<String> =
            self.0.iter().map(|(operation, weight)| format!("{}={weight}", operation.name())).collect();
        f.write_str(&parts.join(","))
    }
}

/// Everything that the threads of a run share.
struct Plan<'a> {
    mix: Mix,
    args: &'a LoadArgs,
    value: Vec<u8>,
    /// Znodes that each connection may delete, made beforehand.
    made_each: u32,
    /// Prefix of the folders that are read and overwritten.
    keys_prefix: String,
    /// Prefix of the folders, one for each connection, in which znodes come and go.
    own_prefix: String,
}

impl<'a> Plan<'a> {
    fn new(mix: Mix, args: &'a LoadArgs) -> anyhow::Result<Self> {
        folders_for(args.keys, args.per_parent)?;
        let run = std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_millis());
        let only_deletes = mix.has(Operation::Delete) && !mix.has(Operation::Create);
        Ok(Self {
            made_each: if only_deletes { args.keys.div_ceil(args.connections) } else { 0 },
            mix,
            args,
            value: vec![b'z'; args.size],
            keys_prefix: format!("{}/p", args.server.root),
            // Another run's leftovers must not be in the way.
            own_prefix: format!("{}/w{run:x}-", args.server.root),
        })
    }

    /// Deletes of what was made beforehand are soon over, and count from the first.
    fn warm_up(&self) -> Duration {
        if self.made_each > 0 { Duration::ZERO } else { self.args.warm_up }
    }

    fn needs_keys(&self) -> bool {
        [Operation::Get, Operation::Set, Operation::Exists, Operation::Children]
            .into_iter()
            .any(|op| self.mix.has(op))
    }

    fn needs_own(&self) -> bool {
        self.mix.has(Operation::Create) || self.mix.has(Operation::Delete)
    }

    fn prepare(&self, engine: &mut Engine) -> anyhow::Result<()> {
        engine.run(&mut Script::create_root(&self.args.server.root), PATIENCE)?;
        if self.needs_keys() && !self.args.prepared {
            create_tree(engine, &self.keys_prefix, self.args.keys, self.args.per_parent, &self.value)?;
        }
        if self.needs_own() {
            let folders = folder_spans(self.args.connections);
            Bulk::create(&self.own_prefix, Target::Folder, b"", folders).run(engine)?;
            let own =
                (0..self.args.connections).map(|folder| Span { folder, nodes: 0..self.made_each }).collect();
            Bulk::create(&self.own_prefix, Target::Node, &self.value, own).run(engine)?;
        }
        Ok(())
    }

    fn clear_up(&self, engine: &mut Engine, made: &[Made]) -> anyhow::Result<()> {
        if self.args.keep {
            return Ok(());
        }
        if self.needs_own() {
            let own = made
                .iter()
                .map(|made| Span { folder: made.folder, nodes: made.deleted..made.sent })
                .collect();
            Bulk::delete(&self.own_prefix, Target::Node, own).run(engine)?;
            Bulk::delete(&self.own_prefix, Target::Folder, folder_spans(self.args.connections))
                .run(engine)?;
        }
        if self.needs_keys() && !self.args.prepared {
            let folders = self.args.keys.div_ceil(self.args.per_parent);
            Bulk::delete(&self.keys_prefix, Target::Node, spans(self.args.keys, self.args.per_parent))
                .run(engine)?;
            Bulk::delete(&self.keys_prefix, Target::Folder, folder_spans(folders)).run(engine)?;
        }
        Ok(())
    }
}

/// Creates `count` znodes and the folders that hold them.
fn create_tree(
    engine: &mut Engine,
    prefix: &str,
    count: u32,
    per_parent: u32,
    value: &[u8],
) -> anyhow::Result<()> {
    Bulk::create(prefix, Target::Folder, b"", folder_spans(count.div_ceil(per_parent))).run(engine)?;
    Bulk::create(prefix, Target::Node, value, spans(count, per_parent)).run(engine)
}

/// Runs a load and prints what came of it.
pub fn run(mix: Mix, args: &LoadArgs) -> anyhow::Result<()> {
    let plan = Plan::new(mix, args)?;
    let epoch = Instant::now();
    with_helper(args, |helper| plan.prepare(helper)).context("preparing the znodes")?;

    let outcome = measure(&plan, epoch)?;
    let report = Report::new(&plan, &outcome);
    report.print(args.server.json)?;

    if !args.keep {
        with_helper(args, |helper| plan.clear_up(helper, &outcome.made)).context("clearing up")?;
    }
    ensure!(report.errors.is_empty(), "the server answered with errors (code: count): {:?}", report.errors);
    Ok(())
}

/// Before and after a load, a few connections with deep pipelines do what there is to do.
fn with_helper(args: &LoadArgs, task: impl FnOnce(&mut Engine) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut helper = Engine::new(&args.server, 64, Instant::now())?;
    helper.open(4, PATIENCE)?;
    task(&mut helper)?;
    helper.close(PATIENCE)?;
    Ok(())
}

/// Opens the connections, in as many threads as wanted, and lets them run.
fn measure(plan: &Plan<'_>, epoch: Instant) -> anyhow::Result<Outcome> {
    let args = plan.args;
    let threads = args.threads.min(args.connections);
    let mut engines = Vec::new();
    for thread in 0..threads {
        let mut engine = Engine::new(&args.server, args.in_flight, epoch)?;
        let first = args.connections * thread / threads;
        let end = args.connections * (thread + 1) / threads;
        engine.open((end - first) as usize, PATIENCE)?;
        engine.outlive_servers(args.outlive);
        engines.push((engine, first..end));
    }
    let progress = Progress::start("load", engines.len(), args.server.quiet);
    let starts = Instant::now() - epoch;
    let counting = engines.into_iter().enumerate().map(|(thread, (mut engine, connections))| {
        let mut load = Load::new(plan, connections.clone(), starts, progress.counter(thread));
        move || -> anyhow::Result<Outcome> {
            engine.run(&mut load, plan.warm_up() + args.duration + PATIENCE)?;
            let outcome = Outcome { lost: engine.lost(), ..load.into_outcome() };
            engine.close(PATIENCE)?;
            Ok(outcome)
        }
    });
    let mut total = Outcome::new(plan);
    thread::scope(|scope| {
        let running: Vec<_> = counting.map(|run| scope.spawn(run)).collect();
        for thread in running {
            total.add(thread.join().expect("a thread of the generator died")?);
        }
        anyhow::Ok(())
    })?;
    Ok(total)
}

/// The result of a load.
#[derive(Debug, Serialize)]
struct Report {
    load: String,
    connections: u32,
    in_flight: u32,
    size: usize,
    keys: u32,
    threads: u32,
    rate: Option<u32>,
    seconds: f64,
    /// Wall clock time at which measuring began, in seconds since 1970.
    began_at: f64,
    operations: u64,
    per_second: f64,
    latency_us: LatencySummary,
    by_operation: BTreeMap<&'static str, OperationReport>,
    errors: BTreeMap<i32, u64>,
    lost: u64,
    client_cpu_seconds: f64,
    server_cpu_seconds: Option<f64>,
    server_cpu_us_per_operation: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    series: Option<Vec<Slice>>,
}

#[derive(Debug, Serialize)]
struct OperationReport {
    operations: u64,
    latency_us: LatencySummary,
}

impl Report {
    fn new(plan: &Plan<'_>, outcome: &Outcome) -> Self {
        let args = plan.args;
        let mut all = Latencies::new();
        outcome.latencies.iter().for_each(|latencies| all.add(latencies));
        let by_operation =
            Operation::ALL.into_iter().zip(&outcome.latencies).filter(|(_, latencies)| latencies.count() > 0);
        let part = |latencies: &Latencies| OperationReport {
            operations: latencies.count(),
            latency_us: latencies.summary(),
        };
        let seconds = outcome.seconds;
        let (client_cpu_seconds, server_cpu_seconds) = outcome.cpu;
        Self {
            load: plan.mix.to_string(),
            connections: args.connections,
            in_flight: args.in_flight,
            size: args.size,
            keys: args.keys,
            threads: args.threads,
            rate: args.rate,
            seconds: (seconds * 1000.0).round() / 1000.0,
            began_at: outcome.began_at,
            operations: all.count(),
            per_second: (all.count() as f64 / seconds * 10.0).round() / 10.0,
            latency_us: all.summary(),
            by_operation: by_operation
                .map(|(operation, latencies)| (operation.name(), part(latencies)))
                .collect(),
            errors: outcome.errors.clone(),
            lost: outcome.lost,
            client_cpu_seconds,
            server_cpu_seconds,
            server_cpu_us_per_operation: server_cpu_seconds
                .filter(|_| all.count() > 0)
                .map(|cpu| (cpu * 1e8 / all.count() as f64).round() / 100.0),
            series: outcome.series.as_ref().map(Series::summary),
        }
    }

    fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            println!("{}", serde_json::to_string(self)?);
            return Ok(());
        }
        let Self { load, connections, in_flight, per_second, latency_us, .. } = self;
        println!(
            "{load}, {connections} connections × {in_flight} in flight: {per_second:.0}/s; {latency_us}"
        );
        if self.by_operation.len() > 1 {
            for (name, part) in &self.by_operation {
                println!("  {name}: {} operations; {}", part.operations, part.latency_us);
            }
        }
        for slice in self.series.iter().flatten() {
            println!("  {slice}");
        }
        let server =
            self.server_cpu_us_per_operation.map_or(String::new(), |cpu| format!(", server {cpu} µs each"));
        println!("  CPU: generator {} s{server}; errors: {:?}", self.client_cpu_seconds, self.errors);
        if self.lost > 0 {
            println!("  {} requests were lost with their servers", self.lost);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_reads_as_it_prints() {
        for text in ["get=90,set=10", "create=1,delete=1"] {
            assert_eq!(text.parse::<Mix>().unwrap().to_string(), text);
        }
        for text in ["", "get", "get=x", "fetch=1", "get=0,set=0", "get=1,"] {
            assert!(text.parse::<Mix>().is_err(), "{text:?}");
        }
    }
}
