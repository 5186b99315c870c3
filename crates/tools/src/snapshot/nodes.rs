//! The znodes of a snapshot, and which is whose child.

use std::collections::HashMap;

use zoorum_proto::snapshot::SnapshotNode;
use zoorum_proto::{Version, WallClock, Zxid};

use crate::java::{hash_of_text, hash_order};

/// Places of the table in which a znode of Java's begins to keep its children.
const CHILDREN: usize = 8;

/// A znode.
#[derive(Debug)]
pub(crate) struct Node {
    /// Its full path; the root's is empty.
    pub path: String,
    /// What it holds, if that is wanted.
    pub data: Vec<u8>,
    /// How much it holds.
    pub length: u64,
    pub czxid: Zxid,
    pub mzxid: Zxid,
    pub pzxid: Zxid,
    pub ctime: WallClock,
    pub mtime: WallClock,
    pub creates: i32,
    pub version: Version,
    pub aversion: Version,
    pub owner: i64,
    /// Where the children are, in the order of the file.
    children: Vec<usize>,
}

impl Node {
    pub(crate) fn of(node: &SnapshotNode<'_>, keeps_data: bool) -> Self {
        let data = node.data.unwrap_or_default();
        Self {
            path: node.path.clone().into_owned(),
            data: if keeps_data { data.to_vec() } else { Vec::new() },
            length: data.len() as u64,
            czxid: node.czxid,
            mzxid: node.mzxid,
            pzxid: node.pzxid,
            ctime: node.ctime,
            mtime: node.mtime,
            creates: node.creates,
            version: node.version,
            aversion: node.aversion,
            owner: node.owner,
            children: Vec::new(),
        }
    }

    /// The last part of its path; the root's is `/`.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit_once('/').map_or("/", |(_, name)| name)
    }

    /// Its path as clients know it.
    pub(crate) fn full_path(&self) -> &str {
        if self.path.is_empty() { "/" } else { &self.path }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    nodes: Vec<Node>,
    by_path: HashMap<String, usize>,
}

impl Nodes {
    /// Adds a znode behind its parent; the error says why it cannot be.
    pub(crate) fn add(&mut self, node: Node) -> Result<(), String> {
        let at = self.nodes.len();
        if self.by_path.contains_key(&node.path) {
            return Err(format!("{} is there already", node.full_path()));
        }
        if let Some((parent, _)) = node.path.rsplit_once('/') {
            let Some(&parent) = self.by_path.get(parent) else {
                return Err(format!("unable to find parent {parent} of path {}", node.path));
            };
            self.nodes[parent].children.push(at);
        }
        self.by_path.insert(node.path.clone(), at);
        self.nodes.push(node);
        Ok(())
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.nodes.len()
    }

    /// Where the root is.
    pub(crate) fn root(&self) -> Option<usize> {
        self.find("/")
    }

    /// Where the znode of that path is.
    pub(crate) fn find(&self, path: &str) -> Option<usize> {
        self.by_path.get(if path == "/" { "" } else { path }).copied()
    }

    /// The znode at a place.
    pub(crate) fn at(&self, place: usize) -> &Node {
        &self.nodes[place]
    }

    /// The places of its children, in the order in which Java's tools show them.
    pub(crate) fn children(&self, place: usize) -> Vec<usize> {
        let children = &self.nodes[place].children;
        let hashes: Vec<u32> = children.iter().map(|&child| hash_of_text(self.at(child).name())).collect();
        hash_order(&hashes, CHILDREN).into_iter().map(|at| children[at]).collect()
    }

    /// Whether it has children.
    pub(crate) fn has_children(&self, place: usize) -> bool {
        !self.nodes[place].children.is_empty()
    }

    /// Everything from `start` down, parents first.
    pub(crate) fn walk(
        &self,
        start: usize,
        mut visit: impl FnMut(Step<'_>) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        enum Todo {
            Enter(usize, usize),
            Leave(usize, usize),
        }
        // Not by recursion: a path can be as deep as it is long.
        let mut todo = vec![Todo::Enter(start, 0)];
        while let Some(next) = todo.pop() {
            match next {
                Todo::Enter(place, depth) => {
                    visit(Step::Enter { place, node: self.at(place), depth })?;
                    todo.push(Todo::Leave(place, depth));
                    let children = self.children(place);
                    todo.extend(children.into_iter().rev().map(|child| Todo::Enter(child, depth + 1)));
                }
                Todo::Leave(place, depth) => visit(Step::Leave { place, node: self.at(place), depth })?,
            }
        }
        Ok(())
    }
}

/// A walk comes to a znode before its children, and again behind them.
pub(crate) enum Step<'a> {
    Enter { place: usize, node: &'a Node, depth: usize },
    Leave { place: usize, node: &'a Node, depth: usize },
}
