//! The threads of a server, set up and set going.

use std::io;
use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use parking_lot::{Mutex, RwLock};
use zoorum_config::{MetricsProvider, ServerConfig};
use zoorum_server::message::WorkerId;
use zoorum_server::replica::{Mode, Standing};
use zoorum_server::{Gate, Replica, Worker};
use zoorum_storage::{Recovered, TxnLog};
use zoorum_tree::Tree;

use crate::acceptor;
use crate::admin::{Limits, Transfers};
use crate::admission::Admission;
use crate::audit::AuditLog;
use crate::clock::Clock;
use crate::disk::{DataDirs, RealDisk};
use crate::errands::{ErrandBox, Errands};
use crate::join::{Joining, join};
use crate::lost_time::LostTime;
use crate::mail::{ReplicaBox, WorkerBox, worker_box};
use crate::replica::{FlushPolicy, ReplicaThread, SlowSync};
use crate::settings::{self, listen_options, log_options, snapshot_options};
use crate::shared::Shared;
use crate::snapshot::SnapshotThread;
use crate::start::{StartError, random_seed, recover_options, system};
use crate::stop::{STOP_PATIENCE, Stopper};
use crate::timings::Timings;
use crate::words::{Facts, Sources};
use crate::worker::{Question, WAKER, WorkerThread};
use crate::{Reporter, admin, logging, prometheus, purge, service, words};

/// Serves a recovered tree, on this thread as the replica's, until a signal ends it.
pub(crate) fn serve(
    config: &ServerConfig,
    facts: Facts,
    clock: Clock,
    dirs: &DataDirs,
    recovered: Recovered,
    listener: Option<TcpListener>,
    stopper: &Stopper,
) -> Result<ExitCode, StartError> {
    for (key, value) in facts.environment.iter() {
        tracing::info!("Server environment:{key}={value}");
    }
    let audit = AuditLog::open(config).map_err(system("cannot open the audit log"))?;
    let log = TxnLog::open(dirs.logs.clone(), recovered.tail, log_options(config));
    let snapshot_is_current = recovered.snapshot_is_current;
    let joining = join(config, clock, dirs, &recovered)?;
    let mut tree = recovered.tree;
    if let Some(joining) = &joining {
        tree.show_config(&joining.member.config, clock.now().wall);
    }
    let replica_box = joining
        .as_ref()
        .map_or_else(ReplicaBox::default, |joining| ReplicaBox::woken_by(Arc::clone(&joining.sleeper)));
    let (polls, shared) = share(config, clock, tree, replica_box).map_err(system("cannot set up polling"))?;
    let replayed = recovered.snapshot_zxid.is_some().then_some(recovered.txns_replayed);
    shared.timings.on_recovered(clock.monotonic().0, replayed);
    let (questions, asked) = channel();
    for (id, poll) in (0..).map(WorkerId).zip(polls) {
        spawn_worker(&shared, id, poll, questions.clone(), joining.is_some())
            .map_err(system("cannot start a worker"))?;
    }
    let sources = Sources::new(Reporter::new(Arc::clone(&shared)), facts);
    words::spawn(sources.clone(), asked).map_err(system("cannot start the threads of four-letter words"))?;
    start_exporter(config, sources.clone())?;
    let (errands, errand_box) = ErrandBox::new(&shared, dirs.logs.clone(), log_options(config));
    if config.admin.enable_server {
        start_admin(config, sources, transfers(config, &shared, dirs, errands))?;
    }
    purge::spawn(&config.purge, dirs.snapshots.clone(), dirs.logs.clone())
        .map_err(system("cannot start the purge thread"))?;
    let files = LogAndErrands { log, snapshot_is_current, errands: errand_box };
    let replica = replica_thread(config, &shared, dirs, files, audit.clone(), joining)
        .map_err(system("cannot start the snapshot thread"))?;
    stopper.on_serving(Arc::clone(&shared), audit.clone());
    if let Some(listener) = listener {
        let (shared, options) = (Arc::clone(&shared), listen_options(config));
        thread::Builder::new()
            .name("acceptor".to_owned())
            .spawn(move || acceptor::run(&shared, &listener, options))
            .map_err(system("cannot start the acceptor"))?;
    }
    let mode = shared.standing.lock().mode;
    if mode == Mode::Standalone {
        tracing::info!("serving");
    }
    service::on_ready(mode);
    if let Some(audit) = audit {
        audit.on_started();
    }
    replica.run()?;
    Ok(ExitCode::from(stopper.exit_code()))
}

/// Shows metrics to Prometheus, if that is asked for.
fn start_exporter(config: &ServerConfig, sources: Sources) -> Result<(), StartError> {
    let MetricsProvider::Prometheus { http_host, http_port, export_jvm_info } = &config.metrics.provider
    else {
        return Ok(());
    };
    let refused = |source| StartError::Metrics { address: format!("{http_host}:{http_port}"), source };
    let at = prometheus::start(http_host, *http_port, *export_jvm_info, sources).map_err(refused)?;
    tracing::info!("Prometheus finds the metrics at http://{at}/metrics");
    Ok(())
}

