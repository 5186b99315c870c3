//! A snapshot's file becomes a server's state whole or not at all, and a copy of its files leads to every state that
//! the files lead to.

mod common;
mod mortal;

use std::borrow::Cow;

use common::Author;
use mortal::{Dirs, MortalDisk, die_everywhere};
use zoorum_proto::txn::{CreateKind, CreateTxn};
use zoorum_proto::{Acl, Permissions, SessionId, Txn, TxnBody, TxnHeader, WallClock, Xid, Zxid};
use zoorum_storage::backup::{BackupError, Extent, copy};
use zoorum_storage::memory::MemoryDisk;
use zoorum_storage::{
    Disk, InstallError, Moment, PastError, RecoverOptions, RestoreError, Restoring, SnapshotOptions, Tree,
    moments, past, recover, state_of_file, write_tree,
};

const UPLOAD: &str = "upload";

/// A directory with a snapshot of so many changes, as it may be called by whoever has it.
fn uploaded(changes: usize) -> (MemoryDisk, i64) {
    let mut author = Author::new(0);
    author.change_and_sync(changes);
    author.snapshot();
    let own = MemoryDisk::new();
    own.place(UPLOAD, author.disk.content(&format!("snapshot.{changes:x}")).unwrap());
    (own, author.tree.digest())
}

fn restore<D: Disk>(dirs: &Dirs<D>, zxid: Zxid) -> Result<(), RestoreError> {
    let (options, recover) = (SnapshotOptions::default(), RecoverOptions::default());
    let restoring =
        Restoring::prepare((&dirs.own, UPLOAD), (&dirs.snapshots, &dirs.logs), &options, &recover)?;
    let (_, staged) = restoring.settle_at(zxid)?;
    staged.install().map(drop).map_err(|error| match error {
        InstallError::Snapshot(error) => RestoreError::Write(error),
        InstallError::Io { file, source } => {
            zoorum_storage::SnapshotError { file, doing: "install", source }.into()
        }
    })
}

fn recovered(dirs: &Dirs<MemoryDisk>) -> (Zxid, i64) {
    let found = recover(&dirs.snapshots, &dirs.logs, &RecoverOptions::default()).unwrap();
    (found.last_zxid, found.tree.digest())
}

#[test]
fn a_server_that_dies_while_it_restores_has_the_old_state_or_the_new_one() {
    let (own, digest) = uploaded(12);
    let mut author = Author::new(0);
    author.change_and_sync(9);
    author.snapshot();
    author.change_and_sync(6);
    let old = (Zxid(15), author.tree.digest());
    for dirs in [Dirs::shared(&author.disk), Dirs::split(&author.disk)] {
        let dirs = Dirs { own: own.clone(), ..dirs };
        let act = |dirs: &Dirs<MortalDisk>| drop(restore(dirs, Zxid(16)));
        die_everywhere(&dirs, act, |left, is_done| {
            let state = recovered(left);
            assert!(state == (Zxid(16), digest) || (state == old && !is_done), "{state:?}");
            left.snapshots.crash_hard();
            left.logs.crash_hard();
            assert_eq!(recovered(left), state, "recovery made it durable");
        });
    }
}

#[test]
fn a_file_that_is_cut_or_changed_anywhere_is_refused_and_changes_nothing() {
    let (own, _) = uploaded(3);
    let whole = own.content(UPLOAD).unwrap();
    let mut author = Author::new(0);
    author.change_and_sync(5);
    let refuse = |content: Vec<u8>| {
        let dirs = Dirs::shared(&author.disk.duplicate());
        let before = dirs.snapshots.list().unwrap();
        dirs.own.place(UPLOAD, content);
        restore(&dirs, Zxid(6)).expect_err("it is refused");
        assert_eq!(dirs.snapshots.list().unwrap(), before);
    };
    (0..whole.len()).for_each(|cut| refuse(whole[..cut].to_vec()));
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        // Versions and ids in the header mean nothing, but the seals are over them, too.
        refuse(changed);
    }
    refuse(b"no snapshot at all".to_vec());
}

/// A transaction of session 7.
fn txn(zxid: i64, body: TxnBody<'_>) -> Txn<'_> {
    let kind = body.kind() as i32;
    let header =
        TxnHeader { session: SessionId(7), cxid: Xid(1), zxid: Zxid(zxid), time: WallClock(1), kind };
    Txn { header, body, digest: None }
}

fn create(path: &str, ephemeral: bool) -> TxnBody<'_> {
    TxnBody::Create(CreateTxn {
        kind: CreateKind::Create { ephemeral },
        path: Cow::Borrowed(path),
        data: Some(b"x"),
        acl: vec![Acl::world(Permissions::ALL)],
        parent_creates: -1,
    })
}

