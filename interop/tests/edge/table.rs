//! What a row is, and how all rows run: one server per configuration, configurations side by side.

use std::cell::RefCell;
use std::fmt;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;
use std::thread;

use zoorum_interop::server::{Kind, Server, Setup};
use zoorum_interop::wire::{Acl, Client, Wire, perm};

/// One line of the checklist. A line may have two rows where it speaks of two configurations.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The number in the checklist.
    pub number: u32,
    /// What holds.
    pub title: &'static str,
    /// The server that it needs.
    pub config: Config,
    /// Panics when it does not hold.
    pub check: fn(&Stage),
}

/// The configurations that rows ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Config {
    /// The defaults, with `ruok` on the whitelist.
    Plain,
    /// The defaults; rows here create nothing, so the tree stays as it was born.
    Fresh,
    /// At most three connections from one address; and a root that had no children before.
    Limited,
    /// Extended types, quotas enforced, containers checked often. Rows run side by side.
    Extended,
    /// A superuser, reconfiguration enabled, ensemble authentication.
    Super,
    /// Nothing goes without digest authentication.
    Enforced,
    /// SASL with DIGEST-MD5.
    Sasl,
    /// Rows that take seconds, side by side, on a server with the defaults.
    Slow,
    /// The row starts a server for itself.
    Own,
}

impl Config {
    const ALL: [Config; 9] = [
        Config::Own,
        Config::Slow,
        Config::Extended,
        Config::Plain,
        Config::Fresh,
        Config::Limited,
        Config::Super,
        Config::Enforced,
        Config::Sasl,
    ];

    fn setup(self) -> Setup {
        let setup = Setup::new();
        match self {
            Config::Fresh | Config::Slow | Config::Own => setup,
            Config::Plain => setup.config("4lw.commands.whitelist", "ruok"),
            Config::Limited => setup.config("maxClientCnxns", "3"),
            Config::Extended => extended(),
            Config::Super => setup
                .property("zookeeper.DigestAuthenticationProvider.superDigest", SUPER_DIGEST)
                .property("zookeeper.ensembleAuthName", "north,south")
                .config("authProvider.1", "org.apache.zookeeper.server.auth.EnsembleAuthenticationProvider")
                .config("reconfigEnabled", "true"),
            Config::Sasl => crate::sasl::setup(),
            Config::Enforced => {
                setup.config("enforce.auth.enabled", "true").config("enforce.auth.schemes", "digest")
            }
        }
    }

    /// Whether rows may run while others do. Rows that count zxids may not.
    fn side_by_side(self) -> bool {
        matches!(self, Config::Extended | Config::Slow | Config::Own)
    }
}

/// `super:admin` as the property wants it.
const SUPER_DIGEST: &str = "super:xQJmxLMiHGwaqBvst5y6rkB6HQs=";

/// How often [`extended`] looks for containers and TTL nodes to remove, in milliseconds.
pub const CONTAINER_CHECK_MS: u32 = 300;

/// Extended types, enforced quotas and a short container check interval.
pub fn extended() -> Setup {
    Setup::new()
        .property("zookeeper.extendedTypesEnabled", "true")
        .property("zookeeper.enforceQuota", "true")
        .property("znode.container.checkIntervalMs", &CONTAINER_CHECK_MS.to_string())
}

/// What a row runs on.
#[derive(Debug)]
pub struct Stage {
    /// Which implementation.
    pub kind: Kind,
    row: u32,
    /// None for a row that starts its own.
    address: Option<SocketAddr>,
}

impl Stage {
    /// Where the row's server listens.
    pub fn address(&self) -> SocketAddr {
        self.address.expect("a row with a configuration of its own starts its own server")
    }

    /// A new session.
    pub fn client(&self) -> Client {
        Client::connect(self.address())
    }

    /// A bare connection.
    pub fn wire(&self) -> Wire {
        Wire::open(self.address())
    }

    /// A name that no other row uses.
    pub fn name(&self, suffix: &str) -> String {
        format!("/row{}{suffix}", self.row)
    }

