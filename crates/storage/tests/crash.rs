//! Power cuts: what was synced is recovered, whatever else the disk did with the rest.

mod common;

use common::Author;
use zoorum_proto::Zxid;
use zoorum_storage::memory::MemoryDisk;
use zoorum_storage::{RecoverOptions, SnapshotOptions, SnapshotWriter, recover};

/// Room ahead in these tests, in bytes: little, so that files grow often.
const PREALLOCATE: u64 = 8192;

/// SplitMix64, so that a seed is a run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// Prints how to run a failed seed again.
struct ReplayHint(u64);

impl Drop for ReplayHint {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("replay: ZOORUM_SEED={} cargo test -p zoorum-storage --test crash", self.0);
        }
    }
}

fn seeds(count: u64) -> impl Iterator<Item = u64> {
    let one = std::env::var("ZOORUM_SEED").ok().and_then(|seed| seed.parse().ok());
    one.map_or(0..count, |seed: u64| seed..seed + 1)
}

#[test]
fn a_log_cut_at_any_byte_keeps_exactly_its_whole_records() {
    let mut author = Author::new(0);
    author.change_and_sync(12);
    let whole = author.disk.content("log.1").unwrap();
    let mut ends = vec![16];
    while let Some(length) = whole.get(ends[ends.len() - 1] + 8..).and_then(|rest| rest.first_chunk()) {
        ends.push(ends[ends.len() - 1] + 13 + u32::from_be_bytes(*length) as usize);
    }
    assert_eq!(ends.len(), 13);
    for padding in [0, PREALLOCATE as usize] {
        for cut in 0..=whole.len() {
            let disk = author.disk.duplicate();
            let mut content = whole[..cut].to_vec();
            content.resize(cut + padding, 0);
            disk.place("log.1", content);
            if cut < 4 && padding > 0 && cut > 0 {
                continue; // half a magic number, then a header of zeroes: no write is torn like that
            }
            let recovered = recover(&disk, &disk, &RecoverOptions::default()).unwrap();
            let kept = ends.iter().filter(|&&end| end <= cut).count().saturating_sub(1);
            assert_eq!(recovered.last_zxid, Zxid(kept as i64), "cut at {cut}");
            assert_eq!(recovered.tree.digest(), author.digests[kept], "cut at {cut}");
        }
    }
}

#[test]
fn nothing_that_was_synced_is_lost_in_a_thousand_power_cuts() {
    for seed in seeds(250) {
        let _hint = ReplayHint(seed);
        lives(seed, 4, &Chaos { reorders: true });
    }
}

#[test]
fn nor_on_a_disk_that_keeps_the_order() {
    for seed in seeds(250) {
        let _hint = ReplayHint(seed);
        lives(seed, 4, &Chaos { reorders: false });
    }
}

struct Chaos {
    /// Whether sectors of one write may reach the platter out of order.
    reorders: bool,
}

/// Some lives of a server on one disk, each ended by a power cut and followed by a recovery that needs no operator.
fn lives(seed: u64, count: usize, chaos: &Chaos) {
    let mut chance = Chance(seed);
    let mut author = Author::new(PREALLOCATE);
    for _ in 0..count {
        let acknowledged = live(&mut author, &mut chance);
        let disk = author.disk.clone();
        if chaos.reorders {
            disk.crash(chance.below(u64::MAX));
        } else {
            disk.crash_in_order(chance.below(u64::MAX));
        }
        let options = RecoverOptions { seed, ..RecoverOptions::default() };
        let recovered = recover(&disk, &disk, &options).unwrap();
        let last = recovered.last_zxid;
        assert!(last >= acknowledged, "{acknowledged} was acknowledged, {last} recovered");
        assert_eq!(recovered.tree.digest(), author.digests[last.0 as usize], "the tree is that of {last}");
        // A second cut right after the recovery takes nothing away.
        disk.crash_hard();
        let again = recover(&disk, &disk, &options).unwrap();
        assert_eq!(again.last_zxid, last);
        let mut digests = std::mem::take(&mut author.digests);
        digests.truncate(last.0 as usize + 1);
        author = Author::go_on(disk, again.tree, again.tail, PREALLOCATE);
        author.digests = digests;
    }
}

/// One life. Says what was acknowledged in it, or before.
fn live(author: &mut Author, chance: &mut Chance) -> Zxid {
    let mut acknowledged = author.tree.last_zxid();
    for _ in 0..chance.below(12) {
        match chance.below(8) {
            0..=2 => author.change(1 + chance.below(20) as usize),
            3 => author.log.roll(),
            4 => {
                // As a server: what is in the snapshot is in the log.
                acknowledged = author.log.sync().unwrap().through;
                author.snapshot();
            }
            5 => {
                let start = author.tree.begin_snapshot();
                let options = SnapshotOptions::default();
                let mut writer = SnapshotWriter::start(&author.disk, &start, &options).unwrap();
                let mut nodes = Vec::new();
                author.tree.snapshot_step(3, &mut nodes);
                writer.nodes(&nodes).unwrap();
                author.tree.end_snapshot();
                // The process dies with it half written: nobody tidies up.
                std::mem::forget(writer);
            }
            _ => acknowledged = author.log.sync().unwrap().through,
        }
    }
    author.change(chance.below(6) as usize);
    if chance.below(2) == 0 {
        // What is buffered is written, if anything is; the power goes before it is synced.
        author.disk.fail_syncs(true);
        let _ = author.log.sync();
        author.disk.fail_syncs(false);
    }
    acknowledged
}

#[test]
fn a_batch_that_was_not_synced_may_be_torn_after_a_recovery_that_could_not_sync_it_either() {
    for seed in seeds(200) {
        let _hint = ReplayHint(seed);
        let mut author = Author::new(PREALLOCATE);
        author.change_and_sync(10);
        author.change(20);
        let disk: MemoryDisk = author.disk.clone();
        disk.fail_syncs(true);
        assert!(author.log.sync().is_err());
        assert!(recover(&disk, &disk, &RecoverOptions::default()).is_err());
        disk.fail_syncs(false);
        disk.crash(seed);
        let recovered = recover(&disk, &disk, &RecoverOptions::default()).unwrap();
        assert!(recovered.last_zxid >= Zxid(9), "{}", recovered.last_zxid);
    }
}

#[test]
fn a_disk_may_lose_power_while_recovery_is_at_work() {
    for seed in seeds(100) {
        let _hint = ReplayHint(seed);
        let mut author = Author::new(PREALLOCATE);
        author.change_and_sync(10);
        author.snapshot();
        author.change_and_sync(10);
        let disk: MemoryDisk = author.disk.clone();
        let last = disk.content("log.b").unwrap();
        let records = &last[..last.len() - 2048]; // the file's marks lie behind them
        let end = records.iter().rposition(|&byte| byte != 0).unwrap();
        disk.flip_bit("log.b", end, 1);
        disk.flip_bit("snapshot.a", 100, 1);
        disk.place("log.16", Vec::new());
        recover(&disk, &disk, &RecoverOptions::default()).unwrap();
        disk.crash(seed);
        let recovered = recover(&disk, &disk, &RecoverOptions::default()).unwrap();
        assert_eq!(recovered.last_zxid, Zxid(19));
    }
}
