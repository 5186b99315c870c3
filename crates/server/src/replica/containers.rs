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
    /// Found, and yet to be deleted.
    waiting: VecDeque<String>,
    next_deletion_at: Monotonic,
}

impl Containers {
    pub(super) fn new(settings: ContainerSettings, now: Monotonic) -> Self {
        let next_look_at = now + settings.interval;
        Self { settings, next_look_at, waiting: VecDeque::new(), next_deletion_at: now }
    }

    /// When [`Self::due`] has something to do.
    pub(super) fn next_at(&self) -> Monotonic {
        if self.waiting.is_empty() { self.next_look_at } else { self.next_look_at.min(self.next_deletion_at) }
    }

    /// Paths to delete now. They are judged once more when the deletion is proposed.
    pub(super) fn due(&mut self, tree: &Tree, now: Now) -> Vec<String> {
        let now_wall = now.wall;
        let now = now.monotonic;
        if now >= self.next_look_at {
            self.next_look_at = now + self.settings.interval;
            self.waiting = tree.removable(now_wall, self.settings.max_never_used).into();
            self.next_deletion_at = self.next_deletion_at.max(now);
        }
        let spacing = Duration::from_secs(60) / self.settings.max_per_minute.max(1);
        let mut due = Vec::new();
        while self.next_deletion_at <= now
            && let Some(path) = self.waiting.pop_front()
        {
            self.next_deletion_at = self.next_deletion_at + spacing;
            due.push(path);
        }
        due
    }
}
