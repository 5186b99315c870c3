//! Puts a server together and runs it until it is told to stop.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::process::ExitCode;

use zoorum_config::{Loaded, Mode, ServerConfig};
use zoorum_proto::Zxid;
use zoorum_proto::quorum::HostPort;
use zoorum_storage::{
    EpochError, ForceSnap, ForceSnapError, RecoverError, RecoverOptions, Recovered, SnapshotError,
};

use crate::clock::Clock;
use crate::disk::{DataDirError, DataDirs};
use crate::member::ServeError;
use crate::settings::{listen_options, owner_reading, snapshot_options};
use crate::stop::Stopper;
use crate::words::Facts;
use crate::{acceptor, panics, serve, service, snapshot};

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
    /// What must be durable cannot be made so.
    #[error("{0}. The server stops: what cannot be kept must not be acknowledged")]
    Serve(#[from] ServeError),
    /// The epochs that this server accepted cannot be read, or tell that data was lost.
    #[error(transparent)]
    Epochs(#[from] EpochError),
    /// The note that only a leader's tree helps cannot be read.
    #[error(transparent)]
    ForceSnap(#[from] ForceSnapError),
    /// The configuration names an ensemble, and not this server's place in it.
    #[error("{0}")]
    NoMember(String),
    /// The client port cannot be used.
    #[error("cannot listen on {address}: {source}. Is another server running there?")]
    Bind {
        /// The address as configured.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// The admin server's port cannot be used.
    #[error(
        "the admin server cannot listen on {address}: {source}. Set admin.serverPort, or admin.enableServer=false"
    )]
    Admin {
        /// The address as configured.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// The port of the metrics cannot be used.
    #[error(
        "Cannot boot MetricsProvider org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider: cannot listen \
         on {address}: {source}. Set metricsProvider.httpPort"
    )]
    Metrics {
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
        match self {
            Self::DataDir(_) => Some(DataDirError::STDERR_LINE),
            Self::Admin { .. } => Some("Unable to start AdminServer, exiting abnormally"),
            _ => None,
        }
    }

    /// The exit code that ZooKeeper has for it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::DataDir(_) => DataDirError::EXIT_CODE,
            Self::Snapshot(_) => 10,
            Self::Serve(ServeError::ElectionPort(_)) => 14,
            Self::Recover(_)
            | Self::Serve(_)
            | Self::Epochs(_)
            | Self::ForceSnap(_)
            | Self::Bind { .. }
            | Self::Metrics { .. }
            | Self::System { .. } => 1,
            Self::NoMember(_) => 2,
            Self::Admin { .. } => 4,
        }
    }
}

/// Says what was attempted when the system refuses it.
pub(crate) fn system(what: &'static str) -> impl Fn(io::Error) -> StartError {
    move |source| StartError::System { what, source }
}

/// Runs a server, alone or as a member of its ensemble, until a signal ends it, and says with which code the process should end.
pub fn run(loaded: &Loaded) -> Result<ExitCode, StartError> {
    let config = &loaded.config;
    panics::stop_on_panic();
    let patience = config.requests.throttler_shutdown_timeout;
    let stopper = Stopper::spawn(patience).map_err(system("cannot listen to signals"))?;
    let clock = Clock::start();
    let dirs = DataDirs::open(&config.storage)?;
    service::on_recovering();
    let mut recovered = recover(config, &dirs)?;
    if recovered.snapshot_zxid.is_none() {
        snapshot::write_first(&mut recovered.tree, &dirs.snapshots, &snapshot_options(config))?;
        recovered.snapshot_is_current = true;
    }
    dirs.remove_initialize().map_err(system("cannot remove the file initialize"))?;
    let listener = listen(config)?;
    serve::serve(config, Facts::of_loaded(loaded), clock, &dirs, recovered, listener, &stopper)
}

/// What recovery may assume.
pub(crate) fn recover_options(config: &ServerConfig, dirs: &DataDirs) -> RecoverOptions {
    RecoverOptions {
        seed: random_seed(),
        owners: owner_reading(config),
        trust_empty: config.storage.snapshot_trust_empty,
        // A member without data can take it from the others.
        db_autocreate: may_begin_empty(config, dirs) || config.mode() == Mode::Distributed,
        digest: config.storage.digest_enabled,
        ..RecoverOptions::default()
    }
}

/// Whether directories without data are those of a new database.
fn may_begin_empty(config: &ServerConfig, dirs: &DataDirs) -> bool {
    config.storage.db_autocreate || dirs.may_initialize()
}

fn recover(config: &ServerConfig, dirs: &DataDirs) -> Result<Recovered, StartError> {
    let started = std::time::Instant::now();
    let recovered = zoorum_storage::recover(&dirs.snapshots, &dirs.logs, &recover_options(config, dirs))?;
    if recovered.snapshot_zxid.is_none() && !may_begin_empty(config, dirs) {
        tracing::warn!(
            "there is no data, and db.autocreate=false: this server takes its data from the others before it votes. \
             If the whole ensemble is new, create the file initialize in every data directory, and start again"
        );
        ForceSnap::Damage.set(&dirs.own)?;
    }
    if recovered.last_zxid == Zxid::ZERO && dirs.may_initialize() {
        ForceSnap::clear(&dirs.own)?; // it was started before it was told that it is new
    }
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

/// The first address of the host.
fn resolve(address: &HostPort) -> io::Result<SocketAddr> {
    if address.is_any_host() {
        return Ok(acceptor::everywhere(address.port));
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
