//! The real disk: the data directories, and files in them.
//!
//! ```text
//! <dataDir>/version-2/       snapshots           <dataLogDir>/version-2/    logs
//! <dataDir>/zoorum/LOCK      held while a server runs; the same in dataLogDir if that is another directory
//! <dataDir>/initialize       the operator's word that an empty database is what is wanted
//! ```

mod claim;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use rustix::fs::{Access, Advice, FallocateFlags, SeekFrom, access, fadvise, fallocate, seek};
use rustix::io::Errno;
use zoorum_config::Storage;
use zoorum_storage::{Disk, DiskFile, Entry};

pub use claim::{Claim, java_server};
use claim::{lock, refuse_java_server};

/// The directory of all files in today's format.
const VERSION: &str = "version-2";
/// The directory of what is Zoorum's own.
const OWN: &str = "zoorum";

/// Which of the two directories, in ZooKeeper's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `dataLogDir`: logs.
    Data,
    /// `dataDir`: snapshots.
    Snap,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Data => "data",
            Self::Snap => "snap",
        })
    }
}

/// Why the data directories cannot be used. ZooKeeper ends with code 3 then.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// It is missing, and may not be created.
    #[error(
        "Missing {role} directory {dir}, automatic data directory creation is disabled \
         (zookeeper.datadir.autocreate is false). Please create this directory manually."
    )]
    Missing {
        /// Which of the two.
        role: Role,
        /// The directory.
        dir: PathBuf,
    },
    /// It cannot be created.
    #[error("Unable to create {role} directory {dir}: {source}")]
    Create {
        /// Which of the two.
        role: Role,
        /// The directory.
        dir: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It is there, and cannot be written to.
    #[error("Cannot write to {role} directory {dir}: {source}")]
    Write {
        /// Which of the two.
        role: Role,
        /// The directory.
        dir: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Snapshots where only logs belong.
    #[error(
        "Log directory has snapshot files. Check if dataLogDir and dataDir configuration is correct. ({file})"
    )]
    SnapshotAmongLogs {
        /// One of them.
        file: PathBuf,
    },
    /// Logs where only snapshots belong.
    #[error(
        "Snapshot directory has log files. Check if dataLogDir and dataDir configuration is correct. ({file})"
    )]
    LogAmongSnapshots {
        /// One of them.
        file: PathBuf,
    },
    /// Another server uses the directory.
    #[error("{file} is locked{}: another server uses this directory", holder(.process))]
    Locked {
        /// The lock.
        file: PathBuf,
        /// The other server's process, if it says so.
        process: Option<u32>,
    },
    /// A Java server uses the directory; those take no lock.
    #[error("{file}: process {process} is a running ZooKeeper: two servers on one directory destroy it")]
    JavaServer {
        /// The file with its process id.
        file: PathBuf,
        /// Its process.
        process: u32,
    },
}

impl DataDirError {
    /// The code with which the process ends.
    pub const EXIT_CODE: u8 = 3;
    /// The one line that ZooKeeper prints on the standard error stream.
    pub const STDERR_LINE: &str = "Unable to access datadir, exiting abnormally";
}

fn holder(process: &Option<u32>) -> String {
    process.map_or(String::new(), |process| format!(" by process {process}"))
}

/// The data directories, locked until this is dropped.
#[derive(Debug)]
pub struct DataDirs {
    /// Snapshots.
    pub snapshots: RealDisk,
    /// Logs; the same directory unless configured otherwise.
    pub logs: RealDisk,
    /// What is Zoorum's own.
    pub own: RealDisk,
    markers: [PathBuf; 2],
    /// Open files with the locks on them.
    _locks: Vec<File>,
}

impl DataDirs {
    /// Creates what is missing, if it may, checks what is there, and takes the locks.
    ///
    /// # Errors
    ///
    /// If a directory cannot be used, or another server uses it.
    pub fn open(storage: &Storage) -> Result<Self, DataDirError> {
        let (data_dir, data_log_dir) = (&storage.data_dir, &storage.data_log_dir);
        let logs = open_directory(Role::Data, data_log_dir, storage.data_dir_autocreate)?;
        let snapshots = open_directory(Role::Snap, data_dir, storage.data_dir_autocreate)?;
        // Compared as they are written, as ZooKeeper does.
        if data_dir != data_log_dir {
            let file = |disk: &RealDisk, prefix| find_prefixed(disk, prefix).map(|name| disk.path(&name));
            if let Some(file) = file(&logs, "snapshot.") {
                return Err(DataDirError::SnapshotAmongLogs { file });
            }
            if let Some(file) = file(&snapshots, "log.") {
                return Err(DataDirError::LogAmongSnapshots { file });
            }
        }
        let mut locks = vec![lock(Role::Snap, data_dir)?];
        // Two ways to write one directory must not make the server wait for itself.
        if !is_same_directory(data_dir, data_log_dir) {
            locks.push(lock(Role::Data, data_log_dir)?);
        }
        refuse_java_server(data_dir)?;
        let markers = [data_dir.join("initialize"), data_log_dir.join("initialize")];
        let own_dir = data_dir.join(OWN);
        let own = RealDisk::open(&own_dir).map_err(|source| DataDirError::Write {
            role: Role::Snap,
            dir: own_dir,
            source,
        })?;
        Ok(Self { snapshots, logs, own, markers, _locks: locks })
    }

