//! The settings: everything that is wrong with them, not only the first thing.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use zoorum_config::{ConfigError, Level, Loaded, Mode, Notice, Origin, Problem, Sources, Start, load};

use super::finding::{Area, Report};
use super::remedies;

/// More wrong lines than this are not looked for.
const ERRORS_MAX: usize = 100;

/// What is said of every server that is meant to run alone.
const STANDALONE: &str = "Either no config or no quorum defined in config, running in standalone mode";

/// Reads the settings and tells what is wrong. What is left of them when the wrong lines are taken out, if anything.
///
/// Reading stops at the first wrong line. So that line is taken out, in memory, and the rest is read again, until
/// nothing wrong is left in it.
pub(super) fn check(sources: &Sources, report: &mut Report) -> Option<Loaded> {
    let without = Without::default();
    let mut errors = Vec::<ConfigError>::new();
    let mut lost_a_member = false;
    let loaded = loop {
        let error = match load(sources, |path| without.read(path)) {
            Ok(loaded) => break Some(loaded),
            Err(_) if without.members.get() => break None,
            Err(error) => error,
        };
        // Without the line of a member the rest may well make no sense.
        let follows = lost_a_member && line_of(&error).is_none();
        if follows || errors.len() == ERRORS_MAX || !without.leave_out(&error, sources) {
            // As a server alone it may still tell where its files are.
            without.members.set(true);
        }
        lost_a_member |= matches!(error.problem, Problem::Membership(_));
        if !follows {
            errors.push(error);
        }
    };
    for error in &errors {
        let remedy = remedies::of_problem(&error.problem);
        report.add(Area::Configuration).of_setting(error).error(error.to_string(), remedy);
    }
    let loaded = loaded?;
    if without.members.get() {
        // As a whole it is not what was meant, but its lines are.
        let of_lines =
            loaded.notices.iter().filter(|notice| matches!(notice.origin, Some(Origin::File { .. })));
        of_lines.for_each(|notice| tell(notice, report));
        return Some(loaded);
    }
    loaded.notices.iter().for_each(|notice| tell(notice, report));
    for unhonoured in zoorum_host::unhonoured(&loaded.config) {
        report.add(Area::Configuration).warning(unhonoured, "do not rely on it; remove the setting");
    }
    if errors.is_empty() {
        report.add(Area::Configuration).ok(in_short(sources, &loaded));
    }
    Some(loaded)
}

fn tell(notice: &Notice, report: &mut Report) {
    let finding = report.add(Area::Configuration).at(notice.origin.as_ref());
    match notice.level {
        Level::Info => {}
        Level::Warn if notice.text == STANDALONE => {}
        Level::Warn | Level::Error => finding.warning(notice.to_string(), remedies::of_notice(&notice.text)),
    }
}

fn in_short(sources: &Sources, loaded: &Loaded) -> String {
    let source = match &sources.start {
        Start::File(path) => path.display().to_string(),
        Start::Positional(_) => "the arguments".to_owned(),
        Start::BuiltIn { .. } => "no configuration".to_owned(),
    };
    let config = &loaded.config;
    let clients = match &config.network.client_address {
        Some(address) => format!("clients at {address}"),
        None => "no port for clients without TLS".to_owned(),
    };
    let place = match (config.mode(), &config.membership, config.server_id) {
        (Mode::Distributed, Some(membership), Some(id)) => {
            format!("server {id} of {}, {}", membership.members.len(), config.role())
        }
        _ => "a server alone".to_owned(),
    };
    format!("{source}: {place}, {clients}")
}

fn line_of(error: &ConfigError) -> Option<(&Path, u32)> {
    match &error.origin {
        Some(Origin::File { path, line }) => Some((path, *line)),
        _ => None,
    }
}

/// The files, but for some lines.
#[derive(Default)]
struct Without {
    lines: RefCell<BTreeMap<PathBuf, Vec<u32>>>,
    added: RefCell<BTreeMap<PathBuf, String>>,
    /// Whether nothing that speaks of an ensemble is left.
    members: Cell<bool>,
}

impl Without {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut text = std::fs::read(path)?;
        for line in self.lines.borrow().get(path).into_iter().flatten() {
            blank(&mut text, *line);
        }
        if self.members.get() {
            of_members(&text).into_iter().for_each(|line| blank(&mut text, line));
        }
        if let Some(added) = self.added.borrow().get(path) {
            text.extend_from_slice(added.as_bytes());
        }
        Ok(text)
    }

    /// Makes sure that an error does not come again; `false` if nothing can be done.
    fn leave_out(&self, error: &ConfigError, sources: &Sources) -> bool {
        if let Some((path, line)) = line_of(error) {
            // The only line of its file: without it there is another error, and no news.
            if path.file_name().is_some_and(|name| name == "myid") {
                return false;
            }
            self.lines.borrow_mut().entry(path.to_path_buf()).or_default().push(line);
            return true;
        }
        if let (Some(keys), Start::File(path)) = (at_odds(&error.problem), &sources.start) {
            let lines = lines_with(&std::fs::read(path).unwrap_or_default(), keys);
            let found = !lines.is_empty();
            self.lines.borrow_mut().entry(path.clone()).or_default().extend(lines);
            return found;
        }
        // A limit that is missing stands in nobody's way if there is one.
        match (&error.problem, &sources.start) {
            (Problem::NotSet { key: key @ ("initLimit" | "syncLimit") }, Start::File(path)) => {
                self.added.borrow_mut().entry(path.clone()).or_default().push_str(&format!("\n{key}=5\n"));
                true
            }
            _ => false,
        }
    }
}

