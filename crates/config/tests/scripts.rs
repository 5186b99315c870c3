//! The scripts in `bin/`, run with a stand-in for the `zoorum` binary that writes down its arguments.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Answers each subcommand as the real one would, and `server` as `STUB_SERVER` says.
const STUB: &str = r#"#!/bin/sh
printf '%s\n' "$@" > "$STUB_ARGUMENTS"
case "$1" in
  server)
    echo "$SERVER_JVMFLAGS|$JVMFLAGS"
    case "$STUB_SERVER" in
      fails) exit 2 ;;
      returns) exit 7 ;;
      *) exec sleep 60 ;;
    esac ;;
  four-letter-word) [ -z "$STUB_MODE" ] || printf 'Zookeeper version: x\nMode: %s\nNode count: 5\n' "$STUB_MODE" ;;
  version) echo 'Apache ZooKeeper, version 3.9.5 2026-02-11 20:15 UTC' ;;
  purge) exit 5 ;;
esac
"#;

const JMX: &str = "ZooKeeper JMX enabled by default\n";

/// An installation in a directory of its own: `bin` linked to the scripts, `conf`, `data`.
struct Installation {
    dir: TempDir,
}

struct Outcome {
    stdout: String,
    stderr: String,
    code: Option<i32>,
}

impl Installation {
    fn new(zoo_cfg: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bin");
        let installation = Self { dir };
        let bin = installation.path("bin");
        fs::create_dir(&bin).expect("bin");
        for name in ["zkServer.sh", "zkEnv.sh", "zkCleanup.sh", "zkServer-initialize.sh", "zkServer"] {
            symlink(scripts.join(name), bin.join(name)).expect("link to a script");
        }
        let stub = bin.join("zoorum");
        fs::write(&stub, STUB).expect("stub");
        fs::set_permissions(&stub, fs::Permissions::from_mode(0o755)).expect("executable stub");
        fs::create_dir(installation.path("conf")).expect("conf");
        fs::write(installation.path("conf/zoo.cfg"), installation.fill(zoo_cfg)).expect("zoo.cfg");
        installation
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    /// Writes the installation's directory for `{dir}`.
    fn fill(&self, text: &str) -> String {
        text.replace("{dir}", self.dir.path().to_str().expect("a plain path"))
    }

    fn run(&self, script: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Outcome {
        let output = Command::new(self.path("bin").join(script))
            .args(arguments.iter().map(|argument| self.fill(argument)))
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("USER", "zk")
            .env("HOSTNAME", "host")
            .env("STUB_ARGUMENTS", self.path("arguments"))
            .envs(environment.iter().map(|(name, value)| (name, self.fill(value))))
            .output()
            .expect("the script runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("plain text");
        Outcome { stdout: text(output.stdout), stderr: text(output.stderr), code: output.status.code() }
    }

    /// What the stand-in was called with last.
    fn arguments(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("arguments")).expect("the stub was called");
        text.lines().map(str::to_owned).collect()
    }

    fn read(&self, relative: &str) -> String {
        fs::read_to_string(self.path(relative)).expect(relative)
    }
}

const ZOO_CFG: &str = "tickTime=2000\ndataDir={dir}/data\nclientPort=2181\n";

#[test]
fn start_twice_then_stop_twice() {
    let it = Installation::new(ZOO_CFG);
    let using = it.fill(&format!("{JMX}Using config: {{dir}}/bin/../conf/zoo.cfg\n"));
    let started = it.run("zkServer.sh", &["start"], &[]);
    assert_eq!((started.stdout.as_str(), started.code), ("Starting zookeeper ... STARTED\n", Some(0)));
    assert_eq!(started.stderr, using);
    let pid = it.read("data/zookeeper_server.pid");
    assert!(pid.parse::<u32>().is_ok(), "digits and no newline: {pid:?}");

    let again = it.run("zkServer", &["start"], &[]);
    let expected = format!("Starting zookeeper ... already running as process {pid}.\n");
    assert_eq!((again.stdout, again.code), (expected, Some(1)));

    let stopped = it.run("zkServer.sh", &["stop"], &[]);
    assert_eq!((stopped.stdout.as_str(), stopped.code), ("Stopping zookeeper ... STOPPED\n", Some(0)));
    assert_eq!(stopped.stderr, using);
    assert!(!it.path("data/zookeeper_server.pid").exists());

    let nothing = it.run("zkServer.sh", &["stop"], &[]);
    let expected = it.fill(
        "Stopping zookeeper ... no zookeeper to stop (could not find file {dir}/data/zookeeper_server.pid)\n",
    );
    assert_eq!((nothing.stdout, nothing.code), (expected, Some(0)));
}

#[test]
fn a_server_that_ends_at_once_failed_to_start() {
    let it = Installation::new(ZOO_CFG);
    let outcome = it.run("zkServer.sh", &["start"], &[("STUB_SERVER", "fails")]);
    assert_eq!(
        (outcome.stdout.as_str(), outcome.code),
        ("Starting zookeeper ... FAILED TO START\n", Some(1))
    );
    // The daemon's own words are in its console file.
    assert_eq!(it.read("logs/zookeeper-zk-server-host.out"), "-Xmx1000m |\n");
}

#[test]
fn a_stale_pid_file_neither_hinders_a_start_nor_a_stop() {
    let it = Installation::new(ZOO_CFG);
    fs::create_dir(it.path("data")).expect("data");
    fs::write(it.path("data/zookeeper_server.pid"), "999999999").expect("pid file");
    let stopped = it.run("zkServer.sh", &["stop"], &[]);
    assert_eq!((stopped.stdout.as_str(), stopped.code), ("Stopping zookeeper ... STOPPED\n", Some(0)));
    fs::write(it.path("data/zookeeper_server.pid"), "999999999").expect("pid file");
    let restarted = it.run("zkServer.sh", &["restart"], &[]);
    assert_eq!(restarted.stdout, "Stopping zookeeper ... STOPPED\nStarting zookeeper ... STARTED\n");
    assert_eq!(restarted.code, Some(0));
    it.run("zkServer.sh", &["stop"], &[]);
}

#[test]
fn the_foreground_server_replaces_the_script_and_gets_its_flags() {
    let it = Installation::new(ZOO_CFG);
    fs::write(it.path("conf/java.env"), "SERVER_JVMFLAGS='-Dzookeeper.snapCount=5'\nJVMFLAGS=-Da=b\n")
        .expect("java.env");
    for noexec in ["", "1"] {
        let environment = [("STUB_SERVER", "returns"), ("ZOO_NOEXEC", noexec), ("ZK_SERVER_HEAP", "512")];
        let outcome = it.run("zkServer.sh", &["start-foreground"], &environment);
        assert_eq!(outcome.stdout, "-Xmx512m -Dzookeeper.snapCount=5|-Da=b\n");
        assert_eq!(outcome.code, Some(7), "the server's own exit code");
    }
    let expected = [
        "server",
        "start-foreground",
        "-Dzookeeper.log.dir={dir}/bin/../logs",
        "-Dzookeeper.log.file=zookeeper-zk-server-host.log",
        "{dir}/bin/../conf/zoo.cfg",
    ];
    assert_eq!(it.arguments(), expected.map(|argument| it.fill(argument)));
}

#[test]
fn the_configuration_is_found_as_told() {
    let it = Installation::new(ZOO_CFG);
    fs::create_dir(it.path("other")).expect("other");
    for name in ["other/zoo.cfg", "other/b.cfg"] {
        fs::write(it.path(name), it.fill(ZOO_CFG)).expect(name);
    }
    type Row<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a str);
    let rows: [Row<'_>; 6] = [
        (&["version"], &[], "{dir}/bin/../conf/zoo.cfg"),
        (&["--config", "{dir}/other", "version"], &[], "{dir}/other/zoo.cfg"),
        (&["--config", "{dir}/other", "version", "b.cfg"], &[], "{dir}/other/b.cfg"),
        (&["version", "{dir}/other/b.cfg"], &[], "{dir}/other/b.cfg"),
        (&["version"], &[("ZOOCFGDIR", "{dir}/other"), ("ZOOCFG", "b.cfg")], "{dir}/other/b.cfg"),
        (&["version"], &[("ZOOCFGDIR", "{dir}/other/")], "{dir}/other//zoo.cfg"),
    ];
    for (arguments, environment, path) in rows {
        let outcome = it.run("zkServer.sh", arguments, environment);
        assert_eq!(outcome.stderr, it.fill(&format!("{JMX}Using config: {path}\n")));
        assert_eq!(outcome.stdout, "Apache ZooKeeper, version 3.9.5 2026-02-11 20:15 UTC\n");
    }
}

#[test]
fn jmx_is_announced_though_there_is_none() {
    let it = Installation::new(ZOO_CFG);
    let jmx = |environment| it.run("zkServer.sh", &["version"], environment).stderr;
    assert!(jmx(&[("JMXDISABLE", "true")]).starts_with("JMX disabled by user request\nUsing config: "));
    assert!(jmx(&[("JMXDISABLE", "false")]).starts_with(JMX));
    let remote = "ZooKeeper JMX enabled by default\n\
                  ZooKeeper remote JMX Port set to 99\n\
                  ZooKeeper remote JMX authenticate set to false\n\
                  ZooKeeper remote JMX ssl set to true\n\
                  ZooKeeper remote JMX log4j set to true\n\
                  ZooKeeper remote JMX Hostname set to h\n\
                  Using config: ";
    assert!(jmx(&[("JMXPORT", "99"), ("JMXSSL", "true"), ("JMXHOSTNAME", "h")]).starts_with(remote));
}

#[test]
fn status_prints_the_mode_of_a_server_that_answers() {
    let it = Installation::new(ZOO_CFG);
    let up = it.run("zkServer.sh", &["status"], &[("STUB_MODE", "standalone")]);
    let expected =
        "Client port found: 2181. Client address: localhost. Client SSL: false.\nMode: standalone\n";
    assert_eq!((up.stdout.as_str(), up.code), (expected, Some(0)));
    assert_eq!(it.arguments(), ["four-letter-word", "localhost", "2181", "srvr"]);
    let down = it.run("zkServer.sh", &["status"], &[]);
    let expected = "Client port found: 2181. Client address: localhost. Client SSL: false.\n\
                    Error contacting service. It is probably not running.\n";
    assert_eq!((down.stdout.as_str(), down.code), (expected, Some(1)));
}

#[test]
fn status_finds_the_port_wherever_it_is_configured() {
    let not_static = "Client port not found in static config file. Looking in dynamic config file.\n";
    let found =
        |port, address| format!("Client port found: {port}. Client address: {address}. Client SSL: false.\n");
    let rows = [
        ("clientPort = 2182 \nclientPortAddress=127.0.0.1\n", "", found("2182", "127.0.0.1")),
        ("clientPortAddress=[::1]\nclientPort:2182\n", "", found("2182", "::1")),
        ("server.1=a:1:2;2183\nserver.11=b:1:2;9\n", "", found("2183", "localhost")),
        ("server.1=a:1:2;0.0.0.0:2183\n", "", found("2183", "0.0.0.0")),
        ("server.1=a:1:2;[::1]:2183\n", "", found("2183", "::1")),
        (
            "dynamicConfigFile={dir}/dynamic\n",
            "server.1=a:1:2:participant;h:2184\n",
            format!("{not_static}{}", found("2184", "h")),
        ),
    ];
    for (zoo_cfg, dynamic, expected) in rows {
        let it = Installation::new(&format!("dataDir={{dir}}/data\n{zoo_cfg}"));
        fs::create_dir(it.path("data")).expect("data");
        fs::write(it.path("data/myid"), "1\n").expect("myid");
        fs::write(it.path("dynamic"), dynamic).expect("dynamic file");
        let outcome = it.run("zkServer.sh", &["status"], &[("STUB_MODE", "leader")]);
        assert_eq!(outcome.stdout, format!("{expected}Mode: leader\n"), "{zoo_cfg}");
    }
}

#[test]
fn status_without_a_plaintext_port_tries_the_secure_one() {
    let it = Installation::new("dataDir={dir}/data\nsecureClientPort=2281\n");
    let outcome = it.run("zkServer.sh", &["status"], &[]);
    let lines: Vec<_> = outcome.stdout.lines().collect();
    let first = [
        "myid could not be determined, will not able to locate clientPort in the server configs.",
        "Client port not found. Looking for secureClientPort in the static config.",
        "Client port found: 2281. Client address: localhost. Client SSL: true.",
        " ",
        "Note: We used secureClientPort (2281) to establish connection, but we failed. The 'status'",
    ];
    assert_eq!(lines[..5], first);
    assert_eq!(lines[lines.len() - 2..], [" ", "Error contacting service. It is probably not running."]);
    assert_eq!(lines.len(), 3 + 8 + 1);
    assert_eq!(outcome.code, Some(1));
    assert_eq!(it.arguments(), ["four-letter-word", "localhost", "2281", "srvr", "true"]);

    let it = Installation::new("dataDir={dir}/data\n");
    let outcome = it.run("zkServer.sh", &["status"], &[]);
    let last = "Unable to find either secure or unsecure client port in any configs. Terminating.\n";
    assert!(outcome.stdout.ends_with(last));
    assert_eq!(outcome.code, Some(1));
}

#[test]
fn missing_directories_stop_a_server_that_may_not_make_them() {
    let it = Installation::new("dataDir={dir}/data\ndataLogDir={dir}/log\n");
    let disabled = [("ZOO_DATADIR_AUTOCREATE_DISABLE", "1"), ("STUB_SERVER", "returns")];
    let outcome = it.run("zkServer.sh", &["start-foreground"], &disabled);
    let expected = "ZooKeeper data directory is missing at {dir}/data fix the path or run initialize\n";
    assert_eq!((outcome.stdout, outcome.code), (it.fill(expected), Some(1)));
    fs::create_dir_all(it.path("data/version-2")).expect("data");
    let outcome = it.run("zkServer.sh", &["start-foreground"], &disabled);
    let expected = "ZooKeeper txnlog directory is missing at {dir}/log fix the path or run initialize\n";
    assert_eq!((outcome.stdout, outcome.code), (it.fill(expected), Some(1)));
    fs::create_dir_all(it.path("log/version-2")).expect("log");
    it.run("zkServer.sh", &["start-foreground"], &disabled);
    assert_eq!(it.arguments()[2], "-Dzookeeper.datadir.autocreate=false");
}

#[test]
fn the_printed_command_is_one_line() {
    let it = Installation::new(ZOO_CFG);
    let outcome = it.run("zkServer.sh", &["print-cmd"], &[("JVMFLAGS", "-Da='b c'")]);
    assert_eq!(outcome.stdout.lines().count(), 1);
    let end = it.fill("/conf/zoo.cfg > {dir}/bin/../logs/zookeeper-zk-server-host.out 2>&1 < /dev/null\n");
    assert!(outcome.stdout.ends_with(&end), "{}", outcome.stdout);
    assert_eq!(outcome.code, Some(0));
}

#[test]
fn an_unknown_command_gets_the_usage_and_exit_code_0() {
    let it = Installation::new(ZOO_CFG);
    for arguments in [&["dance"][..], &[]] {
        let outcome = it.run("zkServer.sh", arguments, &[]);
        let usage = "Usage: {dir}/bin/zkServer.sh [--config <conf-dir>] \
                     {start|start-foreground|stop|version|restart|status|print-cmd}\n";
        assert!(outcome.stderr.ends_with(&it.fill(usage)), "{}", outcome.stderr);
        assert_eq!((outcome.stdout.as_str(), outcome.code), ("", Some(0)));
    }
}

#[test]
fn without_a_binary_the_scripts_say_so_and_another_one_can_be_named() {
    let it = Installation::new(ZOO_CFG);
    fs::rename(it.path("bin/zoorum"), it.path("elsewhere")).expect("moved");
    let outcome = it.run("zkServer.sh", &["version"], &[]);
    let expected = "Error: ZOORUM_BIN is not set and zoorum could not be found in {dir}/bin or PATH.\n";
    assert!(outcome.stderr.ends_with(&it.fill(expected)), "{}", outcome.stderr);
    assert_eq!((outcome.stdout.as_str(), outcome.code), ("", Some(1)));
    let outcome = it.run("zkServer.sh", &["version"], &[("ZOORUM_BIN", "{dir}/elsewhere")]);
    assert_eq!(outcome.code, Some(0));
}

#[test]
fn cleanup_purges_both_directories() {
    let it = Installation::new("dataDir={dir}/data\ndataLogDir = {dir}/log\n");
    let outcome = it.run("zkCleanup.sh", &["-n", "5"], &[]);
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str(), outcome.code), ("", "", Some(5)));
    assert_eq!(it.arguments(), ["purge", "{dir}/log", "{dir}/data", "-n", "5"].map(|text| it.fill(text)));
    let it = Installation::new(ZOO_CFG);
    it.run("zkCleanup.sh", &["--config", "{dir}/conf", "-n", "5"], &[]);
    assert_eq!(it.arguments(), ["purge", "{dir}/data", "{dir}/data", "-n", "5"].map(|text| it.fill(text)));
}

