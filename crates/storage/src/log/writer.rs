//! Writing the log: one write and one sync for each batch, with a mark beside them.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zoorum_proto::Zxid;

use super::mark::{Mark, Zone};
use super::{HEADER_LENGTH, LogError, UNSYNCED_MAX, encode_header, encode_record};
use crate::disk::{Disk, DiskFile};
use crate::joints::Joint;
use crate::name::log_name;

/// Room that is kept ahead of what is written, in bytes, before the file is extended: ZooKeeper's number.
const LOOK_AHEAD: u64 = 4096;
/// How far ahead of the records zeroes are written, in bytes. What was only set aside becomes written when records come,
/// and a file system must note that with every sync; what was written before need not be noted again.
const FILL_AHEAD: u64 = 512 << 10;
/// So many of them at a time.
static ZEROES: [u8; 64 << 10] = [0; 64 << 10];

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// By how many bytes a file is extended ahead of what is written to it; 0 is not at all.
    pub preallocate_bytes: u64,
    /// Whether [`TxnLog::sync`] syncs. If not (`forceSync=no`), a power cut loses acknowledged changes.
    pub sync: bool,
    /// Bytes, the preallocated ones included, after which a new file is begun.
    pub roll_bytes: Option<u64>,
}

impl Default for LogOptions {
    /// ZooKeeper's: 64 MiB ahead, always synced, a new file only with a snapshot.
    fn default() -> Self {
        Self { preallocate_bytes: 64 << 20, sync: true, roll_bytes: None }
    }
}

/// Where the next record goes, as recovery found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// Every zxid to come is larger.
    pub last_zxid: Zxid,
    /// A file of this name has a header and no record. It is continued if its turn comes: creating it would
    /// fail.
    pub empty_file: Option<Zxid>,
    /// Bytes of records after the snapshot that was recovered from.
    pub bytes_since_snapshot: u64,
}

/// What a sync achieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synced {
    /// Everything up to here survives a power cut.
    pub through: Zxid,
    /// Bytes that were written for it.
    pub bytes: u64,
}

/// The log, open for appending.
///
/// Records are buffered by [`append`](Self::append); [`sync`](Self::sync) writes and syncs what is buffered.
/// A file is created with its first record, so that a start without a change leaves no file behind.
#[derive(Debug)]
pub struct TxnLog<D: Disk> {
    disk: D,
    options: LogOptions,
    current: Option<OpenLog<D::File>>,
    /// What is to be written; a new segment for each new file.
    pending: VecDeque<Segment>,
    /// A used buffer, to be used again.
    spare: Vec<u8>,
    roll_before_next: bool,
    empty_file: Option<Zxid>,
    last_zxid: Zxid,
    synced: Zxid,
    bytes_since_snapshot: u64,
    joints: Vec<Joint>,
    failed: Option<LogError>,
}

#[derive(Debug)]
struct OpenLog<F> {
    zxid: Zxid,
    file: F,
    /// Where the next record goes.
    position: u64,
    /// Up to where the file is preallocated, or written if that is further.
    length: u64,
    preallocates: bool,
    /// Up to where something was written, zeroes at least.
    filled: u64,
    /// Where it is noted how far the file is synced.
    marks: Option<Zone>,
}

#[derive(Debug)]
struct Segment {
    zxid_first: Zxid,
    begins_file: bool,
    bytes: Vec<u8>,
}

impl<D: Disk> TxnLog<D> {
    /// Goes on where recovery left off. Touches no file yet.
    pub fn open(disk: D, tail: Tail, options: LogOptions) -> Self {
        Self {
            disk,
            options,
            current: None,
            pending: VecDeque::new(),
            spare: Vec::new(),
            roll_before_next: true,
            empty_file: tail.empty_file,
            last_zxid: tail.last_zxid,
            synced: tail.last_zxid,
            bytes_since_snapshot: tail.bytes_since_snapshot,
            joints: Vec::new(),
            failed: None,
        }
    }

    /// Buffers one encoded transaction: our own, or the bytes of a leader's, which are kept as they came.
    ///
    /// # Panics
    ///
    /// If `zxid` is not larger than every one before: a log out of order cannot be replayed.
    pub fn append(&mut self, zxid: Zxid, payload: &[u8]) {
        assert!(zxid > self.last_zxid, "changes are logged in zxid order");
        self.joints.extend(Joint::between(self.last_zxid, zxid));
        self.last_zxid = zxid;
        if self.roll_before_next || self.pending.is_empty() {
            let bytes = std::mem::take(&mut self.spare);
            let begins_file = self.roll_before_next;
            self.pending.push_back(Segment { zxid_first: zxid, begins_file, bytes });
            self.roll_before_next = false;
        }
        let segment = self.pending.back_mut().expect("there is a segment to append to");
        let before = segment.bytes.len();
        encode_record(payload, &mut segment.bytes);
        self.bytes_since_snapshot += (segment.bytes.len() - before) as u64;
    }

