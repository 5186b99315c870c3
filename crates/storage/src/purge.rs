//! Removing snapshots and logs that are no longer needed.
//!
//! The `keep` newest snapshots stay, and every log that any of them needs: the one that is open when the oldest
//! of them was taken, and all later. A snapshot counts only if every seal in it is right; ZooKeeper counts
//! each that has the right last bytes, and so can remove the last good one. What was moved aside because another
//! history took its place goes as soon as it is older than all that stays.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use zoorum_proto::Zxid;

use crate::disk::Disk;
use crate::name;
use crate::snapshot::verify;

/// Fewer snapshots than these are never kept.
pub const KEEP_MIN: usize = 3;

/// What a purge did.
#[derive(Clone, Debug, Default)]
pub struct Purged {
    /// Files that are gone, in the order of removal: oldest snapshots first, then oldest logs.
    pub removed: Vec<PathBuf>,
    /// Files that could not be removed, each with the system's reason. The next purge tries again.
    pub failed: Vec<(PathBuf, Arc<io::Error>)>,
}

/// Why a purge did nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PurgeError {
    /// Too few are to be kept.
    #[error("count should be greater than or equal to {KEEP_MIN}")]
    KeepsTooFew {
        /// How many.
        keep: usize,
    },
    /// A directory cannot be read or synced.
    #[error("{directory}: {source}")]
    Io {
        /// The directory.
        directory: PathBuf,
        /// The system's reason.
        source: Arc<io::Error>,
    },
}

/// Removes all but the `keep` newest snapshots, and the logs that none of those needs.
///
/// `is_verified` may save the reading of a snapshot that is known to be sound, by its name.
///
/// # Errors
///
/// If `keep` is below [`KEEP_MIN`], or a directory cannot be read or synced.
pub fn purge<D: Disk>(
    snapshots: &D,
    logs: &D,
    keep: usize,
    is_verified: &mut dyn FnMut(&str) -> bool,
) -> Result<Purged, PurgeError> {
    if keep < KEEP_MIN {
        return Err(PurgeError::KeepsTooFew { keep });
    }
    let failed = |disk: &D| {
        let directory = disk.path("");
        move |source| PurgeError::Io { directory, source: Arc::new(source) }
    };
    let snapshot_entries = snapshots.list().map_err(failed(snapshots))?;
    let log_entries = logs.list().map_err(failed(logs))?;
    let (snapshot_files, log_files) = (name::snapshots(&snapshot_entries), name::logs(&log_entries));
    let mut kept: Vec<Zxid> = Vec::new();
    for file in &snapshot_files {
        // Two of one zxid, packed differently, are one state.
        if kept.len() < keep
            && kept.last() != Some(&file.zxid)
            && (is_verified(&file.name) || verify(snapshots, file).is_ok())
        {
            kept.push(file.zxid);
        }
    }
    let mut purged = Purged::default();
    let Some(&oldest) = kept.last() else {
        return Ok(purged);
    };
    let mut remove = |disk: &D, name: &str| match disk.remove(name) {
        Ok(()) => purged.removed.push(disk.path(name)),
        Err(source) => purged.failed.push((disk.path(name), Arc::new(source))),
    };
    for file in snapshot_files.iter().rev().filter(|file| file.zxid < oldest) {
        remove(snapshots, &file.name);
    }
    let first_needed = log_files.iter().rev().map(|file| file.zxid).find(|&zxid| zxid <= oldest);
    for file in log_files.iter().filter(|file| first_needed.is_some_and(|needed| file.zxid < needed)) {
        remove(logs, &file.name);
    }
    for file in name::snapshots(&name::replaced(&snapshot_entries)).iter().filter(|file| file.zxid < oldest) {
        remove(snapshots, &name::replaced_name(&file.name));
    }
    for file in name::logs(&name::replaced(&log_entries)).iter().filter(|file| file.zxid < oldest) {
        remove(logs, &name::replaced_name(&file.name));
    }
    snapshots.sync_directory().map_err(failed(snapshots))?;
    logs.sync_directory().map_err(failed(logs))?;
    Ok(purged)
}

#[cfg(test)]
mod tests;
