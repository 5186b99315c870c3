//! What a crash, a bad disk or an operator can leave behind, and what recovery makes of it.

mod common;

use common::Author;
use zoorum_proto::Zxid;
use zoorum_storage::log::scan::Damage;
use zoorum_storage::memory::MemoryDisk;
use zoorum_storage::{Disk, RecoverError, RecoverOptions, RecoverWarning, Recovered, recover, repair_tail};

fn try_recover(disk: &MemoryDisk) -> Result<Recovered, RecoverError> {
    recover(disk, disk, &RecoverOptions::default())
}

fn names(disk: &MemoryDisk) -> Vec<String> {
    disk.list().unwrap().into_iter().map(|entry| entry.name).collect()
}

/// Bytes of a file up to the last one that is not zero, its marks apart.
fn used(disk: &MemoryDisk, name: &str) -> usize {
    let mut content = disk.content(name).unwrap();
    if content.len() > 1 << 14 {
        remove_marks(&mut content);
    }
    content.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)
}

fn edit(disk: &MemoryDisk, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut content = disk.content(name).unwrap();
    change(&mut content);
    disk.place(name, content);
}

/// Makes a preallocated file one that ZooKeeper could have written.
fn remove_marks(content: &mut [u8]) {
    let room = content.len() - 2048;
    content[room..].fill(0);
}

/// Offsets of the records in a log.
fn offsets(disk: &MemoryDisk, name: &str) -> Vec<usize> {
    let content = disk.content(name).unwrap();
    let (mut offsets, mut at) = (Vec::new(), 16);
    while let Some(length) = content.get(at + 8..at + 12) {
        let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
        if length == 0 {
            break;
        }
        offsets.push(at);
        at += length + 13;
    }
    offsets
}

/// Changes 1 to 10 in log.1, snapshot.a, changes 11 to 20 in log.b.
fn two_logs() -> Author {
    let mut author = Author::new(1 << 14);
    author.change_and_sync(10);
    author.snapshot();
    author.change_and_sync(10);
    author
}

fn assert_recovers(author: &Author, last: i64) -> Recovered {
    let recovered = try_recover(&author.disk).unwrap();
    assert_eq!(recovered.last_zxid, Zxid(last));
    assert_eq!(recovered.tree.digest(), author.digests[last as usize]);
    assert_eq!(recovered.tail.last_zxid, Zxid(last));
    recovered
}

#[test]
fn an_empty_directory_is_a_new_database_only_if_it_may_be() {
    let disk = MemoryDisk::new();
    let recovered = try_recover(&disk).unwrap();
    assert_eq!((recovered.last_zxid, recovered.snapshot_zxid), (Zxid::ZERO, None));
    assert!(!recovered.snapshot_is_current);
    let options = RecoverOptions { db_autocreate: false, ..RecoverOptions::default() };
    assert!(matches!(recover(&disk, &disk, &options), Err(RecoverError::Empty { .. })));
}

#[test]
fn the_newest_snapshot_and_the_log_after_it_are_the_state() {
    let author = two_logs();
    let recovered = assert_recovers(&author, 20);
    assert_eq!((recovered.snapshot_zxid, recovered.txns_replayed), (Some(Zxid(10)), 10));
    assert!(!recovered.snapshot_is_current);
    assert_eq!(recovered.tail.bytes_since_snapshot, author.log.bytes_since_snapshot());
    assert!(recovered.warnings.is_empty(), "{:?}", recovered.warnings);
}

#[test]
fn a_torn_end_is_cut_off_and_appending_goes_on() {
    for torn in [1, 11, 12, 30, 60] {
        let author = two_logs();
        let last = *offsets(&author.disk, "log.b").last().unwrap();
        edit(&author.disk, "log.b", |content| content.truncate(last + torn));
        if author.disk.content("log.b").unwrap()[last..].iter().all(|&byte| byte == 0) {
            continue;
        }
        let recovered = assert_recovers(&author, 19);
        assert!(matches!(recovered.warnings[..], [RecoverWarning::TornRecord { after: Zxid(19), .. }]));
        let mut next = Author::go_on(author.disk.clone(), recovered.tree, recovered.tail, 0);
        next.change_and_sync(3);
        author.disk.crash_hard();
        let again = try_recover(&author.disk).unwrap();
        assert_eq!(again.last_zxid, Zxid(22));
        assert!(again.warnings.is_empty(), "the torn end is gone: {:?}", again.warnings);
    }
}

