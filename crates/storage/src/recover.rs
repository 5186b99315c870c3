//! From files to state: the newest snapshot that can be believed, and every change logged after it.
//!
//! Snapshots are tried from the newest on, each into a tree of its own. Then the log is replayed. Within an
//! epoch zxids are consecutive, so a change that is missing shows, and recovery refuses rather than lose it.
//! The rules for what a crash can leave behind are those of [`crate::log::scan`].
//!
//! **Promise.** On success everything that the tree holds is durable, the newest log ends with a sound record,
//! and names of files to come are free. On failure no file was touched, but that the installation of a received
//! state was completed if a crash had interrupted it.
//!
//! **Source.** Apache ZooKeeper 3.9, but for the cases in which it goes on with changes lost.

mod growth;
mod past;
mod replay;
mod report;

use std::io;
use std::sync::Arc;

use zoorum_proto::Zxid;
use zoorum_proto::mode::OwnerReading;
use zoorum_proto::snapshot::{SnapshotAcl, SnapshotNode, SnapshotSession};
use zoorum_tree::{Loader, Tree};

use crate::disk::{Disk, DiskFile, read_full_at};
use crate::install;
use crate::log::mark;
use crate::log::repair::cut;
use crate::log::scan::{LogScanner, Step};
use crate::log::{Tail, UNSYNCED_MAX};
use crate::name::{self, LogFile, SnapshotFile, TEMPORARY_PREFIX};
use crate::snapshot::{self, Sink, SnapshotDigest, SnapshotReadError};

pub use past::{Moment, Moments, Past, PastError, moments, past};
use replay::{Replay, Replayed};
pub use report::{RecoverError, RecoverWarning};

/// What recovery may assume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecoverOptions {
    /// Seed of the tree's hash tables.
    pub seed: u64,
    /// How the tree reads what kind a znode is of.
    pub owners: OwnerReading,
    /// Whether logs without any snapshot are the whole history (`snapshot.trust.empty`), as release 3.4 could
    /// leave it. Otherwise the snapshot counts as lost.
    pub trust_empty: bool,
    /// Whether directories without any file are a new database (`db.autocreate`, or the marker `initialize`).
    /// Otherwise the data counts as lost.
    pub db_autocreate: bool,
    /// Whether the digests in the files are compared with the tree's.
    pub digest: bool,
    /// Goes on though the replayed log makes another tree than its writer had.
    pub tolerate_digest_mismatch: bool,
    /// Goes on though ACL lists are missing; nobody but a superuser can then use the nodes that had them.
    pub tolerate_missing_acls: bool,
}

impl Default for RecoverOptions {
    /// ZooKeeper's, as far as it has these.
    fn default() -> Self {
        Self {
            seed: 0,
            owners: OwnerReading::default(),
            trust_empty: false,
            db_autocreate: true,
            digest: true,
            tolerate_digest_mismatch: false,
            tolerate_missing_acls: false,
        }
    }
}

/// What was recovered.
#[derive(Debug)]
pub struct Recovered {
    /// The state.
    pub tree: Tree,
    /// The last change in it.
    pub last_zxid: Zxid,
    /// The last change in the snapshot; `None` if there was no snapshot.
    pub snapshot_zxid: Option<Zxid>,
    /// Whether that snapshot already holds all of the state.
    pub snapshot_is_current: bool,
    /// Changes that were replayed from the log.
    pub txns_replayed: u64,
    /// What was found and put up with, in the order of discovery.
    pub warnings: Vec<RecoverWarning>,
    /// Where appending goes on.
    pub tail: Tail,
}

/// Recovers the state from a directory of snapshots and one of logs, which may be the same.
///
/// # Errors
///
/// If the newest state cannot be reached with certainty: the error says what was found, where, and what helps.
pub fn recover<D: Disk>(
    snapshots: &D,
    logs: &D,
    options: &RecoverOptions,
) -> Result<Recovered, RecoverError> {
    install::complete(snapshots, logs)?;
    let log_files = name::logs(&list(logs)?);
    let snapshot_files = name::snapshots(&list(snapshots)?);
    let base = match newest_usable(snapshots, &snapshot_files, options)? {
        (Some(loaded), rejected) => Base::of(loaded, rejected),
        (None, rejected) => base_without_snapshot(logs, &log_files, rejected, options)?,
    };
    let snapshot_zxid = base.used.as_ref().map(|file| file.zxid);
    let mut replay = Replay::new(base.tree, snapshot_zxid.unwrap_or(Zxid::ZERO), base.digest, options);
    replay
        .warnings
        .extend(base.rejected.iter().map(|(_, why)| RecoverWarning::SnapshotRejected(why.clone())));
    replay.warnings.extend(base.warnings);
    let replayed = replay.run(logs, &log_files)?;
    check_acls(&replayed.tree, options)?;

    let mut warnings = replayed.warnings.clone();
    settle(logs, &replayed)?;
    settle_snapshots(snapshots, base.used.as_ref(), &base.rejected, &mut warnings)?;
    Ok(Recovered {
        last_zxid: replayed.last_zxid,
        snapshot_zxid,
        snapshot_is_current: snapshot_zxid == Some(replayed.last_zxid),
        txns_replayed: replayed.txns,
        warnings,
        tail: Tail {
            last_zxid: replayed.last_zxid,
            empty_file: replayed.empty_file,
            bytes_since_snapshot: replayed.bytes,
        },
        tree: replayed.tree,
    })
}

