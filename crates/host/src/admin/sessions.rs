//! Commands about clients: connections, sessions and their ephemeral znodes, watches.

use std::collections::{BTreeMap, BTreeSet};

use zoorum_proto::SessionId;
use zoorum_server::replica::Mode;
use zoorum_server::worker::ConnectionReport;

use super::commands::Asked;
use super::figures;
use super::json::{Fields, Json, fields};
use crate::words::connections::{Activity, op_text};
use crate::words::gathered::Gathered;
use crate::words::numbers::java_address;
use crate::words::watches::watches_of;

pub(super) fn connections(asked: &Asked<'_>) -> Fields {
    let gathered = asked.of_workers();
    let all = gathered.connections().map(|connection| full(&gathered, connection));
    fields! { "connections": Json::list(all), "secure_connections": Json::List(Vec::new()) }
}

pub(super) fn stats(asked: &Asked<'_>) -> Fields {
    let gathered = asked.of_all();
    let mut fields = figures::of_server(asked, &gathered);
    let connections = Json::list(gathered.connections().map(brief));
    fields.extend(fields! { "connections": connections, "secure_connections": Json::List(Vec::new()) });
    fields
}

fn brief(connection: &ConnectionReport) -> Fields {
    fields! {
        "remote_socket_address": java_address(connection.peer).trim_start_matches('/'),
        "interest_ops": i32::from(connection.open),
        "outstanding_requests": connection.queued,
        "packets_received": connection.received,
        "packets_sent": connection.sent,
    }
}

fn full(gathered: &Gathered, connection: &ConnectionReport) -> Fields {
    let mut fields = brief(connection);
    if connection.session == SessionId::NONE {
        return fields;
    }
    let activity = Activity::of(gathered, connection);
    let latency = &connection.latency;
    fields.extend(fields! {
        "session_id": connection.session.0,
        "last_operation": activity.op.map_or(activity.without_op, op_text),
        "established": activity.established_ms,
        "session_timeout": connection.timeout_ms,
        "last_cxid": activity.xid.map_or(-1, |xid| xid.0),
        "last_zxid": activity.zxid.0,
        "last_response_time": activity.answered_ms,
        "last_latency": activity.latency_ms,
        "min_latency": latency.min_ms,
        "avg_latency": latency.total_ms.checked_div(latency.count).unwrap_or(0),
        "max_latency": latency.max_ms,
    });
    fields
}

/// Only who keeps the time of sessions knows when they end.
pub(super) fn dump(asked: &Asked<'_>) -> Fields {
    let gathered = Gathered::with_ephemerals(asked.reporter(), asked.standing);
    let keeps_time = matches!(asked.standing.mode, Mode::Standalone | Mode::Leader);
    let mut ends: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
    for session in gathered.replica.iter().filter(|_| keeps_time).flat_map(|replica| &replica.sessions) {
        let at = u64::try_from(session.expires_at.0.as_millis()).unwrap_or(u64::MAX);
        ends.entry(at).or_default().push(session.session.0);
    }
    let ends: Fields = ends.into_iter().map(|(at, ids)| (at.to_string(), Json::list(ids))).collect();
    let ephemerals = gathered.tree.ephemerals_of.into_iter();
    let ephemerals: Fields =
        ephemerals.map(|(session, paths)| (session.0.to_string(), Json::list(paths))).collect();
    fields! { "expiry_time_to_session_ids": ends, "session_id_to_ephemeral_paths": ephemerals }
}

pub(super) fn watch_summary(asked: &Asked<'_>) -> Fields {
    let reports = asked.reporter().watches();
    let sessions: BTreeSet<SessionId> = watches_of(&reports).map(|(session, _)| session).collect();
    let paths: BTreeSet<&str> = watches_of(&reports).map(|(_, path)| path).collect();
    fields! {
        "num_connections": sessions.len(),
        "num_paths": paths.len(),
        "num_total_watches": watches_of(&reports).count(),
    }
}

pub(super) fn watches(asked: &Asked<'_>) -> Fields {
    let reports = asked.reporter().watches();
    let pairs = watches_of(&reports).map(|(session, path)| (session.0.to_string(), path.to_owned()));
    fields! { "session_id_to_watched_paths": lists(pairs) }
}

pub(super) fn watches_by_path(asked: &Asked<'_>) -> Fields {
    let reports = asked.reporter().watches();
    let pairs = watches_of(&reports).map(|(session, path)| (path.to_owned(), session.0));
    fields! { "path_to_session_ids": lists(pairs) }
}

fn lists<T: Ord + Into<Json>>(pairs: impl Iterator<Item = (String, T)>) -> Fields {
    let mut lists: BTreeMap<String, BTreeSet<T>> = BTreeMap::new();
    for (key, value) in pairs {
        lists.entry(key).or_default().insert(value);
    }
    lists.into_iter().map(|(key, values)| (key, Json::list(values))).collect()
}
