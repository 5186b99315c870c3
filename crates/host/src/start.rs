//! Puts a server together and runs it until it is told to stop.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::process::ExitCode;

use zoorum_config::{HostPort, ServerConfig};
use zoorum_storage::{LogError, RecoverError, RecoverOptions, Recovered, SnapshotError};

use crate::clock::Clock;
use crate::disk::{DataDirError, DataDirs};
use crate::settings::{listen_options, snapshot_options};
use crate::stop::Stopper;
use crate::{acceptor, panics, serve, snapshot};

/// Why a server cannot run, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory will not do.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// What lies in the data directory cannot be trusted.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// The first snapshot of a new database cannot be written.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The log failed: nothing more can be acknowledged.
    #[error("{0}. The server stops: a change that cannot be logged must not be acknowledged")]
    Log(#[from] LogError),
    /// The client port cannot be used.
    #[error("cannot listen on {address}: {source}. Is another server running there?")]
    Bind {
        /// The address as configured.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// The system refuses something else.
    #[error("{what}: {source}")]
    System {
        /// What was attempted.
        what: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

impl StartError {
    /// The line that ZooKeeper prints on standard error for it, which scripts look for.
    pub fn stderr_line(&self) -> Option<&'static str> {
        matches!(self, Self::DataDir(_)).then_some(DataDirError::STDERR_LINE)
    }

    /// The exit code that ZooKeeper has for it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::DataDir(_) => DataDirError::EXIT_CODE,
            Self::Snapshot(_) => 10,
            Self::Recover(_) | Self::Log(_) | Self::Bind { .. } | Self::System { .. } => 1,
        }
    }
}

/// Says what was attempted when the system refuses it.
pub(crate) fn system(what: &'static str) -> impl Fn(io::Error) -> StartError {
    move |source| StartError::System { what, source }
}

/// Runs a standalone server until a signal ends it, and says with which code the process should end.
pub fn run(config: &ServerConfig) -> Result<ExitCode, StartError> {
    panics::stop_on_panic();
    let stopper = Stopper::spawn().map_err(system("cannot listen to signals"))?;
    let clock = Clock::start();
    let dirs = DataDirs::open(&config.storage)?;
    let mut recovered = recover(config, &dirs)?;
    if recovered.snapshot_zxid.is_none() {
        snapshot::write_first(&mut recovered.tree, &dirs.snapshots, &snapshot_options(config))?;
        recovered.snapshot_is_current = true;
    }
    dirs.remove_initialize().map_err(system("cannot remove the file initialize"))?;
    let listener = listen(config)?;
    serve::serve(config, clock, &dirs, recovered, listener, &stopper)
}

fn recover(config: &ServerConfig, dirs: &DataDirs) -> Result<Recovered, StartError> {
    let started = std::time::Instant::now();
    let options = RecoverOptions {
        seed: random_seed(),
        trust_empty: config.storage.snapshot_trust_empty,
        db_autocreate: config.storage.db_autocreate || dirs.may_initialize(),
        digest: config.storage.digest_enabled,
        ..RecoverOptions::default()
    };
    let recovered = zoorum_storage::recover(&dirs.snapshots, &dirs.logs, &options)?;
    for warning in &recovered.warnings {
        tracing::warn!("{warning}");
    }
    if recovered.tree.has_ttl_nodes() && !config.containers.extended_types_enabled {
        tracing::warn!(
            "there are znodes with a time to live, though zookeeper.extendedTypesEnabled is not set: Zoorum keeps \
             them, but Apache ZooKeeper started like this deletes them all"
        );
    }
    tracing::info!(
        zxid = %recovered.last_zxid,
        "Snapshot loaded and {} txns replayed in {} ms",
        recovered.txns_replayed,
        started.elapsed().as_millis(),
    );
    Ok(recovered)
}

/// The client port, if one is configured: a server without is legal, though nobody can talk to it.
fn listen(config: &ServerConfig) -> Result<Option<TcpListener>, StartError> {
    let Some(address) = &config.network.client_address else {
        tracing::info!("clientPort is not set");
        return Ok(None);
    };
    let bind = |socket| acceptor::bind(socket, listen_options(config));
    let listener = resolve(address)
        .and_then(bind)
        .map_err(|source| StartError::Bind { address: address.to_string(), source })?;
    tracing::info!("binding to port {address}");
    Ok(Some(listener))
}

/// The first address of the host. Every interface means those of IPv6 too, as with Java.
fn resolve(address: &HostPort) -> io::Result<SocketAddr> {
    if address.is_any_host() {
        let everywhere = SocketAddr::from(([0_u16; 8], address.port));
        let has_ipv6 = socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::STREAM, None).is_ok();
        return Ok(if has_ipv6 { everywhere } else { SocketAddr::from(([0_u8; 4], address.port)) });
    }
    (address.host.as_str(), address.port)
        .to_socket_addrs()?
        .next()
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
}

/// A number that no client can foresee.
pub(crate) fn random_seed() -> u64 {
    RandomState::new().hash_one("seed")
}