type Rejected = Vec<(SnapshotFile, SnapshotReadError)>;

/// What the log is replayed upon.
struct Base {
    tree: Tree,
    digest: Option<SnapshotDigest>,
    used: Option<SnapshotFile>,
    rejected: Rejected,
    warnings: Vec<RecoverWarning>,
}

struct Loaded {
    tree: Tree,
    file: SnapshotFile,
    digest: Option<SnapshotDigest>,
    /// Whether all sections are there that a current release writes.
    is_short: bool,
}

impl Base {
    fn of(loaded: Loaded, rejected: Rejected) -> Self {
        let short = loaded.is_short.then(|| RecoverWarning::SnapshotShort { file: loaded.file.name.clone() });
        Self {
            tree: loaded.tree,
            digest: loaded.digest,
            used: Some(loaded.file),
            rejected,
            warnings: short.into_iter().collect(),
        }
    }
}

fn list<D: Disk>(disk: &D) -> Result<Vec<crate::disk::Entry>, RecoverError> {
    disk.list().map_err(|source| RecoverError::Io { file: disk.path(""), source: Arc::new(source) })
}

/// Builds the tree of the newest snapshot whose seals are right; also tells which newer ones are not.
fn newest_usable<D: Disk>(
    disk: &D,
    files: &[SnapshotFile],
    options: &RecoverOptions,
) -> Result<(Option<Loaded>, Rejected), RecoverError> {
    let mut rejected = Vec::new();
    for file in files {
        match load(disk, file, options) {
            Ok(loaded) => return Ok((Some(loaded), rejected)),
            Err(why) => rejected.push((file.clone(), why)),
        }
    }
    if rejected.iter().all(|(_, why)| why.is_unfinished()) {
        return Ok((None, rejected));
    }
    Err(no_valid_snapshot(disk, rejected))
}

fn no_valid_snapshot<D: Disk>(disk: &D, rejected: Rejected) -> RecoverError {
    let reasons = rejected.into_iter().map(|(_, why)| why).collect();
    RecoverError::NoValidSnapshot { directory: disk.path(""), reasons }
}

fn load<D: Disk>(
    disk: &D,
    file: &SnapshotFile,
    options: &RecoverOptions,
) -> Result<Loaded, SnapshotReadError> {
    snapshot::looks_whole(disk, file)?;
    let mut sink = TreeSink(Loader::with_owners(options.seed, options.owners));
    let summary = snapshot::read(disk, file, &mut sink)?;
    let tree = sink.0.finish(file.zxid).map_err(|reason| SnapshotReadError::Node {
        file: disk.path(&file.name),
        offset: summary.bytes,
        reason: reason.to_string(),
    })?;
    let is_short = summary.last_zxid.is_none();
    Ok(Loaded { tree, file: file.clone(), digest: summary.digest, is_short })
}

pub(crate) struct TreeSink(pub(crate) Loader);

impl Sink for TreeSink {
    fn session(&mut self, session: SnapshotSession) {
        self.0.session(session);
    }

    fn acl(&mut self, acl: SnapshotAcl<'_>) {
        self.0.acl(acl);
    }

    fn expect(&mut self, nodes: u64) {
        self.0.expect(nodes);
    }

    fn node(&mut self, node: &SnapshotNode<'_>) -> Result<(), String> {
        self.0.node(node).map_err(|reason| reason.to_string())
    }
}

/// There is no snapshot, or only such as were never finished: is this a new database, or a loss?
fn base_without_snapshot<D: Disk>(
    logs: &D,
    log_files: &[LogFile],
    rejected: Rejected,
    options: &RecoverOptions,
) -> Result<Base, RecoverError> {
    let first = first_logged(logs, log_files)?;
    let mut warnings = Vec::new();
    match first {
        Some(file) if !options.trust_empty => {
            return Err(RecoverError::NoSnapshot { file: logs.path(&file) });
        }
        Some(_) => warnings.push(RecoverWarning::TrustedEmpty),
        // A snapshot of zxid 0 holds nothing, and one of no length is what a full disk leaves. But the torn
        // snapshot of a database with changes, and no log of them: that is no new database.
        None if rejected.iter().any(|(file, _)| file.zxid > Zxid::ZERO && file.length > 0) => {
            return Err(no_valid_snapshot(logs, rejected));
        }
        None if !options.db_autocreate => {
            return Err(RecoverError::Empty { directory: logs.path("") });
        }
        None => {}
    }
    let tree = Tree::with_owners(options.seed, options.owners);
    Ok(Base { tree, digest: None, used: None, rejected, warnings })
}

