//! What may be done once in a while.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Lets one through, and the next one only after a time.
pub(super) struct Limiter {
    interval: Duration,
    last: Mutex<Option<Instant>>,
}

impl Limiter {
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, last: Mutex::new(None) }
    }

    /// Whether one may go on; if so, the time begins.
    pub(super) fn admits(&self, now: Instant) -> bool {
        let mut last = self.last.lock();
        let admits = last.is_none_or(|last| now.duration_since(last) >= self.interval);
        if admits {
            *last = Some(now);
        }
        admits
    }

    /// How long one has to wait for the other.
    pub(super) fn interval(&self) -> Duration {
        self.interval
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_goes_on_in_each_interval() {
        let limiter = Limiter::new(Duration::from_secs(300));
        let start = Instant::now();
        let after = |seconds| limiter.admits(start + Duration::from_secs(seconds));
        assert_eq!([0, 1, 299, 300, 301, 700].map(after), [true, false, false, true, false, true]);
        let never_full = Limiter::new(Duration::ZERO);
        assert!(never_full.admits(start) && never_full.admits(start));
    }
}
