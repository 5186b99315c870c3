//! The two clocks: the only place that reads them on the way of a request.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use zoorum_proto::WallClock;
use zoorum_server::replica::Now;
use zoorum_server::time::Monotonic;

/// Reads the time. Copies agree about the moment that monotonic time counts from.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// Monotonic time counts from now.
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// What timeouts are measured by.
    pub fn monotonic(self) -> Monotonic {
        Monotonic(self.started.elapsed())
    }

    /// What znodes are stamped with: milliseconds since 1970, and 0 for a clock set before it.
    pub fn wall(self) -> WallClock {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        WallClock(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
    }

    /// Both.
    pub fn now(self) -> Now {
        Now { monotonic: self.monotonic(), wall: self.wall() }
    }
}
