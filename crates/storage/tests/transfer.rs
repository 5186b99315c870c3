//! A tree goes from one server to another, and becomes the other's state whole or not at all.

mod common;
mod mortal;

use common::Author;
use mortal::{Dirs, MortalDisk, die_everywhere};
use proptest::prelude::*;
use zoorum_proto::txn::SetAclTxn;
use zoorum_proto::{Acl, Permissions, SessionId, Txn, TxnBody, TxnHeader, Version, WallClock, Xid, Zxid};
use zoorum_storage::memory::MemoryDisk;
use zoorum_storage::name::{SnapshotFile, snapshots};
use zoorum_storage::snapshot::{
    ReceiveError, Received, Receiving, STREAM_END, SnapshotStream, StreamError, stream_head,
};
use zoorum_storage::{
    Compression, Disk, RecoverOptions, Recovered, SnapshotOptions, SnapshotReadError, SnapshotWriter, Tail,
    recover,
};
use zoorum_tree::{Loader, Tree};

const RECORD_LIMIT: usize = 1 << 20;

/// The first change of epoch 1.
const EPOCH_1: i64 = (1 << 32) + 1;

/// The tree as a pass over it sends it.
fn stream_of(tree: &mut Tree) -> Vec<u8> {
    let mut stream = Vec::new();
    stream_head(&tree.begin_snapshot(), &mut stream);
    while !tree.snapshot_step(10, &mut stream) {}
    tree.end_snapshot();
    stream.extend_from_slice(STREAM_END);
    stream
}

fn receive(stream: &[u8], piece: usize) -> Result<(Tree, usize), ReceiveError> {
    let disk = MemoryDisk::new();
    let options = SnapshotOptions::default();
    let mut receiving =
        Receiving::start(&disk, &disk, Zxid(7), &options, RECORD_LIMIT, Loader::new(3)).unwrap();
    for (at, bytes) in stream.chunks(piece).enumerate() {
        if let Received::Whole { rest } = receiving.feed(bytes)? {
            let left = stream.len() - (at * piece + bytes.len());
            return receiving.finish().map(|(tree, _)| (tree, left + rest));
        }
    }
    panic!("the stream has not ended")
}

fn refused(stream: &[u8]) -> StreamError {
    match receive(stream, 100) {
        Err(ReceiveError::Stream(error)) => error,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was taken for a tree"),
    }
}

#[test]
fn a_stream_in_pieces_of_any_length_makes_the_same_tree() {
    let mut author = Author::new(0);
    author.change(40);
    let mut stream = stream_of(&mut author.tree);
    stream.extend_from_slice(b"what comes next");
    for piece in (1..40).chain([100, 1000, stream.len()]) {
        let (tree, rest) = receive(&stream, piece).unwrap();
        assert_eq!((tree.digest(), tree.last_zxid()), (author.tree.digest(), Zxid(7)), "{piece}");
        assert_eq!(tree.node_count(), author.tree.node_count());
        assert_eq!(rest, b"what comes next".len(), "{piece}");
    }
}

/// A list says how long it is only as it comes, and whoever looks at it anew for each entry never gets to its end.
#[test]
fn a_list_of_thousands_of_entries_comes_in_pieces_like_anything_else() {
    let mut author = Author::new(0);
    author.change(10);
    let entry = |number| Acl {
        perms: Permissions::READ,
        scheme: "digest".into(),
        id: format!("user{number}:x").into(),
    };
    let body = TxnBody::SetAcl(SetAclTxn {
        path: "/".into(),
        acl: (0..20_000).map(entry).collect(),
        version: Version(1),
    });
    let zxid = author.tree.last_zxid().next();
    let header =
        TxnHeader { session: SessionId(1), cxid: Xid(1), zxid, time: WallClock(1), kind: body.kind() as i32 };
    author.tree.apply(&Txn { header, body, digest: None }, &mut |_| {});
    let mut stream = stream_of(&mut author.tree);
    stream.extend_from_slice(b"what comes next");
    for piece in [1_000, 65_536, stream.len()] {
        let (tree, rest) = receive(&stream, piece).unwrap();
        assert_eq!(tree.node("/").map(|root| root.acl().len()), Some(20_000));
        assert_eq!((tree.digest(), rest), (author.tree.digest(), b"what comes next".len()), "{piece}");
    }
}

