//! 16.7, second part: watches checked, removed, and set again after a reconnect.

use zoorum_interop::wire::{Writer, code, event, op};

use crate::support::{create_all, expect_events};
use crate::table::{Config, Row, Stage};

/// The rows.
pub const ROWS: &[Row] = &[
    row(82, "unknown kinds of watches", unknown_kinds),
    row(83, "removeWatches takes away one kind and leaves the others", remove),
    row(84, "an exists watch counts as a data watch", exists_is_data),
    row(85, "setWatches makes up for what was missed", set_watches),
    row(86, "setWatches2 brings persistent watches back", set_watches2),
    row(87, "setWatches takes no null lists", null_lists),
];

const fn row(number: u32, title: &'static str, check: fn(&Stage)) -> Row {
    Row { number, title, config: Config::Plain, check }
}

const CHILDREN: i32 = 1;
const DATA: i32 = 2;
const ANY: i32 = 3;
const PERSISTENT: i32 = 4;
const RECURSIVE: i32 = 5;

fn unknown_kinds(stage: &Stage) {
    let mut client = stage.client();
    for mode in [2, -1] {
        assert_eq!(client.add_watch("/", mode), Err(code::MARSHALLING_ERROR), "mode {mode}");
    }
    for kind in [9, 0, -1, 6] {
        assert_eq!(client.check_watches("/", kind), Err(code::MARSHALLING_ERROR), "type {kind}");
        assert_eq!(client.remove_watches("/", kind), Err(code::MARSHALLING_ERROR), "type {kind}");
    }
    client.expect_usable();
}

fn remove(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    assert_eq!(client.add_watch(&root, 0), Ok(()));
    assert_eq!(client.remove_watches(&root, DATA), Err(code::NO_WATCHER));
    assert_eq!(client.check_watches(&root, PERSISTENT), Ok(()));
    assert_eq!(client.check_watches(&root, RECURSIVE), Err(code::NO_WATCHER));
    assert_eq!(client.remove_watches(&root, PERSISTENT), Ok(()));
    assert_eq!(client.remove_watches(&root, PERSISTENT), Err(code::NO_WATCHER));

    assert!(client.get_data(&root, true).is_ok());
    assert!(client.get_children(&root, true).is_ok());
    assert_eq!(client.add_watch(&root, 1), Ok(()));
    assert_eq!(client.check_watches(&root, DATA), Ok(()));
    assert_eq!(client.remove_watches(&root, CHILDREN), Ok(()));
    assert_eq!(client.check_watches(&root, CHILDREN), Err(code::NO_WATCHER));
    assert_eq!(client.check_watches(&root, DATA), Ok(()));
    assert_eq!(client.remove_watches(&root, RECURSIVE), Ok(()));
    assert!(client.get_children(&root, true).is_ok());
    assert_eq!(client.check_watches(&root, ANY), Ok(()));
    assert_eq!(client.remove_watches(&root, ANY), Ok(()));
    assert_eq!(client.check_watches(&root, ANY), Err(code::NO_WATCHER));
    assert!(client.set_data(&root, b"x", -1).is_ok());
    expect_events(&mut client, &[]);

    let mut other = stage.client();
    assert!(other.get_data(&root, true).is_ok());
    assert_eq!(client.remove_watches(&root, ANY), Err(code::NO_WATCHER), "that one is another's");
}

fn exists_is_data(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let path = format!("{root}/none");
    assert_eq!(client.exists(&path, true), Err(code::NO_NODE));
    assert_eq!(client.check_watches(&path, DATA), Ok(()));
    assert_eq!(client.check_watches(&path, CHILDREN), Err(code::NO_WATCHER));
    assert_eq!(client.remove_watches(&path, DATA), Ok(()));
    create_all(&mut client, &[&path]);
    expect_events(&mut client, &[]);
}

fn set_watches(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let path = |name: &str| format!("{root}/{name}");
    let (data, quiet, parent, gone, absent) =
        (path("data"), path("quiet"), path("parent"), path("gone"), path("absent"));
    create_all(&mut client, &[&data, &quiet, &parent]);
    let seen = client.zxid();
    assert!(client.set_data(&data, b"x", -1).is_ok());
    create_all(&mut client, &[&format!("{parent}/c")]);

    let mut client = stage.client();
    let lists: [&[&str]; 3] = [&[&data, &gone, &quiet], &[&quiet, &absent], &[&gone, &parent, &quiet]];
    client.received.clear();
    assert_eq!(client.set_watches(seen, lists), Ok(()));
    assert_eq!(client.received.len(), 6, "five events, then the reply");
    let events = client.events();
    assert!(events.iter().all(|event| (event.zxid, event.state) == (-1, 3)), "{events:?}");
    let pairs: Vec<_> = events.iter().map(|event| (event.kind, event.path.as_str())).collect();
    let expected = [
        (event::DATA_CHANGED, data.as_str()),
        (event::DELETED, &gone),
        (event::CREATED, &quiet),
        (event::DELETED, &gone),
        (event::CHILDREN_CHANGED, &parent),
    ];
    assert_eq!(pairs, expected);

    create_all(&mut client, &[&absent, &gone, &format!("{quiet}/c"), &format!("{parent}/d")]);
    for _ in 0..2 {
        assert!(client.set_data(&quiet, b"x", -1).is_ok());
        assert!(client.set_data(&data, b"x", -1).is_ok());
        assert!(client.set_data(&absent, b"x", -1).is_ok());
    }
    let expected =
        [(event::CREATED, absent.as_str()), (event::CHILDREN_CHANGED, &quiet), (event::DATA_CHANGED, &quiet)];
    expect_events(&mut client, &expected);
}

fn set_watches2(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let path = |name: &str| format!("{root}/{name}");
    let (kept, deep) = (path("kept"), path("deep"));
    create_all(&mut client, &[&kept, &deep]);
    assert!(client.set_data(&kept, b"x", -1).is_ok());
    let mut client = stage.client();
    assert_eq!(client.set_watches2(0, [&[], &[], &[], &[&kept], &[&deep]]), Ok(()));
    expect_events(&mut client, &[]);
    let (child, below) = (format!("{kept}/c"), format!("{deep}/c"));
    create_all(&mut client, &[&child, &below]);
    for _ in 0..2 {
        assert!(client.set_data(&kept, b"y", -1).is_ok());
    }
    let expected = [
        (event::CHILDREN_CHANGED, kept.as_str()),
        (event::CREATED, &below),
        (event::DATA_CHANGED, &kept),
        (event::DATA_CHANGED, &kept),
    ];
    expect_events(&mut client, &expected);
}

fn null_lists(stage: &Stage) {
    let mut client = stage.client();
    let record = Writer::new().long(0).int(-1).int(-1).int(-1).done();
    assert_eq!(client.call(op::SET_WATCHES, &record).err, code::MARSHALLING_ERROR);
    let record = Writer::new().long(0).strings(&[]).strings(&[]).strings(&[]).int(-1).int(-1).done();
    assert_eq!(client.call(op::SET_WATCHES2, &record).err, code::MARSHALLING_ERROR);
    client.expect_usable();
}
