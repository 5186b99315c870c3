//! The commands by name, and what is answered to each.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use zoorum_server::replica::{Mode, Standing};

use super::json::{Fields, Json, fields};
use super::transfers::Transfer;
use super::{ensemble, figures, sessions};
use crate::reporter::Reporter;
use crate::words::gathered::Gathered;
use crate::words::{Facts, Sources};

/// What a server answers that has no quorum.
pub(super) const NOT_SERVING: &str = "This ZooKeeper instance is not currently serving requests";

/// A command under way.
pub(super) struct Asked<'a> {
    pub(super) sources: &'a Sources,
    pub(super) standing: Standing,
    /// `?name=value`, the first value of each name.
    pub(super) parameters: &'a BTreeMap<String, String>,
}

impl Asked<'_> {
    pub(super) fn facts(&self) -> &Facts {
        &self.sources.facts
    }

    pub(super) fn reporter(&self) -> &Reporter {
        &self.sources.reporter
    }

    /// Whether there is no leader, and clients get reads.
    pub(super) fn is_read_only(&self) -> bool {
        self.standing.mode == Mode::ReadOnly
    }

    /// What the workers tell.
    pub(super) fn of_workers(&self) -> Gathered {
        Gathered::from_workers(self.reporter(), self.standing)
    }

    /// What all threads tell.
    pub(super) fn of_all(&self) -> Gathered {
        Gathered::from_all(self.reporter(), self.standing)
    }
}

/// A command.
struct Command {
    /// The first is what it is called in lists and answers.
    names: &'static [&'static str],
    /// Only a server that serves answers it.
    serves: bool,
    answer: fn(&Asked<'_>) -> Fields,
}

const fn always(names: &'static [&'static str], answer: fn(&Asked<'_>) -> Fields) -> Command {
    Command { names, serves: false, answer }
}

const fn serving(names: &'static [&'static str], answer: fn(&Asked<'_>) -> Fields) -> Command {
    Command { names, serves: true, answer }
}

/// In the order of the names.
const COMMANDS: [Command; 26] = [
    serving(&["configuration", "conf", "config"], figures::configuration),
    serving(&["connection_stat_reset", "crst"], |asked| {
        asked.reporter().reset_connections();
        Fields::new()
    }),
    serving(&["connections", "cons"], sessions::connections),
    serving(&["dirs"], figures::dirs),
    serving(&["dump"], sessions::dump),
    always(&["environment", "env", "envi"], figures::environment),
    always(&["get_trace_mask", "gtmk"], |asked| {
        fields! { "tracemask": asked.sources.trace_mask.load(Ordering::Relaxed) }
    }),
    serving(&["hash"], figures::hash),
    always(&["initial_configuration", "icfg"], |asked| {
        let text = asked.facts().file_text.clone().filter(|_| asked.facts().member.is_none());
        fields! { "initial_configuration": text }
    }),
    serving(&["is_read_only", "isro"], |asked| fields! { "read_only": asked.is_read_only() }),
    serving(&["last_snapshot", "lsnp"], figures::last_snapshot),
    serving(&["leader", "lead"], ensemble::leader),
    serving(&["monitor", "mntr"], figures::monitor),
    serving(&["observer_connection_stat_reset", "orst"], |asked| {
        asked.reporter().reset_observers();
        Fields::new()
    }),
    serving(&["observers", "obsr"], ensemble::observers),
    always(&["ruok"], |_| Fields::new()),
    serving(&["server_stats", "srvr"], figures::server_stats),
    always(&["set_trace_mask", "stmk"], set_trace_mask),
    serving(&["stat_reset", "srst"], |asked| {
        asked.reporter().reset_counters();
        Fields::new()
    }),
    serving(&["stats", "stat"], sessions::stats),
    always(&["system_properties", "sysp"], |asked| {
        let properties = asked.facts().properties.iter();
        properties.map(|(name, value)| (name.clone(), Json::from(value.as_str()))).collect()
    }),
    serving(&["voting_view"], ensemble::voting_view),
    serving(&["watch_summary", "wchs"], sessions::watch_summary),
    serving(&["watches", "wchc"], sessions::watches),
    serving(&["watches_by_path", "wchp"], sessions::watches_by_path),
    serving(&["zabstate"], ensemble::zabstate),
];

/// Every command's first name, sorted.
pub(super) fn names() -> Vec<&'static str> {
    let open = COMMANDS.iter().map(|command| command.names[0]);
    let mut all: Vec<_> = open.chain(Transfer::NAMES.map(|names| names[0])).collect();
    all.sort_unstable();
    all
}

/// Whether clients are served here, if only with reads.
pub(super) fn serves(sources: &Sources) -> bool {
    sources.reporter.shared().standing.lock().mode != Mode::Waiting
}

/// Whether clients are served in full here, alone or in step with a quorum.
pub(super) fn is_ready(sources: &Sources) -> bool {
    !matches!(sources.reporter.shared().standing.lock().mode, Mode::Waiting | Mode::ReadOnly)
}

/// The answer to the command of that name. It may take as long as a thread may take to tell of itself.
pub(super) fn execute(sources: &Sources, name: &str, parameters: &BTreeMap<String, String>) -> Json {
    let Some(command) = COMMANDS.iter().find(|command| command.names.contains(&name)) else {
        return Json::from(fields! { "command": name, "error": format!("Unknown command: {name}") });
    };
    // Looked at once: it may change while the answer is put together.
    let standing = *sources.reporter.shared().standing.lock();
    if command.serves && standing.mode == Mode::Waiting {
        return Json::from(fields! { "command": command.names[0], "error": NOT_SERVING });
    }
    let mut fields = (command.answer)(&Asked { sources, standing, parameters });
    let has_failed = fields.iter().any(|(name, _)| name == "error");
    fields.push(("command".to_owned(), command.names[0].into()));
    if !has_failed {
        fields.push(("error".to_owned(), Json::Null));
    }
    Json::Object(fields)
}

fn set_trace_mask(asked: &Asked<'_>) -> Fields {
    const WANTED: &str = "setTraceMask requires long traceMask argument";
    let Some(text) = asked.parameters.get("traceMask") else {
        return fields! { "error": WANTED };
    };
    let Ok(mask) = text.parse::<i64>() else {
        return fields! { "error": format!("{WANTED}, got {text}") };
    };
    asked.sources.trace_mask.store(mask, Ordering::Relaxed);
    fields! { "tracemask": mask }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_means_one_command_and_the_list_is_sorted() {
        let open = COMMANDS.iter().flat_map(|command| command.names);
        let all: Vec<_> = open.chain(Transfer::NAMES.iter().flatten()).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        let named = |name: &&&str| Transfer::of(name).is_some();
        assert_eq!(all.into_iter().filter(named).count(), Transfer::NAMES.as_flattened().len());
    }
}
