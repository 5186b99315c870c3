//! Commands about the server itself: its configuration, files, figures and metrics.

use std::fs;
use std::time::UNIX_EPOCH;

use zoorum_proto::Zxid;
use zoorum_server::replica::{Mode, ProposalSizes};
use zoorum_storage::Entry;
use zoorum_storage::name::snapshots;

use super::commands::Asked;
use super::json::{Fields, Json, fields};
use crate::words::directories::Sizes;
use crate::words::environment::Memory;
use crate::words::gathered::Gathered;
use crate::words::gauges;
use crate::words::mntr::mntr;
use crate::words::numbers::average;
use crate::words::server::mode_name;

/// The version of digests that this server keeps.
const DIGEST_VERSION: i32 = 2;

pub(super) fn configuration(asked: &Asked<'_>) -> Fields {
    let facts = asked.facts();
    let ms = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    fields! {
        "client_port": facts.client_port,
        "data_dir": facts.snapshot_dir.display().to_string(),
        "data_log_dir": facts.log_dir.display().to_string(),
        "tick_time": ms(facts.tick),
        "max_client_cnxns": u64::from(facts.max_client_cnxns),
        "min_session_timeout": ms(facts.session_timeout_min),
        "max_session_timeout": ms(facts.session_timeout_max),
        "server_id": facts.member.as_ref().map_or(0, |member| member.id.0),
        "client_port_listen_backlog": facts.backlog,
    }
}

pub(super) fn dirs(asked: &Asked<'_>) -> Fields {
    let Sizes { snapshots, logs } = Sizes::measure(asked.facts());
    fields! { "datadir_size": snapshots, "logdir_size": logs }
}

pub(super) fn environment(asked: &Asked<'_>) -> Fields {
    let entries = asked.facts().environment.iter().map(|(key, value)| (key.to_owned(), value.into()));
    let memory =
        Memory::now().rows().map(|(key, megabytes)| (key.to_owned(), format!("{megabytes}MB").into()));
    entries.chain(memory).collect()
}

pub(super) fn hash(asked: &Asked<'_>) -> Fields {
    let digests = asked.reporter().replica().map(|replica| replica.counters.digests).unwrap_or_default();
    let digest = |(zxid, digest): &(Zxid, i64)| {
        fields! { "zxid": zxid.0, "digest": *digest, "digest_version": DIGEST_VERSION }
    };
    fields! { "digests": Json::list(digests.iter().map(digest)) }
}

/// The newest snapshot; without one, what Java has for none.
pub(super) fn last_snapshot(asked: &Asked<'_>) -> Fields {
    let files = fs::read_dir(&asked.facts().snapshot_dir).into_iter().flatten().flatten();
    let entries: Vec<Entry> = files.filter_map(|file| entry(&file)).collect();
    let newest = snapshots(&entries).into_iter().next();
    let written_at = newest.as_ref().and_then(|newest| {
        let entry = entries.iter().find(|entry| entry.name == newest.name)?;
        i64::try_from(entry.modified.as_secs()).ok()
    });
    fields! {
        "zxid": format!("{:x}", newest.map_or(-1, |file| file.zxid.0)),
        "timestamp": written_at.unwrap_or(-1),
    }
}

fn entry(file: &fs::DirEntry) -> Option<Entry> {
    let metadata = file.metadata().ok()?;
    let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Entry { name: file.file_name().into_string().ok()?, length: metadata.len(), modified })
}

/// What `mntr` has, without its prefix.
pub(super) fn monitor(asked: &Asked<'_>) -> Fields {
    let facts = asked.facts();
    let text = mntr(&facts.version, &asked.of_all(), &facts.metrics);
    let lines = text.lines().filter_map(|line| line.strip_prefix("zk_")?.split_once('\t'));
    lines.map(|(name, value)| (name.to_owned(), number(value))).collect()
}

fn number(text: &str) -> Json {
    let integer = text.parse::<i64>().map(Json::from);
    integer.or_else(|_| text.parse::<f64>().map(Json::from)).unwrap_or_else(|_| text.into())
}

pub(super) fn server_stats(asked: &Asked<'_>) -> Fields {
    of_server(asked, &asked.of_all())
}

/// The fields that `stats` has, too.
pub(super) fn of_server(asked: &Asked<'_>, gathered: &Gathered) -> Fields {
    let responses = gauges::response_size(gathered);
    let responses = responses.map(|size| [size.last, size.min, size.max].map(|bytes| bytes as usize));
    let mut fields = fields! {
        "version": asked.facts().version.as_str(),
        "read_only": asked.is_read_only(),
        "server_stats": stats(asked, gathered, responses),
        "client_response": sizes(responses),
    };
    if gathered.standing.mode == Mode::Leader {
        let proposals = gathered.standing.proposal_sizes;
        let proposals = proposals.map(|ProposalSizes { last, min, max }| [last, min, max]);
        fields.push(("proposal_stats".to_owned(), sizes(proposals)));
    }
    fields.push(("node_count".to_owned(), gathered.tree.nodes.into()));
    fields
}

fn stats(asked: &Asked<'_>, gathered: &Gathered, responses: Option<[usize; 3]>) -> Fields {
    let latency = gathered.latency();
    let disk = Sizes::measure(asked.facts());
    fields! {
        "packets_sent": gathered.sum(|counters| counters.packets_sent),
        "packets_received": gathered.sum(|counters| counters.packets_received),
        "fsync_threshold_exceed_count": gathered.timings.slow_fsyncs,
        "client_response_stats": sizes(responses),
        "provider_null": false,
        "data_dir_size": disk.snapshots,
        "log_dir_size": disk.logs,
        "last_processed_zxid": gathered.tree.last_zxid.max(gathered.standing.begins_with).0,
        "outstanding_requests": gathered.outstanding(),
        "server_state": mode_name(gathered.standing.mode),
        "avg_latency": average(latency.total_ms, latency.count),
        "max_latency": latency.max_ms,
        "min_latency": latency.min_ms,
        "num_alive_client_connections": gathered.connections().count(),
        "auth_failed_count": gathered.sum(|counters| counters.auth_failed),
        "non_mtlsremote_conn_count": 0,
        "non_mtlslocal_conn_count": 0,
        "uptime": gauges::up_ms(gathered),
    }
}

/// Last, least and most; −1 before the first.
fn sizes(of: Option<[usize; 3]>) -> Json {
    let [last, min, max] =
        of.map_or([Json::from(-1), Json::from(-1), Json::from(-1)], |sizes| sizes.map(Json::from));
    Json::from(fields! { "last_buffer_size": last, "min_buffer_size": min, "max_buffer_size": max })
}
