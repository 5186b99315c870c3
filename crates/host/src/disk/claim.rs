//! Who has a data directory: one server, or whoever restores into it.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::{DataDirError, OWN, Role};

/// Where `zkServer.sh start` leaves the id of the process.
const PID_FILE: &str = "zookeeper_server.pid";
/// What the command line of a Java server contains.
const JAVA_SERVER: &[u8] = b"org.apache.zookeeper.server";

/// Keeps a data directory from servers, for as long as this lives.
#[derive(Debug)]
pub struct Claim {
    _lock: File,
}

impl Claim {
    /// Claims a data directory that exists.
    ///
    /// # Errors
    ///
    /// If a server runs on it.
    pub fn new(data_dir: &Path) -> Result<Self, DataDirError> {
        let lock = lock(Role::Snap, data_dir)?;
        refuse_java_server(data_dir)?;
        Ok(Self { _lock: lock })
    }

    /// Whether a server runs on the directory now; nothing is created in it.
    ///
    /// # Errors
    ///
    /// If one does.
    pub fn try_out(data_dir: &Path) -> Result<(), DataDirError> {
        if data_dir.join(OWN).join("LOCK").exists() {
            Self::new(data_dir).map(drop)
        } else {
            refuse_java_server(data_dir)
        }
    }
}

/// Takes the lock of a directory. The system gives it back when the process ends, however it ends.
pub(super) fn lock(role: Role, parent: &Path) -> Result<File, DataDirError> {
    let own = parent.join(OWN);
    let failed = |source| DataDirError::Write { role, dir: own.clone(), source };
    fs::create_dir_all(&own).map_err(failed)?;
    let path = own.join("LOCK");
    let mut file =
        OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path).map_err(failed)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            let mut text = String::new();
            let process = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
            return Err(DataDirError::Locked { file: path, process });
        }
        Err(errno) => return Err(failed(errno.into())),
    }
    // Only for the message above.
    let note = |file: &mut File| file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    note(&mut file).map_err(failed)?;
    Ok(file)
}

/// The file that names a Java server which runs on this directory, and its process.
///
/// A pid file alone proves nothing: it stays behind when a server is killed, and our own script writes one.
pub fn java_server(data_dir: &Path) -> Option<(PathBuf, u32)> {
    let file = data_dir.join(PID_FILE);
    let process = fs::read_to_string(&file).ok()?.trim().parse::<u32>().ok()?;
    let command = fs::read(format!("/proc/{process}/cmdline")).ok()?;
    let is_java = command.windows(JAVA_SERVER.len()).any(|window| window == JAVA_SERVER);
    is_java.then_some((file, process))
}

pub(super) fn refuse_java_server(data_dir: &Path) -> Result<(), DataDirError> {
    match java_server(data_dir) {
        Some((file, process)) => Err(DataDirError::JavaServer { file, process }),
        None => Ok(()),
    }
}
