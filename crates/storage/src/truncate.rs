//! Giving up the end of the history, at a leader's word.
//!
//! A server can have logged changes that no quorum ever had; the next leader then tells it to drop everything
//! after some change of its own history. That is done only if the change is exactly there, and if a state that
//! holds nothing later can be reached without what is dropped: a snapshot may hold what the log no longer has.
//!
//! ```text
//! 1  a sound snapshot not after the change is found, and the log read from there to its end
//! 2  all newer snapshots are moved aside, durably
//! 3  logs that begin after the change are moved aside, newest first, durably one by one
//! 4  the log that holds the change is cut behind it, durably, what is cut off being copied if there is room
//! ```
//!
//! A crash in between leaves the history as it was, or a shorter one that still holds the change: recovery
//! takes it as it is, and the truncation can be asked for again.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use zoorum_proto::Zxid;

use crate::disk::Disk;
use crate::log::HEADER_LENGTH;
use crate::log::repair::{copy_from, cut};
use crate::log::scan::ScanError;
use crate::name::{self, LogFile, SnapshotFile};
use crate::snapshot::verify;
use crate::walk::{Broken, Walk};

/// What became of a truncation.
#[derive(Clone, Debug)]
pub enum Truncation {
    /// It is done, durably. The state is to be recovered anew.
    Done(Truncated),
    /// It cannot be done, and no file was touched: the leader must send a snapshot.
    NotPossible(Untruncatable),
}

/// What a truncation did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Truncated {
    /// Files that were moved aside, by their old names.
    pub moved: Vec<PathBuf>,
    /// The log that was cut, and at which byte.
    pub cut: Option<(PathBuf, u64)>,
}

/// Why a truncation is not possible.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Untruncatable {
    /// The change is not in the history here.
    #[error("{directory}: the log goes from {before} to {after} without {zxid}")]
    Missing {
        /// The directory of logs.
        directory: PathBuf,
        /// What the history should end with.
        zxid: Zxid,
        /// The last change before it.
        before: Zxid,
        /// The first one after it.
        after: Zxid,
    },
    /// The history ends before the change.
    #[error("{directory}: the log ends with {last}, before {zxid}")]
    Ahead {
        /// The directory of logs.
        directory: PathBuf,
        /// What the history should end with.
        zxid: Zxid,
        /// What it ends with.
        last: Zxid,
    },
    /// There is no sound snapshot that certainly holds nothing after the change.
    #[error("{directory}: no sound snapshot is certain to hold nothing after {zxid}")]
    NoSnapshot {
        /// The directory of snapshots.
        directory: PathBuf,
        /// What the history should end with.
        zxid: Zxid,
    },
    /// Changes are missing after the snapshot.
    #[error("{directory}: after the snapshot of {snapshot} the log goes from {before} to {after}{}", because(.broken))]
    Gap {
        /// The directory of logs.
        directory: PathBuf,
        /// The snapshot.
        snapshot: Zxid,
        /// The last change before the gap.
        before: Zxid,
        /// The first one behind it.
        after: Zxid,
        /// What lies in it, if it is not just a gap.
        broken: Option<Broken>,
    },
    /// A log cannot be read.
    #[error(transparent)]
    Scan(#[from] ScanError),
}

/// Why a truncation failed. It may be done in part, and the server must stop: a restart recovers what is left.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{file}: cannot truncate: {source}")]
pub struct TruncateError {
    /// The file, or the directory.
    pub file: PathBuf,
    /// The system's reason.
    pub source: Arc<io::Error>,
}

fn because(broken: &Option<Broken>) -> String {
    broken.as_ref().map_or(String::new(), |broken| format!(": {broken}"))
}

