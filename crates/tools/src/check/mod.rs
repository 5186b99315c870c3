//! `zoorum check`: is this server fit to start, or to go on?
//!
//! ```text
//! config   the settings, all that is wrong with them at once
//! files    directories, the recovery that a start would run, epochs, space, the disk's speed
//! ports    free, or this server's own
//! peers    names, ports, who answers, who leads, clocks
//! ```
//!
//! **Promise.** It works before a start and beside a running server: files are opened to read, no port is bound, no
//! lock is taken. Only where no server runs, one small file is written and removed, to time the disk.

mod config;
mod epochs;
mod files;
mod finding;
mod holder;
mod peers;
mod ports;
mod probe;
mod rehearsal;
mod remedies;
mod speed;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use zoorum_config::{Mode, Sources, Start};

use finding::{Area, Report};
use holder::Holder;
pub(crate) use holder::process_that_locks;

/// What is to be checked, and how it is told.
#[derive(Args)]
pub struct CheckArgs {
    /// One JSON document instead of lines.
    #[arg(long)]
    json: bool,
    /// A property, as for the server.
    #[arg(short = 'D', value_name = "NAME=VALUE")]
    properties: Vec<String>,
    /// The configuration file; or port, data directory, and perhaps tickTime and maxClientCnxns. Without any,
    /// what `zoorum server` runs without any.
    #[arg(value_name = "ZOO_CFG")]
    arguments: Vec<String>,
}

/// Looks at everything and says what was found. The exit code is 0 if all is well, 1 with warnings, 2 with errors.
/// `data_dir` is where a server without configuration keeps its data.
pub fn run(arguments: &CheckArgs, data_dir: PathBuf) -> ExitCode {
    let report = check(arguments, data_dir);
    let mut out = io::stdout().lock();
    let told = if arguments.json { report.write_json(&mut out) } else { report.write_lines(&mut out) };
    match told.and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("zoorum: cannot write the findings: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::from(report.exit_code()),
    }
}

fn check(arguments: &CheckArgs, data_dir: PathBuf) -> Report {
    let mut report = Report::default();
    let properties = arguments.properties.iter().map(|property| format!("-D{property}"));
    let words = arguments.arguments.iter().cloned().chain(properties);
    let environment = |name: &str| std::env::var(name).ok();
    let sources = match Sources::of_process(words, environment, Start::BuiltIn { data_dir }) {
        Ok(sources) => sources,
        Err(error) => {
            report.add(Area::Configuration).error(error.to_string(), remedies::of_problem(&error.problem));
            return report;
        }
    };
    // What is wrong with the settings is told; what is left of them still says where the files are.
    let Some(loaded) = config::check(&sources, &mut report) else { return report };
    let config = &loaded.config;
    let holder = Holder::find(config);
    files::check(config, holder.as_ref(), &mut report);
    // It may have started meanwhile.
    let holder = holder.or_else(|| Holder::find(config));
    ports::check(config, holder.as_ref(), &mut report);
    let own = probe::Answer::of_own(config);
    if let Some(own) = &own {
        own.tell(holder.as_ref(), &mut report);
    }
    if config.mode() == Mode::Distributed {
        peers::check(config, own.as_ref(), &mut report);
    }
    report
}