/// The end of the nodes may come in two pieces; the file has it once.
#[test]
fn a_stream_in_pieces_of_any_length_makes_a_file_that_is_read_again() {
    let mut author = Author::new(0);
    author.change(10);
    let stream = stream_of(&mut author.tree);
    for cut in 1..stream.len() {
        let (snapshots, logs) = (MemoryDisk::new(), MemoryDisk::new());
        let options = SnapshotOptions::default();
        let mut receiving =
            Receiving::start(&snapshots, &logs, Zxid(7), &options, RECORD_LIMIT, Loader::new(1)).unwrap();
        receiving.feed(&stream[..cut]).unwrap();
        receiving.feed(&stream[cut..]).unwrap();
        receiving.finish().unwrap().1.install().unwrap();
        let recovered = recover(&snapshots, &logs, &RecoverOptions::default()).unwrap();
        assert_eq!(recovered.tree.digest(), author.tree.digest(), "cut at {cut} of {}", stream.len());
    }
}

#[test]
fn a_file_however_packed_is_sent_as_the_tree_itself() {
    for compression in [Compression::None, Compression::Gz, Compression::Snappy] {
        for (digest, last_zxid) in [(true, true), (true, false), (false, false)] {
            let mut author = Author::new(0);
            author.change(300);
            let start = author.tree.begin_snapshot();
            let options = SnapshotOptions { compression, digest, last_zxid };
            let mut writer = SnapshotWriter::start(&author.disk, &start, &options).unwrap();
            let mut nodes = Vec::new();
            while !author.tree.snapshot_step(10, &mut nodes) {}
            writer.nodes(&nodes).unwrap();
            writer.finish().unwrap();
            let file = newest(&author.disk);
            let mut stream = SnapshotStream::open(&author.disk, &file).unwrap();
            assert_eq!(stream.zxid(), Zxid(300));
            let mut sent = Vec::new();
            while !stream.step(&mut sent).unwrap() {}
            assert!(stream.step(&mut sent).unwrap(), "the end is the end");
            assert!(sent == stream_of(&mut author.tree), "{compression:?}");
        }
    }
}

fn newest(disk: &MemoryDisk) -> SnapshotFile {
    snapshots(&disk.list().unwrap()).remove(0)
}

#[test]
fn a_damaged_file_is_never_sent_to_its_end() {
    let mut author = Author::new(0);
    author.change(20);
    author.snapshot();
    let length = author.disk.content("snapshot.14").unwrap().len();
    // Behind it are the string of the seal, which nobody looks at, and what is not sent.
    for at in 16..length - 59 {
        let disk = author.disk.duplicate();
        disk.flip_bit("snapshot.14", at, 2);
        let mut stream = SnapshotStream::open(&disk, &newest(&disk)).unwrap();
        let mut sent = Vec::new();
        while let Ok(done) = stream.step(&mut sent) {
            assert!(!done, "byte {at} is wrong");
        }
        assert!(!sent.ends_with(b"BenWasHere"));
    }
    author.disk.flip_bit("snapshot.14", 2, 0);
    let opened = SnapshotStream::open(&author.disk, &newest(&author.disk));
    assert!(matches!(opened, Err(SnapshotReadError::Magic { .. })));
    author.disk.place("snapshot.14", Vec::new());
    assert!(SnapshotStream::open(&author.disk, &newest(&author.disk)).is_err());
}

