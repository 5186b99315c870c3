//! What happened: a hash of all of it, and the last lines in words.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

/// So many lines are kept for a failure's report.
const KEPT: usize = 200;

/// The run, line by line. Equal seeds give equal hashes.
#[derive(Debug)]
pub(crate) struct Trace {
    lines: VecDeque<String>,
    hash: u64,
    count: u64,
    /// All of it is printed as it happens.
    pub(crate) is_loud: bool,
}

impl Trace {
    pub(crate) fn new() -> Self {
        Self { lines: VecDeque::new(), hash: 0, count: 0, is_loud: false }
    }

    pub(crate) fn note(&mut self, now: Duration, what: fmt::Arguments<'_>) {
        let line = format!("{:>12.6} {what}", now.as_secs_f64());
        for &byte in line.as_bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3); // FNV-1a
        }
        if self.is_loud {
            println!("{line}");
        }
        if self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
        self.count += 1;
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash ^ self.count
    }

    pub(crate) fn tail(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }
}
