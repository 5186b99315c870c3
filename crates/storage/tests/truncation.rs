//! The end of the history is given up, whole or not at all, and never comes back.

mod common;
mod mortal;

use common::Author;
use mortal::{Dirs, MortalDisk, die_everywhere};
use zoorum_proto::Zxid;
use zoorum_storage::memory::MemoryDisk;
use zoorum_storage::{
    Disk, RecoverOptions, Recovered, SnapshotWriter, Truncated, Truncation, Untruncatable, recover, truncate,
};

/// Changes 1 to 10 in log.1, snapshot.a, 11 to 20 in log.b, snapshot.14, 21 to 30 in log.15, 31 to 35 in log.1f.
fn author() -> Author {
    let mut author = Author::new(1 << 13);
    author.change_and_sync(10);
    author.snapshot();
    author.change_and_sync(10);
    author.snapshot();
    author.change_and_sync(10);
    author.log.roll();
    author.change_and_sync(5);
    author
}

fn recovered(dirs: &Dirs<MemoryDisk>) -> Recovered {
    recover(&dirs.snapshots, &dirs.logs, &RecoverOptions::default()).unwrap()
}

fn assert_is(author: &Author, dirs: &Dirs<MemoryDisk>, last: i64) -> Recovered {
    let recovered = recovered(dirs);
    assert_eq!(recovered.last_zxid, Zxid(last));
    assert_eq!(recovered.tree.digest(), author.digests[last as usize]);
    recovered
}

fn names(disk: &MemoryDisk) -> Vec<String> {
    disk.list().unwrap().into_iter().map(|entry| entry.name).collect()
}

fn done(disk: &MemoryDisk, to: i64) -> Truncated {
    match truncate(disk, disk, Zxid(to)).unwrap() {
        Truncation::Done(truncated) => truncated,
        Truncation::NotPossible(reason) => panic!("{to}: {reason}"),
    }
}

fn refused(disk: &MemoryDisk, to: i64) -> Untruncatable {
    let before = names(disk);
    let Truncation::NotPossible(reason) = truncate(disk, disk, Zxid(to)).unwrap() else { panic!("{to}") };
    assert_eq!(names(disk), before, "a refusal touches nothing");
    reason
}

#[test]
fn any_change_of_the_history_can_be_its_end() {
    let author = author();
    for to in 0..=35 {
        let dirs = Dirs::shared(&author.disk.duplicate());
        let truncated = done(&dirs.snapshots, to);
        dirs.snapshots.crash_hard();
        let recovered = assert_is(&author, &dirs, to);
        assert!(recovered.warnings.is_empty(), "{to}: {:?}", recovered.warnings);
        assert_eq!(done(&dirs.snapshots, to), Truncated::default(), "{to}: all was done");
        if to == 35 {
            assert_eq!(truncated, Truncated::default());
        }
        let mut next = Author::go_on(dirs.logs.clone(), recovered.tree, recovered.tail, 0);
        next.log_and_apply(Zxid(0x1_0000_0001));
        next.log.sync().unwrap();
        assert_eq!(
            self::recovered(&dirs).last_zxid,
            Zxid(0x1_0000_0001),
            "{to}: another history goes on there"
        );
    }
}

#[test]
fn what_is_given_up_is_kept_aside() {
    let disk = author().disk;
    let before = disk.content("log.b").unwrap();
    let truncated = done(&disk, 13);
    let moved = truncated.moved.iter().map(|path| path.to_str().unwrap());
    assert_eq!(moved.collect::<Vec<_>>(), ["memory/snapshot.14", "memory/log.1f", "memory/log.15"]);
    let (file, offset) = truncated.cut.unwrap();
    assert_eq!(file.to_str(), Some("memory/log.b"));
    let names = names(&disk);
    for name in ["replaced-snapshot.14", "replaced-log.1f", "replaced-log.15", "log.b", "snapshot.a"] {
        assert!(names.contains(&name.to_owned()), "{name} in {names:?}");
    }
    assert_eq!(disk.content(&format!("cut-log.b-{offset:x}")).unwrap(), before[offset as usize..]);
}

#[test]
fn without_room_for_a_copy_the_log_is_cut_all_the_same() {
    let author = author();
    author.disk.limit_room(Some(100));
    assert!(done(&author.disk, 13).cut.is_some());
    author.disk.limit_room(None);
    assert!(!names(&author.disk).iter().any(|name| name.starts_with("cut-")));
    assert_is(&author, &Dirs::shared(&author.disk), 13);
}

#[test]
fn a_change_that_is_not_exactly_there_is_refused() {
    let mut author = author();
    author.log_and_apply(Zxid(0x2_0000_0001));
    author.log.sync().unwrap();
    assert!(matches!(
        refused(&author.disk, 36),
        Untruncatable::Missing { before: Zxid(35), after: Zxid(0x2_0000_0001), .. }
    ));
    assert!(matches!(refused(&author.disk, 0x1_0000_0000), Untruncatable::Missing { .. }));
    assert!(matches!(
        refused(&author.disk, 0x2_0000_0002),
        Untruncatable::Ahead { last: Zxid(0x2_0000_0001), .. }
    ));
}

