//! How this server gets along with its peers.

use crate::error::{ConfigError, Problem};
use crate::reader::{Level, Reader};
use std::path::PathBuf;
use std::time::Duration;
use zoorum_proto::quorum::{ConfigProblem, Role};

/// Limits, delays and switches between servers. A server alone needs none of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// `initLimit`: ticks to connect to a leader and follow it; `None` if unset.
    pub init_limit: Option<u32>,
    /// `syncLimit`: ticks that a peer may be silent; `None` if unset.
    pub sync_limit: Option<u32>,
    /// `connectToLearnerMasterLimit`: ticks to connect to a leader; `None` stands for `initLimit`.
    pub connect_to_learner_master_limit: Option<u32>,
    /// `peerType`: what this server says it is; the membership has the last word.
    pub peer_type: Role,
    /// `syncEnabled`, `observer.syncEnabled`: an observer keeps log and snapshots, true.
    pub sync_enabled: bool,
    /// `standaloneEnabled`: a lone participant forms no quorum, true.
    pub standalone_enabled: bool,
    /// `reconfigEnabled`: the membership may be changed while running, false.
    pub reconfig_enabled: bool,
    /// `quorumListenOnAllIPs`, false.
    pub listen_on_all_ips: bool,
    /// `observerMasterPort`: followers serve observers there; `None`, the default: they do not.
    pub observer_master_port: Option<u16>,
    /// `multiAddress.…`: several addresses for one server.
    pub multi_address: MultiAddress,
    /// `quorum.auth.…`: SASL between servers.
    pub sasl: QuorumSasl,
    /// `oraclePath`: the file that lets one of two voters go on alone.
    pub oracle_path: Option<PathBuf>,
    /// `leaderServes`: a leader takes clients, true.
    pub leader_serves: bool,
    /// `tcpKeepAlive`: on quorum sockets, false.
    pub tcp_keep_alive: bool,
    /// `cnxTimeout`: of election connections, 5 s.
    pub cnx_timeout: Duration,
    /// `quorumCnxnTimeoutMs`: reading from an election connection; `None` stands for tickTime × syncLimit.
    pub quorum_cnxn_timeout: Option<Duration>,
    /// `electionPortBindRetry`: attempts, 3; 0 is for ever.
    pub election_port_bind_retry: u32,
    /// `fastleader.minNotificationInterval`, 200 ms.
    pub notification_interval_min: Duration,
    /// `fastleader.maxNotificationInterval`, 60 s.
    pub notification_interval_max: Duration,
    /// `leader.maxTimeToWaitForEpoch`; `None`, the default, is without limit.
    pub max_time_to_wait_for_epoch: Option<Duration>,
    /// `leader.maxConcurrentSnapSyncs`, 10.
    pub max_concurrent_snap_syncs: u32,
    /// `leader.maxConcurrentDiffSyncs`, 100.
    pub max_concurrent_diff_syncs: u32,
    /// `leader.ackLoggingFrequency`: every so many proposals acks are measured, 1000.
    pub ack_logging_frequency: u32,
    /// `leaderConnectDelayDuringRetryMs`, 100 ms.
    pub leader_connect_delay: Duration,
    /// `observer.reconnectDelayMs`, 0.
    pub observer_reconnect_delay: Duration,
    /// `observer.election.DelayMs`, 200 ms.
    pub observer_election_delay: Duration,
    /// `observerMaster.sizeLimit`: bytes of proposals kept for observers, 32 MiB.
    pub observer_master_size_limit: u32,
    /// `leader.nodelay`: TCP_NODELAY, true.
    pub leader_no_delay: bool,
    /// `follower.nodelay`: TCP_NODELAY, true.
    pub follower_no_delay: bool,
    /// `forward_learner_requests_to_commit_processor_disabled`, false.
    pub forward_learner_requests_disabled: bool,
    /// `follower.skipLearnerRequestToNextProcessor`, false.
    pub skip_learner_request_to_next_processor: bool,
}

