//! A tree that another server sends: a stream of bytes in, a tree and a snapshot's file out.

use zoorum_proto::{DecodeError, Zxid};
use zoorum_tree::{Loader, Tree};

use super::records::{Bad, Record, Records};
use super::send::SIGNATURE;
use super::{Pace, SnapshotError, SnapshotOptions, SnapshotWriter, TERMINATOR, Target};
use crate::disk::Disk;
use crate::install::Staged;
use crate::name::{install_name, received_name, snapshot_name};

/// What is wrong with a stream: the sender's fault, or the network's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// A record is none.
    #[error("no record at byte {offset} of the snapshot received: {source}")]
    Record {
        /// Where the record should be.
        offset: u64,
        /// Why it is none.
        source: DecodeError,
    },
    /// A record is longer than any may be.
    #[error("the record at byte {offset} of the snapshot received has more than {limit} bytes")]
    TooLong {
        /// Where the record begins.
        offset: u64,
        /// So many it may have.
        limit: usize,
    },
    /// A record does not fit those before it.
    #[error("Invalid Datatree at byte {offset} of the snapshot received: {reason}")]
    Node {
        /// Where the record is.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// It does not end as a stream ends that was sent whole.
    #[error("Missing signature. Got {found:?} at the end of the snapshot received")]
    Signature {
        /// What stands there.
        found: String,
    },
}

/// Why a tree cannot be received. What there was before is untouched.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The stream is no tree.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// It cannot be written.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

/// How much of a stream has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// All that was fed belongs to it, and more is to come.
    Part,
    /// It is whole. So many bytes at the end of what was fed do not belong to it any more.
    Whole {
        /// How many.
        rest: usize,
    },
}

/// A tree being received. It is built and written at once, so that neither waits for the other.
///
/// Dropped, it leaves nothing behind.
pub struct Receiving<D: Disk> {
    logs: D,
    zxid: Zxid,
    loader: Loader,
    writer: SnapshotWriter<D>,
    records: Records,
    record_limit: usize,
    /// The last bytes of what came of the tree, which may be the end of its nodes, and are not written yet.
    last: Vec<u8>,
    /// What came behind the nodes.
    end: Vec<u8>,
}

impl<D: Disk> Receiving<D> {
    /// Expects the tree that a leader announced with this zxid.
    ///
    /// A record of more than `record_limit` bytes, a znode or an ACL list, is refused. `loader` is new,
    /// and builds the tree.
    ///
    /// # Errors
    ///
    /// If no file can be written.
    pub fn start(
        snapshots: &D,
        logs: &D,
        zxid: Zxid,
        options: &SnapshotOptions,
        record_limit: usize,
        loader: Loader,
    ) -> Result<Self, SnapshotError> {
        let target = Target {
            names: [received_name(zxid), install_name(&snapshot_name(zxid, options.compression))],
            zxid,
            // The stream may be fuzzy, so that nobody knows after which change the tree has which digest.
            digest: (Zxid::ZERO, 0),
            pace: Pace::Alone,
        };
        Ok(Self {
            logs: logs.clone(),
            zxid,
            loader,
            writer: SnapshotWriter::begin(snapshots, target, options)?,
            records: Records::new(record_limit),
            record_limit,
            last: Vec::new(),
            end: Vec::new(),
        })
    }

    /// Takes the next bytes, any number of them.
    ///
    /// # Errors
    ///
    /// If they are no tree, or cannot be written. The receiving is over then.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Received, ReceiveError> {
        let taken = self.records(bytes)?;
        if !self.records.has_ended() {
            return Ok(Received::Part);
        }
        let rest = &bytes[taken..];
        let count = rest.len().min(SIGNATURE.len() - self.end.len());
        self.end.extend_from_slice(&rest[..count]);
        if !SIGNATURE.starts_with(&self.end) {
            let found = String::from_utf8_lossy(self.end.get(4..).unwrap_or_default()).into_owned();
            return Err(StreamError::Signature { found }.into());
        }
        let is_whole = self.end.len() == SIGNATURE.len();
        Ok(if is_whole { Received::Whole { rest: rest.len() - count } } else { Received::Part })
    }

    /// The whole tree, and its file on the way to replace what there is. The content is durable, and counts for
    /// nothing before [`Staged::install`].
    ///
    /// The tree is that of the zxid, or later in parts if the sender's snapshot is fuzzy.
    ///
    /// # Errors
    ///
    /// If the tree lacks its root, or the file cannot be made durable.
    ///
    /// # Panics
    ///
    /// If the stream is not whole.
    pub fn finish(mut self) -> Result<(Tree, Staged<D>), ReceiveError> {
        assert_eq!(self.end, SIGNATURE, "a stream is finished when it is whole");
        let offset = self.records.position();
        let tree = self
            .loader
            .finish(self.zxid)
            .map_err(|reason| StreamError::Node { offset, reason: reason.to_string() })?;
        self.writer.complete()?;
        Ok((tree, Staged::new(self.logs, self.zxid, self.writer)))
    }

    /// Builds and writes what the bytes hold of the tree; says how many belong to it.
    fn records(&mut self, bytes: &[u8]) -> Result<usize, ReceiveError> {
        if self.records.has_ended() {
            return Ok(0);
        }
        let loader = &mut self.loader;
        let fed = self.records.feed(bytes, &mut |record| match record {
            Record::Session(session) => {
                loader.session(session);
                Ok(())
            }
            Record::Acl(acl) => {
                loader.acl(acl);
                Ok(())
            }
            Record::Node(node) => loader.node(&node),
        });
        let offset = self.records.position();
        let taken = fed.map_err(|bad| match bad {
            Bad::Undecodable(source) => StreamError::Record { offset, source },
            Bad::TooLong => StreamError::TooLong { offset, limit: self.record_limit },
            Bad::Refused(reason) => StreamError::Node { offset, reason: reason.to_string() },
        })?;
        self.write(&bytes[..taken])?;
        Ok(taken)
    }

    /// Writes all but the last bytes. The end of the nodes, which may come in pieces, is written with what follows it
    /// in a file.
    fn write(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        let count = (self.last.len() + bytes.len()).saturating_sub(TERMINATOR.len());
        let of_last = count.min(self.last.len());
        self.writer.nodes(&self.last[..of_last])?;
        self.writer.nodes(&bytes[..count - of_last])?;
        self.last.drain(..of_last);
        self.last.extend_from_slice(&bytes[count - of_last..]);
        Ok(())
    }
}
