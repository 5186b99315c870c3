//! Znodes in memory: one fixed-size entry each, in chunks that never move.
//!
//! An entry takes 104 bytes. Beside it a znode has its name and data, rounded up to eight bytes, and a place
//! in the name table. Relations between znodes are slot numbers: an empty child list costs nothing.

use std::ops::{Index, IndexMut};

use zoorum_proto::mode::{NodeKind, OwnerReading};
use zoorum_proto::{Stat, Version, WallClock, Zxid};

use crate::acls::AclId;
use crate::bytes::{Bytes, Place};
use crate::digest::NodeDigest;

/// Place of a znode in the slab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slot(pub u32);

impl Slot {
    /// No znode.
    pub const NONE: Self = Self(u32::MAX);
    /// In place of the parent: the entry is free.
    const VACANT: Self = Self(u32::MAX - 1);
    /// The root's place.
    pub const ROOT: Self = Self(0);

    /// `None` for [`Self::NONE`].
    #[inline]
    pub fn some(self) -> Option<Self> {
        (self != Self::NONE).then_some(self)
    }
}

/// What a znode keeps of its history, and all that its digest depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct History {
    pub czxid: Zxid,
    pub mzxid: Zxid,
    pub pzxid: Zxid,
    pub ctime: WallClock,
    pub mtime: WallClock,
    /// Raw: how it is read is for the tree to say.
    pub owner: i64,
    pub version: Version,
    /// How many children it has ever had.
    pub creates: i32,
    pub aversion: Version,
    /// CRC-32 of path and data, where the digest goes on from.
    pub content: NodeDigest,
}

impl History {
    /// Of a znode just created.
    pub fn created(zxid: Zxid, time: WallClock, owner: i64, content: NodeDigest) -> Self {
        Self {
            czxid: zxid,
            mzxid: zxid,
            pzxid: zxid,
            ctime: time,
            mtime: time,
            owner,
            content,
            ..Self::default()
        }
    }

    /// The znode's kind.
    #[inline]
    pub fn kind(&self, owners: OwnerReading) -> NodeKind {
        owners.kind(self.owner)
    }

    /// What clients see.
    #[inline]
    pub fn stat(&self, owners: OwnerReading, data_length: usize, children: u32) -> Stat {
        Stat {
            czxid: self.czxid,
            mzxid: self.mzxid,
            ctime: self.ctime,
            mtime: self.mtime,
            version: self.version,
            // Each create counts once, each delete once: every child ever created is here or was deleted.
            cversion: self.creates.wrapping_mul(2).wrapping_sub(children as i32),
            aversion: self.aversion,
            ephemeral_owner: self.kind(owners).session(),
            data_length: data_length as i32,
            num_children: children as i32,
            pzxid: self.pzxid,
        }
    }

    /// A child was created, and is the parent's `creates`-th; −1: one more than the parent says itself.
    ///
    /// A replay over a fuzzy snapshot may find a newer count, which stays. The count also stays at its
    /// maximum, where a sequential name can only repeat; pzxid still moves on there.
    pub fn count_create(&mut self, creates: i32, zxid: Zxid) {
        let creates = if creates == -1 { self.creates.saturating_add(1) } else { creates };
        if creates > self.creates {
            self.creates = creates;
            self.pzxid = zxid;
        } else if self.creates == i32::MAX {
            self.pzxid = self.pzxid.max(zxid);
        }
    }
}

/// One znode.
#[derive(Debug)]
pub(crate) struct Node {
    pub history: History,
    /// What it adds to the tree's digest.
    pub digest: NodeDigest,
    pub acl: AclId,
    pub parent: Slot,
    pub first_child: Slot,
    pub next_sibling: Slot,
    pub previous_sibling: Slot,
    pub children: u32,
    /// Length of the name, and two flags.
    shape: u32,
    data_length: u32,
    /// The name, then the data.
    place: Place,
}

const NULL_DATA: u32 = 1 << 31;
const UNDIGESTED: u32 = 1 << 30;
const NAME_LENGTH: u32 = UNDIGESTED - 1;

/// A znode to be added.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewNode<'n> {
    pub parent: Slot,
    pub name: &'n str,
    pub data: Option<&'n [u8]>,
    pub history: History,
    pub acl: AclId,
    /// Whether the tree's digest covers it.
    pub is_digested: bool,
}

impl Node {
    /// Longest name that an entry can hold, far above what fits a frame.
    pub const NAME_MAX: usize = NAME_LENGTH as usize;

    #[inline]
    fn name_length(&self) -> usize {
        (self.shape & NAME_LENGTH) as usize
    }

    #[inline]
    pub fn data_length(&self) -> usize {
        self.data_length as usize
    }

    /// Of name and data.
    #[inline]
    fn length(&self) -> usize {
        self.name_length() + self.data_length()
    }

