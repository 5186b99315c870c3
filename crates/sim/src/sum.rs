//! What many runs come to.

use std::fmt;
use std::num::NonZero;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::faults::Faults;
use crate::simulation::{Report, Simulation};

/// The sum of reports.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    /// Runs.
    pub runs: u64,
    /// Virtual time.
    pub simulated: Duration,
    commits: u64,
    answers: u64,
    claims: u64,
    processes: u64,
    terms: u64,
    cuts: u64,
    trees: u64,
    emptied: u64,
    supplies: u64,
}

impl Sum {
    /// Runs these seeds, as many at a time as there are cores.
    ///
    /// # Panics
    ///
    /// When a run fails.
    pub fn of(seeds: Range<u64>, faults: impl Fn(u64) -> Faults + Sync) -> Self {
        let (next, sum) = (AtomicU64::new(seeds.start), Mutex::new(Self::default()));
        let work = || {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.end {
                    break;
                }
                let report = Simulation::run(seed, faults(seed));
                sum.lock().expect("no holder panics").add(&report);
            }
        };
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        thread::scope(|scope| {
            (0..cores).for_each(|_| {
                scope.spawn(work);
            });
        });
        sum.into_inner().expect("no holder panics")
    }

    /// One run more.
    pub fn add(&mut self, report: &Report) {
        self.runs += 1;
        self.simulated += report.simulated;
        self.commits += report.commits;
        self.answers += report.answers;
        self.claims += report.claims;
        self.processes += report.processes;
        self.terms += report.terms;
        self.cuts += report.cuts;
        self.trees += report.trees;
        self.emptied += report.emptied;
        self.supplies += report.supplies;
    }

    /// Virtual time in hours.
    pub fn hours(&self) -> f64 {
        self.simulated.as_secs_f64() / 3600.0
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, commits, answers, claims, processes, terms, cuts, trees, emptied, supplies, .. } =
            self;
        write!(
            f,
            "{runs} seeds: {:.2} hours simulated, {commits} changes, {answers} answers, {claims} claims of recipes, \
             {processes} processes, {terms} terms of leaders, {cuts} histories cut, {trees} trees sent, \
             {emptied} servers emptied for decay, {supplies} learners supplied from files",
            self.hours(),
        )
    }
}
