//! A tree, taken down in full, so that two can be compared.

use std::collections::BTreeMap;

use zoorum_proto::mode::NodeKind;
use zoorum_proto::snapshot::{SnapshotNode, SnapshotSession};
use zoorum_proto::{Acl, Decode, Reader, Stat};
use zoorum_tree::{Loader, SnapshotStart, Tree};

/// All that can be seen of one znode.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub data: Option<Vec<u8>>,
    pub stat: Stat,
    pub acl: Vec<Acl<'static>>,
    pub kind: NodeKind,
    pub creates: i32,
}

/// All that can be seen of a tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Dump {
    pub nodes: BTreeMap<String, Seen>,
    pub sessions: Vec<SnapshotSession>,
    pub ephemerals: BTreeMap<i64, Vec<String>>,
    pub ephemeral_count: usize,
    pub digest: i64,
    pub data_size: u64,
}

impl Dump {
    /// Leaves out what quotas say is used. It is counted afresh on loading, and off before that where limits
    /// came after the usage.
    pub fn without_usage(mut self) -> Self {
        let usage = self.nodes.iter_mut().filter(|(path, _)| path.ends_with("/zookeeper_stats"));
        for (_, node) in usage {
            let data = node.data.take().unwrap_or_default();
            self.data_size -= data.len() as u64;
            node.stat.data_length = 0;
        }
        self
    }
}

pub fn dump(tree: &Tree) -> Dump {
    let mut nodes = BTreeMap::new();
    let mut due = vec!["/".to_owned()];
    while let Some(path) = due.pop() {
        let node = tree.node(&path).expect("its parent lists it");
        let prefix = if path == "/" { "" } else { &*path };
        due.extend(node.children().map(|name| format!("{prefix}/{name}")));
        assert_eq!(node.children().count(), node.child_count());
        let seen = Seen {
            data: node.data().map(<[u8]>::to_vec),
            stat: node.stat(),
            acl: node.acl().to_vec(),
            kind: node.kind(),
            creates: node.creates(),
        };
        nodes.insert(path, seen);
    }
    assert_eq!(nodes.len(), tree.node_count(), "every znode can be reached");
    let mut sessions: Vec<_> = tree.sessions().collect();
    sessions.sort_by_key(|session| session.session);
    let owners = tree.sessions_with_ephemerals();
    Dump {
        nodes,
        sessions,
        ephemerals: owners.map(|owner| (owner.0, tree.ephemerals(owner))).collect(),
        ephemeral_count: tree.ephemeral_count(),
        digest: tree.digest(),
        data_size: tree.approximate_data_size(),
    }
}

/// Loads a snapshot whose znodes are `records`.
pub fn load(start: SnapshotStart, records: &[u8]) -> Tree {
    let mut loader = Loader::new(9);
    start.sessions.into_iter().for_each(|session| loader.session(session));
    start.acls.into_iter().for_each(|acl| loader.acl(acl));
    let mut input = Reader::new(records);
    while !input.rest().is_empty() {
        let node = SnapshotNode::decode(&mut input).expect("the records are whole");
        loader.node(&node).expect("parents come before children");
    }
    loader.finish(start.zxid).expect("the root is there")
}
