//! Everything but creation, row by row.

use std::time::Duration;

use zoorum_proto::ErrorCode::{
    BadArguments, BadVersion, InvalidAcl, NoAuth, NoNode, NotEmpty, ReconfigDisabled, Unimplemented,
};
use zoorum_proto::op::{CreateOp, CreateRequest, MultiOp, ReconfigRequest, WriteOp};
use zoorum_proto::txn::{SetDataTxn, TxnDigest};
use zoorum_proto::{AuthId, Encode, Permissions, SessionId, TxnBody, Version, WallClock, Zxid};
use zoorum_tree::{ChangeKind, Outcome, Tree};

use crate::scene::{OPEN, Scene, check, create, delete, requested, set_data};

#[test]
fn a_new_tree_has_zookeepers_four_znodes() {
    let tree = Tree::new(5);
    assert_eq!(tree.node_count(), 4);
    assert_eq!(tree.descendants("/"), Some(3));
    assert_eq!(tree.descendants("/zookeeper"), Some(2));
    assert_eq!(tree.descendants("/missing"), None);
    assert_eq!(tree.approximate_data_size(), 44);
    let stat = |path: &str| tree.node(path).unwrap().stat();
    assert_eq!((stat("/").cversion, stat("/").num_children), (-1, 1));
    assert_eq!((stat("/zookeeper").cversion, stat("/zookeeper").num_children), (-2, 2));
    assert_eq!(stat("/zookeeper/config").aversion, Version(-1));
    let config = tree.node("/zookeeper/config").unwrap();
    assert_eq!(config.acl()[0].perms, Permissions::READ);
    assert_eq!(config.data(), Some(&[][..]));
    assert_eq!(tree.digest(), 1_371_985_504);
}

#[test]
fn a_tree_can_be_shared_between_threads() {
    fn is_shared<T: Send + Sync>(_: &T) {}
    is_shared(&Tree::new(1));
    assert!(!Tree::new(1).has_ttl_nodes());
}

#[test]
fn digests_are_the_originals() {
    let mut scene = Scene::new();
    scene.zxid = Zxid(1);
    scene.time = 1_795_223_727_658;
    let txn = scene.prep(&WriteOp::Create(create("/a", 0, "x")));
    assert_eq!(txn.digest, Some(TxnDigest { version: 2, value: 0xa6b0_4f41 }));
    scene.apply(&txn);
    assert_eq!(scene.tree.digest(), 2_796_572_481);
}

#[test]
fn only_canonical_paths_are_found() {
    let scene = Scene::with(&["/a", "/a/b"]);
    for path in ["", "/", "/a", "/a/b"] {
        assert!(scene.tree.node(path).is_some(), "{path:?}");
    }
    for path in ["a", "/a/", "//", "/a//b", "a/b", "/a/./b", "/a\0"] {
        assert!(scene.tree.node(path).is_none(), "{path:?}");
    }
}

#[test]
fn a_stat_follows_its_znodes_history() {
    let mut scene = Scene::with(&["/p"]);
    let parent = scene.stat("/p");
    assert_eq!((parent.czxid, parent.mzxid, parent.pzxid), (scene.zxid, scene.zxid, scene.zxid));
    assert_eq!((parent.ctime, parent.version, parent.cversion), (parent.mtime, Version(0), 0));
    scene.create("/p/c", 0).unwrap();
    let after = scene.stat("/p");
    assert_eq!((after.cversion, after.num_children, after.pzxid), (1, 1, scene.zxid));
    assert_eq!((after.mzxid, after.version), (parent.mzxid, parent.version));
    let set = scene.set_data("/p/c", "data", 0).unwrap().stat();
    assert_eq!((set.version, set.mzxid, set.data_length), (Version(1), scene.zxid, 4));
    assert_eq!(scene.stat("/p"), after);
    let set = scene.set_acl("/p/c", vec![OPEN], 0).unwrap().stat();
    assert_eq!((set.aversion, set.version), (Version(1), Version(1)));
    assert!(set.mzxid < scene.zxid);
    scene.delete("/p/c", 1).unwrap();
    let last = scene.stat("/p");
    assert_eq!((last.cversion, last.num_children, last.pzxid), (2, 0, scene.zxid));
}

#[test]
fn versions_wrap_and_skip_minus_one() {
    for (current, next) in [(i32::MAX, i32::MIN), (-2, 0), (5, 6)] {
        let mut scene = Scene::with(&["/a"]);
        let set = SetDataTxn { path: "/a".into(), data: None, version: Version(current) };
        scene.zxid = scene.zxid.next();
        let txn = scene.txn(TxnBody::SetData(set), None);
        scene.apply(&txn);
        assert_eq!(scene.set_data("/a", "", current).unwrap().stat().version, Version(next));
    }
}

