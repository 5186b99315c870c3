//! What recovery says: why it refuses, and what it put up with.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use zoorum_proto::{DecodeError, Zxid};

use crate::install::InstallError;
use crate::log::scan::{Damage, ScanError};
use crate::snapshot::SnapshotReadError;

/// Why the state cannot be recovered with certainty. No file was touched.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RecoverError {
    /// The system does not let us.
    #[error("{file}: {source}")]
    Io {
        /// The file or directory.
        file: PathBuf,
        /// The system's reason.
        source: Arc<io::Error>,
    },
    /// A received state that was decided on cannot be installed.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// A log cannot be read.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// There are snapshots, and none can be used.
    #[error(
        "Not able to find valid snapshots in {directory}: {}; put a sound one there, or move these away if the \
         data may be lost", list(.reasons)
    )]
    NoValidSnapshot {
        /// Where they are.
        directory: PathBuf,
        /// What is wrong with each.
        reasons: Vec<SnapshotReadError>,
    },
    /// There are logs, and no snapshot that they build upon.
    #[error(
        "No snapshot found, but there are log entries. Something is broken! The first are in {file}; if this log \
         is the whole history, set snapshot.trust.empty=true for one start"
    )]
    NoSnapshot {
        /// The first log with a record.
        file: PathBuf,
    },
    /// There is nothing, and an empty database may not be begun.
    #[error(
        "{directory}: there is no data, and db.autocreate=false forbids to begin with none; create the file \
         initialize in dataDir if this server is new"
    )]
    Empty {
        /// The directory of logs.
        directory: PathBuf,
    },
    /// A record is broken that is needed, or may be.
    #[error(
        "{file}: the record at byte {offset} is broken: {damage}; the change after {after} is lost{}. \
         'zoorum log repair {file}' cuts the log there and gives up whatever follows",
        sound_again(.next)
    )]
    Damaged {
        /// The log.
        file: PathBuf,
        /// Where the record begins.
        offset: u64,
        /// What is wrong with it.
        damage: Damage,
        /// The last change before it.
        after: Zxid,
        /// The first sound change behind it.
        next: Option<Zxid>,
    },
    /// Changes are missing between two records, or between the snapshot and the first.
    #[error(
        "{file}: at byte {offset}: {found} follows {after}: the changes between are missing; put the log that \
         holds them back, or move this file and all newer logs away, and give them up"
    )]
    Gap {
        /// The log.
        file: PathBuf,
        /// Where the later record begins.
        offset: u64,
        /// The last change before the gap.
        after: Zxid,
        /// The first one behind it.
        found: Zxid,
    },
    /// A log holds nothing of what its name says: it is a copy under a wrong name, or of another history.
    #[error(
        "{file}: there is no change after {last} in it, though its name says that it begins later: it would be \
         in the way of the log to come; move it away"
    )]
    Misnamed {
        /// The log.
        file: PathBuf,
        /// The last change there is.
        last: Zxid,
    },
    /// A record is as it was written, and yet no transaction.
    #[error(
        "{file}: at byte {offset}: {zxid} is no transaction that this release knows: {source}; a newer one may"
    )]
    Undecodable {
        /// The log.
        file: PathBuf,
        /// Where the record begins.
        offset: u64,
        /// Its zxid.
        zxid: Zxid,
        /// What is wrong.
        source: DecodeError,
    },
    /// The tree agreed with its writer's before, and does no more.
    #[error(
        "Digests are not matching. Value is Zxid. {zxid}: expected digest is {expected}, actual digest is \
         {actual}; the log and the snapshot do not belong together, or one is damaged"
    )]
    Digest {
        /// The change after which they differ.
        zxid: Zxid,
        /// The writer's.
        expected: i64,
        /// Ours.
        actual: i64,
    },
    /// Nodes refer to an ACL list that neither the snapshot nor the log has.
    #[error("Failed to fetch acls for {number}: {nodes} nodes have an ACL that the snapshot lacks")]
    MissingAcl {
        /// The list's number.
        number: i64,
        /// How many nodes refer to it.
        nodes: u32,
    },
}

