//! Snapshots: the tree at one point in time, written while it goes on changing.
//!
//! A pass walks the slab in short steps. Whoever changes a znode that the pass has not reached yet first sets
//! its old record aside, and those of its ancestors, so that parents come before children; the next step
//! writes what was set aside. A slot that is filled during the pass is marked as done at once.

use std::borrow::Cow;

use zoorum_proto::Encode;
use zoorum_proto::Zxid;
use zoorum_proto::snapshot::{SnapshotAcl, SnapshotNode, SnapshotSession};

use super::Tree;
use crate::slab::Slot;

/// The point in time of a snapshot, and what is written before the znodes.
#[derive(Clone, Debug)]
pub struct SnapshotStart {
    /// The last transaction that the snapshot contains.
    pub zxid: Zxid,
    /// The tree's digest.
    pub digest: i64,
    /// Open sessions, by id.
    pub sessions: Vec<SnapshotSession>,
    /// ACL lists that znodes refer to.
    pub acls: Vec<SnapshotAcl<'static>>,
}

/// Slots that may be passed over for each znode that a step may write: there can be long gaps, and looking at
/// a slot takes a hundredth of the time of writing one.
const SLOTS_FOR_A_NODE: usize = 64;

/// How far a snapshot has come.
#[derive(Debug)]
pub(super) struct Pass {
    /// A bit for each slot that existed at the start: its znode is written, set aside, or not of the snapshot.
    done: Vec<u64>,
    /// Slots that existed at the start are below this one.
    end: u32,
    /// Slots below this one are done.
    reached: u32,
    /// Records that wait to be written; at worst those of all znodes, if all change between two steps.
    aside: Vec<u8>,
}

impl Pass {
    fn is_due(&self, slot: Slot) -> bool {
        slot.0 < self.end && self.done[slot.0 as usize / 64] & (1 << (slot.0 % 64)) == 0
    }

    /// The slot's znode will not be written any more, or never was to be.
    pub fn skip(&mut self, slot: Slot) {
        if slot.0 < self.end {
            self.done[slot.0 as usize / 64] |= 1 << (slot.0 % 64);
        }
    }
}

impl Tree {
    /// Marks this moment as that of a snapshot, whose znodes [`Self::snapshot_step`] then writes.
    ///
    /// Takes time in the number of sessions and ACL lists, not of znodes. An earlier snapshot that was not
    /// ended is given up.
    pub fn begin_snapshot(&mut self) -> SnapshotStart {
        let end = self.slab.end();
        let done = vec![0; (end as usize).div_ceil(64)];
        self.pass = Some(Pass { done, end, reached: 0, aside: Vec::new() });
        let mut sessions: Vec<_> = self.sessions().collect();
        sessions.sort_unstable_by_key(|session| session.session);
        SnapshotStart { zxid: self.last_zxid, digest: self.digest(), sessions, acls: self.acls.snapshot() }
    }

    /// Appends what was set aside since the last step and up to `nodes` more znodes, each as an encoded
    /// [`SnapshotNode`], parents before their children. True when all are written.
    ///
    /// # Panics
    ///
    /// If no snapshot was begun.
    pub fn snapshot_step(&mut self, nodes: usize, out: &mut Vec<u8>) -> bool {
        let mut pass = self.pass.take().expect("a snapshot is begun before it is written");
        out.append(&mut pass.aside);
        let mut left = nodes;
        let far = nodes.saturating_mul(SLOTS_FOR_A_NODE).try_into().unwrap_or(u32::MAX);
        let until = pass.reached.saturating_add(far).min(pass.end);
        while left > 0 && pass.reached < until {
            let slot = Slot(pass.reached);
            pass.reached += 1;
            if pass.is_due(slot) && !self.slab[slot].is_vacant() {
                left = left.saturating_sub(self.write_due(&mut pass, slot, out));
            }
        }
        let is_finished = pass.reached == pass.end;
        self.pass = Some(pass);
        is_finished
    }

    /// Ends the snapshot, whether all is written or not.
    pub fn end_snapshot(&mut self) {
        self.pass = None;
    }

    /// Must come before any change of what a record holds. Links to children are not in it.
    #[inline]
    pub(super) fn preserve(&mut self, slot: Slot) {
        if let Some(mut pass) = self.pass.take_if(|pass| pass.is_due(slot)) {
            let mut aside = std::mem::take(&mut pass.aside);
            self.write_due(&mut pass, slot, &mut aside);
            pass.aside = aside;
            self.pass = Some(pass);
        }
    }

    /// Writes the znode and those of its ancestors that are still due; tells how many.
    fn write_due(&self, pass: &mut Pass, slot: Slot, out: &mut Vec<u8>) -> usize {
        let parents = std::iter::successors(Some(slot), |&at| self.slab[at].parent.some());
        let due: Vec<_> = parents.take_while(|&at| pass.is_due(at)).collect();
        for &at in due.iter().rev() {
            self.write_record(at, out);
            pass.skip(at);
        }
        due.len()
    }

    fn write_record(&self, slot: Slot, out: &mut Vec<u8>) {
        let node = &self.slab[slot];
        let mut path = String::new();
        self.push_path(slot, &mut path);
        let history = &node.history;
        let record = SnapshotNode {
            path: Cow::Owned(path),
            data: self.slab.data(slot),
            acl: node.acl.number(),
            czxid: history.czxid,
            mzxid: history.mzxid,
            ctime: history.ctime,
            mtime: history.mtime,
            version: history.version,
            creates: history.creates,
            aversion: history.aversion,
            owner: history.owner,
            pzxid: history.pzxid,
        };
        record.encode(out);
    }
}
