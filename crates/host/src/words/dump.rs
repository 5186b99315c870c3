//! `dump`: sessions, ephemeral znodes and connections, by when they end.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use zoorum_proto::SessionId;
use zoorum_server::replica::{Mode, SessionReport};
use zoorum_server::time::Monotonic;
use zoorum_server::worker::ConnectionReport;

use super::gathered::Gathered;
use super::numbers::java_address;
use crate::logging::dates::java_date;

/// Sessions, ephemeral znodes and connections; `None` if nothing is known of sessions. Those that nobody else knows
/// have a list of their own, if `with_local` there may be any.
pub(super) fn dump(gathered: &Gathered, sessionless_timeout: Duration, with_local: bool) -> Option<String> {
    let mut text = "SessionTracker dump:\n".to_owned();
    let sessions = gathered.replica.as_ref()?.sessions.iter();
    let (local, global): (Vec<_>, Vec<_>) = sessions.partition(|session| session.is_local);
    let with_local = with_local || !local.is_empty();
    if with_local {
        text.push_str("Local ");
        kept_sessions(&mut text, gathered, &local);
    }
    match gathered.standing.mode {
        Mode::Follower | Mode::Observer | Mode::ReadOnly => known_sessions(&mut text, &global),
        Mode::Standalone | Mode::Leader | Mode::Waiting => {
            text.push_str(if with_local { "Global " } else { "" });
            kept_sessions(&mut text, gathered, &global);
        }
    }
    text.push_str("ephemeral nodes dump:\n");
    ephemerals(&mut text, gathered);
    text.push_str("Connections dump:\n");
    connections(&mut text, gathered, sessionless_timeout);
    Some(text)
}

/// Who keeps the time of sessions knows when they end.
fn kept_sessions(text: &mut String, gathered: &Gathered, sessions: &[&SessionReport]) {
    let lines = sessions.iter().map(|report| (report.expires_at, format!("\t{}\n", report.session)));
    sets(text, gathered, "Session", lines);
}

/// Who does not knows of them, and their timeouts.
fn known_sessions(text: &mut String, sessions: &[&SessionReport]) {
    // Strings accept everything.
    let _ = writeln!(text, "Global Sessions({}):", sessions.len());
    for report in sessions {
        let _ = writeln!(text, "{}\t{}ms", report.session, report.timeout.as_millis());
    }
}

fn ephemerals(text: &mut String, gathered: &Gathered) {
    let owners = &gathered.tree.ephemerals_of;
    // Strings accept everything.
    let _ = writeln!(text, "Sessions with Ephemerals ({}):", owners.len());
    for (session, paths) in owners {
        let _ = writeln!(text, "{session}:");
        for path in paths {
            let _ = writeln!(text, "\t{path}");
        }
    }
}

fn connections(text: &mut String, gathered: &Gathered, sessionless_timeout: Duration) {
    let line = |connection: &ConnectionReport| {
        let ends_at = match connection.session {
            SessionId::NONE => connection.opened_at + sessionless_timeout,
            _ => {
                let timeout = u64::try_from(connection.timeout_ms).unwrap_or(0);
                connection.heard_at + Duration::from_millis(timeout)
            }
        };
        let address = java_address(connection.peer);
        let line = format!("\tip: {address} sessionId: {}\n", connection.session);
        (next_look_at(ends_at, sessionless_timeout), line)
    };
    sets(text, gathered, "Connections", gathered.connections().map(line));
}

/// Connections are looked at once in an interval.
fn next_look_at(ends_at: Monotonic, interval: Duration) -> Monotonic {
    let interval = interval.as_millis().max(1);
    let looks = ends_at.0.as_millis() / interval + 1;
    Monotonic(Duration::from_millis(u64::try_from(looks * interval).unwrap_or(u64::MAX)))
}

