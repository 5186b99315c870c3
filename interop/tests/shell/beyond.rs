//! What Zoorum's shell has beyond the original's, and what becomes of it where something fails.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Output};
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
    assert_eq!(json(&["listquota", "/app"]), "{\"path\":\"/app\",\"quota\":null}\n");
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

/// The text of an export of so many znodes.
pub(crate) fn export_of(znodes: usize) -> String {
    let mut lines = vec!["{\"zoorum-export\":1,\"root\":\"/x\"}".to_owned(), znode("", "")];
    lines.extend((1..znodes).map(|number| znode(&format!("/{number}"), "")));
    lines.push(format!("{{\"end\":true,\"znodes\":{znodes}}}\n"));
    lines.join("\n")
}

fn znode(path: &str, more: &str) -> String {
    format!("{{\"path\":\"{path}\",\"data\":null{more}}}")
}

/// Tells a shell to end, and waits until it does.
fn terminated(shell: Child) -> (Option<i32>, String) {
    let told = Command::new("kill").arg(shell.id().to_string()).status().expect("run kill");
    assert!(told.success(), "it ended too early");
    let output = shell.wait_with_output().expect("it ends");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn who_is_told_to_end_leaves_nothing_half_done() {
    let (server, mut client) = scene();
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("export");
    fs::write(&file, export_of(20_000)).expect("written");
    let file = file.to_str().expect("a name");
    let begin = |arguments: &[&str]| {
        let mut command = Shell::Zoorum.command(&server.address().to_string());
        command.args(arguments).spawn().expect("run the shell")
    };

    let shell = begin(&["import", file, "/many"]);
    while client.exists("/many", false).is_err() {}
    let told = "told to end\nWhat had been created is deleted again.\n";
    assert_eq!(terminated(shell), (Some(143), told.to_owned()));
    assert!(client.exists("/many", false).is_err(), "nothing is left");

    said(server.address(), &["import", file, "/many"]);
    let place = TempDir::new().expect("a directory");
    let names = || fs::read_dir(place.path()).expect("it is there").count();
    let shell = begin(&["export", "/many", place.path().join("again").to_str().expect("a name")]);
    while names() == 0 {}
    assert_eq!(terminated(shell), (Some(143), "told to end\n".to_owned()));
    assert_eq!(names(), 0, "nor is a file");
}

#[test]
fn an_import_whose_file_changes_under_it_leaves_nothing_behind() {
    let (server, mut client) = scene();
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("export");
    let text = export_of(20_000);
    fs::write(&path, &text).expect("written");
    let arguments = ["import", path.to_str().expect("a name"), "/many"];
    let mut command = Shell::Zoorum.command(&server.address().to_string());
    let shell = command.args(arguments).spawn().expect("run the shell");
    while client.exists("/many", false).is_err() {}
    let mut file = File::create(&path).expect("it is there");
    file.write_all("no export\n".repeat(text.len() / 10).as_bytes()).expect("written");
    let output = shell.wait_with_output().expect("it ends");
    let reason = String::from_utf8_lossy(&output.stderr);
    assert!(reason.ends_with("\nWhat had been created is deleted again.\n"), "{reason}");
    assert_eq!(output.status.code(), Some(1));
    assert!(client.exists("/many", false).is_err(), "nothing is left");
}

#[test]
fn a_large_znode_behind_small_ones_is_exported_and_imported() {
    let (server, mut client) = scene();
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("large").to_str().expect("a name").to_owned();
    client.create("/app/small", &[b'x'; 200_000], 0).expect("created");
    client.create("/app/small/large", &[b'x'; 1_000_000], 0).expect("created");
    said(server.address(), &["export", "/app", &file]);
    said(server.address(), &["import", &file, "/copy"]);
    let (data, _) = client.get_data("/copy/small/large", false).expect("it is there");
    assert_eq!(data.expect("data").len(), 1_000_000);
}

#[test]
fn an_export_replaces_files_only_and_has_standard_output_for_itself() {
    let (server, _client) = scene();
    let server = server.address();
    let directory = TempDir::new().expect("a directory");
    let name = |file: &str| directory.path().join(file).to_str().expect("a name").to_owned();
    let [file, link, pipe, read] = ["file", "link", "pipe", "read"].map(name);
    fs::write(&file, "old").expect("written");
    symlink(&file, &link).expect("linked");
    said(server, &["export", "/app", &link]);
    let exported = fs::read_to_string(&file).expect("it is there");
    assert!(fs::symlink_metadata(&link).expect("it is there").is_symlink());

    assert!(Command::new("mkfifo").arg(&pipe).status().expect("run mkfifo").success());
    let mut cat = Command::new("cat").arg(&pipe).stdout(File::create(&read).expect("a file")).spawn();
    said(server, &["export", "/app", &pipe]);
    cat.as_mut().expect("run cat").wait().expect("it ends");
    assert_eq!(fs::read_to_string(&read).expect("it is there"), exported);

    let output = run(server, &["export", "/app", "-"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), exported);
    fs::write(&read, &output.stdout).expect("written");
    said(server, &["import", &read, "/copy"]);
}

#[test]
fn what_may_not_be_read_is_noted_and_ends_an_export() {
    let (server, _client) = scene();
    let server = server.address();
    said(server, &["setAcl", "/app/json", "world:anyone:cdwa"]);
    let output = run(server, &["tree", "/app"]);
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(out.ends_with("/app\n├── json  (may not be read)\n├── raw\n└── text\n"), "{out}");
    let noted = "Insufficient permission : /app/json\n";
    let summary = "Not all is shown: the data of 1 znodes, and what is below them, may not be read.\n";
    assert_eq!((output.status.code(), err.as_ref()), (Some(1), format!("{noted}{summary}").as_str()));
    let output = run(server, &["find", "-n", "te*", "/app"]);
    assert!(String::from_utf8_lossy(&output.stdout).ends_with("\n/app/text\n"), "{output:?}");
    assert_eq!(output.status.code(), Some(1));

    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("export");
    let reason = complaint(server, &["export", "/app", file.to_str().expect("a name")]);
    assert!(reason.starts_with(noted), "{reason}");
    assert!(!file.exists());
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
