//! `zoorum log check` and `zoorum log repair`: looks at a data directory, or repairs a file of it, while no server runs.

use std::io::Write;
use std::path::Path;

use zoorum_host::disk::RealDisk;
use zoorum_proto::Zxid;
use zoorum_storage::check::{LogSummary, Report, check as read_all};
use zoorum_storage::log::scan::{End, ScanError};
use zoorum_storage::repair_tail;

use crate::check::process_that_locks;
use crate::disk::ReadDisk;
use crate::failure::Failure;

/// Prints a line for each snapshot and log; fails if a file is found damaged.
pub(crate) fn check(data_dir: &Path, data_log_dir: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let open = |parent: &Path| {
        let directory = parent.join("version-2");
        ReadDisk::open(&directory).map_err(|error| no_data_dir(parent, &directory, &error))
    };
    let report = read_all(&open(data_dir)?, &open(data_log_dir)?);
    print(
        &report.map_err(|error| Failure::unexpected(format!("zoorum: cannot list the files: {error}")))?,
        out,
    )
}

/// The error says what is wanted, too: some give a file, or the directory of the files itself.
fn no_data_dir(parent: &Path, directory: &Path, error: &std::io::Error) -> Failure {
    let (directory, parent) = (directory.display(), parent.display());
    Failure::unexpected(format!(
        "zoorum: cannot open {directory}: {error}. Is {parent} a dataDir, the one that holds version-2?"
    ))
}

fn cannot_open(directory: &Path) -> impl Fn(std::io::Error) -> Failure {
    move |error| Failure::unexpected(format!("zoorum: cannot open {}: {error}", directory.display()))
}

fn print(report: &Report, out: &mut dyn Write) -> Result<(), Failure> {
    let mut damaged = 0;
    for snapshot in &report.snapshots {
        match &snapshot.result {
            Ok(summary) => writeln!(
                out,
                "{}: sound; zxid {}, {} znodes, {} sessions",
                snapshot.file.name, snapshot.file.zxid, summary.nodes, summary.sessions
            )?,
            Err(error) => {
                damaged += 1;
                writeln!(out, "{error}")?;
            }
        }
    }
    for log in &report.logs {
        let name = &log.file.name;
        damaged += usize::from(!is_sound(&log.result));
        match &log.result {
            Ok(Some(summary)) => writeln!(out, "{name}: {}", describe(summary))?,
            Ok(None) => writeln!(out, "{name}: empty")?,
            Err(error) => writeln!(out, "{error}")?,
        }
    }
    if damaged > 0 {
        return Err(Failure::unexpected(format!("zoorum: {damaged} files are not sound")));
    }
    Ok(())
}

fn is_sound(result: &Result<Option<LogSummary>, ScanError>) -> bool {
    matches!(result, Ok(summary) if summary.as_ref().is_none_or(LogSummary::is_sound))
}

fn describe(summary: &LogSummary) -> String {
    let zxid = |zxid: Option<_>| zxid.map_or("-".to_owned(), |zxid: Zxid| zxid.to_string());
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

/// Cuts a log behind its last sound record.
pub(crate) fn repair(file: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let name = file.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Failure::unexpected("zoorum: this names no file"))?;
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    refuse_if_used(directory)?;
    let disk = RealDisk::open(directory).map_err(cannot_open(directory))?;
    let repaired =
        repair_tail(&disk, name).map_err(|error| Failure::unexpected(format!("zoorum: {error}")))?;
    match repaired {
        None => writeln!(out, "{}: nothing to repair", file.display())?,
        Some(repaired) => writeln!(
            out,
            "{}: cut at byte {} ({}); it now ends with zxid {}. What was cut off is in {}",
            file.display(),
            repaired.offset,
            repaired.damage,
            repaired.zxid_last.map_or("-".to_owned(), |zxid| zxid.to_string()),
            repaired.kept_in.display(),
        )?,
    }
    Ok(())
}

/// A server that writes a log must not find it cut.
fn refuse_if_used(directory: &Path) -> Result<(), Failure> {
    let whole = directory.canonicalize().map_err(cannot_open(directory))?;
    let lock = whole.parent().map(|parent| parent.join("zoorum/LOCK"));
    match lock.as_deref().and_then(process_that_locks) {
        None => Ok(()),
        Some(process) => Err(Failure::unexpected(format!(
            "zoorum: {}: a server uses it (process {process}): stop that first",
            whole.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_no_data_directory() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("log.1");
        std::fs::write(&file, "x").expect("written");
        let failure = check(&file, &file, &mut Vec::new()).expect_err("a file");
        let wants = format!("Is {} a dataDir, the one that holds version-2?", file.display());
        assert!(failure.message.ends_with(&wants), "{}", failure.message);
    }
}
