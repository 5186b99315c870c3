//! The audit log: the same requests to the original and to Zoorum, and the records that both keep of them.

use std::fs;
use std::path::Path;

use zoorum_interop::server::{Kind, Server, Setup};
use zoorum_interop::wire::client::{create_record, path_int};
use zoorum_interop::wire::{Acl, SubOp, flag, op, perm};

/// The file that both write, in the directory that they run in.
const FILE: &str = "zookeeper_audit.log";
/// Tells the original what Zoorum does by itself: records go to a file of their own, and the last of them is
/// written before the file is closed.
const LOG4J: &str = "\
shutdownHook=disable
appender.audit.type=File
appender.audit.name=audit
appender.audit.fileName=zookeeper_audit.log
appender.audit.layout.type=PatternLayout
appender.audit.layout.pattern=%d{yyyy-MM-dd HH:mm:ss,SSS} %p %c{2}: %m%n
logger.audit.name=org.apache.zookeeper.audit.Slf4jAuditLogger
logger.audit.level=info
logger.audit.additivity=false
logger.audit.appenderRef.audit.ref=audit
rootLogger.level=off
";

/// What a server of this kind records of the scene.
fn records(kind: Kind, log4j: &Path) -> Vec<String> {
    let setup = Setup::new()
        .config("audit.enable", "true")
        .property("log4j2.configurationFile", &log4j.display().to_string());
    let mut server = Server::start(kind, setup);
    play(&server);
    server.stop();
    let text = fs::read_to_string(server.directory().join(FILE)).expect("an audit log");
    text.lines().map(masked).collect()
}

fn play(server: &Server) {
    let mut client = server.client();
    client.create("/app", b"data", 0).expect("created");
    client.create("/app/mine", b"", flag::EPHEMERAL).expect("created");
    client.create("/app/numbered-", b"", flag::SEQUENTIAL).expect("created");
    client.create_container("/container", flag::CONTAINER).expect("created");
    client.auth("digest", Some(b"bob:secret"));
    client.set_data("/app", b"more", -1).expect("set");
    client.set_data("/app", b"more", 77).expect_err("a wrong version");
    client.set_acl("/app", &[Acl::new(perm::ALL, "world", "anyone")], -1).expect("set");
    client
        .set_acl("/absent", &[Acl::new(1, "world", "anyone"), Acl::new(9, "ip", "10.0.0.1")], -1)
        .expect_err("no such znode");
    client.create("/app", b"", 0).expect_err("it is there");
    client.delete("/absent", -1).expect_err("no such znode");
    client.get_data("/app", false).expect("reads are not told of");
    let check: SubOp = (op::CHECK, path_int("/app", -1));
    client.multi(&[create("/one", flag::EPHEMERAL), check, delete("/container")]).expect("done");
    client.multi(&[create("/two", flag::PERSISTENT), delete("/absent")]).expect("an answer of refusals");
    client.close();
}

fn create(path: &str, flags: i32) -> SubOp {
    (op::CREATE, create_record(path, b"", &Acl::open(), flags))
}

fn delete(path: &str) -> SubOp {
    (op::DELETE, path_int(path, -1))
}

/// Date and session differ from run to run.
fn masked(line: &str) -> String {
    const DATE: usize = "2026-11-21 02:14:23,202".len();
    let mask = |field: &str| match field.split_once("session=0x") {
        Some((before, _)) => format!("{before}session=S"),
        None => field.to_owned(),
    };
    line[DATE..].split('\t').map(mask).collect::<Vec<_>>().join("\t")
}

#[test]
fn both_keep_the_same_records_of_the_same_requests() {
    let directory = tempfile::tempdir().expect("a directory");
    let log4j = directory.path().join("log4j2.properties");
    fs::write(&log4j, LOG4J).expect("written");
    let [mut original, mut zoorum] = [Kind::Original, Kind::Zoorum].map(|kind| records(kind, &log4j));
    // The ephemeral znodes of a session go in the order of the original's hash table.
    for records in [&mut original, &mut zoorum] {
        records.sort_by_key(|line| line.contains("ephemeralZNodeDeletion").then(|| line.clone()));
    }
    assert_eq!(zoorum, original);
    assert!(original.len() > 12, "{original:#?}");
}
