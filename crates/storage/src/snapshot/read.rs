//! Reading a snapshot, and believing it only where its seals say so.

use std::borrow::Cow;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use flate2::read::GzDecoder;
use zoorum_proto::snapshot::{SnapshotAcl, SnapshotNode, SnapshotSession};
use zoorum_proto::{Decode, DecodeError, Reader, Zxid};

use super::snappy::{self, Unpacker};
use super::{Compression, MAGIC, SEAL_LENGTH, SnapshotReadError, TERMINATOR};
use crate::disk::{Disk, DiskFile, read_full_at};
use crate::name::SnapshotFile;
use crate::window::{FileReader, Window};

/// Bytes of the section with the last zxid, and of its seal.
const LAST_ZXID_LENGTH: usize = 8 + SEAL_LENGTH;

/// After so many nodes, and after eight times as many again and again, the length of those so far tells how many
/// there may be.
const FIRST_GUESS: u64 = 4096;

/// The digest that a snapshot carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotDigest {
    /// The change after which the tree had it: the snapshot's own, or a later one if the tree changed while
    /// Java wrote it.
    pub zxid: Zxid,
    /// How it is computed.
    pub version: i32,
    /// The digest.
    pub value: i64,
}

/// What a snapshot holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotSummary {
    /// Number of sessions.
    pub sessions: u64,
    /// Number of ACL lists.
    pub acls: u64,
    /// Number of nodes.
    pub nodes: u64,
    /// Bytes up to the last seal, unpacked.
    pub bytes: u64,
    /// The digest, if that section is there.
    pub digest: Option<SnapshotDigest>,
    /// The last zxid, if that section is there.
    pub last_zxid: Option<Zxid>,
}

