//! What storage asks of a disk: one directory of files, read and written at positions, synced when told.
//!
//! **Promise asked for.** After [`DiskFile::sync_data`] what was written to the file survives a power cut, its
//! length included; after [`Disk::sync_directory`] so do the names. Before that, anything may be lost, in any
//! order and in pieces. [`crate::memory::MemoryDisk`] does lose it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// A file as the directory lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, relative to the directory.
    pub name: String,
    /// Its length in bytes.
    pub length: u64,
    /// When it was last written, since 1970. Decides between files of one zxid, nothing else.
    pub modified: Duration,
}

/// One directory. A clone speaks of the same directory, from another thread if need be.
pub trait Disk: Clone + Send + 'static {
    /// An open file.
    type File: DiskFile;

    /// The files in it, in no order; directories are left out.
    fn list(&self) -> io::Result<Vec<Entry>>;

    /// Opens a file to read and write.
    fn open(&self, name: &str) -> io::Result<Self::File>;

    /// Creates a file; [`io::ErrorKind::AlreadyExists`] if the name is taken.
    fn create_new(&self, name: &str) -> io::Result<Self::File>;

    /// Gives a file another name; a file that had that name is gone, atomically.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes creations, renamings and removals up to now survive a power cut.
    fn sync_directory(&self) -> io::Result<()>;

    /// The whole path of a name, for messages.
    fn path(&self, name: &str) -> PathBuf;
}

/// An open file.
pub trait DiskFile: Send + 'static {
    /// Its length in bytes.
    fn length(&self) -> io::Result<u64>;

    /// Reads at `offset`. Fewer bytes than asked for do not mean that the file ends; 0 does.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Where, from `offset` on, the next bytes lie that may be other than zeroes; `None` if there are none. Room that
    /// was set aside and never written reads as zeroes, and need not be read; but a disk need not know where it is.
    fn next_data(&self, offset: u64) -> io::Result<Option<u64>> {
        Ok(Some(offset))
    }

    /// Writes all of `bytes` at `offset`, growing the file if need be.
    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes `length` bytes from `offset` really there: later writes into them need no more space. The file
    /// grows to their end if it was shorter, and reads as zeroes there.
    fn allocate(&mut self, offset: u64, length: u64) -> io::Result<()>;

    /// Gives back the room of a stretch that was allocated and never written. Length and content stay. Only
    /// saves space, so a disk need not know how.
    fn release(&mut self, _offset: u64, _length: u64) -> io::Result<()> {
        Ok(())
    }

    /// Cuts the file, or extends it by zeroes.
    fn set_length(&mut self, length: u64) -> io::Result<()>;

    /// Asks that `length` bytes that were written at `offset` be on their way to the disk, and does not wait for them:
    /// a sync to come has less left to do. Only saves time, so a disk need not know how.
    fn begin_sync(&mut self, _offset: u64, _length: u64) {}

    /// Makes what was written survive a power cut.
    fn sync_data(&mut self) -> io::Result<()>;
}

/// Reads until `buffer` is full or the file ends; says how much was read.
pub(crate) fn read_full_at(file: &impl DiskFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
