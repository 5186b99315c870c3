//! Sessions, and what may be asked for at a time.

use crate::error::{ConfigError, Problem};
use crate::reader::{Level, Reader};
use std::time::Duration;

/// How long a client may be silent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sessions {
    /// `tickTime`: the unit of time of sessions and quorum, 3 s.
    pub tick_time: Duration,
    /// `minSessionTimeout`: the least that is granted, two ticks.
    pub min_session_timeout: Duration,
    /// `maxSessionTimeout`: the most that is granted, twenty ticks.
    pub max_session_timeout: Duration,
    /// `localSessionsEnabled`: sessions that only one server knows, false.
    pub local_sessions_enabled: bool,
    /// `localSessionsUpgradingEnabled`: make them global when they create an ephemeral, false.
    pub local_sessions_upgrading_enabled: bool,
}

impl Sessions {
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ConfigError> {
        let tick = match r.int(&["tickTime"])? {
            None => 3000,
            Some(0) => {
                return Err(r.wrong(
                    &["tickTime"],
                    Problem::NotSet { key: "tickTime" },
                    "a number of milliseconds above 0",
                ));
            }
            Some(tick) => u64::try_from(tick).map_err(|_| {
                r.out_of_range(&["tickTime"], tick.into(), "a number of milliseconds above 0")
            })?,
        };
        let min = session_timeout(r, "minSessionTimeout", tick * 2)?;
        let max = session_timeout(r, "maxSessionTimeout", tick * 20)?;
        if min > max {
            return Err(r.wrong(
                &["minSessionTimeout"],
                Problem::MinAboveMax,
                "at most maxSessionTimeout, which is 20 ticks unless set",
            ));
        }
        Ok(Self {
            tick_time: Duration::from_millis(tick),
            min_session_timeout: min,
            max_session_timeout: max,
            local_sessions_enabled: r.explicit_flag("localSessionsEnabled", false)?,
            local_sessions_upgrading_enabled: r.explicit_flag("localSessionsUpgradingEnabled", false)?,
        })
    }
}

fn session_timeout(r: &mut Reader<'_>, key: &'static str, default: u64) -> Result<Duration, ConfigError> {
    match r.int(&[key])? {
        None | Some(-1) => Ok(Duration::from_millis(default)),
        Some(number) => u64::try_from(number)
            .map(Duration::from_millis)
            .map_err(|_| r.out_of_range(&[key], number.into(), "milliseconds, or -1 for the default")),
    }
}

/// Limits on requests under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requests {
    /// `globalOutstandingLimit`: requests queued before reading from connections stops, 1000.
    pub global_outstanding_limit: u32,
    /// `largeRequestMaxBytes`: bytes of large requests in flight, 100 MiB.
    pub large_request_max_bytes: u32,
    /// `largeRequestThreshold`: the size from which a request is large; `None`, the default: none is.
    pub large_request_threshold: Option<u32>,
    /// `request_throttle_max_requests`: requests in the pipeline; `None`, the default, is unlimited.
    pub throttle_max_requests: Option<u32>,
    /// `request_throttle_stall_time`: between two looks at a full pipeline, 100 ms.
    pub throttle_stall_time: Duration,
    /// `request_throttle_drop_stale`: drop throttled requests that nobody waits for any more, true.
    pub throttle_drop_stale: bool,
    /// `request_stale_latency_check`: a request older than its session's timeout is stale, false.
    pub stale_latency_check: bool,
    /// `request_stale_connection_check`: a request whose connection closed is stale, true.
    pub stale_connection_check: bool,
    /// `request_throttler.shutdownTimeout`: to drain the pipeline at shutdown, 10 s.
    pub throttler_shutdown_timeout: Duration,
    /// `throttled_op_wait_time`: queue time after which a request is refused; `None`, the default: never.
    pub throttled_op_wait_time: Option<Duration>,
    /// `enableEagerACLCheck`: a learner checks ACLs before it forwards, false.
    pub eager_acl_check: bool,
    /// `skipACL=yes`: no ACL is checked at all, false.
    pub skip_acl: bool,
    /// `operation.warningthresholdms`: an operation that takes longer is logged, 1 s; `None`: none is.
    pub operation_warning_threshold: Option<Duration>,
    /// `readonlymode.enabled`: serve reads while there is no quorum, false.
    pub read_only_mode: bool,
}