#[test]
fn what_was_recovered_is_kept_though_its_sync_had_failed() {
    for preallocate_bytes in [0, 1 << 14] {
        let mut author = Author::new(preallocate_bytes);
        author.change_and_sync(10);
        author.change(2);
        author.disk.fail_syncs(true);
        assert!(author.log.sync().is_err());
        author.disk.fail_syncs(false);
        assert_recovers(&author, 12);
        author.disk.crash_hard();
        assert_recovers(&author, 12);
    }
}

#[test]
fn a_wrong_checksum_in_the_very_last_record_is_a_torn_end() {
    let author = two_logs();
    let last = *offsets(&author.disk, "log.b").last().unwrap();
    author.disk.flip_bit("log.b", last + 40, 0);
    assert_recovers(&author, 19);
    assert_eq!(used(&author.disk, "log.b"), last, "nothing of it is left for ZooKeeper to stumble over");
}

#[test]
fn a_broken_record_among_others_is_refused_with_its_place_and_the_remedy() {
    type Change = fn(&mut [u8]);
    let changes: [(&str, Change); 5] = [
        ("checksum", |record| record[40] ^= 1),
        ("end marker", |record| *record.last_mut().unwrap() = 0x43),
        ("zeroed sector", |record| record.fill(0)),
        ("length too large", |record| record[8..12].copy_from_slice(&0x0100_0000_u32.to_be_bytes())),
        ("negative length", |record| record[8] = 0xff),
    ];
    for (what, change) in changes {
        let author = two_logs();
        let offsets = offsets(&author.disk, "log.b");
        edit(&author.disk, "log.b", |content| change(&mut content[offsets[4]..offsets[5]]));
        let before = author.disk.content("log.b");
        let error = try_recover(&author.disk).unwrap_err();
        let RecoverError::Damaged { offset, after, .. } = error else { panic!("{what}: {error}") };
        assert_eq!((offset, after), (offsets[4] as u64, Zxid(14)), "{what}");
        let text = error.to_string();
        for part in ["memory/log.b", &offset.to_string(), "0xe", "zoorum log repair memory/log.b"] {
            assert!(text.contains(part), "{what}: {text:?} lacks {part:?}");
        }
        assert_eq!(author.disk.content("log.b"), before, "{what}: a refusal touches nothing");

        repair_tail(&author.disk, "log.b").unwrap().unwrap();
        assert_recovers(&author, 14);
    }
}

#[test]
fn garbage_behind_what_was_synced_is_a_torn_end() {
    let author = two_logs();
    let end = used(&author.disk, "log.b");
    edit(&author.disk, "log.b", |content| content[end + 600..end + 604].copy_from_slice(b"what"));
    let recovered = assert_recovers(&author, 20);
    let is_torn =
        |warning: &_| matches!(warning, RecoverWarning::TornRecord { offset, .. } if *offset == end as u64);
    assert!(recovered.warnings.iter().any(is_torn), "{:?}", recovered.warnings);
    assert_eq!(author.disk.content("log.b").unwrap().len(), end, "it is cut off");
}

#[test]
fn damage_to_what_was_synced_is_refused_though_a_batch_behind_it_is_torn() {
    let author = two_logs();
    let (end, offsets) = (used(&author.disk, "log.b"), offsets(&author.disk, "log.b"));
    edit(&author.disk, "log.b", |content| {
        content[offsets[7] + 20] ^= 1;
        content[end + 600..end + 604].copy_from_slice(b"what");
    });
    let Err(RecoverError::Damaged { offset, .. }) = try_recover(&author.disk) else { panic!() };
    assert_eq!(offset, offsets[7] as u64);
}

#[test]
fn garbage_behind_the_end_of_a_file_without_marks_is_refused() {
    let author = two_logs();
    let end = used(&author.disk, "log.b");
    edit(&author.disk, "log.b", |content| {
        remove_marks(content);
        content[end + 600..end + 604].copy_from_slice(b"what");
    });
    let Err(RecoverError::Damaged { offset, damage, .. }) = try_recover(&author.disk) else { panic!() };
    assert_eq!((offset, damage), (end as u64, Damage::Length { found: 0 }));
}

