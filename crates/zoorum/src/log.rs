//! `zoorum log`: looks at a data directory, or repairs a file of it, while no server runs.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use zoorum_host::disk::RealDisk;
use zoorum_storage::check::{LogSummary, Report, check};
use zoorum_storage::log::scan::{End, ScanError};
use zoorum_storage::repair_tail;

/// What to do with which files.
#[derive(Args)]
pub(crate) struct LogArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Read every snapshot and log to its end and say what is in it. Changes nothing.
    Check {
        /// The dataDir of zoo.cfg.
        data_dir: PathBuf,
        /// The dataLogDir, if it is another.
        data_log_dir: Option<PathBuf>,
    },
    /// Cut a damaged log back to its last sound record, keeping a copy of what is cut off.
    ///
    /// Every change behind the cut is lost to this server. Try to restore the file first.
    Repair {
        /// The log, such as data/version-2/log.1.
        file: PathBuf,
    },
}

/// Does what is asked; fails if a file is found damaged.
pub(crate) fn run(arguments: &LogArgs) -> anyhow::Result<()> {
    match &arguments.command {
        Command::Check { data_dir, data_log_dir } => {
            let logs = data_log_dir.as_ref().unwrap_or(data_dir);
            let report = check(&open(data_dir)?, &open(logs)?).context("cannot list the files")?;
            print(&report)
        }
        Command::Repair { file } => repair(file),
    }
}

fn open(data_dir: &Path) -> anyhow::Result<RealDisk> {
    let directory = data_dir.join("version-2");
    RealDisk::open(&directory).with_context(|| format!("cannot open {}", directory.display()))
}

fn print(report: &Report) -> anyhow::Result<()> {
    let mut damaged = 0;
    for snapshot in &report.snapshots {
        match &snapshot.result {
            Ok(summary) => println!(
                "{}: sound; zxid {}, {} znodes, {} sessions",
                snapshot.file.name, snapshot.file.zxid, summary.nodes, summary.sessions
            ),
            Err(error) => {
                damaged += 1;
                println!("{error}");
            }
        }
    }
    for log in &report.logs {
        let name = &log.file.name;
        damaged += usize::from(!is_sound(&log.result));
        match &log.result {
            Ok(Some(summary)) => println!("{name}: {}", describe(summary)),
            Ok(None) => println!("{name}: empty"),
            Err(error) => println!("{error}"),
        }
    }
    if damaged > 0 {
        bail!("{damaged} files are not sound");
    }
    Ok(())
}

fn is_sound(result: &Result<Option<LogSummary>, ScanError>) -> bool {
    matches!(result, Ok(summary) if summary.as_ref().is_none_or(LogSummary::is_sound))
}

fn describe(summary: &LogSummary) -> String {
    let zxid = |zxid: Option<_>| zxid.map_or("-".to_owned(), |zxid: zoorum_proto::Zxid| zxid.to_string());
    let range = format!(
        "{} records, zxid {} to {}",
        summary.records,
        zxid(summary.zxid_first),
        zxid(summary.zxid_last)
    );
    if summary.is_sound() {
        return format!("sound; {range}");
    }
    let mut faults: Vec<String> =
        summary.bad.iter().map(|(offset, damage)| format!("at byte {offset}: {damage}")).collect();
    faults.extend(summary.undecodable.iter().map(|offset| format!("at byte {offset}: no known transaction")));
    faults
        .extend(summary.gaps.iter().map(|offset| format!("at byte {offset}: changes are missing before it")));
    match &summary.end {
        End::Clean { .. } => {}
        End::Torn { offset, damage } => faults.push(format!("torn at byte {offset}: {damage}")),
        End::Damaged { offset, damage, .. } => faults.push(format!("at byte {offset}: {damage}")),
    }
    format!("NOT SOUND; {range}; {}", faults.join("; "))
}

fn repair(file: &Path) -> anyhow::Result<()> {
    let name = file.file_name().and_then(|name| name.to_str()).context("this names no file")?;
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let disk = RealDisk::open(directory).with_context(|| format!("cannot open {}", directory.display()))?;
    match repair_tail(&disk, name)? {
        None => println!("{}: nothing to repair", file.display()),
        Some(repaired) => println!(
            "{}: cut at byte {} ({}); it now ends with zxid {}. What was cut off is in {}",
            file.display(),
            repaired.offset,
            repaired.damage,
            repaired.zxid_last.map_or("-".to_owned(), |zxid| zxid.to_string()),
            repaired.kept_in.display(),
        ),
    }
    Ok(())
}
