//! Snapshots are the tree at one point in time, however it changes while they are written.

use proptest::prelude::*;
use zoorum_proto::mode::{NodeKind, OwnerReading};
use zoorum_proto::snapshot::{SnapshotAcl, SnapshotNode, SnapshotSession};
use zoorum_proto::{Acl, Permissions, SessionId, Version, WallClock, Zxid};
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

#[test]
fn the_configuration_is_shown_without_a_place_in_history() {
    let mut tree = Tree::new(7);
    let (zxid, digest) = (tree.last_zxid(), tree.digest());
    tree.show_config("server.1=a:1:2\nversion=0", WallClock(70));
    tree.show_config("server.1=a:1:2\nversion=0", WallClock(80));
    let node = tree.node("/zookeeper/config").expect("it is always there");
    assert_eq!(node.data(), Some(&b"server.1=a:1:2\nversion=0"[..]));
    let stat = node.stat();
    assert_eq!((stat.mtime, stat.version, stat.mzxid), (WallClock(70), Version(-1), Zxid(0)));
    assert_eq!((tree.last_zxid(), tree.digest()), (zxid, digest));
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
fn a_znode_that_comes_twice_is_the_later_one_with_all_children() {
    let paths: Vec<_> = (0..3000).map(|index| format!("/a/{index}")).collect();
    let mut loader = Loader::new(1);
    loader.expect(100_000);
    for path in ["", "/a", "/a/ephemeral"] {
        loader.node(&record(path)).unwrap();
    }
    paths.iter().for_each(|path| loader.node(&record(path)).unwrap());
    loader.node(&record("/a/7/below")).unwrap();
    for path in ["/a/7", "/a/2999", "/a/ephemeral", "/zookeeper"] {
        loader.node(&SnapshotNode { data: Some(b"early"), ..record(path) }).unwrap();
        loader.node(&SnapshotNode { data: Some(b"late"), owner: 0, ..record(path) }).unwrap();
    }
    let tree = loader.finish(Zxid(8)).unwrap();
    assert_eq!(tree.node_count(), 4 + 2 + paths.len() + 1);
    assert_eq!(tree.node("/a").unwrap().children().count(), 1 + paths.len());
    assert_eq!(tree.node("/a/7").unwrap().children().count(), 1);
    assert_eq!(tree.ephemeral_count(), 0, "the later one is none");
    assert!(paths.iter().all(|path| tree.node(path).is_some()));
    for path in ["/a/7", "/a/2999", "/a/ephemeral", "/zookeeper"] {
        assert_eq!(tree.node(path).unwrap().data(), Some(&b"late"[..]), "{path}");
    }
    let again = [record(""), record("/a"), record("/a/7/below")].into_iter().map(|node| node.path.len());
    let sizes = again.sum::<usize>() + paths.iter().map(String::len).sum::<usize>() + 4 * "late".len();
    let built_in = "/".len() + "/zookeeper/zookeeper/quota/zookeeper/config".len() + "/a/ephemeral".len();
    assert_eq!(tree.approximate_data_size(), (sizes + built_in) as u64);
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

#[test]
fn times_to_live_of_release_3_5_3_are_understood_where_that_is_emulated() {
    let owner = i64::MIN | 1000;
    let load = |owners| {
        let mut loader = Loader::with_owners(1, owners);
        loader.node(&record("")).unwrap();
        loader.node(&SnapshotNode { owner, ..record("/a") }).unwrap();
        loader.node(&SnapshotNode { owner: i64::MIN, ..record("/container") }).unwrap();
        loader.finish(Zxid(1)).unwrap()
    };
    let mut emulating = load(OwnerReading::Emulating353);
    assert!(emulating.has_ttl_nodes());
    let node = emulating.node("/a").unwrap();
    assert_eq!((node.kind(), node.stat().ephemeral_owner), (NodeKind::Ttl(1000), SessionId::NONE));
    assert_eq!(emulating.node("/container").unwrap().kind(), NodeKind::Container);
    assert_eq!(emulating.removable(WallClock(1002), None), ["/a"], "its time is up");
    emulating.begin_snapshot();
    let mut records = Vec::new();
    emulating.snapshot_step(10, &mut records);
    assert!(records.windows(8).any(|bytes| bytes == owner.to_be_bytes()), "it is written as it was");

    let current = load(OwnerReading::Current);
    assert!(!current.has_ttl_nodes());
    assert_eq!(current.node("/a").unwrap().kind(), NodeKind::Ephemeral(SessionId(owner)));
    assert_eq!(current.digest(), emulating.digest());
}
