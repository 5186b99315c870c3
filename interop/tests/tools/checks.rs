//! What `zoorum check` finds before a start, beside a running server, and after damage.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use zoorum_interop::server::{Kind, Server, Setup, free_port, zoorum_binary};

use crate::support::{directory_with, golden};

struct Findings {
    text: String,
    code: Option<i32>,
}

impl Findings {
    /// # Panics
    ///
    /// When no line of that severity has all of these words.
    fn expect(&self, severity: &str, words: &[&str]) {
        let fits = |line: &str| line.starts_with(severity) && words.iter().all(|word| line.contains(word));
        assert!(self.text.lines().any(fits), "no {severity} with {words:?} in\n{}", self.text);
    }
}

impl Findings {
    /// # Panics
    ///
    /// When anything is found wrong but the speed of this machine's disk.
    fn expect_well(&self) {
        let is_complaint = |line: &&str| line.starts_with("WARNING") || line.starts_with("ERROR");
        let mut complaints = self.text.lines().filter(is_complaint);
        let is_speed = |line: &str| line.contains("sync of the log") || line.contains("syncs of the log");
        assert!(complaints.all(is_speed) && self.code <= Some(1), "{}", self.text);
    }
}

fn check(zoo_cfg: &Path, options: &[&str]) -> Findings {
    let output = Command::new(zoorum_binary())
        .arg("check")
        .args(options)
        .arg(zoo_cfg)
        .env_remove("JVMFLAGS")
        .output()
        .expect("run zoorum check");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(
        !text.contains("panicked") && output.stderr.is_empty(),
        "{text}{:?}",
        String::from_utf8_lossy(&output.stderr)
    );
    Findings { text, code: output.status.code() }
}

/// A directory with `zoo.cfg`, in which these lines follow the usual ones, and with files in `data/version-2`.
fn configured(lines: &str, files: &[&str]) -> TempDir {
    let directory = directory_with(&[]);
    let data = directory.path().join("data");
    fs::create_dir_all(data.join("version-2")).expect("create");
    for name in files {
        fs::copy(golden(name), data.join("version-2").join(name)).expect("copy");
    }
    let port = free_port();
    let text = format!(
        "dataDir={}\nclientPort={port}\nadmin.enableServer=false\npreAllocSize=64\n{lines}",
        data.display()
    );
    fs::write(directory.path().join("zoo.cfg"), text).expect("write");
    directory
}

fn check_in(directory: &TempDir) -> Findings {
    check(&directory.path().join("zoo.cfg"), &[])
}

/// Names, contents and times of all files.
fn state(directory: &Path) -> BTreeMap<String, (Vec<u8>, std::time::SystemTime)> {
    let mut state = BTreeMap::new();
    let mut unread = vec![directory.to_path_buf()];
    while let Some(path) = unread.pop() {
        for entry in fs::read_dir(path).expect("list").map(|entry| entry.expect("an entry")) {
            let metadata = entry.metadata().expect("metadata");
            if metadata.is_dir() {
                unread.push(entry.path());
            } else {
                let content = fs::read(entry.path()).expect("read");
                state.insert(
                    entry.path().display().to_string(),
                    (content, metadata.modified().expect("a time")),
                );
            }
        }
    }
    state
}

#[test]
fn a_directory_of_the_originals_is_found_well_and_left_alone() {
    let directory = configured("extendedTypesEnabled=true\n", &["snapshot.0", "log.1"]);
    let before = state(directory.path());
    let found = check_in(&directory);
    found.expect("ok", &["files", "a start reaches zxid 0x59", "none missing"]);
    found.expect("ok", &["ports", "is free"]);
    found.expect_well();
    assert!(state(directory.path()) == before, "nothing was touched");
}

