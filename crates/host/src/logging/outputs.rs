//! Where log lines go: what the operator asked for, in whichever of the ways that ZooKeeper has known.
//!
//! | what | asked for by, the strongest first |
//! | --- | --- |
//! | level of the console | `--log-level`, `ZOO_LOG_LEVEL`, `zookeeper.console.threshold`, `zookeeper.root.logger`, the logging file |
//! | a rolling file | `ROLLINGFILE` in `zookeeper.root.logger`, `ZOO_LOG4J_PROP` or the logging file; `zookeeper.log.file` in zoo.cfg or in `JVMFLAGS` |
//!
//! As an argument `zookeeper.log.file` gives a file its name and does not ask for one: `zkServer.sh` always
//! passes it. The logging file is `logback.xml` or `log4j.properties` beside the configuration; of it nothing
//! is understood but the root's level, `ROLLINGFILE` and the `zookeeper.log` properties.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tracing::Level;
use zoorum_config::{Loaded, Log, LogLevel, Origin, Settings};

use super::level;
use super::rolling::Rolling;

/// Where log lines go, and how many of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outputs {
    /// What the console shows; `None` is nothing.
    pub console: Option<Level>,
    /// What the log file keeps, and which it is.
    pub file: Option<(Level, Rolling)>,
}

/// What a process finds around it.
pub struct Environment<'a> {
    /// The value of an environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The text of a file, if it can be read.
    pub file: &'a dyn Fn(&Path) -> Option<String>,
    /// Where the configuration file lies, and with it the logging file.
    pub config_dir: Option<PathBuf>,
}

impl Outputs {
    /// Finds out. `asked` is the level that the command line asks for.
    pub fn find(loaded: &Loaded, environment: &Environment<'_>, asked: Option<LogLevel>) -> Self {
        let logging_file = LoggingFile::find(environment);
        let log = logging_file.fill_in(&loaded.config.log, &loaded.settings);
        let root_logger = value(&loaded.settings, "zookeeper.root.logger")
            .or_else(|| (environment.variable)("ZOO_LOG4J_PROP"))
            .or_else(|| logging_file.properties.get("zookeeper.root.logger").cloned())
            .unwrap_or_default();
        let mut words = root_logger.split(',').map(str::trim);
        let root_level = words.next().and_then(parse).or(logging_file.root_level);
        let variable = (environment.variable)("ZOO_LOG_LEVEL");
        let configured = value(&loaded.settings, "zookeeper.console.threshold");
        let console = asked
            .or_else(|| parse(variable.as_deref().unwrap_or_default()))
            .or(configured.map(|_| loaded.config.log.console_threshold))
            .or(root_level)
            .unwrap_or(log.console_threshold);
        let wanted =
            words.any(|word| word == ROLLING) || logging_file.rolling || asks_for_file(&loaded.settings);
        let rolling = Rolling {
            path: log.dir.join(&log.file),
            max_size: log.max_file_size,
            backups: log.max_backup_index,
        };
        let file = level(log.threshold).filter(|_| wanted).map(|level| (level, rolling));
        Self { console: level(console), file }
    }
}

/// The name of the appender that writes the log file.
const ROLLING: &str = "ROLLINGFILE";

fn value(settings: &Settings, name: &str) -> Option<String> {
    settings.get(name).map(|setting| setting.value.clone()).filter(|value| !value.is_empty())
}

fn parse(word: &str) -> Option<LogLevel> {
    word.parse().ok()
}

/// Whether the operator, and not a script, names the log file.
fn asks_for_file(settings: &Settings) -> bool {
    settings
        .get("zookeeper.log.file")
        .is_some_and(|setting| matches!(setting.origin, Origin::File { .. } | Origin::Environment(_)))
}

/// What is understood of `logback.xml` or `log4j.properties`.
#[derive(Debug, Default, PartialEq, Eq)]
struct LoggingFile {
    root_level: Option<LogLevel>,
    rolling: bool,
    properties: BTreeMap<String, String>,
}

