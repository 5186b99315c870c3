//! Paths and creation, row by row.

use zoorum_proto::ErrorCode::{
    BadArguments, EphemeralOnLocalSession, InvalidAcl, NoAuth, NoChildrenForEphemerals, NoNode, NodeExists,
    SessionExpired, Unimplemented,
};
use zoorum_proto::mode::{NodeKind, TTL_MAX};
use zoorum_proto::op::{CreateOp, CreateRequest, MultiOp, WriteOp};
use zoorum_proto::txn::{CreateKind, CreateTxn};
use zoorum_proto::{Acl, Permissions, SessionId, TxnBody};
use zoorum_tree::Outcome;

use crate::scene::{Scene, create, delete, requested};

#[test]
fn paths_are_judged_in_zookeepers_order() {
    let rows = [
        ("", Err(BadArguments)),
        ("a", Err(BadArguments)),
        ("a/b", Err(NoNode)),
        ("/", Err(NodeExists)),
        ("//", Err(BadArguments)),
        ("/missing/", Err(NoNode)),
        ("/a/", Err(BadArguments)),
        ("/a/.", Err(BadArguments)),
        ("/a/..", Err(BadArguments)),
        ("/a/./x", Err(NoNode)),
        ("/a//x", Err(NoNode)),
        ("/a/x\0", Err(BadArguments)),
        ("/a/\u{1}", Err(BadArguments)),
        ("/a/\u{7f}", Err(BadArguments)),
        ("/a/\u{e000}", Err(BadArguments)),
        ("/a/\u{fff0}", Err(BadArguments)),
        ("/a/\u{fffd}", Err(BadArguments)),
        ("/a/\u{1f600}", Err(BadArguments)),
        ("/a", Err(NodeExists)),
        ("/a/..x", Ok(())),
        ("/a/...", Ok(())),
        ("/zookeeper/foo", Ok(())),
    ];
    let mut scene = Scene::with(&["/a"]);
    for (path, expected) in rows {
        assert_eq!(scene.create(path, 0).map(drop), expected, "{path:?}");
    }
}

#[test]
fn flags_and_operation_decide_the_kind() {
    use CreateOp::{Container, Create, Create2, Ttl};
    let persistent = Ok(NodeKind::Persistent);
    let ephemeral = Ok(NodeKind::Ephemeral(SessionId(7)));
    let container = Ok(NodeKind::Container);
    let rows = [
        (Create, 0, true, persistent),
        (Create2, 1, true, ephemeral),
        (Create2, 3, true, ephemeral),
        (Create, 4, true, container),
        (Create2, 4, true, container),
        (Create, -1, true, Err(BadArguments)),
        (Create, 7, true, Err(BadArguments)),
        (Create, 5, false, Err(Unimplemented)),
        (Create, 6, false, Err(Unimplemented)),
        (Create, 5, true, Err(BadArguments)),
        (Container, 0, true, container),
        (Container, 1, true, container),
        (Container, 2, true, container),
        (Container, 4, true, container),
        (Container, 5, false, Err(Unimplemented)),
        (Container, 5, true, Err(BadArguments)),
        (Ttl(9), 5, false, Err(Unimplemented)),
        (Ttl(9), 5, true, Ok(NodeKind::Ttl(9))),
        (Ttl(9), 6, true, Ok(NodeKind::Ttl(9))),
        (Ttl(TTL_MAX), 5, true, Ok(NodeKind::Ttl(TTL_MAX))),
        (Ttl(TTL_MAX + 1), 5, true, Err(BadArguments)),
        (Ttl(0), 5, true, Err(BadArguments)),
        (Ttl(100_000), 0, true, Err(BadArguments)),
        (Ttl(-1), 0, true, Err(BadArguments)),
        (Ttl(-1), 4, false, Err(BadArguments)),
        (Ttl(9), 9, true, Err(BadArguments)),
    ];
    for (op, flags, extended_types, expected) in rows {
        let mut scene = Scene::new();
        scene.rules.extended_types = extended_types;
        let done = scene.create_by(op, "/a", flags);
        let kind = done.map(|done| scene.tree.node(&done.path).expect("it was created").kind());
        assert_eq!(kind, expected, "{op:?} with flags {flags}, extended types {extended_types}");
    }
}

#[test]
fn sequential_names_count_every_child_ever_created() {
    let mut scene = Scene::new();
    assert_eq!(scene.create("/first-", 2).unwrap().path, "/first-0000000000");
    let mut scene = Scene::with(&["/q", "/q/a", "/q/b"]);
    scene.delete("/q/a", -1).unwrap();
    assert_eq!(scene.create("/q/x", 2).unwrap().path, "/q/x0000000002");
    assert_eq!(scene.create("/q/", 2).unwrap().path, "/q/0000000003");
    assert_eq!(scene.create_by(CreateOp::Container, "/q/c", 2).unwrap().path, "/q/c0000000004");
    assert_eq!(scene.create("/q/a", 1).unwrap().path, "/q/a", "a refused or deleted child counts no more");
}

#[test]
fn sequential_creates_in_a_multi_get_consecutive_names() {
    let mut scene = Scene::with(&["/q"]);
    let ops = (0..3).map(|_| MultiOp::Create(create("/q/n", 2, ""))).collect();
    assert_eq!(scene.multi(ops), [0, 0, 0]);
    let mut names: Vec<_> = scene.tree.node("/q").unwrap().children().collect();
    names.sort_unstable();
    assert_eq!(names, ["n0000000000", "n0000000001", "n0000000002"]);
}

