//! How long slow things took: syncs of the log, snapshots, the recovery at start.

use std::time::Duration;

use parking_lot::Mutex;
use zoorum_server::histogram::Histogram;

/// How long slow things took, in ms. None of them happens more than once a batch.
#[derive(Debug, Default)]
pub struct Timings {
    kept: Mutex<TimingsReport>,
}

/// The same, to look at.
#[derive(Clone, Debug, Default)]
pub struct TimingsReport {
    /// Syncs of the log.
    pub fsync: Histogram,
    /// Syncs that took longer than `fsync.warningthresholdms`.
    pub slow_fsyncs: u64,
    /// Snapshots written.
    pub snapshot: Histogram,
    /// Recovery at start.
    pub recovery: Histogram,
}

impl Timings {
    /// The log was synced.
    pub fn on_synced(&self, took: Duration) {
        self.kept.lock().fsync.observe(as_ms(took));
    }

    /// It took so long that the operator was told.
    pub fn on_slow_sync(&self) {
        self.kept.lock().slow_fsyncs += 1;
    }

    /// A snapshot was written.
    pub fn on_snapshot(&self, took: Duration) {
        self.kept.lock().snapshot.observe(as_ms(took));
    }

    /// The server has recovered what it knew.
    pub fn on_recovered(&self, took: Duration) {
        self.kept.lock().recovery.observe(as_ms(took));
    }

    /// Starts counting anew.
    pub fn reset(&self) {
        *self.kept.lock() = TimingsReport::default();
    }

    /// What was observed.
    pub fn report(&self) -> TimingsReport {
        self.kept.lock().clone()
    }
}

fn as_ms(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