#[test]
fn what_is_no_tree_is_refused_with_the_place() {
    let mut author = Author::new(0);
    author.change(5);
    let whole = stream_of(&mut author.tree);
    let with_end = |end: &[u8]| [&whole[..whole.len() - 14], end].concat();
    let error = refused(&with_end(b"\0\0\0\x0aBenWasThere"));
    assert_eq!(
        error.to_string(),
        "Missing signature. Got \"BenWasTher\" at the end of the snapshot received"
    );
    assert!(matches!(refused(&with_end(b"\0\0\0\x09BenWasHer")), StreamError::Signature { .. }));
    assert!(matches!(refused(b"\xff\xff\xff\xff"), StreamError::Record { offset: 0, .. }));
    let orphan = [&[0; 8][..], b"\0\0\0\x04/a/b\xff\xff\xff\xff", &[0; 68]].concat();
    assert!(matches!(refused(&orphan), StreamError::Node { offset: 8, .. }));
    let rootless = [&[0; 8][..], STREAM_END].concat();
    assert!(matches!(refused(&rootless), StreamError::Node { .. }));
    let huge = [&[0; 8][..], b"\0\0\0\0\x7f\xff\xff\xff"].concat();
    assert!(matches!(refused(&huge), StreamError::TooLong { offset: 8, limit: RECORD_LIMIT }));
}

proptest! {
    #[test]
    fn any_bytes_are_received_or_refused(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..20),
        sound in 0_usize..1500,
        at in 0_usize..1500,
    ) {
        let mut author = Author::new(0);
        author.change(10);
        let mut stream = stream_of(&mut author.tree);
        stream.truncate(sound);
        if let Some(byte) = stream.get_mut(at) {
            *byte ^= 0x11;
        }
        let disk = MemoryDisk::new();
        let options = SnapshotOptions::default();
        let mut receiving = Receiving::start(&disk, &disk, Zxid(7), &options, RECORD_LIMIT, Loader::new(3)).unwrap();
        for piece in std::iter::once(&stream).chain(&pieces) {
            match receiving.feed(piece) {
                Ok(Received::Part) => {}
                Ok(Received::Whole { .. }) => {
                    let _ = receiving.finish();
                    return Ok(());
                }
                Err(_) => break,
            }
        }
        drop(receiving);
        prop_assert!(disk.list().unwrap().is_empty(), "nothing is left behind");
    }
}

/// The server that sends: changes 1 to 10 as everybody's, then its own.
fn leader() -> Author {
    let mut author = Author::new(0);
    author.change(10);
    author
}

/// The server that receives: changes 1 to 20, two snapshots, three logs.
fn follower() -> Author {
    let mut author = Author::new(1 << 12);
    author.change_and_sync(10);
    author.snapshot();
    author.change_and_sync(5);
    author.snapshot();
    author.change_and_sync(5);
    author
}

/// What a leader sends: a stream with its zxid, changes behind it, and the digest after them.
struct Sent {
    zxid: Zxid,
    stream: Vec<u8>,
    changes: Vec<(Zxid, Vec<u8>)>,
    last: Zxid,
    digest: i64,
}

/// Changes of epoch 1: `before` of them are in the tree that is sent, `after` follow it.
fn send(before: i64, after: i64) -> Sent {
    let mut leader = leader();
    (0..before).for_each(|at| leader.log_and_apply(Zxid(EPOCH_1 + at)));
    let (zxid, stream) = (leader.tree.last_zxid(), stream_of(&mut leader.tree));
    (before..before + after).for_each(|at| leader.log_and_apply(Zxid(EPOCH_1 + at)));
    leader.log.sync().unwrap();
    let joints = &zoorum_storage::Joints::default();
    let mut changes = Vec::new();
    if after > 0 {
        let start = if before > 0 { zxid } else { Zxid(1 << 32) };
        let mut history =
            zoorum_storage::history(&leader.disk, joints, start, leader.tree.last_zxid(), None).unwrap();
        while let Some((zxid, payload)) = history.next_change().unwrap() {
            changes.push((zxid, payload.to_vec()));
        }
    }
    assert_eq!(changes.len() as i64, after);
    Sent { zxid, stream, changes, last: leader.tree.last_zxid(), digest: leader.tree.digest() }
}

