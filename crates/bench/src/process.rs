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

/// A clock of the CPU time of the generator and, if their processes are known, of the servers.
#[derive(Clone, Debug)]
pub struct CpuClock {
    server_pids: Vec<u32>,
    client: f64,
    server: Option<f64>,
}

impl CpuClock {
    /// Starts counting.
    pub fn start(server_pids: &[u32]) -> Self {
        let servers: Option<Vec<f64>> = server_pids.iter().map(|pid| cpu_seconds(*pid)).collect();
        Self {
            server_pids: server_pids.to_vec(),
            client: cpu_seconds(std::process::id()).unwrap_or(0.0),
            server: servers.filter(|servers| !servers.is_empty()).map(|servers| servers.iter().sum()),
        }
    }

    /// Seconds used since the start, by the generator and by the servers.
    pub fn elapsed(&self) -> (f64, Option<f64>) {
        let now = Self::start(&self.server_pids);
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
