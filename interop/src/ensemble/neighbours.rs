//! Members that call each other without links in between, each at hosts of its own: for what depends on addresses.
//!
//! ```text
//! server 2 at  127.<a>.<b>.2      and, with more hosts for each member,      127.<a+1>.<b>.2 …
//! ```

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};

use tempfile::TempDir;

use super::{Kind, LOG_LINES, Member, Mode, Role, ServerId, Settings, until};
use crate::server::free_port;
use crate::wire::Client;

/// The network that was used last.
static NETWORK: AtomicU8 = AtomicU8::new(0);

/// An ensemble. Voters come first and are numbered from 1, then observers.
#[derive(Debug)]
pub struct Neighbours {
    members: Vec<Member>,
    lines: Vec<String>,
    settings: Settings,
    /// The port at which followers let observers in, if they do.
    observer_master_port: u16,
    _directory: TempDir,
}

impl Neighbours {
    /// An ensemble that is started, each member at so many hosts.
    pub fn start(voters: &[Kind], observers: &[Kind], settings: Settings, hosts: u8) -> Neighbours {
        let directory = tempfile::Builder::new().prefix("zoorum-neighbours-").tempdir().expect("a directory");
        let network = NETWORK.fetch_add(1, Ordering::Relaxed);
        // Tests of other processes use other hosts, too.
        let process = 1 + (std::process::id() % 200) as u8;
        let host = |at: u8, id: u8| Ipv4Addr::new(127, 100 + 10 * network + at, process, id);
        let (quorum, election, observer_master_port) = (free_port(), free_port(), free_port());
        let voters = voters.iter().map(|kind| (*kind, Role::Voter));
        let observers = observers.iter().map(|kind| (*kind, Role::Observer));
        let (mut members, mut lines) = (Vec::new(), Vec::new());
        for (id, (kind, role)) in (1..).zip(voters.chain(observers)) {
            let name = if role == Role::Voter { "participant" } else { "observer" };
            let addresses = (0..hosts).map(|at| format!("{}:{quorum}:{election}", host(at, id)));
            lines.push(format!("server.{id}={}:{name}", addresses.collect::<Vec<_>>().join("|")));
            let home = directory.path().join(id.to_string());
            members.push(Member::new(ServerId(id), kind, role, home));
        }
        let settings = match observer_master_port {
            port if settings.has("observerMasterPort") => {
                settings.with("observerMasterPort", &port.to_string())
            }
            _ => settings,
        };
        let mut neighbours =
            Neighbours { members, lines, settings, observer_master_port, _directory: directory };
        (1..=neighbours.members.len()).for_each(|id| neighbours.launch(id));
        (1..=neighbours.members.len()).for_each(|id| neighbours.await_serving(id));
        neighbours
    }

    /// Starts a member; it may take a while to serve.
    pub fn launch(&mut self, id: usize) {
        let Neighbours { members, lines, settings, .. } = self;
        let member = &mut members[id - 1];
        member.start(member.kind(), settings, lines);
    }

    /// Ends a member as a crash would.
    pub fn kill(&mut self, id: usize) {
        self.members[id - 1].kill();
    }

    /// Removes everything that a member kept, which must not run.
    pub fn wipe(&mut self, id: usize) {
        self.members[id - 1].wipe();
    }

    /// A member serves.
    pub fn await_serving(&self, id: usize) {
        until(&format!("server {id} serves"), || self.members[id - 1].status());
    }

    /// Who leads.
    pub fn leader(&self) -> usize {
        let leads = |member: &Member| member.status().is_some_and(|status| status.mode == Mode::Leader);
        until("somebody leads", || self.members.iter().position(leads)) + 1
    }

    /// Where clients connect.
    pub fn client_address(&self, id: usize) -> SocketAddr {
        self.members[id - 1].client_address()
    }

    /// A new session at a member that serves.
    pub fn client(&self, id: usize) -> Client {
        Client::connect(self.members[id - 1].client_address())
    }

    /// The last change that a member has applied.
    pub fn zxid(&self, id: usize) -> i64 {
        until("a member serves", || self.members[id - 1].status()).zxid
    }

    /// Everything that a member printed.
    pub fn log(&self, id: usize) -> String {
        self.members[id - 1].log()
    }

    /// How many connections there are with followers at the port where they let observers in.
    pub fn connections_of_observers(&self) -> usize {
        let table = std::fs::read_to_string(Path::new("/proc/net/tcp")).expect("the table of connections");
        let java = std::fs::read_to_string(Path::new("/proc/net/tcp6")).unwrap_or_default();
        let port = format!(":{:04X}", self.observer_master_port);
        let is_one = |line: &&str| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            fields.get(2).is_some_and(|remote| remote.ends_with(&port)) && fields.get(3) == Some(&"01")
        };
        table.lines().chain(java.lines()).filter(is_one).count()
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for member in &self.members {
                let log = member.log();
                let lines: Vec<&str> = log.lines().collect();
                let end = &lines[lines.len().saturating_sub(LOG_LINES)..];
                eprintln!(
                    "---- the end of the log of {} ({:?})\n{}",
                    member.id(),
                    member.kind(),
                    end.join("\n")
                );
            }
        }
    }
}