fn install<D: Disk>(snapshots: &D, logs: &D, sent: &Sent, options: &SnapshotOptions) -> Option<Tail> {
    let mut receiving =
        Receiving::start(snapshots, logs, sent.zxid, options, RECORD_LIMIT, Loader::new(3)).ok()?;
    for piece in sent.stream.chunks(1000) {
        receiving.feed(piece).ok()?;
    }
    let (_, mut staged) = receiving.finish().ok()?;
    for (zxid, payload) in &sent.changes {
        staged.append(*zxid, payload).ok()?;
    }
    assert_eq!(staged.last_zxid(), sent.last);
    staged.install().ok()
}

fn recovered(dirs: &Dirs<MemoryDisk>) -> Recovered {
    recover(&dirs.snapshots, &dirs.logs, &RecoverOptions::default()).unwrap()
}

fn names(disk: &MemoryDisk) -> Vec<String> {
    disk.list().unwrap().into_iter().map(|entry| entry.name).collect()
}

#[test]
fn the_new_state_replaces_the_old_one_which_is_kept_aside() {
    for (before, after) in [(0, 0), (0, 3), (4, 0), (4, 3)] {
        for compression in [Compression::None, Compression::Gz, Compression::Snappy] {
            let follower = follower();
            let dirs = Dirs::split(&follower.disk);
            let sent = send(before, after);
            let options = SnapshotOptions { compression, ..SnapshotOptions::default() };
            let tail = install(&dirs.snapshots, &dirs.logs, &sent, &options).unwrap();
            dirs.snapshots.crash_hard();
            dirs.logs.crash_hard();
            let recovered = recovered(&dirs);
            assert_eq!((recovered.last_zxid, recovered.tree.digest()), (sent.last, sent.digest));
            assert_eq!(recovered.tail, tail);
            assert!(recovered.warnings.is_empty(), "{:?}", recovered.warnings);
            assert_eq!(snapshots(&dirs.snapshots.list().unwrap()).len(), 1);
            assert!(names(&dirs.snapshots).contains(&"replaced-snapshot.f".to_owned()));
            assert!(names(&dirs.logs).contains(&"replaced-log.10".to_owned()));
            go_on(dirs, recovered, sent.last);
        }
    }
}

/// The log goes on behind the new state, in this epoch or in another.
fn go_on(dirs: Dirs<MemoryDisk>, recovered: Recovered, last: Zxid) {
    let mut next = Author::go_on(dirs.logs.clone(), recovered.tree, recovered.tail, 0);
    next.change_and_sync(3);
    next.log_and_apply(Zxid((5 << 32) + 1));
    next.log.sync().unwrap();
    let joint = next.log.take_joints();
    assert_eq!((joint[0].before, joint[0].after), (Zxid(last.0 + 3), Zxid((5 << 32) + 1)));
    let again = self::recovered(&dirs);
    assert_eq!((again.last_zxid, again.tree.digest()), (Zxid((5 << 32) + 1), next.tree.digest()));
}

#[test]
fn a_server_without_any_data_takes_over_a_state() {
    let disk = MemoryDisk::new();
    let sent = send(3, 2);
    install(&disk, &disk, &sent, &SnapshotOptions::default()).unwrap();
    disk.crash_hard();
    let recovered = recovered(&Dirs::shared(&disk));
    assert_eq!((recovered.last_zxid, recovered.tree.digest()), (sent.last, sent.digest));
    assert_eq!(names(&disk).len(), 2);
}

#[test]
fn only_one_old_state_is_kept_aside() {
    let disk = follower().disk;
    install(&disk, &disk, &send(2, 1), &SnapshotOptions::default()).unwrap();
    assert_eq!(names(&disk).iter().filter(|name| name.starts_with("replaced-")).count(), 6);
    let second = send(5, 0);
    install(&disk, &disk, &second, &SnapshotOptions::default()).unwrap();
    let expected =
        ["log.100000006", "replaced-log.100000003", "replaced-snapshot.100000002", "snapshot.100000005"];
    assert_eq!(names(&disk), expected);
}

