//! Putting a process together from what the disks hold.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use zoorum_proto::quorum::{Joint, QuorumConfig};
use zoorum_proto::txn::TxnHeader;
use zoorum_proto::{Encode, OpCode, ServerId, SessionId, Txn, TxnBody, WallClock, Xid, Zxid};
use zoorum_server::message::WorkerId;
use zoorum_server::settings::{
    AdmissionSettings, AuthSettings, ContainerSettings, LocalSessions, MemberSettings, RequestThrottle,
    SnapshotSettings,
};
use zoorum_server::{Gate, Replica, Settings, Worker};
use zoorum_storage::memory::MemoryDisk;
use zoorum_storage::{
    Epochs, ForceSnap, Joints, LogOptions, RecoverError, RecoverOptions, RecoverWarning, Recovered,
    SnapshotError, SnapshotOptions, SnapshotWriter, TxnLog, recover,
};
use zoorum_tree::{Rules, SnapshotStart, Tree};
use zoorum_zab::{Ensemble, HistoryLimits, Part, Peer, PeerSettings, SyncSettings};

use super::member::Member;
use super::replica::Stage;
use super::snapshot::{Pass, snapshot_options};
use super::worker::WorkerThread;
use super::{Halt, Process};
use crate::check::ensure;
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

/// What a server has that outlives its processes.
#[derive(Debug, Default)]
pub(crate) struct Place {
    /// Which server it is.
    pub(crate) number: usize,
    pub(crate) snapshots: MemoryDisk,
    pub(crate) logs: MemoryDisk,
    /// The directory of what is Zoorum's own.
    pub(crate) own: MemoryDisk,
    /// The power was cut since a process last recovered: the last write may be torn.
    pub(crate) is_torn: bool,
    /// Something in its files has changed by itself.
    pub(crate) is_decayed: bool,
    /// A process has noticed, and refused to go on: the operator empties the server.
    pub(crate) is_condemned: bool,
}

impl Place {
    /// An empty server, or one that has followed others up to where the history begins.
    pub(crate) fn new(number: usize, faults: &Faults) -> Self {
        let place = Self { number, ..Self::default() };
        if faults.begins_at > Zxid::ZERO {
            begin_history(&place, faults.begins_at).expect("a disk without faults");
        }
        place
    }

    pub(crate) fn disks(&self) -> [&MemoryDisk; 3] {
        [&self.logs, &self.snapshots, &self.own]
    }
}

/// Starts a process: recovers, and serves. `dies_after`: it dies in so many operations of the disk.
pub(crate) fn start(
    ground: &mut Ground,
    number: u64,
    place: &mut Place,
    dies_after: Option<u32>,
) -> Result<Process, Failed> {
    let life = Life::new(ground.faults.bug == Some(Bug::NoDirectorySync));
    if let Some(operations) = dies_after {
        life.die_after(operations);
    }
    let [logs, snapshots, own] =
        place.disks().map(|disk| ProcessDisk { disk: disk.clone(), life: life.clone() });
    let mut recovered = match recover_alone(ground, &snapshots, &logs) {
        Ok(recovered) => recovered,
        Err((is_refused, error)) => {
            let error = format!("process {number} cannot recover: {error}");
            if place.is_decayed && !is_refused {
                ground.note(format_args!("{error}"));
                place.is_condemned = true;
                return Err(Failed::ForNow);
            }
            return Err(failed(ground, &life, is_refused, error));
        }
    };
    place.is_torn = false;
    ground.note(format_args!(
        "process {number} of server {} recovers {} after {:?}, warned of {:?}",
        place.number + 1,
        recovered.last_zxid,
        recovered.snapshot_zxid,
        recovered.warnings
    ));
    if !place.is_decayed {
        check_warnings(&recovered.warnings).map_err(Failed::Wrong)?;
    }
    check_recovered(ground, place.number, &recovered.tree).map_err(Failed::Wrong)?;
    if recovered.snapshot_zxid.is_none() {
        write_first(ground, &mut recovered.tree, &snapshots)
            .map_err(|error| failed(ground, &life, true, format!("process {number}: {error}")))?;
        recovered.snapshot_is_current = true;
    }

    let settings = Arc::new(settings(&ground.faults, place.number));
    let now = ground.clocks(place.number);
    let worker_count = ground.faults.workers;
    let seed = ground.chance.number();
    let gate = Arc::new(Gate::new(&settings.admission, now.monotonic, seed));
    let (replica, member) = if ground.faults.has_peers() {
        let joined = join(ground, place.number, &snapshots, &own, &recovered);
        let (peer, member) = match joined {
            Ok(joined) => joined,
            Err(Halt::Wrong(error)) => return Err(Failed::Wrong(error)),
            Err(Halt::Stop(error)) => return Err(failed(ground, &life, true, error)),
        };
        let settings = Arc::clone(&settings);
        (Replica::among_peers(settings, &recovered.tree, worker_count, now, seed, peer), Some(member))
    } else {
        (Replica::new(Arc::clone(&settings), &recovered.tree, worker_count, now, seed), None)
    };
    let workers = (0..worker_count as u16).map(|id| {
        let mut worker = Worker::new(WorkerId(id), Arc::clone(&settings), Arc::clone(&gate), seed);
        if member.is_some() {
            worker.hold();
        }
        WorkerThread::new(worker, now.monotonic + settings.tick / 2)
    });
    let mut process = Process {
        number,
        place: place.number,
        life,
        log: TxnLog::open(logs.clone(), recovered.tail, log_options(&ground.faults)),
        workers: workers.collect(),
        settings,
        tree: recovered.tree,
        is_locked: false,
        replica,
        member,
        part: Part::Looking,
        snapshots,
        logs,
        watching: vec![false; worker_count],
        mail: Vec::new(),
        batch: None,
        stage: if ground.faults.has_peers() { Stage::Listen } else { Stage::Propose },
        pass: Pass::Idle,
        // Without a snapshot of just this state, the next start would have more to replay.
        snapshot_owed: !recovered.snapshot_is_current,
        ticked_at: None,
        syncs_until: Duration::ZERO,
        replica_alarm: Alarm::default(),
        snapshot_alarm: Alarm::default(),
    };
    let at = ground.now;
    process.replica_alarm.set(ground, at, Wake::Replica(number));
    (0..worker_count).for_each(|worker| process.wake_worker(ground, worker));
    Ok(process)
}

