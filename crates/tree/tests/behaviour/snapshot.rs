//! Snapshots are the tree at one point in time, however it changes while they are written.

use proptest::prelude::*;
use zoorum_proto::snapshot::{SnapshotAcl, SnapshotNode, SnapshotSession};
use zoorum_proto::{Acl, Permissions, SessionId, Zxid};
use zoorum_tree::{LoadError, Loader, Tree};

use crate::dump::{dump, load};
use crate::history::{Step, history};
use crate::scene::Scene;

/// Runs a step, applied at once.
fn run(scene: &mut Scene, step: &Step) {
    if let Some(txn) = step.prep(scene) {
        scene.apply(&txn);
    }
}

proptest! {
    #[test]
    fn a_snapshot_under_changes_is_the_tree_at_its_mark(
        before in history(),
        during in proptest::collection::vec((history(), 0_usize..4), 0..4),
        rest in 1_usize..50,
    ) {
        let mut scene = Scene::new();
        before.iter().for_each(|step| run(&mut scene, step));
        let expected = dump(&scene.tree);
        let start = scene.tree.begin_snapshot();
        prop_assert_eq!(start.digest, expected.digest);
        let mut records = Vec::new();
        for (steps, nodes) in &during {
            steps.iter().for_each(|step| run(&mut scene, step));
            scene.tree.snapshot_step(*nodes, &mut records);
        }
        while !scene.tree.snapshot_step(rest, &mut records) {}
        scene.tree.end_snapshot();
        let loaded = load(start, &records);
        prop_assert_eq!(dump(&loaded).without_usage(), expected.without_usage());
        prop_assert_eq!(loaded.unresolved_acls().count(), 0);
    }
}

#[test]
fn a_new_tree_is_written_as_zookeeper_writes_it() {
    let mut tree = Tree::new(1);
    let start = tree.begin_snapshot();
    assert_eq!((start.zxid, start.digest, start.sessions.len()), (Zxid::ZERO, 1_371_985_504, 0));
    let read_only = vec![Acl::world(Permissions::READ)];
    assert_eq!(start.acls, [SnapshotAcl { number: 1, acl: read_only }]);
    let mut records = Vec::new();
    assert!(tree.snapshot_step(100, &mut records));
    let root = [[0; 4].as_slice(), &[0; 4], &[0xff; 8], &[0; 60]].concat();
    assert_eq!(records[..root.len()], root);
    // Four records: paths and data with their lengths, then 68 bytes each.
    assert_eq!(records.len(), 4 * (4 + 4 + 68) + "/zookeeper/zookeeper/quota/zookeeper/config".len());
}

#[test]
fn a_step_writes_no_more_znodes_than_it_may() {
    let mut scene = Scene::with(&["/a", "/b"]);
    scene.tree.begin_snapshot();
    let mut steps = 0;
    let mut records = Vec::new();
    while !scene.tree.snapshot_step(1, &mut records) {
        steps += 1;
    }
    assert_eq!(steps, 5, "the sixth znode ends it");
}

fn record(path: &str) -> SnapshotNode<'_> {
    let mut loader_record = SnapshotNode {
        path: path.into(),
        data: Some(b""),
        acl: -1,
        czxid: Zxid(1),
        mzxid: Zxid(1),
        ctime: zoorum_proto::WallClock(1),
        mtime: zoorum_proto::WallClock(1),
        version: zoorum_proto::Version(0),
        creates: 0,
        aversion: zoorum_proto::Version(0),
        owner: 0,
        pzxid: Zxid(1),
    };
    if path.ends_with("ephemeral") {
        loader_record.owner = 5;
    }
    loader_record
}

#[test]
fn a_snapshot_that_makes_no_tree_is_refused() {
    let mut loader = Loader::new(1);
    assert_eq!(loader.node(&record("/a/b")), Err(LoadError::NoParent { path: "/a/b".into() }));
    for path in ["a", "/", "/a/"] {
        let refused = Err(LoadError::BadPath { path: path.into() });
        assert_eq!(loader.node(&record(path)), refused, "{path:?}");
    }
    assert_eq!(loader.finish(Zxid(1)).map(drop), Err(LoadError::NoRoot));
}

#[test]
fn loading_rebuilds_what_files_do_not_keep() {
    let mut loader = Loader::new(1);
    loader.session(SnapshotSession { session: SessionId(5), timeout_ms: 3000 });
    loader.acl(SnapshotAcl { number: 77, acl: vec![Acl::world(Permissions::READ)] });
    for path in ["", "/zookeeper", "/zookeeper/quota", "/a", "/a/ephemeral", "/zookeeper/quota/a"] {
        loader.node(&record(path)).unwrap();
    }
    loader.node(&SnapshotNode { acl: 77, ..record("/b") }).unwrap();
    loader
        .node(&SnapshotNode { data: Some(b"count=9"), ..record("/zookeeper/quota/a/zookeeper_stats") })
        .unwrap();
    loader.node(&record("/zookeeper/quota/a/zookeeper_limits")).unwrap();
    let mut tree = loader.finish(Zxid(8)).unwrap();
    assert_eq!(tree.last_zxid(), Zxid(8));
    assert_eq!(tree.ephemerals(SessionId(5)), ["/a/ephemeral"]);
    assert_eq!(tree.session_timeout(SessionId(5)), Some(3000));
    let usage = tree.node("/zookeeper/quota/a/zookeeper_stats").unwrap().data();
    assert_eq!(usage, Some(&b"count=2,bytes=0"[..]));
    assert!(tree.node("/zookeeper/config").is_some(), "old snapshots lack it");
    assert_eq!(tree.begin_snapshot().acls.len(), 1, "the config znode and /b share a list");
}

#[test]
fn an_unknown_acl_shuts_everybody_but_super_out_until_a_replay_explains_it() {
    let mut loader = Loader::new(1);
    loader.node(&record("")).unwrap();
    loader.node(&SnapshotNode { acl: 4, ..record("/a") }).unwrap();
    loader.node(&SnapshotNode { acl: 4, ..record("/b") }).unwrap();
    let mut scene = Scene::new();
    scene.tree = loader.finish(Zxid(0)).unwrap();
    assert_eq!(scene.tree.unresolved_acls().collect::<Vec<_>>(), [(4, 2)]);
    assert_eq!(scene.set_data("/a", "", -1), Err(zoorum_proto::ErrorCode::NoAuth));
    scene.ids = vec![zoorum_proto::AuthId::new("super", "")];
    scene.set_data("/a", "", -1).unwrap();
    scene.set_acl("/a", vec![crate::scene::OPEN], -1).unwrap();
    scene.delete("/b", -1).unwrap();
    assert_eq!(scene.tree.unresolved_acls().count(), 0);
}
