//! 16.7, first part: which change fires which watch.

use zoorum_interop::wire::{Acl, Packet, code, event, op, perm};

use crate::support::{create_all, expect_events};
use crate::table::{Config, Row, Stage};

/// The rows.
pub const ROWS: &[Row] = &[
    row(74, "a data watch fires once, and not for setACL", data_watch),
    row(75, "exists watches what is not there, the other reads do not", absent),
    row(76, "a child watch fires for children that come and go", child_watch),
    row(77, "a deleted node is told of once", deletion),
    row(78, "an event precedes the reply to the change that caused it", own_event),
    row(79, "a persistent watch fires for the node and its children", persistent),
    row(80, "a recursive watch fires for everything below", recursive),
    row(81, "many watches on one path give one event", one_event),
    row(88, "who may not read gets no event, though the watch is used up", unreadable),
    row(89, "a recursive watch skips what may not be read", unreadable_below),
    row(90, "all ephemerals of a session go at once", session_end),
];

const fn row(number: u32, title: &'static str, check: fn(&Stage)) -> Row {
    Row { number, title, config: Config::Plain, check }
}

fn data_watch(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    assert!(client.get_data(&root, true).is_ok());
    assert!(client.set_acl(&root, &Acl::open(), -1).is_ok());
    expect_events(&mut client, &[]);
    assert!(client.set_data(&root, b"1", -1).is_ok());
    assert!(client.set_data(&root, b"2", -1).is_ok());
    expect_events(&mut client, &[(event::DATA_CHANGED, &root)]);
}

fn absent(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let (a, b) = (format!("{root}/a"), format!("{root}/b"));
    assert_eq!(client.exists(&a, true), Err(code::NO_NODE));
    assert_eq!(client.get_data(&b, true), Err(code::NO_NODE));
    assert_eq!(client.get_children(&b, true), Err(code::NO_NODE));
    create_all(&mut client, &[&a, &b, &format!("{b}/c")]);
    expect_events(&mut client, &[(event::CREATED, &a)]);
}

fn child_watch(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let child = format!("{root}/c");
    create_all(&mut client, &[&child]);
    assert!(client.get_children(&root, true).is_ok());
    assert!(client.set_data(&child, b"x", -1).is_ok());
    assert!(client.set_data(&root, b"x", -1).is_ok());
    expect_events(&mut client, &[]);
    assert_eq!(client.delete(&child, -1), Ok(()));
    create_all(&mut client, &[&child]);
    expect_events(&mut client, &[(event::CHILDREN_CHANGED, &root)]);
    assert!(client.get_children2(&root, true).is_ok());
    create_all(&mut client, &[&format!("{root}/d")]);
    expect_events(&mut client, &[(event::CHILDREN_CHANGED, &root)]);
}

fn deletion(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let child = format!("{root}/c");
    create_all(&mut client, &[&child]);
    assert!(client.get_data(&child, true).is_ok());
    assert!(client.get_children(&child, true).is_ok());
    assert!(client.get_children(&root, true).is_ok());
    let mut children_only = stage.client();
    assert!(children_only.get_children(&child, true).is_ok());
    assert_eq!(client.delete(&child, -1), Ok(()));
    expect_events(&mut client, &[(event::DELETED, &child), (event::CHILDREN_CHANGED, &root)]);
    expect_events(&mut children_only, &[(event::DELETED, &child)]);
}

fn own_event(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    assert!(client.get_data(&root, true).is_ok());
    client.received.clear();
    assert!(client.set_data(&root, b"x", -1).is_ok());
    let [Packet::Event(event), Packet::Reply(reply)] = &client.received[..] else {
        panic!("received {:?}", client.received)
    };
    assert_eq!((event.zxid, event.state), (reply.zxid, 3));
}

fn persistent(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let path = format!("{root}/p");
    let child = format!("{path}/c");
    assert_eq!(client.add_watch(&path, 0), Ok(()));
    create_all(&mut client, &[&path, &child]);
    assert!(client.set_data(&path, b"1", -1).is_ok());
    assert!(client.set_data(&path, b"2", -1).is_ok());
    assert!(client.set_data(&child, b"2", -1).is_ok());
    assert_eq!(client.delete(&child, -1), Ok(()));
    assert_eq!(client.delete(&path, -1), Ok(()));
    create_all(&mut client, &[&path]);
    let expected = [
        event::CREATED,
        event::CHILDREN_CHANGED,
        event::DATA_CHANGED,
        event::DATA_CHANGED,
        event::CHILDREN_CHANGED,
        event::DELETED,
        event::CREATED,
    ];
    expect_events(&mut client, &expected.map(|kind| (kind, path.as_str())));
}