/// What a server recovers, alone or as one of many, has all that it said it had.
fn check_recovered(ground: &mut Ground, place: usize, tree: &Tree) -> Result<(), String> {
    let zxid = tree.last_zxid();
    if !ground.faults.has_peers() {
        let last = ground.history.model.last();
        ensure(zxid >= last, || format!("recovered up to {zxid}, though {last} was durable"))?;
        ground.history.commit(zxid).map_err(|error| format!("after recovery: {error}"))?;
        ground.history.forget_after(zxid);
        let model = &ground.history.model;
        ground.sessions.restarted(ground.now, model.sessions_at(model.last()));
    }
    ground.servers.recovered(&mut ground.history, place, tree)
}

/// Prepares what a server has that is one of an ensemble.
fn join(
    ground: &mut Ground,
    place: usize,
    snapshots: &ProcessDisk,
    own: &ProcessDisk,
    state: &Recovered,
) -> Result<(Peer, Member), Halt> {
    let (epochs, warnings) = Epochs::open(snapshots.clone(), state, false).map_err(Halt::stop)?;
    ground.note(format_args!(
        "server {} has epochs {} {}, warned of {warnings:?}",
        place + 1,
        epochs.accepted(),
        epochs.current()
    ));
    ground.servers.on_epochs(place, epochs.accepted(), epochs.current())?;
    let forced = ForceSnap::read(own).map_err(Halt::stop)?;
    let found = zoorum_zab::Recovered {
        accepted: epochs.accepted(),
        current: epochs.current(),
        last: state.last_zxid,
        needs_snapshot: forced.is_some(),
        abstains: forced == Some(ForceSnap::Damage),
    };
    let joints = Joints::read(own).unwrap_or_default();
    let (settings, ensemble) = (peer_settings(&ground.faults, place), ensemble(&ground.faults, place));
    let peer = Peer::new(ground.monotonic(place), settings, ensemble, found);
    Ok((peer, Member::new(epochs, own.clone(), joints)))
}