    /// Writes what is buffered and makes it durable: one write and one sync, unless a file begins in between or
    /// there are megabytes.
    ///
    /// # Errors
    ///
    /// A failure is final. Nothing of the batch may be acknowledged, and every later call fails the same way.
    pub fn sync(&mut self) -> Result<Synced, LogError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let mut bytes = 0;
        while let Some(segment) = self.pending.pop_front() {
            bytes += segment.bytes.len() as u64;
            if let Err(error) = self.write(&segment) {
                self.failed = Some(error.clone());
                return Err(error);
            }
            self.spare = segment.bytes;
            self.spare.clear();
        }
        self.synced = self.last_zxid;
        if self.options.roll_bytes.is_some_and(|limit| self.file_length() > limit) {
            self.roll_before_next = true;
        }
        Ok(Synced { through: self.synced, bytes })
    }

    /// Begins a new file with the next record, because a snapshot is to be taken: counts from 0 again.
    pub fn roll(&mut self) {
        self.roll_before_next = true;
        self.bytes_since_snapshot = 0;
    }

    /// Syncs, and cuts off what was preallocated in vain: for a clean stop. What is appended later begins a new file.
    ///
    /// # Errors
    ///
    /// As [`sync`](Self::sync).
    pub fn close(&mut self) -> Result<(), LogError> {
        self.sync()?;
        self.roll_before_next = true;
        let Some(mut open) = self.current.take() else { return Ok(()) };
        let file = self.disk.path(&log_name(open.zxid));
        if open.length > open.position {
            let cut = open.file.set_length(open.position);
            cut.map_err(|source| LogError::Write {
                file: file.clone(),
                offset: open.position,
                source: Arc::new(source),
            })?;
        }
        open.sync(file)
    }

    /// The last change that was appended, durable or not.
    pub fn last_zxid(&self) -> Zxid {
        self.last_zxid
    }

    /// Where epochs met since the last call: to be noted in [`crate::Joints`], at leisure.
    pub fn take_joints(&mut self) -> Vec<Joint> {
        std::mem::take(&mut self.joints)
    }

    /// Bytes of records since the last snapshot began, buffered ones included.
    pub fn bytes_since_snapshot(&self) -> u64 {
        self.bytes_since_snapshot
    }

    /// Bytes of records that are buffered.
    pub fn bytes_unsynced(&self) -> u64 {
        self.pending.iter().map(|segment| segment.bytes.len() as u64).sum()
    }

    /// Length of the current file, the preallocated part included; 0 before there is one.
    pub fn file_length(&self) -> u64 {
        self.current.as_ref().map_or(0, |open| open.length)
    }

    /// Up to where everything is durable.
    pub fn synced(&self) -> Zxid {
        self.synced
    }

    fn write(&mut self, segment: &Segment) -> Result<(), LogError> {
        if segment.begins_file {
            let begun = self.begin_file(segment.zxid_first)?;
            if let Some(ended) = self.current.replace(begun) {
                ended.release();
            }
        }
        let open = self.current.as_mut().expect("a segment that begins no file follows one that does");
        let path = self.disk.path(&log_name(open.zxid));
        open.make_room(segment.bytes.len() as u64, &self.options, &path)?;
        open.fill_ahead(segment.bytes.len() as u64);
        for part in segment.bytes.chunks(UNSYNCED_MAX) {
            let begin = open.position;
            open.note(Mark { begin, end: begin + part.len() as u64 }, &path)?;
            open.write(part, path.clone())?;
            if self.options.sync {
                open.sync(path.clone())?;
            }
            open.note(Mark { begin: open.position, end: open.position }, &path)?;
        }
        Ok(())
    }

    /// Creates a file with nothing but a header, durably.
    ///
    /// The header is synced by itself, and before room is allocated: a power cut then leaves no file, an empty
    /// one or a whole header. Behind zeroes where the header should be, nobody could tell torn records from
    /// lost ones, and ZooKeeper would refuse to start.
    fn begin_file(&self, zxid: Zxid) -> Result<OpenLog<D::File>, LogError> {
        let name = log_name(zxid);
        let path = self.disk.path(&name);
        let file = if self.empty_file == Some(zxid) {
            // Room and marks of the process that began it are none of ours.
            self.disk.open(&name).and_then(|mut file| file.set_length(HEADER_LENGTH).map(|()| file))
        } else {
            self.disk.create_new(&name)
        };
        let file = file.map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => LogError::Exists { file: path.clone() },
            _ => LogError::Write { file: path.clone(), offset: 0, source: Arc::new(source) },
        })?;
        let mut open =
            OpenLog { zxid, file, position: 0, length: 0, preallocates: true, filled: 0, marks: None };
        let mut header = Vec::with_capacity(HEADER_LENGTH as usize);
        encode_header(&mut header);
        open.write(&header, path.clone())?;
        if self.options.sync {
            open.sync(path)?;
            let directory = self.disk.path("");
            let synced = self.disk.sync_directory();
            synced.map_err(|source| LogError::Sync { file: directory, source: Arc::new(source) })?;
        }
        Ok(open)
    }
}

