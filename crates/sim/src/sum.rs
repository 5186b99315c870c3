//! What many runs come to.

use std::fmt;
use std::time::Duration;

use crate::simulation::Report;

/// The sum of reports.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    /// Runs.
    pub runs: u64,
    /// Virtual time.
    pub simulated: Duration,
    commits: u64,
    answers: u64,
    processes: u64,
    repairs: u64,
    terms: u64,
    cuts: u64,
    trees: u64,
    emptied: u64,
    supplies: u64,
}

impl Sum {
    /// One run more.
    pub fn add(&mut self, report: &Report) {
        self.runs += 1;
        self.simulated += report.simulated;
        self.commits += report.commits;
        self.answers += report.answers;
        self.processes += report.processes;
        self.repairs += report.repairs;
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
        let Self {
            runs, commits, answers, processes, repairs, terms, cuts, trees, emptied, supplies, ..
        } = self;
        write!(
            f,
            "{runs} seeds: {:.2} hours simulated, {commits} changes, {answers} answers, {processes} processes, \
             {repairs} repairs, {terms} terms of leaders, {cuts} histories cut, {trees} trees sent, \
             {emptied} servers emptied for decay, {supplies} learners supplied from files",
            self.hours(),
        )
    }
}
