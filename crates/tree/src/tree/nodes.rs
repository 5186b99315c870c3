//! Finding, linking and unlinking znodes, with everything counted about them kept true.

use hashbrown::HashSet;
use zoorum_proto::mode::NodeKind;

use super::Tree;
use crate::acls::AclId;
use crate::digest::{self, NodeDigest};
use crate::names::Position;
use crate::slab::{History, NewNode, Node, Slab, Slot};

impl Tree {
    /// The child of this name.
    #[inline]
    pub(super) fn child(&self, parent: Slot, name: &str) -> Option<Slot> {
        self.names.child(&self.slab, parent, name)
    }

    /// The znode of a path. The empty path is another name of the root; what is not canonical is absent.
    #[inline]
    pub(crate) fn slot(&self, path: &str) -> Option<Slot> {
        if path.is_empty() || path == "/" {
            return Some(Slot::ROOT);
        }
        path.strip_prefix('/')?.split('/').try_fold(Slot::ROOT, |parent, name| self.child(parent, name))
    }

    #[inline]
    pub(crate) fn at(&self, slot: Slot) -> &Node {
        &self.slab[slot]
    }

    /// The full path; the root's is `/`.
    pub(super) fn path_of(&self, slot: Slot) -> String {
        if slot == Slot::ROOT {
            return "/".to_owned();
        }
        let mut path = String::new();
        self.push_path(slot, &mut path);
        path
    }

    /// Appends the full path; the root's is empty.
    pub(super) fn push_path(&self, slot: Slot, path: &mut String) {
        let mut names = Vec::new();
        let mut at = slot;
        while let Some(parent) = self.slab[at].parent.some() {
            names.push(at);
            at = parent;
        }
        for &at in names.iter().rev() {
            path.push('/');
            path.push_str(self.slab.name(at));
        }
    }

    /// Bytes of the full path, of which the root's has one.
    fn path_length(&self, slot: Slot) -> u64 {
        let (mut length, mut at) = (0, slot);
        while let Some(parent) = self.slab[at].parent.some() {
            length += 1 + self.slab.name_bytes(at).len() as u64;
            at = parent;
        }
        length.max(1)
    }

    /// The children, youngest first.
    pub(super) fn children_of(&self, parent: Slot) -> impl Iterator<Item = Slot> {
        std::iter::successors(self.slab[parent].first_child.some(), |&at| self.slab[at].next_sibling.some())
    }

    /// Calls `visit` with the znode and all its descendants, parents first.
    pub(super) fn walk(&self, top: Slot, mut visit: impl FnMut(Slot)) {
        let mut at = top;
        loop {
            visit(at);
            if let Some(child) = self.slab[at].first_child.some() {
                at = child;
                continue;
            }
            loop {
                if at == top {
                    return;
                }
                if let Some(next) = self.slab[at].next_sibling.some() {
                    at = next;
                    break;
                }
                at = self.slab[at].parent;
            }
        }
    }

    /// Adds a znode in a position that is free. The parent gets a child and nothing else: its history is the
    /// caller's. `acl` has been acquired for it.
    pub(super) fn attach(
        &mut self,
        position: &Position<'_>,
        data: Option<&[u8]>,
        history: History,
        acl: AclId,
    ) -> Slot {
        let slot = self.attach_unnamed(position, data, history, acl);
        if position.parent != Slot::NONE {
            self.names.insert(&self.slab, position.newcomer(slot));
        }
        slot
    }

    /// The same, but for its name, by which it cannot be found yet.
    pub(super) fn attach_unnamed(
        &mut self,
        position: &Position<'_>,
        data: Option<&[u8]>,
        history: History,
        acl: AclId,
    ) -> Slot {
        let &Position { parent, path, name, .. } = position;
        let is_digested = digest::covers(path);
        let slot = self.slab.insert(NewNode { parent, name, data, history, acl, is_digested });
        if let Some(pass) = &mut self.pass {
            pass.skip(slot);
        }
        if let Some(parent) = parent.some() {
            self.unwatch_expiry(parent);
            link(&mut self.slab, parent, slot);
        }
        self.data_size += path.len() as u64 + data.map_or(0, <[u8]>::len) as u64;
        self.rehash(slot);
        self.note_owner(slot);
        slot
    }

