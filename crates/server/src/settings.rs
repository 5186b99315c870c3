//! What a server must know of its configuration.

use std::time::Duration;

use zoorum_tree::Rules;

/// A leader gives way at the latest once it has made so many changes. What is in flight then still has a place: fewer
/// requests than are left fit in the memory of a machine's queues.
pub const EPOCH_CHANGES_MAX: u32 = 0xff00_0000;

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
    /// What is let in, and how fast.
    pub admission: AdmissionSettings,
    /// What concerns members of an ensemble only.
    pub member: MemberSettings,
    /// A leader gives way to a new epoch once it has made so many changes; at most [`EPOCH_CHANGES_MAX`].
    pub epoch_changes: u32,
    /// An operation that takes longer is told to the operator; `None`: none is.
    pub slow_operation: Option<Duration>,
}

impl Settings {
    /// The timeout a client gets that asks for `requested_ms`.
    pub fn negotiate(&self, requested_ms: i32) -> i32 {
        requested_ms.max(self.session_timeout_min_ms).min(self.session_timeout_max_ms)
    }
}

/// What concerns members of an ensemble only.
#[derive(Clone, Debug)]
pub struct MemberSettings {
    /// A server that has looked for a leader for so long serves reads to those who can do with that; `None`: it
    /// does not.
    pub read_only_after: Option<Duration>,
    /// Whether a leader serves clients itself.
    pub leader_serves: bool,
    /// Whether sessions are known to their own server alone, as long as that will do.
    pub local_sessions: Option<LocalSessions>,
}

impl Default for MemberSettings {
    fn default() -> Self {
        Self { read_only_after: None, leader_serves: true, local_sessions: None }
    }
}

/// Sessions that one server alone knows. They cannot have ephemeral znodes.
#[derive(Clone, Copy, Debug)]
pub struct LocalSessions {
    /// A session that wants one becomes known to the whole ensemble first.
    pub upgrading: bool,
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

/// What is let in, and how fast. By default, everything at once.
#[derive(Clone, Debug, Default)]
pub struct AdmissionSettings {
    /// What sessions cost, if they cost anything.
    pub tokens: Option<TokenSettings>,
    /// How much of the large requests may be under way.
    pub large_requests: Option<LargeRequestSettings>,
    /// How many requests may be under way.
    pub requests: Option<RequestThrottle>,
}

/// The bucket of tokens that clients ask for sessions with.
#[derive(Clone, Debug)]
pub struct TokenSettings {
    /// How many tokens there are at most.
    pub size: u64,
    /// In this time, [`Self::fill_count`] tokens are added.
    pub fill_time: Duration,
    /// So many tokens are added in [`Self::fill_time`].
    pub fill_count: u64,
    /// What a new session costs.
    pub new_session_cost: u64,
    /// What it costs to take up a session again.
    pub renewed_session_cost: u64,
    /// Who is dropped by chance, if anybody is.
    pub dropper: Option<DropperSettings>,
}

/// How likely it is that a connection is dropped by chance. Probabilities and the ratio are from 0 to 1.
#[derive(Clone, Debug)]
pub struct DropperSettings {
    /// The probability changes after such a time at the earliest.
    pub freeze_time: Duration,
    /// By how much it grows while the bucket is empty.
    pub increase: f64,
    /// By how much it falls while the bucket is as good as full.
    pub decrease: f64,
    /// The part of the tokens that may be missing in a bucket that is as good as full.
    pub decrease_ratio: f64,
}

/// How much of the large requests may be under way.
#[derive(Clone, Debug)]
pub struct LargeRequestSettings {
    /// Longer requests are large, in bytes.
    pub threshold: usize,
    /// Bytes of all large requests under way together: whoever brings more loses the connection.
    pub bytes_limit: usize,
}

/// How many requests may be under way, and what becomes of those that wait to be let in.
#[derive(Clone, Copy, Debug)]
pub struct RequestThrottle {
    /// Writes and sessions asked for that one worker may have with the replica. Whatever comes then, waits.
    pub limit: usize,
    /// How often those who wait are looked over for stale requests.
    pub stall_time: Duration,
    /// Whether a stale request is dropped, and its connection with it.
    pub drop_stale: bool,
    /// Whether requests are stale whose client has hung up.
    pub stale_without_client: bool,
    /// Whether requests are stale that have waited longer than their session's timeout.
    pub stale_by_age: bool,
    /// Requests that have waited longer are refused; `None`: none is.
    pub wait_limit: Option<Duration>,
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
        admission: AdmissionSettings::default(),
        member: MemberSettings::default(),
        epoch_changes: EPOCH_CHANGES_MAX,
        slow_operation: None,
    }
}
