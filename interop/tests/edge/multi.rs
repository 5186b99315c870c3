//! 16.6: multi and multiRead.

use zoorum_interop::wire::client::path_watch;
use zoorum_interop::wire::records::{decode_multi, encode_multi};
use zoorum_interop::wire::{Acl, SubResult, Writer, code, event, flag, op};

use crate::support::{check, create, create_all, create_as, create_ttl, delete, expect_events, get_children};
use crate::support::{get_data, set_data};
use crate::table::{Config, Row, Stage};

/// The rows.
pub const ROWS: &[Row] = &[
    row(65, "an empty multi uses up a zxid, an empty multiRead none", empty),
    row(66, "a failed multi changes nothing and says which operation failed", failed),
    row(67, "a create with the container flag answers with a Stat", container),
    row(68, "odd flags inside a multi", odd_flags),
    Row { config: Config::Extended, ..row(68, "TTL nodes inside a multi", ttl_nodes) },
    row(69, "operations that no multi carries", foreign_operations),
    row(70, "a multiRead answers each operation for itself", multi_read),
    row(71, "a multiRead carries getData and getChildren only", foreign_reads),
    row(72, "operations see the effects of those before them", dependent),
    row(73, "an ephemeral node may be born and die in one multi", short_life),
    row(73, "a successful multi has one zxid and the results of every kind", every_kind),
];

const fn row(number: u32, title: &'static str, check: fn(&Stage)) -> Row {
    Row { number, title, config: Config::Plain, check }
}

fn empty(stage: &Stage) {
    let mut client = stage.client();
    let before = client.ping().zxid;
    assert_eq!(client.multi(&[]), Ok(vec![]));
    assert_eq!(client.zxid(), before + 1);
    assert_eq!(client.multi_read(&[]), Ok(vec![]));
    assert_eq!(client.zxid(), before + 1);
    assert_eq!(client.ping().zxid, before + 1);
}

fn failed(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let (a, b) = (format!("{root}/a"), format!("{root}/b"));
    assert_eq!(client.get_children(&root, true), Ok(vec![]));
    let before = client.ping().zxid;
    let results = client.multi(&[create(&a, 0), check("/none", -1), create(&b, 0)]);
    let errors = [0, code::NO_NODE, code::RUNTIME_INCONSISTENCY].map(SubResult::Error);
    assert_eq!(results, Ok(errors.to_vec()));
    assert_eq!(client.zxid(), before + 1);
    assert_eq!(client.get_children(&root, false), Ok(vec![]));
    expect_events(&mut client, &[]);
    let next = client.create(&format!("{root}/n"), b"", flag::SEQUENTIAL);
    assert_eq!(next, Ok(format!("{root}/n0000000000")), "what was rolled back does not count");
}

fn container(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let path = format!("{root}/c");
    let results = client.multi(&[create(&path, flag::CONTAINER)]).expect("done");
    assert!(matches!(&results[..], [SubResult::Created2(created, _)] if *created == path), "{results:?}");
    let ops = [
        create_as(op::CREATE2, &format!("{root}/2"), 0),
        create_as(op::CREATE_CONTAINER, &format!("{root}/3"), 0),
    ];
    let results = client.multi(&ops).expect("done");
    assert!(matches!(&results[..], [SubResult::Created2(..), SubResult::Created2(..)]), "{results:?}");
}

fn odd_flags(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let path = |name: &str| format!("{root}/{name}");
    let results = client.multi(&[create_ttl(&path("a"), flag::PERSISTENT, 100)]);
    assert_eq!(results, Ok(vec![SubResult::Created(path("a"))]));
    let results = client.multi(&[create(&path("b"), 0), create_ttl(&path("c"), 9, 100)]);
    let errors = [0, code::BAD_ARGUMENTS].map(SubResult::Error);
    assert_eq!(results, Ok(errors.to_vec()));
    for flags in [9, -1, flag::TTL, flag::SEQUENTIAL_TTL] {
        for kind in [op::CREATE, op::CREATE2, op::CREATE_CONTAINER] {
            let results = client.multi(&[create(&path("b"), 0), create_as(kind, &path("c"), flags)]);
            assert_eq!(results, Err(code::MARSHALLING_ERROR), "opcode {kind}, flags {flags}");
        }
    }
    let results = client.multi(&[create_ttl(&path("t"), flag::TTL, 100)]);
    assert_eq!(results, Ok(vec![SubResult::Error(code::UNIMPLEMENTED)]));
    assert_eq!(client.get_children(&root, false), Ok(vec!["a".into()]));
}

fn ttl_nodes(stage: &Stage) {
    let mut client = stage.client();
    let path = stage.name("ttl");
    let results = client.multi(&[create_ttl(&path, flag::TTL, 1_000_000)]).expect("done");
    assert!(matches!(&results[..], [SubResult::Created2(created, _)] if *created == path), "{results:?}");
    let results = client.multi(&[create_ttl(&path, flag::TTL, 0)]);
    assert_eq!(results, Ok(vec![SubResult::Error(code::BAD_ARGUMENTS)]));
}

