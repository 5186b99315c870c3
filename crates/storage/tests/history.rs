//! The log read back for others: exactly what was logged, or a reason why not.

mod common;

use common::Author;
use zoorum_proto::Zxid;
use zoorum_storage::memory::MemoryDisk;
use zoorum_storage::{Disk, HistoryError, Joint, Joints, history};

/// An epoch's first change.
const fn first_of(epoch: i64) -> i64 {
    (epoch << 32) + 1
}

/// Changes 1 to 20 in two logs; 1 to 3 of epoch 2 in the second and a third; 1 of epoch 5.
fn author() -> Author {
    let mut author = Author::new(1 << 13);
    author.change_and_sync(10);
    author.snapshot();
    author.change_and_sync(10);
    author.log_and_apply(Zxid(first_of(2)));
    author.log.roll();
    author.change_and_sync(2);
    author.log_and_apply(Zxid(first_of(5)));
    author.log.sync().unwrap();
    author
}

fn joints(author: &mut Author) -> Joints {
    let mut joints = Joints::default();
    joints.note(&MemoryDisk::new(), &author.log.take_joints()).unwrap();
    joints
}

/// The zxids that are given, each checked against its payload, and the bytes announced.
fn read(disk: &MemoryDisk, joints: &Joints, after: i64, through: i64) -> Result<Vec<i64>, HistoryError> {
    let mut history = history(disk, joints, Zxid(after), Zxid(through), None)?;
    let (mut zxids, mut bytes) = (Vec::new(), 0);
    while let Some((zxid, payload)) = history.next_change()? {
        assert_eq!(payload[12..20], zxid.0.to_be_bytes());
        zxids.push(zxid.0);
        bytes += payload.len() as u64 + 13;
    }
    assert_eq!(history.bytes(), bytes);
    assert!(history.next_change()?.is_none(), "the end is the end");
    Ok(zxids)
}

#[test]
fn every_change_after_the_start_is_given_in_order() {
    let mut author = author();
    let joints = joints(&mut author);
    let all: Vec<_> = (1..=20).chain([first_of(2), first_of(2) + 1, first_of(2) + 2, first_of(5)]).collect();
    let starts: Vec<_> = std::iter::once(0).chain(all.iter().copied()).collect();
    for (at, &after) in starts.iter().enumerate() {
        for end in at..all.len() {
            let given = read(&author.disk, &joints, after, all[end]).unwrap();
            assert_eq!(given, all[at..=end], "after {after:#x}");
        }
    }
    assert_eq!(read(&author.disk, &joints, 20, 20).unwrap(), []);
}

#[test]
fn the_beginning_of_an_epoch_lies_between_the_changes_around_it() {
    let mut author = author();
    let joints = joints(&mut author);
    for (epoch, first) in
        [(1, first_of(2)), (2, first_of(2)), (3, first_of(5)), (4, first_of(5)), (5, first_of(5))]
    {
        let given = read(&author.disk, &joints, epoch << 32, first_of(5)).unwrap();
        assert_eq!(given[0], first, "epoch {epoch}");
    }
}

#[test]
fn a_start_that_is_not_exactly_there_is_refused() {
    let mut author = author();
    let joints = joints(&mut author);
    for after in [21, first_of(1), first_of(2) + 3, first_of(4), first_of(5) + 1, 6 << 32] {
        let refused = read(&author.disk, &joints, after, first_of(5)).unwrap_err();
        let is_known = matches!(refused, HistoryError::NotThere { .. } | HistoryError::Short { .. });
        assert!(is_known, "{after:#x}: {refused}");
    }
    // What was purged is not there; but what follows 10 needs no record of 10.
    author.disk.remove("log.1").unwrap();
    assert!(matches!(
        read(&author.disk, &joints, 9, 20),
        Err(HistoryError::NotThere { found: Some(Zxid(11)), .. })
    ));
    assert_eq!(read(&author.disk, &joints, 10, 20).unwrap().len(), 10);
}

#[test]
fn an_end_that_is_not_exactly_there_is_refused() {
    let mut author = author();
    let joints = joints(&mut author);
    for through in [21, first_of(2) + 5, first_of(5) + 1] {
        assert!(matches!(read(&author.disk, &joints, 3, through), Err(HistoryError::Short { .. })));
    }
}

#[test]
fn epochs_whose_joint_was_not_seen_are_not_given_together() {
    let author = author();
    let unknown = Joints::default();
    assert_eq!(read(&author.disk, &unknown, 5, 20).unwrap().len(), 15);
    let refused = read(&author.disk, &unknown, 5, first_of(2)).unwrap_err();
    assert!(matches!(refused, HistoryError::Discontinuous { before: Zxid(20), .. }), "{refused}");
    let refused = read(&author.disk, &unknown, 20, first_of(2)).unwrap_err();
    assert!(matches!(refused, HistoryError::Discontinuous { before: Zxid(20), .. }), "{refused}");
    assert_eq!(read(&author.disk, &unknown, 2 << 32, first_of(2) + 2).unwrap().len(), 3);
}

