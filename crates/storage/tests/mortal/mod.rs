//! Processes that die in the midst of what they do, at every change of the disk in turn.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use zoorum_storage::memory::{MemoryDisk, MemoryFile};
use zoorum_storage::{Disk, DiskFile, Entry};

/// The directories of a server.
#[derive(Clone)]
pub struct Dirs<D> {
    pub snapshots: D,
    pub logs: D,
    pub own: D,
}

impl Dirs<MemoryDisk> {
    /// Snapshots and logs in one directory, as they are unless configured otherwise.
    #[allow(dead_code, reason = "not every test has logs")]
    pub fn shared(disk: &MemoryDisk) -> Self {
        Self { snapshots: disk.clone(), logs: disk.clone(), own: MemoryDisk::new() }
    }

    /// The same files in two directories.
    #[allow(dead_code, reason = "not every test has logs")]
    pub fn split(disk: &MemoryDisk) -> Self {
        let (snapshots, logs) = (disk.duplicate(), disk.duplicate());
        for entry in disk.list().unwrap() {
            let other = if entry.name.starts_with("log.") { &snapshots } else { &logs };
            other.remove(&entry.name).unwrap();
            other.sync_directory().unwrap();
        }
        Self { snapshots, logs, own: MemoryDisk::new() }
    }

    fn duplicate(&self) -> Self {
        let shares = self.snapshots.list().unwrap() == self.logs.list().unwrap();
        let snapshots = self.snapshots.duplicate();
        let logs = if shares { snapshots.clone() } else { self.logs.duplicate() };
        Self { snapshots, logs, own: self.own.duplicate() }
    }

    fn each(&self, act: impl Fn(&MemoryDisk)) {
        act(&self.snapshots);
        act(&self.logs);
        act(&self.own);
    }
}

/// Lets a process do `act` on copies of `dirs`, each time dying one change of the disk later, until it lives
/// through it. What each death leaves, without a power cut and after several, is shown to `judge`, which is
/// told whether the act was done to its end.
pub fn die_everywhere(
    dirs: &Dirs<MemoryDisk>,
    act: impl Fn(&Dirs<MortalDisk>),
    judge: impl Fn(&Dirs<MemoryDisk>, bool),
) {
    for operations in 1.. {
        let mut is_done = false;
        for cut in 0..8_u64 {
            let left = dirs.duplicate();
            let life = Life(Arc::new(Mutex::new(operations)));
            let mortal = |disk: &MemoryDisk| MortalDisk { disk: disk.clone(), life: life.clone() };
            act(&Dirs {
                snapshots: mortal(&left.snapshots),
                logs: mortal(&left.logs),
                own: mortal(&left.own),
            });
            is_done = *life.0.lock().unwrap() > 0;
            match cut {
                0 => {}
                1 => left.each(MemoryDisk::crash_hard),
                2..=5 => left.each(|disk| disk.crash(operations * 8 + cut)),
                _ => left.each(|disk| disk.crash_in_order(operations * 8 + cut)),
            }
            judge(&left, is_done);
        }
        if is_done {
            assert!(operations > 1, "nothing was done to the disk");
            break;
        }
    }
}

/// How many changes a process has left.
#[derive(Clone, Debug)]
struct Life(Arc<Mutex<u64>>);

impl Life {
    /// One change more; the last is not done, or half.
    fn spend(&self) -> io::Result<()> {
        let mut left = self.0.lock().unwrap();
        *left = left.saturating_sub(1);
        if *left == 0 { Err(io::Error::other("the process is dead")) } else { Ok(()) }
    }
}

/// A disk as such a process sees it.
#[derive(Clone, Debug)]
pub struct MortalDisk {
    disk: MemoryDisk,
    life: Life,
}

#[derive(Debug)]
pub struct MortalFile {
    file: MemoryFile,
    life: Life,
}

impl Disk for MortalDisk {
    type File = MortalFile;

    fn list(&self) -> io::Result<Vec<Entry>> {
        self.disk.list()
    }

    fn open(&self, name: &str) -> io::Result<MortalFile> {
        Ok(MortalFile { file: self.disk.open(name)?, life: self.life.clone() })
    }

    fn create_new(&self, name: &str) -> io::Result<MortalFile> {
        self.life.spend()?;
        Ok(MortalFile { file: self.disk.create_new(name)?, life: self.life.clone() })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.life.spend()?;
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.life.spend()?;
        self.disk.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.life.spend()?;
        self.disk.sync_directory()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.disk.path(name)
    }
}

impl DiskFile for MortalFile {
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let was_alive = *self.life.0.lock().unwrap() > 0;
        let spent = self.life.spend();
        match spent {
            Err(_) if was_alive => self.file.write_all_at(&bytes[..bytes.len() / 2], offset)?,
            Err(_) => {}
            Ok(()) => self.file.write_all_at(bytes, offset)?,
        }
        spent
    }

    fn allocate(&mut self, offset: u64, length: u64) -> io::Result<()> {
        self.life.spend()?;
        self.file.allocate(offset, length)
    }

    fn set_length(&mut self, length: u64) -> io::Result<()> {
        self.life.spend()?;
        self.file.set_length(length)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.life.spend()?;
        self.file.sync_data()
    }
}
