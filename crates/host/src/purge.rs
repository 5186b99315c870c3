//! Removal of old snapshots and logs: at intervals while a server runs, and by command.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;
use std::{fs, io, thread};

use zoorum_config::Purge;
use zoorum_storage::{Disk as _, PurgeError, Purged, purge};

use crate::disk::RealDisk;
use crate::logging::dates::medium_date;

/// The directory of all files in today's format.
const VERSION: &str = "version-2";

/// Fewer snapshots than these are never kept.
const KEEP_MIN: usize = 3;

const USAGE: &str = "Usage:
PurgeTxnLog dataLogDir [snapDir] -n count
\tdataLogDir -- path to the txn log directory
\tsnapDir -- path to the snapshot directory
\tcount -- the number of old snaps/logs you want to keep, value should be greater than or equal to 3";

/// Purges now and at each interval, until the process ends; never, if no interval is configured.
pub fn spawn(config: &Purge, snapshots: RealDisk, logs: RealDisk) -> io::Result<()> {
    let keep = config.snap_retain_count as usize;
    let Some(interval) = config.interval else { return Ok(()) };
    tracing::info!("autopurge.snapRetainCount set to {keep}");
    tracing::info!("autopurge.purgeInterval set to {}", interval.as_secs() / 3600);
    let run = move || {
        loop {
            tracing::info!("Purge task started.");
            match purge_dated(&snapshots, &logs, keep) {
                Ok(purged) => purged.log(),
                Err(error) => tracing::error!("Error occurred while purging: {error}"),
            }
            tracing::info!("Purge task completed.");
            thread::sleep(interval);
        }
    };
    thread::Builder::new().name("purge".to_owned()).spawn(run).map(drop)
}

