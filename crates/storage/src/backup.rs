//! A copy of a database's files, taken while a server may be writing to them, and proved to be of use.
//!
//! Snapshots are copied as they are and read to their end there. Logs are copied record by record, up to the last
//! one that is whole: a copy never ends in the middle of one. At last the state is recovered from the copy alone.
//! A log may hold changes, at its end, that were not yet acknowledged to anybody.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::disk::{Disk, DiskFile};
use crate::log::scan::{Damage, End, LogScanner, ScanError, Step};
use crate::log::{encode_header, encode_record};
use crate::name::{self, LogFile, SnapshotFile};
use crate::recover::{Past, PastError, RecoverOptions, past};
use crate::snapshot::verify;

/// Bytes that are copied at a time.
const CHUNK: usize = 1 << 20;
/// How often a copy is begun again because files were purged, or written to in an unlucky moment.
const ATTEMPTS: u32 = 5;

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The system does not let us.
    #[error("{file}: {source}")]
    Io {
        /// The file or directory.
        file: PathBuf,
        /// The system's reason.
        source: Arc<io::Error>,
    },
    /// There is no snapshot that can be read.
    #[error("{directory}: there is no sound snapshot; see 'zoorum log check'")]
    NoSnapshot {
        /// Where they should be.
        directory: PathBuf,
    },
    /// A log cannot be read.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// A log is damaged.
    #[error("{file}: at byte {offset}: {damage}; see 'zoorum log check'")]
    Damaged {
        /// The log.
        file: PathBuf,
        /// Where.
        offset: u64,
        /// What is wrong.
        damage: Damage,
    },
    /// The copy leads to no state.
    #[error(transparent)]
    Past(#[from] PastError),
}

impl BackupError {
    /// Whether another attempt may go well: a file was purged, or written to while it was read.
    fn is_passing(&self) -> bool {
        match self {
            Self::Io { source, .. } | Self::Scan(ScanError::Read { source, .. }) => {
                source.kind() == io::ErrorKind::NotFound
            }
            Self::Damaged { .. } | Self::Past(PastError::Recover(_)) => true,
            _ => false,
        }
    }
}

/// How much is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Every sound snapshot, and every log since the oldest of them.
    All,
    /// The newest sound snapshot, and the logs behind it.
    Newest,
}

/// Copies a database into an empty directory, and recovers the state from there.
///
/// # Errors
///
/// If no copy can be had that leads to a state. `into` may hold files then.
pub fn copy<D: Disk>(
    (snapshots, logs): (&D, &D),
    into: &D,
    extent: Extent,
    options: &RecoverOptions,
) -> Result<Past, BackupError> {
    let mut attempt = 1;
    loop {
        match copy_once((snapshots, logs), into, extent, options) {
            Err(error) if error.is_passing() && attempt < ATTEMPTS => {
                attempt += 1;
                for entry in into.list().map_err(failed(into, ""))? {
                    into.remove(&entry.name).map_err(failed(into, &entry.name))?;
                }
            }
            result => return result,
        }
    }
}

fn copy_once<D: Disk>(
    (snapshots, logs): (&D, &D),
    into: &D,
    extent: Extent,
    options: &RecoverOptions,
) -> Result<Past, BackupError> {
    let mut oldest = None;
    for file in name::snapshots(&snapshots.list().map_err(failed(snapshots, ""))?) {
        if oldest.is_some() && extent == Extent::Newest {
            break;
        }
        if copy_snapshot(snapshots, &file, into)? {
            oldest = Some(file.zxid);
        }
    }
    let oldest = oldest.ok_or_else(|| BackupError::NoSnapshot { directory: snapshots.path("") })?;
    let files = name::logs(&logs.list().map_err(failed(logs, ""))?);
    for file in name::logs_after(&files, oldest) {
        copy_log(logs, file, into)?;
    }
    into.sync_directory().map_err(failed(into, ""))?;
    Ok(past(into, into, options, None)?)
}

/// Whether the snapshot is sound, and there is a copy of it.
fn copy_snapshot<D: Disk>(from: &D, file: &SnapshotFile, into: &D) -> Result<bool, BackupError> {
    let source = from.open(&file.name).map_err(failed(from, &file.name))?;
    let mut target = into.create_new(&file.name).map_err(failed(into, &file.name))?;
    let (mut chunk, mut offset) = (vec![0; CHUNK], 0);
    loop {
        match source.read_at(&mut chunk, offset).map_err(failed(from, &file.name))? {
            0 => break,
            count => {
                target.write_all_at(&chunk[..count], offset).map_err(failed(into, &file.name))?;
                offset += count as u64;
            }
        }
    }
    target.sync_data().map_err(failed(into, &file.name))?;
    if verify(into, file).is_ok() {
        return Ok(true);
    }
    into.remove(&file.name).map_err(failed(into, &file.name))?;
    Ok(false)
}

fn copy_log<D: Disk>(from: &D, file: &LogFile, into: &D) -> Result<(), BackupError> {
    let name = &file.name;
    let Some(mut scanner) = LogScanner::open(from, name)? else { return Ok(()) };
    let mut target = into.create_new(name).map_err(failed(into, name))?;
    let (mut bytes, mut offset) = (Vec::new(), 0);
    encode_header(&mut bytes);
    loop {
        let damaged = |offset, damage| BackupError::Damaged { file: from.path(name), offset, damage };
        match scanner.step()? {
            Step::Record { payload, .. } => encode_record(payload, &mut bytes),
            Step::BadChecksum { offset, damage } => return Err(damaged(offset, damage)),
            Step::End(End::Damaged { offset, damage, .. }) => return Err(damaged(offset, damage)),
            Step::End(End::Clean { .. } | End::Torn { .. }) => break,
        }
        if bytes.len() >= CHUNK {
            target.write_all_at(&bytes, offset).map_err(failed(into, name))?;
            offset += bytes.len() as u64;
            bytes.clear();
        }
    }
    target.write_all_at(&bytes, offset).map_err(failed(into, name))?;
    target.sync_data().map_err(failed(into, name))
}

fn failed<D: Disk>(disk: &D, name: &str) -> impl Fn(io::Error) -> BackupError {
    let file = disk.path(name);
    move |source| BackupError::Io { file: file.clone(), source: Arc::new(source) }
}
