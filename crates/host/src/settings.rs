//! From the operator's configuration to what the server must know of it.

use std::time::Duration;

use zoorum_config::{AuthProvider, DigestAlgorithm as Configured, Mode, ServerConfig, SnapshotCompression};
use zoorum_proto::mode::OwnerReading;
use zoorum_server::settings::{
    AdmissionSettings, AuthSettings, ContainerSettings, DigestAlgorithm, DropperSettings, EPOCH_CHANGES_MAX,
    LargeRequestSettings, LocalSessions, MemberSettings, RequestThrottle, Settings, SnapshotSettings,
    TokenSettings,
};
use zoorum_storage::{Compression, LogOptions, SnapshotOptions};
use zoorum_tree::{AclRules, Rules};

use crate::acceptor::ListenOptions;
use crate::join::session_server_id;

/// A server that finds no leader in this time, or a tick, may serve readers.
const READ_ONLY_AFTER_MIN: Duration = Duration::from_secs(2);
/// The number in the ids of a standalone server's sessions.
const STANDALONE_ID: u8 = 1;

/// What a server of so many workers must know of `config`.
pub fn from_config(config: &ServerConfig, workers: usize) -> Settings {
    Settings {
        server_id: session_server_id(config).unwrap_or(STANDALONE_ID),
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
        admission: AdmissionSettings {
            tokens: tokens(config),
            large_requests: config.requests.large_request_threshold.map(|threshold| LargeRequestSettings {
                threshold: threshold as usize,
                bytes_limit: config.requests.large_request_max_bytes as usize,
            }),
            requests: request_throttle(config, workers),
        },
        epoch_changes: EPOCH_CHANGES_MAX,
        slow_operation: config.requests.operation_warning_threshold,
        member: member(config),
    }
}

/// A server without peers has no use for these: ZooKeeper's ignore them, too.
fn member(config: &ServerConfig) -> MemberSettings {
    if config.mode() == Mode::Standalone {
        return MemberSettings::default();
    }
    let sessions = &config.sessions;
    MemberSettings {
        read_only_after: config.requests.read_only_mode.then(|| sessions.tick_time.max(READ_ONLY_AFTER_MIN)),
        leader_serves: config.quorum.leader_serves,
        local_sessions: sessions
            .local_sessions_enabled
            .then_some(LocalSessions { upgrading: sessions.local_sessions_upgrading_enabled }),
    }
}

/// With weights, `connection_throttle_tokens` counts new sessions, which cost more than a token each.
fn tokens(config: &ServerConfig) -> Option<TokenSettings> {
    let throttle = &config.network.throttle;
    let weight = |weight: u32| if throttle.weight_enabled { u64::from(weight) } else { 1 };
    let new_session_cost = weight(throttle.global_session_weight);
    throttle.tokens.map(|tokens| TokenSettings {
        size: u64::from(tokens) * new_session_cost,
        fill_time: throttle.fill_time,
        fill_count: u64::from(throttle.fill_count) * new_session_cost,
        new_session_cost,
        renewed_session_cost: weight(throttle.renew_session_weight),
        dropper: throttle.freeze_time.map(|freeze_time| DropperSettings {
            freeze_time,
            increase: throttle.drop_increase,
            decrease: throttle.drop_decrease,
            decrease_ratio: throttle.decrease_ratio,
        }),
    })
}

/// The limit of requests is divided among the workers.
fn request_throttle(config: &ServerConfig, workers: usize) -> Option<RequestThrottle> {
    const STALL_TIME_MIN: Duration = Duration::from_millis(1);
    let requests = &config.requests;
    requests.throttle_max_requests.map(|limit| RequestThrottle {
        limit: (limit as usize / workers.max(1)).max(1),
        stall_time: requests.throttle_stall_time.max(STALL_TIME_MIN),
        drop_stale: requests.throttle_drop_stale,
        stale_without_client: requests.stale_connection_check,
        stale_by_age: requests.stale_latency_check,
        wait_limit: requests.throttled_op_wait_time,
    })
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

/// How the tree reads what kind a znode is of. As with the original, the emulation is part of the extended types.
pub fn owner_reading(config: &ServerConfig) -> OwnerReading {
    let containers = &config.containers;
    if containers.extended_types_enabled && containers.emulate_353_ttl_nodes {
        OwnerReading::Emulating353
    } else {
        OwnerReading::Current
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

#[cfg(test)]
mod tests {
    use zoorum_proto::quorum::QuorumConfig;

    use super::*;

    #[test]
    fn a_limit_of_requests_is_divided_among_the_workers() {
        let mut config = ServerConfig::built_in("data");
        assert!(from_config(&config, 3).admission.requests.is_none());
        for (configured, limit) in [(100, 33), (3, 1), (1, 1)] {
            config.requests.throttle_max_requests = Some(configured);
            let throttle = from_config(&config, 3).admission.requests;
            assert_eq!(throttle.map(|throttle| throttle.limit), Some(limit), "{configured}");
        }
    }

    #[test]
    fn roles_are_for_members() {
        let mut config = ServerConfig::built_in("data");
        config.quorum.leader_serves = false;
        config.requests.read_only_mode = true;
        config.sessions.tick_time = Duration::from_millis(500);
        config.sessions.local_sessions_enabled = true;
        let alone = from_config(&config, 1).member;
        assert!(alone.leader_serves && alone.read_only_after.is_none() && alone.local_sessions.is_none());
        let text = "server.1=a:2888:3888\nserver.2=b:2888:3888\n";
        config.membership = Some(QuorumConfig::parse(text, false).expect("a configuration"));
        let member = from_config(&config, 1).member;
        assert!(!member.leader_serves);
        assert!(member.local_sessions.is_some_and(|local| !local.upgrading));
        assert_eq!(member.read_only_after, Some(Duration::from_secs(2)), "however short a tick is");
        config.sessions.tick_time = Duration::from_secs(3);
        assert_eq!(from_config(&config, 1).member.read_only_after, Some(Duration::from_secs(3)));
    }

    #[test]
    fn with_weights_tokens_count_new_sessions() {
        let mut config = ServerConfig::built_in("data");
        assert!(from_config(&config, 1).admission.tokens.is_none());
        config.network.throttle.tokens = Some(10);
        let costs = |config: &ServerConfig| {
            let tokens = from_config(config, 1).admission.tokens;
            tokens.map(|t| (t.size, t.fill_count, t.new_session_cost, t.renewed_session_cost))
        };
        assert_eq!(costs(&config), Some((10, 1, 1, 1)));
        config.network.throttle.weight_enabled = true;
        assert_eq!(costs(&config), Some((30, 3, 3, 2)));
    }
}
