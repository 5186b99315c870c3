//! How long the disk takes to keep something: every write waits for that.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use zoorum_config::ServerConfig;

use super::finding::{Area, Report};
use super::holder::Holder;
use super::probe;

/// Syncs that are timed.
const SYNCS: u32 = 20;
/// Bytes that each has to keep.
const BYTES: usize = 4096;
/// What is slow for the ordinary sync.
const SLOW: Duration = Duration::from_millis(50);

const REMEDY: &str =
    "give dataLogDir a disk of its own, with a cache that survives a power cut, and nobody else's load";

/// Times the disk, or asks the server that uses it how long its syncs take.
pub(super) fn check(config: &ServerConfig, holder: Option<&Holder>, report: &mut Report) {
    if !config.storage.force_sync {
        return report.add(Area::Files).ok("forceSync=no: nothing waits for the disk");
    }
    if holder.is_some() {
        return of_server(config, report);
    }
    let log_dir = &config.storage.data_log_dir;
    let directory = [log_dir.join("version-2"), log_dir.clone()].into_iter().find(|path| path.is_dir());
    let Some(directory) = directory else { return };
    match time(&directory) {
        Ok((usual, slowest)) => {
            let found = format!(
                "{}: a sync of the log takes {:.1} ms, the slowest of {SYNCS} took {:.1}",
                log_dir.display(),
                usual.as_secs_f64() * 1e3,
                slowest.as_secs_f64() * 1e3
            );
            if usual >= SLOW || slowest >= config.storage.fsync_warning_threshold {
                report.add(Area::Files).in_file(log_dir).warning(found, REMEDY);
            } else {
                report.add(Area::Files).in_file(log_dir).ok(found);
            }
        }
        Err(error) => {
            let found = format!("{}: cannot write there to time the disk: {error}", directory.display());
            report
                .add(Area::Files)
                .in_file(directory)
                .warning(found, "check as the user who runs the server");
        }
    }
}

/// The middle one and the longest of some syncs. Nothing stays behind: the file never has a name.
fn time(directory: &Path) -> io::Result<(Duration, Duration)> {
    let file: File = tempfile::tempfile_in(directory)?;
    (&file).write_all(&vec![0; BYTES * (SYNCS as usize + 1)])?;
    file.sync_all()?;
    let mut lengths = Vec::new();
    for at in 0..SYNCS {
        file.write_all_at(&[1; BYTES], u64::from(at) * BYTES as u64)?;
        let begun = Instant::now();
        file.sync_data()?;
        lengths.push(begun.elapsed());
    }
    lengths.sort();
    Ok((lengths[lengths.len() / 2], lengths[lengths.len() - 1]))
}

/// What the server says, if it may.
fn of_server(config: &ServerConfig, report: &mut Report) {
    let answer = probe::own_address(config).and_then(|address| probe::ask(&address, "mntr").ok());
    // Without the whitelist's leave the answer is a sentence.
    let Some(answer) = answer.filter(|answer| answer.lines().any(|line| line.starts_with("zk_"))) else {
        return report.add(Area::Files).ok(
            "the disk's speed: not measured beside a server that runs, and it does not tell (4lw.commands.whitelist \
             lacks mntr)",
        );
    };
    match average(&answer) {
        Some(millis) => {
            let found = format!("the server's syncs of the log take {millis:.1} ms on average");
            if millis >= SLOW.as_secs_f64() * 1e3 {
                report.add(Area::Files).warning(found, REMEDY);
            } else {
                report.add(Area::Files).ok(found);
            }
        }
        None => report.add(Area::Files).ok("the disk's speed: the server has not synced its log yet"),
    }
}

/// How long syncs take on average, in milliseconds: told as such, or by the sum and the number that `mntr` has with
/// Prometheus. `None` if there was no sync.
fn average(mntr: &str) -> Option<f64> {
    let value = |name: &str| {
        let mut lines = mntr.lines().filter_map(|line| line.split_once(char::is_whitespace));
        lines.find_map(|(key, value)| (key == name).then(|| value.trim().parse::<f64>().ok()))?
    };
    value("zk_avg_fsynctime").or_else(|| {
        let (sum, count) = (value("zk_fsynctime_sum")?, value("zk_fsynctime_count")?);
        (count > 0.0).then(|| sum / count)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timing_leaves_nothing_behind() {
        let directory = tempfile::tempdir().expect("a directory");
        let (usual, slowest) = time(directory.path()).expect("timed");
        assert!(usual <= slowest);
        assert_eq!(std::fs::read_dir(directory.path()).expect("list").count(), 0);
    }

    #[test]
    fn the_servers_average_is_told_or_worked_out() {
        let rows = [
            ("zk_version\t3.9.5\nzk_avg_fsynctime\t5.5\nzk_max_fsynctime\t8\n", Some(5.5)),
            (
                "zk_fsynctime{quantile=\"0.5\"}\t2.0\nzk_fsynctime_count\t2.0\nzk_fsynctime_sum\t21.0\n",
                Some(10.5),
            ),
            ("zk_fsynctime_count\t0.0\nzk_fsynctime_sum\t0.0\n", None),
            ("zk_version\t3.9.5\n", None),
        ];
        for (mntr, expected) in rows {
            assert_eq!(average(mntr), expected, "{mntr}");
        }
    }
}
