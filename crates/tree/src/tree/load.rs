//! Building a tree from a snapshot, fuzzy ones included.

use hashbrown::HashMap;
use zoorum_proto::mode::OwnerReading;
use zoorum_proto::snapshot::{OPEN_ACL, SnapshotAcl, SnapshotNode, SnapshotSession};
use zoorum_proto::{Zxid, path};

use super::Tree;
use crate::acls::AclId;
use crate::digest::NodeDigest;
use crate::hash::Seeded;
use crate::names::Newcomer;
use crate::quota;
use crate::slab::{History, Node, Slot};

/// Why a snapshot makes no tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// A znode comes before its parent, or without.
    #[error("the snapshot has no parent for {path}")]
    NoParent {
        /// Whose.
        path: String,
    },
    /// A znode's path is none.
    #[error("the snapshot has a znode at {path:?}, which is no path")]
    BadPath {
        /// What stands there.
        path: String,
    },
    /// The root never came.
    #[error("the snapshot has no root")]
    NoRoot,
}

/// Newcomers that are named together: some dozens for each part of the table.
const NEWCOMERS: usize = 1 << 16;

/// Builds a tree from the records of a snapshot, in the order of the file.
#[derive(Debug)]
pub struct Loader {
    tree: Tree,
    /// By number in the file. Each list is kept in use until the end.
    acls: HashMap<i64, AclId, Seeded>,
    parents: Parents,
    /// Znodes that have their place in the tree, though not among the names: those wait until they are many, or
    /// until one of them is asked for.
    newcomers: Vec<Newcomer>,
    has_root: bool,
}

impl Loader {
    /// Begins with a new database, all of which the snapshot replaces.
    pub fn new(seed: u64) -> Self {
        Self::with_owners(seed, OwnerReading::default())
    }

    /// The same, with another way to read what kind a znode is of.
    pub fn with_owners(seed: u64, owners: OwnerReading) -> Self {
        let acls = HashMap::with_hasher(Seeded::new(seed));
        Self {
            tree: Tree::with_owners(seed, owners),
            acls,
            parents: Parents::new(seed),
            newcomers: Vec::new(),
            has_root: false,
        }
    }

    /// About how many znodes there will be; see [`Tree::expect`].
    pub fn expect(&mut self, znodes: u64) {
        self.tree.expect(znodes);
    }

    /// An open session.
    pub fn session(&mut self, session: SnapshotSession) {
        self.tree.sessions.insert(session.session, session.timeout_ms);
    }

    /// An ACL list, under its number. The later one counts if a number comes twice.
    pub fn acl(&mut self, acl: SnapshotAcl<'_>) {
        let id = self.tree.acls.acquire(&acl.acl);
        if let Some(earlier) = self.acls.insert(acl.number, id) {
            self.tree.acls.release(earlier);
        }
    }

    /// A znode, behind its parent.
    ///
    /// # Errors
    ///
    /// If it is no path, or its parent has not come.
    pub fn node(&mut self, node: &SnapshotNode<'_>) -> Result<(), LoadError> {
        self.tree.highest_loaded = self.tree.highest_loaded.max(node.mzxid).max(node.pzxid);
        let (parent_path, name) = match path::split(&node.path) {
            None if node.path.is_empty() => {
                self.has_root = true;
                let acl = self.acquire(node.acl);
                self.replace(Slot::ROOT, &node.path, node.data, history(node), acl);
                return Ok(());
            }
            Some((parent, name)) if !name.is_empty() && name.len() <= Node::NAME_MAX => (parent, name),
            _ => return Err(LoadError::BadPath { path: node.path.to_string() }),
        };
        let Some(parent) = self.parent(parent_path) else {
            return Err(LoadError::NoParent { path: node.path.to_string() });
        };
        let acl = self.acquire(node.acl);
        let position = self.tree.names.position(parent, &node.path, name);
        let slot = self.tree.attach_unnamed(&position, node.data, history(node), acl);
        self.newcomers.push(position.newcomer(slot));
        if self.newcomers.len() == NEWCOMERS {
            self.name_newcomers();
        }
        Ok(())
    }

    /// The tree as it was at `zxid`, or later in parts if the snapshot is fuzzy. Usage of quotas is counted
    /// afresh, and ACL lists that no znode has are dropped.
    ///
    /// # Errors
    ///
    /// If no root came.
    pub fn finish(mut self, zxid: Zxid) -> Result<Tree, LoadError> {
        if !self.has_root {
            return Err(LoadError::NoRoot);
        }
        self.name_newcomers();
        for (_, id) in self.acls.drain() {
            self.tree.acls.release(id);
        }
        self.tree.last_zxid = zxid;
        self.tree.recount_quotas();
        self.tree.expect_no_more();
        Ok(self.tree)
    }