impl LoggingFile {
    fn find(environment: &Environment<'_>) -> Self {
        let Some(directory) = &environment.config_dir else { return Self::default() };
        if let Some(text) = (environment.file)(&directory.join("logback.xml")) {
            return Self::of_logback(&text);
        }
        let text = (environment.file)(&directory.join("log4j.properties"));
        text.map(|text| Self::of_log4j(&text)).unwrap_or_default()
    }

    fn of_logback(text: &str) -> Self {
        let text = without_comments(text);
        let mut found = Self::default();
        let mut in_root = false;
        for tag in text.split('<').skip(1) {
            let tag = tag.split('>').next().unwrap_or_default();
            match tag.split_whitespace().next().unwrap_or_default() {
                "property" => {
                    if let (Some(name), Some(value)) = (attribute(tag, "name"), attribute(tag, "value")) {
                        found.properties.insert(name.to_owned(), value.to_owned());
                    }
                }
                "root" => {
                    in_root = true;
                    found.root_level = attribute(tag, "level").and_then(parse);
                }
                "/root" => in_root = false,
                "appender-ref" if in_root => found.rolling |= attribute(tag, "ref") == Some(ROLLING),
                _ => {}
            }
        }
        found
    }

    fn of_log4j(text: &str) -> Self {
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', '!']));
        let pairs = lines.filter_map(|line| line.split_once('='));
        let properties: BTreeMap<_, _> =
            pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())).collect();
        // The root logger usually refers to zookeeper.root.logger, which is looked at anyway.
        let root = properties.get("log4j.rootLogger").map(String::as_str).unwrap_or_default();
        let mut words = root.split(',').map(str::trim);
        let root_level = words.next().and_then(parse);
        let rolling = words.any(|word| word == ROLLING);
        Self { root_level, rolling, properties }
    }

    /// The log as configured, with what this file says where nothing stronger does.
    fn fill_in(&self, log: &Log, settings: &Settings) -> Log {
        let mut log = log.clone();
        let ours = |name: &str| {
            let value = self.properties.get(name).filter(|value| !value.contains("${"));
            value.filter(|_| settings.get(name).is_none())
        };
        if let Some(level) = ours("zookeeper.console.threshold").and_then(|word| parse(word)) {
            log.console_threshold = level;
        }
        if let Some(level) = ours("zookeeper.log.threshold").and_then(|word| parse(word)) {
            log.threshold = level;
        }
        if let Some(directory) = ours("zookeeper.log.dir") {
            log.dir = directory.into();
        }
        if let Some(file) = ours("zookeeper.log.file") {
            log.file = file.clone();
        }
        if let Some(count) = ours("zookeeper.log.maxbackupindex").and_then(|count| count.parse().ok()) {
            log.max_backup_index = count;
        }
        if let Some(size) = ours("zookeeper.log.maxfilesize").and_then(|size| file_size(size)) {
            log.max_file_size = size;
        }
        log
    }
}

/// A size as logging libraries write it: digits, then perhaps KB, MB or GB.
fn file_size(text: &str) -> Option<u64> {
    let upper = text.trim().to_ascii_uppercase();
    let units = [("KB", 10), ("MB", 20), ("GB", 30)];
    let with_unit = units.iter().find_map(|&(unit, shift)| Some((upper.strip_suffix(unit)?, shift)));
    let (digits, shift) = with_unit.unwrap_or((&upper, 0));
    digits.trim().parse::<u64>().ok()?.checked_mul(1 << shift)
}

fn without_comments(text: &str) -> String {
    let mut parts = text.split("<!--");
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        kept.push_str(part.split_once("-->").map_or("", |(_, after)| after));
    }
    kept
}

fn attribute<'t>(tag: &'t str, name: &str) -> Option<&'t str> {
    let (_, after) = tag.split_once(&format!("{name}="))?;
    let quote = after.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    after[1..].split(quote).next()
}

#[cfg(test)]
mod tests {
    use zoorum_config::{Sources, Start, load};

    use super::*;

