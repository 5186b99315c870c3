//! A database in the making: changes, the tree after them, and the files.

use std::borrow::Cow;

use zoorum_proto::txn::{CreateKind, CreateTxn, SetDataTxn, TxnDigest};
use zoorum_proto::{
    Acl, Encode, Permissions, SessionId, Txn, TxnBody, TxnHeader, Version, WallClock, Xid, Zxid,
};
use zoorum_storage::memory::MemoryDisk;
use zoorum_storage::{LogOptions, SnapshotOptions, SnapshotWriter, Tail, TxnLog};
use zoorum_tree::Tree;

/// Writes a history to a disk as a server would.
pub struct Author {
    pub disk: MemoryDisk,
    pub tree: Tree,
    pub log: TxnLog<MemoryDisk>,
    /// The tree's digest after each change, from zxid 0 on.
    pub digests: Vec<i64>,
}

impl Author {
    /// Begins on an empty disk with the snapshot of an empty database.
    pub fn new(preallocate_bytes: u64) -> Self {
        let tail = Tail { last_zxid: Zxid::ZERO, empty_file: None, bytes_since_snapshot: 0 };
        Self::go_on(MemoryDisk::new(), Tree::new(1), tail, preallocate_bytes).with_snapshot()
    }

    /// Goes on where a recovery left off.
    pub fn go_on(disk: MemoryDisk, tree: Tree, tail: Tail, preallocate_bytes: u64) -> Self {
        let options = LogOptions { preallocate_bytes, ..LogOptions::default() };
        let log = TxnLog::open(disk.clone(), tail, options);
        let digests = vec![tree.digest()];
        Self { disk, tree, log, digests }
    }

    fn with_snapshot(mut self) -> Self {
        self.snapshot();
        self
    }

    /// Logs and applies the next `count` changes, without a sync.
    pub fn change(&mut self, count: usize) {
        for _ in 0..count {
            let zxid = self.tree.last_zxid().next();
            self.log_and_apply(zxid);
        }
    }

    /// The same, and a sync.
    pub fn change_and_sync(&mut self, count: usize) {
        self.change(count);
        self.log.sync().unwrap();
    }

    /// One change with this zxid.
    pub fn log_and_apply(&mut self, zxid: Zxid) {
        let body = body(zxid);
        let kind = body.kind() as i32;
        let header = TxnHeader { session: SessionId(7), cxid: Xid(1), zxid, time: WallClock(zxid.0), kind };
        let mut txn = Txn { header, body, digest: None };
        self.tree.apply(&txn, &mut |_| {});
        let digest = self.tree.digest();
        txn.digest = Some(TxnDigest { version: TxnDigest::VERSION, value: digest });
        self.digests.push(digest);
        self.log.append(zxid, &txn.to_vec());
    }

    /// Takes a snapshot, and begins a new log as a server does.
    pub fn snapshot(&mut self) {
        self.log.roll();
        let start = self.tree.begin_snapshot();
        let mut writer = SnapshotWriter::start(&self.disk, &start, &SnapshotOptions::default()).unwrap();
        let mut nodes = Vec::new();
        while !self.tree.snapshot_step(10, &mut nodes) {}
        writer.nodes(&nodes).unwrap();
        self.tree.end_snapshot();
        writer.finish().unwrap();
    }
}

/// Every change makes another tree: a node is created, or the root's data set.
fn body(zxid: Zxid) -> TxnBody<'static> {
    const DATA: &[u8] = b"some data, so that records differ in length by what they create";
    if zxid.0 % 3 == 0 {
        let version = Version((zxid.0 / 3) as i32);
        return TxnBody::SetData(SetDataTxn { path: Cow::Borrowed("/"), data: Some(&DATA[..5]), version });
    }
    TxnBody::Create(CreateTxn {
        kind: CreateKind::Create { ephemeral: false },
        path: Cow::Owned(format!("/node-{zxid}")),
        data: Some(&DATA[..(zxid.0 * 7 % 60) as usize]),
        acl: vec![Acl::world(Permissions::ALL)],
        parent_creates: -1,
    })
}
