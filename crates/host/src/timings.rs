//! How long slow things took: syncs of the log, snapshots, the recovery at start.

use std::time::Duration;

use parking_lot::Mutex;
use zoorum_server::histogram::Histogram;
use zoorum_server::latencies::Latencies;

/// How long slow things took, in ms. None of them happens more than once a batch.
#[derive(Debug, Default)]
pub struct Timings {
    kept: Mutex<TimingsReport>,
}

/// The same, to look at.
#[derive(Clone, Debug, Default)]
pub struct TimingsReport {
    /// Syncs of the log, in ms.
    pub fsync: Histogram,
    /// The same in buckets.
    pub fsync_latencies: Latencies,
    /// Syncs that took longer than `fsync.warningthresholdms`.
    pub slow_fsyncs: u64,
    /// Snapshots written.
    pub snapshot: Histogram,
    /// Recovery at start.
    pub recovery: Histogram,
    /// Changes that were replayed then.
    pub replayed: Histogram,
    /// States that were restored over HTTP.
    pub restore: Histogram,
    /// What the admin server was asked for in vain.
    pub refused: Refused,
}

/// Snapshots and restores that were asked for over HTTP, and not made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Refused {
    /// Snapshots that failed.
    pub snapshots_failed: u64,
    /// Snapshots that came too soon after the one before.
    pub snapshots_limited: u64,
    /// Restores that failed.
    pub restores_failed: u64,
    /// Restores that came too soon after the one before.
    pub restores_limited: u64,
}

impl Timings {
    /// The log was synced.
    pub fn on_synced(&self, took: Duration) {
        let mut kept = self.kept.lock();
        kept.fsync.observe(as_ms(took));
        kept.fsync_latencies.observe(took, 1);
    }

    /// It took so long that the operator was told.
    pub fn on_slow_sync(&self) {
        self.kept.lock().slow_fsyncs += 1;
    }

    /// A snapshot was written.
    pub fn on_snapshot(&self, took: Duration) {
        self.kept.lock().snapshot.observe(as_ms(took));
    }

    /// The server has recovered what it knew, by so many changes behind a snapshot if there was one.
    pub fn on_recovered(&self, took: Duration, changes: Option<u64>) {
        let mut kept = self.kept.lock();
        kept.recovery.observe(as_ms(took));
        changes.into_iter().for_each(|changes| kept.replayed.observe(changes));
    }

    /// Another state was restored.
    pub fn on_restored(&self, took: Duration) {
        self.kept.lock().restore.observe(as_ms(took));
    }

    /// A snapshot or restore was not made.
    pub fn on_refused(&self, count: fn(&mut Refused) -> &mut u64) {
        *count(&mut self.kept.lock().refused) += 1;
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