#[test]
fn broken_records_that_the_snapshot_makes_needless_only_warn() {
    // One log over both: changes 1 to 20, and a snapshot in between.
    let mut author = Author::new(1 << 14);
    author.change_and_sync(10);
    let start = author.tree.begin_snapshot();
    author.change_and_sync(10);
    let mut writer =
        zoorum_storage::SnapshotWriter::start(&author.disk, &start, &Default::default()).unwrap();
    let mut nodes = Vec::new();
    while !author.tree.snapshot_step(10, &mut nodes) {}
    writer.nodes(&nodes).unwrap();
    writer.finish().unwrap();

    let offsets = offsets(&author.disk, "log.1");
    author.disk.flip_bit("log.1", offsets[4] + 40, 0);
    let recovered = assert_recovers(&author, 20);
    assert!(matches!(recovered.warnings[..], [RecoverWarning::UnneededRecord { .. }]));
    author.disk.flip_bit("log.1", offsets[10] + 40, 0);
    assert!(matches!(try_recover(&author.disk), Err(RecoverError::Damaged { after: Zxid(10), .. })));
}

#[test]
fn a_file_entirely_before_the_snapshot_is_not_read() {
    let author = two_logs();
    author.disk.place("log.1", b"no log at all".repeat(10));
    assert_recovers(&author, 20);
}

#[test]
fn an_empty_last_log_is_removed() {
    let contents = [Vec::new(), b"ZKLG\0\0\0\x02\0\0\0".to_vec(), vec![0; 5000]];
    for content in contents {
        let author = two_logs();
        author.disk.place("log.15", content);
        let recovered = assert_recovers(&author, 20);
        assert!(matches!(recovered.warnings[..], [RecoverWarning::EmptyLogRemoved { .. }]));
        assert_eq!(names(&author.disk), ["log.1", "log.b", "snapshot.0", "snapshot.a"]);
    }
}

#[test]
fn a_last_log_with_nothing_but_a_header_is_continued() {
    let author = two_logs();
    author.disk.place("log.15", b"ZKLG\0\0\0\x02\0\0\0\0\0\0\0\0".to_vec());
    let recovered = assert_recovers(&author, 20);
    assert!(recovered.warnings.is_empty(), "{:?}", recovered.warnings);
    let mut next = Author::go_on(author.disk.clone(), recovered.tree, recovered.tail, 1 << 14);
    next.change_and_sync(2);
    assert_eq!(try_recover(&author.disk).unwrap().last_zxid, Zxid(22));
}

#[test]
fn an_empty_log_between_others_is_ignored_if_nothing_is_missing() {
    let author = two_logs();
    author.disk.place("log.a", Vec::new());
    author.disk.remove("snapshot.a").unwrap();
    let recovered = assert_recovers(&author, 20);
    assert!(matches!(recovered.warnings[..], [RecoverWarning::EmptyLogIgnored { .. }]));
    author.disk.place("log.1", Vec::new());
    assert!(matches!(try_recover(&author.disk), Err(RecoverError::Gap { .. })));
}

#[test]
fn something_that_is_no_log_is_refused() {
    let author = two_logs();
    author.disk.place("log.15", b"precious notes of somebody".to_vec());
    assert!(matches!(try_recover(&author.disk), Err(RecoverError::Scan(_))));
}

#[test]
fn missing_changes_are_refused_wherever_they_are_missing() {
    let mut author = two_logs();
    author.log.roll();
    author.change_and_sync(5);
    // In the middle.
    let disk = author.disk.duplicate();
    disk.remove("snapshot.a").unwrap();
    disk.remove("log.b").unwrap();
    let Err(RecoverError::Gap { after, found, .. }) = try_recover(&disk) else { panic!() };
    assert_eq!((after, found), (Zxid(10), Zxid(21)));
    // Right after the snapshot, where ZooKeeper would lose them without a word.
    let disk = author.disk.duplicate();
    disk.remove("log.b").unwrap();
    assert!(matches!(try_recover(&disk), Err(RecoverError::Gap { after: Zxid(10), found: Zxid(21), .. })));
}

