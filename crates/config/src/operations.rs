//! What operators look at and clean up with: four letter words, admin server, metrics, logs, purging.

use crate::error::{ConfigError, Problem};
use crate::reader::{Level, Reader};
use crate::settings::Settings;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

/// Which four letter words are answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whitelist {
    /// `*`: every one.
    All,
    /// These, with `srvr` always among them.
    Only(BTreeSet<String>),
}

/// Four letter words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FourLetterWords {
    /// `4lw.commands.whitelist`: `srvr` alone unless set.
    pub whitelist: Whitelist,
}

impl FourLetterWords {
    pub(crate) fn read(r: &mut Reader<'_>, read_only_mode: bool) -> Self {
        let listed = r.list(&["zookeeper.4lw.commands.whitelist"]).unwrap_or_default();
        if listed.iter().any(|word| word == "*") {
            return Self { whitelist: Whitelist::All };
        }
        let mut words: BTreeSet<String> = listed.into_iter().collect();
        words.insert("srvr".to_owned());
        // Clients look for a read-write server with it.
        if read_only_mode {
            words.insert("isro".to_owned());
        }
        Self { whitelist: Whitelist::Only(words) }
    }

    /// Whether `word` may be answered.
    pub fn allows(&self, word: &str) -> bool {
        match &self.whitelist {
            Whitelist::All => true,
            Whitelist::Only(words) => words.contains(word),
        }
    }
}

/// Removal of old snapshots and logs while the server runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purge {
    /// `autopurge.snapRetainCount`: snapshots kept, 3 and never fewer.
    pub snap_retain_count: u32,
    /// `autopurge.purgeInterval`: given in hours; `None`, the default, is off.
    pub interval: Option<Duration>,
}

impl Purge {
    const RETAIN_LEAST: u32 = 3;

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ConfigError> {
        let retain = r.int(&["autopurge.snapRetainCount"])?.unwrap_or(3);
        let snap_retain_count = match u32::try_from(retain) {
            Ok(count) if count >= Self::RETAIN_LEAST => count,
            _ => {
                r.notice(
                    Level::Warn,
                    format!("Invalid autopurge.snapRetainCount: {retain}. Defaulting to 3"),
                );
                Self::RETAIN_LEAST
            }
        };
        let hours = r.int(&["autopurge.purgeInterval"])?.unwrap_or(0);
        let interval = u64::try_from(hours).ok().filter(|&hours| hours > 0);
        if interval.is_none() {
            r.notice(Level::Info, "Purge task is not scheduled.");
        }
        Ok(Self { snap_retain_count, interval: interval.map(|hours| Duration::from_secs(hours * 3600)) })
    }
}

/// The admin server's HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// `admin.enableServer`: true unless `false`.
    pub enable_server: bool,
    /// `admin.serverAddress`, 0.0.0.0.
    pub server_address: String,
    /// `admin.serverPort`, 8080; 0 is any free port.
    pub server_port: u16,
    /// `admin.idleTimeout`: a silent connection is closed, 30 s.
    pub idle_timeout: Duration,
    /// `admin.commandURL`: before every command's name, `/commands`.
    pub command_url: String,
    /// `admin.portUnification`: TLS and plaintext on the port, false.
    pub port_unification: bool,
    /// `admin.forceHttps`: TLS only, false.
    pub force_https: bool,
    /// `admin.needClientAuth`: a certificate is required, false.
    pub need_client_auth: bool,
    /// `admin.rateLimiterIntervalInMS`: between two snapshots or restores, 5 min.
    pub rate_limiter_interval: Duration,
    /// `admin.snapshot.enabled`, true.
    pub snapshot_enabled: bool,
    /// `admin.restore.enabled`, true.
    pub restore_enabled: bool,
}

impl Admin {
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ConfigError> {
        let enabled = r.text(&["zookeeper.admin.enableServer"]);
        let port_names = &["zookeeper.admin.serverPort"];
        let port = r.int(port_names)?.unwrap_or(8080);
        let server_port = u16::try_from(port).map_err(|_| {
            r.wrong(port_names, Problem::PortOutOfRange { port: port.into() }, "a port up to 65535")
        })?;
        let address = r.text_filled(&["zookeeper.admin.serverAddress"]);
        let command_url = r.text_filled(&["zookeeper.admin.commandURL"]);
        Ok(Self {
            enable_server: enabled.is_none_or(|value| value != "false"),
            server_address: address.unwrap_or_else(|| "0.0.0.0".to_owned()),
            server_port,
            idle_timeout: r.millis(&["zookeeper.admin.idleTimeout"], 30_000)?,
            command_url: command_url.unwrap_or_else(|| "/commands".to_owned()),
            port_unification: r.flag(&["zookeeper.admin.portUnification"], false),
            force_https: r.flag(&["zookeeper.admin.forceHttps"], false),
            need_client_auth: r.flag(&["zookeeper.admin.needClientAuth"], false),
            rate_limiter_interval: r.millis(&["zookeeper.admin.rateLimiterIntervalInMS"], 300_000)?,
            snapshot_enabled: r.flag(&["zookeeper.admin.snapshot.enabled"], true),
            restore_enabled: r.flag(&["zookeeper.admin.restore.enabled"], true),
        })
    }
}

/// Where metrics go besides `mntr`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// `metricsProvider.className`.
    pub provider: MetricsProvider,
    /// The other `metricsProvider.…` keys, without that prefix.
    pub parameters: BTreeMap<String, String>,
}

