//! Reading a log file, and telling a torn end from damage.
//!
//! Records follow each other until the zeroes that were preallocated, or until the file ends. Where something
//! else stands there, one question decides: could a power cut have left it? A cut tears the last write only,
//! so a broken record with nothing but zeroes behind it is [`End::Torn`]: it was never acknowledged. With
//! anything behind it, it is torn if the file's mark says that it was not synced (see `mark`), and
//! otherwise [`End::Damaged`]: acknowledged changes may be lost. (ZooKeeper stops silently at a bad end marker, bad
//! length or zeroed sector, and loses what follows; at any bad checksum it refuses to start.)
//!
//! Only the newest file's mark is believed: in older ones the last mark may have been lost.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use zoorum_proto::Zxid;

use super::mark::Marks;
use super::{END_OF_RECORD, HEADER_LENGTH, MAGIC, RECORD_HEADER_LENGTH, RECORD_OVERHEAD, zxid_of};
use crate::disk::{Disk, DiskFile, read_full_at};
use crate::window::{FileReader, Window};

/// How far behind a broken record a sound one is looked for, in bytes: several times the largest record.
const SEARCH: u64 = 8 << 20;

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The payload's Adler-32 is another.
    #[error("CRC check failed, checksum is {found:#010x}, should be {computed:#010x}")]
    Checksum {
        /// The one in the record.
        found: i64,
        /// The payload's.
        computed: u32,
    },
    /// The byte behind the payload.
    #[error("end marker is {found:#04x}, should be 0x42")]
    EndMarker {
        /// The one in the record.
        found: u8,
    },
    /// Zero or negative, and yet something follows.
    #[error("length is {found}, though more follows")]
    Length {
        /// The one in the record.
        found: i32,
    },
    /// The file ends inside the record.
    #[error("the file ends after {present} bytes of the record, which says it has {expected}")]
    Cut {
        /// Bytes that are there.
        present: u64,
        /// Bytes that the record should have; its first 12 if even those are cut.
        expected: u64,
    },
}

/// Why a file cannot be read as a log at all.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ScanError {
    /// The system does not let us.
    #[error("{file}: cannot read: {source}")]
    Read {
        /// The file.
        file: PathBuf,
        /// The system's reason.
        source: Arc<io::Error>,
    },
    /// It begins with something else than a log's magic number.
    #[error(
        "Transaction log: {file} has invalid magic number {found} != {MAGIC}; it is no transaction log, or its front is destroyed"
    )]
    Magic {
        /// The file.
        file: PathBuf,
        /// The number found.
        found: i32,
    },
}

/// What stands at the scanner's position.
#[derive(Debug)]
pub enum Step<'a> {
    /// A sound record.
    Record {
        /// Where it begins.
        offset: u64,
        /// The transaction, encoded.
        payload: &'a [u8],
    },
    /// A record with another checksum than it should have, whose neighbours can still be read. A reader who
    /// needs it must stop; one who does not may go on.
    BadChecksum {
        /// Where it begins.
        offset: u64,
        /// What is wrong.
        damage: Damage,
    },
    /// The file's last record was read.
    End(End),
}

/// How a file ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// With zeroes, or with its last record.
    Clean {
        /// The end of the last sound record.
        offset: u64,
    },
    /// With a record that a power cut can have torn.
    Torn {
        /// The end of the last sound record, and the beginning of the torn one.
        offset: u64,
        /// What is wrong with it.
        damage: Damage,
    },
    /// With a broken record that more follows.
    Damaged {
        /// The end of the last sound record, and the beginning of the broken one.
        offset: u64,
        /// What is wrong with it.
        damage: Damage,
        /// The first sound record behind it, if one was found.
        next: Option<Zxid>,
    },
}

/// Reads one log file, record by record.
pub struct LogScanner<F> {
    file: F,
    window: Window<FileReader<F>>,
    length: u64,
    path: PathBuf,
    end: Option<End>,
    /// Bytes of the record that the last step showed.
    shown: usize,
    believes_mark: bool,
}