    /// Files the znode under its session, or among those that may expire.
    pub(super) fn note_owner(&mut self, slot: Slot) {
        match self.slab[slot].history.kind(self.owners) {
            NodeKind::Ephemeral(session) => {
                let new = || HashSet::with_hasher(self.seed.clone());
                let owned = self.ephemerals.entry(session).or_insert_with(new);
                self.ephemeral_count += usize::from(owned.insert(slot));
            }
            NodeKind::Ttl(_) => self.ttl_count += 1,
            NodeKind::Persistent | NodeKind::Container => {}
        }
        self.watch_expiry(slot);
    }

    /// Undoes [`Self::note_owner`].
    pub(super) fn forget_owner(&mut self, slot: Slot) {
        match self.slab[slot].history.kind(self.owners) {
            NodeKind::Ephemeral(session) => {
                if let Some(owned) = self.ephemerals.get_mut(&session) {
                    self.ephemeral_count -= usize::from(owned.remove(&slot));
                    if owned.is_empty() {
                        self.ephemerals.remove(&session);
                    }
                }
            }
            NodeKind::Ttl(_) => self.ttl_count -= 1,
            NodeKind::Persistent | NodeKind::Container => {}
        }
        self.unwatch_expiry(slot);
    }

    /// Removes a znode, and its descendants: in a fuzzy snapshot there can be some, which a replay will create
    /// again. The root stays.
    pub(super) fn detach(&mut self, top: Slot) {
        let mut doomed = Vec::new();
        if self.slab[top].children > 0 {
            self.walk(top, |slot| doomed.push(slot));
        } else {
            doomed.push(top);
        }
        for slot in doomed.into_iter().rev() {
            self.detach_leaf(slot);
        }
    }

    fn detach_leaf(&mut self, slot: Slot) {
        let parent = self.slab[slot].parent;
        self.preserve(slot);
        self.forget_owner(slot);
        self.data_size -= self.path_length(slot) + self.slab[slot].data_length() as u64;
        let node = &self.slab[slot];
        self.digest.replace(node.digest, NodeDigest::default());
        self.acls.release(node.acl);
        self.names.remove(&self.slab, slot);
        unlink(&mut self.slab, slot);
        self.slab.remove(slot);
        self.watch_expiry(parent);
    }

    /// Changes a znode's history, and what depends on it.
    pub(super) fn revise(&mut self, slot: Slot, change: impl FnOnce(&mut History)) {
        self.preserve(slot);
        self.unwatch_expiry(slot);
        change(&mut self.slab[slot].history);
        self.rehash(slot);
        self.watch_expiry(slot);
    }

    /// Replaces a znode's data; its history is the caller's.
    pub(crate) fn replace_data(&mut self, slot: Slot, path: &str, data: Option<&[u8]>) {
        self.preserve(slot);
        self.data_size -= self.slab[slot].data_length() as u64;
        self.slab.set_data(slot, data);
        self.data_size += self.slab[slot].data_length() as u64;
        self.slab[slot].history.content = NodeDigest::of_content(path, data);
        self.rehash(slot);
    }

    /// Replaces a znode's ACL.
    pub(super) fn replace_acl(&mut self, slot: Slot, acl: &[zoorum_proto::Acl<'_>]) {
        self.preserve(slot);
        let new = self.acls.acquire(acl);
        let old = std::mem::replace(&mut self.slab[slot].acl, new);
        self.acls.release(old);
    }

    fn rehash(&mut self, slot: Slot) {
        let node = &mut self.slab[slot];
        if node.is_digested() {
            let new = NodeDigest::of_node(&node.history);
            self.digest.replace(std::mem::replace(&mut node.digest, new), new);
        }
    }
}

fn link(slab: &mut Slab, parent: Slot, child: Slot) {
    let first = std::mem::replace(&mut slab[parent].first_child, child);
    slab[parent].children += 1;
    slab[child].next_sibling = first;
    if let Some(first) = first.some() {
        slab[first].previous_sibling = child;
    }
}

fn unlink(slab: &mut Slab, child: Slot) {
    let Node { parent, previous_sibling: previous, next_sibling: next, .. } = slab[child];
    match previous.some() {
        Some(previous) => slab[previous].next_sibling = next,
        None => slab[parent].first_child = next,
    }
    if let Some(next) = next.some() {
        slab[next].previous_sibling = previous;
    }
    slab[parent].children -= 1;
}
