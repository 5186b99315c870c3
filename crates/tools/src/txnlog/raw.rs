//! A log read record by record, as the original's toolkit reads it: a wrong checksum is no obstacle, and the file ends
//! where less than a record is left.
//!
//! The server reads logs with more suspicion (`zoorum_storage::log::scan`). Here an operator wants to see what is there.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use zoorum_proto::{Decode, Reader};

use crate::failure::{Failure, INVALID_INVOCATION};

/// "ZKLG".
const MAGIC: i32 = 0x5a4b_4c47;
/// Bytes of a file before its first record.
pub(crate) const HEADER_LENGTH: usize = 16;
/// Ends each record.
pub(crate) const END_OF_RECORD: u8 = b'B';
/// The longest record that the original reads, with its default `jute.maxbuffer`. Longer ones are shown if they are
/// really there.
const LENGTH_MAX: i32 = 0xf_ffff * 2;

/// A file's first bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub bytes: [u8; HEADER_LENGTH],
    pub version: i32,
    pub database: i64,
}

/// A record, right or wrong.
#[derive(Debug)]
pub(crate) struct Record {
    /// Where it begins.
    pub offset: u64,
    /// The checksum in it.
    pub checksum: i64,
    /// The transaction, encoded.
    pub payload: Vec<u8>,
}

impl Record {
    /// The checksum that it should have.
    pub(crate) fn computed(&self) -> i64 {
        i64::from(simd_adler32::adler32(&self.payload.as_slice()))
    }

    /// The whole record, under this checksum.
    pub(crate) fn encode(&self, checksum: i64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.payload.len() + 13);
        bytes.extend_from_slice(&checksum.to_be_bytes());
        // Its length was read from such a field.
        bytes.extend_from_slice(&(self.payload.len() as i32).to_be_bytes());
        bytes.extend_from_slice(&self.payload);
        bytes.push(END_OF_RECORD);
        bytes
    }
}

/// A log, open.
pub(crate) struct RawLog {
    path: PathBuf,
    input: BufReader<File>,
    offset: u64,
    /// Bytes that are not read yet.
    left: u64,
}

impl RawLog {
    /// Opens a log and reads its header.
    pub(crate) fn open(path: &Path) -> Result<(Self, Header), Failure> {
        let unreadable = |error| Failure::of_file(path, "read", error);
        let file = File::open(path).map_err(unreadable)?;
        let left = file.metadata().map_err(unreadable)?.len();
        let mut log = Self { path: path.to_path_buf(), input: BufReader::new(file), offset: 0, left };
        let Some(bytes) = log.take::<HEADER_LENGTH>()? else {
            return Err(Failure::unexpected(format!(
                "{}: is no transaction log: it has {left} bytes, and a log's header {HEADER_LENGTH}",
                path.display()
            )));
        };
        let mut input = Reader::new(&bytes);
        let mut number = || i32::decode(&mut input).unwrap_or_default();
        let (magic, version) = (number(), number());
        let database = i64::decode(&mut input).unwrap_or_default();
        if magic != MAGIC {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            return Err(Failure::new(INVALID_INVOCATION, format!("Invalid magic number for {name}")));
        }
        Ok((log, Header { bytes, version, database }))
    }

    /// The next record, without its end mark; `None` where the file, or what was written to it, ends.
    pub(crate) fn next(&mut self) -> Result<Option<Record>, Failure> {
        let offset = self.offset;
        let (Some(checksum), Some(length)) = (self.take::<8>()?, self.take::<4>()?) else { return Ok(None) };
        let length = i32::from_be_bytes(length);
        let is_there = u64::try_from(length).is_ok_and(|length| length <= self.left);
        if length < 0 || length > LENGTH_MAX && !is_there {
            return Err(self.broken(offset, &format!("Unreasonable length = {length}")));
        }
        if length == 0 || !is_there {
            return Ok(None);
        }
        let mut payload = vec![0; length as usize];
        self.fill(&mut payload)?;
        Ok(Some(Record { offset, checksum: i64::from_be_bytes(checksum), payload }))
    }

    /// Reads the byte behind a record.
    pub(crate) fn end_of_record(&mut self) -> Result<(), Failure> {
        match self.take::<1>()? {
            Some([END_OF_RECORD]) => Ok(()),
            _ => Err(Failure::unexpected("Last transaction was partial.")),
        }
    }

    /// What is wrong with a record.
    pub(crate) fn broken(&self, offset: u64, what: &str) -> Failure {
        Failure::unexpected(format!(
            "{}: the record at byte {offset} cannot be read: {what}",
            self.path.display()
        ))
    }

    fn take<const N: usize>(&mut self) -> Result<Option<[u8; N]>, Failure> {
        if self.left < N as u64 {
            return Ok(None);
        }
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(Some(bytes))
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Failure> {
        let read: io::Result<()> = self.input.read_exact(bytes);
        read.map_err(|error| Failure::of_file(&self.path, "read", error))?;
        self.offset += bytes.len() as u64;
        self.left -= bytes.len() as u64;
        Ok(())
    }
}
