//! Replacing the state by one that was received, whole or not at all.
//!
//! ```text
//! tmp-snapshot-received-<zxid>    the tree, being received            in the directory of snapshots
//! install-log.<zxid>              changes right after it              in that of logs
//! install-snapshot.<zxid>         the tree, durable: from now on this is the state
//! replaced-<name>                 what it replaces, moved aside
//! ```
//!
//! The changes that a leader sends behind the tree belong to the state: without them it might lack some that
//! this server acknowledged. So they are written and synced first, and the renaming of the tree's file decides
//! about all of it. What is then left to be done, every log and snapshot of the old history to be moved aside
//! and the new ones to be given their names, is taken up by a recovery if a crash comes in between.
//!
//! Only a server that knows these names does that: a directory in which an installation was interrupted is to
//! be started once by Zoorum before Java has it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use zoorum_proto::Zxid;

use crate::disk::{Disk, DiskFile, Entry};
use crate::log::{HEADER_LENGTH, Tail, encode_header, encode_record};
use crate::name::{self, INSTALL_PREFIX, REPLACED_PREFIX, install_name, log_name, replaced_name};
use crate::snapshot::{SnapshotError, SnapshotWriter};

/// Bytes of records that are collected before they are written.
const WRITE_BYTES: usize = 256 << 10;

/// Why a state cannot be installed.
///
/// It may yet be: the server must stop, and a restart finds either the old state or the new.
#[derive(Clone, Debug, thiserror::Error)]
pub enum InstallError {
    /// The snapshot cannot be published.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// A log cannot be written, or a file not be renamed.
    #[error("{file}: cannot install the state received: {source}")]
    Io {
        /// The file, or the directory.
        file: PathBuf,
        /// The system's reason.
        source: Arc<io::Error>,
    },
}

/// A received state: a tree whose file is durable, and the changes after it.
///
/// Dropped before [`install`](Self::install), it leaves nothing behind that counts.
pub struct Staged<D: Disk> {
    logs: D,
    writer: SnapshotWriter<D>,
    snapshot: Zxid,
    last: Zxid,
    log: Option<StagedLog<D::File>>,
    bytes: u64,
}

struct StagedLog<F> {
    name: String,
    file: F,
    position: u64,
    buffer: Vec<u8>,
}

impl<D: Disk> Staged<D> {
    pub(crate) fn new(logs: D, snapshot: Zxid, writer: SnapshotWriter<D>) -> Self {
        Self { logs, writer, snapshot, last: snapshot, log: None, bytes: 0 }
    }

    /// The last change: the tree's, or the last appended.
    pub fn last_zxid(&self) -> Zxid {
        self.last
    }

    /// Adds a change to the state: the bytes of the leader's transaction as they came.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    ///
    /// # Panics
    ///
    /// If `zxid` is not larger than every one before.
    pub fn append(&mut self, zxid: Zxid, payload: &[u8]) -> Result<(), InstallError> {
        assert!(zxid > self.last, "changes are logged in zxid order");
        let mut log = self.open_log(zxid)?;
        self.last = zxid;
        let before = log.buffer.len();
        encode_record(payload, &mut log.buffer);
        self.bytes += (log.buffer.len() - before) as u64;
        if log.buffer.len() >= WRITE_BYTES {
            log.write().map_err(failed(&self.logs, &log.name))?;
        }
        self.log = Some(log);
        Ok(())
    }

    /// Makes this the server's state, durably, in the place of all that there was.
    ///
    /// The old log is closed or dropped before, and no snapshot of the old tree is being written.
    ///
    /// # Errors
    ///
    /// If the system fails; see [`InstallError`].
    pub fn install(mut self) -> Result<Tail, InstallError> {
        let snapshots = self.writer.disk().clone();
        forget_replaced(&snapshots)?;
        forget_replaced(&self.logs)?;
        let has_records = self.log.is_some();
        let mut log = self.open_log(self.snapshot.next())?;
        let synced = log.write().and_then(|()| log.file.sync_data());
        synced.map_err(failed(&self.logs, &log.name))?;
        self.logs.sync_directory().map_err(failed(&self.logs, ""))?;
        self.writer.publish()?;
        complete(&snapshots, &self.logs)?;
        Ok(Tail {
            last_zxid: self.last,
            empty_file: (!has_records).then_some(self.snapshot.next()),
            bytes_since_snapshot: self.bytes,
        })
    }

