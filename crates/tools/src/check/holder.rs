//! Who uses the data directory, found out without taking its lock: a starting server would find it taken.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use zoorum_config::ServerConfig;
use zoorum_host::disk::java_server;

use super::ports::{Listener, listeners};

/// A server that runs on the data directory.
#[derive(Clone, Debug)]
pub(super) struct Holder {
    /// Its process.
    pub process: u32,
    /// How that is known.
    pub by: String,
}

impl Holder {
    /// The one that holds the lock; or a Java server, which takes none, by its pid file or by its port.
    pub(super) fn find(config: &ServerConfig) -> Option<Self> {
        let data_dir = &config.storage.data_dir;
        let lock = data_dir.join("zoorum/LOCK");
        if let Some(process) = process_that_locks(&lock) {
            return Some(Self { process, by: format!("it holds {}", lock.display()) });
        }
        if let Some((file, process)) = java_server(data_dir) {
            return Some(Self { process, by: format!("{} names it", file.display()) });
        }
        let port = config.network.client_address.as_ref()?.port;
        let serves = |listener: &Listener| listener.command.contains("org.apache.zookeeper");
        let listener = listeners(port).into_iter().find(serves)?;
        // Its directory may be another; to take it for this one does no harm.
        Some(Self { process: listener.process?, by: format!("it has port {port}") })
    }
}

/// The process that locks a file, by the system's list of locks. Zero stands for one in another container, whose number
/// is not known.
pub(crate) fn process_that_locks(file: &Path) -> Option<u32> {
    let inode = fs::metadata(file).ok()?.ino().to_string();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let &[_, "FLOCK", _, _, process, place, ..] = columns.as_slice() else { return None };
        let held = place.rsplit(':').next() == Some(inode.as_str());
        held.then(|| process.parse().unwrap_or(0))
    })
}