#[test]
fn everything_wrong_with_a_configuration_is_told_at_once() {
    let lines = "tickTime=fast\nmaxClientCnxns=-x\nnoSuchKey=1\nserver.1=a:1\nclientPortAddress=192.0.2.1\n";
    let directory = configured(lines, &[]);
    let found = check_in(&directory);
    assert_eq!(found.code, Some(2), "{}", found.text);
    found.expect("ERROR", &["zoo.cfg:5", "tickTime=fast"]);
    found.expect("ERROR", &["zoo.cfg:6", "maxClientCnxns=-x"]);
    found.expect("ERROR", &["zoo.cfg:8", "server.1=a:1"]);
    found.expect("WARNING", &["zoo.cfg:7", "noSuchKey"]);
    found.expect("ERROR", &["ports", "192.0.2.1", "no address of this machine"]);
    let missing = check(&directory.path().join("none.cfg"), &[]);
    missing.expect("ERROR", &["file is missing"]);
    assert_eq!(missing.code, Some(2));
}

#[test]
fn damage_is_found_with_its_remedy_and_files_stay_as_they_are() {
    let directory = configured("", &["snapshot.0", "log.1", "snapshot.59"]);
    let version = directory.path().join("data/version-2");
    // The newest snapshot is damaged: the older one and the log make up for it.
    let spoil = |name: &str, at: usize| {
        let mut bytes = fs::read(version.join(name)).expect("read");
        bytes[at] ^= 1;
        fs::write(version.join(name), bytes).expect("write");
    };
    spoil("snapshot.59", 3000);
    let before = state(directory.path());
    let found = check_in(&directory);
    assert_eq!(found.code, Some(1), "{}", found.text);
    found.expect("WARNING", &["snapshot.59", "an older one is used"]);
    assert!(state(directory.path()) == before, "nothing was moved aside");
    // Without the log nothing does.
    spoil("log.1", 5000);
    let found = check(&directory.path().join("zoo.cfg"), &["--json"]);
    assert_eq!(found.code, Some(2), "{}", found.text);
    for part in [
        "\"exitCode\": 2",
        "\"severity\": \"error\"",
        "CRC check failed",
        "zoorum log repair",
        "\"remedy\": \"restore the file",
    ] {
        assert!(found.text.contains(part), "no {part} in {}", found.text);
    }
}

#[test]
fn a_server_that_runs_is_recognized_and_not_disturbed() {
    let setup = Setup::new().config("4lw.commands.whitelist", "*");
    let mut server = Server::start(Kind::Zoorum, setup);
    let mut client = server.client();
    client.create("/a", b"data", 0).expect("create");
    let before = state(&server.directory().join("data"));
    let config = server.directory().join("zoo.cfg");
    let found = check(&config, &[]);
    found.expect_well();
    found.expect("ok", &["files", "LOCK", "runs on"]);
    found.expect("ok", &["ports", "this server's own"]);
    found.expect("ok", &["this server: standalone"]);
    found.expect("ok", &["a start reaches zxid 0x2"]);
    assert!(state(&server.directory().join("data")) == before, "nothing was touched");
    client.create("/b", b"", 0).expect("the server serves as before");
    client.close();
    server.hand_over(Kind::Original);
    let found = check(&config, &[]);
    found.expect("ok", &["files", "it has port", "runs on"]);
    found.expect("ok", &["ports", "this server's own"]);
}

#[test]
fn a_port_of_a_stranger_is_told_with_its_process() {
    let directory = configured("", &[]);
    let text = fs::read_to_string(directory.path().join("zoo.cfg")).expect("read");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let text: String = text
        .lines()
        .map(|line| {
            if line.starts_with("clientPort") { format!("clientPort={port}\n") } else { format!("{line}\n") }
        })
        .collect();
    fs::write(directory.path().join("zoo.cfg"), text).expect("write");
    let found = check_in(&directory);
    assert_eq!(found.code, Some(2), "{}", found.text);
    found.expect("ERROR", &["ports", &format!("is taken by process {}", std::process::id())]);
}

