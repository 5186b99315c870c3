//! What a server must know of its configuration.

use std::time::Duration;

use zoorum_tree::Rules;

/// The part of the configuration that decides what a server does. The host keeps the rest.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Top byte of the session ids that this server issues.
    pub server_id: u8,
    /// The base unit of session expiry.
    pub tick: Duration,
    /// Lower clamp of a session timeout, in ms.
    pub session_timeout_min_ms: i32,
    /// Upper clamp of a session timeout, in ms.
    pub session_timeout_max_ms: i32,
    /// Longest frame that a client may send, in bytes.
    pub frame_limit: usize,
    /// A connection without a session is closed after this long.
    pub sessionless_timeout: Duration,
    /// What prep and reads enforce.
    pub rules: Rules,
    /// Who may authenticate, and how.
    pub auth: AuthSettings,
    /// When containers and TTL znodes are looked after.
    pub containers: ContainerSettings,
    /// When a snapshot is due.
    pub snapshots: SnapshotSettings,
    /// Requests of all connections that may be in flight before a connection with one is no longer read.
    pub outstanding_limit: usize,
}

impl Settings {
    /// The timeout a client gets that asks for `requested_ms`.
    pub fn negotiate(&self, requested_ms: i32) -> i32 {
        requested_ms.max(self.session_timeout_min_ms).min(self.session_timeout_max_ms)
    }
}

/// Who may authenticate, and how.
#[derive(Clone, Debug, Default)]
pub struct AuthSettings {
    /// Whether the digest scheme exists.
    pub digest: bool,
    /// The hash of digest ids.
    pub digest_algorithm: DigestAlgorithm,
    /// The digest id that is the super user.
    pub super_digest: Option<String>,
    /// Whether the ensemble scheme exists, and under which names; none accepts all.
    pub ensemble: Option<Vec<String>>,
    /// Schemes of which a connection must have an id before anything else; empty: none required.
    pub enforced_schemes: Vec<String>,
}

/// The hash of digest ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DigestAlgorithm {
    /// ZooKeeper's default.
    #[default]
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// SHA3-224.
    Sha3_224,
    /// SHA3-256.
    Sha3_256,
    /// SHA3-384.
    Sha3_384,
    /// SHA3-512.
    Sha3_512,
}

/// When containers and TTL znodes are looked after.
#[derive(Clone, Debug)]
pub struct ContainerSettings {
    /// Time between two looks.
    pub interval: Duration,
    /// Most deletions in a minute.
    pub max_per_minute: u32,
    /// A container that never had a child goes after this long; `None`: never.
    pub max_never_used: Option<Duration>,
}

/// When a snapshot is due.
#[derive(Clone, Debug)]
pub struct SnapshotSettings {
    /// After so many transactions at most, and half as many at least.
    pub transactions: u32,
    /// After so many bytes of log at most, and half as many at least; `None`: never for their sake.
    pub log_bytes: Option<u64>,
}

/// ZooKeeper's defaults with a tick of two seconds, for the tests of this crate.
#[cfg(test)]
pub(crate) fn test_settings() -> Settings {
    Settings {
        server_id: 1,
        tick: Duration::from_secs(2),
        session_timeout_min_ms: 4_000,
        session_timeout_max_ms: 40_000,
        frame_limit: 0xf_ffff,
        sessionless_timeout: Duration::from_secs(10),
        rules: Rules::default(),
        auth: AuthSettings { digest: true, ..AuthSettings::default() },
        containers: ContainerSettings {
            interval: Duration::from_secs(60),
            max_per_minute: 10_000,
            max_never_used: None,
        },
        snapshots: SnapshotSettings { transactions: 100_000, log_bytes: None },
        outstanding_limit: 1_000,
    }
}
