//! Putting a process together from what the disks hold.

use std::sync::Arc;
use std::time::Duration;

use zoorum_server::message::WorkerId;
use zoorum_server::settings::{AuthSettings, ContainerSettings, SnapshotSettings};
use zoorum_server::{Replica, Settings, Worker};
use zoorum_storage::memory::MemoryDisk;
use zoorum_storage::{
    LogOptions, RecoverError, RecoverOptions, RecoverWarning, Recovered, SnapshotError, SnapshotOptions,
    SnapshotWriter, TxnLog, recover, repair_tail,
};
use zoorum_tree::{Rules, Tree};

use super::Process;
use super::replica::Stage;
use super::snapshot::Pass;
use super::worker::WorkerThread;
use crate::disk::{Life, ProcessDisk};
use crate::faults::{Bug, Faults};
use crate::ground::{Alarm, Ground, Wake};

/// The base unit of session expiry.
pub(crate) const TICK: Duration = Duration::from_millis(500);
/// The shortest session timeout, in ms.
pub(crate) const TIMEOUT_MIN_MS: i32 = 1_000;
/// The longest session timeout, in ms.
pub(crate) const TIMEOUT_MAX_MS: i32 = 4_000;

/// Why a process does not serve.
pub(crate) enum Failed {
    /// It died on the way, or the disk refused something: another may do better.
    ForNow,
    /// It never should.
    Wrong(String),
}

/// Starts a process: recovers, and serves. `dies_after`: it dies in so many operations of the disk.
pub(crate) fn start(
    ground: &mut Ground,
    number: u64,
    snapshots: &MemoryDisk,
    logs: &MemoryDisk,
    dies_after: Option<u32>,
) -> Result<Process, Failed> {
    let life = Life::new(ground.faults.bug == Some(Bug::NoDirectorySync));
    if let Some(operations) = dies_after {
        life.die_after(operations);
    }
    let snapshots = ProcessDisk { disk: snapshots.clone(), life: life.clone() };
    let logs = ProcessDisk { disk: logs.clone(), life: life.clone() };
    let mut recovered = match recover_or_repair(ground, &snapshots, &logs) {
        Ok(recovered) => recovered,
        Err((is_refused, error)) => {
            let error = format!("process {number} cannot recover: {error}");
            return Err(failed(ground, &life, is_refused, error));
        }
    };
    ground.is_torn = false;
    ground.note(format_args!(
        "process {number} recovers {} after {:?}, warned of {:?}",
        recovered.last_zxid, recovered.snapshot_zxid, recovered.warnings
    ));
    check_warnings(&recovered.warnings).map_err(Failed::Wrong)?;
    ground.history.recovered(&recovered.tree).map_err(Failed::Wrong)?;
    let model = &ground.history.model;
    ground.sessions.restarted(ground.now, model.sessions_at(model.last()));
    if recovered.snapshot_zxid.is_none() {
        write_first(ground, &mut recovered.tree, &snapshots)
            .map_err(|error| failed(ground, &life, true, format!("process {number}: {error}")))?;
        recovered.snapshot_is_current = true;
    }

    let settings = Arc::new(settings(&ground.faults));
    let now = ground.clocks();
    let worker_count = ground.faults.workers;
    let seed = ground.chance.number();
    let replica = Replica::new(Arc::clone(&settings), &recovered.tree, worker_count, now, seed);
    let workers = (0..worker_count as u16).map(|id| {
        let worker = Worker::new(WorkerId(id), Arc::clone(&settings), seed);
        WorkerThread::new(worker, now.monotonic + settings.tick / 2)
    });
    let mut process = Process {
        number,
        life,
        log: TxnLog::open(logs.clone(), recovered.tail, log_options(&ground.faults)),
        workers: workers.collect(),
        settings,
        tree: recovered.tree,
        is_locked: false,
        replica,
        snapshots,
        logs,
        watching: vec![false; worker_count],
        mail: Vec::new(),
        batch: None,
        stage: Stage::Propose,
        pass: Pass::Idle,
        // Without a snapshot of just this state, the next start would have more to replay.
        snapshot_owed: !recovered.snapshot_is_current,
        ticked_at: None,
        replica_alarm: Alarm::default(),
        snapshot_alarm: Alarm::default(),
    };
    process.replica_alarm.set(ground, now.monotonic.0, Wake::Replica(number));
    (0..worker_count).for_each(|worker| process.wake_worker(ground, worker));
    Ok(process)
}