impl Requests {
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ConfigError> {
        let skip_acl = r.text(&["zookeeper.skipACL"]).is_some_and(|value| value == "yes");
        if skip_acl {
            r.notice(Level::Info, "zookeeper.skipACL==\"yes\", ACL checks will be skipped");
        }
        Ok(Self {
            global_outstanding_limit: r.count(&["zookeeper.globalOutstandingLimit"], 1000)?,
            large_request_max_bytes: large_request_max_bytes(r)?,
            large_request_threshold: large_request_threshold(r)?,
            throttle_max_requests: r
                .limit(&["zookeeper.request_throttle_max_requests", "zookeeper.requestThrottleLimit"])?,
            throttle_stall_time: r.millis(
                &["zookeeper.request_throttle_stall_time", "zookeeper.requestThrottleStallTime"],
                100,
            )?,
            throttle_drop_stale: r
                .flag(&["zookeeper.request_throttle_drop_stale", "zookeeper.requestThrottleDropStale"], true),
            stale_latency_check: r.flag(
                &["zookeeper.request_stale_latency_check", "zookeeper.requestStaleLatencyCheck"],
                false,
            ),
            stale_connection_check: r.flag(
                &["zookeeper.request_stale_connection_check", "zookeeper.requestStaleConnectionCheck"],
                true,
            ),
            throttler_shutdown_timeout: r.millis(&["zookeeper.request_throttler.shutdownTimeout"], 10_000)?,
            throttled_op_wait_time: r
                .millis_or_off(&["zookeeper.throttled_op_wait_time", "zookeeper.throttledOpWaitTime"])?,
            eager_acl_check: r.flag(&["zookeeper.enableEagerACLCheck"], false),
            skip_acl,
            operation_warning_threshold: operation_warning_threshold(r)?,
            read_only_mode: r.flag(&["readonlymode.enabled", "zookeeper.readonlymode.enabled"], false),
        })
    }
}

fn large_request_max_bytes(r: &mut Reader<'_>) -> Result<u32, ConfigError> {
    const DEFAULT: u32 = 100 << 20;
    match r.int(&["zookeeper.largeRequestMaxBytes"])? {
        None => Ok(DEFAULT),
        Some(number) => Ok(u32::try_from(number).ok().filter(|&bytes| bytes > 0).unwrap_or_else(|| {
            let text =
                format!("Invalid max bytes for all large requests {number}. It should be a positive number.");
            r.notice(Level::Warn, text);
            DEFAULT
        })),
    }
}

fn large_request_threshold(r: &mut Reader<'_>) -> Result<Option<u32>, ConfigError> {
    match r.int(&["zookeeper.largeRequestThreshold"])?.unwrap_or(-1) {
        -1 => Ok(None),
        number => {
            let threshold = u32::try_from(number).ok().filter(|&bytes| bytes > 0);
            if threshold.is_none() {
                let text = format!(
                    "Invalid large request threshold {number}. It should be -1 or positive. Setting to -1 "
                );
                r.notice(Level::Warn, text);
            }
            Ok(threshold)
        }
    }
}

/// Beside `fsync.warningthresholdms`, which is the original's.
fn operation_warning_threshold(r: &mut Reader<'_>) -> Result<Option<Duration>, ConfigError> {
    let ms = r.long(&["zookeeper.operation.warningthresholdms"])?.unwrap_or(1_000);
    Ok(u64::try_from(ms).ok().filter(|&ms| ms > 0).map(Duration::from_millis))
}

/// Limits on what a subtree may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// `enforceQuota`: hard limits refuse writes instead of only being logged, false.
    pub enforce: bool,
}

impl Quotas {
    pub(crate) fn read(r: &mut Reader<'_>) -> Self {
        Self { enforce: r.flag(&["zookeeper.enforceQuota"], false) }
    }
}

/// Containers and nodes with a time to live: how they are swept away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Containers {
    /// `znode.container.checkIntervalMs`: between two sweeps, 60 s.
    pub check_interval: Duration,
    /// `znode.container.maxPerMinute`: nodes deleted a minute, 10,000.
    pub max_per_minute: u32,
    /// `znode.container.maxNeverUsedIntervalMs`: the age at which a container that never had a child
    /// goes too; `None`, the default: never.
    pub max_never_used_interval: Option<Duration>,
    /// `extendedTypesEnabled`: nodes with a time to live may be created, false.
    pub extended_types_enabled: bool,
    /// `emulate353TTLNodes`: the encoding of version 3.5.3, false.
    pub emulate_353_ttl_nodes: bool,
}

impl Containers {
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            check_interval: r.millis(
                &["znode.container.checkIntervalMs", "zookeeper.znode.container.checkIntervalMs"],
                60_000,
            )?,
            max_per_minute: r
                .count(&["znode.container.maxPerMinute", "zookeeper.znode.container.maxPerMinute"], 10_000)?,
            max_never_used_interval: r.millis_or_off(&[
                "znode.container.maxNeverUsedIntervalMs",
                "zookeeper.znode.container.maxNeverUsedIntervalMs",
            ])?,
            extended_types_enabled: r.flag(&["zookeeper.extendedTypesEnabled"], false),
            emulate_353_ttl_nodes: r.flag(&["zookeeper.emulate353TTLNodes"], false),
        })
    }
}
