//! When changes were where on their way, noted once for each batch that goes to the log together.

use std::collections::VecDeque;

use zoorum_proto::{Decode, Monotonic, TxnHeader, WallClock, Zxid};
use zoorum_zab::Entry;

use super::Now;
use super::report::{ReplicaCounters, age_ms};
use crate::stages::Stamps;

/// Changes that went to the log together.
#[derive(Clone, Copy, Debug)]
struct Passage {
    through: Zxid,
    changes: u64,
    /// When the last of them was decided, by the leader's clock.
    decided: WallClock,
    logged: Monotonic,
    synced: Option<Monotonic>,
    committed: Option<Monotonic>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Passages {
    /// Those that are yet to be applied, in the order of history.
    batches: VecDeque<Passage>,
    /// When something was last heard of peers or log.
    heard_at: Monotonic,
    /// When what could be applied last was.
    applied_at: Monotonic,
}

impl Passages {
    /// These are handed to the log.
    pub(super) fn on_logged(&mut self, now: Now, entries: &[Entry]) {
        if let Some(last) = entries.last() {
            let header = TxnHeader::from_bytes(&last.payload);
            self.batches.push_back(Passage {
                through: last.zxid,
                changes: entries.len() as u64,
                decided: header.map_or(now.wall, |header| header.time),
                logged: now.monotonic,
                synced: None,
                committed: None,
            });
        }
    }

    /// The log keeps everything up to here.
    pub(super) fn on_synced(&mut self, now: Now, through: Zxid, counters: &mut ReplicaCounters) {
        let first = self.batches.partition_point(|batch| batch.synced.is_some());
        let mut changes = 0;
        for batch in self.batches.range_mut(first..).take_while(|batch| batch.through <= through) {
            batch.synced = Some(now.monotonic);
            changes += batch.changes;
            let took = now.monotonic.since(batch.logged).as_millis();
            counters.sync_times.observe_times(u64::try_from(took).unwrap_or(u64::MAX), batch.changes);
            counters.acknowledgement.observe_times(age_ms(now.wall, batch.decided), batch.changes);
        }
        counters.batch_sizes.observe_times(changes, u64::from(changes > 0));
    }

    /// Peers or log have been heard of: the tree may have everything up to here.
    pub(super) fn on_heard(&mut self, now: Monotonic, settled: Zxid) {
        self.heard_at = now;
        let first = self.batches.partition_point(|batch| batch.committed.is_some());
        for batch in self.batches.range_mut(first..).take_while(|batch| batch.through <= settled) {
            batch.committed = Some(now);
        }
    }

    /// Everything that could be applied is.
    pub(super) fn on_applied(&mut self, now: Monotonic) {
        self.applied_at = now;
    }

    /// When that was.
    pub(super) fn applied_at(&self) -> Monotonic {
        self.applied_at
    }

    /// The stamps of a change that is being applied, and that the replica took up then.
    pub(super) fn stamps(&mut self, zxid: Zxid, taken: Monotonic, passed_on: bool) -> Stamps {
        while self.batches.front().is_some_and(|batch| batch.through < zxid) {
            self.batches.pop_front();
        }
        let (logged, synced, committed) = match self.batches.front() {
            // Of a batch that is not settled as a whole, this part is.
            Some(batch) => (batch.logged, batch.synced, batch.committed),
            None => (taken, None, None),
        };
        let synced = synced.unwrap_or(logged);
        let committed = committed.unwrap_or(self.heard_at.max(synced));
        Stamps { taken, passed_on, logged, synced, committed, applied: self.heard_at }
    }

    /// What was on its way is no longer followed.
    pub(super) fn forget(&mut self) {
        self.batches.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(ms: u64) -> Monotonic {
        Monotonic(Duration::from_millis(ms))
    }

    fn now(ms: u64) -> Now {
        Now { monotonic: at(ms), wall: WallClock(0) }
    }

    fn entries(zxids: std::ops::RangeInclusive<i64>) -> Vec<Entry> {
        zxids.map(|zxid| Entry { zxid: Zxid(zxid), payload: bytes::Bytes::new() }).collect()
    }

    #[test]
    fn a_change_has_the_stamps_of_its_batch() {
        let (mut passages, mut counters) = (Passages::default(), ReplicaCounters::default());
        passages.on_logged(now(10), &entries(1..=3));
        passages.on_logged(now(20), &entries(4..=4));
        passages.on_synced(now(30), Zxid(4), &mut counters);
        passages.on_heard(at(40), Zxid(3));
        passages.on_heard(at(50), Zxid(4));
        let stamps = |logged, committed| {
            let [logged, committed] = [logged, committed].map(at);
            Stamps { taken: at(5), passed_on: false, logged, synced: at(30), committed, applied: at(50) }
        };
        assert_eq!(passages.stamps(Zxid(2), at(5), false), stamps(10, 40));
        assert_eq!(passages.stamps(Zxid(4), at(5), false), stamps(20, 50));
        assert_eq!((counters.batch_sizes.count(), counters.batch_sizes.sum()), (1, 4));
        assert_eq!((counters.sync_times.count(), counters.sync_times.sum()), (4, 3 * 20 + 10));
    }

    #[test]
    fn what_is_settled_of_a_batch_before_the_rest_is_settled_when_it_was_heard_of() {
        let (mut passages, mut counters) = (Passages::default(), ReplicaCounters::default());
        passages.on_logged(now(10), &entries(1..=3));
        passages.on_synced(now(20), Zxid(3), &mut counters);
        passages.on_heard(at(40), Zxid(2));
        assert_eq!(passages.stamps(Zxid(1), at(5), true).committed, at(40));
        passages.on_heard(at(60), Zxid(3));
        assert_eq!(passages.stamps(Zxid(3), at(5), true).committed, at(60));
    }
}
