use zoorum_tree::Tree;

use super::*;
use crate::memory::MemoryDisk;
use crate::{SnapshotOptions, SnapshotWriter};

const SNAPSHOTS: [i64; 6] = [0, 0x27, 0x43, 0x5d, 0x77, 0x8c];
const LOGS: [i64; 6] = [1, 0x29, 0x45, 0x5f, 0x79, 0x8e];

/// The example of ZooKeeper's own guide.
fn example() -> MemoryDisk {
    let disk = MemoryDisk::new();
    let mut tree = Tree::new(0);
    for zxid in SNAPSHOTS {
        let mut start = tree.begin_snapshot();
        start.zxid = Zxid(zxid);
        let mut writer = SnapshotWriter::start(&disk, &start, &SnapshotOptions::default()).unwrap();
        let mut nodes = Vec::new();
        while !tree.snapshot_step(10, &mut nodes) {}
        writer.nodes(&nodes).unwrap();
        writer.finish().unwrap();
    }
    for zxid in LOGS {
        disk.place(&name::log_name(Zxid(zxid)), Vec::new());
    }
    disk
}

fn names(disk: &MemoryDisk) -> Vec<String> {
    disk.list().unwrap().into_iter().map(|entry| entry.name).collect()
}

fn purged(disk: &MemoryDisk, keep: usize) -> Vec<String> {
    let purged = purge(disk, disk, keep, &mut |_| false).unwrap();
    assert!(purged.failed.is_empty());
    disk.crash_hard();
    purged.removed.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn the_newest_snapshots_stay_with_the_log_that_was_open_and_all_later() {
    let disk = example();
    let removed = purged(&disk, 3);
    assert_eq!(removed, ["snapshot.0", "snapshot.27", "snapshot.43", "log.1", "log.29"]);
    let left = ["log.45", "log.5f", "log.79", "log.8e", "snapshot.5d", "snapshot.77", "snapshot.8c"];
    assert_eq!(names(&disk), left);
    assert_eq!(purged(&disk, 3), [""; 0], "once is enough");
}

#[test]
fn fewer_snapshots_than_are_to_be_kept_all_stay() {
    let disk = example();
    assert_eq!(purged(&disk, 6), [""; 0]);
    assert_eq!(purged(&disk, 60), [""; 0]);
}

#[test]
fn a_count_below_three_is_refused() {
    let disk = example();
    let error = purge(&disk, &disk, 2, &mut |_| true).unwrap_err();
    assert_eq!(error.to_string(), "count should be greater than or equal to 3");
    assert_eq!(names(&disk).len(), 12);
}

#[test]
fn without_a_snapshot_no_log_is_removed() {
    let disk = MemoryDisk::new();
    for zxid in LOGS {
        disk.place(&name::log_name(Zxid(zxid)), Vec::new());
    }
    assert_eq!(purged(&disk, 3), [""; 0]);
}

#[test]
fn a_snapshot_with_a_wrong_seal_does_not_count() {
    let disk = example();
    disk.flip_bit("snapshot.8c", 200, 0);
    disk.place("snapshot.77", b"five bytes, and the right end: \0\0\0\x01/".to_vec());
    let removed = purged(&disk, 3);
    assert_eq!(removed, ["snapshot.0"], "27, 43 and 5d are the newest three that can be read");
}

#[test]
fn names_that_are_not_ours_are_left_alone() {
    let disk = example();
    for name in ["snapshot.zz", "snapshot.1.tmp", "log.1.bak", "acceptedEpoch", "snapshot.0.gz.old"] {
        disk.place(name, Vec::new());
    }
    purged(&disk, 3);
    assert_eq!(names(&disk).len(), 7 + 5);
}

#[test]
fn what_is_known_to_be_sound_is_not_read() {
    let disk = MemoryDisk::new();
    for zxid in [1, 2, 3, 4] {
        disk.place(&format!("snapshot.{zxid}"), Vec::new());
    }
    let purged = purge(&disk, &disk, 3, &mut |_| true).unwrap();
    assert_eq!(purged.removed, [disk.path("snapshot.1")]);
}

#[test]
fn what_was_replaced_goes_once_it_is_older_than_all_that_stays() {
    let disk = example();
    for name in ["snapshot.43", "snapshot.5e", "log.50", "log.9000", "notes"] {
        disk.place(&name::replaced_name(name), Vec::new());
    }
    let removed = purged(&disk, 3);
    assert_eq!(removed[5..], ["replaced-snapshot.43", "replaced-log.50"]);
    assert!(names(&disk).contains(&"replaced-notes".to_owned()));
}
