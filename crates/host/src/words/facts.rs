//! What words tell that no thread has to be asked for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zoorum_config::{FourLetterWords, Loaded, MetricsProvider, Mode, ServerConfig};
use zoorum_proto::ServerId;
use zoorum_proto::quorum::{HostPort, QuorumConfig};

use super::environment::Environment;
use crate::join::{INIT_LIMIT, SYNC_LIMIT};
use crate::version;

/// What words tell of the configuration, and of where this server runs.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Which words are answered.
    pub whitelist: FourLetterWords,
    /// As `srvr` shows it.
    pub version: String,
    /// The port of plaintext clients; −1: none.
    pub client_port: i32,
    /// Where it is; empty if there is none.
    pub client_address: String,
    /// The port of TLS clients; −1: none.
    pub secure_client_port: i32,
    /// Where snapshots lie.
    pub snapshot_dir: PathBuf,
    /// Where transaction logs lie.
    pub log_dir: PathBuf,
    /// `tickTime`.
    pub tick: Duration,
    /// `maxClientCnxns`; 0 is unlimited.
    pub max_client_cnxns: u32,
    /// The least timeout that is granted.
    pub session_timeout_min: Duration,
    /// The most.
    pub session_timeout_max: Duration,
    /// `clientPortListenBacklog`; −1: not set.
    pub backlog: i64,
    /// A connection without a session is closed after this long.
    pub sessionless_timeout: Duration,
    /// Who keeps the metrics that `mntr` shows.
    pub metrics: MetricsProvider,
    /// What the server is among its peers, if it has any.
    pub member: Option<MemberFacts>,
    /// The machine, the user, the process.
    pub environment: Environment,
    /// The configuration file as it was read, if there is one.
    pub file_text: Option<String>,
    /// What was configured by properties, secrets masked.
    pub properties: BTreeMap<String, String>,
}

/// What words tell of a member of an ensemble.
#[derive(Clone, Debug)]
pub struct MemberFacts {
    /// `myid`.
    pub id: ServerId,
    /// `initLimit`, in ticks.
    pub init_limit: u32,
    /// `syncLimit`, in ticks.
    pub sync_limit: u32,
    /// The port of its peers' votes.
    pub election_port: u16,
    /// The port of its learners.
    pub quorum_port: u16,
    /// Whether it observes.
    pub observes: bool,
    /// Who is in the ensemble.
    pub membership: QuorumConfig,
}

impl MemberFacts {
    fn of(config: &ServerConfig) -> Option<Self> {
        let id = config.server_id.filter(|_| config.mode() == Mode::Distributed)?;
        let membership = config.membership.as_ref()?;
        let me = membership.members.get(&id)?;
        let address = me.addresses.first()?;
        Some(Self {
            id,
            init_limit: config.quorum.init_limit.unwrap_or(INIT_LIMIT),
            sync_limit: config.quorum.sync_limit.unwrap_or(SYNC_LIMIT),
            election_port: address.election.port,
            quorum_port: address.quorum.port,
            observes: !me.is_voter(),
            membership: membership.clone(),
        })
    }
}

impl Facts {
    /// What is to be told of what was loaded, in this process.
    pub fn of_loaded(loaded: &Loaded) -> Self {
        let properties = loaded.settings.system_properties().into_iter();
        let properties = properties.map(|(name, setting)| (name, setting.printable_value().to_owned()));
        Self {
            file_text: loaded.file_text.clone(),
            properties: properties.collect(),
            ..Self::of(&loaded.config)
        }
    }

    /// The same of a configuration that comes from no file.
    pub fn of(config: &ServerConfig) -> Self {
        let (network, storage) = (&config.network, &config.storage);
        let port = |address: &Option<HostPort>| address.as_ref().map_or(-1, |at| at.port.into());
        let version = version::full();
        Self {
            whitelist: config.four_letter_words.clone(),
            client_port: port(&network.client_address),
            client_address: network.client_address.as_ref().map(ToString::to_string).unwrap_or_default(),
            file_text: None,
            properties: BTreeMap::new(),
            secure_client_port: port(&network.secure_client_address),
            snapshot_dir: directory(&storage.data_dir),
            log_dir: directory(&storage.data_log_dir),
            tick: config.sessions.tick_time,
            max_client_cnxns: network.max_client_cnxns.unwrap_or(0),
            session_timeout_min: config.sessions.min_session_timeout,
            session_timeout_max: config.sessions.max_session_timeout,
            backlog: network.client_port_listen_backlog.map_or(-1, i64::from),
            sessionless_timeout: network.sessionless_cnxn_timeout,
            member: MemberFacts::of(config),
            metrics: config.metrics.provider.clone(),
            environment: Environment::of_process(&version),
            version,
        }
    }
}

/// Where the files of a data directory lie, from the root on.
fn directory(configured: &Path) -> PathBuf {
    let inside = configured.join("version-2");
    std::path::absolute(&inside).unwrap_or(inside)
}
