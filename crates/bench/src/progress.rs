//! A line on standard error each second, so that a long run shows that it lives.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The count of one thread.
#[derive(Clone, Debug)]
pub struct Counter {
    counts: Arc<[AtomicU64]>,
    index: usize,
}

impl Counter {
    /// Says how many operations the thread has done.
    #[inline]
    pub fn set(&self, count: u64) {
        self.counts[self.index].store(count, Ordering::Relaxed);
    }
}

/// Prints the sum of the counts each second, until dropped.
#[derive(Debug)]
pub struct Progress {
    counts: Arc<[AtomicU64]>,
    printer: Option<(mpsc::Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Starts printing, unless `quiet`.
    pub fn start(label: &'static str, threads: usize, quiet: bool) -> Self {
        let counts: Arc<[AtomicU64]> = (0..threads).map(|_| AtomicU64::new(0)).collect();
        let printer = (!quiet).then(|| {
            let (stop, stopped) = mpsc::channel();
            let counts = Arc::clone(&counts);
            (stop, thread::spawn(move || print_until(label, &counts, &stopped)))
        });
        Self { counts, printer }
    }

    /// The counter of one thread.
    pub fn counter(&self, index: usize) -> Counter {
        Counter { counts: Arc::clone(&self.counts), index }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((stop, printer)) = self.printer.take() {
            drop(stop);
            let _ = printer.join();
        }
    }
}

fn print_until(label: &str, counts: &[AtomicU64], stopped: &mpsc::Receiver<()>) {
    let start = Instant::now();
    let mut before = 0;
    while stopped.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
        let count: u64 = counts.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        let seconds = start.elapsed().as_secs();
        eprintln!(
            "{label}: {seconds} s, {count} operations, {} in the last second",
            count.saturating_sub(before)
        );
        before = count;
    }
}
