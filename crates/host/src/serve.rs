//! The threads of a server, set up and set going.

use std::io;
use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use parking_lot::RwLock;
use zoorum_config::ServerConfig;
use zoorum_server::message::WorkerId;
use zoorum_server::{Replica, Worker};
use zoorum_storage::{Recovered, TxnLog};
use zoorum_tree::Tree;

use crate::acceptor;
use crate::admission::Admission;
use crate::audit::AuditLog;
use crate::clock::Clock;
use crate::disk::{DataDirs, RealDisk};
use crate::mail::{ReplicaBox, WorkerBox, worker_box};
use crate::replica::{FlushPolicy, ReplicaThread, SlowSync};
use crate::settings::{self, listen_options, log_options, snapshot_options};
use crate::shared::Shared;
use crate::snapshot::SnapshotThread;
use crate::start::{StartError, random_seed, system};
use crate::stop::{STOP_PATIENCE, Stopper};
use crate::timings::Timings;
use crate::worker::{Question, WAKER, WorkerThread};
use crate::{Reporter, logging, purge, words};

/// Serves a recovered tree, on this thread as the replica's, until a signal ends it.
pub(crate) fn serve(
    config: &ServerConfig,
    clock: Clock,
    dirs: &DataDirs,
    recovered: Recovered,
    listener: Option<TcpListener>,
    stopper: &Stopper,
) -> Result<ExitCode, StartError> {
    let facts = words::Facts::of(config);
    for (key, value) in facts.environment.iter() {
        tracing::info!("Server environment:{key}={value}");
    }
    let audit = AuditLog::open(config).map_err(system("cannot open the audit log"))?;
    let log = TxnLog::open(dirs.logs.clone(), recovered.tail, log_options(config));
    let snapshot_is_current = recovered.snapshot_is_current;
    let (polls, shared) = share(config, clock, recovered.tree).map_err(system("cannot set up polling"))?;
    let (questions, asked) = channel();
    for (id, poll) in (0..).map(WorkerId).zip(polls) {
        spawn_worker(&shared, id, poll, questions.clone()).map_err(system("cannot start a worker"))?;
    }
    words::spawn(Reporter::new(Arc::clone(&shared)), asked, facts)
        .map_err(system("cannot start the threads of four-letter words"))?;
    purge::spawn(&config.purge, dirs.snapshots.clone(), dirs.logs.clone())
        .map_err(system("cannot start the purge thread"))?;
    let replica = replica_thread(config, &shared, dirs, log, audit.clone(), snapshot_is_current)
        .map_err(system("cannot start the snapshot thread"))?;
    stopper.on_serving(Arc::clone(&shared), audit.clone());
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
    Ok(ExitCode::from(stopper.exit_code()))
}

/// What the threads share, and each worker's poll.
fn share(config: &ServerConfig, clock: Clock, tree: Tree) -> io::Result<(Vec<mio::Poll>, Arc<Shared>)> {
    let boxes: Vec<(mio::Poll, WorkerBox)> =
        (0..worker_count()).map(|_| worker_box(WAKER)).collect::<io::Result<_>>()?;
    let (polls, workers): (Vec<_>, Vec<_>) = boxes.into_iter().unzip();
    let shared = Shared {
        tree: RwLock::new(tree),
        replica: ReplicaBox::default(),
        watching: workers.iter().map(|_| AtomicBool::new(false)).collect(),
        workers,
        admission: Admission::new(
            config.network.max_cnxns.unwrap_or(0) as usize,
            config.network.max_client_cnxns.unwrap_or(0) as usize,
        ),
        clock,
        settings: Arc::new(settings::from_config(config)),
        timings: Timings::default(),
    };
    shared.timings.on_recovered(clock.monotonic().0);
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

fn replica_thread(
    config: &ServerConfig,
    shared: &Arc<Shared>,
    dirs: &DataDirs,
    log: TxnLog<RealDisk>,
    audit: Option<AuditLog>,
    snapshot_is_current: bool,
) -> io::Result<ReplicaThread<RealDisk>> {
    let clock = shared.clock;
    let mut replica = Replica::new(
        Arc::clone(&shared.settings),
        &shared.tree.read(),
        shared.workers.len(),
        clock.now(),
        random_seed(),
    );
    if audit.is_some() {
        replica.start_auditing();
    }
    let snapshots =
        SnapshotThread::spawn(Arc::clone(shared), dirs.snapshots.clone(), snapshot_options(config))?;
    Ok(ReplicaThread {
        shared: Arc::clone(shared),
        replica,
        log,
        snapshots,
        slow_sync: SlowSync { threshold: config.storage.fsync_warning_threshold },
        flush: FlushPolicy {
            delay: config.storage.flush_delay,
            batch: Some(config.storage.max_batch_size as usize).filter(|batch| *batch > 0),
            last_flush_at: clock.monotonic(),
        },
        // Without a snapshot of just this state, the next start would have more to replay.
        snapshot_owed: !snapshot_is_current,
        audit,
        expiry_held_until: None,
    })
}