#[test]
fn a_member_tells_of_its_peers_before_they_are_there() {
    let mut lines = "initLimit=5\nsyncLimit=2\n".to_owned();
    for id in 1..=3 {
        let host = if id == 3 { "no.such.host.invalid" } else { "127.0.0.1" };
        lines += &format!("server.{id}={host}:{}:{}\n", free_port(), free_port());
    }
    let directory = configured(&lines, &["snapshot.0", "log.1"]);
    fs::write(directory.path().join("data/myid"), "1\n").expect("write");
    let found = check_in(&directory);
    assert_eq!(found.code, Some(2), "{}", found.text);
    found.expect("ok", &["server 1 of 3, participant"]);
    found.expect("ok", &["server.1: 127.0.0.1 is this machine"]);
    found.expect("WARNING", &["server 2: cannot be reached"]);
    found.expect("ERROR", &["server 3: no.such.host.invalid cannot be resolved"]);
    found.expect("WARNING", &["nobody leads: 0 of 3"]);
    fs::write(directory.path().join("data/version-2/currentEpoch"), "seven").expect("write");
    check_in(&directory).expect("ERROR", &["currentEpoch", "no epoch"]);
    fs::remove_file(directory.path().join("data/myid")).expect("remove");
    check_in(&directory).expect("ERROR", &["myid file is missing"]);
}

/// A server that ends with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait().map(drop)).unwrap_or_default();
    }
}

/// Three members of an ensemble on this machine, whose lines tell the client ports if that is wished.
fn ensemble(tells_clients: bool) -> Vec<TempDir> {
    let ports: Vec<[u16; 3]> = (0..3).map(|_| [free_port(), free_port(), free_port()]).collect();
    let mut lines = "tickTime=500\ninitLimit=20\nsyncLimit=10\n".to_owned();
    for (id, [quorum, election, client]) in (1..).zip(&ports) {
        let client = if tells_clients { format!(";127.0.0.1:{client}") } else { String::new() };
        lines += &format!("server.{id}=127.0.0.1:{quorum}:{election}{client}\n");
    }
    let member = |id: u8| {
        let directory = configured(&lines, &[]);
        let file = directory.path().join("zoo.cfg");
        let text = fs::read_to_string(&file).expect("read");
        let is_kept = |line: &&str| !(tells_clients && line.starts_with("clientPort"));
        let text: Vec<&str> = text.lines().filter(is_kept).collect();
        fs::write(&file, text.join("\n")).expect("write");
        fs::write(directory.path().join("data/myid"), id.to_string()).expect("write");
        directory
    };
    (1..=3).map(member).collect()
}

fn run(members: &[TempDir]) -> Vec<Running> {
    let run = |member: &TempDir| {
        let mut server = Command::new(zoorum_binary());
        let config = member.path().join("zoo.cfg");
        let server = server.arg("server").arg(config).stdout(Stdio::null()).stderr(Stdio::null());
        Running(server.spawn().expect("run a server"))
    };
    members.iter().map(run).collect()
}

#[test]
fn a_member_whose_file_tells_no_client_ports_still_knows_that_there_is_a_leader() {
    let members = ensemble(false);
    let found = check_in(&members[0]);
    found.expect("WARNING", &["nobody leads: 0 of 3"]);
    let _running = run(&members);
    let begun = Instant::now();
    for member in &members {
        let found = loop {
            let found = check_in(member);
            let leads = found.text.contains(" leads\n") || found.text.contains("there is a leader: server ");
            if leads || begun.elapsed() > Duration::from_secs(60) {
                break found;
            }
        };
        found.expect_well();
        let others = "its election port answers; its client port is not told by server.";
        assert_eq!(found.text.matches(others).count(), 2, "{}", found.text);
    }
}

#[test]
fn a_member_tells_who_leads_and_who_is_missing() {
    let members = ensemble(true);
    let _running = run(&members[..2]);
    let begun = Instant::now();
    let found = loop {
        let found = check_in(&members[0]);
        if found.code == Some(1) && found.text.contains("currentEpoch 0x1") {
            break found;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "nobody leads:\n{}", found.text);
    };
    found.expect("ok", &["server", " leads"]);
    found.expect("ok", &["server 2: ", "version 3.9.5"]);
    found.expect("ok", &["this server: "]);
    found.expect("WARNING", &["server 3: cannot be reached"]);
    found.expect("ok", &["currentEpoch 0x1, acceptedEpoch 0x1"]);
}