fn recursive(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let (c, d) = (format!("{root}/c"), format!("{root}/c/d"));
    assert_eq!(client.add_watch(&root, 1), Ok(()));
    create_all(&mut client, &[&c, &d]);
    assert!(client.set_data(&d, b"1", -1).is_ok());
    assert!(client.set_data(&root, b"1", -1).is_ok());
    assert_eq!(client.delete(&d, -1), Ok(()));
    create_all(&mut client, &[&format!("{root}x")]);
    let expected = [
        (event::CREATED, c.as_str()),
        (event::CREATED, &d),
        (event::DATA_CHANGED, &d),
        (event::DATA_CHANGED, &root),
        (event::DELETED, &d),
    ];
    expect_events(&mut client, &expected);
    let mut everywhere = stage.client();
    assert_eq!(everywhere.add_watch("/", 1), Ok(()));
    assert!(everywhere.set_data(&c, b"1", -1).is_ok());
    expect_events(&mut everywhere, &[(event::DATA_CHANGED, &c)]);
}

fn one_event(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    assert_eq!(client.add_watch(&root, 0), Ok(()));
    assert_eq!(client.add_watch(&root, 1), Ok(()));
    assert_eq!(client.add_watch("/", 1), Ok(()));
    assert!(client.get_data(&root, true).is_ok());
    assert!(client.set_data(&root, b"1", -1).is_ok());
    expect_events(&mut client, &[(event::DATA_CHANGED, &root)]);
}

fn unreadable(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let (mut owner, private) = stage.digest_client("owner");
    let path = format!("{root}/secret");
    assert_eq!(client.exists(&path, true), Err(code::NO_NODE));
    assert_eq!(owner.create_with(&path, b"", &private, 0), Ok(path.clone()));
    expect_events(&mut client, &[]);
    assert_eq!(client.check_watches(&path, 2), Err(code::NO_WATCHER), "the watch is used up");
    assert_eq!(client.exists(&path, true), Err(code::NO_AUTH));
    assert_eq!(client.add_watch(&path, 0), Ok(()));
    assert_eq!(client.add_watch(&root, 0), Ok(()));
    assert!(owner.set_data(&path, b"x", -1).is_ok());
    assert_eq!(owner.delete(&path, -1), Ok(()));
    expect_events(&mut client, &[(event::CHILDREN_CHANGED, &root)]);
}

fn unreadable_below(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let (mut owner, private) = stage.digest_client("owner");
    let (secret, open) = (format!("{root}/secret"), format!("{root}/secret/open"));
    assert_eq!(client.add_watch(&root, 1), Ok(()));
    assert_eq!(owner.create_with(&secret, b"", &private, 0), Ok(secret.clone()));
    create_all(&mut owner, &[&open]);
    assert!(owner.set_data(&secret, b"x", -1).is_ok());
    assert!(owner.set_data(&open, b"x", -1).is_ok());
    expect_events(&mut client, &[(event::CREATED, &open), (event::DATA_CHANGED, &open)]);
    assert_eq!(client.auth("digest", Some(b"owner:p")).err, 0);
    assert!(owner.set_data(&secret, b"y", -1).is_ok());
    expect_events(&mut client, &[(event::DATA_CHANGED, &secret)]);
}

fn session_end(stage: &Stage) {
    let (mut watcher, root) = stage.client_and_root();
    let mut leaving = stage.client();
    let paths = ["/e1", "/e2"].map(|name| root.clone() + name);
    for path in &paths {
        assert!(leaving.create(path, b"", 1).is_ok());
        assert!(watcher.get_data(path, true).is_ok());
    }
    let mut acl = Acl::open();
    acl[0].perms = perm::READ;
    assert!(watcher.set_acl(&root, &acl, -1).is_ok());
    assert!(watcher.get_children(&root, true).is_ok());
    let reply = leaving.call(op::CLOSE_SESSION, b"");
    let events = watcher.events();
    assert!(events.iter().all(|event| event.zxid == reply.zxid), "{events:?}, closed at {}", reply.zxid);
    let mut pairs: Vec<_> = events.iter().map(|event| (event.kind, event.path.as_str())).collect();
    pairs.sort();
    let expected =
        [(event::DELETED, &*paths[0]), (event::DELETED, &paths[1]), (event::CHILDREN_CHANGED, &root)];
    assert_eq!(pairs, expected);
}
