//! This server's history as the protocol sees it: where it ends, what of it is durable, what is committed, and
//! the newest part of it in memory, from which others are fed.
//!
//! ```text
//! ── floor ════ in memory ═══ applied ═══ committed ═══ synced ═══ last
//!            (committed and synced may stand in either order)
//! ```
//!
//! What is in memory is an unbroken piece of the one history: each entry follows the one before it. While somebody
//! is about to be sent what follows some entry, that stays in memory beyond the limits, up to [`KEPT`].

use std::collections::VecDeque;

use bytes::Bytes;
use zoorum_proto::Zxid;

/// One change with its place in history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place.
    pub zxid: Zxid,
    /// The transaction as it is logged: header, body, digest. Never taken apart here.
    pub payload: Bytes,
}

/// How much of what is committed and applied is kept in memory for servers that come back.
#[derive(Clone, Copy, Debug)]
pub struct HistoryLimits {
    /// Most entries.
    pub entries: usize,
    /// Most bytes of payloads.
    pub bytes: usize,
}

impl Default for HistoryLimits {
    fn default() -> Self {
        Self { entries: 100_000, bytes: 16 << 20 }
    }
}

/// How much stays in memory for those who are about to be sent it.
pub const KEPT: HistoryLimits = HistoryLimits { entries: 400_000, bytes: 64 << 20 };

/// See the module.
#[derive(Clone, Debug)]
pub struct History {
    limits: HistoryLimits,
    floor: Zxid,
    entries: VecDeque<Entry>,
    bytes: usize,
    last: Zxid,
    synced: Zxid,
    committed: Zxid,
    applied: Zxid,
}

impl History {
    /// The history that recovery found, all of it durable and in the tree, though perhaps not committed.
    pub fn recovered(last: Zxid, limits: HistoryLimits) -> Self {
        Self {
            limits,
            floor: last,
            entries: VecDeque::new(),
            bytes: 0,
            last,
            synced: last,
            committed: Zxid::ZERO,
            applied: last,
        }
    }

    /// The newest entry, durable or not.
    pub fn last(&self) -> Zxid {
        self.last
    }

    /// The newest durable entry.
    pub fn synced(&self) -> Zxid {
        self.synced
    }

    /// The newest entry known to be committed.
    pub fn committed(&self) -> Zxid {
        self.committed
    }

    /// The newest entry in the tree.
    pub fn applied(&self) -> Zxid {
        self.applied
    }

    /// More of it, handed to the log.
    ///
    /// # Panics
    ///
    /// If an entry does not follow: that is checked where entries come in.
    pub fn append(&mut self, entries: &[Entry]) {
        for entry in entries {
            assert!(
                self.last.may_precede(entry.zxid),
                "history has no gap: {} behind {}",
                entry.zxid,
                self.last
            );
            self.last = entry.zxid;
            self.bytes += entry.payload.len();
            self.entries.push_back(entry.clone());
        }
    }

    /// The log keeps everything up to here.
    pub fn on_synced(&mut self, through: Zxid) {
        assert!(through <= self.last, "nothing is synced that was not logged");
        self.synced = self.synced.max(through);
    }

    /// Everything up to here is committed.
    pub fn on_committed(&mut self, through: Zxid) {
        assert!(through >= self.committed, "what is committed stays committed");
        self.committed = through;
    }

    /// Everything up to here is in the tree. What lies behind `kept` should stay.
    pub fn on_applied(&mut self, through: Zxid, kept: Option<Zxid>) {
        self.applied = through;
        while let Some(first) = self.entries.front()
            && first.zxid <= self.applied
            && (self.exceeds(self.limits) && kept.is_none_or(|kept| first.zxid <= kept) || self.exceeds(KEPT))
        {
            self.floor = first.zxid;
            self.bytes -= first.payload.len();
            self.entries.pop_front();
        }
    }

    fn exceeds(&self, limits: HistoryLimits) -> bool {
        self.entries.len() > limits.entries || self.bytes > limits.bytes
    }

    /// How far the tree may go: what is committed, and never beyond what this server itself has durably.
    pub fn may_apply(&self) -> Zxid {
        self.committed.min(self.synced)
    }

    /// Whether this entry is known to be part of the history, or its very beginning.
    pub fn knows(&self, zxid: Zxid) -> bool {
        zxid == self.floor || self.entries.binary_search_by_key(&zxid, |entry| entry.zxid).is_ok()
    }

    /// Where the part in memory begins: the entry before its first.
    pub fn floor(&self) -> Zxid {
        self.floor
    }