#[test]
fn a_state_that_is_not_installed_counts_for_nothing() {
    let follower = follower();
    let dirs = Dirs::shared(&follower.disk);
    let sent = send(3, 2);
    let options = SnapshotOptions::default();
    let disk = &dirs.snapshots;
    let mut receiving =
        Receiving::start(disk, disk, sent.zxid, &options, RECORD_LIMIT, Loader::new(3)).unwrap();
    receiving.feed(&sent.stream).unwrap();
    let (_, mut staged) = receiving.finish().unwrap();
    staged.append(sent.changes[0].0, &sent.changes[0].1).unwrap();
    drop(staged);
    let recovered = recovered(&dirs);
    assert_eq!((recovered.last_zxid, recovered.tree.digest()), (Zxid(20), follower.digests[20]));
    assert!(names(disk).iter().all(|name| name.starts_with("log.") || name.starts_with("snapshot.")));
}

#[test]
fn a_death_at_any_moment_leaves_the_old_state_or_the_new() {
    // One that lags behind, and one with a change of a later epoch than the leader ever heard of.
    let lagging = follower();
    let mut ahead = follower();
    ahead.log_and_apply(Zxid((2 << 32) + 1));
    ahead.log.sync().unwrap();
    let shared = Dirs::shared(&lagging.disk);
    let split = Dirs::split(&ahead.disk);
    for (follower, dirs, before, after) in
        [(&lagging, &shared, 0, 2), (&ahead, &split, 3, 0), (&ahead, &split, 3, 2)]
    {
        die_while_installing(dirs, (follower.tree.last_zxid(), follower.tree.digest()), &send(before, after));
    }
}

fn die_while_installing(dirs: &Dirs<MemoryDisk>, old: (Zxid, i64), sent: &Sent) {
    let act = |dirs: &Dirs<MortalDisk>| {
        let _ = install(&dirs.snapshots, &dirs.logs, sent, &SnapshotOptions::default());
    };
    die_everywhere(dirs, act, |left, is_done| {
        let found = recovered(left);
        let state = (found.last_zxid, found.tree.digest());
        assert!(state == (sent.last, sent.digest) || (state == old && !is_done), "{state:?}");
        left.snapshots.crash_hard();
        left.logs.crash_hard();
        let again = recovered(left);
        assert_eq!((again.last_zxid, again.tree.digest()), state, "recovery made it durable");
        let second = install(&left.snapshots, &left.logs, sent, &SnapshotOptions::default());
        assert!(second.is_some());
        assert_eq!(recovered(left).tree.digest(), sent.digest);
    });
}

#[test]
fn a_recovery_that_dies_while_it_installs_is_taken_up_by_the_next() {
    let follower = follower();
    let sent = send(3, 2);
    // The moment of the decision: everything is staged.
    let whole = follower.disk.duplicate();
    install(&whole, &whole, &sent, &SnapshotOptions::default()).unwrap();
    for (from, to) in
        [("log.100000004", "install-log.100000004"), ("snapshot.100000003", "install-snapshot.100000003")]
    {
        whole.rename(from, to).unwrap();
    }
    for name in names(&whole) {
        if let Some(old) = name.strip_prefix("replaced-") {
            whole.rename(&name, old).unwrap();
        }
    }
    let act = |dirs: &Dirs<MortalDisk>| {
        let _ = recover(&dirs.snapshots, &dirs.logs, &RecoverOptions::default());
    };
    die_everywhere(&Dirs::shared(&whole.duplicate()), act, |left, _| {
        let found = recovered(left);
        assert_eq!((found.last_zxid, found.tree.digest()), (sent.last, sent.digest));
    });
}
