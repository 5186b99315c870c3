//! When a snapshot falls due.

use crate::chance::Chance;
use crate::settings::SnapshotSettings;

/// Counts what was logged since the last snapshot. The limits are drawn anew each time, between half the
/// configured number and all of it, so that the servers of an ensemble do not all write snapshots at once.
#[derive(Debug)]
pub(super) struct SnapshotSchedule {
    settings: SnapshotSettings,
    chance: Chance,
    transactions: u64,
    transactions_limit: u64,
    bytes: u64,
    bytes_limit: Option<u64>,
}

impl SnapshotSchedule {
    pub(super) fn new(settings: SnapshotSettings, chance: Chance) -> Self {
        let mut schedule =
            Self { settings, chance, transactions: 0, transactions_limit: 0, bytes: 0, bytes_limit: None };
        schedule.begin_again();
        schedule
    }

    /// One more transaction of so many bytes is in the log.
    pub(super) fn on_logged(&mut self, bytes: usize) {
        self.transactions += 1;
        self.bytes += bytes as u64;
    }

    pub(super) fn take_due(&mut self) -> bool {
        let due = self.transactions > self.transactions_limit
            || self.bytes_limit.is_some_and(|limit| self.bytes > limit);
        if due {
            self.begin_again();
        }
        due
    }

    fn begin_again(&mut self) {
        let half = u64::from(self.settings.transactions) / 2;
        self.transactions = 0;
        self.transactions_limit = half + self.chance.below(half);
        self.bytes = 0;
        self.bytes_limit = self.settings.log_bytes.map(|bytes| bytes / 2 + self.chance.below(bytes / 2));
    }
}
