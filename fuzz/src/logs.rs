//! Transaction logs: read, replayed, checked and repaired.
//!
//! ```text
//! input    kind u8 · content
//! content  the file `log.1` (kind even), or (length u16 · payload) … to be sealed into one (kind odd)
//! kind     bit 1: beside the snapshot of an empty database   bit 2: preallocated zeroes behind it
//!          bit 3: a second file, with the last of the payloads   bit 4: zxids are made consecutive
//! ```

use zoorum_proto::Zxid;
use zoorum_storage::check::check;
use zoorum_storage::memory::MemoryDisk;
use zoorum_storage::{RecoverOptions, Tail, TxnLog, recover, repair_tail};
use zoorum_tree::Tree;

use crate::seal::record;
use crate::snapshots::{check_copy, store};
use crate::{take_byte, take_chunk};

const HEADER: &[u8] = b"ZKLG\0\0\0\x02\0\0\0\0\0\0\0\0";

/// Recovers from the log, with strict and with lenient options, and repairs it.
pub fn run(input: &[u8]) {
    let disk = disk_of(input);
    let report = check(&disk, &disk).expect("memory can be listed");
    let is_sound = report.logs.iter().all(|log| {
        log.result.as_ref().is_ok_and(|summary| summary.as_ref().is_some_and(|summary| summary.is_sound()))
    });
    go_on(&disk.duplicate(), &RecoverOptions::default());
    go_on(&disk.duplicate(), &lenient());
    if let Ok(repaired) = repair_tail(&disk, "log.1") {
        assert!(!is_sound || repaired.is_none(), "what is sound needs no repair");
        let again = repair_tail(&disk, "log.1").expect("it was a log");
        assert_eq!(again, None, "what is repaired needs no repair");
    }
    go_on(&disk, &lenient());
}

fn disk_of(mut input: &[u8]) -> MemoryDisk {
    let kind = take_byte(&mut input);
    let is = |bit: u8| kind & (1 << bit) != 0;
    let disk = MemoryDisk::new();
    if is(1) {
        store(&mut Tree::new(1), &disk);
    }
    let mut payloads = if is(0) { payloads(input, is(4)) } else { Vec::new() };
    let second = if is(3) { payloads.pop() } else { None };
    let mut first = if is(0) { HEADER.to_vec() } else { input.to_vec() };
    payloads.iter().for_each(|payload| record(payload, &mut first));
    if is(2) {
        first.resize(first.len() + 512, 0);
    }
    disk.place("log.1", first);
    if let Some(payload) = second {
        let mut file = HEADER.to_vec();
        record(&payload, &mut file);
        let zxid = zxid_place(&mut payload.clone()).map_or(2, |place| u64::from_be_bytes(*place));
        disk.place(&format!("log.{zxid:x}"), file);
    }
    disk
}

fn payloads(mut input: &[u8], consecutive: bool) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    while !input.is_empty() {
        payloads.push(take_chunk(&mut input).to_vec());
    }
    if consecutive {
        for (payload, zxid) in payloads.iter_mut().zip(1_i64..) {
            if let Some(place) = zxid_place(payload) {
                *place = zxid.to_be_bytes();
            }
        }
    }
    payloads
}

/// Where a transaction has its zxid.
fn zxid_place(payload: &mut [u8]) -> Option<&mut [u8; 8]> {
    payload.get_mut(12..20)?.first_chunk_mut()
}

fn lenient() -> RecoverOptions {
    RecoverOptions {
        trust_empty: true,
        tolerate_digest_mismatch: true,
        tolerate_missing_acls: true,
        ..RecoverOptions::default()
    }
}

/// If the disk can be recovered, then once more with the same result, and the log can be gone on with.
pub(crate) fn go_on(disk: &MemoryDisk, options: &RecoverOptions) {
    let Ok(mut first) = recover(disk, disk, options) else { return };
    disk.crash_hard();
    let again = recover(disk, disk, options).expect("what was recovered can be recovered");
    assert_eq!(again.last_zxid, first.last_zxid, "recovery made durable what it found");
    assert_eq!(again.tree.digest(), first.tree.digest(), "recovery made durable what it found");
    if names_tell_the_truth(disk) {
        write_on(disk, again.tail, first.last_zxid);
        check_copy(&mut first.tree);
    }
}

/// Whether no file holds less than its name says, nor paths that only prep refuses. Such files are read as far
/// as they make sense, but may stand in the way of the next file, or make a tree whose digest depends on how a
/// path was written. No server leaves them behind, and no crash.
fn names_tell_the_truth(disk: &MemoryDisk) -> bool {
    let report = check(disk, disk).expect("memory can be listed");
    report.logs.iter().all(|log| {
        let first = log.result.as_ref().ok().and_then(|summary| summary.as_ref()?.zxid_first);
        let content = disk.content(&log.file.name).unwrap_or_default();
        first.is_none_or(|first| first >= log.file.zxid) && !content.windows(2).any(|pair| pair == b"//")
    })
}

fn write_on(disk: &MemoryDisk, tail: Tail, last: Zxid) {
    let Some(next) = last.0.checked_add(1).map(Zxid).filter(|next| next.0 > 0) else { return };
    let mut log = TxnLog::open(
        disk.clone(),
        tail,
        zoorum_storage::LogOptions { preallocate_bytes: 0, ..zoorum_storage::LogOptions::default() },
    );
    log.append(next, &[0; 32]);
    log.sync().expect("recovery left the names of files to come free");
}