impl<F: DiskFile> LogScanner<F> {
    /// Opens a log. `None` if there is nothing in it: it is shorter than a header, or all zero, as a crash
    /// leaves a file that was just created.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or has another magic number.
    pub fn open<D: Disk<File = F>>(disk: &D, name: &str) -> Result<Option<Self>, ScanError> {
        let path = disk.path(name);
        let failed = |source| ScanError::Read { file: path.clone(), source: Arc::new(source) };
        let file = disk.open(name).map_err(failed)?;
        let length = file.length().map_err(failed)?;
        let mut magic = [0; 4];
        if length < HEADER_LENGTH || read_full_at(&file, &mut magic, 0).map_err(failed)? < magic.len() {
            return Ok(None);
        }
        let found = i32::from_be_bytes(magic);
        if found != MAGIC {
            return match nonzero_end(&file, 0, length).map_err(failed)? {
                None => Ok(None),
                Some(_) => Err(ScanError::Magic { file: path, found }),
            };
        }
        let mut window = Window::new(FileReader::new(disk.open(name).map_err(failed)?));
        window.require(HEADER_LENGTH as usize).map_err(failed)?;
        window.advance(HEADER_LENGTH as usize);
        Ok(Some(Self { file, window, length, path, end: None, shown: 0, believes_mark: false }))
    }

    /// Takes what the file's mark calls unsynced for torn, whatever follows it: this is the newest log.
    pub fn believe_mark(&mut self) {
        self.believes_mark = true;
    }

    /// Goes on with the record that begins at `offset`.
    pub(crate) fn skip_to<D: Disk<File = F>>(
        &mut self,
        disk: &D,
        name: &str,
        offset: u64,
    ) -> Result<(), ScanError> {
        let opened = disk.open(name);
        let file =
            opened.map_err(|source| ScanError::Read { file: self.path.clone(), source: Arc::new(source) })?;
        self.window = Window::at(FileReader::at(file, offset), offset);
        (self.end, self.shown) = (None, 0);
        Ok(())
    }

    /// The next record. Once the end was reached, it is told again and again.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn step(&mut self) -> Result<Step<'_>, ScanError> {
        if let Some(end) = &self.end {
            return Ok(Step::End(end.clone()));
        }
        self.window.advance(std::mem::take(&mut self.shown));
        match self.look() {
            Ok(Look::Record(length)) => {
                self.shown = length + RECORD_OVERHEAD;
                let offset = self.window.position();
                Ok(Step::Record { offset, payload: &self.window.bytes()[RECORD_HEADER_LENGTH..][..length] })
            }
            Ok(Look::BadChecksum(length, damage)) => {
                self.shown = length + RECORD_OVERHEAD;
                Ok(Step::BadChecksum { offset: self.window.position(), damage })
            }
            Ok(Look::End(end)) => {
                self.end = Some(end.clone());
                Ok(Step::End(end))
            }
            Err(source) => Err(ScanError::Read { file: self.path.clone(), source: Arc::new(source) }),
        }
    }

    /// The payload of the record that the last step showed; empty if it showed none.
    pub fn payload(&self) -> &[u8] {
        let payload = RECORD_HEADER_LENGTH..self.shown.saturating_sub(1);
        self.window.bytes().get(payload).unwrap_or_default()
    }

    /// The file's whole path.
    pub fn path(&self) -> &PathBuf {
        &self.path
    }

    fn look(&mut self) -> io::Result<Look> {
        let offset = self.window.position();
        if !self.window.require(RECORD_HEADER_LENGTH)? {
            let present = self.length.saturating_sub(offset);
            let damage = Damage::Cut { present, expected: RECORD_HEADER_LENGTH as u64 };
            return self.judge(offset, self.length, damage);
        }
        let Some((checksum, length)) = record_header(self.window.bytes()) else {
            unreachable!("a record's header is in view");
        };
        let Some(payload_length) = usize::try_from(length).ok().filter(|&length| length > 0) else {
            return self.judge(
                offset,
                offset + RECORD_HEADER_LENGTH as u64,
                Damage::Length { found: length },
            );
        };
        let whole = payload_length + RECORD_OVERHEAD;
        if !self.window.require(whole)? {
            let present = self.length.saturating_sub(offset);
            return self.judge(offset, self.length, Damage::Cut { present, expected: whole as u64 });
        }
        let record = &self.window.bytes()[..whole];
        let (marker, payload) = (record[whole - 1], &record[RECORD_HEADER_LENGTH..whole - 1]);
        if marker != END_OF_RECORD {
            return self.judge(offset, offset + whole as u64, Damage::EndMarker { found: marker });
        }
        let computed = simd_adler32::adler32(&payload);
        if checksum == i64::from(computed) {
            return Ok(Look::Record(payload_length));
        }
        let damage = Damage::Checksum { found: checksum, computed };
        match self.judge(offset, offset + whole as u64, damage.clone())? {
            Look::End(End::Damaged { .. }) => Ok(Look::BadChecksum(payload_length, damage)),
            torn => Ok(torn),
        }
    }

    /// Whether the broken record from `offset` to `record_end` can be the work of a power cut.
    fn judge(&self, offset: u64, record_end: u64, damage: Damage) -> io::Result<Look> {
        // A zone that lies over records is none.
        let marks = Marks::read(&self.file, self.length)?.filter(|marks| marks.zone >= offset);
        let length = marks.as_ref().map_or(self.length, |marks| marks.zone);
        let Some(nonzero_end) = nonzero_end(&self.file, offset, length)? else {
            return Ok(Look::End(End::Clean { offset }));
        };
        // A length that was changed may cover the records that follow.
        let next = self.sound_record(offset + 1, nonzero_end)?;
        let is_last = next.is_none() && nonzero_end <= record_end;
        let synced = marks.filter(|_| self.believes_mark).and_then(|marks| marks.synced(nonzero_end));
        Ok(Look::End(if is_last || synced.is_some_and(|synced| offset >= synced) {
            End::Torn { offset, damage }
        } else {
            End::Damaged { offset, damage, next }
        }))
    }

    /// The zxid of the first sound record that begins anywhere in a stretch of the file.
    fn sound_record(&self, from: u64, to: u64) -> io::Result<Option<Zxid>> {
        let mut bytes = vec![0; to.saturating_sub(from).min(SEARCH) as usize];
        let count = read_full_at(&self.file, &mut bytes, from)?;
        let bytes = &bytes[..count];
        Ok((0..bytes.len()).find_map(|at| zxid_of(sound_payload(&bytes[at..])?)))
    }
}