/// Where a snapshot's records go.
pub trait Sink {
    /// Takes a session.
    fn session(&mut self, session: SnapshotSession);
    /// Takes an ACL list.
    fn acl(&mut self, acl: SnapshotAcl<'_>);
    /// About how many nodes there are altogether, told as that becomes clearer.
    fn expect(&mut self, nodes: u64);
    /// Takes a node. The error says in words why it does not fit those before it.
    fn node(&mut self, node: &SnapshotNode<'_>) -> Result<(), String>;
    /// Told behind the last node: whatever is wrong from there on, all of them were handed over.
    fn complete(&mut self) {}
}

/// Nobody wants them: only the seals matter.
struct Nowhere;

impl Sink for Nowhere {
    fn session(&mut self, _: SnapshotSession) {}

    fn acl(&mut self, _: SnapshotAcl<'_>) {}

    fn expect(&mut self, _: u64) {}

    fn node(&mut self, _: &SnapshotNode<'_>) -> Result<(), String> {
        Ok(())
    }
}

/// Reads a snapshot to its end, compares its seals, and keeps nothing.
///
/// # Errors
///
/// If anything about it is wrong.
pub fn verify<D: Disk>(disk: &D, file: &SnapshotFile) -> Result<SnapshotSummary, SnapshotReadError> {
    looks_whole(disk, file)?;
    read(disk, file, &mut Nowhere)
}

/// What a glance at its ends tells: whether the file was written to its end.
///
/// # Errors
///
/// If it was not, or cannot be read.
pub fn looks_whole<D: Disk>(disk: &D, file: &SnapshotFile) -> Result<(), SnapshotReadError> {
    let path = || disk.path(&file.name);
    let failed = |source| SnapshotReadError::Read { file: path(), offset: 0, source: Arc::new(source) };
    let open = disk.open(&file.name).map_err(failed)?;
    let length = open.length().map_err(failed)?;
    let mut ends = [0; 8];
    let whole = match file.compression {
        Compression::None => {
            let tail = &mut ends[..TERMINATOR.len()];
            read_full_at(&open, tail, length.saturating_sub(TERMINATOR.len() as u64)).map_err(failed)?;
            length >= 10 && *tail == TERMINATOR
        }
        Compression::Gz => {
            read_full_at(&open, &mut ends, 0).map_err(failed)?;
            ends.starts_with(&[0x1f, 0x8b])
        }
        Compression::Snappy => {
            read_full_at(&open, &mut ends, 0).map_err(failed)?;
            ends == snappy::MAGIC
        }
    };
    if whole { Ok(()) } else { Err(SnapshotReadError::Unfinished { file: path(), length }) }
}

/// Reads a snapshot into `sink`. Nothing in it may be believed before this returns.
///
/// # Errors
///
/// If anything about it is wrong. [`SnapshotReadError::Seal`] comes behind the last node: all were handed over then.
pub fn read<D: Disk>(
    disk: &D,
    file: &SnapshotFile,
    sink: &mut impl Sink,
) -> Result<SnapshotSummary, SnapshotReadError> {
    let path = disk.path(&file.name);
    let open = disk.open(&file.name).map_err(|source| SnapshotReadError::Read {
        file: path.clone(),
        offset: 0,
        source: Arc::new(source),
    })?;
    let reader = FileReader::new(open);
    match file.compression {
        Compression::None => Unsealed::new(reader, path, Some(file.length)).read(sink),
        Compression::Gz => Unsealed::new(GzDecoder::new(reader), path, None).read(sink),
        Compression::Snappy => Unsealed::new(Unpacker::new(reader), path, None).read(sink),
    }
}

/// A snapshot's unpacked content.
struct Unsealed<R> {
    window: Window<R>,
    path: PathBuf,
    /// Bytes of it altogether, if that can be known.
    length: Option<u64>,
}

impl<R: Read> Unsealed<R> {
    fn new(source: R, path: PathBuf, length: Option<u64>) -> Self {
        Self { window: Window::new(source), path, length }
    }

    fn read(mut self, sink: &mut impl Sink) -> Result<SnapshotSummary, SnapshotReadError> {
        let mut summary = SnapshotSummary::default();
        self.header()?;
        summary.sessions = self.count()?;
        for _ in 0..summary.sessions {
            self.record(|input| SnapshotSession::decode(input).map(|session| sink.session(session)))?;
        }
        summary.acls = self.count()?;
        for _ in 0..summary.acls {
            self.record(|input| SnapshotAcl::decode(input).map(|acl| sink.acl(acl)))?;
        }
        summary.nodes = self.nodes(sink)?;
        sink.complete();
        self.seal()?;
        self.optional_sections(&mut summary)?;
        summary.bytes = self.window.position();
        Ok(summary)
    }

    fn header(&mut self) -> Result<(), SnapshotReadError> {
        let (found, _version, _database) =
            self.record(|input| Ok((i32::decode(input)?, i32::decode(input)?, i64::decode(input)?)))?;
        if found == MAGIC { Ok(()) } else { Err(SnapshotReadError::Magic { file: self.path.clone(), found }) }
    }

    /// A count of records; they are read one by one, so that a wrong one ends with the file.
    fn count(&mut self) -> Result<u64, SnapshotReadError> {
        self.record(|input| {
            let count = i32::decode(input)?;
            u64::try_from(count).map_err(|_| DecodeError::NegativeLength(count))
        })
    }

    fn nodes(&mut self, sink: &mut impl Sink) -> Result<u64, SnapshotReadError> {
        let (begin, mut count, mut guess_at) = (self.window.position(), 0, FIRST_GUESS);
        loop {
            let offset = self.window.position();
            if count == guess_at {
                guess_at *= 8;
                let length = self.length.unwrap_or(0).saturating_sub(begin);
                let guess = length as f64 / (offset - begin) as f64 * count as f64;
                sink.expect(guess as u64);
            }
            let node = self.record(|input| {
                if input.rest().starts_with(&TERMINATOR) {
                    return input.take(TERMINATOR.len()).map(|_| None);
                }
                SnapshotNode::decode(input).map(|node| Some(sink.node(&node)))
            })?;
            match node {
                None => return Ok(count),
                Some(Ok(())) => count += 1,
                Some(Err(reason)) => {
                    return Err(SnapshotReadError::Node { file: self.path.clone(), offset, reason });
                }
            }
        }
    }

    /// Digest and last zxid, each if it is there. How many bytes are left tells the one from the other: a
    /// writer without digests may still write the last zxid.
    fn optional_sections(&mut self, summary: &mut SnapshotSummary) -> Result<(), SnapshotReadError> {
        if !self.more_than(0)? {
            return Ok(());
        }
        if self.more_than(LAST_ZXID_LENGTH - 1)? && !self.more_than(LAST_ZXID_LENGTH)? {
            summary.last_zxid = Some(self.zxid()?);
            return self.seal();
        }
        summary.digest = self.record(decode_digest)?;
        self.seal()?;
        if self.more_than(LAST_ZXID_LENGTH - 1)? {
            summary.last_zxid = Some(self.zxid()?);
            self.seal()?;
        }
        Ok(())
    }

    fn zxid(&mut self) -> Result<Zxid, SnapshotReadError> {
        self.record(|input| i64::decode(input).map(Zxid))
    }

    fn seal(&mut self) -> Result<(), SnapshotReadError> {
        let offset = self.window.position();
        let computed = self.window.checksum();
        let found = self.record(|input| {
            let found = i64::decode(input)?;
            Cow::<str>::decode(input).map(|_| found)
        })?;
        if found == i64::from(computed) {
            Ok(())
        } else {
            Err(SnapshotReadError::Seal { file: self.path.clone(), offset, found, computed })
        }
    }

    fn more_than(&mut self, count: usize) -> Result<bool, SnapshotReadError> {
        self.window.require(count + 1).map_err(|source| self.unreadable(source))
    }

    /// Takes one record. `decode` is called again if only part of the record was in view.
    #[inline]
    fn record<T>(
        &mut self,
        mut decode: impl FnMut(&mut Reader<'_>) -> Result<T, DecodeError>,
    ) -> Result<T, SnapshotReadError> {
        loop {
            let in_view = self.window.bytes().len();
            let mut input = Reader::new(self.window.bytes());
            match decode(&mut input) {
                Ok(value) => {
                    let taken = in_view - input.rest().len();
                    self.window.advance(taken);
                    return Ok(value);
                }
                Err(source @ DecodeError::UnexpectedEnd { needed, left }) => {
                    let wanted = in_view + needed.saturating_sub(left).max(1);
                    let has_more = self.window.require(wanted).map_err(|source| self.unreadable(source))?;
                    if !has_more {
                        return Err(self.no_record(source));
                    }
                }
                Err(source) => return Err(self.no_record(source)),
            }
        }
    }

    fn unreadable(&self, source: io::Error) -> SnapshotReadError {
        SnapshotReadError::Read {
            file: self.path.clone(),
            offset: self.window.position(),
            source: Arc::new(source),
        }
    }

    fn no_record(&self, source: DecodeError) -> SnapshotReadError {
        SnapshotReadError::Record { file: self.path.clone(), offset: self.window.position(), source }
    }
}

/// Before version 2 the value is a string, and means nothing to us.
fn decode_digest(input: &mut Reader<'_>) -> Result<Option<SnapshotDigest>, DecodeError> {
    let (zxid, version) = (Zxid::decode(input)?, i32::decode(input)?);
    if version < zoorum_proto::txn::TxnDigest::VERSION {
        return Cow::<str>::decode(input).map(|_| None);
    }
    Ok(Some(SnapshotDigest { zxid, version, value: i64::decode(input)? }))
}