/// Recovers as an operator would have it; on failure tells whether the disk refused something. A power cut can tear a write of several records so that a later one
/// survives an earlier one. Recovery cannot tell that from damage, and refuses; the operator does what the
/// refusal says. What is lost by that was never acknowledged, or the history will tell.
fn recover_or_repair(
    ground: &mut Ground,
    snapshots: &ProcessDisk,
    logs: &ProcessDisk,
) -> Result<Recovered, (bool, String)> {
    let told = |error: RecoverError| (matches!(error, RecoverError::Io { .. }), error.to_string());
    let options = RecoverOptions { seed: ground.chance.number(), ..RecoverOptions::default() };
    match recover(snapshots, logs, &options) {
        Err(RecoverError::Damaged { file, .. }) if ground.is_torn => {
            let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let repaired = repair_tail(logs, name).map_err(|error| (true, error.to_string()))?;
            ground.note(format_args!("{name} is repaired: {repaired:?}"));
            ground.repairs += 1;
            recover(snapshots, logs, &options).map_err(told)
        }
        recovered => recovered.map_err(told),
    }
}

/// The process may have died, or the disk may have refused what it was asked for, for now.
fn failed(ground: &mut Ground, life: &Life, is_refused: bool, error: String) -> Failed {
    ground.note(format_args!("{error}"));
    let is_excused = is_refused && ground.faults.disk_faults() && !ground.is_healed;
    if is_excused || !life.is_alive() { Failed::ForNow } else { Failed::Wrong(error) }
}

/// A new database has its first snapshot before its first change.
fn write_first(ground: &Ground, tree: &mut Tree, disk: &ProcessDisk) -> Result<(), SnapshotError> {
    let mut writer = SnapshotWriter::start(disk, &tree.begin_snapshot(), &snapshot_options(&ground.faults))?;
    let mut nodes = Vec::new();
    while !tree.snapshot_step(64, &mut nodes) {}
    tree.end_snapshot();
    writer.nodes(&nodes)?;
    writer.finish()
}

/// What recovery may put up with. Torn records and left-over files are what crashes leave; anything about
/// digests or snapshots would be our own doing.
fn check_warnings(warnings: &[RecoverWarning]) -> Result<(), String> {
    let is_wrong = |warning: &&RecoverWarning| {
        matches!(
            warning,
            RecoverWarning::DigestMismatch { .. }
                | RecoverWarning::DigestOfSnapshot { .. }
                | RecoverWarning::SnapshotAhead { .. }
                | RecoverWarning::SnapshotRejected(_)
                | RecoverWarning::SnapshotShort { .. }
                | RecoverWarning::RepeatedRecord { .. }
        )
    };
    match warnings.iter().find(is_wrong) {
        Some(warning) => Err(format!("recovery finds: {warning}")),
        None => Ok(()),
    }
}

fn settings(faults: &Faults) -> Settings {
    Settings {
        server_id: 1,
        tick: TICK,
        session_timeout_min_ms: TIMEOUT_MIN_MS,
        session_timeout_max_ms: TIMEOUT_MAX_MS,
        frame_limit: 0xf_ffff,
        sessionless_timeout: Duration::from_secs(2),
        rules: Rules {
            extended_types: true,
            digest: true,
            close_session_paths: faults.close_session_paths,
            ..Rules::default()
        },
        auth: AuthSettings { digest: true, ..AuthSettings::default() },
        containers: ContainerSettings {
            interval: Duration::from_secs(3),
            max_per_minute: 10_000,
            max_never_used: Some(Duration::from_secs(20)),
        },
        snapshots: SnapshotSettings { transactions: faults.snapshot_every, log_bytes: None },
        outstanding_limit: 40,
    }
}

fn log_options(faults: &Faults) -> LogOptions {
    LogOptions { preallocate_bytes: faults.preallocate_bytes, sync: true, roll_bytes: faults.roll_bytes }
}

pub(super) fn snapshot_options(faults: &Faults) -> SnapshotOptions {
    SnapshotOptions { compression: faults.compression, ..SnapshotOptions::default() }
}
