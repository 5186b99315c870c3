//! 16.4: what becomes of a Stat.

use std::fs;

use zoorum_interop::server::{Server, Setup};
use zoorum_interop::wire::{Acl, Stat, Writer, code, perm};

use crate::support::create_all;
use crate::table::{Config, Row, Stage};

/// The rows.
pub const ROWS: &[Row] = &[
    Row { config: Config::Fresh, ..row(49, "the tree is born with four nodes", born) },
    row(50, "children leave their marks on the parent", parent),
    row(51, "data and ACL have versions of their own", versions),
    row(52, "a new node's numbers agree", new_node),
    Row { config: Config::Own, ..row(53, "versions wrap around, and skip −1", wrap) },
];

const fn row(number: u32, title: &'static str, check: fn(&Stage)) -> Row {
    Row { number, title, config: Config::Plain, check }
}

const BLANK: Stat = Stat {
    czxid: 0,
    mzxid: 0,
    ctime: 0,
    mtime: 0,
    version: 0,
    cversion: 0,
    aversion: 0,
    ephemeral_owner: 0,
    data_length: 0,
    num_children: 0,
    pzxid: 0,
};

fn born(stage: &Stage) {
    let mut client = stage.client();
    let root = Stat { cversion: -1, num_children: 1, ..BLANK };
    assert_eq!(client.get_data("/", false), Ok((Some(vec![]), root)));
    let zookeeper = Stat { cversion: -2, num_children: 2, ..BLANK };
    assert_eq!(client.get_data("/zookeeper", false), Ok((Some(vec![]), zookeeper)));
    let config = Stat { aversion: -1, ..BLANK };
    assert_eq!(client.get_data("/zookeeper/config", false), Ok((Some(vec![]), config)));
    assert_eq!(client.get_data("/zookeeper/quota", false), Ok((Some(vec![]), BLANK)));
    let readable = vec![Acl::new(perm::READ, "world", "anyone")];
    assert_eq!(client.get_acl("/zookeeper/config"), Ok((readable, config)));
    assert_eq!(client.set_data("/zookeeper/config", b"", -1), Err(code::NO_AUTH));
    for path in ["/", "/zookeeper", "/zookeeper/quota"] {
        assert_eq!(client.get_acl(path).map(|(acl, _)| acl), Ok(Acl::open()));
    }
    assert_eq!(client.get_children("/zookeeper", false), Ok(vec!["config".into(), "quota".into()]));
}

fn parent(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let before = client.exists(&root, false).expect("exists");
    let child = format!("{root}/c");
    create_all(&mut client, &[&child]);
    let created = Stat { cversion: 1, num_children: 1, pzxid: client.zxid(), ..before };
    assert_eq!(client.exists(&root, false), Ok(created));
    assert_eq!(client.delete(&child, -1), Ok(()));
    let deleted = Stat { cversion: 2, num_children: 0, pzxid: client.zxid(), ..before };
    assert_eq!(client.exists(&root, false), Ok(deleted));
}

fn versions(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let child = format!("{root}/c");
    create_all(&mut client, &[&child]);
    let parent = client.exists(&root, false);
    let before = client.exists(&child, false).expect("exists");
    let set = client.set_data(&child, b"data", 0).expect("set");
    let expected = Stat { version: 1, mzxid: client.zxid(), mtime: set.mtime, data_length: 4, ..before };
    assert_eq!(set, expected);
    assert!(set.mtime >= before.mtime);
    assert_eq!(client.exists(&root, false), parent);
    let set = client.set_acl(&child, &Acl::open(), 0);
    assert_eq!(set, Ok(Stat { aversion: 1, ..expected }));
    assert_eq!(client.exists(&child, false), set);
    assert_eq!(client.set_acl(&child, &Acl::open(), 0), Err(code::BAD_VERSION));
    assert_eq!(client.set_data(&child, b"", 0), Err(code::BAD_VERSION));
}

fn new_node(stage: &Stage) {
    let mut client = stage.client();
    let (path, stat) = client.create2(&stage.name(""), b"xyz", 0).expect("created");
    let zxid = client.zxid();
    let expected = Stat {
        czxid: zxid,
        mzxid: zxid,
        pzxid: zxid,
        ctime: stat.ctime,
        mtime: stat.ctime,
        data_length: 3,
        ..BLANK
    };
    assert_eq!(stat, expected);
    assert!(stat.ctime > 0);
    assert_eq!(client.exists(&path, false), Ok(stat));
}

/// Two thousand million changes take too long, so the server finds them in its log.
fn wrap(stage: &Stage) {
    let mut server = Server::start(stage.kind, Setup::new());
    server.stop();
    let log = server.directory().join("data/version-2/log.1");
    fs::write(log, log_with_versions(&[("/max", i32::MAX), ("/two", -2)])).expect("write a log");
    server.restart();
    let mut client = server.client();
    let max = client.set_data("/max", b"", i32::MAX).map(|stat| stat.version);
    assert_eq!(max, Ok(i32::MIN));
    // The original goes on to −1, which no client can ask for, since it means any version.
    let two = client.set_data("/two", b"", -2).map(|stat| stat.version);
    assert_eq!(two, Ok(stage.kind.pick(-1, 0)));
}

/// A transaction log that creates nodes and sets their data, so that they end with these versions.
fn log_with_versions(nodes: &[(&str, i32)]) -> Vec<u8> {
    let mut log = Writer::new().raw(b"ZKLG").int(2).long(0).done();
    let mut zxid = 0;
    for (number, (path, version)) in nodes.iter().enumerate() {
        let creates = number as i32 + 1;
        let create = Writer::new().string(*path).buffer(None).acls(&Acl::open()).bool(false).int(creates);
        let set = Writer::new().string(*path).buffer(None).int(*version);
        for (kind, body) in [(1, create), (5, set)] {
            zxid += 1;
            let header = Writer::new().long(0).int(0).long(zxid).long(1_000).int(kind);
            log.extend(log_record(&header.raw(&body.done()).done()));
        }
    }
    log
}

fn log_record(payload: &[u8]) -> Vec<u8> {
    Writer::new().long(adler32(payload).into()).buffer(payload).raw(b"B").done()
}

fn adler32(bytes: &[u8]) -> u32 {
    let (low, high) = bytes.iter().fold((1_u32, 0_u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    high << 16 | low
}