    /// The log, begun with `zxid` if there is none yet.
    fn open_log(&mut self, zxid: Zxid) -> Result<StagedLog<D::File>, InstallError> {
        if let Some(log) = self.log.take() {
            return Ok(log);
        }
        remove_staged_logs(&self.logs)?;
        let name = install_name(&log_name(zxid));
        let file = self.logs.create_new(&name).map_err(failed(&self.logs, &name))?;
        let mut buffer = Vec::with_capacity(HEADER_LENGTH as usize);
        encode_header(&mut buffer);
        Ok(StagedLog { name, file, position: 0, buffer })
    }
}

impl<F: DiskFile> StagedLog<F> {
    fn write(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.buffer, self.position)?;
        self.position += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// Finishes the installation that was decided on, if one was; otherwise removes what was being prepared.
pub(crate) fn complete<D: Disk>(snapshots: &D, logs: &D) -> Result<(), InstallError> {
    let Some(snapshot) = staged(snapshots, "snapshot.")? else { return remove_staged_logs(logs) };
    // Once the log has its name, the old ones are gone: those that are there belong to the new state.
    if let Some(log) = staged(logs, "log.")? {
        for file in name::logs(&list(logs)?) {
            rename(logs, &file.name, &replaced_name(&file.name))?;
        }
        logs.sync_directory().map_err(failed(logs, ""))?;
        rename(logs, &install_name(&log), &log)?;
        logs.sync_directory().map_err(failed(logs, ""))?;
    }
    for file in name::snapshots(&list(snapshots)?) {
        rename(snapshots, &file.name, &replaced_name(&file.name))?;
    }
    snapshots.sync_directory().map_err(failed(snapshots, ""))?;
    rename(snapshots, &install_name(&snapshot), &snapshot)?;
    snapshots.sync_directory().map_err(failed(snapshots, ""))
}

/// The name that a file of this kind is to be given, if one is staged.
fn staged<D: Disk>(disk: &D, kind: &str) -> Result<Option<String>, InstallError> {
    let names = list(disk)?.into_iter().map(|entry| entry.name);
    let mut staged = names.filter_map(|name| name.strip_prefix(INSTALL_PREFIX).map(str::to_owned));
    Ok(staged.find(|name| name.starts_with(kind)))
}

/// Removes what was being prepared and not decided on.
fn remove_staged_logs<D: Disk>(logs: &D) -> Result<(), InstallError> {
    while let Some(name) = staged(logs, "log.")? {
        let name = install_name(&name);
        logs.remove(&name).map_err(failed(logs, &name))?;
        logs.sync_directory().map_err(failed(logs, ""))?;
    }
    Ok(())
}

/// Removes what was moved aside before: one old history takes enough room.
fn forget_replaced<D: Disk>(disk: &D) -> Result<(), InstallError> {
    for file in list(disk)?.into_iter().filter(|file| file.name.starts_with(REPLACED_PREFIX)) {
        disk.remove(&file.name).map_err(failed(disk, &file.name))?;
    }
    disk.sync_directory().map_err(failed(disk, ""))
}

fn list<D: Disk>(disk: &D) -> Result<Vec<Entry>, InstallError> {
    disk.list().map_err(failed(disk, ""))
}

fn rename<D: Disk>(disk: &D, from: &str, to: &str) -> Result<(), InstallError> {
    disk.rename(from, to).map_err(failed(disk, from))
}

fn failed<D: Disk>(disk: &D, name: &str) -> impl Fn(io::Error) -> InstallError {
    let file = disk.path(name);
    move |source| InstallError::Io { file: file.clone(), source: Arc::new(source) }
}
