//! What a member's `zoo.cfg` says.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// Whether a member votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// It does.
    Voter,
    /// It only learns.
    Observer,
}

/// The length of a tick: short, so that what takes ticks to be noticed is noticed soon.
const TICK: Duration = Duration::from_millis(250);
/// Ticks that a learner may take to be synchronized, and a leader to find learners.
const INIT_LIMIT: u32 = 24;
/// Ticks after which a leader and a learner give each other up.
const SYNC_LIMIT: u32 = 8;
/// Transactions that a leader keeps in memory for learners that lag: more than are made while a Java member
/// starts, be the machine fast or busy.
pub const COMMIT_LOG_COUNT: usize = 10_000;

/// Stands for the port of a member's admin server.
const ADMIN_PORT: &str = "{admin}";

/// What all members have in common.
#[derive(Clone, Debug)]
pub struct Settings {
    lines: Vec<(String, String)>,
    /// `-D` flags.
    properties: Vec<(String, String)>,
    /// Members' disks can be stalled: see `Member::stall_disk`.
    pub(super) disks_stall: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        let lines = [
            ("tickTime", TICK.as_millis().to_string()),
            ("initLimit", INIT_LIMIT.to_string()),
            ("syncLimit", SYNC_LIMIT.to_string()),
            ("maxSessionTimeout", "60000".to_owned()),
            ("maxClientCnxns", "0".to_owned()),
            ("4lw.commands.whitelist", "*".to_owned()),
            ("admin.enableServer", "false".to_owned()),
            ("preAllocSize", "64".to_owned()),
            ("commitLogCount", COMMIT_LOG_COUNT.to_string()),
            // Snapshots and new log files come about often.
            ("snapCount", "600".to_owned()),
        ];
        Settings {
            lines: lines.map(|(key, value)| (key.to_owned(), value)).into(),
            properties: Vec::new(),
            disks_stall: false,
        }
    }
}

impl Settings {
    /// Adds a line, or changes it.
    pub fn with(mut self, key: &str, value: &str) -> Settings {
        self.lines.retain(|(other, _)| other != key);
        self.lines.push((key.into(), value.into()));
        self
    }

    /// Sets up an admin server of each member on a port of its own: see `Member::admin_port`.
    pub fn with_admin(self) -> Settings {
        self.with("admin.enableServer", "true")
            .with("admin.serverAddress", "127.0.0.1")
            .with("admin.serverPort", ADMIN_PORT)
    }

    /// Adds a `-D` flag.
    pub fn with_property(mut self, name: &str, value: &str) -> Settings {
        self.properties.push((name.into(), value.into()));
        self
    }

    /// Lets members' disks be stalled: see `Member::stall_disk`.
    pub fn with_disks_that_stall(self) -> Settings {
        Settings { disks_stall: true, ..self }
    }

    pub(super) fn flags(&self) -> Vec<String> {
        // The original takes this from its command line only.
        let multi_address =
            self.has("multiAddress.enabled").then(|| "-Dzookeeper.multiAddress.enabled=true".to_owned());
        let properties = self.properties.iter().map(|(name, value)| format!("-D{name}={value}"));
        properties.chain(multi_address).collect()
    }

    /// Whether there is such a line.
    pub fn has(&self, key: &str) -> bool {
        self.lines.iter().any(|(other, _)| other == key)
    }

    pub(super) fn file(
        &self,
        data: &Path,
        (client, admin): (SocketAddr, u16),
        role: Role,
        servers: &[String],
    ) -> String {
        let mut text = String::new();
        let own = [
            ("dataDir".to_owned(), data.display().to_string()),
            ("clientPortAddress".to_owned(), client.ip().to_string()),
            ("clientPort".to_owned(), client.port().to_string()),
        ];
        for (key, value) in self.lines.iter().chain(&own) {
            let value = value.replace(ADMIN_PORT, &admin.to_string());
            writeln!(text, "{key}={value}").expect("strings accept everything");
        }
        if role == Role::Observer {
            text.push_str("peerType=observer\n");
        }
        for server in servers {
            text.push_str(server);
            text.push('\n');
        }
        text
    }
}