fn list(reasons: &[SnapshotReadError]) -> String {
    reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn sound_again(next: &Option<Zxid>) -> String {
    let mut text = String::new();
    if let Some(next) = next {
        write!(text, ", and the next sound one is {next}").expect("a string takes all that is written");
    }
    text
}

/// What recovery found and put up with.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RecoverWarning {
    /// A snapshot could not be used; an older one was, and this one is moved aside.
    #[error("{0}; an older one is used")]
    SnapshotRejected(SnapshotReadError),
    /// The snapshot lacks sections that current releases write.
    #[error("{file}: written by an older release, or cut exactly at a seal; what is there is sound")]
    SnapshotShort {
        /// The snapshot.
        file: String,
    },
    /// The snapshot's digest is not its tree's. Java writes such ones after it dropped ephemerals.
    #[error("the snapshot of {zxid} says that its digest is {expected}, and it is {actual}")]
    DigestOfSnapshot {
        /// The snapshot's zxid.
        zxid: Zxid,
        /// The digest in the file.
        expected: i64,
        /// The tree's.
        actual: i64,
    },
    /// The tree differs from its writer's; it was never seen to agree, or the difference is tolerated.
    #[error(
        "Digests are not matching. Value is Zxid. {zxid}: expected digest is {expected}, actual digest is {actual}"
    )]
    DigestMismatch {
        /// The first change after which they differ.
        zxid: Zxid,
        /// The writer's.
        expected: i64,
        /// Ours.
        actual: i64,
    },
    /// The snapshot was written while the tree changed, and the log does not reach the end of that time.
    #[error(
        "Highest txn zxid {last} is not covering the snapshot digest zxid {snapshot_until}, which might lead to \
         inconsistent state"
    )]
    SnapshotAhead {
        /// Up to where the snapshot may hold changes.
        snapshot_until: Zxid,
        /// The last change in the log.
        last: Zxid,
    },
    /// A log is taken for the whole history.
    #[error(
        "No snapshot found, and snapshot.trust.empty is set. This should only be allowed during upgrading."
    )]
    TrustedEmpty,
    /// There is a snapshot and no log.
    #[error("there is no log beside the snapshot of {zxid}: changes after it, if there were any, are lost")]
    NoLogs {
        /// The snapshot's zxid.
        zxid: Zxid,
    },
    /// The end of a log was torn by a crash.
    #[error("{file}: at byte {offset}: Last transaction was partial: {damage}; the log ends with {after}")]
    TornRecord {
        /// The log.
        file: PathBuf,
        /// Where the torn record begins.
        offset: u64,
        /// What is wrong with it.
        damage: Damage,
        /// The last whole change.
        after: Zxid,
    },
    /// A record is broken that nobody needs: the snapshot is newer, or the next log continues exactly.
    #[error("{file}: at byte {offset}: {damage}; nothing that is needed is lost")]
    UnneededRecord {
        /// The log.
        file: PathBuf,
        /// Where the record begins.
        offset: u64,
        /// What is wrong with it.
        damage: Damage,
    },
    /// The newest log had nothing in it.
    #[error("Delete empty tail log file to recover from corruption file: {file}")]
    EmptyLogRemoved {
        /// The log.
        file: String,
    },
    /// An older log has nothing in it, and nothing is missing.
    #[error("{file}: an empty log between others; nothing is missing")]
    EmptyLogIgnored {
        /// The log.
        file: String,
    },
    /// A log repeats what another had.
    #[error("{file}: at byte {offset}: {zxid} is there already; what repeats is skipped")]
    RepeatedRecord {
        /// The log.
        file: PathBuf,
        /// The first record that repeats.
        offset: u64,
        /// Its zxid.
        zxid: Zxid,
    },
    /// A file could not be moved aside or removed.
    #[error("{file}: cannot be moved out of the way: {source}")]
    NotTidied {
        /// The file.
        file: PathBuf,
        /// The system's reason.
        source: Arc<io::Error>,
    },
}
