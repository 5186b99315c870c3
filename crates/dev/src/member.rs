//! One member: its process, its ports and its directory.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};

use crate::reserve::Reserved;

/// How long a member may take to say what it is.
const ANSWER: Duration = Duration::from_millis(200);

/// What has become of a member's process.
enum Process {
    Running(Child),
    Paused(Child),
    Down,
}

/// What a member says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// `leader`, `follower` or `observer`.
    pub(crate) mode: String,
    pub(crate) zxid: String,
}

/// A member. Dropping it ends its process.
pub(crate) struct Member {
    pub(crate) id: u8,
    pub(crate) votes: bool,
    pub(crate) client: SocketAddr,
    pub(crate) quorum: SocketAddr,
    pub(crate) election: SocketAddr,
    directory: PathBuf,
    process: Process,
    _reserved: [Reserved; 3],
}

impl Member {
    /// A member that does not run yet. `client_port` 0 stands for one that is free.
    pub(crate) fn new(id: u8, votes: bool, client_port: u16, directory: &Path) -> anyhow::Result<Self> {
        let client = Reserved::new(client_port).with_context(|| {
            format!("server {id} cannot have port {client_port} for its clients; choose others with --port")
        })?;
        let free = || Reserved::new(0).context("there is no free port");
        let reserved = [client, free()?, free()?];
        let [client, quorum, election] = reserved.each_ref().map(Reserved::address);
        let directory = directory.join(format!("server.{id}"));
        Ok(Self {
            id,
            votes,
            client,
            quorum,
            election,
            directory,
            process: Process::Down,
            _reserved: reserved,
        })
    }

    /// What it prints goes here.
    pub(crate) fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    /// Starts its process. `servers` are the lines of its configuration that name the members.
    pub(crate) fn start(&mut self, servers: &[String], flag: &str) -> anyhow::Result<()> {
        let data = self.directory.join("data");
        fs::create_dir_all(&data).with_context(|| format!("cannot create {}", data.display()))?;
        let role = if self.votes { "" } else { "peerType=observer\n" };
        let config = format!(
            "tickTime=500\ninitLimit=10\nsyncLimit=4\ndataDir={}\nclientPortAddress={}\nclientPort={}\n\
             maxClientCnxns=0\nadmin.enableServer=false\n4lw.commands.whitelist=*\n{role}{}\n",
            data.display(),
            self.client.ip(),
            self.client.port(),
            servers.join("\n"),
        );
        let file = self.directory.join("zoo.cfg");
        for (path, text) in [(&data.join("myid"), format!("{}\n", self.id)), (&file, config)] {
            fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        let log = File::options().create(true).append(true).open(self.log());
        let log = log.with_context(|| format!("cannot write {}", self.log().display()))?;
        let binary = std::env::current_exe().context("cannot find this binary")?;
        let child = Command::new(binary)
            .args(["server", flag, "start-foreground"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("cannot write the log twice")?)
            .stderr(log)
            .process_group(0) // what is typed in this terminal is not for it, Ctrl-C included
            .spawn()
            .with_context(|| format!("cannot start server {}", self.id))?;
        self.process = Process::Running(child);
        Ok(())
    }

    /// Whether its process runs, and does not stand still.
    pub(crate) fn runs(&self) -> bool {
        matches!(self.process, Process::Running(_))
    }

    /// What has become of its process, for people.
    pub(crate) fn state(&self) -> &'static str {
        match self.process {
            Process::Running(_) => "runs",
            Process::Paused(_) => "paused",
            Process::Down => "down",
        }
    }

    /// Ends its process as a crash would.
    pub(crate) fn kill(&mut self) {
        if let Process::Running(mut child) | Process::Paused(mut child) = self.take() {
            // Neither fails with a child of one's own.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Asks its process to end; see [`Self::ended`].
    pub(crate) fn ask_to_stop(&self) {
        self.signal(Signal::TERM);
    }

    /// Lets its process stand still.
    pub(crate) fn pause(&mut self) {
        self.signal(Signal::STOP);
        self.process = match self.take() {
            Process::Running(child) => Process::Paused(child),
            other => other,
        };
    }

    /// Lets its process go on.
    pub(crate) fn go_on(&mut self) {
        self.signal(Signal::CONT);
        self.process = match self.take() {
            Process::Paused(child) => Process::Running(child),
            other => other,
        };
    }

    /// How its process ended, if it did since the last call.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let Process::Running(child) = &mut self.process else { return None };
        let status = child.try_wait().ok()??;
        self.process = Process::Down;
        Some(status)
    }

    /// What it says of itself; `None` as long as it serves nobody.
    pub(crate) fn report(&self) -> Option<Report> {
        let answer = self.runs().then(|| self.ask("srvr"))?.ok()?;
        let field = |name| answer.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        Some(Report { mode: field("Mode: ")?, zxid: field("Zxid: ")? })
    }

    fn ask(&self, word: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.client, ANSWER)?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.write_all(word.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    fn take(&mut self) -> Process {
        std::mem::replace(&mut self.process, Process::Down)
    }

    fn signal(&self, signal: Signal) {
        if let Process::Running(child) | Process::Paused(child) = &self.process {
            // It may have ended, which is found out soon.
            let _ = kill_process(Pid::from_child(child), signal);
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.kill();
    }
}