    /// A new session, and a node of this row's own.
    pub fn client_and_root(&self) -> (Client, String) {
        let mut client = self.client();
        let root = self.name("");
        assert_eq!(client.create(&root, b"", 0), Ok(root.clone()));
        (client, root)
    }

    /// A new session authenticated as `user:password`, with an ACL that allows it alone everything.
    pub fn digest_client(&self, user: &str) -> (Client, Vec<Acl>) {
        let mut client = self.client();
        assert_eq!(client.auth("digest", Some(format!("{user}:p").as_bytes())).err, 0);
        (client, vec![Acl::new(perm::ALL, "auth", "")])
    }
}

/// A row that does not hold.
#[derive(Debug)]
pub struct Failure {
    number: u32,
    title: &'static str,
    message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {}: {}\n    {}", self.number, self.title, self.message.replace('\n', "\n    "))
    }
}

/// Runs `rows` against servers of `kind` and returns those that fail, by number. `ROWS=12,30` in the
/// environment runs only these.
pub fn failures(kind: Kind, rows: &[Row]) -> Vec<Failure> {
    remember_panics();
    let wanted = std::env::var("ROWS").ok();
    let wanted = |row: &Row| {
        wanted.as_ref().is_none_or(|list| list.split(',').any(|n| n.trim() == row.number.to_string()))
    };
    let mut failures: Vec<Failure> = thread::scope(|scope| {
        let groups: Vec<_> = Config::ALL
            .into_iter()
            .map(|config| {
                let rows: Vec<Row> =
                    rows.iter().filter(|row| row.config == config && wanted(row)).copied().collect();
                scope.spawn(move || run_group(kind, config, &rows))
            })
            .collect();
        groups.into_iter().flat_map(|group| group.join().expect("rows are caught")).collect()
    });
    failures.sort_by_key(|failure| failure.number);
    failures
}

/// Runs the rows of one configuration. If its server does not start, that is every row's failure.
fn run_group(kind: Kind, config: Config, rows: &[Row]) -> Vec<Failure> {
    if rows.is_empty() {
        return Vec::new();
    }
    let server = match config {
        Config::Own => None,
        _ => match caught(|| Server::start(kind, config.setup())) {
            Ok(server) => Some(server),
            Err(message) => return rows.iter().map(|row| failure(row, message.clone())).collect(),
        },
    };
    let address = server.as_ref().map(Server::address);
    let run = |row: &Row| {
        let stage = Stage { kind, row: row.number, address };
        caught(|| (row.check)(&stage)).err().map(|message| failure(row, message))
    };
    let mut failures: Vec<Failure> = if config.side_by_side() {
        thread::scope(|scope| {
            let running: Vec<_> = rows.iter().map(|row| scope.spawn(move || run(row))).collect();
            running.into_iter().filter_map(|row| row.join().expect("rows are caught")).collect()
        })
    } else {
        rows.iter().filter_map(run).collect()
    };
    if let (Some(last), Some(server)) = (failures.last_mut(), &server) {
        last.message += &format!("\nend of the {config:?} server's log:\n{}", end(&server.log()));
    }
    failures
}

/// The last lines of a log: what the server had to say before it was stopped.
fn end(log: &str) -> String {
    const LINES: usize = 40;
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

fn failure(row: &Row, message: String) -> Failure {
    Failure { number: row.number, title: row.title, message }
}

thread_local! {
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
    static CATCHING: RefCell<bool> = const { RefCell::new(false) };
}

/// Keeps a caught panic's message and place instead of printing them in the midst of everything.
fn remember_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let default = take_hook();
        set_hook(Box::new(move |info| {
            if CATCHING.with(|catching| *catching.borrow()) {
                LAST_PANIC.with(|last| *last.borrow_mut() = Some(info.to_string()));
            } else {
                default(info);
            }
        }));
    });
}

/// Runs `body` and turns a panic into its message.
fn caught<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    CATCHING.with(|catching| *catching.borrow_mut() = true);
    let result = catch_unwind(AssertUnwindSafe(body));
    CATCHING.with(|catching| *catching.borrow_mut() = false);
    result.map_err(|_| LAST_PANIC.with(|last| last.borrow_mut().take()).unwrap_or_default())
}