#[test]
fn a_state_that_cannot_be_reached_without_what_is_dropped_is_not_dropped() {
    let author = author();
    author.disk.remove("snapshot.0").unwrap();
    assert!(matches!(refused(&author.disk, 5), Untruncatable::NoSnapshot { zxid: Zxid(5), .. }));
    author.disk.flip_bit("snapshot.a", 100, 1);
    assert!(matches!(refused(&author.disk, 15), Untruncatable::NoSnapshot { .. }));
    done(&author.disk, 25);
}

#[test]
fn a_log_that_lacks_changes_is_not_cut() {
    let author = author();
    author.disk.remove("log.b").unwrap();
    author.disk.remove("snapshot.14").unwrap();
    let gap = refused(&author.disk, 25);
    assert!(matches!(gap, Untruncatable::Gap { snapshot: Zxid(10), before: Zxid(10), after: Zxid(21), .. }));

    let author = self::author();
    author.disk.flip_bit("log.15", 100, 1);
    let gap = refused(&author.disk, 25);
    assert!(matches!(gap, Untruncatable::Gap { broken: Some(_), .. }), "{gap}");
    assert!(gap.to_string().contains("memory/log.15: the record at byte"), "{gap}");
    author.disk.place("log.15", b"no log at all".repeat(10));
    assert!(matches!(refused(&author.disk, 25), Untruncatable::Scan(_)));
}

#[test]
fn a_snapshot_that_may_hold_later_changes_is_not_built_upon() {
    // As Java writes them: begun at 30, and the digest is that of 33, because the tree went on.
    let fuzzy = |author: &Author, digest_zxid: i64| {
        let mut content = author.disk.content("snapshot.1e").unwrap();
        let at = content.len() - 54;
        content.truncate(at);
        let mut section = |bytes: &[u8]| {
            content.extend_from_slice(bytes);
            let seal = i64::from(adler(&content));
            content.extend_from_slice(&seal.to_be_bytes());
            content.extend_from_slice(b"\0\0\0\x01/");
        };
        let digest = author.digests[digest_zxid as usize];
        section(&[&digest_zxid.to_be_bytes()[..], &2_i32.to_be_bytes(), &digest.to_be_bytes()].concat());
        section(&30_i64.to_be_bytes());
        author.disk.place("snapshot.1e", content);
    };
    let mut author = Author::new(0);
    author.change_and_sync(30);
    author.snapshot();
    author.change_and_sync(5);
    fuzzy(&author, 33);
    let dirs = Dirs::shared(&author.disk.duplicate());
    assert_eq!(done(&dirs.snapshots, 34).moved, [] as [&std::path::Path; 0]);
    let truncated = done(&dirs.snapshots, 32);
    assert_eq!(truncated.moved[0].to_str(), Some("memory/snapshot.1e"));
    assert_is(&author, &dirs, 32);
}

/// Adler-32, as slow as its definition.
fn adler(bytes: &[u8]) -> u32 {
    let (a, b) = bytes.iter().fold((1_u32, 0_u32), |(a, b), &byte| {
        let a = (a + u32::from(byte)) % 65521;
        (a, (b + a) % 65521)
    });
    b << 16 | a
}

#[test]
fn a_death_at_any_moment_leaves_a_history_that_can_be_truncated_on() {
    let author = author();
    for to in [3, 10, 13, 20, 25, 30, 33] {
        for dirs in [Dirs::shared(&author.disk), Dirs::split(&author.disk)] {
            let act = |dirs: &Dirs<MortalDisk>| {
                let _ = truncate(&dirs.snapshots, &dirs.logs, Zxid(to));
            };
            die_everywhere(&dirs, act, |left, is_done| {
                let recovered = recovered(left);
                let last = recovered.last_zxid.0;
                assert!(last >= to, "{last} after a truncation to {to}");
                assert_eq!(recovered.tree.digest(), author.digests[last as usize], "{to} {last}");
                assert!(!is_done || last == to, "what was done is durable");
                let again = truncate(&left.snapshots, &left.logs, Zxid(to)).unwrap();
                assert!(matches!(again, Truncation::Done(_)));
                assert_is(&author, left, to);
            });
        }
    }
}

#[test]
fn a_snapshot_of_the_end_itself_is_kept() {
    let mut author = author();
    let start = author.tree.begin_snapshot();
    let mut writer = SnapshotWriter::start(&author.disk, &start, &Default::default()).unwrap();
    let mut nodes = Vec::new();
    while !author.tree.snapshot_step(10, &mut nodes) {}
    writer.nodes(&nodes).unwrap();
    writer.finish().unwrap();
    author.change_and_sync(3);
    done(&author.disk, 35);
    let recovered = assert_is(&author, &Dirs::shared(&author.disk), 35);
    assert_eq!(recovered.snapshot_zxid, Some(Zxid(35)));
}