#[test]
fn initialize_makes_directories_once_unless_forced() {
    let it = Installation::new("dataDir={dir}/data\ndataLogDir={dir}/log\n");
    let initialize = |arguments: &[&str]| {
        let outcome = it.run("zkServer-initialize.sh", arguments, &[]);
        (outcome.stdout, outcome.code)
    };
    assert_eq!(initialize(&["--myid=3"]), ("Using myid of 3\n".to_owned(), Some(0)));
    assert_eq!(it.read("data/myid"), "3\n");
    for path in ["data/version-2", "log/version-2", "data/initialize", "log/initialize"] {
        assert!(it.path(path).exists(), "{path}");
    }
    let refusal = "ZooKeeper data directory already exists at {dir}/data \
                   (or use --force to force re-initialization)\n";
    assert_eq!(initialize(&[]), (it.fill(refusal), Some(1)));
    fs::remove_dir(it.path("data/version-2")).expect("removed");
    let refusal = "ZooKeeper txnlog directory already exists at {dir}/log \
                   (or use --force to force re-initialization)\n";
    assert_eq!(initialize(&[]), (it.fill(refusal), Some(1)));
    let forced = "Force enabled, data/txnlog directories will be re-initialized\n\
                  No myid provided, be sure to specify it in {dir}/data/myid if using non-standalone\n";
    assert_eq!(initialize(&["--force"]), (it.fill(forced), Some(0)));
    assert!(!it.path("data/myid").exists());
}

#[test]
fn initialize_refuses_what_it_cannot_use() {
    let it = Installation::new("clientPort=2181\n");
    let initialize = |arguments: &[&str]| {
        let outcome = it.run("zkServer-initialize.sh", arguments, &[]);
        (outcome.stdout, outcome.code)
    };
    let no_data_dir = "Unable to determine dataDir from {dir}/bin/../conf/zoo.cfg\n";
    assert_eq!(initialize(&[]), (it.fill(no_data_dir), Some(1)));
    for arguments in [&["--configfile=/none"][..], &["--configfile", "/none"]] {
        assert_eq!(initialize(arguments), ("Unable to find config file at /none\n".to_owned(), Some(1)));
    }
    let usage = "usage: {dir}/bin/zkServer-initialize.sh <parameters>\n  Optional parameters:\n";
    for help in ["-h", "--help"] {
        let (stdout, code) = initialize(&[help]);
        assert!(stdout.starts_with(&it.fill(usage)) && code == Some(1), "{stdout}");
        assert_eq!(stdout.lines().count(), 7);
    }
    let (stdout, code) = initialize(&["--dance"]);
    assert!(stdout.starts_with(&it.fill(&format!("Unknown option: --dance\n{usage}"))) && code == Some(1));
}
