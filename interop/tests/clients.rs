//! Real clients: each runs the same scenario against the original and against Zoorum, and what the two made its
//! application see must be equal, line by line.
//!
//! `interop/install.sh` brings the clients and compiles the scenarios of `interop/clients`; each prints a transcript
//! in which zxids, sessions and times are masked as far as they must differ. With
//! `ZOORUM_INTEROP_AGAINST=original` the original is held against itself: that shows whether a scenario repeats.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use zoorum_interop::server::{Kind, Server, Setup};

/// How long a scenario may take.
const PATIENCE: Duration = Duration::from_secs(240);
/// How often its process is asked meanwhile.
const POLL: Duration = Duration::from_millis(20);
/// How much of a difference is told: the first line of it matters most.
const TOLD: usize = 60;
/// `super:secret`, as the server wants it.
const SUPER_DIGEST: &str = "super:lK75jTNcA+U9vtVEw5vB51mj/w4=";

#[test]
fn the_java_client_sees_the_same() {
    compare(|server| java(&reference_jars(), "Scenario", server));
}

#[test]
fn the_java_client_of_debian_sees_the_same() {
    compare(|server| java(DEBIAN_JARS, "Scenario", server));
}

#[test]
fn curator_sees_the_same() {
    compare(|server| java(&reference_jars(), "Recipes", server));
}

#[test]
fn the_java_shell_prints_the_same() {
    compare(|server| shell(&reference_jars(), server));
}

#[test]
fn the_java_shell_of_debian_prints_the_same() {
    compare(|server| shell(DEBIAN_JARS, server));
}

#[test]
fn the_c_client_sees_the_same() {
    compare(|server| with_argument(installed().join("c/scenario"), server));
}

#[test]
fn kazoo_sees_the_same() {
    compare(|server| {
        let mut command = Command::new(installed().join("venv/bin/python"));
        command.arg(interop().join("clients/python/scenario.py")).arg(server.to_string());
        command
    });
}

#[test]
fn the_rust_client_sees_the_same() {
    compare(|server| with_argument(installed().join("rust/debug/zoorum-interop-rust-client"), server));
}

/// Debian's client; the manifest of its jar names the others.
const DEBIAN_JARS: &str = "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-nop.jar";

fn reference_jars() -> String {
    let output =
        Command::new(repository().join("bench/original.sh")).arg("classpath").output().expect("original.sh");
    assert!(output.status.success(), "original.sh classpath: {output:?}");
    String::from_utf8(output.stdout).expect("a path").trim().to_owned()
}

fn java(jars: &str, class: &str, server: SocketAddr) -> Command {
    let mut command = Command::new("java");
    let classes = installed().join("java");
    command.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]);
    command.arg(format!("{}:{jars}", classes.display())).arg(class).arg(server.to_string());
    command
}

fn shell(jars: &str, server: SocketAddr) -> Command {
    let mut command = Command::new(installed().join("venv/bin/python"));
    command.arg(interop().join("clients/shell/transcript.py")).arg(server.to_string());
    // The shell prints on the same streams as its logger, which therefore is silent.
    command.args([
        "java",
        "-XX:TieredStopAtLevel=1",
        "-Dlog4j2.configurationFile=none",
        "-Dlog4j2.level=OFF",
        "-cp",
    ]);
    command.arg(jars).arg("org.apache.zookeeper.ZooKeeperMain");
    command
}

fn with_argument(program: PathBuf, server: SocketAddr) -> Command {
    let mut command = Command::new(program);
    command.arg(server.to_string());
    command
}

fn compare(client: impl Fn(SocketAddr) -> Command) {
    installed();
    let against = match std::env::var("ZOORUM_INTEROP_AGAINST").as_deref() {
        Ok("original") => Kind::Original,
        _ => Kind::Zoorum,
    };
    let directory = tempfile::tempdir().expect("a directory");
    let transcripts = [("original", Kind::Original), ("other", against)].map(|(name, kind)| {
        let server = Server::start(kind, setup());
        let transcript = directory.path().join(name);
        run(client(server.address()), &transcript);
        transcript
    });
    let diff = Command::new("diff").args(["-U3", "--"]).args(&transcripts).output().expect("run diff");
    let difference = String::from_utf8_lossy(&diff.stdout);
    assert!(
        diff.status.success(),
        "the transcripts differ in {} lines, of which the first:\n{}",
        difference.lines().filter(|line| line.starts_with('+')).count(),
        difference.lines().take(TOLD).collect::<Vec<_>>().join("\n")
    );
}

/// What the scenarios count on: short ticks, so that sessions expire soon, and everything optional switched on.
fn setup() -> Setup {
    Setup::new()
        .config("tickTime", "500")
        .config("minSessionTimeout", "1000")
        .config("maxSessionTimeout", "60000")
        .config("extendedTypesEnabled", "true")
        .config("enforceQuota", "true")
        .config("4lw.commands.whitelist", "*")
        .config("DigestAuthenticationProvider.superDigest", SUPER_DIGEST)
        .property("znode.container.checkIntervalMs", "300")
}

/// Runs a client to its end, with its output in a file.
fn run(mut command: Command, transcript: &Path) {
    let errors = transcript.with_extension("err");
    let mut process = command
        .stdin(Stdio::null())
        .stdout(File::create(transcript).expect("create the transcript"))
        .stderr(File::create(&errors).expect("create the error file"))
        .spawn()
        .unwrap_or_else(|e| panic!("cannot run {command:?}: {e}"));
    let ended = await_end(&mut process);
    let told = || {
        let [errors, told] = [&errors, transcript].map(|file| fs::read_to_string(file).unwrap_or_default());
        format!("{command:?}\n{errors}\nwhat it told up to then ends with\n{}", tail(&told))
    };
    match ended {
        Some(status) => assert!(status.success(), "{status}: {}", told()),
        None => panic!("not done after {PATIENCE:?}: {}", told()),
    }
}

fn await_end(process: &mut Child) -> Option<std::process::ExitStatus> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(status) = process.try_wait().expect("wait") {
            return Some(status);
        }
        thread::sleep(POLL);
    }
    process.kill().and_then(|()| process.wait()).expect("end the client");
    None
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// The folder that holds what the tests need; the first call brings it.
fn installed() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let status = Command::new(interop().join("install.sh")).status().expect("run install.sh");
        assert!(status.success(), "install.sh: {status}");
        repository().join(".interop")
    })
}

fn interop() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn repository() -> &'static Path {
    interop().parent().expect("this package lies in the repository")
}
