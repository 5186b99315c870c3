//! Looking at znodes.

use zoorum_proto::Stat;
use zoorum_proto::mode::NodeKind;

use super::Tree;
use crate::acls::AclList;
use crate::slab::{Node, Slot};

impl Tree {
    /// The znode of a path. The empty path is another name of the root; any other string that is not a
    /// canonical path is simply absent.
    #[inline]
    pub fn node(&self, path: &str) -> Option<NodeRef<'_>> {
        let slot = self.slot(path)?;
        Some(NodeRef { tree: self, slot, node: &self.slab[slot] })
    }

    /// How many znodes are below the one of this path. Walks them, unless it is the root.
    pub fn descendants(&self, path: &str) -> Option<usize> {
        let slot = self.slot(path)?;
        if slot == Slot::ROOT {
            return Some(self.slab.len() - 1);
        }
        let mut count = 0;
        self.walk(slot, |_| count += 1);
        Some(count - 1)
    }
}

/// A znode in the tree.
#[derive(Clone, Copy, Debug)]
pub struct NodeRef<'a> {
    tree: &'a Tree,
    slot: Slot,
    node: &'a Node,
}

impl<'a> NodeRef<'a> {
    /// Its data; null and empty are told apart.
    #[inline]
    pub fn data(&self) -> Option<&'a [u8]> {
        self.tree.slab.data(self.slot)
    }

    /// What clients see of its history.
    #[inline]
    pub fn stat(&self) -> Stat {
        self.node.stat(self.tree.owners)
    }

    /// Who may do what with it.
    #[inline]
    pub fn acl(&self) -> &'a AclList {
        self.tree.acls.list(self.node.acl)
    }

    /// Names of its children, in no order that means anything.
    pub fn children(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let tree = self.tree;
        tree.children_of(self.slot).map(|child| tree.slab.name(child))
    }

    /// How many children it has.
    pub fn child_count(&self) -> usize {
        self.node.children as usize
    }

    /// Its kind.
    pub fn kind(&self) -> NodeKind {
        self.node.history.kind(self.tree.owners)
    }

    /// How many children it has ever had: what sequential names count by.
    pub fn creates(&self) -> i32 {
        self.node.history.creates
    }
}
