//! Files outlive the server that wrote them: they survive its crash, and the other implementation carries on
//! with them.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use tempfile::TempDir;
use zoorum_interop::server::{Kind, Server, Setup};
use zoorum_interop::tree::dump;
use zoorum_interop::wire::client::{create_record, path_int, request, set_data_record};
use zoorum_interop::wire::records::{Packet, Reply};
use zoorum_interop::wire::{Acl, Client, Connect, Connected, code, flag, op, password, perm};

const SUPER_DIGEST: &str = "super:xQJmxLMiHGwaqBvst5y6rkB6HQs=";

/// What the golden files and the trees grown here need.
fn setup() -> Setup {
    Setup::new()
        .config("maxSessionTimeout", "7200000")
        .property("zookeeper.extendedTypesEnabled", "true")
        .property("zookeeper.DigestAuthenticationProvider.superDigest", SUPER_DIGEST)
}

fn superuser(server: &Server) -> Client {
    let mut client = server.client();
    assert_eq!(client.auth("digest", Some(b"super:admin")).err, 0);
    client
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/storage/testdata/golden")
}

/// A directory that a server can start on, with these golden files in it.
fn directory_with(names: &[&str]) -> TempDir {
    let directory = tempfile::Builder::new().prefix("zoorum-interop-").tempdir().expect("a directory");
    let version = directory.path().join("data/version-2");
    fs::create_dir_all(&version).expect("create the data directory");
    for name in names {
        fs::copy(golden().join(name), version.join(name)).unwrap_or_else(|e| panic!("copy {name}: {e}"));
    }
    directory
}

/// Starts a server on every form of the golden tree and compares what it answers.
fn reads_golden_files(kind: Kind) {
    let contents = fs::read_to_string(golden().join("contents.txt")).expect("read contents.txt");
    let lines = |word: &str| -> Vec<&str> {
        contents.lines().filter(|line| line.split('\t').next() == Some(word)).collect()
    };
    let number = |text: &str| -> i64 { text.parse().unwrap_or_else(|e| panic!("{text}: {e}")) };
    let zxid = number(lines("zxid")[0].trim_start_matches("zxid\t"));
    let snapshot = format!("snapshot.{zxid:x}");
    let forms: [&[&str]; 4] = [
        &["snapshot.0", "log.1"],
        &[&snapshot],
        &[&format!("{snapshot}.gz")],
        &[&format!("{snapshot}.snappy")],
    ];
    for form in forms {
        let server = Server::start_in(directory_with(form), kind, setup());
        let mut client = superuser(&server);
        assert_eq!(client.ping().zxid, zxid + 1, "the last zxid of {form:?} and one for the session");
        assert_eq!(dump(&mut client), lines("node"), "the nodes of {form:?}");
        for session in lines("session") {
            let columns: Vec<i64> = session.split('\t').skip(1).map(number).collect();
            let request = Connect {
                session: columns[0],
                password: Some(password(columns[0])),
                timeout: columns[1] as i32,
                ..Connect::default()
            };
            let mut owner = Client::connect_with(server.address(), &request);
            assert_eq!(owner.session.timeout, columns[1] as i32, "the session {session} of {form:?}");
            let owned =
                lines("node").iter().filter(|node| node.contains(&format!("\t{}\t", columns[0]))).count();
            assert_eq!(owner.get_ephemerals(None).map(|paths| paths.len()), Ok(owned));
        }
    }
}

#[test]
fn the_original_reads_the_golden_files() {
    reads_golden_files(Kind::Original);
}

#[test]
fn zoorum_reads_the_golden_files() {
    reads_golden_files(Kind::Zoorum);
}