#[test]
fn deletion_is_checked_in_zookeepers_order() {
    let mut scene = Scene::with(&["/p", "/p/c", "/p/c/d"]);
    for path in ["", "x", "/a\0", "/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"] {
        assert_eq!(scene.delete(path, -1), Err(BadArguments), "{path:?}");
    }
    assert_eq!(scene.delete("/x/y", -1), Err(NoNode));
    assert_eq!(scene.delete("/p/x", -1), Err(NoNode));
    assert_eq!(scene.delete("/p/c", 5), Err(BadVersion));
    assert_eq!(scene.delete("/p/c", 0), Err(NotEmpty));
    scene.set_acl("/p/c/d", vec![requested(Permissions(0), "world", "anyone")], -1).unwrap();
    scene.delete("/p/c/d", 0).expect("the znode's own ACL says nothing about its deletion");
    scene.set_acl("/p", vec![requested(Permissions(23), "world", "anyone")], -1).unwrap();
    assert_eq!(scene.delete("/p/c", -1), Err(NoAuth));
    assert_eq!(scene.delete("/p/x", -1), Err(NoAuth), "before the znode is looked for");
}

#[test]
fn setting_is_checked_in_zookeepers_order() {
    let mut scene = Scene::with(&["/a"]);
    let invalid = || vec![requested(Permissions::ALL, "unknown", "")];
    assert_eq!(scene.set_acl("x", invalid(), -1), Err(BadArguments));
    assert_eq!(scene.set_acl("/x", invalid(), -1), Err(InvalidAcl));
    assert_eq!(scene.set_acl("/x", vec![OPEN], -1), Err(NoNode));
    assert_eq!(scene.set_acl("/a", vec![OPEN], 3), Err(BadVersion));
    assert_eq!(scene.set_data("/a/", "", -1), Err(BadArguments));
    assert_eq!(scene.set_data("/x", "", -1), Err(NoNode));
    assert_eq!(scene.set_data("/a", "", 3), Err(BadVersion));
    assert_eq!(scene.set_data("/zookeeper/config", "", -1), Err(NoAuth));
    scene.set_acl("/a", vec![requested(Permissions::READ, "world", "anyone")], -1).unwrap();
    assert_eq!(scene.set_data("/a", "", 3), Err(NoAuth));
    assert_eq!(scene.set_acl("/a", vec![OPEN], 3), Err(NoAuth));
    scene.ids = vec![AuthId::new("super", "")];
    scene.set_data("/a", "x", -1).unwrap();
    scene.set_data("/zookeeper/config", "x", -1).unwrap();
    scene.set_data("/", "x", -1).unwrap();
    assert_eq!(scene.data(""), "x");
}

#[test]
fn a_multi_is_all_or_nothing() {
    let mut scene = Scene::with(&["/a"]);
    let before = scene.tree.digest();
    let ops = vec![
        MultiOp::Create(create("/x", 1, "")),
        MultiOp::SetData(set_data("/a", "y", 0)),
        MultiOp::Check(check("/missing", -1)),
        MultiOp::Create(create("/y", 0, "")),
    ];
    let txn = scene.prep(&WriteOp::Multi(ops));
    let TxnBody::Multi(parts) = &txn.body else { panic!("a multi stays one") };
    assert!(matches!(parts[..2], [TxnBody::Create(_), TxnBody::SetData(_)]), "what was decided is logged");
    assert_eq!(parts[2..], [TxnBody::Error(-101), TxnBody::Error(-2)]);
    assert_eq!(txn.digest.map(|digest| digest.value), Some(before));
    let errors = [0, 0, -101, -2].map(Outcome::Error);
    assert_eq!(scene.apply(&txn), Outcome::Multi(errors.to_vec()));
    assert_eq!(scene.tree.digest(), before);
    assert!(scene.changes.is_empty());
    assert!(scene.pending.is_empty());
    scene.close_session();
    assert_eq!(scene.changes, [], "the ephemeral never was");
    assert_eq!(scene.multi(vec![]), []);
}

