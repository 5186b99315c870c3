use super::*;
use crate::log::repair::repair_tail;
use crate::log::scan::{Damage, End, LogScanner, Step};
use crate::memory::MemoryDisk;

const EMPTY: Tail = Tail { last_zxid: Zxid::ZERO, empty_file: None, bytes_since_snapshot: 0 };

fn options(preallocate_bytes: u64) -> LogOptions {
    LogOptions { preallocate_bytes, ..LogOptions::default() }
}

/// A transaction's header and a body of some length.
fn payload(zxid: i64, body: usize) -> Vec<u8> {
    let mut payload = vec![0; 32 + body];
    payload[12..20].copy_from_slice(&zxid.to_be_bytes());
    payload[32..].fill(zxid as u8 | 1);
    payload
}

fn append(log: &mut TxnLog<MemoryDisk>, zxids: impl IntoIterator<Item = i64>, body: usize) {
    for zxid in zxids {
        log.append(Zxid(zxid), &payload(zxid, body));
    }
}

fn read(disk: &MemoryDisk, name: &str) -> (Vec<i64>, Option<End>) {
    let Some(mut scanner) = LogScanner::open(disk, name).unwrap() else { return (Vec::new(), None) };
    let mut zxids = Vec::new();
    loop {
        match scanner.step().unwrap() {
            Step::Record { payload, .. } => zxids.push(crate::log::zxid_of(payload).unwrap().0),
            Step::BadChecksum { .. } => zxids.push(-1),
            Step::End(end) => return (zxids, Some(end)),
        }
    }
}

fn names(disk: &MemoryDisk) -> Vec<String> {
    disk.list().unwrap().into_iter().map(|entry| entry.name).collect()
}

#[test]
fn files_are_preallocated_as_zookeeper_does() {
    let mebi = 1 << 20;
    let rows = [
        // position, coming, length, step, then the new length
        (16, 100, 16, 64 * mebi, 67_108_880),
        (16, 100, 16, 64 << 10, 65_552),
        (16, 100, 16, 0, 16),
        (5000, 100, 65_552, 64 << 10, 65_552),
        (65_552 - 4096, 100, 65_552, 64 << 10, 65_552 + (64 << 10)),
        (65_552 - 4000, 200 << 10, 65_552, 64 << 10, 65_552 + 4 * (64 << 10)),
    ];
    for (position, coming, length, step, extended) in rows {
        assert_eq!(extended_length(position, coming, length, step), extended, "at {position} + {coming}");
    }
}

#[test]
fn a_start_without_a_change_leaves_no_file() {
    let disk = MemoryDisk::new();
    let mut log = TxnLog::open(disk.clone(), EMPTY, options(4096));
    assert_eq!(log.sync().unwrap(), Synced { through: Zxid::ZERO, bytes: 0 });
    log.close().unwrap();
    assert_eq!(names(&disk), [""; 0]);
}

#[test]
fn a_batch_is_one_write_and_one_sync_between_two_marks() {
    let disk = MemoryDisk::new();
    let mut log = TxnLog::open(disk.clone(), EMPTY, options(1 << 16));
    append(&mut log, 1..=3, 10);
    log.sync().unwrap();
    let before = disk.counts();
    append(&mut log, 4..=300, 10);
    let synced = log.sync().unwrap();
    assert_eq!((synced.through, synced.bytes), (Zxid(300), 297 * 55));
    let after = disk.counts();
    assert_eq!((after.writes - before.writes, after.syncs - before.syncs), (3, 1));
    assert_eq!(after.directory_syncs, before.directory_syncs);
}

#[test]
fn what_was_synced_survives_the_power_cut_right_after() {
    let disk = MemoryDisk::new();
    let mut log = TxnLog::open(disk.clone(), EMPTY, options(1 << 16));
    append(&mut log, 1..=3, 10);
    log.sync().unwrap();
    disk.crash_hard();
    assert_eq!(read(&disk, "log.1").0, [1, 2, 3]);
}

#[test]
fn files_begin_with_the_change_after_the_roll_and_are_named_by_it() {
    let disk = MemoryDisk::new();
    let mut log = TxnLog::open(disk.clone(), EMPTY, options(4096));
    append(&mut log, 1..=2, 10);
    log.roll();
    append(&mut log, 3..=4, 10);
    assert_eq!(log.bytes_since_snapshot(), 2 * 55);
    log.roll();
    log.roll();
    append(&mut log, 0x1f..=0x1f, 10);
    log.sync().unwrap();
    disk.crash_hard();
    assert_eq!(names(&disk), ["log.1", "log.1f", "log.3"]);
    assert_eq!(read(&disk, "log.1").0, [1, 2]);
    assert_eq!(read(&disk, "log.3").0, [3, 4]);
    assert_eq!(read(&disk, "log.1f").0, [0x1f]);
}