/// Drops every change after `to`, durably. Then the state is to be recovered anew: see [`crate::recover`].
///
/// Nobody else may write to the directories meanwhile: the log is closed or dropped before, and no snapshot is
/// being written, which would bring back what is dropped.
///
/// # Errors
///
/// If the system fails. See [`Truncation::NotPossible`] for what files do not allow.
pub fn truncate<D: Disk>(snapshots: &D, logs: &D, to: Zxid) -> Result<Truncation, TruncateError> {
    let snapshot_files = name::snapshots(&snapshots.list().map_err(failed(snapshots, ""))?);
    let log_files = name::logs(&logs.list().map_err(failed(logs, ""))?);
    let base =
        snapshot_files.iter().position(|file| file.zxid <= to && holds_nothing_after(snapshots, file, to));
    let Some(base) = base else {
        let directory = snapshots.path("");
        return Ok(Truncation::NotPossible(Untruncatable::NoSnapshot { directory, zxid: to }));
    };
    let end = match find_end(logs, &log_files, snapshot_files[base].zxid, to) {
        Ok(end) => end,
        Err(reason) => return Ok(Truncation::NotPossible(reason)),
    };
    let mut truncated = Truncated::default();
    for file in &snapshot_files[..base] {
        move_aside(snapshots, &file.name, &mut truncated)?;
    }
    snapshots.sync_directory().map_err(failed(snapshots, ""))?;
    for file in log_files.iter().rev().filter(|file| file.zxid > to || is_all_after(&end, file)) {
        move_aside(logs, &file.name, &mut truncated)?;
        // One by one: a newer log without the older one would be a gap.
        logs.sync_directory().map_err(failed(logs, ""))?;
    }
    if let Some(End { name, offset }) = end.filter(|end| end.offset > HEADER_LENGTH) {
        // Only somebody's wish to look at it is disappointed if it cannot be copied.
        let copy = name::cut_name(&name, offset);
        if copy_from(logs, &name, offset, &copy).is_err() {
            let _ = logs.remove(&copy);
        }
        cut(logs, &name, offset).map_err(failed(logs, &name))?;
        truncated.cut = Some((logs.path(&name), offset));
    }
    Ok(Truncation::Done(truncated))
}

/// Whether a snapshot is sound and holds no change after `to`. One of Java's holds some of those that were made
/// while it was written: its digest tells up to which. Without a digest nobody can tell, but for the snapshot
/// of an empty database.
pub(crate) fn holds_nothing_after<D: Disk>(disk: &D, file: &SnapshotFile, to: Zxid) -> bool {
    let Ok(summary) = verify(disk, file) else { return false };
    file.zxid == Zxid::ZERO
        || summary.digest.is_some_and(|digest| digest.zxid > Zxid::ZERO && digest.zxid <= to)
}

/// Where the first record after the end stands.
struct End {
    name: String,
    offset: u64,
}

/// Finds the first record after `to`, and makes sure that nothing is missing from the snapshot to the log's end.
fn find_end<D: Disk>(
    logs: &D,
    files: &[LogFile],
    snapshot: Zxid,
    to: Zxid,
) -> Result<Option<End>, Untruncatable> {
    let files = name::logs_after(files, snapshot);
    let mut walk = Walk::new(logs, files);
    let (mut last, mut end) = (snapshot, None);
    while let Some(found) = walk.step()? {
        if found.zxid <= last {
            continue;
        }
        let (directory, before, after) = (logs.path(""), last, found.zxid);
        if !found.may_follow(before) {
            return Err(Untruncatable::Gap { directory, snapshot, before, after, broken: found.broken });
        }
        if before < to && to < after {
            return Err(Untruncatable::Missing { directory, zxid: to, before, after });
        }
        if after > to && end.is_none() {
            end = Some(End { name: files[found.file].name.clone(), offset: found.offset });
        }
        last = after;
    }
    if last < to {
        return Err(Untruncatable::Ahead { directory: logs.path(""), zxid: to, last });
    }
    Ok(end)
}

/// Whether a log's first record is the first one after the end, whatever its name says.
fn is_all_after(end: &Option<End>, file: &LogFile) -> bool {
    end.as_ref().is_some_and(|end| end.name == file.name && end.offset == HEADER_LENGTH)
}

fn move_aside<D: Disk>(disk: &D, name: &str, truncated: &mut Truncated) -> Result<(), TruncateError> {
    disk.rename(name, &name::replaced_name(name)).map_err(failed(disk, name))?;
    truncated.moved.push(disk.path(name));
    Ok(())
}

fn failed<D: Disk>(disk: &D, name: &str) -> impl Fn(io::Error) -> TruncateError {
    let file = disk.path(name);
    move |source| TruncateError { file: file.clone(), source: Arc::new(source) }
}
