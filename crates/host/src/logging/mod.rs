//! The application log: where lines go, what they look like, and that writing them stops nobody.
//!
//! ```text
//! any thread ▶ Lines (formats) ▶ bounded queue ▶ a thread per output ▶ console, rolling file
//! ```
//!
//! ```text
//! 2026-11-21 01:15:28,432 [myid:1] - INFO  [replica:start@177] - binding to port 0.0.0.0:2181
//! ```
//!
//! **Promise.** A terminal that nobody reads or a full disk never holds up the thread that has something to
//! say: when an output's queue is full, lines are dropped, and their number is written once it drains.

pub mod dates;
mod lines;
mod outputs;
mod rolling;
mod sink;

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use signal_hook::consts::SIGHUP;
use signal_hook::iterator::Signals;
use tracing::Level;
use zoorum_config::{Loaded, LogLevel};

use lines::Lines;
pub use lines::set_server_id;
pub use outputs::{Environment, Outputs};
pub use rolling::{Rolling, RollingFile};
pub(crate) use sink::Sink;
use sink::{Console, Output};

/// Every output there is, for SIGHUP and for the end of the process.
static SINKS: Mutex<Vec<Sink>> = Mutex::new(Vec::new());
/// Whether lines are taken already.
static STARTED: OnceLock<()> = OnceLock::new();

/// Why nothing can be logged as it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// A log file cannot be opened.
    #[error("{path}: cannot open the log file: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The system gives no thread or no signal.
    #[error("cannot start logging: {0}")]
    System(#[from] io::Error),
    /// Something in this process logs already.
    #[error("this process logs already")]
    Started,
}

/// Begins to log as the configuration and this process's environment ask for, for the rest of the process.
/// `level` is what the command line asks for. A log file that cannot be opened is told on the console: that
/// is no reason not to serve.
pub fn init(loaded: &Loaded, level: Option<LogLevel>) -> Result<(), LoggingError> {
    let variable = |name: &str| std::env::var(name).ok();
    let environment = Environment {
        variable: &variable,
        file: &|path| std::fs::read_to_string(path).ok(),
        config_dir: variable("ZOOCFGDIR").map(PathBuf::from),
    };
    let started = start(&Outputs::find(loaded, &environment, level));
    if let Some(id) = loaded.config.server_id {
        set_server_id(id.0);
    }
    match started {
        Err(error @ LoggingError::File { .. }) => tracing::warn!("{error}"),
        other => other?,
    }
    Ok(())
}

/// Begins to log to these outputs, for the rest of the process. A file that cannot be opened is an error; the
/// console works then all the same.
pub fn start(outputs: &Outputs) -> Result<(), LoggingError> {
    STARTED.set(()).map_err(|()| LoggingError::Started)?;
    let mut sinks = Vec::new();
    let mut failure = None;
    if let Some(level) = outputs.console {
        sinks.push((level, spawn("log-console", Console)?));
    }
    if let Some((level, rolling)) = &outputs.file {
        match RollingFile::open(rolling.clone()) {
            Ok(file) => sinks.push((*level, spawn("log-file", file)?)),
            Err(source) => failure = Some(LoggingError::File { path: rolling.path.clone(), source }),
        }
    }
    tracing::subscriber::set_global_default(Lines::new(sinks)).map_err(|_| LoggingError::Started)?;
    spawn_reopener()?;
    failure.map_or(Ok(()), Err)
}

/// Writes out all that was logged so far, for at most `patience`. For the end of the process.
pub fn flush(patience: Duration) {
    let sinks = SINKS.lock().unwrap_or_else(PoisonError::into_inner).clone();
    sinks.iter().for_each(|sink| sink.flush(patience));
}

/// Starts the thread that writes to `output`, and remembers it for SIGHUP and [`flush`].
pub(crate) fn spawn(name: &str, output: impl Output) -> io::Result<Sink> {
    let sink = Sink::spawn(name, output)?;
    SINKS.lock().unwrap_or_else(PoisonError::into_inner).push(sink.clone());
    Ok(sink)
}

/// SIGHUP has every log file opened anew, so that external tools may move them.
fn spawn_reopener() -> io::Result<()> {
    let mut signals = Signals::new([SIGHUP])?;
    let reopen = move || {
        for _ in signals.forever() {
            let sinks = SINKS.lock().unwrap_or_else(PoisonError::into_inner).clone();
            sinks.iter().for_each(Sink::reopen);
            tracing::info!("log files are open anew");
        }
    };
    std::thread::Builder::new().name("log-reopener".to_owned()).spawn(reopen)?;
    Ok(())
}

/// A level as it is configured; `None` is off.
fn level(configured: LogLevel) -> Option<Level> {
    match configured {
        LogLevel::Off => None,
        LogLevel::Error => Some(Level::ERROR),
        LogLevel::Warn => Some(Level::WARN),
        LogLevel::Info => Some(Level::INFO),
        LogLevel::Debug => Some(Level::DEBUG),
        LogLevel::Trace => Some(Level::TRACE),
    }
}
