//! What words tell that no thread has to be asked for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use zoorum_config::{FourLetterWords, MetricsProvider, ServerConfig};

use super::environment::Environment;
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
    /// Whether anything is counted for `mntr`.
    pub metrics: bool,
    /// The machine, the user, the process.
    pub environment: Environment,
}

impl Facts {
    /// What is to be told of `config`, in this process.
    pub fn of(config: &ServerConfig) -> Self {
        let (network, storage) = (&config.network, &config.storage);
        let port =
            |address: &Option<zoorum_config::HostPort>| address.as_ref().map_or(-1, |at| at.port.into());
        let version = version::full();
        Self {
            whitelist: config.four_letter_words.clone(),
            client_port: port(&network.client_address),
            secure_client_port: port(&network.secure_client_address),
            snapshot_dir: directory(&storage.data_dir),
            log_dir: directory(&storage.data_log_dir),
            tick: config.sessions.tick_time,
            max_client_cnxns: network.max_client_cnxns.unwrap_or(0),
            session_timeout_min: config.sessions.min_session_timeout,
            session_timeout_max: config.sessions.max_session_timeout,
            backlog: network.client_port_listen_backlog.map_or(-1, i64::from),
            sessionless_timeout: network.sessionless_cnxn_timeout,
            metrics: config.metrics.provider != MetricsProvider::Null,
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