enum Look {
    Record(usize),
    BadChecksum(usize, Damage),
    End(End),
}

/// Checksum and length.
fn record_header(bytes: &[u8]) -> Option<(i64, i32)> {
    let (checksum, rest) = bytes.split_first_chunk()?;
    let (length, _) = rest.split_first_chunk()?;
    Some((i64::from_be_bytes(*checksum), i32::from_be_bytes(*length)))
}

/// The payload of the record at the front of `bytes`, if all about it is right.
fn sound_payload(bytes: &[u8]) -> Option<&[u8]> {
    let (checksum, length) = record_header(bytes)?;
    let length = usize::try_from(length).ok().filter(|&length| length >= super::PAYLOAD_LENGTH_MIN)?;
    let payload = bytes.get(RECORD_HEADER_LENGTH..)?.get(..length)?;
    let marker = *bytes.get(RECORD_HEADER_LENGTH + length)?;
    let sound = marker == END_OF_RECORD && checksum == i64::from(simd_adler32::adler32(&payload));
    sound.then_some(payload)
}

/// The position behind the last byte of a stretch that is not zero.
fn nonzero_end(file: &impl DiskFile, from: u64, to: u64) -> io::Result<Option<u64>> {
    const BLOCK: usize = 1 << 18;
    let mut block = vec![0; BLOCK];
    let (mut at, mut end) = (from, None);
    while let Some(data) = file.next_data(at)?.filter(|&data| data < to) {
        at = data;
        let wanted = BLOCK.min((to - at) as usize);
        let count = read_full_at(file, &mut block[..wanted], at)?;
        if count == 0 {
            break;
        }
        let read = &block[..count];
        // Looked at as a whole first: zeroes are the rule, and this is fast.
        if read.iter().fold(0, |all, &byte| all | byte) != 0 {
            end = read.iter().rposition(|&byte| byte != 0).map(|last| at + last as u64 + 1);
        }
        at += count as u64;
    }
    Ok(end)
}