/// Several addresses for one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultiAddress {
    /// `multiAddress.enabled`, false.
    pub enabled: bool,
    /// `multiAddress.reachabilityCheckEnabled`: probe before choosing one, true.
    pub reachability_check_enabled: bool,
    /// `multiAddress.reachabilityCheckTimeoutMs`, 1 s.
    pub reachability_check_timeout: Duration,
}

/// SASL between servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumSasl {
    /// `quorum.auth.enableSasl`, false.
    pub enable: bool,
    /// `quorum.auth.serverRequireSasl`, false.
    pub server_require: bool,
    /// `quorum.auth.learnerRequireSasl`, false.
    pub learner_require: bool,
    /// `quorum.auth.learner.saslLoginContext`: a section of the JAAS file, `QuorumLearner`.
    pub learner_login_context: String,
    /// `quorum.auth.server.saslLoginContext`: a section of the JAAS file, `QuorumServer`.
    pub server_login_context: String,
    /// `quorum.auth.kerberos.servicePrincipal`, `zkquorum/localhost`.
    pub service_principal: String,
}

impl Quorum {
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ConfigError> {
        check_election_algorithm(r)?;
        // Either flag may speak for a key whose explicit spelling is given in the file alone.
        let sync_enabled = r.explicit_flag("syncEnabled", true)?;
        let observer_master_port = r.port("observerMasterPort")?;
        if observer_master_port.is_none() {
            r.notice(Level::Info, "observerMasterPort is not set");
        }
        Ok(Self {
            init_limit: r.limit(&["initLimit"])?,
            sync_limit: r.limit(&["syncLimit"])?,
            connect_to_learner_master_limit: r
                .limit(&["connectToLearnerMasterLimit", "zookeeper.connectToLearnerMasterLimit"])?,
            peer_type: peer_type(r)?,
            sync_enabled: r.flag(&["zookeeper.observer.syncEnabled"], sync_enabled),
            standalone_enabled: r.explicit_flag("standaloneEnabled", true)?,
            reconfig_enabled: r.explicit_flag("reconfigEnabled", false)?,
            listen_on_all_ips: r.explicit_flag("quorumListenOnAllIPs", false)?,
            observer_master_port,
            multi_address: MultiAddress::read(r)?,
            sasl: QuorumSasl::read(r)?,
            oracle_path: r.text_filled(&["oraclePath"]).map(PathBuf::from),
            leader_serves: r.text(&["zookeeper.leaderServes"]).is_none_or(|value| value != "no"),
            tcp_keep_alive: r.flag(&["zookeeper.tcpKeepAlive"], false),
            cnx_timeout: r.millis(&["zookeeper.cnxTimeout"], 5000)?,
            quorum_cnxn_timeout: r.millis_or_off(&["zookeeper.quorumCnxnTimeoutMs"])?,
            election_port_bind_retry: r.count(&["zookeeper.electionPortBindRetry"], 3)?,
            notification_interval_min: r.millis(&["zookeeper.fastleader.minNotificationInterval"], 200)?,
            notification_interval_max: r.millis(&["zookeeper.fastleader.maxNotificationInterval"], 60_000)?,
            max_time_to_wait_for_epoch: r.millis_or_off(&[
                "zookeeper.leader.maxTimeToWaitForEpoch",
                "zookeeper.maxTimeToWaitForEpoch",
            ])?,
            max_concurrent_snap_syncs: r.count(
                &["zookeeper.leader.maxConcurrentSnapSyncs", "zookeeper.maxConcurrentSnapSyncs"],
                10,
            )?,
            max_concurrent_diff_syncs: r.count(
                &["zookeeper.leader.maxConcurrentDiffSyncs", "zookeeper.maxConcurrentDiffSyncs"],
                100,
            )?,
            ack_logging_frequency: r.count(&["zookeeper.leader.ackLoggingFrequency"], 1000)?,
            leader_connect_delay: r.millis(&["zookeeper.leaderConnectDelayDuringRetryMs"], 100)?,
            observer_reconnect_delay: r.millis(&["zookeeper.observer.reconnectDelayMs"], 0)?,
            observer_election_delay: r.millis(&["zookeeper.observer.election.DelayMs"], 200)?,
            observer_master_size_limit: r.count(&["zookeeper.observerMaster.sizeLimit"], 32 << 20)?,
            leader_no_delay: r.flag(&["leader.nodelay", "zookeeper.leader.nodelay"], true),
            follower_no_delay: r.flag(&["follower.nodelay", "zookeeper.follower.nodelay"], true),
            forward_learner_requests_disabled: r
                .flag(&["zookeeper.forward_learner_requests_to_commit_processor_disabled"], false),
            skip_learner_request_to_next_processor: r
                .flag(&["zookeeper.follower.skipLearnerRequestToNextProcessor"], false),
        })
    }
}

