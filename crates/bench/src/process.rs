//! What the generator asks of its own machine: CPU times and open files.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// User and system time that a process has used so far, in seconds; `None` if there is no such process.
pub fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the name in parentheses, and may hold spaces and parentheses itself.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_ascii_whitespace().skip(11).map(str::parse::<u64>);
    let ticks = times.next()?.ok()? + times.next()?.ok()?;
    Some(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// A clock of the CPU time of the generator and, if its process is known, of the server.
#[derive(Clone, Copy, Debug)]
pub struct CpuClock {
    server_pid: Option<u32>,
    client: f64,
    server: Option<f64>,
}

impl CpuClock {
    /// Starts counting.
    pub fn start(server_pid: Option<u32>) -> Self {
        Self {
            server_pid,
            client: cpu_seconds(std::process::id()).unwrap_or(0.0),
            server: server_pid.and_then(cpu_seconds),
        }
    }

    /// Seconds used since the start, by the generator and by the server.
    pub fn elapsed(self) -> (f64, Option<f64>) {
        let now = Self::start(self.server_pid);
        let server = now.server.zip(self.server).map(|(now, start)| round(now - start));
        (round(now.client - self.client), server)
    }
}

/// Lets this process open as many files as its hard limit allows: each session is one.
pub fn raise_open_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    // Refusal shows soon enough, as a socket that cannot be made.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

fn round(seconds: f64) -> f64 {
    (seconds * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_its_cpu_time_and_a_missing_one_has_none() {
        assert!(cpu_seconds(std::process::id()).is_some());
        assert_eq!(cpu_seconds(u32::MAX), None);
    }
}
