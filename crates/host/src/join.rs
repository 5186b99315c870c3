//! Joining an ensemble: from the configuration and the files to a replica among its peers.

use std::sync::Arc;

use zoorum_config::{Mode, ServerConfig};
use zoorum_proto::ServerId;
use zoorum_proto::quorum::{Joint, Role};
use zoorum_storage::{Epochs, ForceSnap, Joints, Recovered as State};
use zoorum_zab::{Ensemble, HistoryLimits, Peer, PeerSettings, Recovered, SyncSettings};

use crate::clock::Clock;
use crate::disk::{DataDirs, RealDisk};
use crate::member::{FileOptions, Member};
use crate::peers::{PeerOptions, PeerSockets, Sleeper};
use crate::settings::{log_options, snapshot_options};
use crate::start::{StartError, recover_options, system};
use crate::supplies::Supplies;

/// `initLimit`, if it is not set.
pub(crate) const INIT_LIMIT: u32 = 10;
/// `syncLimit`, if it is not set.
pub(crate) const SYNC_LIMIT: u32 = 5;

/// A member of an ensemble, ready to look for a leader.
pub(crate) struct Joining {
    pub(crate) peer: Peer,
    pub(crate) member: Member<RealDisk>,
    pub(crate) sleeper: Arc<Sleeper>,
}

/// The number by which this server's sessions are known from those of others.
pub(crate) fn session_server_id(config: &ServerConfig) -> Option<u8> {
    let id = config.server_id.filter(|_| config.mode() == Mode::Distributed)?;
    Some((id.0 & 0xff) as u8)
}

/// Prepares what a member needs; `None` if the server is to run alone.
pub(crate) fn join(
    config: &ServerConfig,
    clock: Clock,
    dirs: &DataDirs,
    state: &State,
) -> Result<Option<Joining>, StartError> {
    if config.mode() == Mode::Standalone {
        return Ok(None);
    }
    let me = my_id(config)?;
    let (epochs, warnings) =
        Epochs::open(dirs.snapshots.clone(), state, config.storage.snapshot_trust_empty)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let forced = ForceSnap::read(&dirs.own)?;
    let found = Recovered {
        accepted: epochs.accepted(),
        current: epochs.current(),
        last: state.last_zxid,
        needs_snapshot: forced.is_some(),
        abstains: forced == Some(ForceSnap::Damage),
    };
    let joints = Joints::read(&dirs.own).unwrap_or_else(|error| {
        tracing::warn!("{error}");
        Joints::default()
    });
    let options = PeerOptions::from_config(config, me).ok_or_else(|| no_member(me))?;
    let (sockets, sleeper) =
        PeerSockets::new(options).map_err(system("cannot set up the sockets of peers"))?;
    let ensemble = ensemble(config);
    let supplies = Supplies::new(
        dirs.snapshots.clone(),
        dirs.logs.clone(),
        snapshot_share(config.storage.snapshot_size_factor).unwrap_or_default(),
        sockets.bell(),
    );
    let member = Member {
        config: Arc::clone(&ensemble.text),
        sockets,
        epochs,
        snapshots: dirs.snapshots.clone(),
        logs: dirs.logs.clone(),
        own: dirs.own.clone(),
        joints,
        supplies,
        options: FileOptions {
            recover: recover_options(config, dirs),
            log: log_options(config),
            snapshots: snapshot_options(config),
            record_limit: config.network.record_limit(),
        },
        events: Vec::new(),
        receiver: None,
        received: None,
    };
    let peer = Peer::new(clock.monotonic(), settings(config, me), ensemble, found);
    Ok(Some(Joining { peer, member, sleeper }))
}

fn my_id(config: &ServerConfig) -> Result<ServerId, StartError> {
    config.server_id.ok_or_else(|| {
        let file = config.storage.data_dir.join("myid");
        StartError::NoMember(format!(
            "{} file is missing. It must hold this server's number: the N of its line server.N",
            file.display()
        ))
    })
}

fn no_member(me: ServerId) -> StartError {
    StartError::NoMember(format!("myid says that this is server {me}, and there is no line server.{me}"))
}

fn ensemble(config: &ServerConfig) -> Ensemble {
    let membership = config.membership.clone().expect("a server of an ensemble has been configured with one");
    Ensemble::new(Joint::stable(Arc::new(membership)))
}

fn settings(config: &ServerConfig, me: ServerId) -> PeerSettings {
    let quorum = &config.quorum;
    let tick = config.sessions.tick_time;
    PeerSettings {
        me,
        tick,
        init_limit: quorum.init_limit.unwrap_or(INIT_LIMIT),
        sync_limit: quorum.sync_limit.unwrap_or(SYNC_LIMIT),
        connect_limit: quorum.connect_to_learner_master_limit,
        connect_pause: quorum.leader_connect_delay,
        observer_pause: quorum.observer_election_delay,
        observer_reconnect_pause: quorum.observer_reconnect_delay,
        observer_master_port: quorum.observer_master_port,
        history: history_limits(config),
        sync: SyncSettings {
            reads_log: snapshot_share(config.storage.snapshot_size_factor).is_some(),
            always_tree: config.storage.force_snapshot_sync,
            trees_max: quorum.max_concurrent_snap_syncs as usize,
            diffs_max: quorum.max_concurrent_diff_syncs as usize,
        },
        election_connect: quorum.cnx_timeout,
        election_handshake: quorum
            .quorum_cnxn_timeout
            .unwrap_or(tick * quorum.sync_limit.unwrap_or(SYNC_LIMIT)),
        packet_max: config.network.record_limit(),
        multi_address: quorum.multi_address.enabled,
        notification_intervals: (quorum.notification_interval_min, quorum.notification_interval_max),
    }
}

/// Whether this server logs what comes: an observer need not.
pub(crate) fn keeps_log(config: &ServerConfig) -> bool {
    let me = config.server_id.and_then(|me| config.membership.as_ref()?.members.get(&me));
    config.quorum.sync_enabled || me.is_none_or(|me| me.role == Role::Participant)
}

/// How many changes stay in memory for servers that come back. Their bytes are limited in any case.
fn history_limits(config: &ServerConfig) -> HistoryLimits {
    let limits = HistoryLimits::default();
    let entries = config.storage.commit_log_count.map_or(limits.entries, |count| count as usize);
    HistoryLimits { entries, ..limits }
}

/// `snapshotSizeFactor` as ZooKeeper takes it: negative, the log's files are never read for others; above 1, it is
/// the default.
fn snapshot_share(factor: f64) -> Option<f64> {
    match factor {
        factor if factor < 0.0 => None,
        factor if factor > 1.0 => Some(0.33),
        factor => Some(factor),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_the_snapshot_is_taken_as_zookeeper_takes_it() {
        let rows = [(0.33, Some(0.33)), (0.0, Some(0.0)), (1.0, Some(1.0)), (1.5, Some(0.33)), (-0.1, None)];
        for (factor, share) in rows {
            assert_eq!(snapshot_share(factor), share, "{factor}");
        }
    }
}
