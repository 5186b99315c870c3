//! `zoorum backup` and `zoorum restore`: copies of a server that runs, by either way, and what becomes of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;
use zoorum_interop::server::{Kind, Server, Setup, free_port, zoorum_binary};
use zoorum_interop::tree;
use zoorum_interop::wire::Client;

/// The code for a directory that will not do.
const DATA_DIR: Option<i32> = Some(3);

fn directory() -> TempDir {
    tempfile::Builder::new().prefix("zoorum-backup-").tempdir().expect("a directory")
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(zoorum_binary());
    command.args(words).env_remove("ZOORUM_AUTH").stdin(Stdio::null());
    command
}

fn zoorum(words: &[&str]) -> Output {
    command(words).output().expect("run zoorum")
}

/// What it prints.
fn succeed(words: &[&str]) -> String {
    let output = zoorum(words);
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{words:?}: {out}{err}");
    out
}

/// With which code, and what it says.
fn fail(words: &[&str]) -> (Option<i32>, String) {
    let output = zoorum(words);
    assert!(!output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stdout));
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path is text")
}

/// Everything that a directory holds, with its length.
fn listing(directory: &Path) -> Vec<(PathBuf, u64)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let metadata = entry.metadata().expect("metadata");
        if metadata.is_dir() {
            all.extend(listing(&entry.path()));
        }
        all.push((entry.path(), metadata.len()));
    }
    all.sort();
    all
}

/// What a server of either kind shows that is started on a directory with these data.
fn shown(kind: Kind, data: &Path) -> Vec<String> {
    let directory = directory();
    let copied = Command::new("cp").arg("-r").arg(data).arg(directory.path().join("data")).status();
    assert!(copied.expect("run cp").success());
    let server = Server::start_in(directory, kind, Setup::new());
    of_app(&mut server.client())
}

fn of_app(client: &mut Client) -> Vec<String> {
    tree::dump(client).into_iter().filter(|line| line.contains("\t/app")).collect()
}

/// Fifty changes below `/app`, with their zxids.
fn change(client: &mut Client, round: u8) -> i64 {
    for number in 0..50 {
        client.create(&format!("/app/{round}-{number}"), &[round; 100], 0).expect("created");
    }
    client.zxid()
}

#[test]
fn a_running_server_is_backed_up_by_its_admin_server() {
    for kind in [Kind::Original, Kind::Zoorum] {
        let port = free_port();
        let server = Server::start(kind, Setup::new().admin(port));
        let mut client = server.client();
        client.create("/app", b"", 0).expect("created");
        change(&mut client, 1);
        let tree = of_app(&mut client);
        let place = directory();
        let [into, other, data] = ["backup", "other", "data"].map(|name| place.path().join(name));
        let from = format!("http://127.0.0.1:{port}");
        let (code, why) = fail(&["backup", &from, text(&into)]);
        assert!(code == Some(1) && why.contains("401") && why.contains("--auth"), "{why}");
        let said = succeed(&["backup", "--auth", "digest any:body", &from, text(&into)]);
        assert!(said.contains("goes to zxid 0x34"), "{said}");
        let (_, why) = fail(&["backup", "--auth", "digest any:body", &from, text(&into)]);
        assert!(why.contains("is there already"), "{why}");
        if kind == Kind::Zoorum {
            let (_, why) = fail(&["backup", "--auth", "digest any:body", &from, text(&other)]);
            assert!(why.contains("429"), "{why}");
        }
        assert_eq!(fs::read_dir(place.path()).expect("a directory").count(), 1, "nothing half done is left");
        succeed(&["restore", text(&into), text(&data)]);
        assert_eq!(shown(Kind::Zoorum, &data), tree);
        assert_eq!(shown(Kind::Original, &data), tree);
    }
}

#[test]
fn a_data_directory_in_use_is_backed_up_and_leads_to_any_of_its_states() {
    for kind in [Kind::Zoorum, Kind::Original] {
        let mut server = Server::start(kind, Setup::new());
        let mut client = server.client();
        client.create("/app", b"", 0).expect("created");
        let first = change(&mut client, 1);
        let tree = of_app(&mut client);
        drop(client);
        server.restart(); // and so there is another snapshot
        let mut client = server.client();
        change(&mut client, 2);
        let newest = of_app(&mut client);
        let place = directory();
        let [into, past, present] = ["backup", "past", "present"].map(|name| place.path().join(name));
        let data = server.directory().join("data");
        succeed(&["backup", text(&data), text(&into)]);
        let zxid = format!("{first:#x}");
        let before = listing(place.path());
        let plan = succeed(&["restore", "--dry-run", "--zxid", &zxid, text(&into), text(&past)]);
        assert!(plan.contains(&format!("state of zxid {zxid}")) && plan.contains("would write"), "{plan}");
        assert_eq!(listing(place.path()), before, "nothing is changed by a dry run");
        succeed(&["restore", "--zxid", &zxid, text(&into), text(&past)]);
        succeed(&["restore", text(&into), text(&present)]);
        assert_eq!(shown(Kind::Zoorum, &past), tree);
        assert_eq!(shown(Kind::Original, &past), tree);
        assert_eq!(shown(Kind::Original, &present), newest);
        let (code, why) = fail(&["restore", "--zxid", "0xffff", text(&into), text(&place.path().join("x"))]);
        assert!(code == Some(1) && why.contains("there is no change 0xffff"), "{why}");
        assert!(!place.path().join("x").join("version-2").exists());
    }
}

