//! A report on every file, read and changed by nobody.
//!
//! For operators: before a directory is handed from one server to another, after a crash, or because a disk is
//! not trusted. Each file is judged by itself; whether they belong together, only a recovery tells.

use std::io;

use zoorum_proto::{Decode, Txn, Zxid};

use crate::disk::Disk;
use crate::log::scan::{Damage, End, LogScanner, ScanError, Step};
use crate::log::zxid_of;
use crate::name::{self, LogFile, SnapshotFile};
use crate::snapshot::{SnapshotReadError, SnapshotSummary, verify};

/// What there is.
#[derive(Clone, Debug)]
pub struct Report {
    /// Snapshots, newest first.
    pub snapshots: Vec<SnapshotReport>,
    /// Logs, oldest first.
    pub logs: Vec<LogReport>,
}

/// One snapshot.
#[derive(Clone, Debug)]
pub struct SnapshotReport {
    /// The file.
    pub file: SnapshotFile,
    /// What is in it, or what is wrong with it.
    pub result: Result<SnapshotSummary, SnapshotReadError>,
}

/// One log.
#[derive(Clone, Debug)]
pub struct LogReport {
    /// The file.
    pub file: LogFile,
    /// What is in it; `None` is nothing at all, not even a header.
    pub result: Result<Option<LogSummary>, ScanError>,
}

/// What is in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSummary {
    /// The first change in it.
    pub zxid_first: Option<Zxid>,
    /// The last one.
    pub zxid_last: Option<Zxid>,
    /// Sound records.
    pub records: u64,
    /// Offsets of records with a wrong checksum that more follows.
    pub bad: Vec<(u64, Damage)>,
    /// Offsets of records that are sound, but no transaction that this release knows.
    pub undecodable: Vec<u64>,
    /// Offsets of records that do not come next after the one before.
    pub gaps: Vec<u64>,
    /// How it ends.
    pub end: End,
}

impl LogSummary {
    /// Whether ZooKeeper and Zoorum would both read it to its end, and a crash left nothing behind.
    pub fn is_sound(&self) -> bool {
        self.bad.is_empty()
            && self.undecodable.is_empty()
            && self.gaps.is_empty()
            && matches!(self.end, End::Clean { .. })
    }
}

/// Reads everything.
///
/// # Errors
///
/// If a directory cannot be listed. What is wrong with a file is in the report.
pub fn check<D: Disk>(snapshots: &D, logs: &D) -> io::Result<Report> {
    let snapshot_files = name::snapshots(&snapshots.list()?);
    let log_files = name::logs(&logs.list()?);
    let newest = log_files.last().map(|file| file.zxid);
    Ok(Report {
        snapshots: snapshot_files
            .into_iter()
            .map(|file| SnapshotReport { result: verify(snapshots, &file), file })
            .collect(),
        logs: log_files
            .into_iter()
            .map(|file| {
                let result = check_log(logs, &file.name, Some(file.zxid) == newest);
                LogReport { result, file }
            })
            .collect(),
    })
}

/// Reads one log to its end, the newest or an older one. `None`: there is nothing in it, not even a header.
///
/// # Errors
///
/// If it cannot be read, or is no log.
pub fn check_log<D: Disk>(disk: &D, name: &str, is_newest: bool) -> Result<Option<LogSummary>, ScanError> {
    let Some(mut scanner) = LogScanner::open(disk, name)? else { return Ok(None) };
    if is_newest {
        scanner.believe_mark();
    }
    let (mut zxid_first, mut zxid_last) = (None, None);
    let (mut records, mut bad, mut undecodable, mut gaps) = (0, Vec::new(), Vec::new(), Vec::new());
    loop {
        match scanner.step()? {
            Step::Record { offset, payload } => {
                records += 1;
                if Txn::from_bytes(payload).is_err() {
                    undecodable.push(offset);
                }
                if let Some(zxid) = zxid_of(payload) {
                    if zxid_last.is_some_and(|last: Zxid| zxid != last.next() && zxid.epoch() == last.epoch())
                    {
                        gaps.push(offset);
                    }
                    zxid_first = zxid_first.or(Some(zxid));
                    zxid_last = Some(zxid);
                }
            }
            Step::BadChecksum { offset, damage } => {
                bad.push((offset, damage));
                // Its zxid cannot be believed, but it had one.
                zxid_last = zxid_last.map(Zxid::next);
            }
            Step::End(end) => {
                return Ok(Some(LogSummary { zxid_first, zxid_last, records, bad, undecodable, gaps, end }));
            }
        }
    }
}