impl<F: DiskFile> OpenLog<F> {
    /// Extends the file if `coming` bytes would leave too little room. A disk that is too full for that may still
    /// take the records themselves, so a refusal only ends the extending, for this file.
    ///
    /// The marks move with the file's end, each step being durable before the next: a power cut in between leaves
    /// a file with marks where they belong, or one without, and no batch that they should tell of.
    fn make_room(&mut self, coming: u64, options: &LogOptions, path: &Path) -> Result<(), LogError> {
        let length = extended_length(self.position, coming, self.length, options.preallocate_bytes);
        if !self.preallocates || length <= self.length {
            return Ok(());
        }
        if let Some(zone) = self.marks.take() {
            let offset = zone.start();
            zone.clear(&mut self.file).map_err(|source| write_failed(path, offset, source))?;
            self.sync(path.to_owned())?;
        }
        if self.file.allocate(self.length, length - self.length).is_err() {
            self.preallocates = false;
            return Ok(());
        }
        self.length = length;
        if options.sync {
            self.sync(path.to_owned())?;
            self.marks = Zone::of(length);
            self.note(Mark { begin: self.position, end: self.position }, path)?;
            self.sync(path.to_owned())?;
        }
        Ok(())
    }

    /// Writes zeroes behind the `coming` bytes, if those go further than anything that was written. The next sync
    /// makes them durable; whether it does changes nothing of what is read.
    fn fill_ahead(&mut self, coming: u64) {
        let from = self.position.saturating_add(coming).max(HEADER_LENGTH);
        if from <= self.filled {
            return;
        }
        let room = self.marks.as_ref().map_or(self.length, Zone::start);
        let until = room.min(from + FILL_AHEAD);
        self.filled = from;
        while self.filled < until {
            let count = ZEROES.len().min((until - self.filled) as usize);
            // It only saves time. Whether the disk takes records they will tell themselves.
            if self.file.write_all_at(&ZEROES[..count], self.filled).is_err() {
                return;
            }
            self.filled += count as u64;
        }
    }

    /// Writes how far the file is synced, if there is a place for it.
    fn note(&mut self, mark: Mark, path: &Path) -> Result<(), LogError> {
        let Some(zone) = &mut self.marks else { return Ok(()) };
        let written = zone.note(&mut self.file, mark);
        written.map_err(|source| write_failed(path, zone.start(), source))
    }

    fn write(&mut self, bytes: &[u8], path: PathBuf) -> Result<(), LogError> {
        let offset = self.position;
        let written = self.file.write_all_at(bytes, offset);
        written.map_err(|source| write_failed(&path, offset, source))?;
        self.position += bytes.len() as u64;
        self.length = self.length.max(self.position);
        Ok(())
    }

    /// Gives back the room ahead, which will not be needed: there may be many such files, and all of their
    /// room is really taken. The length stays, as ZooKeeper's does. It is no loss if this fails.
    fn release(mut self) {
        if self.length > self.position {
            let _ = self.file.release(self.position, self.length - self.position);
        }
    }

    fn sync(&mut self, path: PathBuf) -> Result<(), LogError> {
        self.file.sync_data().map_err(|source| LogError::Sync { file: path, source: Arc::new(source) })
    }
}

fn write_failed(path: &Path, offset: u64, source: io::Error) -> LogError {
    LogError::Write { file: path.to_owned(), offset, source: Arc::new(source) }
}

/// How long a file should be before `coming` bytes are written at `position`: whole steps after the header, as
/// ZooKeeper's files are, and never so short that the bytes would be written where nothing is allocated.
fn extended_length(position: u64, coming: u64, length: u64, step: u64) -> u64 {
    let needed = position.saturating_add(coming).saturating_add(LOOK_AHEAD);
    if step == 0 || needed < length {
        return length;
    }
    let steps = (needed - length) / step + 1;
    length.saturating_add(steps.saturating_mul(step))
}

#[cfg(test)]
mod tests;