    const LOGBACK: &str = r#"
        <configuration>
          <property name="zookeeper.log.file" value="from-logback.log" />
          <property name="zookeeper.log.maxfilesize" value="10MB" />
          <root level="WARN">
            <appender-ref ref="CONSOLE" />
            <!-- <appender-ref ref="ROLLINGFILE" /> -->
          </root>
        </configuration>"#;

    /// What is found with these flags, variables and files.
    fn outputs(flags: &str, variables: &[(&str, &str)], files: &[(&str, &str)]) -> Outputs {
        let variable = |name: &str| variables.iter().find(|row| row.0 == name).map(|row| row.1.to_owned());
        let file =
            |path: &Path| files.iter().find(|row| Path::new(row.0) == path).map(|row| row.1.to_owned());
        let start = Start::BuiltIn { data_dir: "/data".into() };
        let arguments = flags.split_whitespace().map(str::to_owned);
        let sources = Sources::of_process(arguments, variable, start).expect("flags");
        let missing = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
        let loaded = load(&sources, missing).expect("a configuration");
        let environment =
            Environment { variable: &variable, file: &file, config_dir: Some(PathBuf::from("/conf")) };
        Outputs::find(&loaded, &environment, None)
    }

    fn name(outputs: &Outputs) -> Option<&str> {
        outputs.file.as_ref().and_then(|(_, rolling)| rolling.path.to_str())
    }

    #[test]
    fn the_console_has_the_level_that_was_asked_for_most_strongly() {
        let rows = [
            ("", vec![], vec![], Some(Level::INFO)),
            ("-Dzookeeper.console.threshold=ERROR", vec![], vec![], Some(Level::ERROR)),
            (
                "-Dzookeeper.console.threshold=ERROR",
                vec![("ZOO_LOG_LEVEL", "debug")],
                vec![],
                Some(Level::DEBUG),
            ),
            ("", vec![("ZOO_LOG4J_PROP", "WARN,CONSOLE")], vec![], Some(Level::WARN)),
            ("-Dzookeeper.root.logger=OFF", vec![], vec![], None),
            ("", vec![], vec![("/conf/logback.xml", LOGBACK)], Some(Level::WARN)),
            (
                "-Dzookeeper.console.threshold=TRACE",
                vec![],
                vec![("/conf/logback.xml", LOGBACK)],
                Some(Level::TRACE),
            ),
        ];
        for (flags, variables, files, level) in rows {
            assert_eq!(outputs(flags, &variables, &files).console, level, "{flags} {variables:?}");
        }
    }

    #[test]
    fn a_file_is_written_only_for_who_asks_for_one() {
        let active = LOGBACK.replace("<!--", "").replace("-->", "");
        let log4j = "zookeeper.root.logger=INFO, CONSOLE, ROLLINGFILE\nzookeeper.log.dir=/var/log";
        let script = "-Dzookeeper.log.dir=/logs -Dzookeeper.log.file=script.log";
        let rolling = [("ZOO_LOG4J_PROP", "INFO,ROLLINGFILE")];
        let flags = [("JVMFLAGS", "-Dzookeeper.log.dir=/l -Dzookeeper.log.file=flags.log")];
        let rows = [
            ("", &[][..], vec![], None),
            (script, &[], vec![], None),
            (script, &[], vec![("/conf/logback.xml", LOGBACK)], None),
            (script, &[], vec![("/conf/logback.xml", &*active)], Some("/logs/script.log")),
            ("", &[], vec![("/conf/logback.xml", &*active)], Some("./from-logback.log")),
            ("", &[], vec![("/conf/log4j.properties", log4j)], Some("/var/log/zookeeper.log")),
            (script, &rolling, vec![], Some("/logs/script.log")),
            ("", &flags, vec![], Some("/l/flags.log")),
        ];
        for (flags, variables, files, expected) in rows {
            let outputs = outputs(flags, variables, &files);
            assert_eq!(name(&outputs), expected, "{flags} {variables:?} {files:?}");
        }
        let sized = outputs("", &[], &[("/conf/logback.xml", &active)]).file.expect("a file");
        assert_eq!((sized.1.max_size, sized.1.backups), (10 << 20, 20));
    }
}
