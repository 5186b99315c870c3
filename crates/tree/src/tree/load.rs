//! Building a tree from a snapshot, fuzzy ones included.

use hashbrown::HashMap;
use zoorum_proto::snapshot::{OPEN_ACL, SnapshotAcl, SnapshotNode, SnapshotSession};
use zoorum_proto::{Zxid, path};

use super::Tree;
use crate::acls::AclId;
use crate::digest::NodeDigest;
use crate::hash::Seeded;
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

/// Builds a tree from the records of a snapshot, in the order of the file.
#[derive(Debug)]
pub struct Loader {
    tree: Tree,
    /// By number in the file. Each list is kept in use until the end.
    acls: HashMap<i64, AclId, Seeded>,
    has_root: bool,
}

impl Loader {
    /// Begins with a new database, all of which the snapshot replaces.
    pub fn new(seed: u64) -> Self {
        let acls = HashMap::with_hasher(Seeded::new(seed));
        Self { tree: Tree::new(seed), acls, has_root: false }
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
        let (parent_path, name) = match path::split(&node.path) {
            None if node.path.is_empty() => {
                self.has_root = true;
                self.replace(Slot::ROOT, node);
                return Ok(());
            }
            Some((parent, name)) if !name.is_empty() && name.len() <= Node::NAME_MAX => (parent, name),
            _ => return Err(LoadError::BadPath { path: node.path.to_string() }),
        };
        let Some(parent) = self.tree.slot(parent_path) else {
            return Err(LoadError::NoParent { path: node.path.to_string() });
        };
        if let Some(existing) = self.tree.child(parent, name) {
            self.replace(existing, node);
            return Ok(());
        }
        let acl = self.acquire(node.acl);
        self.tree.attach(parent, &node.path, name, node.data, history(node), acl);
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
        for (_, id) in self.acls {
            self.tree.acls.release(id);
        }
        self.tree.last_zxid = zxid;
        self.tree.recount_quotas();
        Ok(self.tree)
    }

    /// Makes a built-in znode what the snapshot says.
    fn replace(&mut self, slot: Slot, node: &SnapshotNode<'_>) {
        let acl = self.acquire(node.acl);
        let tree = &mut self.tree;
        tree.forget_owner(slot);
        let old = std::mem::replace(&mut tree.slab[slot].acl, acl);
        tree.acls.release(old);
        tree.replace_data(slot, &node.path, node.data);
        tree.revise(slot, |old| *old = history(node));
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