fn ensemble(faults: &Faults, place: usize) -> Ensemble {
    let line = |at: usize| {
        let role = if at <= faults.voters { "participant" } else { "observer" };
        format!("server.{at}=h{at}:{}:{}:{role}\n", 2_000 + at, 3_000 + at)
    };
    let mut text: String = (1..=faults.servers()).map(line).collect();
    let mut groups: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for (at, share) in (1..).zip(&faults.shares) {
        groups.entry(share.group).or_default().push(at.to_string());
        text += &format!("weight.{at}={}\n", share.weight);
    }
    if faults.bug == Some(Bug::LonelyQuorum) {
        text += &format!("weight.{}=100\n", place + 1);
        let all = (1..=faults.voters).map(|at| at.to_string());
        groups = BTreeMap::from([(0, all.collect())]);
    }
    for (group, members) in groups {
        text += &format!("group.{}={}\n", group + 1, members.join(":"));
    }
    let config = QuorumConfig::parse(&text, false).expect("this is a configuration");
    Ensemble::new(Joint::stable(Arc::new(config)))
}

fn peer_settings(faults: &Faults, place: usize) -> PeerSettings {
    PeerSettings {
        me: ServerId(place as i64 + 1),
        tick: TICK,
        init_limit: 10,
        sync_limit: 4,
        connect_limit: None,
        connect_pause: Duration::from_millis(100),
        observer_pause: Duration::from_millis(200),
        observer_reconnect_pause: Duration::ZERO,
        observer_master_port: faults.observer_masters.then_some(4_000),
        history: HistoryLimits { entries: faults.history_kept, bytes: 1 << 20 },
        sync: SyncSettings { trees_max: 2, ..SyncSettings::default() },
        election_connect: Duration::from_millis(800),
        election_handshake: Duration::from_secs(2),
        packet_max: zoorum_proto::quorum::packet::PACKET_DATA_MAX,
        multi_address: false,
        notification_intervals: (Duration::from_millis(200), Duration::from_secs(4)),
    }
}

/// Recovers, without an operator's help; on failure tells whether the disk refused something. Where files have
/// decayed, the operator of an ensemble helps later: see `is_condemned`.
fn recover_alone(
    ground: &mut Ground,
    snapshots: &ProcessDisk,
    logs: &ProcessDisk,
) -> Result<Recovered, (bool, String)> {
    let options = RecoverOptions { seed: ground.chance.number(), ..RecoverOptions::default() };
    recover(snapshots, logs, &options).map_err(|error| {
        (matches!(error, RecoverError::Io { .. } | RecoverError::Install(_)), error.to_string())
    })
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

/// A snapshot and a log as others would have left them: nothing has happened yet but a change that changed nothing.
fn begin_history(place: &Place, zxid: Zxid) -> Result<(), Box<dyn std::error::Error>> {
    let mut tree = Tree::new(1);
    let start = SnapshotStart { zxid: Zxid(zxid.0 - 1), ..tree.begin_snapshot() };
    let mut writer = SnapshotWriter::start(&place.snapshots, &start, &SnapshotOptions::default())?;
    let mut nodes = Vec::new();
    while !tree.snapshot_step(64, &mut nodes) {}
    writer.nodes(&nodes)?;
    writer.finish()?;
    let recovered = recover(&place.snapshots, &place.logs, &RecoverOptions::default())?;
    let options = LogOptions { preallocate_bytes: 0, sync: true, roll_bytes: None };
    let mut log = TxnLog::open(place.logs.clone(), recovered.tail, options);
    let body = TxnBody::Error(0);
    let (session, cxid, time) = (SessionId::NONE, Xid(0), WallClock(0));
    let header = TxnHeader { session, cxid, zxid, time, kind: OpCode::Error as i32 };
    log.append(zxid, &Txn { header, body, digest: None }.to_vec());
    log.sync()?;
    Ok(())
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

fn settings(faults: &Faults, place: usize) -> Settings {
    Settings {
        server_id: place as u8 + 1,
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
        admission: AdmissionSettings {
            requests: faults.requests_limit.map(request_throttle),
            ..AdmissionSettings::default()
        },
        member: MemberSettings {
            read_only_after: faults.read_only.then_some(Duration::from_secs(2)),
            local_sessions: faults.local_sessions.then_some(LocalSessions { upgrading: true }),
            ..MemberSettings::default()
        },
        epoch_changes: faults.epoch_changes,
        slow_operation: None,
    }
}

/// Whoever waits is served in the end: what is refused or dropped, the checkers would miss.
fn request_throttle(limit: usize) -> RequestThrottle {
    RequestThrottle {
        limit,
        stall_time: Duration::from_millis(100),
        drop_stale: false,
        stale_without_client: true,
        stale_by_age: true,
        wait_limit: None,
    }
}

pub(super) fn log_options(faults: &Faults) -> LogOptions {
    LogOptions { preallocate_bytes: faults.preallocate_bytes, sync: true, roll_bytes: faults.roll_bytes }
}
