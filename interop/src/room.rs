//! Rooms: parts of this machine that a test has to itself, so that it may use the ports and paths that users use.
//!
//! ```text
//! Room   a network, processes and mounts of its own (Linux namespaces); everything in it ends with it
//! Pod    a container in a room: the files of the image over this machine's root, read-only, volumes in their places,
//!        a user without rights, an address and a name
//! ```
//!
//! There is no container engine in this: what one does besides (layers, registries, cgroups) is not tested here. Needs
//! root, `unshare`, `nsenter` and `ip`.

pub mod root;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything in a room may take.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// How often it is looked at meanwhile.
const POLL: Duration = Duration::from_millis(50);

/// What the room does first. It ends with its standard input, so with the test, however that ends.
const FURNISH: &str = "set -e; ip link set lo up; mount -t tmpfs tmpfs /run; mkdir /run/netns; \
                       ip link add switch type bridge; ip address add 192.0.2.254/24 dev switch; \
                       ip link set switch up; echo furnished; exec cat";

/// See the module.
#[derive(Debug)]
pub struct Room {
    process: Child,
    /// The process that everything else in it descends from.
    first: u32,
}

impl Room {
    /// An empty room.
    ///
    /// # Panics
    ///
    /// When this machine does not allow it.
    pub fn new() -> Room {
        let mut process = Command::new("unshare")
            .args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .args(["bash", "-c", FURNISH])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("run unshare");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        assert_eq!(line, "furnished\n", "a room needs root, and the commands unshare and ip");
        let first = descendant(process.id()).expect("the room has a first process");
        Room { process, first }
    }

    /// A command to be run in the room.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.first.to_string(), "--net", "--mount", "--pid", "--wd=.", "--"]);
        command.arg(program.as_ref());
        command
    }

    /// What the page at this address says, and the status: 0 if nobody answers.
    pub fn get(&self, url: &str) -> (u16, String) {
        let output = self
            .command("curl")
            .args(["--silent", "--max-time", "5", "--write-out", "\n%{http_code}", url])
            .output()
            .expect("run curl");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (page, status) = text.rsplit_once('\n').expect("curl writes the status");
        (status.parse().expect("a number"), page.to_owned())
    }
}

impl Default for Room {
    fn default() -> Room {
        Room::new()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.process.kill().and_then(|()| self.process.wait().map(drop)).unwrap_or_default();
    }
}

/// How a container is started.
#[derive(Clone, Debug)]
pub struct PodSpec {
    /// The name of its host.
    pub name: String,
    /// The last number of its address.
    pub number: u8,
    /// Its variables.
    pub environment: BTreeMap<String, String>,
    /// Directories of this machine, and where they are mounted, writable.
    pub volumes: Vec<(PathBuf, String)>,
    /// What it runs, entry point and arguments.
    pub command: Vec<String>,
    /// As root, and with a root that can be written to, as images can be run, too.
    pub privileged: bool,
}

impl PodSpec {
    /// Its address in the room.
    pub fn address(&self) -> String {
        format!("192.0.2.{}", self.number)
    }
}

/// A running container.
#[derive(Debug)]
pub struct Pod {
    process: Child,
    output: PathBuf,
}

impl Pod {
    /// Starts it. `image` is the tree that the image adds to its base, `names` the lines of `/etc/hosts`; `scratch` is
    /// for what it prints.
    pub fn start(room: &Room, spec: &PodSpec, image: &Path, names: &str, scratch: &Path) -> Pod {
        let output = scratch.join(format!("{}.log", spec.name));
        let hosts = scratch.join(format!("{}.hosts", spec.name));
        fs::write(&hosts, format!("127.0.0.1 localhost\n{names}")).expect("write the names of hosts");
        let log = fs::File::options().create(true).append(true).open(&output).expect("open the log");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/room/pod.sh");
        let mut command = room.command("bash");
        command.arg(script).args([&spec.name, &spec.address()]).args([&hosts, image]);
        command.arg(if spec.privileged { "root" } else { "1000" });
        for (from, to) in &spec.volumes {
            command.arg(format!("volume:{}:{to}", from.display()));
        }
        command.arg("HOME=/").arg(format!("HOSTNAME={}", spec.name));
        command.args(spec.environment.iter().map(|(name, value)| format!("{name}={value}")));
        let process = command
            .arg("--")
            .args(&spec.command)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log twice"))
            .stderr(log)
            .spawn()
            .expect("run nsenter");
        Pod { process, output }
    }

    /// What it printed so far.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.output).unwrap_or_default()).into_owned()
    }

    /// Its first process, as this machine knows it.
    pub fn first_process(&self) -> u32 {
        last_descendant(self.process.id())
    }

    /// Asks the first process to stop, and waits until it did.
    pub fn stop(mut self) -> ExitStatus {
        let asked = Command::new("kill").arg(self.first_process().to_string()).status().expect("run kill");
        assert!(asked.success(), "kill: {asked}\n{}", self.output());
        self.await_end()
    }

    /// Waits until it ended.
    pub fn await_end(&mut self) -> ExitStatus {
        let mut ended = None;
        until("a container ends", || {
            ended = self.process.try_wait().expect("wait");
            ended.is_some()
        });
        ended.expect("it has ended")
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        // The room ends what still runs.
        if thread::panicking() {
            eprintln!("---- {}\n{}\n----", self.output.display(), self.output());
        }
    }
}

/// Waits until something holds.
///
/// # Panics
///
/// When it takes too long.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        thread::sleep(POLL);
    }
}

/// # Panics
///
/// When the command fails; with what it printed.
pub fn succeeds(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    output
}

/// The process at the end of a chain of processes, each of which started one and waits for it.
pub fn last_descendant(pid: u32) -> u32 {
    std::iter::successors(Some(pid), |pid| descendant(*pid)).last().unwrap_or(pid)
}

/// The first process that this one started.
fn descendant(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}
