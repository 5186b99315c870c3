//! Snapshots: read, checked, and written again.
//!
//! ```text
//! input    kind u8 · content
//! content  a file as it is (kind below 3: raw, gzip, Snappy), or everything between header and first seal, to
//!          be sealed (kind 3: raw, 4: gzip; 5 and 6: with digest and last zxid, from its last 20 and 8 bytes)
//! ```

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use zoorum_proto::path;
use zoorum_storage::check::check;
use zoorum_storage::memory::MemoryDisk;
use zoorum_storage::{RecoverOptions, SnapshotOptions, SnapshotWriter, recover};
use zoorum_tree::Tree;

use crate::seal::seal;
use crate::take_byte;

const HEADER: &[u8] = b"ZKSN\0\0\0\x02\xff\xff\xff\xff\xff\xff\xff\xff";

/// Recovers from the snapshot, and writes the tree that came of it.
pub fn run(mut input: &[u8]) {
    let kind = take_byte(&mut input);
    let (name, file) = match kind % 7 {
        0 => ("snapshot.59", input.to_vec()),
        1 => ("snapshot.59.gz", input.to_vec()),
        2 => ("snapshot.59.snappy", input.to_vec()),
        3 => ("snapshot.59", sealed(input, false, false)),
        4 => ("snapshot.59.gz", packed(&sealed(input, true, false))),
        5 => ("snapshot.59", sealed(input, true, false)),
        _ => ("snapshot.59", sealed(input, true, true)),
    };
    let disk = MemoryDisk::new();
    disk.place(name, file);
    let report = check(&disk, &disk).expect("memory can be listed");
    let strict = recover(&disk.duplicate(), &disk.duplicate(), &RecoverOptions::default());
    if strict.is_ok_and(|recovered| recovered.snapshot_zxid.is_some()) {
        assert!(report.snapshots[0].result.is_ok(), "what can be used passes the check");
    }
    let lenient = RecoverOptions {
        tolerate_digest_mismatch: true,
        tolerate_missing_acls: true,
        ..RecoverOptions::default()
    };
    if let Ok(mut recovered) = recover(&disk, &disk, &lenient) {
        check_copy(&mut recovered.tree);
    }
}

fn sealed(mut content: &[u8], digest: bool, last_zxid: bool) -> Vec<u8> {
    let mut end = |wanted: bool, count: usize| {
        let at = content.len().saturating_sub(if wanted { count } else { 0 });
        let (front, back) = content.split_at(at);
        content = front;
        back
    };
    let last = end(last_zxid, 8);
    let hash = end(digest, 20);
    let mut out = [HEADER, content, b"\0\0\0\x01/"].concat();
    seal(&mut out);
    for (wanted, section) in [(digest, hash), (last_zxid, last)] {
        if wanted {
            out.extend_from_slice(section);
            seal(&mut out);
        }
    }
    out
}

fn packed(content: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(content).and_then(|()| packer.finish()).expect("memory takes it")
}

/// A snapshot of the tree, read back, is the tree.
pub(crate) fn check_copy(tree: &mut Tree) {
    // A name is a zxid that is not negative; no server ever gets there.
    if tree.last_zxid().0 < 0 || tree.unresolved_acls().next().is_some() {
        return;
    }
    // Only a made-up change deletes what every tree has, and a tree that is loaded has it again.
    if [path::ZOOKEEPER, path::QUOTA, path::CONFIG].iter().any(|path| tree.node(path).is_none()) {
        return;
    }
    let disk = MemoryDisk::new();
    store(tree, &disk);
    let copy = recover(&disk, &disk, &RecoverOptions::default()).expect("what we write, we read");
    assert_eq!(copy.tree.last_zxid(), tree.last_zxid());
    assert_eq!(copy.tree.digest(), tree.digest(), "the copy is the same tree");
    assert_eq!(copy.tree.node_count(), tree.node_count());
    assert_eq!(copy.tree.ephemeral_count(), tree.ephemeral_count());
    assert_eq!(copy.tree.session_count(), tree.session_count());
}

/// Writes a snapshot of the tree.
pub(crate) fn store(tree: &mut Tree, disk: &MemoryDisk) {
    let start = tree.begin_snapshot();
    let mut writer =
        SnapshotWriter::start(disk, &start, &SnapshotOptions::default()).expect("memory takes it");
    let mut nodes = Vec::new();
    while !tree.snapshot_step(10, &mut nodes) {}
    writer.nodes(&nodes).expect("memory takes it");
    tree.end_snapshot();
    writer.finish().expect("memory takes it");
}
