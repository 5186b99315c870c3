//! What Zoorum's shell has beyond the original's, and what becomes of it where something fails.

use std::fs;
use std::net::SocketAddr;
use std::process::Output;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use zoorum_interop::server::{Kind, Server};
use zoorum_interop::wire::Client;

use super::{Shell, setup};

/// How long whatever must happen may take.
const PATIENCE: Duration = Duration::from_secs(60);

fn run(server: SocketAddr, arguments: &[&str]) -> Output {
    Shell::Zoorum.command(&server.to_string()).args(arguments).output().expect("run the shell")
}

/// What a command that succeeds says, without what every shell says first.
fn said(server: SocketAddr, arguments: &[&str]) -> String {
    let output = run(server, arguments);
    let [out, err] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(output.status.success(), "{arguments:?}: {} {out} {err}", output.status);
    let first = format!(
        "Connecting to {server}\n\nWATCHER::\n\nWatchedEvent state:SyncConnected type:None path:null zxid: -1\n"
    );
    out.strip_prefix(&first).unwrap_or(&out).to_owned()
}

/// What a command that fails says.
fn complaint(server: SocketAddr, arguments: &[&str]) -> String {
    let output = run(server, arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn scene() -> (Server, Client) {
    let server = Server::start(Kind::Zoorum, setup());
    let mut client = server.client();
    for (path, data) in [
        ("/app", &b"root"[..]),
        ("/app/json", b"{\"a\": [1, 2]}"),
        ("/app/json/below", b""),
        ("/app/raw", b"\x00\xff"),
        ("/app/text", b"two\nlines"),
    ] {
        client.create(path, data, 0).expect("created");
    }
    (server, client)
}

#[test]
fn subtrees_are_drawn_and_searched() {
    let (server, _client) = scene();
    let server = server.address();
    assert_eq!(
        said(server, &["tree", "-v", "/app"]),
        "/app  root\n├── json  {\"a\":[1,2]}\n│   └── below\n├── raw  00 ff\n└── text  two\\nlines\n"
    );
    assert_eq!(said(server, &["tree", "-d", "1", "/app"]), "/app\n├── json\n├── raw\n└── text\n");
    assert_eq!(said(server, &["find", "-n", "*t", "/app"]), "/app/text\n");
    assert_eq!(said(server, &["find", "-d", "[1", "/app"]), "/app/json\n");
    assert_eq!(said(server, &["find", "-m", "0", "/app"]), "/app\n");
    assert_eq!(complaint(server, &["tree", "/none"]), "Node does not exist: /none\n");
    assert_eq!(complaint(server, &["tree", "-d", "x", "/app"]), "-d argument must be a positive int value\n");
}

#[test]
fn answers_come_as_json_for_programs() {
    let (server, _client) = scene();
    let server = server.address();
    let json = |arguments: &[&str]| said(server, &[&["--output", "json"], arguments].concat());
    assert_eq!(json(&["ls", "/app"]), "{\"children\":[\"json\",\"raw\",\"text\"],\"path\":\"/app\"}\n");
    assert_eq!(json(&["get", "/app/raw"]), "{\"data\":{\"base64\":\"AP8=\"},\"path\":\"/app/raw\"}\n");
    let data = "{\"json\":{\"a\":[1,2]},\"text\":\"{\\\"a\\\": [1, 2]}\"}";
    assert_eq!(json(&["get", "/app/json"]), format!("{{\"data\":{data},\"path\":\"/app/json\"}}\n"));
    assert_eq!(json(&["create", "/app/new"]), "{\"created\":\"/app/new\"}\n");
    let complaint = complaint(server, &["--output", "json", "get", "/none"]);
    assert_eq!(complaint, "{\"code\":1,\"error\":\"Node does not exist: /none\"}\n");
}

#[test]
fn what_is_exported_can_be_imported_and_nothing_else() {
    let (server, mut client) = scene();
    let server = server.address();
    let directory = TempDir::new().expect("a directory");
    let name = |file: &str| directory.path().join(file).to_str().expect("a name").to_owned();
    let (file, again) = (name("app"), name("again"));
    client.create("/app/mine", b"gone with me", 1).expect("created");
    let text = said(server, &["export", "/app", &file]);
    assert_eq!(text, format!("Exported 5 znodes of /app to {file}; 1 ephemeral ones are left out\n"));
    assert_eq!(
        said(server, &["import", &file, "/copy"]),
        format!("Imported 5 znodes from {file} to /copy\n")
    );
    said(server, &["export", "/copy", &again]);
    let [exported, copied] = [&file, &again].map(|file| fs::read_to_string(file).expect("it is there"));
    assert_eq!(copied, exported.replacen("/app", "/copy", 1), "all but the name of the root");

    let taken = complaint(server, &["import", &file, "/copy"]);
    assert!(taken.starts_with("Node already exists: /copy\n"), "{taken}");
    said(server, &["set", "/copy/text", "other"]);
    said(server, &["import", "-f", &file, "/copy"]);
    assert_eq!(said(server, &["get", "/copy/text"]), "two\nlines\n");

    let cut = name("cut");
    let half: String = exported.split_inclusive('\n').take(3).collect();
    fs::write(&cut, half).expect("written");
    let reason = complaint(server, &["import", &cut, "/half"]);
    assert_eq!(reason, format!("{cut}, line 4: the file ends before the export does: it was cut off\n"));
    assert_eq!(complaint(server, &["stat", "/half"]), "Node does not exist: /half\n");
}

#[test]
fn an_import_that_is_refused_leaves_nothing_behind() {
    let (server, _client) = scene();
    let server = server.address();
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("export").to_str().expect("a name").to_owned();
    // The first transaction succeeds; in the second, an ACL is refused.
    let mut lines = vec!["{\"zoorum-export\":1,\"root\":\"/x\"}".to_owned(), znode("", "")];
    lines.extend((0..150).map(|number| znode(&format!("/{number:03}"), "")));
    lines.push(znode("/bad", ",\"acl\":[{\"scheme\":\"nosuch\",\"id\":\"x\",\"perms\":\"r\"}]"));
    lines.push("{\"end\":true,\"znodes\":152}".to_owned());
    fs::write(&file, lines.join("\n")).expect("written");
    let reason = complaint(server, &["import", &file, "/x"]);
    assert!(reason.ends_with("\nWhat had been created is deleted again.\n"), "{reason}");
    assert_eq!(complaint(server, &["stat", "/x"]), "Node does not exist: /x\n");
}

fn znode(path: &str, more: &str) -> String {
    format!("{{\"path\":\"{path}\",\"data\":null{more}}}")
}

#[test]
fn a_subtree_is_followed_as_it_changes() {
    use std::io::{BufRead, BufReader};

    let (server, mut client) = scene();
    let mut shell = Shell::Zoorum
        .command(&server.address().to_string())
        .args(["--output", "json", "watch", "-n", "3", "-v", "/app"])
        .spawn()
        .expect("run the shell");
    let mut events = BufReader::new(shell.stdout.take().expect("piped")).lines();
    // The watch is set when the first change is told: until then there are changes.
    let mut next = || events.next().expect("an event").expect("text");
    let first = std::thread::scope(|scope| {
        let told = scope.spawn(&mut next);
        while !told.is_finished() {
            client.set_data("/app/text", b"x", -1).expect("set");
        }
        told.join().expect("an event")
    });
    assert!(
        first.starts_with("{\"data\":{\"text\":\"x\"},\"event\":\"NodeDataChanged\",\"path\":\"/app/text\""),
        "{first}"
    );
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = shell.try_wait().expect("wait") {
            break status;
        }
        assert!(begun.elapsed() < PATIENCE, "it ends by itself after so many changes");
        client.set_data("/app/text", b"y", -1).expect("set");
    };
    assert!(status.success(), "{status}");
}
