//! 16.10, second part: quotas.

use zoorum_interop::server::{Server, Setup};
use zoorum_interop::wire::client::{create_record, path_int};
use zoorum_interop::wire::{Acl, Client, SubResult, code, op};

use crate::support::{create, create_all};
use crate::table::{Config, Row, Stage, extended};

/// The rows.
pub const ROWS: &[Row] = &[
    row(110, "usage is counted in the stats node, whose Stat stands still", bookkeeping),
    row(111, "hard limits are enforced to the node and to the byte", hard_limits),
    row(112, "soft limits are not enforced, and the limit is judged before the version", soft_limits),
    row(113, "the deepest quota counts", nested),
    row(114, "limits that cannot be read fail the creates below", garbage_limits),
    Row { config: Config::Own, ..row(114, "stats that cannot be read do no harm", garbage_stats) },
    Row { config: Config::Own, ..row(115, "limits in odd places do no harm", misplaced_limits) },
    Row { config: Config::Own, ..row(115, "nor does their removal", misplaced_limits_removed) },
];

const fn row(number: u32, title: &'static str, check: fn(&Stage)) -> Row {
    Row { number, title, config: Config::Extended, check }
}

/// Puts a quota on `path`, as the command line client does: limits first, then stats.
fn set_quota(client: &mut Client, path: &str, limits: &str) -> String {
    let mut node = "/zookeeper/quota".to_owned();
    for name in path.split('/').skip(1) {
        node = format!("{node}/{name}");
        match client.create(&node, b"", 0) {
            Ok(_) | Err(code::NODE_EXISTS) => {}
            Err(err) => panic!("create {node} gives {err}"),
        }
    }
    let (limits_node, stats) = (format!("{node}/zookeeper_limits"), format!("{node}/zookeeper_stats"));
    assert_eq!(client.create(&limits_node, limits.as_bytes(), 0), Ok(limits_node));
    assert_eq!(client.create(&stats, b"count=0,bytes=0", 0), Ok(stats.clone()));
    stats
}

fn text(client: &mut Client, path: &str) -> String {
    let data = client.get_data(path, false).expect("readable").0.expect("not null");
    String::from_utf8(data).expect("text")
}

fn bookkeeping(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    assert_eq!(client.create(&format!("{root}/a"), b"12345678", 0), Ok(format!("{root}/a")));
    let stats = set_quota(&mut client, &root, "count=100,bytes=-1");
    assert_eq!(text(&mut client, &stats), "count=2,bytes=8");
    let before = client.exists(&stats, true).expect("exists");
    assert!(client.set_data(&format!("{root}/a"), b"123", -1).is_ok());
    assert_eq!(text(&mut client, &stats), "count=2,bytes=3");
    create_all(&mut client, &[&format!("{root}/b")]);
    assert!(client.create(&format!("{root}/e"), b"1234", 1).is_ok());
    assert_eq!(text(&mut client, &stats), "count=4,bytes=7");
    assert_eq!(client.delete(&format!("{root}/a"), -1), Ok(()));
    assert_eq!(text(&mut client, &stats), "count=3,bytes=4");
    assert_eq!(client.exists(&stats, false), Ok(before));
    assert_eq!(client.events(), []);
    let results = client.multi(&[create(&format!("{root}/m"), 0), create(&format!("{root}/m/n"), 0)]);
    assert!(results.is_ok());
    assert_eq!(text(&mut client, &stats), "count=5,bytes=4");
}