fn check_election_algorithm(r: &mut Reader<'_>) -> Result<(), ConfigError> {
    match r.int(&["electionAlg"])? {
        None | Some(3) => Ok(()),
        Some(_) => Err(r.wrong(&["electionAlg"], Problem::ElectionAlg, "3")),
    }
}

fn peer_type(r: &mut Reader<'_>) -> Result<Role, ConfigError> {
    let Some(setting) = r.setting(&["peerType"]) else { return Ok(Role::Participant) };
    Role::of_word(&setting.value).ok_or_else(|| {
        let problem = ConfigProblem::PeerType { word: setting.value.clone() };
        ConfigError::of(setting, problem.into()).expecting("participant or observer")
    })
}

impl MultiAddress {
    fn read(r: &mut Reader<'_>) -> Result<Self, ConfigError> {
        // Java's check of server lines reads only the flag; here the file's key is as good.
        let by_flag = r.flag(&["zookeeper.multiAddress.enabled"], false);
        let checked_by_flag = r.flag(&["zookeeper.multiAddress.reachabilityCheckEnabled"], true);
        Ok(Self {
            enabled: r.explicit_flag("multiAddress.enabled", by_flag)?,
            reachability_check_enabled: r
                .explicit_flag("multiAddress.reachabilityCheckEnabled", checked_by_flag)?,
            reachability_check_timeout: r.millis(
                &[
                    "multiAddress.reachabilityCheckTimeoutMs",
                    "zookeeper.multiAddress.reachabilityCheckTimeoutMs",
                ],
                1000,
            )?,
        })
    }
}

impl QuorumSasl {
    fn read(r: &mut Reader<'_>) -> Result<Self, ConfigError> {
        const ENABLE: &str = "quorum.auth.enableSasl";
        const SERVER: &str = "quorum.auth.serverRequireSasl";
        const LEARNER: &str = "quorum.auth.learnerRequireSasl";
        let mut text = |key: &str, default: &str| r.text_filled(&[key]).unwrap_or_else(|| default.to_owned());
        let learner_login_context = text("quorum.auth.learner.saslLoginContext", "QuorumLearner");
        let server_login_context = text("quorum.auth.server.saslLoginContext", "QuorumServer");
        let service_principal = text("quorum.auth.kerberos.servicePrincipal", "zkquorum/localhost");
        let sasl = Self {
            enable: r.explicit_flag(ENABLE, false)?,
            server_require: r.explicit_flag(SERVER, false)?,
            learner_require: r.explicit_flag(LEARNER, false)?,
            learner_login_context,
            server_login_context,
            service_principal,
        };
        let mut refuse = |missing, key| Err(r.wrong(&[key], Problem::QuorumSasl { missing, key }, "false"));
        if !sasl.enable && sasl.server_require {
            return refuse(ENABLE, SERVER);
        }
        if !sasl.enable && sasl.learner_require {
            return refuse(ENABLE, LEARNER);
        }
        // A server that demands SASL would lock out learners that do not send it.
        if sasl.server_require && !sasl.learner_require {
            return refuse(LEARNER, SERVER);
        }
        Ok(sasl)
    }
}
