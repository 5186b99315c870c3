//! Where the data lies, and how carefully it is put there.

use crate::error::{ConfigError, Problem};
use crate::reader::{Level, Reader};
use std::path::PathBuf;
use std::time::Duration;

/// Transaction log and snapshots.
#[derive(Clone, Debug, PartialEq)]
pub struct Storage {
    /// `dataDir`: snapshots, epoch files, myid; without `version-2`.
    pub data_dir: PathBuf,
    /// `dataLogDir`: transaction logs; the same as `dataDir` unless set.
    pub data_log_dir: PathBuf,
    /// `datadir.autocreate`: make missing directories, true.
    pub data_dir_autocreate: bool,
    /// `db.autocreate`: begin with an empty database without being told to by `initialize`, true.
    pub db_autocreate: bool,
    /// `preAllocSize`: bytes by which the log file is extended ahead, 64 MiB; 0 is off.
    pub pre_alloc_size: u64,
    /// `snapCount`: transactions between snapshots, 100,000, at least 2.
    pub snap_count: u32,
    /// `commitLogCount`: transactions kept in memory for learners, at least 500; `None`: as many as make sense.
    pub commit_log_count: Option<u32>,
    /// `snapSizeLimitInKb`: bytes of log that call for a snapshot, 4 GiB; `None` is off.
    pub snap_size_limit: Option<u64>,
    /// `txnLogSizeLimitInKb`: bytes after which the log rolls to a new file; `None`, the default, is off.
    pub txn_log_size_limit: Option<u64>,
    /// `forceSync`: sync the log before acknowledging, true unless the value is exactly `no`.
    pub force_sync: bool,
    /// `fsync.warningthresholdms`: a slower sync is worth a warning, 1 s.
    pub fsync_warning_threshold: Duration,
    /// `snapshot.trust.empty`: start from logs without any snapshot, false.
    pub snapshot_trust_empty: bool,
    /// `snapshot.compression.method`: of new snapshots.
    pub snapshot_compression: SnapshotCompression,
    /// `forceSnapshotSync`: a leader always sends a whole snapshot, false.
    pub force_snapshot_sync: bool,
    /// `snapshotSizeFactor`: log may be replayed to a learner up to this share of the snapshot's size,
    /// 0.33; negative: never from the log's files.
    pub snapshot_size_factor: f64,
    /// `digest.enabled`: keep the digest of the tree, true.
    pub digest_enabled: bool,
    /// `closeSessionTxn.enabled`: write the ephemerals of a closed session into its transaction, true.
    pub close_session_txn_enabled: bool,
    /// `serializeLastProcessedZxid.enabled`: snapshots say up to which zxid they go, true.
    pub serialize_last_processed_zxid: bool,
    /// `flushDelay`: how long a sync may wait for more transactions, 0.
    pub flush_delay: Duration,
    /// `maxWriteQueuePollTime`: how long to wait for one more transaction while a sync is delayed, a
    /// third of `flushDelay`.
    pub max_write_queue_poll_time: Duration,
    /// `maxBatchSize`: transactions after which a sync waits no longer, 1000.
    pub max_batch_size: u32,
}

/// How new snapshots are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotCompression {
    /// Not at all.
    None,
    /// `gz`: the file's name ends in `.gz`.
    Gzip,
    /// `snappy`: the file's name ends in `.snappy`.
    Snappy,
}

impl Storage {
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ConfigError> {
        let (data_dir, data_log_dir) = directories(r)?;
        let flush_delay = r.millis(&["zookeeper.flushDelay"], 0)?;
        let poll = r.millis(&["zookeeper.maxWriteQueuePollTime"], flush_delay.as_millis() as u64 / 3)?;
        Ok(Self {
            data_dir,
            data_log_dir,
            data_dir_autocreate: r.flag(&["zookeeper.datadir.autocreate"], true),
            db_autocreate: r.flag(&["zookeeper.db.autocreate"], true),
            pre_alloc_size: pre_alloc_size(r),
            snap_count: at_least(r, "zookeeper.snapCount", 100_000, 2, |_| {
                "SnapCount should be 2 or more. Now, snapCount is reset to 2".to_owned()
            })?,
            commit_log_count: commit_log_count(r)?,
            // Java divides by it; zero, which kills Java, is off here.
            snap_size_limit: kilobytes(r, "zookeeper.snapSizeLimitInKb", 4_194_304)?,
            txn_log_size_limit: kilobytes(r, "zookeeper.txnLogSizeLimitInKb", -1)?,
            force_sync: force_sync(r),
            fsync_warning_threshold: r
                .millis(&["fsync.warningthresholdms", "zookeeper.fsync.warningthresholdms"], 1000)?,
            snapshot_trust_empty: r.flag(&["zookeeper.snapshot.trust.empty"], false),
            snapshot_compression: compression(r),
            force_snapshot_sync: r.flag(&["zookeeper.forceSnapshotSync"], false),
            snapshot_size_factor: r.real(&["zookeeper.snapshotSizeFactor"], 0.33)?,
            digest_enabled: r.flag(&["zookeeper.digest.enabled"], true),
            close_session_txn_enabled: r.flag(&["zookeeper.closeSessionTxn.enabled"], true),
            serialize_last_processed_zxid: r.flag(&["zookeeper.serializeLastProcessedZxid.enabled"], true),
            flush_delay,
            max_write_queue_poll_time: poll,
            max_batch_size: r.count(&["zookeeper.maxBatchSize"], 1000)?,
        })
    }
}