#[test]
fn sequential_names_never_repeat_at_the_end_of_numbers() {
    let mut scene = Scene::with(&["/q"]);
    let body = TxnBody::Create(CreateTxn {
        kind: CreateKind::Create { ephemeral: false },
        path: "/q/foreign".into(),
        data: None,
        acl: vec![Acl::world(Permissions::ALL)],
        parent_creates: i32::MAX - 1,
    });
    scene.zxid = scene.zxid.next();
    let txn = scene.txn(body, None);
    scene.apply(&txn);
    assert_eq!(scene.create("/q/n", 2).unwrap().path, "/q/n2147483646");
    assert_eq!(scene.create("/q/n", 2).unwrap().path, "/q/n2147483647");
    assert_eq!(scene.create("/q/n", 2), Err(NodeExists));
    scene.create("/q/plain", 0).unwrap();
    assert_eq!(scene.stat("/q").pzxid, scene.zxid, "pzxid moves on though the count cannot");
    let pending = scene.prep(&WriteOp::Create(create("/q/m", 2, "")));
    let again = scene.prep(&WriteOp::Create(create("/q/m", 2, "")));
    assert!(matches!(pending.body, TxnBody::Create(create) if create.path == "/q/m2147483647"));
    assert_eq!(again.body, TxnBody::refused(NodeExists), "also while the first is in flight");
}

#[test]
fn ephemerals_have_no_children() {
    let mut scene = Scene::new();
    scene.create("/e", 1).unwrap();
    assert_eq!(scene.create("/e/c", 0), Err(NoChildrenForEphemerals));
    scene.create_by(CreateOp::Container, "/c", 4).unwrap();
    scene.create("/c/e", 1).unwrap();
    scene.create_by(CreateOp::Ttl(5), "/t", 5).unwrap();
    scene.create("/t/e", 0).unwrap();
}

#[test]
fn a_session_that_may_own_nothing_gets_no_ephemerals() {
    let mut scene = Scene::new();
    scene.is_local = true;
    assert_eq!(scene.create("/e", 1), Err(EphemeralOnLocalSession));
    assert_eq!(scene.create("/e", 3), Err(EphemeralOnLocalSession));
    scene.create("/p", 0).unwrap();
}

#[test]
fn the_owner_is_shown_for_ephemerals_only() {
    let mut scene = Scene::new();
    assert_eq!(scene.create("/e", 1).unwrap().stat().ephemeral_owner, SessionId(7));
    assert_eq!(scene.create("/c", 4).unwrap().stat().ephemeral_owner, SessionId::NONE);
    let ttl = scene.create_by(CreateOp::Ttl(5), "/t", 5).unwrap();
    assert_eq!(ttl.stat().ephemeral_owner, SessionId::NONE);
}

#[test]
fn a_closing_session_is_told_after_its_flags_and_before_its_path() {
    let mut scene = Scene::new();
    scene.is_live = false;
    assert_eq!(scene.create("/a", 9), Err(BadArguments));
    assert_eq!(scene.create("/a", 0), Err(SessionExpired));
    assert_eq!(scene.create("no path", 0), Err(SessionExpired));
    assert_eq!(scene.delete("/", -1), Err(SessionExpired));
    assert_eq!(scene.set_data("x", "", -1), Err(SessionExpired));
    assert_eq!(scene.set_acl("x", vec![], -1), Err(SessionExpired));
    let ops = vec![MultiOp::Create(create("/a", 0, "")), MultiOp::Delete(delete("/a", -1))];
    assert_eq!(scene.multi(ops), [-112, -2]);
}

#[test]
fn creation_is_the_parents_to_allow() {
    let mut scene = Scene::with(&["/p"]);
    scene.set_acl("/p", vec![requested(Permissions(27), "world", "anyone")], -1).unwrap();
    assert_eq!(scene.create("/p/c", 0), Err(NoAuth));
    assert_eq!(scene.create("/p/\0", 0), Err(BadArguments));
    let unknown = CreateRequest {
        acl: Some(vec![requested(Permissions::ALL, "unknown", "x")]),
        ..create("/missing/c", 0, "")
    };
    assert_eq!(scene.run(&WriteOp::Create(unknown)), Err(InvalidAcl), "before the parent is looked for");
    let null = CreateRequest { acl: None, ..create("/missing/c", 0, "") };
    assert_eq!(scene.run(&WriteOp::Create(null)), Err(InvalidAcl));
    scene.rules.acl.skip = true;
    scene.create("/p/c", 0).unwrap();
}

#[test]
fn null_and_empty_data_are_told_apart() {
    let mut scene = Scene::new();
    scene.run(&WriteOp::Create(CreateRequest { data: None, ..create("/null", 0, "") })).unwrap();
    scene.create("/empty", 0).unwrap();
    assert_eq!(scene.tree.node("/null").unwrap().data(), None);
    assert_eq!(scene.tree.node("/empty").unwrap().data(), Some(&[][..]));
    assert_eq!(scene.stat("/null").data_length, 0);
}

#[test]
fn a_stored_time_to_live_that_is_none_is_skipped() {
    for ttl in [-1, 0, TTL_MAX + 1, i64::MIN] {
        let mut scene = Scene::new();
        let body = TxnBody::Create(CreateTxn {
            kind: CreateKind::Ttl(ttl),
            path: "/t".into(),
            data: None,
            acl: vec![Acl::world(Permissions::ALL)],
            parent_creates: 1,
        });
        let txn = scene.txn(body, None);
        assert_eq!(scene.apply(&txn), Outcome::Error(BadArguments.number()));
        assert!(scene.tree.node("/t").is_none());
    }
}
