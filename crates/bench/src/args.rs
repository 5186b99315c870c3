//! The command line of `zoorum bench`.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::load::Mix;
use crate::wire::{FOLDERS_MAX, NODES_MAX};

/// Measures a ZooKeeper-compatible server.
#[derive(Args, Clone, Debug)]
pub struct BenchArgs {
    /// What to measure.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be measured.
#[derive(Subcommand, Clone, Debug)]
pub enum Command {
    /// Read the data of random znodes
    Get(LoadArgs),
    /// Overwrite the data of random znodes
    Set(LoadArgs),
    /// Create znodes, each connection below a parent of its own
    Create(LoadArgs),
    /// Delete znodes made beforehand (--keys of them)
    Delete(LoadArgs),
    /// Ask for the stat of random znodes
    Exists(LoadArgs),
    /// List the children of random znodes (--per-parent names each)
    Children(LoadArgs),
    /// Several operations at random, such as get=90,set=10
    Mix(MixArgs),
    /// Open many sessions at once, then close them
    Sessions(SessionsArgs),
    /// Tell many watchers of one change, again and again
    Watch(WatchArgs),
    /// Create a tree of many znodes
    Fill(FillArgs),
}

/// Which server, and how to talk to it.
#[derive(Args, Clone, Debug)]
pub struct ServerArgs {
    /// Address of the server's client port; of an ensemble the addresses of several servers, separated by
    /// commas, over which the connections are spread evenly
    #[arg(long, default_value = "127.0.0.1:2181", value_delimiter = ',', value_parser = parse_address)]
    pub server: Vec<SocketAddr>,
    /// Session timeout to ask for, in seconds
    #[arg(long, default_value = "30", value_parser = parse_seconds)]
    pub session_timeout: Duration,
    /// The znode below which everything happens
    #[arg(long, default_value = "/zoorum-bench", value_parser = parse_root)]
    pub root: String,
    /// Process id of the server, to report the CPU time that it used; several are added up
    #[arg(long, value_delimiter = ',')]
    pub server_pid: Vec<u32>,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
    /// No progress on standard error
    #[arg(long)]
    pub quiet: bool,
}

/// Options of every load.
#[derive(Args, Clone, Debug)]
pub struct LoadArgs {
    #[command(flatten)]
    pub server: ServerArgs,
    /// Connections, each with a session
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub connections: u32,
    /// Requests that each connection keeps under way
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub in_flight: u32,
    /// Bytes of data in a znode
    #[arg(long, default_value_t = 100)]
    pub size: usize,
    /// Znodes to choose from
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=i64::from(NODES_MAX)))]
    pub keys: u32,
    /// Znodes below one parent
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=i64::from(NODES_MAX)))]
    pub per_parent: u32,
    /// Seconds to measure
    #[arg(long, default_value = "10", value_parser = parse_seconds)]
    pub duration: Duration,
    /// Seconds under load before measuring
    #[arg(long, default_value = "2", value_parser = parse_seconds)]
    pub warm_up: Duration,
    /// Operations per second to offer over all connections, instead of as many as will go; latency
    /// then counts from the moment at which an operation was due
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: Option<u32>,
    /// Also report the latency of each slice of so many seconds
    #[arg(long, value_parser = parse_seconds)]
    pub series: Option<Duration>,
    /// Outlive servers that break off: what was under way is counted as lost, and the connection goes on
    /// with a new session at the next server
    #[arg(long)]
    pub outlive: bool,
    /// Threads of the generator
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub threads: u32,
    /// Seed of the random choices
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The znodes are there already (from `fill` or an earlier run with --keep)
    #[arg(long)]
    pub prepared: bool,
    /// Leave the znodes behind
    #[arg(long)]
    pub keep: bool,
}

/// Options of `mix`.
#[derive(Args, Clone, Debug)]
pub struct MixArgs {
    /// Operations and their weights, such as get=90,set=10
    pub mix: Mix,
    #[command(flatten)]
    pub load: LoadArgs,
}

/// Options of `sessions`.
#[derive(Args, Clone, Debug)]
pub struct SessionsArgs {
    #[command(flatten)]
    pub server: ServerArgs,
    /// Sessions to open
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub count: u32,
    /// Seconds to wait for the last of them
    #[arg(long, default_value = "60", value_parser = parse_seconds)]
    pub within: Duration,
    /// Seconds to keep them open before closing
    #[arg(long, default_value = "0", value_parser = parse_seconds)]
    pub hold: Duration,
}

/// Options of `watch`.
#[derive(Args, Clone, Debug)]
pub struct WatchArgs {
    #[command(flatten)]
    pub server: ServerArgs,
    /// Watches to set
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub watchers: u32,
    /// Connections to spread them over; each watcher has its own unless given. With fewer
    /// connections than watchers a round changes several znodes, each watched by every connection.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub connections: Option<u32>,
    /// Rounds: in each, what is watched changes once
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub changes: u32,
    /// Rounds before measuring
    #[arg(long, default_value_t = 10)]
    pub warm_up: u32,
    /// Bytes of data in a watched znode
    #[arg(long, default_value_t = 100)]
    pub size: usize,
    /// Seconds that all of it may take
    #[arg(long, default_value = "120", value_parser = parse_seconds)]
    pub within: Duration,
}

/// Options of `fill`.
#[derive(Args, Clone, Debug)]
pub struct FillArgs {
    #[command(flatten)]
    pub server: ServerArgs,
    /// Znodes to create, parents not counted
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..=i64::from(NODES_MAX)))]
    pub nodes: u32,
    /// Bytes of data in each
    #[arg(long, default_value_t = 100)]
    pub size: usize,
    /// Znodes below one parent
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=i64::from(NODES_MAX)))]
    pub per_parent: u32,
    /// Connections to create them over
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub connections: u32,
    /// Requests that each connection keeps under way
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub in_flight: u32,
}

/// How many parents hold `nodes` znodes; an error if the path's digits do not reach that far.
pub(crate) fn folders_for(nodes: u32, per_parent: u32) -> anyhow::Result<u32> {
    let folders = nodes.div_ceil(per_parent);
    anyhow::ensure!(
        folders <= FOLDERS_MAX,
        "{nodes} znodes with {per_parent} to a parent need {folders} parents, more than {FOLDERS_MAX}"
    );
    Ok(folders)
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 =
        text.trim_end_matches('s').parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let mut addresses = text.to_socket_addrs().map_err(|error| error.to_string())?;
    addresses.next().ok_or_else(|| "the name has no address".to_owned())
}

fn parse_root(text: &str) -> Result<String, String> {
    let valid = text.len() > 1 && text.starts_with('/') && !text.ends_with('/') && !text.contains("//");
    if valid { Ok(text.to_owned()) } else { Err("a root is a path such as /bench".to_owned()) }
}