/// The keys whose lines do not go together.
fn at_odds(problem: &Problem) -> Option<&'static [&'static str]> {
    match problem {
        Problem::MinAboveMax => Some(&["minSessionTimeout", "maxSessionTimeout"]),
        Problem::ClientAddressDiffers { .. } => Some(&["clientPort", "clientPortAddress"]),
        Problem::AddressWithoutPort { key: "clientPortAddress", .. } => Some(&["clientPortAddress"]),
        Problem::AddressWithoutPort { .. } => Some(&["secureClientPortAddress"]),
        _ => None,
    }
}

/// The numbers of the lines that set one of these keys.
fn lines_with(text: &[u8], keys: &[&str]) -> Vec<u32> {
    let sets = |row: &[u8], key: &str| {
        let behind = row.trim_ascii_start().strip_prefix(key.as_bytes()).and_then(<[u8]>::first);
        behind.is_some_and(|byte| byte.is_ascii_whitespace() || matches!(byte, b'=' | b':'))
    };
    let rows = text.split(|byte| *byte == b'\n').zip(1..);
    rows.filter(|(row, _)| keys.iter().any(|key| sets(row, key))).map(|(_, line)| line).collect()
}

/// The numbers of the lines that say who is in the ensemble.
fn of_members(text: &[u8]) -> Vec<u32> {
    let words: [&[u8]; 4] = [b"server.", b"group", b"weight", b"dynamicConfigFile"];
    let is_member = |row: &[u8]| words.iter().any(|word| row.trim_ascii_start().starts_with(word));
    let rows = text.split(|byte| *byte == b'\n').zip(1..);
    rows.filter(|(row, _)| is_member(row)).map(|(_, line)| line).collect()
}

/// Makes a comment of a line and of those that continue it; other lines keep their numbers.
fn blank(text: &mut [u8], line: u32) {
    let mut goes_on = false;
    for (at, row) in (1..).zip(text.split_inclusive_mut(|byte| *byte == b'\n')) {
        if at == line || goes_on {
            let content =
                row.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |last| last + 1);
            let backslashes = row[..content].iter().rev().take_while(|byte| **byte == b'\\').count();
            goes_on = backslashes % 2 == 1;
            row[..content].fill(b'#');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::finding::Severity;

    fn found(text: &str, myid: &str) -> Vec<(Severity, Option<u32>, Option<String>)> {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("zoo.cfg");
        let text = text.replace("DIR", &directory.path().display().to_string());
        std::fs::write(&file, text).expect("write");
        std::fs::write(directory.path().join("myid"), myid).expect("write");
        let sources = Sources { start: Start::File(file), flags: Vec::new() };
        let mut report = Report::default();
        check(&sources, &mut report);
        let tell = |finding: crate::check::finding::Finding| (finding.severity, finding.line, finding.key);
        report.findings.into_iter().filter(|finding| finding.severity > Severity::Ok).map(tell).collect()
    }

    #[test]
    fn every_wrong_line_is_told_with_its_number_and_key() {
        let text = "dataDir=DIR\ntickTime=abc\nclientPort=70000\nmaxClientCnxns=1,\\\n   2\nnoSuchKey=1\nsnapCount=x\n";
        let mut found = found(text, "1");
        found.sort_by_key(|(_, line, _)| *line);
        let error = |line, key: &str| (Severity::Error, Some(line), Some(key.to_owned()));
        let expected = [
            error(2, "tickTime"),
            error(3, "clientPort"),
            error(4, "maxClientCnxns"),
            (Severity::Warning, Some(6), None),
            error(7, "snapCount"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_missing_is_told_at_once() {
        let members = "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\n";
        let errors = found(&format!("dataDir=DIR\n{members}"), "1");
        assert_eq!(errors.len(), 2, "initLimit and syncLimit: {errors:?}");
    }

    #[test]
    fn what_is_at_odds_hides_nothing_behind_it() {
        let text = "dataDir=DIR\nmaxSessionTimeout=1\nclientPortAddress=127.0.0.1\nsnapCount=x\n";
        let errors = found(text, "1");
        let lines: Vec<_> = errors.iter().map(|(_, line, _)| *line).collect();
        assert_eq!(errors.len(), 3, "{errors:?}");
        assert!(lines.contains(&Some(4)), "{errors:?}");
    }

    #[test]
    fn a_wrong_member_is_not_blamed_twice() {
        let members = "initLimit=5\nsyncLimit=5\nserver.1=a:1:1\nserver.2=b:1:2:observer\n";
        let errors = found(&format!("dataDir=DIR\n{members}"), "1");
        assert_eq!(errors, [(Severity::Error, Some(4), Some("server.1".to_owned()))]);
    }
}