    fn parent(&mut self, path: &str) -> Option<Slot> {
        self.parents.find(&self.tree, path).or_else(|| {
            self.name_newcomers();
            self.parents.find(&self.tree, path)
        })
    }

    /// From here on all znodes are found by their names. One that was there before, as the built-in ones are,
    /// becomes what the later one is. That has no children: they found the earlier one.
    fn name_newcomers(&mut self) {
        self.tree.names.insert_all(&self.tree.slab, &mut self.newcomers);
        for Newcomer { slot: later, .. } in std::mem::take(&mut self.newcomers) {
            let tree = &mut self.tree;
            let path = tree.path_of(later);
            let earlier = tree.slot(&path).expect("the later one was not named because of it");
            let (data, history) = (tree.slab.data(later).map(<[u8]>::to_vec), tree.slab[later].history);
            let acl = tree.slab[later].acl;
            tree.acls.retain(acl);
            tree.detach(later);
            self.replace(earlier, &path, data.as_deref(), history, acl);
        }
    }

    /// Makes a znode what the snapshot says. `acl` has been acquired for it.
    fn replace(&mut self, slot: Slot, path: &str, data: Option<&[u8]>, history: History, acl: AclId) {
        let tree = &mut self.tree;
        tree.forget_owner(slot);
        let old = std::mem::replace(&mut tree.slab[slot].acl, acl);
        tree.acls.release(old);
        tree.replace_data(slot, path, data);
        tree.revise(slot, |old| *old = history);
        tree.note_owner(slot);
    }

    fn acquire(&mut self, number: i64) -> AclId {
        if number == OPEN_ACL {
            return AclId::OPEN;
        }
        let acls = &mut self.tree.acls;
        let id = *self.acls.entry(number).or_insert_with(|| acls.acquire_unresolved(number));
        acls.retain(id);
        id
    }
}

/// Parents met of late. Znodes of one parent come together in the original's snapshots, and those of a few
/// parents in ours; nothing is removed while a tree is built, so what was found stays true.
#[derive(Debug)]
struct Parents {
    seed: Seeded,
    /// Each in the place that its path's hash says, if no other was found since.
    found: Vec<(String, Slot)>,
}

impl Parents {
    const PLACES: usize = 64;

    fn new(seed: u64) -> Self {
        Self { seed: Seeded::new(seed), found: vec![(String::new(), Slot::ROOT); Self::PLACES] }
    }

    fn find(&mut self, tree: &Tree, path: &str) -> Option<Slot> {
        let place = self.seed.bytes(0, path.as_bytes()) as usize % Self::PLACES;
        let found = &mut self.found[place];
        if found.0 != path {
            let slot = tree.slot(path)?;
            path.clone_into(&mut found.0);
            found.1 = slot;
        }
        Some(found.1)
    }
}

fn history(node: &SnapshotNode<'_>) -> History {
    History {
        czxid: node.czxid,
        mzxid: node.mzxid,
        pzxid: node.pzxid,
        ctime: node.ctime,
        mtime: node.mtime,
        owner: node.owner,
        version: node.version,
        creates: node.creates,
        aversion: node.aversion,
        content: NodeDigest::of_content(&node.path, node.data),
    }
}

impl Tree {
    /// Told while a tree is built, about how many znodes it will have: they find their place without others
    /// being moved. Whoever tells this says [`Self::expect_no_more`] at the end.
    ///
    /// Room is made for eight times as many as there are at most: it is a guess.
    pub fn expect(&mut self, znodes: u64) {
        let most = self.node_count().saturating_mul(8);
        let znodes = usize::try_from(znodes).map_or(most, |znodes| znodes.min(most));
        self.names.reserve(&self.slab, znodes);
    }

    /// Gives back the room for znodes that were expected and did not come.
    pub fn expect_no_more(&mut self) {
        self.names.shrink(&self.slab);
    }

    fn recount_quotas(&mut self) {
        let mut accounted = Vec::new();
        if let Some(top) = self.slot(path::QUOTA) {
            self.walk(top, |slot| {
                if self.slab.name_bytes(slot) == path::QUOTA_LIMITS.as_bytes() {
                    let parent = self.path_of(self.slab[slot].parent);
                    accounted.extend(quota::accounted_path(&parent).map(Box::<str>::from));
                }
            });
        }
        for path in accounted {
            self.recount(&path);
            self.quotas.insert(path);
        }
    }
}
