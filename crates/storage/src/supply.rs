//! What a server that lags behind is sent from this server's files: the changes that it lacks, or a snapshot and
//! the changes behind it.
//!
//! Any number of servers can be supplied at once, each at its own pace and on its own thread, while the log grows.
//! Files that are purged meanwhile end the supply early, and the server that lags behind asks again.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use zoorum_proto::Zxid;

use crate::disk::Disk;
use crate::history::{History, HistoryError, history};
use crate::joints::Joints;
use crate::name;
use crate::snapshot::{SnapshotReadError, SnapshotStream};

/// Bytes of changes that a step yields, or a few more.
const STEP: usize = 64 << 10;

/// Why a server cannot be supplied from files.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SupplyError {
    /// The log will not do.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// A snapshot cannot be read.
    #[error(transparent)]
    Snapshot(#[from] SnapshotReadError),
    /// The directory cannot be read.
    #[error("{directory}: {source}")]
    List {
        /// The directory of snapshots.
        directory: PathBuf,
        /// The system's reason.
        source: Arc<io::Error>,
    },
    /// No snapshot is new enough.
    #[error("no snapshot is of {from} or later")]
    NoSnapshot {
        /// Which would do.
        from: Zxid,
    },
}

/// A tree perhaps, and changes.
pub struct Supply<D: Disk> {
    tree: Option<SnapshotStream>,
    zxid: Option<Zxid>,
    changes: Option<History<D>>,
}

impl<D: Disk> Supply<D> {
    /// The changes behind `after` up to `through`, if all of them are in the log, and are not more than `factor`
    /// times the newest snapshot: otherwise that would be sent sooner. A factor of 0 sets no limit.
    ///
    /// # Errors
    ///
    /// If there is no such stretch of history.
    pub fn changes(
        (snapshots, logs): (&D, &D),
        joints: &Joints,
        after: Zxid,
        through: Zxid,
        factor: f64,
    ) -> Result<Self, SupplyError> {
        let snapshot_bytes = list(snapshots)?.first().map_or(0, |file| file.length);
        let changes = history(logs, joints, after, through, limit(snapshot_bytes, factor))?;
        Ok(Self { tree: None, zxid: None, changes: Some(changes) })
    }

    /// The newest snapshot, if it is at least of zxid `from`, and the changes behind it up to `through`, if those are
    /// not more than `factor` times the snapshot. A factor of 0 sets no limit.
    ///
    /// # Errors
    ///
    /// If there is none, or a change may be missing behind it, or there are too many.
    pub fn snapshot(
        (snapshots, logs): (&D, &D),
        joints: &Joints,
        from: Zxid,
        through: Zxid,
        factor: f64,
    ) -> Result<Self, SupplyError> {
        let files = list(snapshots)?;
        let file = files.first().filter(|file| file.zxid >= from);
        let file = file.ok_or(SupplyError::NoSnapshot { from })?;
        let changes = match file.zxid < through {
            true => Some(history(logs, joints, file.zxid, through, limit(file.length, factor))?),
            false => None,
        };
        let tree = SnapshotStream::open(snapshots, file)?;
        Ok(Self { zxid: Some(tree.zxid()), tree: Some(tree), changes })
    }

    /// The zxid of the snapshot in it, if there is one.
    pub fn snapshot_zxid(&self) -> Option<Zxid> {
        self.zxid
    }

    /// Appends the next part, some tens of KiB of it: first the tree, as a stream, then the changes as `encode` has
    /// them. True if this was the last.
    ///
    /// # Errors
    ///
    /// If a file cannot be read any more. What was given out is right, and not all of it.
    pub fn step(
        &mut self,
        encode: impl Fn(Zxid, &[u8], &mut Vec<u8>),
        out: &mut Vec<u8>,
    ) -> Result<bool, SupplyError> {
        if let Some(tree) = &mut self.tree {
            if tree.step(out)? {
                self.tree = None;
            }
            return Ok(self.tree.is_none() && self.changes.is_none());
        }
        let Some(changes) = &mut self.changes else { return Ok(true) };
        while out.len() < STEP {
            match changes.next_change()? {
                Some((zxid, payload)) => encode(zxid, payload, out),
                None => return Ok(true),
            }
        }
        Ok(false)
    }
}

fn limit(snapshot_bytes: u64, factor: f64) -> Option<u64> {
    (factor > 0.0).then_some((snapshot_bytes as f64 * factor) as u64)
}

fn list<D: Disk>(snapshots: &D) -> Result<Vec<name::SnapshotFile>, SupplyError> {
    let entries = snapshots
        .list()
        .map_err(|source| SupplyError::List { directory: snapshots.path(""), source: Arc::new(source) })?;
    Ok(name::snapshots(&entries))
}