/// What the admin server takes snapshots and restores states with.
fn transfers(
    config: &ServerConfig,
    shared: &Arc<Shared>,
    dirs: &DataDirs,
    errands: Errands<RealDisk>,
) -> Transfers {
    Transfers {
        shared: Arc::clone(shared),
        errands,
        snapshots: dirs.snapshots.clone(),
        logs: dirs.logs.clone(),
        own: dirs.own.clone(),
        snapshot_options: snapshot_options(config),
        recover_options: recover_options(config, dirs),
        patience: config.admin.idle_timeout,
        snapshot_enabled: config.admin.snapshot_enabled,
        restore_enabled: config.admin.restore_enabled,
        believes_proxies: config.auth.ip_use_x_forwarded_for,
        limits: Limits::new(config.admin.rate_limiter_interval),
    }
}

/// A member of an ensemble does without, as ZooKeeper's do.
fn start_admin(config: &ServerConfig, sources: Sources, transfers: Transfers) -> Result<(), StartError> {
    let refused = |source| {
        let address = format!("{}:{}", config.admin.server_address, config.admin.server_port);
        StartError::Admin { address, source }
    };
    match (admin::start(&config.admin, sources, transfers).map_err(refused), config.mode()) {
        (Ok(_), _) => Ok(()),
        (Err(error), zoorum_config::Mode::Standalone) => Err(error),
        (Err(error), zoorum_config::Mode::Distributed) => {
            tracing::warn!("Problem starting AdminServer: {error}");
            Ok(())
        }
    }
}

/// What the threads share, and each worker's poll.
fn share(
    config: &ServerConfig,
    clock: Clock,
    tree: Tree,
    replica: ReplicaBox,
) -> io::Result<(Vec<mio::Poll>, Arc<Shared>)> {
    let mode = match config.mode() {
        zoorum_config::Mode::Standalone => Mode::Standalone,
        zoorum_config::Mode::Distributed => Mode::Waiting,
    };
    let boxes: Vec<(mio::Poll, WorkerBox)> =
        (0..worker_count()).map(|_| worker_box(WAKER)).collect::<io::Result<_>>()?;
    let (polls, workers): (Vec<_>, Vec<_>) = boxes.into_iter().unzip();
    let settings = settings::from_config(config, workers.len());
    let shared = Shared {
        tree: RwLock::new(tree),
        replica,
        watching: workers.iter().map(|_| AtomicBool::new(false)).collect(),
        workers,
        gate: Arc::new(Gate::new(&settings.admission, clock.monotonic(), random_seed())),
        spare_core: Mutex::new(()),
        admission: Admission::new(
            config.network.max_cnxns.unwrap_or(0) as usize,
            config.network.max_client_cnxns.unwrap_or(0) as usize,
        ),
        clock,
        standing: Mutex::new(Standing { mode, ..Standing::default() }),
        settings: Arc::new(settings),
        timings: Timings::default(),
    };
    Ok((polls, Arc::new(shared)))
}

/// As many workers as there are cores but one, which the replica, the disk and the network's interrupts fill: a
/// worker that shares its core with them makes its clients wait whole time slices.
fn worker_count() -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    (cores - 1).max(1)
}

fn spawn_worker(
    shared: &Arc<Shared>,
    id: WorkerId,
    poll: mio::Poll,
    questions: Sender<Question>,
    must_wait: bool,
) -> io::Result<()> {
    let mut worker = Worker::new(id, Arc::clone(&shared.settings), Arc::clone(&shared.gate), random_seed());
    if must_wait {
        worker.hold();
    }
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

/// What the replica's thread writes, and what it is asked to besides.
struct LogAndErrands {
    log: TxnLog<RealDisk>,
    snapshot_is_current: bool,
    errands: ErrandBox<RealDisk>,
}

fn replica_thread(
    config: &ServerConfig,
    shared: &Arc<Shared>,
    dirs: &DataDirs,
    files: LogAndErrands,
    audit: Option<AuditLog>,
    joining: Option<Joining>,
) -> io::Result<ReplicaThread<RealDisk>> {
    let clock = shared.clock;
    let settings = Arc::clone(&shared.settings);
    let (tree, workers, now, seed) = (shared.tree.read(), shared.workers.len(), clock.now(), random_seed());
    let (mut replica, member) = match joining {
        None => (Replica::new(settings, &tree, workers, now, seed), None),
        Some(Joining { peer, member, .. }) => {
            (Replica::among_peers(settings, &tree, workers, now, seed, peer), Some(member))
        }
    };
    drop(tree);
    if audit.is_some() {
        replica.start_auditing();
    }
    let bell = member.as_ref().map(|member| member.sockets.bell());
    let snapshots =
        SnapshotThread::spawn(Arc::clone(shared), dirs.snapshots.clone(), snapshot_options(config), bell)?;
    Ok(ReplicaThread {
        shared: Arc::clone(shared),
        replica,
        log: Arc::new(Mutex::new(files.log)),
        waits_since: None,
        trouble: None,
        snapshots,
        slow_sync: SlowSync { threshold: config.storage.fsync_warning_threshold },
        flush: FlushPolicy {
            delay: config.storage.flush_delay,
            quiet: config.storage.max_write_queue_poll_time,
            batch: Some(config.storage.max_batch_size as usize).filter(|batch| *batch > 0),
            last_flush_at: clock.monotonic(),
            waiting: (0, clock.monotonic()),
        },
        keeps_log: crate::join::keeps_log(config),
        // Without a snapshot of just this state, the next start would have more to replay.
        snapshot_owed: !files.snapshot_is_current,
        errands: files.errands,
        audit,
        lost_time: LostTime::default(),
        member,
        leaving: None,
    })
}