    /// Whether the operator allowed, with the file `initialize`, to begin with an empty database. ZooKeeper
    /// looks for it in `dataLogDir` and its tool puts it into `dataDir`; either will do.
    pub fn may_initialize(&self) -> bool {
        self.markers.iter().any(|marker| marker.exists())
    }

    /// Takes that word back, once it was followed.
    ///
    /// # Errors
    ///
    /// If the file cannot be removed.
    pub fn remove_initialize(&self) -> io::Result<()> {
        for marker in &self.markers {
            match fs::remove_file(marker) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

fn open_directory(role: Role, parent: &Path, create: bool) -> Result<RealDisk, DataDirError> {
    let dir = parent.join(VERSION);
    if !dir.exists() {
        if !create {
            return Err(DataDirError::Missing { role, dir });
        }
        if let Err(source) = create_durably(&dir) {
            return Err(DataDirError::Create { role, dir, source });
        }
    }
    access(&dir, Access::WRITE_OK)
        .map_err(io::Error::from)
        .and_then(|()| RealDisk::open(&dir))
        .map_err(|source| DataDirError::Write { role, dir, source })
}

/// Creates a directory and its parents, and syncs each directory that got a new entry: a directory that
/// vanishes with a power cut takes all acknowledged changes in it along.
///
/// # Errors
///
/// If the system does not let us.
pub fn create_durably(dir: &Path) -> io::Result<()> {
    let missing: Vec<_> = dir.ancestors().take_while(|dir| !dir.exists()).collect();
    fs::create_dir_all(dir)?;
    for dir in missing {
        match dir.parent() {
            Some(parent) if parent != Path::new("") => File::open(parent)?.sync_all()?,
            _ => File::open(".")?.sync_all()?,
        }
    }
    Ok(())
}

fn find_prefixed(disk: &RealDisk, prefix: &str) -> Option<String> {
    let entries = disk.list().ok()?;
    entries.into_iter().map(|entry| entry.name).find(|name| name.starts_with(prefix))
}

fn is_same_directory(a: &Path, b: &Path) -> bool {
    match (fs::metadata(a), fs::metadata(b)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => a == b,
    }
}

/// A directory of the file system.
#[derive(Clone, Debug)]
pub struct RealDisk {
    path: Arc<Path>,
    /// Open, so that it can be synced.
    directory: Arc<File>,
}

impl RealDisk {
    /// Opens a directory that exists.
    ///
    /// # Errors
    ///
    /// If it cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let directory = Arc::new(File::open(path)?);
        if !directory.metadata()?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self { path: path.into(), directory })
    }
}

impl Disk for RealDisk {
    type File = RealFile;

    fn list(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            // What is not UTF-8 is not ours.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let metadata = match fs::metadata(entry.path()) {
                Ok(metadata) => metadata,
                // Removed while we look, or a dangling link.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if metadata.is_file() {
                let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
                entries.push(Entry { name, length: metadata.len(), modified });
            }
        }
        Ok(entries)
    }

    fn open(&self, name: &str) -> io::Result<RealFile> {
        OpenOptions::new().read(true).write(true).open(self.path.join(name)).map(RealFile)
    }

    fn create_new(&self, name: &str) -> io::Result<RealFile> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).open(self.path.join(name)).map(RealFile)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.directory.sync_all()
    }

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.path.to_path_buf() } else { self.path.join(name) }
    }
}

/// A file of the file system.
#[derive(Debug)]
pub struct RealFile(File);

impl DiskFile for RealFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<u64>> {
        match seek(&self.0, SeekFrom::Data(offset)) {
            Ok(data) => Ok(Some(data)),
            Err(Errno::NXIO) => Ok(None),
            // Not every file system knows.
            Err(_) => Ok(Some(offset)),
        }
    }

    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn allocate(&mut self, offset: u64, length: u64) -> io::Result<()> {
        match fallocate(&self.0, FallocateFlags::empty(), offset, length) {
            Ok(()) => Ok(()),
            // Not every file system can. The length at least is then what it should be.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                let end = offset.saturating_add(length);
                if self.length()? < end { self.0.set_len(end) } else { Ok(()) }
            }
            Err(errno) => Err(errno.into()),
        }
    }

    fn release(&mut self, offset: u64, length: u64) -> io::Result<()> {
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match fallocate(&self.0, hole, offset, length) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    fn set_length(&mut self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn begin_sync(&mut self, offset: u64, length: u64) {
        // Linux begins to write what it is told will not be needed, and keeps what is not written yet.
        let _ = fadvise(&self.0, offset, NonZeroU64::new(length), Advice::DontNeed);
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}

#[cfg(test)]
mod tests;