/// Lines in the sets in which they end, the first to end first.
fn sets(
    text: &mut String,
    gathered: &Gathered,
    of_what: &str,
    lines: impl Iterator<Item = (Monotonic, String)>,
) {
    let mut sets: BTreeMap<Monotonic, Vec<String>> = BTreeMap::new();
    lines.for_each(|(ends_at, line)| sets.entry(ends_at).or_default().push(line));
    let total: usize = sets.values().map(Vec::len).sum();
    // Strings accept everything.
    let _ = writeln!(text, "{of_what} Sets ({})/({total}):", sets.len());
    for (ends_at, lines) in sets {
        let date = java_date(gathered.wall_at(ends_at));
        let _ = writeln!(text, "{} expire at {date}:", lines.len());
        text.extend(lines);
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use zoorum_server::replica::{ReplicaReport, Standing};
    use zoorum_server::worker::WorkerReport;

    use super::super::connections::tests::connection;
    use super::super::gathered::TreeReport;
    use super::*;

    fn seconds(seconds: u64) -> Monotonic {
        Monotonic(Duration::from_secs(seconds))
    }

    #[test]
    fn everything_stands_in_the_set_in_which_it_ends() {
        let session = |id, expires_at| SessionReport {
            session: SessionId(id),
            timeout: Duration::from_secs(6),
            expires_at: seconds(expires_at),
            owner: None,
            is_local: false,
        };
        let sessions = vec![session(1, 8), session(2, 6), session(3, 8)];
        let asking = ConnectionReport { session: SessionId::NONE, ..connection() };
        let connections = vec![ConnectionReport { heard_at: seconds(5), ..connection() }, asking];
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_235_107);
        let gathered = Gathered {
            now: seconds(5),
            wall: Some(wall),
            workers: vec![WorkerReport { connections, ..WorkerReport::default() }],
            replica: Some(ReplicaReport { sessions, ..ReplicaReport::default() }),
            tree: TreeReport {
                ephemerals_of: vec![(SessionId(1), vec!["/a".to_owned(), "/b".to_owned()])],
                ..TreeReport::default()
            },
            ..Gathered::default()
        };
        let date = |seconds| java_date(wall + Duration::from_secs(seconds));
        let expected = format!(
            "SessionTracker dump:\nSession Sets (2)/(3):\n\
             1 expire at {}:\n\t0x2\n2 expire at {}:\n\t0x1\n\t0x3\n\
             ephemeral nodes dump:\nSessions with Ephemerals (1):\n0x1:\n\t/a\n\t/b\n\
             Connections dump:\nConnections Sets (1)/(2):\n2 expire at {}:\n\
             \tip: /127.0.0.1:41262 sessionId: 0x1000023ed060001\n\tip: /127.0.0.1:41262 sessionId: 0x0\n",
            date(1),
            date(3),
            date(15)
        );
        assert_eq!(dump(&gathered, Duration::from_secs(10), false), Some(expected));
        let standing = Standing { mode: Mode::Follower, ..Standing::default() };
        let text =
            dump(&Gathered { standing, ..gathered.clone() }, Duration::from_secs(10), false).expect("a text");
        let known =
            "SessionTracker dump:\nGlobal Sessions(3):\n0x1\t6000ms\n0x2\t6000ms\n0x3\t6000ms\nephemeral";
        assert!(text.starts_with(known), "{text}");
        let mut mixed = gathered.clone();
        let sessions = mixed.replica.as_mut().map(|replica| &mut replica.sessions).expect("a report");
        sessions[1].is_local = true;
        let expiry = date(1);
        let local =
            format!("SessionTracker dump:\nLocal Session Sets (1)/(1):\n1 expire at {expiry}:\n\t0x2\n");
        for (mode, global) in [
            (Mode::Leader, "Global Session Sets (1)/(2):\n2 expire at "),
            (Mode::Follower, "Global Sessions(2):\n0x1\t6000ms\n0x3\t6000ms\nephemeral"),
        ] {
            let standing = Standing { mode, ..Standing::default() };
            let gathered = Gathered { standing, ..mixed.clone() };
            let text = dump(&gathered, Duration::from_secs(10), true).expect("a text");
            assert!(text.starts_with(&format!("{local}{global}")), "{text}");
        }
        assert_eq!(dump(&Gathered { replica: None, ..gathered }, Duration::from_secs(10), false), None);
    }
}