    /// Whether the tree's digest covers it.
    pub fn is_digested(&self) -> bool {
        self.shape & UNDIGESTED == 0
    }

    #[inline]
    pub fn stat(&self, owners: OwnerReading) -> Stat {
        self.history.stat(owners, self.data_length(), self.children)
    }

    pub fn is_vacant(&self) -> bool {
        self.parent == Slot::VACANT
    }
}

const CHUNK_BITS: u32 = 12;
const CHUNK: usize = 1 << CHUNK_BITS;

/// All znodes. Growing allocates one more chunk and moves nothing.
#[derive(Debug)]
pub(crate) struct Slab {
    chunks: Vec<Vec<Node>>,
    bytes: Bytes,
    /// First of the free entries, which are linked as siblings.
    free: Slot,
    live: usize,
}

impl Slab {
    pub fn new() -> Self {
        Self { chunks: Vec::new(), bytes: Bytes::new(), free: Slot::NONE, live: 0 }
    }

    /// Entries in use.
    pub fn len(&self) -> usize {
        self.live
    }

    /// Slots ever used are below this one.
    pub fn end(&self) -> u32 {
        match self.chunks.last() {
            Some(last) => ((self.chunks.len() - 1) * CHUNK + last.len()) as u32,
            None => 0,
        }
    }

    /// Adds a childless znode that is not yet linked to anything.
    pub fn insert(&mut self, new: NewNode<'_>) -> Slot {
        let flags = if new.is_digested { 0 } else { UNDIGESTED } | null_flag(new.data);
        let data = new.data.unwrap_or_default();
        let node = Node {
            history: new.history,
            digest: NodeDigest::default(),
            acl: new.acl,
            parent: new.parent,
            first_child: Slot::NONE,
            next_sibling: Slot::NONE,
            previous_sibling: Slot::NONE,
            children: 0,
            shape: new.name.len() as u32 | flags,
            data_length: data.len() as u32,
            place: self.bytes.insert(new.name.as_bytes(), data),
        };
        self.live += 1;
        if let Some(slot) = self.free.some() {
            self.free = self[slot].next_sibling;
            self[slot] = node;
            return slot;
        }
        let end = self.end();
        assert!(end < Slot::VACANT.0, "a tree has fewer than four billion znodes");
        if (end as usize).is_multiple_of(CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        self.chunks.last_mut().expect("a chunk was just added").push(node);
        Slot(end)
    }

    /// Frees an entry that is no longer linked to anything.
    pub fn remove(&mut self, slot: Slot) {
        self.live -= 1;
        let free = self.free;
        let node = &self[slot];
        let (place, length) = (node.place, node.length());
        self.bytes.remove(place, length);
        let node = &mut self[slot];
        node.parent = Slot::VACANT;
        node.next_sibling = free;
        self.free = slot;
    }

    #[inline]
    pub fn name_bytes(&self, slot: Slot) -> &[u8] {
        let node = &self[slot];
        &self.bytes.get(node.place, node.length())[..node.name_length()]
    }

    #[inline]
    pub fn name(&self, slot: Slot) -> &str {
        std::str::from_utf8(self.name_bytes(slot)).expect("a name was a string when it was stored")
    }

    #[inline]
    pub fn data(&self, slot: Slot) -> Option<&[u8]> {
        let node = &self[slot];
        (node.shape & NULL_DATA == 0)
            .then(|| &self.bytes.get(node.place, node.length())[node.name_length()..])
    }

    /// Replaces a znode's data.
    pub fn set_data(&mut self, slot: Slot, data: Option<&[u8]>) {
        let flag = null_flag(data);
        let data = data.unwrap_or_default();
        let node = &self[slot];
        let (mut place, length, name_length) = (node.place, node.length(), node.name_length());
        if data.len() == node.data_length() {
            self.bytes.get_mut(place, length)[name_length..].copy_from_slice(data);
        } else {
            let name = self.name_bytes(slot).to_vec();
            self.bytes.remove(place, length);
            place = self.bytes.insert(&name, data);
        }
        let node = &mut self[slot];
        node.place = place;
        node.data_length = data.len() as u32;
        node.shape = node.shape & !NULL_DATA | flag;
    }
}

fn null_flag(data: Option<&[u8]>) -> u32 {
    if data.is_none() { NULL_DATA } else { 0 }
}

impl Index<Slot> for Slab {
    type Output = Node;

    #[inline]
    fn index(&self, slot: Slot) -> &Node {
        &self.chunks[(slot.0 >> CHUNK_BITS) as usize][slot.0 as usize & (CHUNK - 1)]
    }
}

impl IndexMut<Slot> for Slab {
    #[inline]
    fn index_mut(&mut self, slot: Slot) -> &mut Node {
        &mut self.chunks[(slot.0 >> CHUNK_BITS) as usize][slot.0 as usize & (CHUNK - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_takes_104_bytes() {
        assert_eq!(size_of::<Node>(), 104);
    }
}