#[test]
fn times_are_those_of_the_changes() {
    let server = Server::start(Kind::Zoorum, Setup::new());
    let mut client = server.client();
    client.create("/app", b"", 0).expect("created");
    let (_, stat) = client.get_data("/app", false).expect("read");
    // A clock of milliseconds goes on.
    let mut later = stat.ctime;
    while later == stat.ctime {
        client.set_data("/app", b"x", -1).expect("set");
        later = client.get_data("/app", false).expect("read").1.mtime;
    }
    let place = directory();
    let [into, data] = ["backup", "data"].map(|name| place.path().join(name));
    succeed(&["backup", text(&server.directory().join("data")), text(&into)]);
    let at = |ms: i64| format!("{}.{:03}", ms / 1000, ms % 1000);
    let stamp = |ms| {
        let output = Command::new("date").args(["-u", "-d", &format!("@{}", at(ms)), "+%FT%T.%3NZ"]).output();
        String::from_utf8(output.expect("run date").stdout).expect("text").trim().to_owned()
    };
    let plan = succeed(&["restore", "--dry-run", "--time", &stamp(later - 1), text(&into), text(&data)]);
    let newest = succeed(&["restore", "--dry-run", text(&into), text(&data)]);
    assert_ne!(plan, newest, "the last change is later");
    let same = succeed(&["restore", "--dry-run", "--time", &stamp(later + 1000), text(&into), text(&data)]);
    assert_eq!(same, newest);
    let (code, why) = fail(&["restore", "--time", &stamp(1), text(&into), text(&data)]);
    assert!(code == Some(1) && why.contains("later than what was asked for"), "{why}");
    assert!(!data.join("version-2").exists());
}

#[test]
fn what_is_no_backup_and_a_directory_that_will_not_do_are_refused_and_left_alone() {
    let mut server = Server::start(Kind::Zoorum, Setup::new());
    server.client().create("/app", b"", 0).expect("created");
    let place = directory();
    let [into, nothing, file] = ["backup", "nothing", "file"].map(|name| place.path().join(name));
    let data = server.directory().join("data");
    succeed(&["backup", text(&data), text(&into)]);
    // Where a server runs.
    let before = listing(&data);
    let (code, why) = fail(&["restore", "--replace", text(&into), text(&data)]);
    assert!(code == DATA_DIR && why.contains("another server uses this directory"), "{why}");
    server.stop();
    let (code, why) = fail(&["restore", text(&into), text(&data)]);
    assert!(code == DATA_DIR && why.contains("--replace"), "{why}");
    let names = |all: Vec<(PathBuf, u64)>| all.into_iter().map(|(path, _)| path).collect::<Vec<_>>();
    assert_eq!(names(listing(&data)), names(before), "nothing is moved");
    let said = succeed(&["restore", "--replace", text(&into), text(&data)]);
    assert!(said.contains("move ") && said.contains(" aside"), "{said}");
    let aside = fs::read_dir(&data).expect("a directory").flatten();
    let aside = aside.map(|entry| entry.path()).find(|path| text(path).contains("replaced-"));
    assert!(aside.expect("it is kept").join("version-2").join("snapshot.0").exists());
    // Into a directory whose logs lie elsewhere, and are still there.
    let logs = place.path().join("logs");
    fs::create_dir_all(logs.join("version-2")).expect("made");
    fs::write(logs.join("version-2").join("log.1"), b"x").expect("written");
    let (code, why) = fail(&["restore", "--data-log-dir", text(&logs), text(&into), text(&nothing)]);
    assert!(code == DATA_DIR && why.contains("Move the logs away"), "{why}");
    // From what is no backup.
    fs::write(&file, b"no snapshot").expect("written");
    for from in [&file, &place.path().join("absent"), &logs] {
        let (code, why) = fail(&["restore", text(from), text(&nothing)]);
        assert_eq!(code, Some(1), "{why}");
    }
    // From one that is not as it was.
    let snapshot = into.join("snapshot.0");
    let mut bytes = fs::read(&snapshot).expect("read");
    bytes[20] ^= 1;
    fs::write(&snapshot, bytes).expect("written");
    let (code, why) = fail(&["restore", text(&into), text(&nothing)]);
    assert!(code == Some(1) && why.contains("the backup is damaged"), "{why}");
    assert!(!nothing.join("version-2").exists());
    server.restart();
    assert!(server.client().exists("/app", false).is_ok());
}

