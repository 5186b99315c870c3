//! One member: its process, directory and ports.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::config::{Role, Settings};
use super::dialogue::Port;
use super::{Kind, ServerId, until};
use crate::server::{free_port, repository};

/// How long a member may take to say what it is.
const ANSWER: Duration = Duration::from_millis(500);

/// What a member says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It leads.
    Leader,
    /// It follows.
    Follower,
    /// It observes.
    Observer,
    /// It has no leader, and serves reads.
    ReadOnly,
}

/// What a member that serves says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// What it is.
    pub mode: Mode,
    /// The last transaction that it applied.
    pub zxid: i64,
}

impl Status {
    /// The epoch of that transaction.
    pub fn epoch(&self) -> i64 {
        self.zxid >> 32
    }
}

#[derive(Debug)]
enum Process {
    Running(Child),
    Paused(Child),
    Down,
}

/// A member's disk stands still while this lives.
#[derive(Debug)]
pub struct StalledDisk(PathBuf);

impl Drop for StalledDisk {
    fn drop(&mut self) {
        // A test that has failed may have removed it with all else.
        let _ = fs::remove_file(&self.0);
    }
}

/// A member. Dropping it kills its process.
#[derive(Debug)]
pub struct Member {
    id: ServerId,
    kind: Kind,
    role: Role,
    directory: PathBuf,
    client: SocketAddr,
    quorum: SocketAddr,
    election: SocketAddr,
    admin: u16,
    process: Process,
}

impl Member {
    /// A member that was never started.
    pub(super) fn new(id: ServerId, kind: Kind, role: Role, directory: PathBuf) -> Member {
        let address = || SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let (client, quorum, election) = (address(), address(), address());
        let admin = free_port();
        Member { id, kind, role, directory, client, quorum, election, admin, process: Process::Down }
    }

    /// Its number.
    pub fn id(&self) -> ServerId {
        self.id
    }

    /// What it runs, or ran last.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether it votes.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Where clients connect.
    pub fn client_address(&self) -> SocketAddr {
        self.client
    }

    /// Its own port for other members, not that of a link.
    pub fn address(&self, port: Port) -> SocketAddr {
        match port {
            Port::Quorum => self.quorum,
            Port::Election => self.election,
        }
    }

    /// Whether there is a process that is not paused.
    pub fn runs(&self) -> bool {
        matches!(self.process, Process::Running(_))
    }

    /// The port of its admin server, if the settings have one.
    pub fn admin_port(&self) -> u16 {
        self.admin
    }

    /// Where it keeps its files.
    pub fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// No sync of this member's begins until what this returns is dropped.
    ///
    /// # Panics
    ///
    /// When its file cannot be made.
    pub fn stall_disk(&self) -> StalledDisk {
        let file = self.stall_file();
        File::create(&file).expect("stall the disk");
        StalledDisk(file)
    }

    fn stall_file(&self) -> PathBuf {
        self.directory.join("stalled")
    }

    /// Starts the process; it may take a while to serve.
    pub(super) fn start(&mut self, kind: Kind, settings: &Settings, servers: &[String]) {
        assert!(matches!(self.process, Process::Down), "{} runs already", self.id);
        self.kind = kind;
        fs::create_dir_all(self.data()).expect("create the data directory");
        fs::write(self.data().join("myid"), format!("{}\n", self.id)).expect("write myid");
        let config = self.directory.join("zoo.cfg");
        fs::write(&config, settings.file(&self.data(), (self.client, self.admin), self.role, servers))
            .expect("write zoo.cfg");
        let log = File::options().create(true).append(true).open(self.log_file()).expect("open the log");
        let mut command = kind.command(&config, &settings.flags());
        command
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log twice"))
            .stderr(log);
        if settings.disks_stall {
            let library = repository().join(".interop/faults/slow_disk.so");
            assert!(library.is_file(), "there is no {}: run interop/install.sh", library.display());
            command.env("LD_PRELOAD", library).env("STALLED_BY", self.stall_file());
        }
        let child = command.spawn().unwrap_or_else(|e| panic!("cannot run {command:?}: {e}"));
        self.process = Process::Running(child);
    }

    /// Ends the process as a crash would.
    pub(super) fn kill(&mut self) {
        if let Process::Running(mut child) | Process::Paused(mut child) =
            std::mem::replace(&mut self.process, Process::Down)
        {
            child.kill().expect("kill");
            child.wait().expect("wait");
        }
    }

    /// Asks the process to stop, and waits until it did.
    pub(super) fn stop(&mut self) -> ExitStatus {
        let Process::Running(mut child) = std::mem::replace(&mut self.process, Process::Down) else {
            panic!("{} does not run", self.id);
        };
        signal(&child, "TERM");
        until(&format!("{} stops", self.id), || child.try_wait().expect("wait"))
    }

    /// Lets the process do nothing until it is resumed.
    pub(super) fn pause(&mut self) {
        let Process::Running(child) = std::mem::replace(&mut self.process, Process::Down) else {
            panic!("{} does not run", self.id);
        };
        signal(&child, "STOP");
        self.process = Process::Paused(child);
    }

    /// Lets a paused process go on.
    pub(super) fn resume(&mut self) {
        let Process::Paused(child) = std::mem::replace(&mut self.process, Process::Down) else {
            panic!("{} is not paused", self.id);
        };
        signal(&child, "CONT");
        self.process = Process::Running(child);
    }

    /// Removes everything that it kept.
    pub(super) fn wipe(&mut self) {
        assert!(matches!(self.process, Process::Down), "{} runs", self.id);
        fs::remove_dir_all(self.data()).expect("remove the data directory");
    }

    /// # Panics
    ///
    /// When the process ended by itself.
    pub(super) fn expect_alive(&mut self) {
        if let Process::Running(child) = &mut self.process
            && let Some(status) = child.try_wait().expect("wait")
        {
            self.process = Process::Down;
            panic!("{} ({:?}) ended by itself: {status}", self.id, self.kind);
        }
    }

    /// What it says of itself; `None` as long as it does not serve.
    pub fn status(&self) -> Option<Status> {
        if !self.runs() {
            return None;
        }
        let answer = self.word("srvr").ok()?;
        let field = |name| answer.lines().find_map(|line: &str| line.strip_prefix(name));
        let mode = match field("Mode: ")? {
            "leader" => Mode::Leader,
            "follower" => Mode::Follower,
            "observer" => Mode::Observer,
            "read-only" => Mode::ReadOnly,
            other => panic!("{} says it is a {other}", self.id),
        };
        let zxid = field("Zxid: 0x")?;
        let zxid = i64::from_str_radix(zxid, 16).unwrap_or_else(|e| panic!("zxid {zxid}: {e}"));
        Some(Status { mode, zxid })
    }

    /// The answer to a four-letter word.
    pub fn word(&self, word: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.client, ANSWER)?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.write_all(word.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// Everything that it printed since its first start.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.log_file()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn log_file(&self) -> PathBuf {
        log_in(&self.directory)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Process::Running(child) | Process::Paused(child) = &mut self.process {
            child.kill().and_then(|()| child.wait().map(drop)).unwrap_or_default();
        }
    }
}

fn log_in(directory: &Path) -> PathBuf {
    directory.join("server.log")
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().expect("run kill");
    assert!(status.success(), "kill -s {name}: {status}");
}
