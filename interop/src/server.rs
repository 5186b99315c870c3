//! A standalone server of either kind, with the same configuration, in a directory and on a port of its own.
//!
//! The original comes from `bench/original.sh`, which fetches it where needed (`ZOORUM_REFERENCE` says where
//! the jars lie). Zoorum is the binary that `ZOORUM_BIN` names, otherwise `target/release/zoorum`.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::wire;

/// How long a server may take to serve, or to stop.
const PATIENCE: Duration = Duration::from_secs(180);
/// How often it is asked meanwhile.
const POLL: Duration = Duration::from_millis(20);
/// How long a server may take to say whether it serves.
const ANSWER: Duration = Duration::from_millis(500);
/// Ports are found by taking one and letting go of it again: somebody else may take it before the server
/// does, and then the start is tried anew.
const ATTEMPTS: u32 = 3;
/// Options that make a Java server start faster on a small machine; tests do not measure it.
pub(crate) const JAVA_FLAGS: &str = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -Xmx512m";

/// What the original's admin server runs on, as Debian names it.
const JETTY: [&str; 8] = [
    "jetty9-server",
    "jetty9-servlet",
    "jetty9-util",
    "jetty9-http",
    "jetty9-io",
    "jetty9-security",
    "jetty9-util-ajax",
    "servlet-api",
];

/// The jars of the original's admin server.
pub(crate) fn jetty_jars() -> [String; 8] {
    JETTY.map(|name| format!("/usr/share/java/{name}.jar"))
}

/// Which implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Apache ZooKeeper 3.9.5.
    Original,
    /// Zoorum.
    Zoorum,
}

impl Kind {
    /// What is expected of this kind where the two differ on purpose.
    pub fn pick<T>(self, original: T, zoorum: T) -> T {
        match self {
            Kind::Original => original,
            Kind::Zoorum => zoorum,
        }
    }

    /// The command that runs a server in the foreground, up to the configuration file's name.
    fn command(self, setup: &Setup, directory: &Path) -> Command {
        let flag = |(name, value): &(String, String)| format!("-D{name}={}", in_directory(value, directory));
        let flags: Vec<String> = setup.properties.iter().map(flag).collect();
        match self {
            Kind::Original => {
                let mut command = Command::new(repository().join("bench/original.sh"));
                command.arg("run").env("JVMFLAGS", format!("{JAVA_FLAGS} {}", flags.join(" ")));
                command.env("ZOORUM_REFERENCE_MORE", setup.more_jars.join(":"));
                command
            }
            Kind::Zoorum => {
                let mut command = Command::new(zoorum_binary());
                command.args(["server", "start-foreground"]).env("JVMFLAGS", flags.join(" "));
                command
            }
        }
    }
}

/// How a server is configured, apart from what every server here gets: a directory, a port on the loopback
/// address, a tick of 2000 ms and no limit of connections.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Lines of the configuration file; a later one of the same name wins over an earlier one.
    config: Vec<(String, String)>,
    /// `-D` flags.
    properties: Vec<(String, String)>,
    /// Further files beside the configuration file.
    files: Vec<(String, String)>,
    /// Jars that the original needs besides its own.
    more_jars: Vec<String>,
}

/// Stands for the server's directory in the values of a [`Setup`].
pub const DIRECTORY: &str = "{directory}";

impl Setup {
    /// Nothing special.
    pub fn new() -> Setup {
        Setup::default()
    }

    /// Adds a line to the configuration file.
    pub fn config(mut self, key: &str, value: &str) -> Setup {
        self.config.push((key.into(), value.into()));
        self
    }

    /// Adds a `-D` flag.
    pub fn property(mut self, name: &str, value: &str) -> Setup {
        self.properties.push((name.into(), value.into()));
        self
    }

    /// Adds a file, found under [`DIRECTORY`] by that name.
    pub fn file(mut self, name: &str, contents: &str) -> Setup {
        self.files.push((name.into(), contents.into()));
        self
    }

    /// Sets the admin server up on a port of the loopback address. The original finds the HTTP server that it needs
    /// among Debian's jars.
    pub fn admin(mut self, port: u16) -> Setup {
        self.more_jars = jetty_jars().into();
        self.config("admin.enableServer", "true")
            .config("admin.serverAddress", &Ipv4Addr::LOCALHOST.to_string())
            .config("admin.serverPort", &port.to_string())
    }

    fn config_file(&self, directory: &Path, port: u16) -> String {
        let mut lines: Vec<(String, String)> = [
            ("tickTime", "2000".to_owned()),
            ("dataDir", directory.join("data").display().to_string()),
            ("clientPortAddress", Ipv4Addr::LOCALHOST.to_string()),
            ("clientPort", port.to_string()),
            ("maxClientCnxns", "0".to_owned()),
            ("admin.enableServer", "false".to_owned()),
            ("preAllocSize", "64".to_owned()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into();
        for (key, value) in &self.config {
            lines.retain(|(other, _)| other != key);
            lines.push((key.clone(), in_directory(value, directory)));
        }
        lines.iter().fold(String::new(), |mut text, (key, value)| {
            writeln!(text, "{key}={value}").expect("strings accept everything");
            text
        })
    }
}

/// A server process, its directory and its port. Dropping it kills the process and removes the directory;
/// in a panic the log is printed first.
#[derive(Debug)]
pub struct Server {
    kind: Kind,
    address: SocketAddr,
    setup: Setup,
    directory: TempDir,
    process: Option<Child>,
}

impl Server {
    /// Starts a server on an empty directory and waits until it serves.
    ///
    /// # Panics
    ///
    /// When the binary is missing, or the server ends or does not serve in time; with its log.
    pub fn start(kind: Kind, setup: Setup) -> Server {
        let directory = tempfile::Builder::new().prefix("zoorum-interop-").tempdir().expect("a directory");
        Server::start_in(directory, kind, setup)
    }

    /// The same on a directory that may hold a `data` directory already.
    pub fn start_in(directory: TempDir, kind: Kind, setup: Setup) -> Server {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut server = Server { kind, address, setup, directory, process: None };
        for attempt in 1..=ATTEMPTS {
            server.address.set_port(free_port());
            match server.spawn_and_wait() {
                Ok(()) => break,
                Err(status) if attempt == ATTEMPTS => {
                    panic!("the {kind:?} server ended with {status} instead of serving")
                }
                Err(_) => {}
            }
        }
        server
    }

    /// Which implementation this is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The directory that holds `data` (with `version-2` inside), `zoo.cfg` and `server.log`.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A new session.
    pub fn client(&self) -> wire::Client {
        wire::Client::connect(self.address)
    }

    /// A bare connection.
    pub fn wire(&self) -> wire::Wire {
        wire::Wire::open(self.address)
    }

    /// Kills the process as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("kill");
            process.wait().expect("wait");
        }
    }