/// The first log that holds a record.
fn first_logged<D: Disk>(disk: &D, files: &[LogFile]) -> Result<Option<String>, RecoverError> {
    for file in files {
        if let Some(mut scanner) = LogScanner::open(disk, &file.name)?
            && !matches!(scanner.step()?, Step::End(_))
        {
            return Ok(Some(file.name.clone()));
        }
    }
    Ok(None)
}

fn check_acls(tree: &Tree, options: &RecoverOptions) -> Result<(), RecoverError> {
    match tree.unresolved_acls().next() {
        Some((number, nodes)) if !options.tolerate_missing_acls => {
            Err(RecoverError::MissingAcl { number, nodes })
        }
        _ => Ok(()),
    }
}

/// Makes the log what the tree says: durable up to the last change, and nothing behind it.
///
/// What was read may have been in the system's memory only, if the last process died between a write and its
/// sync. New changes build upon it, so it must not vanish with a power cut any more. If its last sync failed, the
/// system may take what it should have kept for kept: only what is written anew is certain to be synced.
fn settle<D: Disk>(logs: &D, replayed: &Replayed) -> Result<(), RecoverError> {
    let failed = |name: &str| {
        let file = logs.path(name);
        move |source: io::Error| RecoverError::Io { file, source: Arc::new(source) }
    };
    if let Some((name, offset)) = &replayed.torn {
        cut(logs, name, *offset).map_err(failed(name))?;
    }
    let newest = replayed.torn.as_ref().or(replayed.clean.as_ref());
    if let Some((name, end)) = newest {
        write_end_anew(logs, name, *end).map_err(failed(name))?;
    }
    for name in &replayed.read {
        logs.open(name).and_then(|mut file| file.sync_data()).map_err(failed(name))?;
    }
    if let Some((name, end)) = newest {
        // Only now: a power cut before could have taken a record, and left nothing that says it was not synced.
        clear_marks(logs, name, *end).map_err(failed(name))?;
    }
    if let Some((name, end)) = &replayed.clean {
        // After a crash, the room ahead is still taken. Only space is lost if it cannot be given back.
        let release = |mut file: D::File| file.release(*end, file.length()?.saturating_sub(*end));
        let _ = logs.open(name).and_then(release);
    }
    for name in &replayed.empty {
        logs.remove(name).map_err(failed(name))?;
    }
    logs.sync_directory().map_err(failed(""))
}

/// Writes the last of a file's records again, as they are: as many as one failed sync can have left in doubt.
fn write_end_anew<D: Disk>(logs: &D, name: &str, end: u64) -> io::Result<()> {
    let start = end.saturating_sub(UNSYNCED_MAX as u64);
    let mut bytes = vec![0; UNSYNCED_MAX.min(end as usize)];
    let mut file = logs.open(name)?;
    let length = read_full_at(&file, &mut bytes, start)?;
    file.write_all_at(&bytes[..length], start)
}

/// Removes the marks of a file whose records end at `end`, durably.
fn clear_marks<D: Disk>(logs: &D, name: &str, end: u64) -> io::Result<()> {
    let mut file = logs.open(name)?;
    let length = file.length()?;
    mark::clear(&mut file, length, end)?;
    file.sync_data()
}

/// Makes the snapshot that was used durable, moves those that could not be read out of the way, and removes
/// those that a killed process was writing.
fn settle_snapshots<D: Disk>(
    disk: &D,
    used: Option<&SnapshotFile>,
    rejected: &Rejected,
    warnings: &mut Vec<RecoverWarning>,
) -> Result<(), RecoverError> {
    let failed = |name: &str| {
        let file = disk.path(name);
        move |source: io::Error| RecoverError::Io { file, source: Arc::new(source) }
    };
    if let Some(used) = used {
        disk.open(&used.name).and_then(|mut file| file.sync_data()).map_err(failed(&used.name))?;
    }
    // None of this is needed to go on, so that a failure is only told.
    let tell = |name: &str, result: io::Result<()>| {
        let file = disk.path(name);
        result.err().map(|source| RecoverWarning::NotTidied { file, source: Arc::new(source) })
    };
    for (file, _) in rejected {
        warnings.extend(tell(&file.name, disk.rename(&file.name, &name::rejected_name(&file.name))));
    }
    let left_over = list(disk)?.into_iter().filter(|entry| entry.name.starts_with(TEMPORARY_PREFIX));
    for entry in left_over {
        warnings.extend(tell(&entry.name, disk.remove(&entry.name)));
    }
    disk.sync_directory().map_err(failed(""))
}
