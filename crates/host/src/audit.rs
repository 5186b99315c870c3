//! The audit log's file: `zookeeper_audit.log` beside the application log, rolled at ten megabytes.

use std::io;
use std::time::SystemTime;

use zoorum_config::ServerConfig;
use zoorum_server::audit::{Operation, Record, Verdict};

use crate::logging::dates::log_date;
use crate::logging::{self, Rolling, RollingFile, Sink};
use crate::words::user_name;

/// The file's name.
const FILE: &str = "zookeeper_audit.log";
/// Bytes after which it is rolled.
const MAX_SIZE: u64 = 10 << 20;
/// Files that are kept of what was rolled.
const BACKUPS: u32 = 10;

/// Where records go. Copies lead to the same file.
#[derive(Clone)]
pub(crate) struct AuditLog {
    sink: Sink,
    user: String,
}

impl AuditLog {
    /// Opens the file, if `audit.enable` asks for one.
    pub(crate) fn open(config: &ServerConfig) -> io::Result<Option<Self>> {
        if !config.audit.enabled {
            tracing::info!("ZooKeeper audit is disabled.");
            return Ok(None);
        }
        let rolling = Rolling { path: config.log.dir.join(FILE), max_size: MAX_SIZE, backups: BACKUPS };
        let sink = logging::spawn("audit", RollingFile::open(rolling)?)?;
        tracing::info!("ZooKeeper audit is enabled.");
        Ok(Some(Self { sink, user: user_name() }))
    }

    /// The server begins to serve.
    pub(crate) fn on_started(&self) {
        self.write(&Record::of_server(Operation::ServerStart, Verdict::Success));
    }

    /// The server is told to stop.
    pub(crate) fn on_stopping(&self) {
        self.write(&Record::of_server(Operation::ServerStop, Verdict::Invoked));
    }

    /// Writes a record, or counts it as dropped if the file cannot keep up.
    pub(crate) fn write(&self, record: &Record) {
        self.sink.send(line(SystemTime::now(), record, &self.user));
    }
}

fn line(now: SystemTime, record: &Record, user: &str) -> String {
    let level = match record.result {
        Verdict::Success | Verdict::Invoked => "INFO",
        Verdict::Failure => "ERROR",
    };
    format!("{} {level} audit.Slf4jAuditLogger: {}\n", log_date(now), record.text(user))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_layout_of_the_original() {
        let now = SystemTime::now();
        let line = line(now, &Record::of_server(Operation::ServerStart, Verdict::Failure), "zoo");
        let expected = "ERROR audit.Slf4jAuditLogger: user=zoo\toperation=serverStart\tresult=failure\n";
        assert_eq!(line, format!("{} {expected}", log_date(now)));
    }
}
