use zoorum_storage::memory::MemoryDisk;
use zoorum_storage::{DiskFile, SnapshotOptions, write_tree};
use zoorum_tree::Tree;

use super::*;

fn find_file(disk: &MemoryDisk, unreadable: Option<Zxid>) -> Result<Supply<MemoryDisk>, SupplyError> {
    let zero = Zxid::ZERO;
    let seek = Seek { link: LinkId(1), after: None, file_from: Some(zero), through: zero };
    let search = Search { seek, stage: Stage::File, factor: 0.33 };
    find((disk, disk), &Joints::default(), search, unreadable)
}

#[test]
fn a_snapshot_that_turns_out_unreadable_is_told_and_can_be_passed_over() {
    let disk = MemoryDisk::new();
    write_tree(&disk, &mut Tree::new(1), &SnapshotOptions::default()).expect("a disk");
    let sound = find_file(&disk, None).expect("a file");
    assert!(pass_on(sound, |_| true).expect("a sound file"));

    let mut file = disk.open("snapshot.0").expect("a file");
    let middle = file.length().expect("a length") / 2;
    file.write_all_at(&[0xff; 4], middle).expect("a disk");
    let damaged = find_file(&disk, None).expect("its beginning is sound");
    let zxid = damaged.snapshot_zxid();
    assert!(pass_on(damaged, |_| true).is_err());
    assert!(matches!(find_file(&disk, zxid), Err(SupplyError::NoSnapshot { from: Zxid(1) })));
}
