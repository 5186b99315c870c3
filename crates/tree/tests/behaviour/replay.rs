//! Replaying a log over a fuzzy snapshot: the tree may hold effects of later transactions already.

use zoorum_proto::mode::NodeKind;
use zoorum_proto::txn::{CreateKind, CreateTxn, SetAclTxn, SetDataTxn};
use zoorum_proto::{Acl, ErrorCode, Permissions, SessionId, TxnBody, Version, Zxid};
use zoorum_tree::Outcome;

use crate::scene::Scene;

fn created(path: &str, kind: CreateKind, parent_creates: i32) -> TxnBody<'_> {
    let acl = vec![Acl::world(Permissions::ALL)];
    TxnBody::Create(CreateTxn { kind, path: path.into(), data: Some(b"new"), acl, parent_creates })
}

const PLAIN: CreateKind = CreateKind::Create { ephemeral: false };

fn replay(scene: &mut Scene, zxid: i64, body: TxnBody<'_>) -> Outcome {
    scene.zxid = Zxid(zxid);
    let txn = scene.txn(body, None);
    scene.apply(&txn)
}

fn error(code: ErrorCode) -> Outcome {
    Outcome::Error(code.number())
}

#[test]
fn a_create_of_what_exists_repairs_acl_and_parent() {
    let kinds = [PLAIN, CreateKind::Create2 { ephemeral: false }, CreateKind::Container, CreateKind::Ttl(5)];
    for kind in kinds {
        let mut scene = Scene::with(&["/p", "/p/c"]);
        scene.set_acl("/p/c", vec![crate::scene::requested(Permissions(0), "world", "anyone")], -1).unwrap();
        scene.changes.clear();
        let outcome = replay(&mut scene, 100, created("/p/c", kind, 5));
        assert_eq!(outcome, error(ErrorCode::NodeExists));
        assert_eq!(scene.stat("/p").pzxid, Zxid(100), "{kind:?}");
        assert_eq!(scene.tree.node("/p").unwrap().creates(), 5, "{kind:?}");
        assert_eq!(scene.tree.node("/p/c").unwrap().acl()[0].perms, Permissions::ALL);
        assert_eq!(scene.data("/p/c"), "", "the znode is of a later time and stays");
        assert!(scene.changes.is_empty());
    }
}

#[test]
fn an_older_create_does_not_take_the_parent_back() {
    let mut scene = Scene::with(&["/p", "/p/1", "/p/2"]);
    let parent = scene.stat("/p");
    replay(&mut scene, 2, created("/p/old", PLAIN, 1));
    let after = scene.stat("/p");
    assert_eq!((after.pzxid, after.num_children), (parent.pzxid, 3));
    assert_eq!(scene.tree.node("/p").unwrap().creates(), 2);
    assert_eq!(scene.tree.last_zxid(), Zxid(3), "nor does it take the tree back");
    replay(&mut scene, 50, created("/p/legacy", PLAIN, -1));
    assert_eq!(scene.tree.node("/p").unwrap().creates(), 3, "−1: one more");
}

#[test]
fn a_delete_of_what_is_gone_still_marks_the_parent() {
    let mut scene = Scene::with(&["/p"]);
    let missing = || TxnBody::Delete { path: "/p/c".into() };
    assert_eq!(replay(&mut scene, 50, missing()), error(ErrorCode::NoNode));
    assert_eq!(scene.stat("/p").pzxid, Zxid(50));
    replay(&mut scene, 40, missing());
    assert_eq!(scene.stat("/p").pzxid, Zxid(50), "but never backwards");
    let paths = Some(vec!["/p/c".into(), "/missing/c".into()]);
    assert_eq!(replay(&mut scene, 60, TxnBody::CloseSession { paths }), Outcome::Session);
    assert_eq!(scene.stat("/p").pzxid, Zxid(60));
    let orphan = TxnBody::Delete { path: "/missing/c".into() };
    assert_eq!(replay(&mut scene, 61, orphan), error(ErrorCode::NoNode));
}

#[test]
fn a_delete_takes_children_of_a_later_time_along() {
    let mut scene = Scene::with(&["/p", "/p/c", "/p/c/d"]);
    assert_eq!(replay(&mut scene, 50, TxnBody::Delete { path: "/p".into() }), Outcome::Deleted);
    assert_eq!(scene.tree.node_count(), 4);
    replay(&mut scene, 51, created("/p", PLAIN, 2));
    assert_eq!(scene.stat("/p").num_children, 0);
}

#[test]
fn setting_what_is_gone_is_ignored() {
    let mut scene = Scene::new();
    let data = SetDataTxn { path: "/x".into(), data: None, version: Version(1) };
    assert_eq!(replay(&mut scene, 50, TxnBody::SetData(data)), error(ErrorCode::NoNode));
    let acl = SetAclTxn { path: "/x".into(), acl: vec![], version: Version(1) };
    assert_eq!(replay(&mut scene, 51, TxnBody::SetAcl(acl)), error(ErrorCode::NoNode));
    assert_eq!(replay(&mut scene, 52, created("/x/y", PLAIN, 1)), error(ErrorCode::NoNode));
}

#[test]
fn parts_of_a_multi_are_as_tolerant_as_transactions() {
    let mut scene = Scene::with(&["/p", "/p/c"]);
    let parts =
        vec![created("/p/c", PLAIN, 7), TxnBody::Delete { path: "/p/x".into() }, created("/q", PLAIN, 2)];
    let Outcome::Multi(outcomes) = replay(&mut scene, 50, TxnBody::Multi(parts)) else {
        panic!("a multi's outcome is one")
    };
    assert_eq!(outcomes[..2], [error(ErrorCode::NodeExists), error(ErrorCode::NoNode)]);
    assert!(matches!(outcomes[2], Outcome::Created(_)));
    assert_eq!(scene.tree.node("/p").unwrap().creates(), 7);
}

#[test]
fn an_ephemeral_made_again_belongs_to_its_new_session() {
    let mut scene = Scene::new();
    scene.session = SessionId(2);
    scene.create("/e", 1).unwrap();
    scene.session = SessionId(1);
    replay(&mut scene, 50, TxnBody::CloseSession { paths: Some(vec!["/e".into()]) });
    assert!(scene.tree.node("/e").is_none());
    scene.session = SessionId(2);
    replay(&mut scene, 51, created("/e", CreateKind::Create { ephemeral: true }, 2));
    assert_eq!(scene.tree.node("/e").unwrap().kind(), NodeKind::Ephemeral(SessionId(2)));
    assert_eq!(scene.tree.ephemerals(SessionId(2)), ["/e"]);
    assert_eq!(scene.tree.ephemeral_count(), 1);
}

#[test]
fn paths_that_are_none_change_nothing() {
    let mut scene = Scene::new();
    let digest = scene.tree.digest();
    for path in ["", "x", "/", "/zookeeper/"] {
        replay(&mut scene, 50, created(path, PLAIN, 9));
        replay(&mut scene, 50, TxnBody::Delete { path: path.into() });
        assert_eq!(scene.tree.digest(), digest, "{path:?}");
    }
    assert_eq!(scene.tree.node_count(), 4);
}