/// Purges as `dataLogDir [snapDir] -n count` ask for, and says on the standard streams what was done.
pub fn purge_command(arguments: &[String]) -> ExitCode {
    let order = match Order::parse(arguments) {
        Ok(order) => order,
        Err(complaint) => {
            if let Some(complaint) = complaint {
                eprintln!("{complaint}");
            }
            println!("{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    match order.carry_out() {
        Ok(purged) => {
            purged.lines().for_each(|line| println!("{line}"));
            purged.complaints().for_each(|line| eprintln!("{line}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// What the command is to do.
#[derive(Debug, PartialEq, Eq)]
struct Order {
    log_dir: PathBuf,
    snapshot_dir: PathBuf,
    keep: usize,
}

impl Order {
    /// An error is what to complain about, if there is more to say than the usage.
    fn parse(arguments: &[String]) -> Result<Self, Option<String>> {
        let (log_dir, snapshot_dir, option, count) = match arguments {
            [log_dir, option, count] => (log_dir, log_dir, option, count),
            [log_dir, snapshot_dir, option, count] => (log_dir, snapshot_dir, option, count),
            _ => return Err(None),
        };
        let (log_dir, snapshot_dir) = (existing(log_dir)?, existing(snapshot_dir)?);
        let keep: i32 =
            count.parse().map_err(|_| Some(format!("'{count}' can not be parsed to integer.")))?;
        let keep = usize::try_from(keep).ok().filter(|keep| *keep >= KEEP_MIN);
        let keep = keep.ok_or_else(|| Some(PurgeError::KeepsTooFew { keep: 0 }.to_string()))?;
        if option != "-n" {
            return Err(None);
        }
        Ok(Self { log_dir, snapshot_dir, keep })
    }

    /// A directory that was never used has nothing to remove.
    fn carry_out(&self) -> Result<Dated, PurgeError> {
        let open = |parent: &Path| match RealDisk::open(&parent.join(VERSION)) {
            Ok(disk) => Ok(Some(disk)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(PurgeError::Io { directory: parent.join(VERSION), source: error.into() }),
        };
        match (open(&self.snapshot_dir)?, open(&self.log_dir)?) {
            (Some(snapshots), Some(logs)) => purge_dated(&snapshots, &logs, self.keep),
            _ => Ok(Dated::default()),
        }
    }
}

fn existing(path: &str) -> Result<PathBuf, Option<String>> {
    let path = PathBuf::from(path);
    if path.exists() {
        return Ok(path);
    }
    let whole = std::path::absolute(&path).unwrap_or(path);
    Err(Some(format!("Path '{}' does not exist. ", whole.display())))
}

/// What was removed, with the time at which it was last written.
#[derive(Debug, Default)]
struct Dated {
    purged: Purged,
    written_at: HashMap<PathBuf, SystemTime>,
}

impl Dated {
    fn lines(&self) -> impl Iterator<Item = String> {
        self.purged.removed.iter().map(|path| {
            let date = self.written_at.get(path).map_or_else(String::new, |at| medium_date(*at));
            format!("Removing file: {date}\t{}", path.display())
        })
    }

    fn complaints(&self) -> impl Iterator<Item = String> {
        self.purged.failed.iter().map(|(path, error)| format!("Failed to remove {}: {error}", path.display()))
    }

    fn log(&self) {
        self.lines().for_each(|line| tracing::info!("{line}"));
        self.complaints().for_each(|line| tracing::error!("{line}"));
    }
}

fn purge_dated(snapshots: &RealDisk, logs: &RealDisk, keep: usize) -> Result<Dated, PurgeError> {
    let mut written_at = HashMap::new();
    for disk in [snapshots, logs] {
        written_at.extend(dates(&disk.path("")));
    }
    let purged = purge(snapshots, logs, keep, &mut |_| false)?;
    Ok(Dated { purged, written_at })
}

/// When each file of a directory was last written.
fn dates(directory: &Path) -> HashMap<PathBuf, SystemTime> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let dated = |entry: fs::DirEntry| Some((entry.path(), entry.metadata().ok()?.modified().ok()?));
    entries.filter_map(dated).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(directory: &Path, line: &str) -> Result<Order, Option<String>> {
        let arguments: Vec<_> = line
            .split_whitespace()
            .map(|word| word.replace("DIR", &directory.display().to_string()))
            .collect();
        Order::parse(&arguments)
    }

    #[test]
    fn arguments_are_judged_as_by_the_original() {
        let directory = tempfile::tempdir().expect("a directory");
        let dir = directory.path();
        let missing = format!("Path '{}/none' does not exist. ", dir.display());
        let few = "count should be greater than or equal to 3";
        let rows = [
            ("", Err(None)),
            ("DIR", Err(None)),
            ("DIR -n x", Err(Some("'x' can not be parsed to integer."))),
            ("DIR -n 2", Err(Some(few))),
            ("DIR -n -3", Err(Some(few))),
            ("DIR/none -n 3", Err(Some(missing.as_str()))),
            ("DIR DIR/none -n 3", Err(Some(&missing))),
            ("DIR DIR -m 3", Err(None)),
            ("DIR -n 3 4 5", Err(None)),
            ("DIR -n 3", Ok(3)),
            ("DIR DIR -n 10", Ok(10)),
        ];
        for (line, expected) in rows {
            let parsed = parse(dir, line).map(|order| order.keep);
            assert_eq!(parsed, expected.map_err(|text| text.map(str::to_owned)), "{line}");
        }
    }

    #[test]
    fn a_directory_that_was_never_used_has_nothing_to_remove() {
        let directory = tempfile::tempdir().expect("a directory");
        let order = parse(directory.path(), "DIR -n 3").expect("an order");
        assert!(order.carry_out().expect("nothing to do").purged.removed.is_empty());
    }

    #[test]
    fn what_was_removed_is_told_with_the_time_of_its_last_change() {
        let (gone, stuck) = (PathBuf::from("data/version-2/log.1"), PathBuf::from("data/version-2/log.2"));
        let written_at = SystemTime::UNIX_EPOCH;
        let denied = std::sync::Arc::new(io::Error::from(io::ErrorKind::PermissionDenied));
        let dated = Dated {
            purged: Purged { removed: vec![gone.clone()], failed: vec![(stuck, denied)] },
            written_at: HashMap::from([(gone, written_at)]),
        };
        let line = format!("Removing file: {}\tdata/version-2/log.1", medium_date(written_at));
        assert_eq!(dated.lines().collect::<Vec<_>>(), [line]);
        let complaint = dated.complaints().collect::<String>();
        assert_eq!(complaint, "Failed to remove data/version-2/log.2: permission denied");
    }
}