#[test]
fn operations_of_a_multi_see_those_before_them() {
    let mut scene = Scene::new();
    let create_op = |path, flags| MultiOp::Create(create(path, flags, ""));
    let delete_op = |path| MultiOp::Delete(delete(path, -1));
    assert_eq!(scene.multi(vec![create_op("/x", 0), create_op("/x", 0)]), [0, -110]);
    let ops = vec![create_op("/p", 0), create_op("/p/c", 0), delete_op("/p")];
    assert_eq!(scene.multi(ops), [0, 0, -111]);
    assert_eq!(scene.multi(vec![create_op("/e", 1), delete_op("/e")]), [0, 0]);
    assert!(scene.tree.node("/e").is_none());
    assert_eq!(scene.tree.ephemeral_count(), 0);
    let ops =
        vec![create_op("/v", 0), MultiOp::SetData(set_data("/v", "1", 0)), MultiOp::Check(check("/v", 1))];
    let txn = scene.prep(&WriteOp::Multi(ops));
    let TxnBody::Multi(parts) = &txn.body else { panic!("a multi stays one") };
    assert!(
        matches!(&parts[2], TxnBody::Check(check) if check.version == Version(2)),
        "one more than expected"
    );
    let Outcome::Multi(outcomes) = scene.apply(&txn) else { panic!("a multi's outcome is one") };
    assert!(matches!(outcomes[..], [Outcome::Created(at_first), Outcome::Set(then), Outcome::Checked]
        if at_first.version == Version(0) && then.version == Version(1)));
}

#[test]
fn a_refusal_is_logged_without_digest() {
    let mut scene = Scene::new();
    let txn = scene.prep(&WriteOp::Create(create("/a/b", 0, "")));
    assert_eq!(txn.to_vec().len(), 36);
    scene.apply(&txn);
    assert_eq!(scene.tree.last_zxid(), Zxid(1), "and has its place in history");
}

#[test]
fn a_closed_session_takes_its_ephemerals_along_pending_ones_too() {
    let mut scene = Scene::with(&["/p"]);
    scene.create("/p/applied", 1).unwrap();
    scene.create("/p/deleted", 1).unwrap();
    let create = scene.prep(&WriteOp::Create(create("/p/pending", 1, "")));
    let delete = scene.prep(&WriteOp::Delete(delete("/p/deleted", -1)));
    scene.zxid = scene.zxid.next();
    let prepared = scene.pending.prep_close_session(&scene.tree, &scene.rules, scene.session, scene.zxid);
    let close = scene.txn(prepared.body, prepared.digest);
    let paths = Some(vec!["/p/applied".into(), "/p/pending".into()]);
    assert_eq!(close.body, TxnBody::CloseSession { paths });
    scene.apply(&create);
    scene.apply(&delete);
    scene.changes.clear();
    scene.apply(&close);
    let gone = |path: &str| (ChangeKind::Deleted, path.to_owned());
    assert_eq!(scene.changes, [gone("/p/applied"), gone("/p/pending")]);
    assert_eq!(scene.tree.ephemeral_count(), 0);
    assert_eq!(scene.stat("/p").num_children, 0);
}

#[test]
fn a_session_that_owns_more_than_a_change_can_list_takes_it_along_all_the_same() {
    let mut scene = Scene::with(&["/p"]);
    let long = "x".repeat(2_000);
    for number in 0..600 {
        scene.create(&format!("/p/{long}{number}"), 1).unwrap();
    }
    scene.zxid = scene.zxid.next();
    let prepared = scene.pending.prep_close_session(&scene.tree, &scene.rules, scene.session, scene.zxid);
    assert_eq!((&prepared.body, prepared.digest), (&TxnBody::CloseSession { paths: None }, None));
    let close = scene.txn(prepared.body, prepared.digest);
    scene.apply(&close);
    assert_eq!((scene.tree.ephemeral_count(), scene.stat("/p").num_children), (0, 0));
    scene.create("/after", 0).unwrap();
}

#[test]
fn ids_that_stand_for_auth_have_a_limit_for_all_of_a_multi() {
    let mut scene = Scene::new();
    scene.ids = (0..600).map(|id| AuthId { scheme: "digest".into(), id: format!("{id:080}") }).collect();
    let paths: Vec<String> = (0..60).map(|number| format!("/{number}")).collect();
    let create = |path| {
        let acl = Some(vec![requested(Permissions::ALL, "auth", "")]);
        MultiOp::Create(CreateRequest { acl, ..create(path, 0, "") })
    };
    let all = paths.iter().map(|path| create(path)).collect();
    assert!(scene.multi(all).contains(&InvalidAcl.number()), "3 KB must not become 3 MB");
    let few = paths[..5].iter().map(|path| create(path)).collect();
    assert_eq!(scene.multi(few), [0; 5]);
}

