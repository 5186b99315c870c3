//! Snapshots as the original takes them: each znode copied at another moment. Replaying the log over one must
//! lead to the same tree as never having stopped.

use std::collections::VecDeque;

use proptest::prelude::*;
use zoorum_proto::snapshot::{SnapshotAcl, SnapshotNode};
use zoorum_proto::{Acl, Decode, Encode, Txn};
use zoorum_tree::{Loader, Tree};

use crate::dump::dump;
use crate::history::history;
use crate::scene::Scene;

/// A walk over the tree that copies one znode at a time, as it is then.
struct Walk {
    due: VecDeque<String>,
    nodes: Vec<Vec<u8>>,
    /// Lists by number. Those that the walk meets are not in the file unless they were there at its start.
    acls: Vec<Vec<Acl<'static>>>,
}

impl Walk {
    fn number(&mut self, acl: &[Acl<'static>]) -> i64 {
        let known = self.acls.iter().position(|known| known == acl);
        let index = known.unwrap_or_else(|| {
            self.acls.push(acl.to_vec());
            self.acls.len() - 1
        });
        index as i64 + 1
    }

    /// Copies the next znode, and learns of its children.
    fn step(&mut self, tree: &Tree) -> bool {
        let Some(path) = self.due.pop_front() else { return false };
        let Some(node) = tree.node(&path) else { return true };
        self.due.extend(node.children().map(|name| format!("{path}/{name}")));
        let acl = self.number(node.acl());
        let stat = node.stat();
        let record = SnapshotNode {
            path: path.into(),
            data: node.data(),
            acl,
            czxid: stat.czxid,
            mzxid: stat.mzxid,
            ctime: stat.ctime,
            mtime: stat.mtime,
            version: stat.version,
            creates: node.creates(),
            aversion: stat.aversion,
            owner: node.kind().owner(),
            pzxid: stat.pzxid,
        };
        self.nodes.push(record.to_vec());
        true
    }
}

proptest! {
    #[test]
    fn a_replay_over_a_fuzzy_snapshot_ends_where_the_original_is(
        before in history(),
        after in history(),
        pace in 0_usize..3,
    ) {
        let mut scene = Scene::new();
        for step in &before {
            if let Some(txn) = step.prep(&mut scene) {
                scene.apply(&txn);
            }
        }
        let start = scene.tree.begin_snapshot();
        scene.tree.end_snapshot();
        let mut walk = Walk { due: [String::new()].into(), nodes: Vec::new(), acls: Vec::new() };
        for node in dump(&scene.tree).nodes.values() {
            walk.number(&node.acl);
        }
        let known = walk.acls.clone();

        let mut log = Vec::new();
        for step in &after {
            if let Some(txn) = step.prep(&mut scene) {
                scene.apply(&txn);
                log.push(txn.to_vec());
            }
            for _ in 0..pace {
                walk.step(&scene.tree);
            }
        }
        while walk.step(&scene.tree) {}

        let mut loader = Loader::new(3);
        start.sessions.into_iter().for_each(|session| loader.session(session));
        for (index, acl) in known.into_iter().enumerate() {
            loader.acl(SnapshotAcl { number: index as i64 + 1, acl });
        }
        for node in &walk.nodes {
            loader.node(&SnapshotNode::from_bytes(node).unwrap()).unwrap();
        }
        let mut replayed = loader.finish(start.zxid).unwrap();
        for txn in &log {
            replayed.apply(&Txn::from_bytes(txn).unwrap(), &mut |_| {});
        }
        prop_assert_eq!(replayed.unresolved_acls().count(), 0);
        prop_assert_eq!(dump(&replayed).without_usage(), dump(&scene.tree).without_usage());
    }

    #[test]
    fn any_transactions_in_any_order_leave_a_tree_that_adds_up(
        steps in history(),
        order in proptest::collection::vec(any::<proptest::sample::Index>(), 0..80),
    ) {
        let mut scene = Scene::new();
        let mut log = Vec::new();
        for step in &steps {
            if let Some(txn) = step.prep(&mut scene) {
                scene.apply(&txn);
                log.push(txn.to_vec());
            }
        }
        let mut tree = Tree::new(4);
        for index in order.iter().filter(|_| !log.is_empty()) {
            let txn = &log[index.index(log.len())];
            tree.apply(&Txn::from_bytes(txn).unwrap(), &mut |_| {});
        }
        let start = tree.begin_snapshot();
        let mut records = Vec::new();
        while !tree.snapshot_step(7, &mut records) {}
        tree.end_snapshot();
        let loaded = dump(&crate::dump::load(start, &records));
        prop_assert_eq!(loaded.without_usage(), dump(&tree).without_usage());
    }
}
