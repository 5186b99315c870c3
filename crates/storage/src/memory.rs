//! A disk in memory that loses what was not synced, when told to.
//!
//! Each file has two contents: what readers see, and what a power cut would leave. Writes reach the first at
//! once and the second when the file is synced; names likewise, when the directory is. [`MemoryDisk::crash`]
//! replays an arbitrary part of what lies between: whole writes, their fronts, or single sectors, in any
//! order. All chance comes from the seed handed in.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::disk::{Disk, DiskFile, Entry};

/// What a disk writes as a whole or not at all, in bytes.
const SECTOR: usize = 512;

/// A directory in memory. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk {
    state: Arc<Mutex<State>>,
}

/// An open file of a [`MemoryDisk`].
#[derive(Debug)]
pub struct MemoryFile {
    state: Arc<Mutex<State>>,
    content: usize,
}

/// What a [`MemoryDisk`] has been asked for, since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls of [`DiskFile::write_all_at`].
    pub writes: u64,
    /// Calls of [`DiskFile::sync_data`].
    pub syncs: u64,
    /// Calls of [`Disk::sync_directory`].
    pub directory_syncs: u64,
}

#[derive(Debug, Default)]
struct State {
    contents: Vec<Content>,
    names: BTreeMap<String, usize>,
    names_synced: BTreeMap<String, usize>,
    names_unsynced: Vec<Naming>,
    counts: Counts,
    /// Stands in for the time of a write.
    tick: u64,
    /// Bytes that can still be written or allocated.
    room: Option<u64>,
    sync_fails: bool,
}

#[derive(Debug, Default)]
struct Content {
    seen: Vec<u8>,
    synced: Vec<u8>,
    unsynced: Vec<Write>,
    /// Writes that a failed sync should have kept. A power cut may find them on the platter; no later sync
    /// will bring them there.
    doubtful: Vec<Write>,
    modified: u64,
}