#[test]
fn a_directory_that_a_java_server_uses_is_refused_and_left_alone() {
    let source = Server::start(Kind::Zoorum, Setup::new());
    source.client().create("/app", b"", 0).expect("created");
    let place = directory();
    let [into, logs] = ["backup", "logs"].map(|name| place.path().join(name));
    succeed(&["backup", text(&source.directory().join("data")), text(&into)]);
    let setup = Setup::new().config("dataLogDir", text(&logs));
    let mut server = Server::start(Kind::Original, setup);
    let data = server.directory().join("data");
    let refuse = |words: &[&str], says: &str| {
        let (code, why) = fail(words);
        assert!(code == DATA_DIR && why.contains("process ") && why.contains(says), "{why}");
    };
    // It has no file open yet, but a configuration; and so much for the directory of its logs.
    let before = listing(&data);
    refuse(&["restore", "--replace", text(&into), text(&data)], "is a server of it");
    refuse(&["restore", text(&into), text(&logs)], "is a server of it");
    let mut client = server.client();
    client.create("/app", b"", 0).expect("created");
    let other = place.path().join("other");
    let words = ["restore", "--replace", "--data-log-dir", text(&logs), text(&into), text(&other)];
    refuse(&words, "version-2/log.1 open");
    refuse(&["restore", "--dry-run", text(&into), text(&logs)], "version-2/log.1 open");
    let (code, why) = fail(&["restore", "--from-log-dir", text(&logs), text(&data), text(&other)]);
    assert!(code == Some(1) && why.contains("make a backup, which copes with that"), "{why}");
    assert_eq!(listing(&data), before, "nothing is changed");
    assert!(!other.exists());
    assert!(client.create("/app/more", b"", 0).is_ok(), "the server goes on");
    drop(client);
    server.kill();
    let why = fail(&["restore", text(&into), text(&data)]).1;
    assert!(why.contains("--replace"), "whoever is gone is no hindrance: {why}");
}

#[test]
fn a_backup_is_never_restored_into_itself() {
    let source = Server::start(Kind::Zoorum, Setup::new());
    source.client().create("/app", b"", 0).expect("created");
    let place = directory();
    let into = place.path().join("backup");
    succeed(&["backup", text(&source.directory().join("data")), text(&into)]);
    let before = listing(place.path());
    let within = into.join("data");
    let snapshot = into.join("snapshot.0");
    let dotted = place.path().join("missing/../backup/./data");
    for target in [&into, &within, &dotted] {
        let (code, why) = fail(&["restore", "--replace", text(&into), text(target)]);
        assert!(code == DATA_DIR && why.contains("is a backup, or lies in one"), "{why}");
    }
    let (code, why) = fail(&["restore", text(&snapshot), text(&into)]);
    assert!(code == DATA_DIR && why.contains("is a backup"), "{why}");
    let (code, why) = fail(&["restore", text(&into), text(place.path())]);
    assert!(code == DATA_DIR && why.contains("lies in it"), "{why}");
    assert_eq!(listing(place.path()), before, "nothing is changed");
    let (code, why) = fail(&["restore", text(&place.path().join("absent")), text(&within)]);
    assert!(code == Some(1) && why.contains("absent: there is no such file or directory"), "{why}");
}

/// Kills come at any moment: none of them leaves a directory that a server would take for whole.
#[test]
fn a_restore_that_is_killed_leaves_nothing_or_all_of_it() {
    let server = Server::start(Kind::Zoorum, Setup::new());
    let mut client = server.client();
    client.create("/app", b"", 0).expect("created");
    for round in 0..20 {
        change(&mut client, round);
    }
    let place = directory();
    let [into, whole] = ["backup", "whole"].map(|name| place.path().join(name));
    succeed(&["backup", text(&server.directory().join("data")), text(&into)]);
    succeed(&["restore", text(&into), text(&whole)]);
    let expected =
        listing(&whole.join("version-2")).into_iter().map(|(_, length)| length).collect::<Vec<_>>();
    let (mut left_nothing, mut left_all) = (0, 0);
    for attempt in 0..24_u32 {
        let data = place.path().join(format!("data-{attempt}"));
        let mut child = command(&["restore", text(&into), text(&data)])
            .stdout(Stdio::null())
            .spawn()
            .expect("run zoorum");
        // Nothing is awaited: the kill is to hit moments spread over the restore, whichever they are.
        thread::sleep(Duration::from_millis(2) * attempt);
        let _ = child.kill();
        child.wait().expect("wait");
        let version = data.join("version-2");
        if version.exists() {
            let found = listing(&version).into_iter().map(|(_, length)| length).collect::<Vec<_>>();
            assert_eq!(found, expected);
            left_all += 1;
        } else {
            left_nothing += 1;
            succeed(&["restore", text(&into), text(&data)]);
        }
    }
    assert!(left_nothing > 0, "it was killed in the midst, {left_all} times afterwards");
}
