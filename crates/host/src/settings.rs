//! From the operator's configuration to what the server must know of it.

use std::time::Duration;

use zoorum_config::{AuthProvider, DigestAlgorithm as Configured, ServerConfig, SnapshotCompression};
use zoorum_server::settings::{AuthSettings, ContainerSettings, DigestAlgorithm, Settings, SnapshotSettings};
use zoorum_storage::{Compression, LogOptions, SnapshotOptions};
use zoorum_tree::{AclRules, Rules};

use crate::acceptor::ListenOptions;

/// The number in the ids of a standalone server's sessions.
const STANDALONE_ID: u8 = 1;

/// What the server must know of `config`.
pub fn from_config(config: &ServerConfig) -> Settings {
    Settings {
        server_id: STANDALONE_ID,
        tick: config.sessions.tick_time,
        session_timeout_min_ms: as_ms(config.sessions.min_session_timeout),
        session_timeout_max_ms: as_ms(config.sessions.max_session_timeout),
        frame_limit: config.network.jute_max_buffer as usize,
        sessionless_timeout: config.network.sessionless_cnxn_timeout,
        rules: rules(config),
        auth: auth(config),
        containers: ContainerSettings {
            interval: config.containers.check_interval,
            max_per_minute: config.containers.max_per_minute,
            max_never_used: config.containers.max_never_used_interval,
        },
        snapshots: SnapshotSettings {
            transactions: config.storage.snap_count,
            log_bytes: config.storage.snap_size_limit,
        },
        outstanding_limit: config.requests.global_outstanding_limit as usize,
    }
}

fn as_ms(length: Duration) -> i32 {
    i32::try_from(length.as_millis()).unwrap_or(i32::MAX)
}

fn rules(config: &ServerConfig) -> Rules {
    let has = |provider| config.auth.providers.contains(&provider);
    Rules {
        acl: AclRules {
            skip: config.requests.skip_acl,
            digest: has(AuthProvider::Digest),
            x509: has(AuthProvider::X509),
            sasl: has(AuthProvider::Sasl),
            ensemble: has(AuthProvider::Ensemble),
            key: has(AuthProvider::Key),
            x509_super_user: config.auth.x509_super_user.clone(),
            let_any_sasl_user_do: config.auth.let_any_sasl_user_do_x.clone(),
        },
        enforce_quota: config.quotas.enforce,
        extended_types: config.containers.extended_types_enabled,
        digest: config.storage.digest_enabled,
        close_session_paths: config.storage.close_session_txn_enabled,
        reconfig_enabled: config.quorum.reconfig_enabled,
    }
}

fn auth(config: &ServerConfig) -> AuthSettings {
    let auth = &config.auth;
    let has = |provider| auth.providers.contains(&provider);
    AuthSettings {
        digest: has(AuthProvider::Digest),
        digest_algorithm: match auth.digest_algorithm {
            Configured::Sha1 => DigestAlgorithm::Sha1,
            Configured::Sha224 => DigestAlgorithm::Sha224,
            Configured::Sha256 => DigestAlgorithm::Sha256,
            Configured::Sha384 => DigestAlgorithm::Sha384,
            Configured::Sha512 => DigestAlgorithm::Sha512,
            Configured::Sha3_224 => DigestAlgorithm::Sha3_224,
            Configured::Sha3_256 => DigestAlgorithm::Sha3_256,
            Configured::Sha3_384 => DigestAlgorithm::Sha3_384,
            Configured::Sha3_512 => DigestAlgorithm::Sha3_512,
        },
        super_digest: auth.super_digest.as_ref().map(|secret| secret.0.clone()),
        ensemble: has(AuthProvider::Ensemble).then(|| auth.ensemble_names.clone()),
        enforced_schemes: auth.enforced_schemes.clone(),
    }
}

/// How client sockets are set up.
pub(crate) fn listen_options(config: &ServerConfig) -> ListenOptions {
    ListenOptions {
        backlog: config.network.client_port_listen_backlog.and_then(|backlog| i32::try_from(backlog).ok()),
        keep_alive: config.network.client_tcp_keep_alive,
    }
}

/// How the log is written.
pub(crate) fn log_options(config: &ServerConfig) -> LogOptions {
    LogOptions {
        preallocate_bytes: config.storage.pre_alloc_size,
        sync: config.storage.force_sync,
        roll_bytes: config.storage.txn_log_size_limit,
    }
}

/// How snapshots are written.
pub(crate) fn snapshot_options(config: &ServerConfig) -> SnapshotOptions {
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
