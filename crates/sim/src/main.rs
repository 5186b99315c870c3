//! Runs simulations: so many hours of them, these seeds, or one seed again with all that happens in it.
//!
//! ```text
//! cargo run --release -p zoorum-sim -- --hours 10              ensembles, one seed after another from 0 on
//! cargo run --release -p zoorum-sim -- --seeds 5000..6000      these seeds, on two threads with --jobs 2
//! cargo run --release -p zoorum-sim -- --seed 5017 --trace     one seed again, every line of it
//! ```
//!
//! A seed is one run everywhere and always, on one commit: what it finds, anybody can find again.

use std::ops::{ControlFlow, Range};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use clap::Parser;
use zoorum_sim::{Faults, Play, Simulation, Sum};

/// A line of progress is printed whenever so many hours more have been simulated.
const PROGRESS_HOURS: f64 = 0.25;

/// Simulated ensembles under faults, with clients that check every answer.
#[derive(Parser)]
struct Options {
    /// Simulate so many hours of ensembles
    #[arg(long, value_name = "N", conflicts_with = "seeds")]
    hours: Option<f64>,
    /// Run these seeds, the last one not included
    #[arg(long, value_name = "A..B", value_parser = range)]
    seeds: Option<Range<u64>>,
    /// Run one seed
    #[arg(long, value_name = "S", conflicts_with_all = ["hours", "seeds", "first"])]
    seed: Option<u64>,
    /// Begin with this seed
    #[arg(long, value_name = "S", default_value_t = 0)]
    first: u64,
    /// Print all that happens
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Four clients play with this recipe: lock, read-write, semaphore, latch, selector, queue, priority, counter,
    /// barrier, double-barrier, group, cache
    #[arg(long, value_name = "RECIPE", value_parser = play)]
    play: Option<Play>,
    /// Servers alone instead of ensembles
    #[arg(long)]
    alone: bool,
    /// Runs at the same time, each on one thread
    #[arg(long, value_name = "N", default_value_t = 1)]
    jobs: usize,
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let (first, end) = text.split_once("..").ok_or("seeds are given as A..B")?;
    let number = |text: &str| text.parse().map_err(|_| format!("{text:?} is no number"));
    Ok(number(first)?..number(end)?)
}

fn play(text: &str) -> Result<Play, String> {
    let name = text.replace('-', "").to_lowercase();
    let mut all = Play::ALL.into_iter();
    all.find(|play| format!("{play:?}").to_lowercase() == name).ok_or(format!("there is no recipe {text:?}"))
}

impl Options {
    fn faults(&self, seed: u64) -> Faults {
        let faults = if self.alone { Faults::of_seed(seed) } else { Faults::of_ensemble(seed) };
        match self.play {
            Some(play) => Faults { play, players: 4, ..faults },
            None => faults,
        }
    }

    /// The seeds that may be run.
    fn range(&self) -> Range<u64> {
        match (self.seed, &self.seeds) {
            (Some(seed), _) => seed..seed + 1,
            (None, Some(seeds)) => seeds.clone(),
            (None, None) => self.first..u64::MAX,
        }
    }

    /// How long is long enough.
    fn hours(&self) -> f64 {
        match (self.seed, &self.seeds) {
            (None, None) => self.hours.unwrap_or(1.0),
            _ => f64::INFINITY,
        }
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    let (range, hours) = (options.range(), options.hours());
    let next = AtomicU64::new(range.start);
    let sum = Mutex::new(Sum::default());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= range.end {
                return ControlFlow::Continue(());
            }
            let Ok(report) = catch_unwind(AssertUnwindSafe(|| run(&options, seed))) else {
                next.store(range.end, Ordering::Relaxed);
                return ControlFlow::Break(seed);
            };
            let mut sum = sum.lock().expect("no holder panics");
            let before = sum.hours();
            sum.add(&report);
            if sum.hours() >= hours {
                next.store(range.end, Ordering::Relaxed);
            } else if (sum.hours() / PROGRESS_HOURS) as u64 > (before / PROGRESS_HOURS) as u64 {
                println!("up to seed {seed}, {sum}");
            }
        }
    };
    let failed: Vec<u64> = thread::scope(|scope| {
        let jobs: Vec<_> = (0..options.jobs.max(1)).map(|_| scope.spawn(work)).collect();
        jobs.into_iter().filter_map(|job| job.join().expect("a job catches panics").break_value()).collect()
    });
    println!("{}", sum.lock().expect("no holder panics"));
    let alone = if options.alone { " --alone" } else { "" };
    for seed in &failed {
        println!(
            "seed {seed} fails. replay: cargo run --release -p zoorum-sim -- --seed {seed} --trace{alone}"
        );
    }
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(options: &Options, seed: u64) -> zoorum_sim::Report {
    let mut simulation = Simulation::new(seed, options.faults(seed));
    if options.trace {
        simulation.print_trace();
    }
    simulation.run_to_end()
}