#[test]
fn a_restored_state_has_a_place_of_its_own_and_no_sessions() {
    let own = MemoryDisk::new();
    let mut tree = Tree::new(1);
    let bodies =
        [TxnBody::CreateSession { timeout_ms: 4000 }, create("/stays", false), create("/goes", true)];
    for (body, zxid) in bodies.into_iter().zip(1..) {
        tree.apply(&txn(zxid, body), &mut |_| {});
    }
    write_tree(&own, &mut tree, &SnapshotOptions::default()).unwrap();
    let (disk, options) = (MemoryDisk::new(), RecoverOptions::default());
    let restoring =
        Restoring::prepare((&own, "snapshot.3"), (&disk, &disk), &SnapshotOptions::default(), &options);
    let restoring = restoring.unwrap();
    assert_eq!(restoring.origin(), Zxid(3));
    let (tree, staged) = restoring.settle_at(Zxid(100)).unwrap();
    assert_eq!((tree.session_count(), tree.ephemeral_count(), tree.last_zxid()), (0, 0, Zxid(100)));
    assert!(tree.node("/stays").is_some() && tree.node("/goes").is_none());
    staged.install().unwrap();
    let found = recover(&disk, &disk, &options).unwrap();
    assert_eq!((found.last_zxid, found.tree.digest()), (Zxid(100), tree.digest()));
    assert_eq!(found.tail.empty_file, Some(Zxid(101)), "the log goes on behind it");
    let (with_sessions, zxid) = state_of_file(&own, "snapshot.3", &options).unwrap();
    assert_eq!((with_sessions.session_count(), zxid), (1, Zxid(3)));
}

/// Forty changes and snapshots of 0, 10 and 30.
fn kept() -> Author {
    let mut author = Author::new(4096);
    author.change_and_sync(10);
    author.snapshot();
    author.change_and_sync(20);
    author.snapshot();
    author.change_and_sync(10);
    author
}

fn expect_every_state(disk: &MemoryDisk, author: &Author, from: i64) {
    let before: Vec<_> = disk.list().unwrap();
    for zxid in from..=40 {
        let found = past(disk, disk, &RecoverOptions::default(), Some(Zxid(zxid))).unwrap();
        assert_eq!((found.last_zxid, found.tree.digest()), (Zxid(zxid), author.digests[zxid as usize]));
        let base = found.snapshot.unwrap().zxid;
        assert_eq!(
            base,
            Zxid(if zxid < 10 {
                0
            } else if zxid < 30 {
                10
            } else {
                30
            }),
            "the nearest"
        );
    }
    assert_eq!(disk.list().unwrap(), before, "nothing is touched");
}

#[test]
fn every_state_of_the_past_can_be_had_and_no_other() {
    let author = kept();
    expect_every_state(&author.disk, &author, 0);
    let late = past(&author.disk, &author.disk, &RecoverOptions::default(), Some(Zxid(41)));
    assert!(matches!(late, Err(PastError::Missing { last: Zxid(40), .. })), "{late:?}");
    author.disk.remove("snapshot.0").unwrap();
    let early = past(&author.disk, &author.disk, &RecoverOptions::default(), Some(Zxid(9)));
    assert!(matches!(early, Err(PastError::NoSnapshot { .. })), "{early:?}");
}

#[test]
fn a_copy_holds_what_was_kept_up_to_the_last_whole_record() {
    let author = kept();
    let last = author.disk.content("log.1f").unwrap();
    let records = &last[..last.len() - 2048]; // the file's marks lie behind them
    let end = records.iter().rposition(|&byte| byte != 0).unwrap() + 1;
    author.disk.place("log.1f", last[..end - 1].to_vec()); // the last record is being written
    let into = MemoryDisk::new();
    let options = RecoverOptions::default();
    let found = copy((&author.disk, &author.disk), &into, Extent::Newest, &options).unwrap();
    assert_eq!((found.last_zxid, found.tree.digest()), (Zxid(39), author.digests[39]));
    let names: Vec<String> = into.list().unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["log.1f", "snapshot.1e"]);
    author.disk.place("log.1f", last);
    let into = MemoryDisk::new();
    copy((&author.disk, &author.disk), &into, Extent::All, &options).unwrap();
    expect_every_state(&into, &author, 0);
}

#[test]
fn a_damaged_snapshot_is_left_out_and_a_damaged_log_refused() {
    let author = kept();
    author.disk.flip_bit("snapshot.1e", 100, 1);
    let into = MemoryDisk::new();
    let options = RecoverOptions::default();
    let found = copy((&author.disk, &author.disk), &into, Extent::Newest, &options).unwrap();
    assert_eq!((found.last_zxid, found.snapshot.unwrap().zxid), (Zxid(40), Zxid(10)));
    author.disk.flip_bit("log.b", 40, 1);
    let refused = copy((&author.disk, &author.disk), &MemoryDisk::new(), Extent::Newest, &options);
    assert!(matches!(refused, Err(BackupError::Damaged { .. })), "{refused:?}");
    for name in ["snapshot.0", "snapshot.a", "snapshot.1e"] {
        author.disk.place(name, b"gone".to_vec());
    }
    let refused = copy((&author.disk, &author.disk), &MemoryDisk::new(), Extent::All, &options);
    assert!(matches!(refused, Err(BackupError::NoSnapshot { .. })), "{refused:?}");
}

#[test]
fn times_lead_to_the_last_change_before_any_later_one() {
    let author = kept(); // changes are of the time that is their zxid
    let at = |ms| moments(&author.disk, WallClock(ms)).unwrap();
    let moment = |zxid| Some(Moment { zxid: Zxid(zxid), time: WallClock(zxid) });
    assert_eq!((at(17).first, at(17).last, at(17).reached), (moment(1), moment(40), moment(17)));
    assert_eq!((at(0).reached, at(1000).reached), (None, moment(40)));
}
