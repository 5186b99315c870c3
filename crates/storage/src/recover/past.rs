//! The state as it was at some change, from files that nobody writes to. Nothing is changed in them.

use std::path::PathBuf;

use zoorum_proto::{Decode, TxnHeader, WallClock, Zxid};
use zoorum_tree::Tree;

use super::replay::Replay;
use super::report::{RecoverError, RecoverWarning};
use super::{Base, RecoverOptions, base_without_snapshot, check_acls, list, load, newest_usable};
use crate::disk::Disk;
use crate::log::scan::ScanError;
use crate::name::{self, INSTALL_PREFIX, SnapshotFile};
use crate::truncate::holds_nothing_after;
use crate::walk::Walk;

/// Why a state of the past cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PastError {
    /// The files do not lead to it with certainty.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// The installation of a received state was interrupted here.
    #[error("{file}: a state was being installed here when the server ended; start Zoorum on it once first")]
    Unfinished {
        /// What it left.
        file: PathBuf,
    },
    /// No snapshot is old enough.
    #[error(
        "{directory}: no sound snapshot is certain to hold nothing after {zxid}: the past is not kept so far back"
    )]
    NoSnapshot {
        /// Where they are.
        directory: PathBuf,
        /// What was asked for.
        zxid: Zxid,
    },
    /// The change is not in the log.
    #[error("{directory}: there is no change {zxid}; the last one before it is {last}")]
    Missing {
        /// Where the logs are.
        directory: PathBuf,
        /// What was asked for.
        zxid: Zxid,
        /// The last change before.
        last: Zxid,
    },
}

/// A state of the past.
#[derive(Debug)]
pub struct Past {
    /// The state.
    pub tree: Tree,
    /// The last change in it.
    pub last_zxid: Zxid,
    /// The snapshot that it was made from; `None` if the logs are the whole history.
    pub snapshot: Option<SnapshotFile>,
    /// Changes that were replayed upon it.
    pub txns_replayed: u64,
    /// What was found and put up with.
    pub warnings: Vec<RecoverWarning>,
}

/// The state right after the change `through`, or the newest.
///
/// # Errors
///
/// If it cannot be reached with certainty.
pub fn past<D: Disk>(
    snapshots: &D,
    logs: &D,
    options: &RecoverOptions,
    through: Option<Zxid>,
) -> Result<Past, PastError> {
    let entries = list(snapshots)?;
    if let Some(entry) = entries.iter().find(|entry| entry.name.starts_with(INSTALL_PREFIX)) {
        return Err(PastError::Unfinished { file: snapshots.path(&entry.name) });
    }
    let snapshot_files = name::snapshots(&entries);
    let log_files = name::logs(&list(logs)?);
    let base = match through {
        Some(zxid) => base_before(snapshots, &snapshot_files, options, zxid)?,
        None => match newest_usable(snapshots, &snapshot_files, options)? {
            (Some(loaded), rejected) => Base::of(loaded, rejected),
            (None, rejected) => base_without_snapshot(logs, &log_files, rejected, options)?,
        },
    };
    let from = base.used.as_ref().map_or(Zxid::ZERO, |file| file.zxid);
    let mut replay = Replay::new(base.tree, from, base.digest, options).through(through);
    let rejected = base.rejected.iter().map(|(_, why)| RecoverWarning::SnapshotRejected(why.clone()));
    replay.warnings.extend(rejected.chain(base.warnings));
    let replayed = replay.run(logs, &log_files)?;
    check_acls(&replayed.tree, options)?;
    match through {
        Some(zxid) if replayed.last_zxid != zxid => {
            Err(PastError::Missing { directory: logs.path(""), zxid, last: replayed.last_zxid })
        }
        _ => Ok(Past {
            tree: replayed.tree,
            last_zxid: replayed.last_zxid,
            snapshot: base.used,
            txns_replayed: replayed.txns,
            warnings: replayed.warnings,
        }),
    }
}

fn base_before<D: Disk>(
    snapshots: &D,
    files: &[SnapshotFile],
    options: &RecoverOptions,
    zxid: Zxid,
) -> Result<Base, PastError> {
    let mut old_enough = files.iter().filter(|file| file.zxid <= zxid);
    let file = old_enough.find(|file| holds_nothing_after(snapshots, file, zxid));
    let file = file.ok_or_else(|| PastError::NoSnapshot { directory: snapshots.path(""), zxid })?;
    let loaded = load(snapshots, file, options)
        .map_err(|why| RecoverError::NoValidSnapshot { directory: snapshots.path(""), reasons: vec![why] })?;
    Ok(Base::of(loaded, Vec::new()))
}

/// A change, and when its leader decided it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The change.
    pub zxid: Zxid,
    /// When.
    pub time: WallClock,
}

/// What logs tell of times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moments {
    /// The first change in them.
    pub first: Option<Moment>,
    /// The last one.
    pub last: Option<Moment>,
    /// The last change before any that is later than the time asked for.
    pub reached: Option<Moment>,
}

/// Looks at every change of the logs: which is the first, which the last, and which the last before any that was
/// decided after `time`. Clocks may have been set back: changes behind the first later one do not count.
///
/// # Errors
///
/// If a log cannot be read.
pub fn moments<D: Disk>(logs: &D, time: WallClock) -> Result<Moments, RecoverError> {
    let files = name::logs(&list(logs)?);
    let mut walk = Walk::new(logs, &files);
    let (mut moments, mut is_past) = (Moments::default(), true);
    while let Some(found) = walk.step().map_err(|error: ScanError| RecoverError::Scan(error))? {
        let Ok(header) = TxnHeader::from_bytes(walk.payload()) else { continue };
        if moments.last.is_some_and(|last| found.zxid <= last.zxid) {
            continue; // repeated
        }
        let moment = Moment { zxid: found.zxid, time: header.time };
        moments.first = moments.first.or(Some(moment));
        moments.last = Some(moment);
        is_past &= header.time <= time;
        if is_past {
            moments.reached = Some(moment);
        }
    }
    Ok(moments)
}
