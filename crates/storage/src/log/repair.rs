//! Cutting a log back to its last sound record, at an operator's word.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use zoorum_proto::Zxid;

use super::scan::{Damage, End, LogScanner, ScanError, Step};
use super::zxid_of;
use crate::disk::{Disk, DiskFile, read_full_at};
use crate::name::cut_name;

/// What a repair did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// The last change that the file still has.
    pub zxid_last: Option<Zxid>,
    /// Where the file ends now.
    pub offset: u64,
    /// What was wrong there.
    pub damage: Damage,
    /// Where the bytes that were cut off are kept.
    pub kept_in: PathBuf,
}

/// Why a log cannot be repaired.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// It cannot be read.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// The system does not let us write.
    #[error("{file}: cannot repair: {source}")]
    Write {
        /// The file, or the copy of what is cut off.
        file: PathBuf,
        /// The system's reason.
        source: Arc<io::Error>,
    },
}

/// Cuts a log back to the end of its last sound record, durably, after a copy of what is cut off was made
/// beside it. `None`: there was nothing to repair.
///
/// Every change behind the cut is lost to this server, sound or not: later records must not be replayed over
/// a gap. An ensemble brings them back from its other members; a standalone server has only the copy.
///
/// # Errors
///
/// If the file is no log, or cannot be read or written.
pub fn repair_tail<D: Disk>(disk: &D, name: &str) -> Result<Option<Repaired>, RepairError> {
    let Some(mut scanner) = LogScanner::open(disk, name)? else { return Ok(None) };
    let mut zxid_last = None;
    let (offset, damage) = loop {
        match scanner.step()? {
            Step::Record { payload, .. } => zxid_last = zxid_of(payload).or(zxid_last),
            Step::BadChecksum { offset, damage } => break (offset, damage),
            Step::End(End::Clean { .. }) => return Ok(None),
            Step::End(End::Torn { offset, damage } | End::Damaged { offset, damage, .. }) => {
                break (offset, damage);
            }
        }
    };
    let copy = cut_name(name, offset);
    let failed = |name: &str| {
        let file = disk.path(name);
        move |source| RepairError::Write { file, source: Arc::new(source) }
    };
    copy_from(disk, name, offset, &copy).map_err(failed(&copy))?;
    cut(disk, name, offset).map_err(failed(name))?;
    Ok(Some(Repaired { zxid_last, offset, damage, kept_in: disk.path(&copy) }))
}

/// Shortens a file, durably.
pub(crate) fn cut<D: Disk>(disk: &D, name: &str, length: u64) -> io::Result<()> {
    let mut file = disk.open(name)?;
    file.set_length(length)?;
    file.sync_data()
}

/// Copies what a file holds from a position on to another file, durably.
pub(crate) fn copy_from<D: Disk>(disk: &D, name: &str, from: u64, copy: &str) -> io::Result<()> {
    let source = disk.open(name)?;
    // A copy of the same stretch is left over from a repair that did not get to its end.
    match disk.remove(copy) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut target = disk.create_new(copy)?;
    let mut block = vec![0; 1 << 20];
    let mut at = from;
    loop {
        let count = read_full_at(&source, &mut block, at)?;
        if count == 0 {
            break;
        }
        target.write_all_at(&block[..count], at - from)?;
        at += count as u64;
    }
    target.sync_data()?;
    disk.sync_directory()
}