/// Changes of every kind below `root`.
fn grow(client: &mut Client, root: &str) {
    let path = |name: &str| format!("{root}/{name}");
    let create = |client: &mut Client, name: &str, data: &[u8], flags: i32| {
        client.create(&path(name), data, flags).unwrap_or_else(|err| panic!("create {name}: {err}"))
    };
    assert_eq!(client.create(root, b"root", 0), Ok(root.to_owned()));
    for (name, data) in [("a", &b"data"[..]), ("a/größe", b""), ("a/größe/語", &[0, 255]), ("gone", b"x")]
    {
        create(client, name, data, flag::PERSISTENT);
    }
    for flags in [flag::SEQUENTIAL, flag::EPHEMERAL_SEQUENTIAL, flag::SEQUENTIAL] {
        create(client, "n-", b"", flags);
    }
    create(client, "ephemeral", b"e", flag::EPHEMERAL);
    assert!(client.create_container(&path("container"), flag::CONTAINER).is_ok());
    assert!(client.create_ttl(&path("ttl"), b"t", flag::TTL, 3_600_000).is_ok());
    assert!(client.set_data(&path("a"), b"more", 0).is_ok());
    assert!(client.set_acl(&path("a"), &[Acl::new(perm::READ, "world", "anyone")], 0).is_ok());
    assert_eq!(client.delete(&path("gone"), 0), Ok(()));
    assert_eq!(client.delete(&path("none"), -1), Err(code::NO_NODE));
    let ops = [
        (op::CREATE, create_record(&path("m"), b"m", &Acl::open(), 0)),
        (op::SET_DATA, set_data_record(&path("m"), b"m2", 0)),
        (op::CHECK, path_int(&path("m"), 1)),
        (op::CREATE, create_record(&path("m/x"), b"", &Acl::open(), 0)),
        (op::DELETE, path_int(&path("m/x"), -1)),
    ];
    assert!(client.multi(&ops).is_ok());
    assert!(client.multi(&ops).is_ok(), "fails in its first operation, which is a result too");
}

/// Each server in turn carries on where the one before stopped, and finds what that one answered last.
fn hands_over(kinds: &[Kind]) {
    let mut server = Server::start(kinds[0], setup());
    let mut client = superuser(&server);
    grow(&mut client, &format!("/by-{:?}-0", kinds[0]));
    for (turn, kind) in kinds.iter().enumerate().skip(1) {
        let before = dump(&mut client);
        let zxid = client.ping().zxid;
        let session = client.hang_up();
        server.hand_over(*kind);
        client =
            Client::connect_with(server.address(), &Connect { last_zxid: zxid, ..Connect::resume(&session) });
        assert_eq!(client.session, session, "the session goes on");
        assert_eq!(client.ping().zxid, zxid);
        assert_eq!(client.auth("digest", Some(b"super:admin")).err, 0);
        assert_eq!(dump(&mut client), before, "what {kind:?} found, in turn {turn}");
        grow(&mut client, &format!("/by-{kind:?}-{turn}"));
    }
}

#[test]
fn the_original_carries_on_after_the_original() {
    hands_over(&[Kind::Original, Kind::Original]);
}

#[test]
fn the_original_and_zoorum_carry_on_after_each_other() {
    hands_over(&[Kind::Original, Kind::Zoorum, Kind::Zoorum, Kind::Original, Kind::Zoorum]);
}

#[test]
fn the_original_carries_on_after_zoorum() {
    hands_over(&[Kind::Zoorum, Kind::Original]);
}

/// Kills a server in the midst of pipelined writes, several times.
fn survives_crashes(kind: Kind) {
    const WRITES: i32 = 2_000;
    let mut server = Server::start(kind, Setup::new());
    let mut session: Option<Connected> = None;
    for crash in 0..3 {
        let root = format!("/crash-{crash}");
        let mut client = match &session {
            None => server.client(),
            Some(session) => Client::connect_with(server.address(), &Connect::resume(session)),
        };
        assert_eq!(client.create(&root, b"", 0), Ok(root.clone()));
        let writes = (0..WRITES).map(|n| create_record(&format!("{root}/{n}"), b"x", &Acl::open(), 0));
        let bytes: Vec<u8> =
            writes.enumerate().flat_map(|(n, r)| request(n as i32, op::CREATE, &r)).collect();
        client.wire.write(&bytes);
        let mut acknowledged = 0;
        while acknowledged < WRITES / 4 {
            assert_eq!(client.reply().err, 0);
            acknowledged += 1;
        }
        // What arrives while the process dies is acknowledged as well; the last reply may be half there.
        let reader = thread::spawn(move || {
            while let Ok(Packet::Reply(Reply { err: 0, .. })) = client.try_packet() {
                acknowledged += 1;
            }
            (client.hang_up(), acknowledged)
        });
        server.kill();
        let (left, acknowledged) = reader.join().expect("replies until the end");
        server.restart();
        session = Some(left);
        let mut client = server.client();
        let children = client.get_children(&root, false).expect("the root was acknowledged");
        let found = children.len() as i32;
        assert!(found >= acknowledged, "{found} of {acknowledged} acknowledged writes are left");
        for n in 0..found {
            assert!(children.contains(&n.to_string()), "write {n} is missing, though {found} are there");
        }
    }
}

#[test]
fn acknowledged_writes_survive_a_crash_of_the_original() {
    survives_crashes(Kind::Original);
}

#[test]
fn acknowledged_writes_survive_a_crash_of_zoorum() {
    survives_crashes(Kind::Zoorum);
}
