//! The two epochs: never lost, never falling, whatever a crash leaves of their files.

mod common;
mod mortal;

use common::Author;
use mortal::{Dirs, MortalDisk, die_everywhere};
use zoorum_proto::{Epoch, Zxid};
use zoorum_storage::memory::MemoryDisk;
use zoorum_storage::{Disk, EpochError, EpochWarning, Epochs, RecoverOptions, Recovered, recover};

fn recovered(disk: &MemoryDisk) -> Recovered {
    recover(disk, disk, &RecoverOptions::default()).unwrap()
}

/// A database whose last change is of epoch 2.
fn database() -> MemoryDisk {
    let mut author = Author::new(0);
    author.change(5);
    author.log_and_apply(Zxid(0x2_0000_0001));
    author.log.sync().unwrap();
    author.disk
}

fn put(disk: &MemoryDisk, name: &str, text: Option<&str>) {
    if let Some(text) = text {
        disk.place(name, text.as_bytes().to_vec());
    }
}

fn text(disk: &MemoryDisk, name: &str) -> String {
    String::from_utf8(disk.content(name).unwrap()).unwrap()
}

#[test]
fn epochs_that_are_missing_or_too_low_follow_from_the_last_change() {
    type Row<'a> = (Option<&'a str>, Option<&'a str>, i64, i64, usize);
    let rows: [Row; 9] = [
        (None, None, 2, 2, 0),
        (Some("5"), Some("4"), 5, 4, 0),
        (Some("5\n"), Some(" 4 \nwhatever"), 5, 4, 0),
        (Some("7"), None, 7, 2, 0),
        (None, Some("4"), 4, 4, 0),
        (Some("5"), Some("1"), 5, 2, 1),
        (Some("3"), Some("4"), 4, 4, 1),
        (Some("1"), Some("1"), 2, 2, 2),
        (Some("-1"), Some("-1"), 2, 2, 2),
    ];
    for (accepted, current, accepted_then, current_then, warned) in rows {
        let disk = database();
        put(&disk, "acceptedEpoch", accepted);
        put(&disk, "currentEpoch", current);
        let (epochs, warnings) = Epochs::open(disk.clone(), &recovered(&disk), false).unwrap();
        let row = format!("{accepted:?} {current:?}");
        assert_eq!((epochs.accepted().0, epochs.current().0), (accepted_then, current_then), "{row}");
        assert_eq!(warnings.len(), warned, "{row}: {warnings:?}");
        let (again, warnings) = Epochs::open(disk.clone(), &recovered(&disk), false).unwrap();
        assert_eq!(
            (again.accepted(), again.current(), warnings.len()),
            (epochs.accepted(), epochs.current(), 0)
        );
    }
}

#[test]
fn the_files_hold_what_zookeeper_writes() {
    let disk = database();
    let (mut epochs, _) = Epochs::open(disk.clone(), &recovered(&disk), false).unwrap();
    epochs.accept(Epoch(11)).unwrap();
    epochs.enter(Epoch(10)).unwrap();
    disk.crash_hard();
    assert_eq!(
        (text(&disk, "acceptedEpoch"), text(&disk, "currentEpoch")),
        ("11".to_owned(), "10".to_owned())
    );
    assert!(disk.list().unwrap().iter().all(|entry| !entry.name.ends_with(".tmp")));
}

#[test]
fn what_is_no_epoch_is_refused_with_file_and_content() {
    for text in ["", "two", "1e3", "2147483647", "-2", "99999999999999999999"] {
        let disk = database();
        put(&disk, "currentEpoch", Some(text));
        let error = Epochs::open(disk.clone(), &recovered(&disk), false).unwrap_err();
        assert!(matches!(error, EpochError::NoEpoch { .. }), "{text:?}");
        let said = error.to_string();
        assert!(said.contains("memory/currentEpoch") && said.contains(&format!("{text:?}")), "{said}");
    }
}

#[test]
fn a_warning_says_what_was_found_and_what_it_is_now() {
    let disk = database();
    put(&disk, "acceptedEpoch", Some("1"));
    put(&disk, "currentEpoch", Some("1"));
    let (_, warnings) = Epochs::open(disk.clone(), &recovered(&disk), false).unwrap();
    assert_eq!(
        warnings,
        [
            EpochWarning::CurrentRaised { found: Epoch(1), last: Zxid(0x2_0000_0001) },
            EpochWarning::AcceptedRaised { found: Epoch(1), current: Epoch(2) },
        ]
    );
}

#[test]
fn epochs_without_data_tell_of_a_loss() {
    let disk = MemoryDisk::new();
    put(&disk, "currentEpoch", Some("3"));
    let error = Epochs::open(disk.clone(), &recovered(&disk), false).unwrap_err();
    assert!(matches!(error, EpochError::DataLost { epoch: Epoch(3), .. }));
    // A server that never followed anybody may begin.
    put(&disk, "currentEpoch", Some("0"));
    assert!(Epochs::open(disk.clone(), &recovered(&disk), false).is_ok());
}

#[test]
fn an_epoch_after_the_snapshot_without_a_log_tells_of_a_loss_unless_trusted() {
    let mut author = Author::new(0);
    author.change_and_sync(5);
    author.snapshot();
    let disk = author.disk.clone();
    put(&disk, "currentEpoch", Some("1"));
    assert!(Epochs::open(disk.clone(), &recovered(&disk), false).is_ok(), "the log is there");
    disk.remove("log.1").unwrap();
    let error = Epochs::open(disk.clone(), &recovered(&disk), false).unwrap_err();
    assert!(matches!(error, EpochError::LogLost { epoch: Epoch(1), snapshot: Zxid(5), .. }));
    assert!(Epochs::open(disk.clone(), &recovered(&disk), true).is_ok());
    put(&disk, "currentEpoch", Some("0"));
    assert!(Epochs::open(disk.clone(), &recovered(&disk), false).is_ok(), "it followed nobody since");
}

#[test]
fn a_death_at_any_moment_leaves_the_old_epoch_or_the_new() {
    let disk = database();
    put(&disk, "acceptedEpoch", Some("5"));
    put(&disk, "currentEpoch", Some("4"));
    // What another death left.
    put(&disk, "acceptedEpoch.tmp", Some("3"));
    let recovered_here = recovered(&disk);
    let act = |dirs: &Dirs<MortalDisk>| {
        let opened = Epochs::open(dirs.snapshots.clone(), &recovered_here, false);
        let (mut epochs, _) = opened.expect("nothing needs to be written");
        let _ = epochs.accept(Epoch(6)).and_then(|()| epochs.enter(Epoch(6)));
    };
    die_everywhere(&Dirs::shared(&disk), act, |left, is_done| {
        let disk = &left.snapshots;
        let (epochs, warnings) = Epochs::open(disk.clone(), &recovered(disk), false).unwrap();
        let found = (epochs.accepted().0, epochs.current().0);
        assert!([(5, 4), (6, 4), (6, 6)].contains(&found), "{found:?}");
        assert!(!is_done || found == (6, 6), "what was done is durable");
        assert_eq!(warnings, []);
    });
}

#[test]
#[should_panic(expected = "a server goes back on no promise")]
fn a_promise_is_not_taken_back() {
    let disk = database();
    let (mut epochs, _) = Epochs::open(disk.clone(), &recovered(&disk), false).unwrap();
    let _ = epochs.accept(Epoch(1));
}
