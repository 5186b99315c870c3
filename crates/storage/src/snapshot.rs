//! Snapshots: the tree as it was after one change, in one file, sealed.
//!
//! ```text
//! header       magic "ZKSN" · version i32 = 2 · dbid i64 = −1
//! sessions     count i32 · (session i64 · timeout in ms i32) each
//! ACLs         count i32 · (number i64 · list) each
//! nodes        (path · node) each, parents first, the root's path empty; then the string "/"
//! seal 1       Adler-32 of every byte before it, i64 · the string "/"
//! digest       zxid i64 · version i32 = 2 · digest i64; then seal 2, over seal 1 too
//! last zxid    i64; then seal 3
//! ```
//!
//! The last two came with releases 3.6 and 3.9 and may be absent; the number of bytes behind seal 1 tells. A
//! compressed file is all of this, packed: gzip, or the stream of snappy-java.
//!
//! **Promise.** A file under a snapshot's name is complete and durable: it is written and synced under another
//! name, then renamed. **Source.** Apache ZooKeeper 3.9; samples in `testdata/golden`.

mod read;
mod receive;
mod records;
mod send;
mod snappy;
mod write;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use zoorum_proto::{DecodeError, Zxid};

pub use read::{Sink, SnapshotDigest, SnapshotSummary, looks_whole, read, verify};
pub use receive::{ReceiveError, Received, Receiving, StreamError};
pub use send::{STREAM_END, SnapshotStream, stream_head};
pub(crate) use write::{Pace, Target};
pub use write::{SnapshotOptions, SnapshotWriter, write_tree};

/// "ZKSN".
const MAGIC: i32 = 0x5a4b_534e;
/// What Java writes, and never looks at.
const FORMAT_VERSION: i32 = 2;
/// The same.
const DATABASE: i64 = -1;
/// Ends the nodes and each seal: the string "/".
const TERMINATOR: [u8; 5] = [0, 0, 0, 1, b'/'];
/// Bytes of a seal.
const SEAL_LENGTH: usize = 8 + TERMINATOR.len();

/// How a snapshot is packed; its name tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip, one member.
    Gz,
    /// Blocks of Snappy in the stream format of snappy-java, which nothing else uses.
    Snappy,
}

impl Compression {
    /// What a file is that begins with these bytes.
    pub(crate) fn of_front(bytes: &[u8]) -> Self {
        match bytes {
            [0x1f, 0x8b, ..] => Self::Gz,
            bytes if bytes.starts_with(&snappy::MAGIC) => Self::Snappy,
            _ => Self::None,
        }
    }

    /// What names end in.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gz => ".gz",
            Self::Snappy => ".snappy",
        }
    }
}

/// Why a snapshot could not be written. What there was before is untouched.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{file}: cannot {doing} the snapshot: {source}")]
pub struct SnapshotError {
    /// The file.
    pub file: PathBuf,
    /// What was tried: create, write, sync, publish.
    pub doing: &'static str,
    /// The system's reason.
    pub source: Arc<io::Error>,
}

/// Why a snapshot cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SnapshotReadError {
    /// The system does not let us read it, or what is packed is damaged.
    #[error("{file}: problem reading snap file at byte {offset} of the unpacked content: {source}")]
    Read {
        /// The file.
        file: PathBuf,
        /// How far it could be read.
        offset: u64,
        /// The system's or the unpacker's reason.
        source: Arc<io::Error>,
    },
    /// It begins with something else than a snapshot's magic number.
    #[error("{file}: mismatching magic headers {found} != {MAGIC}")]
    Magic {
        /// The file.
        file: PathBuf,
        /// The number found.
        found: i32,
    },
    /// It ends, or has the wrong last bytes, as a file does that was not written to its end.
    #[error("{file}: Invalid snapshot: {length} bytes, not written to its end")]
    Unfinished {
        /// The file.
        file: PathBuf,
        /// Its length.
        length: u64,
    },
    /// A record is none.
    #[error("{file}: no record at byte {offset} of the unpacked content: {source}")]
    Record {
        /// The file.
        file: PathBuf,
        /// Where the record should be.
        offset: u64,
        /// Why it is none.
        source: DecodeError,
    },
    /// A record does not fit those before it.
    #[error("{file}: Invalid Datatree at byte {offset} of the unpacked content: {reason}")]
    Node {
        /// The file.
        file: PathBuf,
        /// Where the record is.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// A seal does not fit what it seals.
    #[error(
        "{file}: CRC corruption: seal at byte {offset} of the unpacked content is {found:#010x}, should be {computed:#010x}"
    )]
    Seal {
        /// The file.
        file: PathBuf,
        /// Where the seal is.
        offset: u64,
        /// The checksum in it.
        found: i64,
        /// The content's.
        computed: u32,
    },
}

impl SnapshotReadError {
    /// Whether a glance at the file's ends shows that it was never finished. ZooKeeper counts such files as
    /// absent.
    pub fn is_unfinished(&self) -> bool {
        matches!(self, Self::Unfinished { .. })
    }
}

/// What section 6 says when there was no change yet.
fn digest_of_start(zxid: Zxid, value: i64) -> i64 {
    if zxid == Zxid::ZERO { 0 } else { value }
}