#[test]
fn sessions_come_and_go() {
    let mut scene = Scene::new();
    let prepared = scene.pending.prep_create_session(&scene.tree, &scene.rules, 4000);
    scene.zxid = scene.zxid.next();
    let txn = scene.txn(prepared.body, prepared.digest);
    assert_eq!(txn.digest.map(|digest| digest.value), Some(scene.tree.digest()));
    assert_eq!(scene.apply(&txn), Outcome::Session);
    assert_eq!(scene.tree.session_timeout(SessionId(7)), Some(4000));
    assert_eq!(scene.tree.session_count(), 1);
    scene.create("/e", 1).unwrap();
    assert_eq!(scene.tree.ephemerals(SessionId(7)), ["/e"]);
    assert_eq!(scene.tree.sessions_with_ephemerals().collect::<Vec<_>>(), [SessionId(7)]);
    scene.rules.close_session_paths = false;
    scene.close_session();
    assert_eq!(scene.tree.session_count(), 0);
    assert!(scene.tree.node("/e").is_none(), "also where the transaction does not list them");
}

#[test]
fn containers_and_ttl_znodes_become_removable() {
    let mut scene = Scene::new();
    scene.create("/used", 4).unwrap();
    scene.create("/unused", 4).unwrap();
    scene.create("/used/child", 0).unwrap();
    scene.create_by(CreateOp::Ttl(100), "/ttl", 5).unwrap();
    let made = scene.time;
    assert!(scene.tree.has_ttl_nodes());
    let removable = |scene: &Scene, now: i64, never_used: Option<u64>| {
        let mut paths = scene.tree.removable(WallClock(now), never_used.map(Duration::from_millis));
        paths.sort_unstable();
        paths
    };
    assert_eq!(removable(&scene, made + 100, None), [""; 0]);
    assert_eq!(removable(&scene, made + 101, None), ["/ttl"]);
    scene.time = made + 50;
    scene.set_data("/ttl", "again", -1).unwrap();
    assert_eq!(removable(&scene, made + 101, None), [""; 0], "the clock starts anew");
    scene.delete("/used/child", -1).unwrap();
    assert_eq!(removable(&scene, made, None), ["/used"]);
    assert_eq!(removable(&scene, made + 1000, None), ["/ttl", "/used"]);
    assert_eq!(removable(&scene, made + 2000, Some(1900)), ["/ttl", "/unused", "/used"]);
    scene.create("/ttl/child", 0).unwrap();
    scene.create("/used/child", 0).unwrap();
    assert_eq!(removable(&scene, made + 1000, None), [""; 0]);
}

#[test]
fn only_childless_containers_and_ttl_znodes_are_removed_by_the_server() {
    let mut scene = Scene::with(&["/plain"]);
    scene.create("/c", 4).unwrap();
    scene.create("/c/child", 0).unwrap();
    scene.create("/e", 1).unwrap();
    let refusal = |scene: &mut Scene, path: &'static str| {
        scene.zxid = scene.zxid.next();
        scene.pending.prep_delete_container(&scene.tree, &scene.rules, path, scene.zxid).body
    };
    assert_eq!(refusal(&mut scene, "/c"), TxnBody::refused(NotEmpty));
    assert_eq!(refusal(&mut scene, "/plain"), TxnBody::refused(BadVersion));
    assert_eq!(refusal(&mut scene, "/e"), TxnBody::refused(BadVersion));
    assert_eq!(refusal(&mut scene, "/x"), TxnBody::refused(NoNode));
    assert_eq!(refusal(&mut scene, "/zookeeper"), TxnBody::refused(BadArguments));
    scene.delete("/c/child", -1).unwrap();
    let body = refusal(&mut scene, "/c");
    assert_eq!(body, TxnBody::DeleteContainer { path: "/c".into() });
    let txn = scene.txn(body, None);
    assert_eq!(scene.apply(&txn), Outcome::Deleted);
}

#[test]
fn what_needs_an_ensemble_is_refused() {
    let mut scene = Scene::new();
    let reconfig = WriteOp::Reconfig(ReconfigRequest {
        joining: None,
        leaving: None,
        new_members: None,
        current_config: -1,
    });
    assert_eq!(scene.run(&reconfig), Err(ReconfigDisabled));
    scene.rules.reconfig_enabled = true;
    assert_eq!(scene.run(&reconfig), Err(Unimplemented));
}

#[test]
fn changes_carry_the_acls_of_znode_and_parent() {
    let mut scene = Scene::with(&["/p", "/p/c"]);
    scene.set_acl("/p", vec![requested(Permissions(30), "world", "anyone")], -1).unwrap();
    let txn = scene.prep(&WriteOp::Delete(delete("/p/c", -1)));
    let mut seen = Vec::new();
    scene.tree.apply(&txn, &mut |change| seen.push((change.acl[0].perms.0, change.parent_acl[0].perms.0)));
    assert_eq!(seen, [(31, 30)]);
}