#[derive(Clone, Debug)]
enum Write {
    Bytes { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

#[derive(Clone, Debug)]
enum Naming {
    Link { name: String, content: usize },
    Rename { from: String, to: String },
    Unlink { name: String },
}

impl MemoryDisk {
    /// An empty directory on a disk without faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cuts the power: what was synced stays, and of the rest what the seed says. Open files are dead.
    pub fn crash(&self, seed: u64) {
        self.lose(&mut Chance(seed), true);
    }

    /// The same, on a disk that keeps the order: of each file's writes a front survives, which may end within
    /// one of them.
    pub fn crash_in_order(&self, seed: u64) {
        self.lose(&mut Chance(seed), false);
    }

    /// Cuts the power at its cruellest: nothing that was not synced stays.
    pub fn crash_hard(&self) {
        let mut state = self.lock();
        state.names_unsynced.clear();
        state.names = state.names_synced.clone();
        for content in &mut state.contents {
            content.unsynced.clear();
            content.doubtful.clear();
            content.seen = content.synced.clone();
        }
    }

    /// Lets the disk be full after `bytes` more; a write then stops in its middle. `None`: never.
    pub fn limit_room(&self, bytes: Option<u64>) {
        self.lock().room = bytes;
    }

    /// Lets every sync fail from now on. What it should have kept may be lost even if a later one succeeds, as
    /// with kernels.
    pub fn fail_syncs(&self, fail: bool) {
        self.lock().sync_fails = fail;
    }

    /// The bytes of a file, as readers see them.
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.lock();
        state.names.get(name).map(|&content| state.contents[content].seen.clone())
    }

    /// Puts a file there, durably, in the place of any other of its name.
    pub fn place(&self, name: &str, bytes: Vec<u8>) {
        let mut state = self.lock();
        let content = state.new_content();
        state.contents[content].synced = bytes.clone();
        state.contents[content].seen = bytes;
        state.names.insert(name.to_owned(), content);
        state.names_synced.insert(name.to_owned(), content);
    }

    /// Flips one bit on the platter. Nothing happens where the file is shorter, or missing.
    pub fn flip_bit(&self, name: &str, offset: usize, bit: u8) {
        let mut state = self.lock();
        let Some(&content) = state.names.get(name) else { return };
        let content = &mut state.contents[content];
        for bytes in [&mut content.seen, &mut content.synced] {
            if let Some(byte) = bytes.get_mut(offset) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }

    /// A disk with the same files on it, all durable.
    pub fn duplicate(&self) -> Self {
        let copy = Self::new();
        let state = self.lock();
        for (name, &content) in &state.names {
            copy.place(name, state.contents[content].seen.clone());
        }
        drop(state);
        copy
    }

    /// What was asked of the disk up to now.
    pub fn counts(&self) -> Counts {
        self.lock().counts
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn lose(&self, chance: &mut Chance, reorders: bool) {
        let mut state = self.lock();
        let namings = std::mem::take(&mut state.names_unsynced);
        for naming in namings {
            if chance.below(2) == 0 {
                naming.apply(&mut state.names_synced);
            }
        }
        state.names = state.names_synced.clone();
        for content in &mut state.contents {
            let mut unsynced = std::mem::take(&mut content.doubtful);
            unsynced.append(&mut content.unsynced);
            if reorders {
                unsynced.into_iter().for_each(|write| write.apply_partly(&mut content.synced, chance));
            } else if !unsynced.is_empty() {
                unsynced.truncate(chance.below(unsynced.len() as u64) as usize + 1);
                let torn = unsynced.pop();
                unsynced.iter().for_each(|write| write.apply(&mut content.synced));
                torn.into_iter().for_each(|write| write.apply_front(&mut content.synced, chance));
            }
            content.seen = content.synced.clone();
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("no holder of this lock panics")
}

impl Disk for MemoryDisk {
    type File = MemoryFile;

    fn list(&self) -> io::Result<Vec<Entry>> {
        let state = self.lock();
        let entry = |(name, &content): (&String, &usize)| Entry {
            name: name.clone(),
            length: state.contents[content].seen.len() as u64,
            modified: Duration::from_nanos(state.contents[content].modified),
        };
        Ok(state.names.iter().map(entry).collect())
    }

    fn open(&self, name: &str) -> io::Result<MemoryFile> {
        let content = *self.lock().names.get(name).ok_or_else(|| missing(name))?;
        Ok(MemoryFile { state: Arc::clone(&self.state), content })
    }

    fn create_new(&self, name: &str) -> io::Result<MemoryFile> {
        let mut state = self.lock();
        if state.names.contains_key(name) {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{name} exists")));
        }
        let content = state.new_content();
        state.name(Naming::Link { name: name.to_owned(), content });
        Ok(MemoryFile { state: Arc::clone(&self.state), content })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.lock();
        if !state.names.contains_key(from) {
            return Err(missing(from));
        }
        state.name(Naming::Rename { from: from.to_owned(), to: to.to_owned() });
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.lock();
        if !state.names.contains_key(name) {
            return Err(missing(name));
        }
        state.name(Naming::Unlink { name: name.to_owned() });
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut state = self.lock();
        state.counts.directory_syncs += 1;
        state.fail_if_told()?;
        state.names_unsynced.clear();
        state.names_synced = state.names.clone();
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new("memory").join(name)
    }
}

fn missing(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{name} is missing"))
}

impl DiskFile for MemoryFile {
    fn length(&self) -> io::Result<u64> {
        Ok(lock(&self.state).contents[self.content].seen.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = lock(&self.state);
        let seen = &state.contents[self.content].seen;
        let rest = usize::try_from(offset).ok().and_then(|offset| seen.get(offset..)).unwrap_or(&[]);
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.counts.writes += 1;
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let fits = state.take_room(self.content, offset, bytes.len());
        state.write(self.content, Write::Bytes { offset, bytes: bytes[..fits].to_vec() });
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn allocate(&mut self, offset: u64, length: u64) -> io::Result<()> {
        let mut state = lock(&self.state);
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let room = state.room;
        if state.take_room(self.content, offset, length) < length {
            state.room = room;
            return Err(io::ErrorKind::StorageFull.into());
        }
        let end = offset + length;
        if end > state.contents[self.content].seen.len() {
            state.write(self.content, Write::Length(end));
        }
        Ok(())
    }

    fn set_length(&mut self, length: u64) -> io::Result<()> {
        let length = usize::try_from(length).map_err(io::Error::other)?;
        lock(&self.state).write(self.content, Write::Length(length));
        Ok(())
    }

    fn sync_data(&mut self) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.counts.syncs += 1;
        let failed = state.fail_if_told();
        let content = &mut state.contents[self.content];
        if failed.is_ok() {
            std::mem::take(&mut content.unsynced).iter().for_each(|write| write.apply(&mut content.synced));
        } else {
            content.doubtful.append(&mut content.unsynced);
        }
        failed
    }
}

impl State {
    fn new_content(&mut self) -> usize {
        self.tick += 1;
        self.contents.push(Content { modified: self.tick, ..Content::default() });
        self.contents.len() - 1
    }

    fn name(&mut self, naming: Naming) {
        naming.apply(&mut self.names);
        self.names_unsynced.push(naming);
    }

    fn write(&mut self, content: usize, write: Write) {
        self.tick += 1;
        let content = &mut self.contents[content];
        content.modified = self.tick;
        write.apply(&mut content.seen);
        content.unsynced.push(write);
    }

    /// How many of `length` bytes at `offset` there is room for; only bytes past the file's end take any.
    fn take_room(&mut self, content: usize, offset: usize, length: usize) -> usize {
        let free = self.contents[content].seen.len().saturating_sub(offset).min(length);
        let Some(room) = &mut self.room else { return length };
        let taken = ((length - free) as u64).min(*room);
        *room -= taken;
        free + taken as usize
    }

    fn fail_if_told(&self) -> io::Result<()> {
        if self.sync_fails { Err(io::Error::other("input/output error")) } else { Ok(()) }
    }
}

impl Write {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Length(length) => content.resize(*length, 0),
            Self::Bytes { offset, bytes } => {
                let end = offset + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*offset..end].copy_from_slice(bytes);
            }
        }
    }

    /// Of a write, its front, which may be all of it or nothing.
    fn apply_front(mut self, content: &mut Vec<u8>, chance: &mut Chance) {
        if let Self::Bytes { bytes, .. } = &mut self {
            bytes.truncate(chance.below(bytes.len() as u64 + 1) as usize);
        }
        self.apply(content);
    }

    /// Of a write, all, nothing, its front, or some of its sectors.
    fn apply_partly(self, content: &mut Vec<u8>, chance: &mut Chance) {
        match (chance.below(4), self) {
            (0, write) => write.apply(content),
            (1, _) => {}
            (2, write) => write.apply_front(content, chance),
            (_, Self::Bytes { offset, bytes }) => {
                let mut at = 0;
                while at < bytes.len() {
                    let end = (at + SECTOR - (offset + at) % SECTOR).min(bytes.len());
                    if chance.below(2) == 0 {
                        Self::Bytes { offset: offset + at, bytes: bytes[at..end].to_vec() }.apply(content);
                    }
                    at = end;
                }
            }
            (_, write @ Self::Length(_)) => write.apply(content),
        }
    }
}

impl Naming {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Link { name, content } => {
                names.insert(name.clone(), *content);
            }
            Self::Rename { from, to } => {
                if let Some(content) = names.remove(from) {
                    names.insert(to.clone(), content);
                }
            }
            Self::Unlink { name } => {
                names.remove(name);
            }
        }
    }
}

/// SplitMix64: a few lines, and the same everywhere.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}
