//! Files that Apache ZooKeeper wrote, read here; and files written here, as ZooKeeper would have written them.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use zoorum_proto::snapshot::SnapshotSession;
use zoorum_proto::txn::{CreateKind, CreateTxn, TxnDigest};
use zoorum_proto::{Acl, Encode, Permissions, SessionId, Txn, TxnBody, TxnHeader, WallClock, Xid, Zxid};
use zoorum_storage::memory::MemoryDisk;
use zoorum_storage::{
    Compression, LogOptions, RecoverOptions, Recovered, SnapshotOptions, SnapshotWriter, TxnLog, recover,
};
use zoorum_tree::Tree;

fn golden(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/golden").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn disk_with(names: &[&str]) -> MemoryDisk {
    let disk = MemoryDisk::new();
    for name in names {
        disk.place(name, golden(name));
    }
    disk
}

fn recovered(disk: &MemoryDisk) -> Recovered {
    recover(disk, disk, &RecoverOptions::default()).unwrap()
}

fn write_snapshot(disk: &MemoryDisk, tree: &mut Tree, options: &SnapshotOptions) {
    let start = tree.begin_snapshot();
    let mut writer = SnapshotWriter::start(disk, &start, options).unwrap();
    let mut nodes = Vec::new();
    while !tree.snapshot_step(7, &mut nodes) {
        writer.nodes(&nodes).unwrap();
        nodes.clear();
    }
    writer.nodes(&nodes).unwrap();
    tree.end_snapshot();
    writer.finish().unwrap();
}

/// The lines of `contents.txt` as this tree would have them, without what only the wire tells.
fn contents(tree: &Tree) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    let mut paths = vec!["/".to_owned()];
    while let Some(path) = paths.pop() {
        let node = tree.node(&path).unwrap();
        let stat = node.stat();
        let data = match node.data() {
            None => "null".to_owned(),
            Some([]) => "-".to_owned(),
            Some(data) => data.iter().map(|byte| format!("{byte:02x}")).collect(),
        };
        let acl: Vec<_> = node
            .acl()
            .iter()
            .map(|entry| format!("{}:{}:{}", entry.perms.0, entry.scheme, entry.id))
            .collect();
        let line = [
            data,
            stat.czxid.0.to_string(),
            stat.mzxid.0.to_string(),
            stat.ctime.0.to_string(),
            stat.mtime.0.to_string(),
            stat.version.0.to_string(),
            stat.cversion.to_string(),
            stat.aversion.0.to_string(),
            stat.ephemeral_owner.0.to_string(),
            stat.data_length.to_string(),
            stat.num_children.to_string(),
            stat.pzxid.0.to_string(),
            acl.join(" "),
        ];
        lines.insert(path.clone(), line.join("\t"));
        let slash = if path == "/" { "" } else { &path };
        paths.extend(node.children().map(|name| format!("{slash}/{name}")));
    }
    lines
}

/// What `contents.txt` says of the nodes, by path.
fn expected_contents() -> BTreeMap<String, String> {
    let text = String::from_utf8(golden("contents.txt")).unwrap();
    let nodes = text.lines().filter_map(|line| line.strip_prefix("node\t"));
    nodes.map(|line| line.split_once('\t').unwrap()).map(|(path, rest)| (path.into(), rest.into())).collect()
}

fn expected_sessions() -> Vec<SnapshotSession> {
    let text = String::from_utf8(golden("contents.txt")).unwrap();
    let sessions = text.lines().filter_map(|line| line.strip_prefix("session\t"));
    let session = |line: &str| {
        let (id, timeout) = line.split_once('\t').unwrap();
        SnapshotSession { session: SessionId(id.parse().unwrap()), timeout_ms: timeout.parse().unwrap() }
    };
    let mut sessions: Vec<_> = sessions.map(session).collect();
    sessions.sort_by_key(|session| session.session);
    sessions
}

fn sessions(tree: &Tree) -> Vec<SnapshotSession> {
    let mut sessions: Vec<_> = tree.sessions().collect();
    sessions.sort_by_key(|session| session.session);
    sessions
}

fn assert_is_golden(recovered: &Recovered) {
    assert_eq!(recovered.last_zxid, Zxid(0x59));
    assert_eq!(contents(&recovered.tree), expected_contents());
    assert_eq!(sessions(&recovered.tree), expected_sessions());
}

#[test]
fn zookeepers_snapshots_are_read_however_they_are_packed() {
    for name in ["snapshot.59", "snapshot.59.gz", "snapshot.59.snappy"] {
        let recovered = recovered(&disk_with(&[name]));
        assert_eq!((recovered.snapshot_zxid, recovered.txns_replayed), (Some(Zxid(0x59)), 0), "{name}");
        assert!(recovered.snapshot_is_current, "{name}");
        // That there is no log is all there is to say: the digest is right, too.
        assert_eq!(recovered.warnings.len(), 1, "{name}: {:?}", recovered.warnings);
        assert_is_golden(&recovered);
    }
}

