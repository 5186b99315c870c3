//! 16.3, first part: paths, and the names that sequential nodes get.

use zoorum_interop::wire::{Acl, SubResult, Writer, code, flag, op};

use crate::support::{create, create_all};
use crate::table::{Config, Row, Stage};

/// The rows.
pub const ROWS: &[Row] = &[
    row(30, "paths that no node can have", bad_paths),
    row(31, "the names . and .. are forbidden, longer ones are not", dots),
    row(32, "characters that no name may have", bad_characters),
    row(33, "the word zookeeper is not protected", reserved_word),
    Row { config: Config::Limited, ..row(38, "numbers count every child ever created", sequence_numbers) },
    row(39, "a sequential name may be nothing but its number", bare_number),
    row(40, "sequential creates in one multi get consecutive numbers", numbers_in_multi),
];

const fn row(number: u32, title: &'static str, check: fn(&Stage)) -> Row {
    Row { number, title, config: Config::Plain, check }
}

fn bad_paths(stage: &Stage) {
    let mut client = stage.client();
    for (path, err) in [
        ("", code::BAD_ARGUMENTS),
        ("a", code::BAD_ARGUMENTS),
        ("a/b", code::NO_NODE),
        ("/", code::NODE_EXISTS),
        ("//", code::BAD_ARGUMENTS),
        ("/a\0", code::BAD_ARGUMENTS),
    ] {
        assert_eq!(client.create(path, b"", 0), Err(err), "create {path:?}");
    }
    let node = stage.name("");
    let slash = stage.name("/");
    assert_eq!(client.create(&slash, b"", 0), Err(code::NO_NODE));
    create_all(&mut client, &[&node]);
    assert_eq!(client.create(&slash, b"", 0), Err(code::BAD_ARGUMENTS));
    assert_eq!(client.create(&stage.name("//b"), b"", 0), Err(code::NO_NODE));
}

fn dots(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    for (name, err) in [
        (".", code::BAD_ARGUMENTS),
        ("..", code::BAD_ARGUMENTS),
        ("./x", code::NO_NODE),
        ("../x", code::NO_NODE),
    ] {
        assert_eq!(client.create(&format!("{root}/{name}"), b"", 0), Err(err), "create {name:?}");
    }
    for name in ["..x", "...", ".a", "a."] {
        create_all(&mut client, &[&format!("{root}/{name}")]);
    }
}

fn bad_characters(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    for bad in
        ['\u{1}', '\u{1f}', '\u{7f}', '\u{9f}', '\u{e000}', '\u{f8ff}', '\u{fff0}', '\u{fffd}', '\u{1f600}']
    {
        let path = format!("{root}/a{bad}");
        assert_eq!(client.create(&path, b"", 0), Err(code::BAD_ARGUMENTS), "create {path:?}");
    }
    for good in ['\u{20}', '\u{a0}', '\u{d7ff}', '\u{f900}', '\u{ffef}', 'ü', '語'] {
        let path = format!("{root}/a{good}");
        assert_eq!(client.create(&path, b"", 0), Ok(path.clone()));
        assert!(client.exists(&path, false).is_ok(), "{path:?}");
    }
    let invalid_utf8 = Writer::new().buffer(&[b'/', 0xff, b'a'][..]).buffer(None).acls(&Acl::open()).int(0);
    assert_eq!(client.call(op::CREATE, &invalid_utf8.done()).err, code::BAD_ARGUMENTS);
    let null = Writer::new().string(None).buffer(None).acls(&Acl::open()).int(0).done();
    assert_eq!(client.call(op::CREATE, &null).err, code::MARSHALLING_ERROR);
}

fn reserved_word(stage: &Stage) {
    let mut client = stage.client();
    create_all(&mut client, &["/zookeeper/foo"]);
    assert_eq!(client.delete("/zookeeper/foo", -1), Ok(()));
}

fn sequence_numbers(stage: &Stage) {
    let mut client = stage.client();
    assert_eq!(client.create("/s-", b"", flag::SEQUENTIAL), Ok("/s-0000000000".into()));
    let root = "/s-0000000000";
    create_all(&mut client, &[&format!("{root}/a"), &format!("{root}/b")]);
    assert_eq!(client.delete(&format!("{root}/a"), -1), Ok(()));
    let next = client.create(&format!("{root}/c"), b"", flag::SEQUENTIAL);
    assert_eq!(next, Ok(format!("{root}/c0000000002")));
    // A create that fails does not count; an ephemeral one does.
    assert_eq!(client.create(&format!("{root}/b"), b"", 0), Err(code::NODE_EXISTS));
    let next = client.create(&format!("{root}/c"), b"", flag::EPHEMERAL_SEQUENTIAL);
    assert_eq!(next, Ok(format!("{root}/c0000000003")));
    create_all(&mut client, &[&format!("{root}/c0000000005")]);
    let next = client.create(&format!("{root}/c"), b"", flag::SEQUENTIAL);
    assert_eq!(next, Err(code::NODE_EXISTS), "the numbered name is taken");
}

fn bare_number(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let next = client.create(&format!("{root}/"), b"", flag::SEQUENTIAL);
    assert_eq!(next, Ok(format!("{root}/0000000000")));
}

fn numbers_in_multi(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let prefix = format!("{root}/n");
    let ops = [&prefix, &prefix, &prefix].map(|path| create(path, flag::SEQUENTIAL));
    let expected = ["0000000000", "0000000001", "0000000002"].map(|n| SubResult::Created(prefix.clone() + n));
    assert_eq!(client.multi(&ops), Ok(expected.to_vec()));
    assert_eq!(client.create(&prefix, b"", flag::SEQUENTIAL), Ok(prefix + "0000000003"));
}
