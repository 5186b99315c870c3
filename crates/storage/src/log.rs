//! The transaction log: every change, in zxid order, durable before anyone acknowledges it.
//!
//! ```text
//! log.<zxid>   header, records, zeroes up to the preallocated end; named by its first zxid, in hex
//!              shortly before that end, while the file is written to: how far it is synced; see `mark`
//! header       magic "ZKLG" · version i32 = 2 · dbid i64 = 0
//! record       Adler-32 of the payload, i64 · length i32 · payload, `length` bytes · 0x42
//! payload      a transaction: header, body, digest; see [`zoorum_proto::txn`]
//! ```
//!
//! **Promise.** Once [`TxnLog::sync`] returns for a zxid, every record up to it survives a power cut.
//! **Recovery.** A crash can tear only the end of the newest file: see [`scan`].
//! **Source.** Apache ZooKeeper, version 2; big-endian; samples in `testdata/golden`.

pub(crate) mod mark;
pub mod repair;
pub mod scan;
mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use zoorum_proto::{Encode, Zxid};

pub use writer::{LogOptions, Synced, Tail, TxnLog};

/// "ZKLG".
pub(crate) const MAGIC: i32 = 0x5a4b_4c47;
/// What Java writes, and never looks at.
const FORMAT_VERSION: i32 = 2;
/// Bytes of a file before its first record.
pub const HEADER_LENGTH: u64 = 16;
/// Bytes of a record before its payload.
pub(crate) const RECORD_HEADER_LENGTH: usize = 12;
/// Bytes of a record besides its payload.
pub(crate) const RECORD_OVERHEAD: usize = RECORD_HEADER_LENGTH + 1;
/// Most bytes that are written before they are synced. A failed sync leaves no more in doubt, however large the
/// batch: recovery writes so much anew.
pub(crate) const UNSYNCED_MAX: usize = 4 << 20;
/// Ends each record: `B`.
pub(crate) const END_OF_RECORD: u8 = 0x42;
/// No payload is shorter: the header of a transaction.
pub(crate) const PAYLOAD_LENGTH_MIN: usize = 32;

/// Why the log cannot be written. The first is final: the log repeats it whatever it is asked, because nobody
/// can say what the disk kept. A restart finds out, and trusts what was synced.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    /// There is a file where a new one should begin.
    #[error(
        "{file}: exists, though its first transaction is only now to be written; move it away and restart"
    )]
    Exists {
        /// The file.
        file: PathBuf,
    },
    /// Creating or writing failed. A full disk is the usual reason.
    #[error("{file}: cannot write at byte {offset}: {source}; nothing after the last sync was acknowledged")]
    Write {
        /// The file.
        file: PathBuf,
        /// Where the write began.
        offset: u64,
        /// The system's reason.
        source: Arc<io::Error>,
    },
    /// A sync failed. What was written since the last one may be lost, even if a later sync succeeds.
    #[error("{file}: cannot sync: {source}; what was written since the last sync may be lost")]
    Sync {
        /// The file, or the directory.
        file: PathBuf,
        /// The system's reason.
        source: Arc<io::Error>,
    },
}

/// Appends a file's header.
pub(crate) fn encode_header(out: &mut Vec<u8>) {
    MAGIC.encode(out);
    FORMAT_VERSION.encode(out);
    0_i64.encode(out);
}

/// Appends a record around `payload`.
pub(crate) fn encode_record(payload: &[u8], out: &mut Vec<u8>) {
    i64::from(simd_adler32::adler32(&payload)).encode(out);
    payload.encode(out);
    out.push(END_OF_RECORD);
}

/// The zxid in a payload's header, if it is long enough to have one.
pub(crate) fn zxid_of(payload: &[u8]) -> Option<Zxid> {
    let bytes = payload.get(12..20)?;
    Some(Zxid(i64::from_be_bytes(bytes.try_into().ok()?)))
}