    /// What is in memory after `zxid`, which need not be part of it, up to `through`.
    pub fn between(&self, after: Zxid, through: Zxid) -> impl Iterator<Item = &Entry> {
        let start = self.entries.partition_point(|entry| entry.zxid <= after);
        self.entries.iter().skip(start).take_while(move |entry| entry.zxid <= through)
    }

    /// The newest entry in memory before `zxid`, or the floor.
    pub fn before(&self, zxid: Zxid) -> Option<Zxid> {
        let start = self.entries.partition_point(|entry| entry.zxid < zxid);
        match start.checked_sub(1) {
            Some(before) => self.entries.get(before).map(|entry| entry.zxid),
            None => (self.floor < zxid).then_some(self.floor),
        }
    }

    /// What comes after `to` never happened: it was cut off the log, and durably so.
    pub fn truncate(&mut self, to: Zxid) {
        while self.entries.back().is_some_and(|entry| entry.zxid > to) {
            let Some(entry) = self.entries.pop_back() else { break };
            self.bytes -= entry.payload.len();
        }
        if self.entries.is_empty() {
            self.floor = to;
        }
        self.last = to;
        self.synced = self.synced.min(to);
        self.applied = self.applied.min(to);
        self.committed = self.committed.min(to);
    }

    /// Another history takes the place of this one, with a durable snapshot of it up to `zxid`.
    pub fn replace(&mut self, zxid: Zxid) {
        *self = Self { committed: self.committed.min(zxid), ..Self::recovered(zxid, self.limits) };
    }

    /// The role that appended is over. What it committed is as true as before, but must be said anew.
    pub fn check_invariants(&self) {
        assert!(self.synced <= self.last, "only what is logged is synced");
        assert!(self.applied <= self.synced, "the tree is never ahead of the log");
        debug_assert!(
            self.entries.front().is_none_or(|first| first.zxid > self.floor),
            "the floor lies below"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zxid(epoch: i64, counter: i64) -> Zxid {
        Zxid(epoch << 32 | counter)
    }

    fn entry(zxid: Zxid) -> Entry {
        Entry { zxid, payload: Bytes::from_static(b"0123456789") }
    }

    fn history() -> History {
        let mut history = History::recovered(zxid(1, 5), HistoryLimits { entries: 3, bytes: 1000 });
        history.append(&[zxid(1, 6), zxid(1, 7), zxid(2, 1), zxid(2, 2)].map(entry));
        history
    }

    #[test]
    fn memory_is_bounded_but_never_forgets_what_is_not_applied() {
        let mut history = history();
        assert_eq!(history.floor(), zxid(1, 5));
        history.on_synced(zxid(2, 2));
        history.on_committed(zxid(2, 2));
        history.on_applied(zxid(1, 6), Some(zxid(1, 5)));
        assert_eq!(history.floor(), zxid(1, 5), "somebody is about to be sent them");
        history.on_applied(zxid(1, 6), None);
        assert_eq!(history.floor(), zxid(1, 6));
        history.on_applied(zxid(2, 2), None);
        assert_eq!(history.floor(), zxid(1, 6), "three entries may stay");
        assert_eq!(history.before(zxid(2, 1)), Some(zxid(1, 7)));
        assert_eq!(history.before(zxid(1, 7)), Some(zxid(1, 6)));
        assert_eq!(history.before(zxid(1, 6)), None);
        assert_eq!(history.between(zxid(1, 7), zxid(2, 1)).count(), 1);
    }

    #[test]
    fn what_is_cut_off_is_gone_everywhere() {
        let mut history = history();
        history.on_synced(zxid(2, 2));
        history.truncate(zxid(1, 7));
        assert_eq!((history.last(), history.synced()), (zxid(1, 7), zxid(1, 7)));
        assert!(history.knows(zxid(1, 7)) && !history.knows(zxid(2, 1)));
        history.truncate(zxid(1, 3));
        assert_eq!(
            (history.last(), history.floor(), history.applied()),
            (zxid(1, 3), zxid(1, 3), zxid(1, 3))
        );
        history.check_invariants();
    }

    #[test]
    fn the_tree_may_go_as_far_as_both_quorum_and_own_log() {
        let mut history = history();
        history.on_committed(zxid(2, 1));
        assert_eq!(history.may_apply(), zxid(1, 5));
        history.on_synced(zxid(2, 2));
        assert_eq!(history.may_apply(), zxid(2, 1));
    }
}
