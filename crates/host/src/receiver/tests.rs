use std::sync::mpsc;
use std::time::Duration;

use zoorum_storage::SnapshotOptions;
use zoorum_storage::memory::MemoryDisk;
use zoorum_storage::snapshot::{STREAM_END, StreamError, stream_head};
use zoorum_tree::Loader;

use super::*;

const ZXID: Zxid = Zxid(7);
/// How long whatever must happen may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A tree as it is sent.
fn stream() -> Vec<u8> {
    let mut tree = Tree::new(1);
    let mut stream = Vec::new();
    stream_head(&tree.begin_snapshot(), &mut stream);
    while !tree.snapshot_step(10, &mut stream) {}
    stream.extend_from_slice(STREAM_END);
    stream
}

/// A receiver, and who hears from it.
fn receiver(disk: &MemoryDisk) -> (Receiver<MemoryDisk>, mpsc::Receiver<()>) {
    let options = SnapshotOptions::default();
    let receiving =
        Receiving::start(disk, disk, ZXID, &options, 1 << 20, Loader::new(3)).expect("an empty disk");
    let (tell, told) = mpsc::channel();
    let receiver =
        Receiver::start(ZXID, receiving, move || tell.send(()).unwrap_or_default()).expect("a thread");
    (receiver, told)
}

fn files(disk: &MemoryDisk) -> usize {
    disk.list().expect("a list").len()
}

#[test]
fn what_comes_behind_the_tree_is_given_back_in_order() {
    let (mut bytes, behind) = (stream(), b"what was sent behind it".to_vec());
    bytes.extend_from_slice(&behind);
    for piece in [1, 5, 64, bytes.len()] {
        let disk = MemoryDisk::new();
        let (receiver, told) = receiver(&disk);
        bytes.chunks(piece).for_each(|chunk| receiver.feed(Bytes::copy_from_slice(chunk)));
        told.recv_timeout(PATIENCE).expect("an outcome");
        // Not heard of yet.
        receiver.feed(Bytes::from_static(b", and this"));
        let (outcome, rest) = receiver.outcome().expect("an outcome");
        let (tree, staged) = outcome.expect("a tree");
        assert_eq!((tree.last_zxid(), staged.last_zxid()), (ZXID, ZXID));
        assert_eq!(rest, b"what was sent behind it, and this"[..], "{piece}");
        assert!(receiver.outcome().is_none(), "there is one outcome");
    }
}

#[test]
fn nobody_waits_for_a_receiver_that_has_come_to_an_end() {
    let disk = MemoryDisk::new();
    let (receiver, told) = receiver(&disk);
    for _ in 0..3 * LIMIT / (1 << 20) {
        receiver.feed(vec![0xff; 1 << 20].into());
    }
    told.recv_timeout(PATIENCE).expect("an outcome");
    let (outcome, _) = receiver.outcome().expect("an outcome");
    assert!(matches!(outcome.map(drop), Err(ReceiveError::Stream(StreamError::Record { .. }))));
    assert_eq!(files(&disk), 0);
}

#[test]
fn a_full_disk_is_told_from_what_is_no_tree() {
    let disk = MemoryDisk::new();
    let (receiver, told) = receiver(&disk);
    disk.limit_room(Some(1));
    receiver.feed(stream().into());
    told.recv_timeout(PATIENCE).expect("an outcome");
    let (outcome, _) = receiver.outcome().expect("an outcome");
    assert!(matches!(outcome.map(drop), Err(ReceiveError::Snapshot(_))));
}

#[test]
fn a_tree_that_is_not_wanted_any_more_leaves_nothing() {
    let stream = stream();
    for length in [0, stream.len() / 2, stream.len()] {
        let disk = MemoryDisk::new();
        let (receiver, _told) = receiver(&disk);
        receiver.feed(Bytes::copy_from_slice(&stream[..length]));
        drop(receiver);
        assert_eq!(files(&disk), 0, "{length} bytes had come");
    }
}