fn foreign_operations(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let path = format!("{root}/a");
    let set_acl = Writer::new().string(root.as_str()).acls(&Acl::open()).int(-1).done();
    let name = Writer::new().string(root.as_str()).done();
    for foreign in [
        get_data(&root, false),
        get_children(&root, false),
        (op::EXISTS, path_watch(&root, false)),
        (op::SET_ACL, set_acl),
        (op::GET_ACL, name.clone()),
        (op::DELETE_CONTAINER, name),
        (op::MULTI, encode_multi(&[])),
        (-1, vec![]),
    ] {
        let kind = foreign.0;
        let results = client.multi(&[create(&path, 0), foreign]);
        assert_eq!(results, Err(code::MARSHALLING_ERROR), "opcode {kind}");
    }
    let whole = encode_multi(&[create(&path, 0)]);
    let unterminated = &whole[..whole.len() - 9];
    assert_eq!(client.call(op::MULTI, unterminated).err, code::MARSHALLING_ERROR);
    assert_eq!(client.exists(&path, false), Err(code::NO_NODE));
    let odd_end = Writer::new().raw(unterminated).int(99).bool(true).int(5).done();
    let reply = client.call(op::MULTI, &odd_end);
    assert_eq!(reply.ok().map(decode_multi), Ok(vec![SubResult::Created(path)]));
}

fn multi_read(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let child = format!("{root}/c");
    create_all(&mut client, &[&child]);
    let before = client.zxid();
    let ops =
        [get_data(&child, true), get_children(&root, true), get_data("/none", true), get_data(&root, false)];
    let results = client.multi_read(&ops).expect("done");
    assert_eq!(client.zxid(), before);
    let (data, stat) = client.get_data(&child, false).expect("exists");
    let root_data = client.get_data(&root, false).expect("exists");
    let expected = [
        SubResult::Data(data, stat),
        SubResult::Children(vec!["c".into()]),
        SubResult::Error(code::NO_NODE),
        SubResult::Data(root_data.0, root_data.1),
    ];
    assert_eq!(results, expected);
    assert!(client.set_data(&child, b"x", -1).is_ok());
    assert_eq!(client.delete(&child, -1), Ok(()));
    expect_events(&mut client, &[]);
}

fn foreign_reads(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    for foreign in [(op::EXISTS, path_watch(&root, false)), create(&format!("{root}/a"), 0)] {
        let results = client.multi_read(&[get_data(&root, false), foreign]);
        assert_eq!(results, Err(code::MARSHALLING_ERROR));
    }
    // Where all operations are writes, the original sends the end of a result list behind the error.
    let writes_only = client.call(op::MULTI_READ, &encode_multi(&[create(&format!("{root}/a"), 0)]));
    assert_eq!(writes_only.err, code::MARSHALLING_ERROR);
    assert_eq!(client.get_children(&root, false), Ok(vec![]));
}

fn dependent(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let x = format!("{root}/x");
    let results = client.multi(&[create(&x, 0), create(&x, 0)]);
    assert_eq!(results, Ok([0, code::NODE_EXISTS].map(SubResult::Error).to_vec()));
    let results = client.multi(&[create(&x, 0), create(&format!("{x}/c"), 0), delete(&x)]);
    assert_eq!(results, Ok([0, 0, code::NOT_EMPTY].map(SubResult::Error).to_vec()));
    let results = client.multi(&[create(&x, 0), set_data(&x, b"1"), check(&x, 1), check(&x, 0)]);
    assert_eq!(results, Ok([0, 0, 0, code::BAD_VERSION].map(SubResult::Error).to_vec()));
    assert_eq!(client.exists(&x, false), Err(code::NO_NODE));
}

fn short_life(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let path = format!("{root}/e");
    let results = client.multi(&[create(&path, flag::EPHEMERAL), delete(&path)]);
    assert_eq!(results, Ok(vec![SubResult::Created(path.clone()), SubResult::Deleted]));
    assert_eq!(client.exists(&path, false), Err(code::NO_NODE));
    assert_eq!(client.get_ephemerals(None), Ok(vec![]));
}

fn every_kind(stage: &Stage) {
    let (mut client, root) = (stage.client(), stage.name("all"));
    create_all(&mut client, &[&root]);
    let (a, b) = (format!("{root}/a"), format!("{root}/b"));
    assert_eq!(client.add_watch(&root, 1), Ok(()));
    let ops = [
        create(&a, 0),
        set_data(&a, b"12"),
        create_as(op::CREATE2, &b, 0),
        check(&a, 1),
        delete(&a),
        check(&root, 0),
    ];
    let results = client.multi(&ops).expect("done");
    let zxid = client.zxid();
    assert_eq!(results[0], SubResult::Created(a.clone()));
    let SubResult::Set(set) = results[1] else { panic!("{results:?}") };
    assert_eq!((set.version, set.czxid, set.mzxid, set.data_length), (1, zxid, zxid, 2));
    assert!(matches!(&results[2], SubResult::Created2(path, stat) if *path == b && stat.czxid == zxid));
    assert_eq!(results[3..], [SubResult::Checked, SubResult::Deleted, SubResult::Checked]);
    let events = client.events();
    assert!(events.iter().all(|event| event.zxid == zxid), "{events:?}");
    let pairs: Vec<_> = events.iter().map(|event| (event.kind, event.path.clone())).collect();
    let expected =
        [(event::CREATED, &a), (event::DATA_CHANGED, &a), (event::CREATED, &b), (event::DELETED, &a)];
    assert_eq!(pairs, expected.map(|(kind, path)| (kind, path.clone())));
}
