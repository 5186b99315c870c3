//! A snapshot read from whatever file, into memory.

use std::collections::HashMap;
use std::path::Path;

use zoorum_proto::mode::NodeKind;
use zoorum_proto::snapshot::{SnapshotAcl, SnapshotNode, SnapshotSession};
use zoorum_proto::{SessionId, Zxid};
use zoorum_storage::name::SnapshotFile;
use zoorum_storage::snapshot::{Sink, SnapshotReadError, looks_whole, read};
use zoorum_storage::{Compression, Disk as _};

use super::nodes::{Node, Nodes};
use crate::disk::ReadDisk;
use crate::failure::Failure;

/// What is in a snapshot.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub nodes: Nodes,
    /// In the order of the file.
    pub sessions: Vec<SnapshotSession>,
    /// How many znodes go with each session.
    pub ephemerals: HashMap<SessionId, usize>,
    /// The zxid in its name, if there is one.
    pub name_zxid: Option<i64>,
    /// What is wrong with it though every znode could be read.
    pub doubt: Option<SnapshotReadError>,
}

impl Snapshot {
    /// Reads a snapshot; how it is packed is told by the end of its name. What the znodes hold is kept if
    /// `keeps_data`, else only how long it is.
    pub(crate) fn load(path: &Path, keeps_data: bool) -> Result<Self, Failure> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let unreadable = |error| Failure::of_file(path, "read", error);
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let disk = ReadDisk::open(directory.unwrap_or(Path::new("."))).map_err(unreadable)?;
        let length = std::fs::metadata(path).map_err(unreadable)?.len();
        let file =
            SnapshotFile { name: name.to_owned(), zxid: Zxid::ZERO, compression: compression(name), length };
        let empty = Self { name_zxid: zxid(name), ..Self::default() };
        let mut sink = Into { snapshot: empty, keeps_data, is_complete: false };
        let result = read(&disk, &file, &mut sink);
        let mut snapshot = sink.snapshot;
        if let Err(error) = &result
            && !sink.is_complete
        {
            return Err(Failure::unexpected(error.to_string()));
        }
        if snapshot.nodes.root().is_none() {
            return Err(Failure::unexpected(format!(
                "{}: there is no root in it",
                disk.path(name).display()
            )));
        }
        snapshot.doubt = result.and_then(|_| looks_whole(&disk, &file)).err();
        Ok(snapshot)
    }

    /// What is to be said at the end of the output.
    pub(crate) fn end(self) -> Result<(), Failure> {
        match self.doubt {
            None => Ok(()),
            Some(doubt) => Err(Failure::unexpected(format!(
                "{doubt}. What is shown is what the file says; a server does not use it"
            ))),
        }
    }
}

/// By the last part of the name, in any case.
fn compression(name: &str) -> Compression {
    match name.rsplit_once('.').map(|(_, suffix)| suffix.to_ascii_lowercase()).as_deref() {
        Some("gz") => Compression::Gz,
        Some("snappy") => Compression::Snappy,
        _ => Compression::None,
    }
}

/// The zxid in a snapshot's name, whatever stands behind it.
fn zxid(name: &str) -> Option<i64> {
    let mut parts = name.strip_prefix("snapshot.")?.split('.');
    i64::from_str_radix(parts.next()?, 16).ok()
}

struct Into {
    snapshot: Snapshot,
    keeps_data: bool,
    /// Every znode was there.
    is_complete: bool,
}

impl Sink for Into {
    fn session(&mut self, session: SnapshotSession) {
        self.snapshot.sessions.push(session);
    }

    fn acl(&mut self, _: SnapshotAcl<'_>) {}

    fn expect(&mut self, _: u64) {}

    fn node(&mut self, node: &SnapshotNode<'_>) -> Result<(), String> {
        if let NodeKind::Ephemeral(session) = NodeKind::from_owner(node.owner) {
            *self.snapshot.ephemerals.entry(session).or_default() += 1;
        }
        self.snapshot.nodes.add(Node::of(node, self.keeps_data))
    }

    fn complete(&mut self) {
        self.is_complete = true;
    }
}