#[test]
fn zookeepers_log_is_replayed_over_its_empty_snapshot_with_every_digest_right() {
    let recovered = recovered(&disk_with(&["snapshot.0", "log.1"]));
    assert_eq!((recovered.snapshot_zxid, recovered.txns_replayed), (Some(Zxid::ZERO), 0x59));
    assert!(recovered.warnings.is_empty(), "{:?}", recovered.warnings);
    assert_is_golden(&recovered);
}

#[test]
fn records_that_the_snapshot_holds_already_are_passed_over() {
    let recovered = recovered(&disk_with(&["snapshot.59", "log.1"]));
    assert_eq!(recovered.txns_replayed, 0);
    assert!(recovered.warnings.is_empty(), "{:?}", recovered.warnings);
    assert_is_golden(&recovered);
}

#[test]
fn the_snapshot_of_an_empty_database_is_zookeepers_but_for_the_order_of_two_nodes() {
    let disk = MemoryDisk::new();
    write_snapshot(&disk, &mut recovered(&disk).tree, &SnapshotOptions::default());
    let (ours, theirs) = (disk.content("snapshot.0").unwrap(), golden("snapshot.0"));
    assert_eq!(ours.len(), theirs.len());
    // Header, sessions, ACLs, the root and /zookeeper.
    assert_eq!(ours[..221], theirs[..221]);
    // Java has its children in the order of a hash; the seals differ with it.
    let (config, quota) = (&theirs[221..314], &theirs[314..406]);
    let nodes = &ours[221..406];
    assert!(nodes == [config, quota].concat() || nodes == [quota, config].concat());
    assert_eq!(ours[406..411], theirs[406..411], "the end of the nodes");
    assert_eq!(ours[424..444], theirs[424..444], "the section of the digest");
    assert_eq!(ours[457..465], theirs[457..465], "the section of the last zxid");
}

/// The beginning of a log: header, createSession, create of `/a`.
const LOG_START: &str = "5a4b4c4700000002000000000000000000000000e30c0bb6000000300100001599b4000000000000\
    0000000000000001000001a1fbac2bf6fffffff600007530000000020000000051c6d6604200000000cdf10be4000000570100001599\
    b400000000000a0000000000000002000001a1fbac2e2b00000001000000022f610000000178000000010000001f00000005776f726c\
    6400000006616e796f6e6500000000010000000200000000a6b04f4142";

#[test]
fn changes_are_logged_as_zookeeper_logs_them() {
    let header = |cxid, zxid, time, kind| TxnHeader {
        session: SessionId(0x0100_0015_99b4_0000),
        cxid: Xid(cxid),
        zxid: Zxid(zxid),
        time: WallClock(time),
        kind,
    };
    let create = CreateTxn {
        kind: CreateKind::Create { ephemeral: false },
        path: "/a".into(),
        data: Some(b"x"),
        acl: vec![Acl::world(Permissions::ALL)],
        parent_creates: 1,
    };
    let txns = [
        (header(0, 1, 1_795_223_727_094, -10), TxnBody::CreateSession { timeout_ms: 30_000 }),
        (header(10, 2, 1_795_223_727_659, 1), TxnBody::Create(create)),
    ];
    let disk = MemoryDisk::new();
    let Recovered { mut tree, tail, .. } = recovered(&disk);
    let mut log = TxnLog::open(disk.clone(), tail, LogOptions::default());
    for (header, body) in txns {
        let mut txn = Txn { header, body, digest: None };
        tree.apply(&txn, &mut |_| {});
        txn.digest = Some(TxnDigest { version: TxnDigest::VERSION, value: tree.digest() });
        log.append(txn.header.zxid, &txn.to_vec());
    }
    log.sync().unwrap();
    let bytes = disk.content("log.1").unwrap();
    assert_eq!(bytes.len(), 67_108_880, "64 MiB and the header");
    let hex: String = bytes[..LOG_START.len() / 2].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, LOG_START);
    let marks = bytes.len() - 2048;
    assert!(bytes[LOG_START.len() / 2..marks].iter().all(|&byte| byte == 0), "where readers stop");
}

#[test]
fn what_is_written_is_read_again_equal_however_it_is_packed() {
    let mut source = recovered(&disk_with(&["snapshot.0", "log.1"]));
    for compression in [Compression::None, Compression::Gz, Compression::Snappy] {
        for (digest, last_zxid) in [(true, true), (true, false), (false, true), (false, false)] {
            let disk = MemoryDisk::new();
            let options = SnapshotOptions { compression, digest, last_zxid };
            write_snapshot(&disk, &mut source.tree, &options);
            disk.crash_hard();
            let again = recovered(&disk);
            assert_is_golden(&again);
            assert_eq!(again.tree.digest(), source.tree.digest());
            // No log; and, without its last section, a snapshot that may have been cut there.
            assert_eq!(
                again.warnings.len(),
                1 + usize::from(!last_zxid),
                "{options:?}: {:?}",
                again.warnings
            );
        }
    }
}
