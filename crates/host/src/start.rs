//! Puts a server together and runs it until it is told to stop.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use parking_lot::RwLock;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use zoorum_config::{HostPort, ServerConfig, SnapshotCompression};
use zoorum_server::message::WorkerId;
use zoorum_server::{Replica, Worker};
use zoorum_storage::{
    Compression, LogError, LogOptions, RecoverError, RecoverOptions, Recovered, SnapshotError,
    SnapshotOptions, TxnLog,
};

use crate::acceptor::{self, ListenOptions};
use crate::admission::Admission;
use crate::audit::AuditLog;
use crate::clock::Clock;
use crate::disk::{DataDirError, DataDirs};
use crate::mail::{ReplicaBox, ToReplica, worker_box};
use crate::replica::{FlushPolicy, ReplicaThread, SlowSync};
use crate::shared::Shared;
use crate::snapshot::{self, SnapshotThread};
use crate::timings::Timings;
use crate::worker::{Question, WAKER, WorkerThread};
use crate::{Reporter, logging, panics, purge, settings, words};

/// After a signal, so long may the batch in flight take.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

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

/// Runs a standalone server until a signal ends it, and says with which code the process should end.
pub fn run(config: &ServerConfig) -> Result<ExitCode, StartError> {
    let signals =
        Signals::new([SIGTERM, SIGINT]).map_err(|source| StartError::System { what: "signals", source })?;
    panics::stop_on_panic();
    let clock = Clock::start();
    let dirs = DataDirs::open(&config.storage)?;
    let mut recovered = recover(config, &dirs)?;
    if recovered.snapshot_zxid.is_none() {
        snapshot::write_first(&mut recovered.tree, &dirs.snapshots, &snapshot_options(config))?;
        recovered.snapshot_is_current = true;
    }
    let listener = listen(config)?;
    serve(config, clock, &dirs, recovered, listener, signals)
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

fn listen_options(config: &ServerConfig) -> ListenOptions {
    ListenOptions {
        backlog: config.network.client_port_listen_backlog.and_then(|backlog| i32::try_from(backlog).ok()),
        keep_alive: config.network.client_tcp_keep_alive,
    }
}

fn serve(
    config: &ServerConfig,
    clock: Clock,
    dirs: &DataDirs,
    recovered: Recovered,
    listener: Option<TcpListener>,
    signals: Signals,
) -> Result<ExitCode, StartError> {
    let system = |what| move |source| StartError::System { what, source };
    let facts = words::Facts::of(config);
    for (key, value) in facts.environment.iter() {
        tracing::info!("Server environment:{key}={value}");
    }
    let settings = Arc::new(settings::from_config(config));
    let worker_count = thread::available_parallelism().map_or(1, usize::from);
    let log = TxnLog::open(dirs.logs.clone(), recovered.tail, log_options(config));
    let audit = AuditLog::open(config).map_err(system("cannot open the audit log"))?;
    let mut replica =
        Replica::new(Arc::clone(&settings), &recovered.tree, worker_count, clock.now(), random_seed());
    if audit.is_some() {
        replica.start_auditing();
    }
    let boxes: io::Result<Vec<_>> = (0..worker_count).map(|_| worker_box(WAKER)).collect();
    let (polls, workers): (Vec<_>, Vec<_>) =
        boxes.map_err(system("cannot set up polling"))?.into_iter().unzip();
    let shared = Arc::new(Shared {
        tree: RwLock::new(recovered.tree),
        replica: ReplicaBox::default(),
        workers,
        watching: (0..worker_count).map(|_| AtomicBool::new(false)).collect(),
        admission: Admission::new(
            config.network.max_cnxns.unwrap_or(0) as usize,
            config.network.max_client_cnxns.unwrap_or(0) as usize,
        ),
        clock,
        settings,
        timings: Timings::default(),
    });
    shared.timings.on_recovered(clock.monotonic().0);
    let snapshots =
        SnapshotThread::spawn(Arc::clone(&shared), dirs.snapshots.clone(), snapshot_options(config))
            .map_err(system("cannot start the snapshot thread"))?;
    let (questions, asked) = channel();
    for (id, poll) in (0..).map(WorkerId).zip(polls) {
        spawn_worker(&shared, id, poll, questions.clone()).map_err(system("cannot start a worker"))?;
    }
    words::spawn(Reporter::new(Arc::clone(&shared)), asked, facts)
        .map_err(system("cannot start the threads of four-letter words"))?;
    purge::spawn(&config.purge, dirs.snapshots.clone(), dirs.logs.clone())
        .map_err(system("cannot start the purge thread"))?;
    let replica = ReplicaThread {
        slow_sync: SlowSync { threshold: config.storage.fsync_warning_threshold },
        flush: FlushPolicy {
            delay: config.storage.flush_delay,
            batch: Some(config.storage.max_batch_size as usize).filter(|batch| *batch > 0),
            last_flush_at: clock.monotonic(),
        },
        // Without a snapshot of just this state, the next start would have more to replay.
        snapshot_owed: !recovered.snapshot_is_current,
        shared: Arc::clone(&shared),
        replica,
        log,
        snapshots,
        audit: audit.clone(),
        expiry_held_until: None,
    };
    let signal =
        spawn_stopper(&shared, signals, audit.clone()).map_err(system("cannot start the signal thread"))?;
    if let Some(listener) = listener {
        let (shared, options) = (Arc::clone(&shared), listen_options(config));
        thread::Builder::new()
            .name("acceptor".to_owned())
            .spawn(move || acceptor::run(&shared, &listener, options))
            .map_err(system("cannot start the acceptor"))?;
    }
    tracing::info!("serving");
    if let Some(audit) = audit {
        audit.on_started();
    }
    replica.run()?;
    Ok(ExitCode::from(signal.recv().unwrap_or(1)))
}

fn spawn_worker(
    shared: &Arc<Shared>,
    id: WorkerId,
    poll: mio::Poll,
    questions: Sender<Question>,
) -> io::Result<()> {
    let worker = Worker::new(id, Arc::clone(&shared.settings), random_seed());
    let worker = WorkerThread::new(Arc::clone(shared), worker, poll, questions);
    thread::Builder::new().name(format!("worker-{}", id.0)).spawn(move || {
        if let Err(error) = worker.run() {
            tracing::error!(%error, "a worker cannot wait for its sockets; the server stops");
            logging::flush(STOP_PATIENCE);
            std::process::exit(1);
        }
    })?;
    Ok(())
}

/// Waits for a signal, then has the replica finish what is in flight. A second signal, or a disk that takes
/// too long, ends the process at once: nothing unfinished has been acknowledged.
fn spawn_stopper(
    shared: &Arc<Shared>,
    mut signals: Signals,
    audit: Option<AuditLog>,
) -> io::Result<std::sync::mpsc::Receiver<u8>> {
    let (code, received) = channel();
    let shared = Arc::clone(shared);
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut signals = signals.forever();
        let exit_code = |signal| 128 + u8::try_from(signal).unwrap_or(0);
        let Some(signal) = signals.next() else { return };
        tracing::info!("stopping");
        if let Some(audit) = audit {
            audit.on_stopping();
        }
        // Sent first: the replica ends the process's main thread, which asks for it.
        let _ = code.send(exit_code(signal));
        shared.replica.send(ToReplica::Stop);
        let _ = thread::Builder::new().name("deadline".to_owned()).spawn(move || {
            thread::sleep(STOP_PATIENCE);
            std::process::exit(i32::from(exit_code(signal)));
        });
        if let Some(signal) = signals.next() {
            std::process::exit(i32::from(exit_code(signal)));
        }
    })?;
    Ok(received)
}

fn log_options(config: &ServerConfig) -> LogOptions {
    LogOptions {
        preallocate_bytes: config.storage.pre_alloc_size,
        sync: config.storage.force_sync,
        roll_bytes: config.storage.txn_log_size_limit,
    }
}

fn snapshot_options(config: &ServerConfig) -> SnapshotOptions {
    SnapshotOptions {
        compression: match config.storage.snapshot_compression {
            SnapshotCompression::None => Compression::None,
            SnapshotCompression::Gzip => Compression::Gz,
            SnapshotCompression::Snappy => Compression::Snappy,
        },
        digest: config.storage.digest_enabled,
        last_zxid: config.storage.serialize_last_processed_zxid,
    }
}

/// A number that no client can foresee.
fn random_seed() -> u64 {
    RandomState::new().hash_one("seed")
}
