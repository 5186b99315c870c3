//! What a server that lags behind is sent from files: changes if they are fewer than a tree, or a tree and what
//! follows it.

mod common;

use common::Author;
use zoorum_proto::{Encode, Zxid};
use zoorum_storage::memory::MemoryDisk;
use zoorum_storage::snapshot::{Received, Receiving};
use zoorum_storage::{HistoryError, Joints, SnapshotOptions, Supply, SupplyError};
use zoorum_tree::Loader;

/// Changes 1 to 30, and a snapshot of 20.
fn author() -> Author {
    let mut author = Author::new(1 << 13);
    author.change_and_sync(20);
    author.snapshot();
    author.change_and_sync(10);
    author
}

/// All that is supplied; of each change its zxid.
fn all(mut supply: Supply<MemoryDisk>) -> Result<Vec<u8>, SupplyError> {
    let mut out = Vec::new();
    let encode = |zxid: Zxid, _: &[u8], out: &mut Vec<u8>| zxid.encode(out);
    loop {
        let mut part = Vec::new();
        let is_last = supply.step(encode, &mut part)?;
        out.append(&mut part);
        if is_last {
            return Ok(out);
        }
    }
}

fn zxids(bytes: &[u8]) -> Vec<i64> {
    let (zxids, rest) = bytes.as_chunks();
    assert!(rest.is_empty());
    zxids.iter().map(|zxid| i64::from_be_bytes(*zxid)).collect()
}

#[test]
fn changes_are_supplied_unless_a_snapshot_would_be_sent_sooner() {
    let author = author();
    let disks = (&author.disk, &author.disk);
    let changes =
        |after, factor| Supply::changes(disks, &Joints::default(), Zxid(after), Zxid(30), factor).map(all);
    let given = changes(5, 0.0).expect("no limit").expect("sound files");
    assert_eq!(zxids(&given), (6..=30).collect::<Vec<_>>());
    let refused = changes(5, 0.001);
    assert!(matches!(refused, Err(SupplyError::History(HistoryError::TooLarge { .. }))));
    let given = changes(30, 0.001).expect("nothing is not too much").expect("sound files");
    assert_eq!(given, []);
}

#[test]
fn a_snapshot_is_supplied_with_what_follows_it() {
    let author = author();
    let disks = (&author.disk, &author.disk);
    let supply = Supply::snapshot(disks, &Joints::default(), Zxid(12), Zxid(25), 0.0).expect("a snapshot");
    assert_eq!(supply.snapshot_zxid(), Some(Zxid(20)));
    let bytes = all(supply).expect("sound files");
    let disk = MemoryDisk::new();
    let options = SnapshotOptions::default();
    let mut receiving =
        Receiving::start(&disk, &disk, Zxid(20), &options, 1 << 20, Loader::new(3)).expect("an empty disk");
    let Received::Whole { rest } = receiving.feed(&bytes).expect("a tree") else { panic!("not all of it") };
    assert_eq!(zxids(&bytes[bytes.len() - rest..]), (21..=25).collect::<Vec<_>>());
    let (tree, _) = receiving.finish().expect("a tree");
    assert_eq!(tree.last_zxid(), Zxid(20));
}

#[test]
fn a_snapshot_with_too_many_changes_behind_it_is_refused() {
    let author = author();
    let disks = (&author.disk, &author.disk);
    let of = |factor| Supply::snapshot(disks, &Joints::default(), Zxid(12), Zxid(25), factor);
    assert!(matches!(of(0.001), Err(SupplyError::History(HistoryError::TooLarge { .. }))));
    assert!(of(100.0).is_ok());
}

#[test]
fn a_snapshot_alone_will_do_and_an_old_one_will_not() {
    let author = author();
    let disks = (&author.disk, &author.disk);
    let supply = Supply::snapshot(disks, &Joints::default(), Zxid(20), Zxid(15), 0.0).expect("a snapshot");
    assert!(all(supply).expect("sound files").ends_with(b"BenWasHere"));
    let refused = Supply::snapshot(disks, &Joints::default(), Zxid(21), Zxid(25), 0.0);
    assert!(matches!(refused, Err(SupplyError::NoSnapshot { from: Zxid(21) })));
}