fn hard_limits(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let stats = set_quota(&mut client, &root, "count=-1,bytes=-1=;countHardLimit=4");
    create_all(&mut client, &["/1", "/2", "/3"].map(|name| root.clone() + name).each_ref().map(|p| &**p));
    assert_eq!(client.create(&format!("{root}/4"), b"", 0), Err(code::QUOTA_EXCEEDED));
    let results = client.multi(&[create(&format!("{root}/4"), 0)]);
    assert_eq!(results, Ok(vec![SubResult::Error(code::QUOTA_EXCEEDED)]));
    assert_eq!(text(&mut client, &stats), "count=4,bytes=0");

    let full = stage.name("full");
    create_all(&mut client, &[&full]);
    let stats = set_quota(&mut client, &full, "count=-1,bytes=-1=;byteHardLimit=10");
    let path = |name: &str| format!("{full}/{name}");
    assert_eq!(client.create(&path("a"), b"12345678901", 0), Err(code::QUOTA_EXCEEDED));
    assert!(client.create(&path("a"), b"1234567890", 0).is_ok());
    assert_eq!(client.create(&path("b"), b"1", 0), Err(code::QUOTA_EXCEEDED));
    assert!(client.create(&path("b"), b"", 0).is_ok());
    assert_eq!(client.set_data(&path("b"), b"1", -1).err(), Some(code::QUOTA_EXCEEDED));
    assert!(client.set_data(&path("a"), b"123456789", -1).is_ok());
    assert!(client.set_data(&path("b"), b"1", -1).is_ok());
    assert_eq!(text(&mut client, &stats), "count=3,bytes=10");
}

fn soft_limits(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    set_quota(&mut client, &root, "count=1,bytes=1");
    assert!(client.create(&format!("{root}/a"), b"12345", 0).is_ok());
    assert!(client.set_data(&root, b"12345", -1).is_ok());

    let hard = stage.name("hard");
    create_all(&mut client, &[&hard]);
    set_quota(&mut client, &hard, "count=-1,bytes=-1=;byteHardLimit=10");
    assert_eq!(client.set_data(&hard, b"12345678901", 77), Err(code::QUOTA_EXCEEDED));
    assert_eq!(client.set_data(&hard, b"1234567890", 77), Err(code::BAD_VERSION));
}

fn nested(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let inner = format!("{root}/inner");
    create_all(&mut client, &[&inner]);
    let outer_stats = set_quota(&mut client, &root, "count=-1,bytes=-1=;countHardLimit=3");
    let inner_stats = set_quota(&mut client, &inner, "count=-1,bytes=-1=;countHardLimit=4");
    for name in ["1", "2", "3"] {
        create_all(&mut client, &[&format!("{inner}/{name}")]);
    }
    assert_eq!(client.create(&format!("{inner}/4"), b"", 0), Err(code::QUOTA_EXCEEDED));
    assert_eq!(text(&mut client, &outer_stats), "count=2,bytes=0");
    assert_eq!(text(&mut client, &inner_stats), "count=4,bytes=0");
    create_all(&mut client, &[&format!("{root}/x")]);
    assert_eq!(text(&mut client, &outer_stats), "count=3,bytes=0");
}

fn garbage_limits(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    set_quota(&mut client, &root, "count=garbage");
    assert_eq!(client.create(&format!("{root}/a"), b"", 0), Err(code::MARSHALLING_ERROR));
    client.expect_usable();
}

/// Asked of Zoorum alone, which carries on without accounting.
fn survives(stage: &Stage, server: &mut Server, mut client: Client, path: &str, delete: bool) {
    if stage.kind.pick(true, false) {
        let create = create_record(path, b"", &Acl::open(), 0);
        if delete {
            assert_eq!(client.call(op::CREATE, &create).err, 0);
            client.post(op::DELETE, &path_int(path, -1));
        } else {
            client.post(op::CREATE, &create);
        }
        client.expect_closed();
        server.await_end();
    } else {
        create_all(&mut client, &[path]);
        if delete {
            assert_eq!(client.delete(path, -1), Ok(()));
        }
        client.expect_usable();
        server.restart();
        assert_eq!(server.client().exists(path, false).is_err(), delete);
    }
}

fn garbage_stats(stage: &Stage) {
    let mut server = Server::start(stage.kind, Setup::new());
    let mut client = server.client();
    create_all(&mut client, &["/q"]);
    let stats = set_quota(&mut client, "/q", "count=100,bytes=-1");
    assert!(client.set_data(&stats, b"garbage", -1).is_ok());
    survives(stage, &mut server, client, "/q/a", false);
}

fn misplaced_limits(stage: &Stage) {
    let mut server = Server::start(stage.kind, extended());
    let client = server.client();
    survives(stage, &mut server, client, "/zookeeper/quota/zookeeper_limits", false);
}

fn misplaced_limits_removed(stage: &Stage) {
    let mut server = Server::start(stage.kind, extended());
    let client = server.client();
    survives(stage, &mut server, client, "/zookeeper/zookeeper_limits", true);
}