#[test]
fn a_later_epoch_may_begin_but_only_at_its_beginning() {
    let mut author = two_logs();
    author.log_and_apply(Zxid(0x1_0000_0001));
    author.log.sync().unwrap();
    assert_eq!(try_recover(&author.disk).unwrap().last_zxid, Zxid(0x1_0000_0001));
    author.log_and_apply(Zxid(0x2_0000_0002));
    author.log.sync().unwrap();
    assert!(matches!(try_recover(&author.disk), Err(RecoverError::Gap { found: Zxid(0x2_0000_0002), .. })));
}

#[test]
fn a_snapshot_without_any_log_is_the_state_with_a_warning() {
    let author = two_logs();
    author.disk.remove("log.1").unwrap();
    author.disk.remove("log.b").unwrap();
    let recovered = assert_recovers(&author, 10);
    assert!(recovered.snapshot_is_current);
    assert!(matches!(recovered.warnings[..], [RecoverWarning::NoLogs { zxid: Zxid(10) }]));
}

#[test]
fn logs_without_a_snapshot_are_refused_unless_they_are_trusted() {
    let author = two_logs();
    author.disk.remove("snapshot.0").unwrap();
    author.disk.remove("snapshot.a").unwrap();
    assert!(matches!(try_recover(&author.disk), Err(RecoverError::NoSnapshot { .. })));
    // Snapshots that were never finished count as none.
    author.disk.place("snapshot.a", vec![1; 300]);
    assert!(matches!(try_recover(&author.disk), Err(RecoverError::NoSnapshot { .. })));
    let options = RecoverOptions { trust_empty: true, ..RecoverOptions::default() };
    let recovered = recover(&author.disk, &author.disk, &options).unwrap();
    assert_eq!((recovered.last_zxid, recovered.snapshot_zxid), (Zxid(20), None));
}

#[test]
fn an_unreadable_snapshot_is_moved_aside_once_an_older_one_served() {
    let author = two_logs();
    author.disk.flip_bit("snapshot.a", 200, 3);
    let recovered = assert_recovers(&author, 20);
    assert_eq!((recovered.snapshot_zxid, recovered.txns_replayed), (Some(Zxid::ZERO), 20));
    assert!(matches!(recovered.warnings[..], [RecoverWarning::SnapshotRejected(_)]));
    assert!(names(&author.disk).contains(&"corrupt-snapshot.a".to_owned()));
    author.disk.crash_hard();
    assert_recovers(&author, 20);
}

#[test]
fn with_every_snapshot_wrong_the_start_is_refused_even_if_logs_are_trusted() {
    let author = two_logs();
    author.disk.flip_bit("snapshot.a", 200, 3);
    author.disk.flip_bit("snapshot.0", 200, 3);
    let options = RecoverOptions { trust_empty: true, ..RecoverOptions::default() };
    let error = recover(&author.disk, &author.disk, &options).unwrap_err();
    assert!(error.to_string().starts_with("Not able to find valid snapshots in memory"), "{error}");
    assert!(names(&author.disk).contains(&"snapshot.a".to_owned()), "a refusal touches nothing");
}

#[test]
fn an_unfinished_snapshot_with_changes_and_no_log_is_no_new_database() {
    let disk = MemoryDisk::new();
    disk.place("snapshot.a", vec![1; 300]);
    assert!(matches!(try_recover(&disk), Err(RecoverError::NoValidSnapshot { .. })));
    // What a full disk or a first start that was killed leaves is one.
    for (name, content) in [("snapshot.a", Vec::new()), ("snapshot.0", vec![1; 300])] {
        let disk = MemoryDisk::new();
        disk.place(name, content);
        assert_eq!(try_recover(&disk).unwrap().last_zxid, Zxid::ZERO);
    }
}

#[test]
fn a_snapshot_cut_at_a_seal_is_taken_for_an_older_release_with_a_warning() {
    for cut in [54, 21] {
        let author = two_logs();
        edit(&author.disk, "snapshot.a", |content| content.truncate(content.len() - cut));
        let recovered = assert_recovers(&author, 20);
        assert!(matches!(recovered.warnings[..], [RecoverWarning::SnapshotShort { .. }]), "{cut}");
    }
}

