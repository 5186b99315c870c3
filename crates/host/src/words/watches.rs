//! `wchs`, `wchc` and `wchp`: who watches what. Only watches on data are told of, those of `exists` included.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Write as _};

use zoorum_proto::SessionId;
use zoorum_server::worker::WatchReport;

/// How many.
pub(super) fn wchs(workers: &[WatchReport]) -> String {
    let connections: BTreeSet<SessionId> = watches_of(workers).map(|(session, _)| session).collect();
    let paths: BTreeSet<&str> = watches_of(workers).map(|(_, path)| path).collect();
    format!(
        "{} connections watching {} paths\nTotal watches:{}\n",
        connections.len(),
        paths.len(),
        watches_of(workers).count()
    )
}

/// By session.
pub(super) fn wchc(workers: &[WatchReport]) -> String {
    lists(watches_of(workers))
}

/// By path.
pub(super) fn wchp(workers: &[WatchReport]) -> String {
    lists(watches_of(workers).map(|(session, path)| (path, session)))
}

/// Who watches what.
pub(crate) fn watches_of(workers: &[WatchReport]) -> impl Iterator<Item = (SessionId, &str)> {
    workers.iter().flat_map(|worker| &worker.data).map(|(session, path)| (*session, path.as_str()))
}

fn lists<K: Ord + Display, V: Ord + Display>(pairs: impl Iterator<Item = (K, V)>) -> String {
    let mut lists: BTreeMap<K, BTreeSet<V>> = BTreeMap::new();
    for (key, value) in pairs {
        lists.entry(key).or_default().insert(value);
    }
    let mut text = String::new();
    for (key, values) in lists {
        // Strings accept everything.
        let _ = writeln!(text, "{key}");
        for value in values {
            let _ = writeln!(text, "\t{value}");
        }
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watches_of_all_workers_stand_in_one_list() {
        let watch = |session, path: &str| (SessionId(session), path.to_owned());
        let workers = [
            WatchReport { data: vec![watch(1, "/app"), watch(1, "/nope")], total: 3 },
            WatchReport { data: vec![watch(2, "/app")], total: 1 },
            WatchReport::default(),
        ];
        assert_eq!(wchs(&workers), "2 connections watching 2 paths\nTotal watches:3\n");
        assert_eq!(wchc(&workers), "0x1\n\t/app\n\t/nope\n0x2\n\t/app\n\n");
        assert_eq!(wchp(&workers), "/app\n\t0x1\n\t0x2\n/nope\n\t0x1\n\n");
        assert_eq!(wchc(&[]), "\n");
    }
}