/// The known classes of `metricsProvider.className`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetricsProvider {
    /// `DefaultMetricsProvider`: `mntr` and the admin server's `monitor`.
    Default,
    /// `NullMetricsProvider`: nothing is counted.
    Null,
    /// `PrometheusMetricsProvider`: an HTTP exporter.
    Prometheus {
        /// `httpHost`, 0.0.0.0.
        http_host: String,
        /// `httpPort`, 7000.
        http_port: u16,
        /// `exportJvmInfo`: metrics of the process too, true.
        export_jvm_info: bool,
    },
}

impl Metrics {
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ConfigError> {
        const PREFIX: &str = "metricsProvider.";
        const CLASS: &str = "metricsProvider.className";
        let settings: &Settings = r.settings();
        let mut parameters = BTreeMap::new();
        for setting in settings.explicit().filter(|setting| setting.name != CLASS) {
            if let Some(name) = setting.name.strip_prefix(PREFIX) {
                r.ask(&setting.name);
                parameters.insert(name.to_owned(), setting.value.clone());
            }
        }
        let provider = match r.text_filled(&[CLASS]).as_deref() {
            None | Some("org.apache.zookeeper.metrics.impl.DefaultMetricsProvider") => {
                MetricsProvider::Default
            }
            Some("org.apache.zookeeper.metrics.impl.NullMetricsProvider") => MetricsProvider::Null,
            Some("org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider") => prometheus(r)?,
            Some(_) => {
                const EXPECTED: &str = "org.apache.zookeeper.metrics.impl.DefaultMetricsProvider, \
                                        ….impl.NullMetricsProvider or ….prometheus.PrometheusMetricsProvider";
                return Err(r.wrong(&[CLASS], Problem::MetricsProvider, EXPECTED));
            }
        };
        Ok(Self { provider, parameters })
    }
}

fn prometheus(r: &mut Reader<'_>) -> Result<MetricsProvider, ConfigError> {
    let host = r.text_filled(&["metricsProvider.httpHost"]);
    Ok(MetricsProvider::Prometheus {
        http_host: host.unwrap_or_else(|| "0.0.0.0".to_owned()),
        http_port: r.port("metricsProvider.httpPort")?.unwrap_or(7000),
        export_jvm_info: r.flag(&["metricsProvider.exportJvmInfo"], true),
    })
}

/// The audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// `audit.enable`: write who changed what, false.
    pub enabled: bool,
}

impl Audit {
    pub(crate) fn read(r: &mut Reader<'_>) -> Self {
        Self { enabled: r.flag(&["zookeeper.audit.enable"], false) }
    }
}

/// The application log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// `zookeeper.console.threshold`: what the console shows, info.
    pub console_threshold: LogLevel,
    /// `zookeeper.log.dir`: where log files go, `.`.
    pub dir: PathBuf,
    /// `zookeeper.log.file`: the name of the log file, `zookeeper.log`.
    pub file: String,
    /// `zookeeper.log.threshold`: what the log file keeps, info.
    pub threshold: LogLevel,
    /// `zookeeper.log.maxfilesize`: bytes after which it is rolled, 256 MB.
    pub max_file_size: u64,
    /// `zookeeper.log.maxbackupindex`: rolled files kept, 20.
    pub max_backup_index: u32,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each variant is the configured word")]
pub enum LogLevel {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Log {
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ConfigError> {
        let dir = r.text_filled(&["zookeeper.log.dir"]);
        let file = r.text_filled(&["zookeeper.log.file"]);
        Ok(Self {
            console_threshold: log_level(r, "zookeeper.console.threshold")?,
            dir: dir.unwrap_or_else(|| ".".to_owned()).into(),
            file: file.unwrap_or_else(|| "zookeeper.log".to_owned()),
            threshold: log_level(r, "zookeeper.log.threshold")?,
            max_file_size: file_size(r, "zookeeper.log.maxfilesize", 256 << 20)?,
            max_backup_index: r.count(&["zookeeper.log.maxbackupindex"], 20)?,
        })
    }
}

fn log_level(r: &mut Reader<'_>, name: &str) -> Result<LogLevel, ConfigError> {
    let Some(value) = r.text_filled(&[name]) else { return Ok(LogLevel::Info) };
    value.parse().map_err(|problem| r.wrong(&[name], problem, "OFF, ERROR, WARN, INFO, DEBUG or TRACE"))
}

impl std::str::FromStr for LogLevel {
    type Err = Problem;

    fn from_str(word: &str) -> Result<Self, Problem> {
        Ok(match word.to_ascii_uppercase().as_str() {
            "OFF" => Self::Off,
            "ERROR" | "FATAL" => Self::Error,
            "WARN" | "WARNING" => Self::Warn,
            "INFO" => Self::Info,
            "DEBUG" => Self::Debug,
            "TRACE" | "ALL" => Self::Trace,
            _ => return Err(Problem::NotRecognised { value: word.to_owned() }),
        })
    }
}

/// A size as logging libraries write it: digits, then perhaps KB, MB or GB.
fn file_size(r: &mut Reader<'_>, name: &str, default: u64) -> Result<u64, ConfigError> {
    let Some(value) = r.text_filled(&[name]) else { return Ok(default) };
    let upper = value.to_ascii_uppercase();
    let units = [("KB", 1 << 10), ("MB", 1 << 20), ("GB", 1 << 30)];
    let with_unit = units.iter().find_map(|&(unit, bytes)| Some((upper.strip_suffix(unit)?, bytes)));
    let (digits, unit) = with_unit.unwrap_or((&upper, 1));
    let size = digits.trim().parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    size.ok_or_else(|| r.wrong(&[name], Problem::NotANumber { value }, "a size such as 256MB"))
}
