//! Readers meet any bytes at all: they may refuse them, and never panic or ask for more memory than there is.

mod common;

use common::Author;
use proptest::prelude::*;
use zoorum_storage::Disk;
use zoorum_storage::check::check;
use zoorum_storage::memory::MemoryDisk;
use zoorum_storage::{RecoverOptions, recover, repair_tail};

const NAMES: [&str; 4] = ["log.1", "snapshot.5", "snapshot.5.gz", "snapshot.5.snappy"];

/// What the readers' formats begin with, so that random bytes get past the first look.
fn beginnings() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(Vec::new()),
        Just(b"ZKLG\0\0\0\x02\0\0\0\0\0\0\0\0".to_vec()),
        Just(b"ZKSN\0\0\0\x02\xff\xff\xff\xff\xff\xff\xff\xff".to_vec()),
        Just(b"ZKSN\0\0\0\x02\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\0".to_vec()),
        Just(b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec()),
        Just(b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec()),
    ]
}

/// Random bytes, among them many that look like lengths.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        (0_i32..64).prop_map(|length| length.to_be_bytes().to_vec()),
        any::<i32>().prop_map(|length| length.to_be_bytes().to_vec()),
        Just(vec![0; 8]),
        Just(b"\0\0\0\x01/".to_vec()),
    ];
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

fn read_all(disk: &MemoryDisk) {
    let report = check(disk, disk).unwrap();
    assert!(report.logs.len() <= 2);
    let _ = recover(&disk.duplicate(), &disk.duplicate(), &RecoverOptions::default());
    let options = RecoverOptions { trust_empty: true, ..RecoverOptions::default() };
    let _ = recover(disk, disk, &options);
    if repair_tail(disk, "log.1").is_ok() {
        assert_eq!(repair_tail(disk, "log.1").unwrap(), None, "a repaired log needs no repair");
    }
}

proptest! {
    #[test]
    fn random_files_are_refused_or_read(beginning in beginnings(), rest in bytes(), name in 0..NAMES.len()) {
        let disk = MemoryDisk::new();
        disk.place("log.1", Vec::new());
        disk.place(NAMES[name], [beginning, rest].concat());
        read_all(&disk);
    }

    #[test]
    fn real_files_with_a_changed_stretch_are_refused_or_read(
        at in 0_usize..3000,
        change in prop::collection::vec(any::<u8>(), 1..9),
        in_log in any::<bool>(),
    ) {
        let mut author = Author::new(0);
        author.change_and_sync(10);
        author.snapshot();
        let (disk, name) = (author.disk.clone(), if in_log { "log.1" } else { "snapshot.a" });
        let mut content = disk.content(name).unwrap();
        let at = at % content.len();
        let end = (at + change.len()).min(content.len());
        content[at..end].copy_from_slice(&change[..end - at]);
        disk.place(name, content);
        disk.remove(if in_log { "snapshot.a" } else { "snapshot.0" }).unwrap();
        if let Ok(recovered) = recover(&disk, &disk, &RecoverOptions::default()) {
            let last = recovered.last_zxid.0 as usize;
            prop_assert_eq!(recovered.tree.digest(), author.digests[last], "what is read is the truth");
        }
        read_all(&disk);
    }
}
