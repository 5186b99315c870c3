//! The tree on its way to another server.
//!
//! ```text
//! sessions · ACLs · nodes · the string "/"       as in a file, without header and seals
//! the string "BenWasHere"
//! ```
//!
//! It comes from the tree itself, by a pass over it ([`stream_head`], the nodes, [`STREAM_END`]), or from a
//! snapshot's file ([`SnapshotStream`]). A file can be sent to any number of servers, each at its own pace, and
//! neither locks the tree nor keeps old versions of znodes; what was logged since must follow it.

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use flate2::read::GzDecoder;
use zoorum_proto::{Decode, Encode, Reader, Zxid};
use zoorum_tree::SnapshotStart;

use super::records::{Bad, Records};
use super::snappy::Unpacker;
use super::{Compression, MAGIC, SEAL_LENGTH, SnapshotReadError};
use crate::disk::Disk;
use crate::name::SnapshotFile;
use crate::window::FileReader;

/// What a stream of the tree ends with, behind the nodes.
pub const STREAM_END: &[u8; 19] = b"\0\0\0\x01/\0\0\0\x0aBenWasHere";
/// The signature alone.
pub(super) const SIGNATURE: &[u8; 14] = b"\0\0\0\x0aBenWasHere";
/// Bytes of a file's header.
const HEADER_LENGTH: usize = 16;
/// Bytes that a step looks at.
const STEP: usize = 64 << 10;

/// Appends what a stream of the tree begins with, before the nodes.
pub fn stream_head(start: &SnapshotStart, out: &mut Vec<u8>) {
    start.sessions.encode(out);
    start.acls.encode(out);
}

/// A snapshot's file, read for another server.
pub struct SnapshotStream {
    source: Box<dyn Read + Send>,
    path: PathBuf,
    zxid: Zxid,
    records: Records,
    checksum: simd_adler32::Adler32,
    buffer: Vec<u8>,
    is_done: bool,
}

impl SnapshotStream {
    /// Opens a snapshot's file, which stays readable when its name is gone.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is no snapshot.
    pub fn open<D: Disk>(disk: &D, file: &SnapshotFile) -> Result<Self, SnapshotReadError> {
        let path = disk.path(&file.name);
        let open = disk.open(&file.name).map_err(|source| SnapshotReadError::Read {
            file: path.clone(),
            offset: 0,
            source: Arc::new(source),
        })?;
        let reader = FileReader::new(open);
        let source: Box<dyn Read + Send> = match file.compression {
            Compression::None => Box::new(reader),
            Compression::Gz => Box::new(GzDecoder::new(reader)),
            Compression::Snappy => Box::new(Unpacker::new(reader)),
        };
        let mut stream = Self {
            source,
            path,
            zxid: file.zxid,
            // What a file holds was let in before: its records may be of any length.
            records: Records::new(usize::MAX),
            checksum: simd_adler32::Adler32::new(),
            buffer: Vec::new(),
            is_done: false,
        };
        stream.header()?;
        Ok(stream)
    }

    /// The last change in the snapshot.
    pub fn zxid(&self) -> Zxid {
        self.zxid
    }

    /// Appends the next bytes of the stream, a few tens of KiB. True if these were the last.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or its seal does not fit it. The signature at the end of the stream is not
    /// written then, so that nobody takes it for a tree.
    pub fn step(&mut self, out: &mut Vec<u8>) -> Result<bool, SnapshotReadError> {
        if self.is_done {
            return Ok(true);
        }
        let mut bytes = std::mem::take(&mut self.buffer);
        self.read_up_to(STEP, &mut bytes)?;
        if bytes.is_empty() {
            return Err(self.failed(io::ErrorKind::UnexpectedEof.into()));
        }
        let taken = self.take(&bytes)?;
        self.checksum.write(&bytes[..taken]);
        out.extend_from_slice(&bytes[..taken]);
        bytes.drain(..taken);
        if self.records.has_ended() {
            self.read_up_to(SEAL_LENGTH, &mut bytes)?;
            self.check_seal(&bytes)?;
            out.extend_from_slice(SIGNATURE);
            self.is_done = true;
        }
        self.buffer = bytes;
        Ok(self.is_done)
    }

    fn header(&mut self) -> Result<(), SnapshotReadError> {
        let mut header = Vec::new();
        self.read_up_to(HEADER_LENGTH, &mut header)?;
        self.checksum.write(&header);
        match i32::from_bytes(&header) {
            Ok(MAGIC) if header.len() == HEADER_LENGTH => Ok(()),
            Ok(found) if found != MAGIC => Err(SnapshotReadError::Magic { file: self.path.clone(), found }),
            _ => Err(self.failed(io::ErrorKind::UnexpectedEof.into())),
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<usize, SnapshotReadError> {
        let taken = self.records.feed(bytes, &mut |_| Ok::<(), std::convert::Infallible>(()));
        taken.map_err(|bad| match bad {
            Bad::Undecodable(source) => SnapshotReadError::Record {
                file: self.path.clone(),
                offset: HEADER_LENGTH as u64 + self.records.position(),
                source,
            },
            Bad::TooLong => self.failed(io::ErrorKind::OutOfMemory.into()),
            Bad::Refused(never) => match never {},
        })
    }

    fn check_seal(&self, bytes: &[u8]) -> Result<(), SnapshotReadError> {
        let (file, offset) = (self.path.clone(), HEADER_LENGTH as u64 + self.records.position());
        let computed = self.checksum.finish();
        match i64::decode(&mut Reader::new(bytes)) {
            Ok(found) if found == i64::from(computed) => Ok(()),
            Ok(found) => Err(SnapshotReadError::Seal { file, offset, found, computed }),
            Err(source) => Err(SnapshotReadError::Record { file, offset, source }),
        }
    }

    /// Reads until there are `count` bytes, or the file ends.
    fn read_up_to(&mut self, count: usize, bytes: &mut Vec<u8>) -> Result<(), SnapshotReadError> {
        let missing = count.saturating_sub(bytes.len()) as u64;
        let read = self.source.by_ref().take(missing).read_to_end(bytes);
        read.map(|_| ()).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> SnapshotReadError {
        SnapshotReadError::Read {
            file: self.path.clone(),
            offset: HEADER_LENGTH as u64 + self.records.position(),
            source: Arc::new(source),
        }
    }
}
