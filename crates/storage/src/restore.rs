//! A snapshot's file, made ready to take the place of a running server's state.
//!
//! The state is what the file holds but for sessions and their ephemeral znodes: whoever had one knew another
//! tree, and must begin anew. It gets a place in this server's history that no other change has, so that no zxid ever
//! means two things.
//!
//! All that takes long is done by [`Restoring::prepare`], beside a server that goes on. The file it writes lacks
//! only its end, in which the place stands. [`Restoring::settle_at`] adds that; [`crate::Staged::install`] decides.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use zoorum_proto::{SessionId, Txn, TxnBody, TxnHeader, WallClock, Xid, Zxid};
use zoorum_tree::{LoadError, Loader, Tree};

use crate::disk::{Disk, DiskFile, read_full_at};
use crate::install::Staged;
use crate::name::{SnapshotFile, install_name, restored_name, snapshot_name};
use crate::recover::{RecoverOptions, TreeSink};
use crate::snapshot::{
    Compression, Pace, SnapshotError, SnapshotOptions, SnapshotReadError, SnapshotWriter, Target,
    looks_whole, read, stream_head,
};

/// Znodes that are encoded at a time.
const STEP: usize = 1024;

/// Why a file makes no state. What there was before is untouched.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RestoreError {
    /// It is no snapshot, or a damaged one.
    #[error(transparent)]
    Read(#[from] SnapshotReadError),
    /// Its znodes make no tree.
    #[error("{file}: Invalid Datatree: {source}")]
    Load {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: LoadError,
    },
    /// It does not say up to which change it goes, as those of releases before 3.9 do not.
    #[error(
        "{file}: the snapshot does not say of which zxid it is (serializeLastProcessedZxid.enabled=false, or a \
         release before 3.9)"
    )]
    NoZxid {
        /// The file.
        file: PathBuf,
    },
    /// ACL lists are missing in it.
    #[error("{file}: {nodes} znodes have the ACL list {number}, which the snapshot lacks")]
    MissingAcl {
        /// The file.
        file: PathBuf,
        /// The list's number.
        number: i64,
        /// So many znodes have it.
        nodes: u32,
    },
    /// The new state cannot be written.
    #[error(transparent)]
    Write(#[from] SnapshotError),
}

/// See the module. Dropped, it leaves nothing behind.
pub struct Restoring<D: Disk> {
    tree: Tree,
    logs: D,
    writer: SnapshotWriter<D>,
    origin: Zxid,
    compression: Compression,
}

impl<D: Disk> Restoring<D> {
    /// Reads the file `name` of the directory `from`, packed or not, whatever it is called, and writes the state
    /// that it makes beside the snapshots of this server. Only one at a time.
    ///
    /// # Errors
    ///
    /// If the file is not to be believed to its last byte, or the state cannot be written.
    pub fn prepare(
        (from, name): (&D, &str),
        (snapshots, logs): (&D, &D),
        options: &SnapshotOptions,
        recover: &RecoverOptions,
    ) -> Result<Self, RestoreError> {
        let (mut tree, origin) = state_of_file(from, name, recover)?;
        end_sessions(&mut tree, origin);
        let start = tree.begin_snapshot();
        let target = Target {
            names: [restored_name(), String::new()],
            zxid: origin,
            digest: (origin, start.digest),
            pace: Pace::BesideLog,
        };
        let mut writer = SnapshotWriter::begin(snapshots, target, options)?;
        let mut bytes = Vec::new();
        stream_head(&start, &mut bytes);
        let mut done = false;
        while !done {
            done = tree.snapshot_step(STEP, &mut bytes);
            writer.nodes(&bytes)?;
            bytes.clear();
        }
        tree.end_snapshot();
        Ok(Self { tree, logs: logs.clone(), writer, origin, compression: options.compression })
    }

    /// The last change that the file knows of.
    pub fn origin(&self) -> Zxid {
        self.origin
    }

    /// Gives the state its place in history; it is then durable, and counts for nothing before it is installed.
    ///
    /// # Errors
    ///
    /// If the rest of the file cannot be written or synced.
    pub fn settle_at(mut self, zxid: Zxid) -> Result<(Tree, Staged<D>), SnapshotError> {
        self.tree.move_to(zxid);
        let name = install_name(&snapshot_name(zxid, self.compression));
        self.writer.retarget(name, zxid, (zxid, self.tree.digest()));
        self.writer.complete()?;
        Ok((self.tree, Staged::new(self.logs, zxid, self.writer)))
    }
}

/// How a file is packed, as its first bytes tell.
///
/// # Errors
///
/// If it cannot be read.
pub fn packing<D: Disk>(disk: &D, name: &str) -> io::Result<Compression> {
    let mut front = [0; 8];
    let count = read_full_at(&disk.open(name)?, &mut front, 0)?;
    Ok(Compression::of_front(&front[..count]))
}

/// A snapshot under any name, of no known zxid.
///
/// # Errors
///
/// If it cannot be read.
pub fn unnamed_snapshot<D: Disk>(disk: &D, name: &str) -> Result<SnapshotFile, SnapshotReadError> {
    let failed = |source: io::Error| SnapshotReadError::Read {
        file: disk.path(name),
        offset: 0,
        source: Arc::new(source),
    };
    let compression = packing(disk, name).map_err(failed)?;
    let length = disk.open(name).and_then(|file| file.length()).map_err(failed)?;
    Ok(SnapshotFile { name: name.to_owned(), zxid: Zxid::ZERO, compression, length })
}

/// The state in one snapshot's file, packed or not, whatever it is called, and the last change that the file knows
/// of.
///
/// # Errors
///
/// If the file is not to be believed to its last byte.
pub fn state_of_file<D: Disk>(
    from: &D,
    name: &str,
    options: &RecoverOptions,
) -> Result<(Tree, Zxid), RestoreError> {
    let file = unnamed_snapshot(from, name)?;
    let path = || from.path(name);
    looks_whole(from, &file)?;
    let mut sink = TreeSink(Loader::with_owners(options.seed, options.owners));
    let summary = read(from, &file, &mut sink)?;
    let last = summary.last_zxid.ok_or_else(|| RestoreError::NoZxid { file: path() })?;
    // Java's may hold parts of changes up to the one that the digest is of.
    let origin = summary.digest.map_or(last, |digest| last.max(digest.zxid));
    let loaded = sink.0.finish(origin);
    let tree = loaded.map_err(|source| RestoreError::Load { file: path(), source })?;
    let missing = tree.unresolved_acls().next();
    match missing {
        Some((number, nodes)) if !options.tolerate_missing_acls => {
            Err(RestoreError::MissingAcl { file: path(), number, nodes })
        }
        _ => Ok((tree, origin)),
    }
}

/// Every session ends, and takes its ephemeral znodes along, as if it had been closed.
fn end_sessions(tree: &mut Tree, at: Zxid) {
    let open = tree.sessions().map(|open| open.session);
    let mut all: Vec<SessionId> = open.chain(tree.sessions_with_ephemerals()).collect();
    all.sort_unstable();
    all.dedup();
    for session in all {
        let paths: Vec<Cow<'_, str>> = tree.ephemerals(session).into_iter().map(Cow::Owned).collect();
        let body = TxnBody::CloseSession { paths: Some(paths) };
        let kind = body.kind() as i32;
        let header = TxnHeader { session, cxid: Xid(0), zxid: at, time: WallClock(0), kind };
        tree.apply(&Txn { header, body, digest: None }, &mut |_| {});
    }
}