#[test]
fn files_of_other_names_are_ignored_and_those_half_written_removed() {
    let author = two_logs();
    let snapshot = author.disk.content("snapshot.0").unwrap();
    author.disk.place("snapshot.99.tmp", snapshot);
    author.disk.place("log.50.bak", b"x".to_vec());
    author.disk.place("tmp-snapshot-c", b"half".to_vec());
    assert_recovers(&author, 20);
    assert!(names(&author.disk).contains(&"snapshot.99.tmp".to_owned()));
    assert!(!names(&author.disk).contains(&"tmp-snapshot-c".to_owned()));
}

#[test]
fn a_log_that_is_there_twice_is_replayed_once() {
    let author = two_logs();
    author.disk.place("log.14", author.disk.content("log.b").unwrap());
    let recovered = assert_recovers(&author, 20);
    assert_eq!(recovered.txns_replayed, 10);
    assert!(matches!(recovered.warnings[..], [RecoverWarning::RepeatedRecord { zxid: Zxid(11), .. }]));
}

#[test]
fn a_log_in_the_way_of_those_to_come_is_refused() {
    let author = two_logs();
    author.disk.place("log.30", author.disk.content("log.b").unwrap());
    let Err(RecoverError::Misnamed { last, .. }) = try_recover(&author.disk) else { panic!() };
    assert_eq!(last, Zxid(20));
    author.disk.place("log.30", author.disk.content("log.b").unwrap()[..16].to_vec());
    assert_recovers(&author, 20);
}

#[test]
fn of_several_logs_with_nothing_but_a_header_the_newest_is_continued_and_the_others_removed() {
    let author = two_logs();
    let header = author.disk.content("log.b").unwrap()[..16].to_vec();
    for name in ["log.15", "log.16", "log.100000001"] {
        author.disk.place(name, header.clone());
    }
    let recovered = assert_recovers(&author, 20);
    assert_eq!(recovered.tail.empty_file, Some(Zxid(0x1_0000_0001)));
    assert_eq!(names(&author.disk), ["log.1", "log.100000001", "log.b", "snapshot.0", "snapshot.a"]);
}

#[test]
fn a_tree_that_stops_agreeing_with_its_digests_is_refused_unless_tolerated() {
    // Changes 21 to 25 belong to another history, which began with another tree.
    let author = two_logs();
    let mut foreign = Author::go_on(
        MemoryDisk::new(),
        zoorum_tree::Tree::new(9),
        zoorum_storage::Tail { last_zxid: Zxid(20), empty_file: None, bytes_since_snapshot: 0 },
        0,
    );
    for zxid in 21..=25 {
        foreign.log_and_apply(Zxid(zxid));
    }
    foreign.log.sync().unwrap();
    author.disk.place("log.15", foreign.disk.content("log.15").unwrap());
    assert!(matches!(try_recover(&author.disk), Err(RecoverError::Digest { zxid: Zxid(21), .. })));
    let options = RecoverOptions { tolerate_digest_mismatch: true, ..RecoverOptions::default() };
    let recovered = recover(&author.disk, &author.disk, &options).unwrap();
    assert!(matches!(recovered.warnings[..], [RecoverWarning::DigestMismatch { zxid: Zxid(21), .. }]));
    let options = RecoverOptions { digest: false, ..RecoverOptions::default() };
    assert!(recover(&author.disk, &author.disk, &options).unwrap().warnings.is_empty());
}

#[test]
fn a_record_of_an_unknown_type_is_refused() {
    let author = two_logs();
    let mut log = zoorum_storage::TxnLog::open(
        author.disk.clone(),
        zoorum_storage::Tail { last_zxid: Zxid(20), empty_file: None, bytes_since_snapshot: 0 },
        zoorum_storage::LogOptions::default(),
    );
    let mut payload = vec![0; 40];
    payload[19] = 21;
    payload[31] = 77;
    log.append(Zxid(21), &payload);
    log.sync().unwrap();
    assert!(matches!(try_recover(&author.disk), Err(RecoverError::Undecodable { zxid: Zxid(21), .. })));
}