#[test]
fn a_missing_or_broken_stretch_is_refused_before_anything_is_given() {
    let mut author = author();
    let joints = joints(&mut author);
    let disk = author.disk.duplicate();
    disk.flip_bit("log.b", 100, 1);
    let Err(HistoryError::Discontinuous { broken: Some(broken), .. }) = read(&disk, &joints, 5, 20) else {
        panic!()
    };
    assert_eq!((broken.file.to_str(), broken.offset), (Some("memory/log.b"), 16));
    assert_eq!(read(&disk, &joints, 11, 20).unwrap().len(), 9, "what is broken lies before");
    disk.remove("log.b").unwrap();
    assert!(matches!(read(&disk, &joints, 5, first_of(2) + 1), Err(HistoryError::Discontinuous { .. })));
}

#[test]
fn a_history_larger_than_wanted_is_refused() {
    let mut author = author();
    let joints = joints(&mut author);
    let bytes = history(&author.disk, &joints, Zxid(5), Zxid(20), None).unwrap().bytes();
    assert!(history(&author.disk, &joints, Zxid(5), Zxid(20), Some(bytes)).is_ok());
    let refused = history(&author.disk, &joints, Zxid(5), Zxid(20), Some(bytes - 1));
    assert!(matches!(refused, Err(HistoryError::TooLarge { .. })));
}

#[test]
fn a_purge_in_between_ends_the_reading_without_a_hole() {
    let mut author = author();
    let joints = joints(&mut author);
    let mut history = history(&author.disk, &joints, Zxid(3), Zxid(first_of(5)), None).unwrap();
    for expected in 4..=6 {
        assert_eq!(history.next_change().unwrap().unwrap().0, Zxid(expected));
    }
    author.disk.remove("log.b").unwrap();
    let mut last = Zxid(6);
    let error = loop {
        match history.next_change() {
            Ok(Some((zxid, _))) => {
                assert_eq!(zxid, last.next());
                last = zxid;
            }
            Ok(None) => panic!("the end is missing"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, HistoryError::Scan(_)), "{error}");
}

#[test]
fn the_log_is_read_while_it_is_written() {
    let mut author = Author::new(1 << 12);
    author.change_and_sync(10);
    let disk = author.disk.clone();
    let (durable, read_up_to) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        for through in read_up_to {
            let given = read(&disk, &Joints::default(), 2, through).unwrap();
            assert_eq!(given, (3..=through).collect::<Vec<_>>());
        }
    });
    for round in 0..200 {
        if round % 20 == 0 {
            author.log.roll();
        }
        author.change(3);
        let through = author.log.sync().unwrap().through;
        // Written, and not for anybody to see yet.
        author.change(2);
        durable.send(through.0).unwrap();
    }
    drop(durable);
    reader.join().unwrap();
}

#[test]
fn joints_survive_and_lines_that_are_none_are_passed_over() {
    let own = MemoryDisk::new();
    let mut joints = Joints::read(&own).unwrap();
    assert_eq!(joints, Joints::default());
    let noted = [(20, first_of(2)), (first_of(2) + 2, first_of(5))]
        .map(|(before, after)| Joint { before: Zxid(before), after: Zxid(after) });
    joints.note(&own, &noted).unwrap();
    own.crash_hard();
    assert_eq!(own.content("joints").unwrap(), b"14 200000001\n200000003 500000001\n");
    assert_eq!(Joints::read(&own).unwrap(), joints);
    let mut content = own.content("joints").unwrap();
    content.extend_from_slice(b"7 9\n5\n\xff\xff zz\n9 100000002\n\n");
    own.place("joints", content);
    assert_eq!(Joints::read(&own).unwrap(), joints);
}

#[test]
fn only_so_many_joints_are_kept() {
    let own = MemoryDisk::new();
    let all: Vec<_> = (1..5000)
        .map(|epoch| Joint { before: Zxid(first_of(epoch)), after: Zxid(first_of(epoch + 1)) })
        .collect();
    let mut joints = Joints::default();
    joints.note(&own, &all).unwrap();
    assert!(!joints.joins(all[0].before, all[0].after));
    assert!(joints.joins(all[4998].before, all[4998].after));
    assert_eq!(own.content("joints").unwrap().iter().filter(|&&byte| byte == b'\n').count(), 4096);
}
