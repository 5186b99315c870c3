//! What the system knows of this process.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

/// File descriptors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenFiles {
    pub(crate) open: u64,
    /// So many may be open.
    pub(crate) limit: u64,
}

impl OpenFiles {
    pub(crate) fn now() -> Self {
        let open = fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64);
        // The listing itself takes one.
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        Self { open: open.saturating_sub(1), limit }
    }
}

/// What the process has used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) cpu_seconds: f64,
    /// In seconds since 1970.
    pub(crate) started_at: f64,
    pub(crate) virtual_bytes: u64,
    pub(crate) resident_bytes: u64,
    pub(crate) threads: u64,
    /// Pages that had to be read from a disk.
    pub(crate) major_faults: u64,
}

impl Usage {
    /// What `/proc` tells; zeros where there is none.
    pub(crate) fn now() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let uptime = fs::read_to_string("/proc/uptime").unwrap_or_default();
        let since_boot = uptime.split(' ').next().and_then(|seconds| seconds.parse().ok()).unwrap_or(0.0);
        let booted = SystemTime::now() - Duration::from_secs_f64(since_boot);
        let booted_at = booted.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let (ticks, page_size) = (rustix::param::clock_ticks_per_second(), rustix::param::page_size() as u64);
        // The system's line counts in hundredths of a second only.
        let used = clock_gettime(ClockId::ProcessCPUTime);
        let cpu_seconds = used.tv_sec as f64 + used.tv_nsec as f64 / 1e9;
        Self::of_stat(&stat, cpu_seconds, booted_at, ticks, page_size)
    }

    fn of_stat(stat: &str, cpu_seconds: f64, booted_at: f64, ticks_per_second: u64, page_size: u64) -> Self {
        // The name of the program, in parentheses, may have blanks in it. The state follows, field 3 of proc(5).
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split_whitespace().collect();
        let field =
            |number: usize| fields.get(number - 3).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        let seconds = |ticks: u64| ticks as f64 / ticks_per_second as f64;
        Self {
            cpu_seconds,
            started_at: booted_at + seconds(field(22)),
            virtual_bytes: field(23),
            resident_bytes: field(24) * page_size,
            threads: field(20),
            major_faults: field(12),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_system_is_taken_apart() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194560 500 0 3 0 250 50 0 0 20 0 9 0 1000 4096000 25 0";
        let usage = Usage::of_stat(stat, 3.0, 1_000.0, 100, 4096);
        assert_eq!((usage.cpu_seconds, usage.started_at), (3.0, 1_010.0));
        assert_eq!((usage.virtual_bytes, usage.resident_bytes), (4_096_000, 102_400));
        assert_eq!((usage.threads, usage.major_faults), (9, 3));
    }
}
