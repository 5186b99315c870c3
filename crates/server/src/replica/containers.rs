//! Containers and TTL znodes that have had their time.

use std::collections::VecDeque;
use std::time::Duration;

use zoorum_tree::Tree;

use super::Now;
use crate::settings::ContainerSettings;
use crate::time::Monotonic;

/// Looks for znodes to delete at each interval, and deals them out at the permitted rate.
#[derive(Debug)]
pub(super) struct Containers {
    settings: ContainerSettings,
    next_look_at: Monotonic,
    waiting: VecDeque<String>,
    last_dealt_at: Monotonic,
}

impl Containers {
    pub(super) fn new(settings: ContainerSettings, now: Monotonic) -> Self {
        let next_look_at = now + settings.interval;
        Self { settings, next_look_at, waiting: VecDeque::new(), last_dealt_at: now }
    }

    /// Paths to delete now. They are judged once more when the deletion is proposed.
    pub(super) fn due(&mut self, tree: &Tree, now: Now) -> Vec<String> {
        if now.monotonic >= self.next_look_at {
            self.next_look_at = now.monotonic + self.settings.interval;
            self.waiting = tree.removable(now.wall, self.settings.max_never_used).into();
            if !self.waiting.is_empty() {
                self.last_dealt_at = now.monotonic;
            }
            return self.waiting.drain(..self.waiting.len().min(1)).collect();
        }
        if self.waiting.is_empty() {
            return Vec::new();
        }
        let passed = now.monotonic.since(self.last_dealt_at);
        let allowance = passed.as_micros() * u128::from(self.settings.max_per_minute)
            / Duration::from_secs(60).as_micros();
        let count = self.waiting.len().min(usize::try_from(allowance).unwrap_or(usize::MAX));
        if count > 0 {
            self.last_dealt_at = now.monotonic;
        }
        self.waiting.drain(..count).collect()
    }
}
