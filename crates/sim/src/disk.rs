//! A disk as one process sees it: it works as long as the process lives, and the process may die in it.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use zoorum_storage::memory::{MemoryDisk, MemoryFile};
use zoorum_storage::{Disk, DiskFile, Entry};

/// A process's life, as far as its disks are concerned. A dead process changes nothing: what its memory held
/// can neither be written nor cleaned up.
#[derive(Clone, Debug)]
pub(crate) struct Life(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    is_alive: bool,
    /// Operations until it dies.
    left: Option<u32>,
    skips_directory_syncs: bool,
    skips_syncs: bool,
}

impl Life {
    pub(crate) fn new(skips_directory_syncs: bool) -> Self {
        Self(Arc::new(Mutex::new(State {
            is_alive: true,
            left: None,
            skips_directory_syncs,
            skips_syncs: false,
        })))
    }

    /// Lets the process die in its `operations`th change of a disk from now.
    pub(crate) fn die_after(&self, operations: u32) {
        self.state().left = Some(operations);
    }

    /// Only with an error planted: nothing is synced until further notice.
    pub(crate) fn skip_syncs(&self, skips: bool) {
        self.state().skips_syncs = skips;
    }

    pub(crate) fn end(&self) {
        self.state().is_alive = false;
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.state().is_alive
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder of this lock panics")
    }

    /// One operation more. `Ok(false)`: it is the last, and gets only half done.
    fn operate(&self) -> io::Result<bool> {
        let mut state = self.state();
        if !state.is_alive {
            return Err(dead());
        }
        match &mut state.left {
            Some(0) => {
                state.is_alive = false;
                Ok(false)
            }
            Some(left) => {
                *left -= 1;
                Ok(true)
            }
            None => Ok(true),
        }
    }

    /// The same, for what cannot be half done.
    fn operate_whole(&self) -> io::Result<()> {
        if self.operate()? { Ok(()) } else { Err(dead()) }
    }
}

fn dead() -> io::Error {
    io::Error::other("the process is dead")
}

/// A directory, as a process sees it.
#[derive(Clone, Debug)]
pub(crate) struct ProcessDisk {
    pub(crate) disk: MemoryDisk,
    pub(crate) life: Life,
}

/// A file, as a process sees it.
#[derive(Debug)]
pub(crate) struct ProcessFile {
    file: MemoryFile,
    life: Life,
}

impl Disk for ProcessDisk {
    type File = ProcessFile;

    fn list(&self) -> io::Result<Vec<Entry>> {
        self.disk.list()
    }

    fn open(&self, name: &str) -> io::Result<ProcessFile> {
        Ok(ProcessFile { file: self.disk.open(name)?, life: self.life.clone() })
    }

    fn create_new(&self, name: &str) -> io::Result<ProcessFile> {
        self.life.operate_whole()?;
        Ok(ProcessFile { file: self.disk.create_new(name)?, life: self.life.clone() })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.life.operate_whole()?;
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.life.operate_whole()?;
        self.disk.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.life.operate_whole()?;
        let State { skips_directory_syncs, skips_syncs, .. } = *self.life.state();
        if skips_directory_syncs || skips_syncs { Ok(()) } else { self.disk.sync_directory() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.disk.path(name)
    }
}

impl DiskFile for ProcessFile {
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.life.operate()? {
            return self.file.write_all_at(bytes, offset);
        }
        self.file.write_all_at(&bytes[..bytes.len() / 2], offset)?;
        Err(dead())
    }

    fn allocate(&mut self, offset: u64, length: u64) -> io::Result<()> {
        self.life.operate_whole()?;
        self.file.allocate(offset, length)
    }

    fn set_length(&mut self, length: u64) -> io::Result<()> {
        self.life.operate_whole()?;
        self.file.set_length(length)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.life.operate_whole()?;
        if self.life.state().skips_syncs { Ok(()) } else { self.file.sync_data() }
    }
}