#[test]
fn a_file_over_the_limit_is_followed_by_another() {
    let disk = MemoryDisk::new();
    let options = LogOptions { roll_bytes: Some(9000), ..options(4096) };
    let mut log = TxnLog::open(disk.clone(), EMPTY, options);
    append(&mut log, [1], 10);
    log.sync().unwrap();
    append(&mut log, [2], 5000);
    log.sync().unwrap();
    append(&mut log, [3], 10);
    log.sync().unwrap();
    assert_eq!(names(&disk), ["log.1", "log.3"]);
    assert_eq!(log.bytes_since_snapshot(), 55 + 5045 + 55, "a roll by size is no snapshot");
}

#[test]
fn a_clean_stop_leaves_no_preallocated_room() {
    let disk = MemoryDisk::new();
    let mut log = TxnLog::open(disk.clone(), EMPTY, options(1 << 16));
    append(&mut log, [1], 10);
    log.sync().unwrap();
    assert_eq!(log.file_length(), 16 + (1 << 16));
    log.close().unwrap();
    disk.crash_hard();
    assert_eq!(disk.content("log.1").unwrap().len(), 16 + 55);
}

#[test]
fn a_failed_sync_is_final() {
    let disk = MemoryDisk::new();
    let mut log = TxnLog::open(disk.clone(), EMPTY, options(4096));
    append(&mut log, [1], 10);
    log.sync().unwrap();
    append(&mut log, [2], 10);
    disk.fail_syncs(true);
    assert!(matches!(log.sync(), Err(LogError::Sync { .. })));
    disk.fail_syncs(false);
    assert!(matches!(log.sync(), Err(LogError::Sync { .. })), "though the disk would sync again");
    assert_eq!(log.synced(), Zxid(1));
    assert!(log.close().is_err());
    disk.crash_hard();
    assert_eq!(read(&disk, "log.1").0, [1]);
}

#[test]
fn a_full_disk_fails_the_batch_and_keeps_what_was_synced() {
    let disk = MemoryDisk::new();
    let mut log = TxnLog::open(disk.clone(), EMPTY, options(0));
    append(&mut log, [1], 10);
    log.sync().unwrap();
    disk.limit_room(Some(60));
    append(&mut log, [2, 3], 10);
    let Err(LogError::Write { offset, .. }) = log.sync() else { panic!("the disk is full") };
    assert_eq!(offset, 16 + 55);
    assert!(log.sync().is_err());
    let (zxids, end) = read(&disk, "log.1");
    assert_eq!(zxids, [1, 2], "the second was written, though never acknowledged");
    let damage = Damage::Cut { present: 5, expected: 12 };
    assert_eq!(end, Some(End::Torn { offset: 16 + 110, damage }));
}

#[test]
fn a_disk_too_full_to_preallocate_still_takes_records() {
    let disk = MemoryDisk::new();
    disk.limit_room(Some(4096));
    let mut log = TxnLog::open(disk.clone(), EMPTY, options(1 << 20));
    append(&mut log, [1], 10);
    log.sync().unwrap();
    append(&mut log, [2], 10);
    log.sync().unwrap();
    assert_eq!(read(&disk, "log.1").0, [1, 2]);
}

#[test]
fn a_file_that_should_not_exist_is_never_overwritten() {
    let disk = MemoryDisk::new();
    disk.place("log.5", b"precious".to_vec());
    let mut log = TxnLog::open(disk.clone(), EMPTY, options(4096));
    append(&mut log, [5], 10);
    assert!(matches!(log.sync(), Err(LogError::Exists { .. })));
    assert_eq!(disk.content("log.5").unwrap(), b"precious");
}

#[test]
fn an_empty_file_is_continued_by_its_first_change() {
    let disk = MemoryDisk::new();
    let mut header = Vec::new();
    encode_header(&mut header);
    disk.place("log.5", header);
    let tail = Tail { last_zxid: Zxid(4), empty_file: Some(Zxid(5)), ..EMPTY };
    let mut log = TxnLog::open(disk.clone(), tail, options(4096));
    append(&mut log, [5, 6], 10);
    log.sync().unwrap();
    assert_eq!(read(&disk, "log.5").0, [5, 6]);
}