    /// Asks the process to stop (SIGTERM) and waits until it did.
    pub fn stop(&mut self) -> ExitStatus {
        let process = self.process.as_ref().expect("the server runs");
        let asked = Command::new("kill").arg(process.id().to_string()).status().expect("run kill");
        assert!(asked.success(), "kill: {asked}");
        self.await_end()
    }

    /// Waits until the process ended by itself.
    pub fn await_end(&mut self) -> ExitStatus {
        let process = self.process.as_mut().expect("the server runs");
        let begun = Instant::now();
        loop {
            if let Some(status) = process.try_wait().expect("wait") {
                self.process = None;
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "the server did not end within {PATIENCE:?}");
            thread::sleep(POLL);
        }
    }

    /// Starts the process again, on the same directory and port, and waits until it serves.
    pub fn restart(&mut self) {
        self.kill();
        if let Err(status) = self.spawn_and_wait() {
            panic!("the {:?} server ended with {status} instead of serving again", self.kind);
        }
    }

    /// Stops the process and lets a server of an other kind carry on with its files, on the same port.
    pub fn hand_over(&mut self, kind: Kind) {
        self.stop();
        self.kind = kind;
        self.restart();
    }

    /// Exchanges the configuration; it counts from the next [`Server::restart`] on.
    pub fn reconfigure(&mut self, setup: Setup) {
        self.setup = setup;
    }

    /// Everything that the server printed since its first start.
    pub fn log(&self) -> String {
        fs::read(self.log_file())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.directory().join("server.log")
    }

    /// Runs the process until it serves; its exit status if it ends before.
    fn spawn_and_wait(&mut self) -> Result<(), ExitStatus> {
        let file = self.directory().join("zoo.cfg");
        fs::write(&file, self.setup.config_file(self.directory(), self.address.port()))
            .expect("write zoo.cfg");
        for (name, contents) in &self.setup.files {
            fs::write(self.directory().join(name), contents).unwrap_or_else(|e| panic!("write {name}: {e}"));
        }
        let log = File::options().create(true).append(true).open(self.log_file()).expect("open the log");
        let mut command = self.kind.command(&self.setup, self.directory());
        let process = command
            .arg(&file)
            .current_dir(self.directory())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log twice"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|e| panic!("cannot run {command:?}: {e}"));
        self.process = Some(process);
        let begun = Instant::now();
        loop {
            if let Some(status) = self.process.as_mut().and_then(|p| p.try_wait().expect("wait")) {
                self.process = None;
                return Err(status);
            }
            if self.serves() {
                return Ok(());
            }
            assert!(begun.elapsed() < PATIENCE, "the server does not serve after {PATIENCE:?}");
            thread::sleep(POLL);
        }
    }

    /// `srvr` is on every server's whitelist; who does not serve yet answers with an excuse, or, in the midst
    /// of its start, not at all.
    fn serves(&self) -> bool {
        let mut answer = String::new();
        let asked = TcpStream::connect(self.address).and_then(|mut stream| {
            stream.set_read_timeout(Some(ANSWER))?;
            stream.write_all(b"srvr")?;
            stream.read_to_string(&mut answer)
        });
        asked.is_ok() && answer.contains("Mode: ")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().and_then(|()| process.wait().map(drop)).unwrap_or_default();
        }
        if thread::panicking() {
            eprintln!("---- log of the {:?} server\n{}\n----", self.kind, self.log());
        }
    }
}

/// A port that nobody listens on, below those that the system hands out to connecting sockets: a connection
/// to a port of that range which nobody serves yet can end up connected to itself.
pub fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    // Tests of several processes begin at different places.
    let begin = (std::process::id() % u32::from(COUNT)) as u16;
    loop {
        let port = FIRST + begin.wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed)) % COUNT;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

fn in_directory(value: &str, directory: &Path) -> String {
    value.replace(DIRECTORY, &directory.display().to_string())
}

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package lies in the repository").into()
}

/// The Zoorum under test.
///
/// # Panics
///
/// When there is none: a test that judges Zoorum must not pass without it.
pub fn zoorum_binary() -> PathBuf {
    let named = std::env::var_os("ZOORUM_BIN").map(PathBuf::from);
    let binary = named.unwrap_or_else(|| repository().join("target/release/zoorum"));
    assert!(
        binary.is_file(),
        "there is no Zoorum at {}: build it (cargo build --release -p zoorum) or name it in ZOORUM_BIN",
        binary.display()
    );
    binary
}