fn directories(r: &mut Reader<'_>) -> Result<(PathBuf, PathBuf), ConfigError> {
    let data_dir = r.text_filled(&["dataDir"]);
    let data_dir = data_dir.ok_or_else(|| ConfigError::general(Problem::NotSet { key: "dataDir" }))?;
    warn_if_relative(r, &data_dir);
    let data_log_dir = r.text_filled(&["dataLogDir"]);
    if let Some(data_log_dir) = &data_log_dir {
        warn_if_relative(r, data_log_dir);
    }
    Ok((data_dir.clone().into(), data_log_dir.unwrap_or(data_dir).into()))
}

/// Repeats ZooKeeper's advice about paths that depend on the working directory.
pub(crate) fn warn_if_relative(r: &mut Reader<'_>, path: &str) {
    if !path.starts_with('/') && !path.starts_with("./") {
        r.notice(Level::Warn, format!("{path} is relative. Prepend ./ to indicate that you're sure!"));
    }
}

/// The one number whose misspelling Java itself talks about, so it keeps its default here too.
fn pre_alloc_size(r: &mut Reader<'_>) -> u64 {
    const DEFAULT_KB: i64 = 65_536;
    let names = &["zookeeper.preAllocSize"];
    let kilobytes = r.long(names).unwrap_or_else(|_| {
        if let Some(setting) = r.setting(names) {
            r.notice_at(
                Level::Warn,
                setting,
                format!("{} is not a valid value for preAllocSize", setting.value),
            );
        }
        None
    });
    u64::try_from(kilobytes.unwrap_or(DEFAULT_KB)).unwrap_or(0).saturating_mul(1024)
}

fn at_least(
    r: &mut Reader<'_>,
    name: &str,
    default: u32,
    least: u32,
    warning: impl Fn(i32) -> String,
) -> Result<u32, ConfigError> {
    let Some(number) = r.int(&[name])? else { return Ok(default) };
    match u32::try_from(number) {
        Ok(count) if count >= least => Ok(count),
        _ => {
            r.notice(Level::Warn, warning(number));
            Ok(least)
        }
    }
}

fn commit_log_count(r: &mut Reader<'_>) -> Result<Option<u32>, ConfigError> {
    let name = "zookeeper.commitLogCount";
    if r.setting(&[name]).is_none() {
        return Ok(None);
    }
    let warning =
        |count| format!("Configured commitLogCount {count} is less than the recommended 500, so it is 500");
    at_least(r, name, 500, 500, warning).map(Some)
}

/// A size given in KB, in bytes; zero and below are off.
fn kilobytes(r: &mut Reader<'_>, name: &str, default: i64) -> Result<Option<u64>, ConfigError> {
    let kilobytes = r.long(&[name])?.unwrap_or(default);
    Ok(u64::try_from(kilobytes).ok().filter(|&size| size > 0).map(|size| size.saturating_mul(1024)))
}

fn force_sync(r: &mut Reader<'_>) -> bool {
    let force = r.text(&["zookeeper.forceSync"]).is_none_or(|value| value != "no");
    if !force {
        r.notice(
            Level::Warn,
            "forceSync=no: acknowledged writes can be lost when the machine, not only the process, fails",
        );
    }
    force
}

fn compression(r: &mut Reader<'_>) -> SnapshotCompression {
    let names = &["zookeeper.snapshot.compression.method"];
    let Some(setting) = r.setting(names) else { return SnapshotCompression::None };
    match setting.value.as_str() {
        "gz" => SnapshotCompression::Gzip,
        "snappy" => SnapshotCompression::Snappy,
        "" => SnapshotCompression::None,
        other => {
            let text = format!("{other} is not a snapshot compression method (gz, snappy); none is used");
            r.notice_at(Level::Warn, setting, text);
            SnapshotCompression::None
        }
    }
}