#[test]
fn a_file_cut_at_any_byte_ends_clean_or_torn_with_every_whole_record() {
    let disk = MemoryDisk::new();
    let mut log = TxnLog::open(disk.clone(), EMPTY, options(0));
    append(&mut log, 1..=4, 20);
    log.close().unwrap();
    let whole = disk.content("log.1").unwrap();
    for padding in [0, 700] {
        for cut in 16..=whole.len() {
            let mut bytes = whole[..cut].to_vec();
            bytes.resize(cut + padding, 0);
            disk.place("log.1", bytes);
            let (zxids, end) = read(&disk, "log.1");
            let kept = (cut - 16) / 65;
            assert_eq!(zxids, (1..=kept as i64).collect::<Vec<_>>(), "cut at {cut}");
            let is_torn = matches!(end, Some(End::Torn { .. }));
            // Four zero bytes of the checksum may be all that is left of a record.
            let offset = (cut - 16) % 65;
            assert_eq!(is_torn, whole[cut - offset..cut].iter().any(|&byte| byte != 0), "cut at {cut}");
        }
    }
}

#[test]
fn what_follows_a_broken_record_makes_it_damage() {
    let disk = MemoryDisk::new();
    let mut log = TxnLog::open(disk.clone(), EMPTY, options(0));
    append(&mut log, 1..=4, 20);
    log.sync().unwrap();
    let mut whole = disk.content("log.1").unwrap();
    whole.resize(4096, 0);
    let second = 16 + 65;
    let change = |at: usize, bytes: &[u8]| {
        let mut changed = whole.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        disk.place("log.1", changed);
        read(&disk, "log.1")
    };
    let damaged = |damage, next| Some(End::Damaged { offset: second as u64, damage, next });

    let (zxids, _) = change(second + 40, &[0xff]);
    assert_eq!(zxids, [1, -1, 3, 4], "a wrong checksum lets a reader go on");
    let (_, end) = change(second + 64, &[0x43]);
    assert_eq!(end, damaged(Damage::EndMarker { found: 0x43 }, Some(Zxid(3))));
    let (_, end) = change(second, &[0; 65]);
    assert_eq!(end, damaged(Damage::Length { found: 0 }, Some(Zxid(3))));
    let (_, end) = change(second + 8, &[0x7f, 0, 0, 0]);
    let cut = Damage::Cut { present: (whole.len() - second) as u64, expected: 0x7f00_000d };
    assert_eq!(end, damaged(cut, Some(Zxid(3))));
    let (_, end) = change(second + 8, &[0xff; 4]);
    assert_eq!(end, damaged(Damage::Length { found: -1 }, Some(Zxid(3))));
    let (zxids, end) = change(16 + 4 * 65 + 100, b"garbage");
    assert_eq!(zxids, [1, 2, 3, 4]);
    let damage = Damage::Length { found: 0 };
    assert_eq!(end, Some(End::Damaged { offset: 16 + 4 * 65, damage, next: None }));

    let last = 16 + 3 * 65;
    for at in [last + 2, last + 9, last + 40, last + 64] {
        let (zxids, end) = change(at, &[0xfe]);
        assert_eq!(zxids, [1, 2, 3], "changed at {at}");
        assert!(matches!(end, Some(End::Torn { .. })), "changed at {at}: {end:?}");
    }
}

#[test]
fn a_repair_keeps_the_sound_front_and_a_copy_of_the_rest() {
    let disk = MemoryDisk::new();
    let mut log = TxnLog::open(disk.clone(), EMPTY, options(0));
    append(&mut log, 1..=4, 20);
    log.sync().unwrap();
    assert_eq!(repair_tail(&disk, "log.1").unwrap(), None, "nothing is wrong");
    let second = 16 + 65;
    disk.flip_bit("log.1", second + 40, 3);
    let rest = disk.content("log.1").unwrap()[second..].to_vec();
    let repaired = repair_tail(&disk, "log.1").unwrap().unwrap();
    assert_eq!((repaired.zxid_last, repaired.offset), (Some(Zxid(1)), second as u64));
    disk.crash_hard();
    assert_eq!(read(&disk, "log.1"), (vec![1], Some(End::Clean { offset: second as u64 })));
    assert_eq!(disk.content("cut-log.1-51").unwrap(), rest);
}
