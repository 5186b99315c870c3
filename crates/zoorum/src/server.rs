//! `zoorum server`: from arguments and environment to a running server.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use rustix::process::Signal;
use zoorum_config::{ConfigError, Level, Loaded, LogLevel, Sources, Start, load};

/// Where the data lies if nothing says so.
pub(crate) const DATA_DIR: &str = "./zoorum-data";

/// How long the log may take to write what is in its queue when the server ends.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The flag of a server that ends with the process that started it.
pub(crate) const END_WITH_PARENT: &str = "--end-with-parent";

/// How the server is to be started.
#[derive(Args)]
pub(crate) struct ServerArgs {
    /// What the console shows: off, error, warn, info, debug or trace. Beats every other setting of it.
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<LogLevel>,
    /// End with the process that started this one, however that ends.
    #[arg(long, hide = true)]
    end_with_parent: bool,
    /// `start-foreground` may stand first; then as above.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Runs the server until a signal ends it.
pub(crate) fn run(arguments: ServerArgs) -> ExitCode {
    let log_level = arguments.log_level;
    if arguments.end_with_parent
        && let Err(error) = rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
    {
        eprintln!("zoorum: cannot be made to end with its parent: {error}");
        return ExitCode::FAILURE;
    }
    let mut arguments = arguments.arguments;
    if arguments.first().is_some_and(|word| word == "start-foreground") {
        arguments.remove(0);
    }
    let sources = match sources(arguments) {
        Ok(sources) => sources,
        Err(error) => return refuse(&error),
    };
    let loaded = match load(&sources, |path| std::fs::read(path)) {
        Ok(loaded) => loaded,
        Err(error) => return refuse(&error),
    };
    if let Err(error) = zoorum_host::logging::init(&loaded, log_level) {
        eprintln!("zoorum: cannot write the log: {error}");
        return ExitCode::FAILURE;
    }
    if matches!(sources.start, Start::BuiltIn { .. }) {
        println!(
            "Zoorum serves port 2181, data in {DATA_DIR}; talk to it with: zkCli.sh -server 127.0.0.1:2181"
        );
    }
    let code = serve(&loaded);
    zoorum_host::logging::flush(LAST_WORDS);
    code
}

fn serve(loaded: &Loaded) -> ExitCode {
    for notice in &loaded.notices {
        match notice.level {
            Level::Info => tracing::info!("{notice}"),
            Level::Warn => tracing::warn!("{notice}"),
            Level::Error => tracing::error!("{notice}"),
        }
    }
    for warning in zoorum_host::unhonoured(&loaded.config) {
        tracing::warn!("{warning}");
    }
    match zoorum_host::run(loaded) {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error}");
            if let Some(line) = error.stderr_line() {
                eprintln!("{line}");
            }
            eprintln!("zoorum: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn sources(arguments: Vec<String>) -> Result<Sources, ConfigError> {
    let without_arguments = Start::BuiltIn { data_dir: PathBuf::from(DATA_DIR) };
    Sources::of_process(arguments, |name| std::env::var(name).ok(), without_arguments)
}

/// Says what is wrong with the configuration, in the words that operators know first.
fn refuse(error: &ConfigError) -> ExitCode {
    if let Some(line) = error.stderr_line() {
        eprintln!("{line}");
    }
    eprintln!("zoorum: {error}");
    ExitCode::from(error.exit_code())
}
