//! The data directories: rights, contents, room and speed.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access, statvfs};
use zoorum_config::{Mode, ServerConfig, Storage};
use zoorum_storage::check::check_log;
use zoorum_storage::name::{logs, snapshots};
use zoorum_storage::{Disk as _, Recovered, snapshot};

use super::finding::{Area, Report};
use super::holder::Holder;
use super::{epochs, rehearsal, speed};
use crate::disk::ReadDisk;

/// The directory of all files in today's format.
const VERSION: &str = "version-2";

/// Tells of both directories and of what is in them.
pub(super) fn check(config: &ServerConfig, holder: Option<&Holder>, report: &mut Report) {
    let storage = &config.storage;
    if let Some(Holder { process, by }) = holder {
        let who = if *process == 0 {
            "a server in another container".to_owned()
        } else {
            format!("process {process}")
        };
        report.add(Area::Files).ok(format!("{who} runs on {}: {by}", storage.data_dir.display()));
    }
    let (data, logs) = (&storage.data_dir, &storage.data_log_dir);
    let mut usable = directory("dataDir", data, storage, report);
    if data != logs {
        usable &= directory("dataLogDir", logs, storage, report);
    }
    let (snapshot_dir, log_dir) = (data.join(VERSION), logs.join(VERSION));
    if usable && snapshot_dir.is_dir() && log_dir.is_dir() && is_sorted_out(&snapshot_dir, &log_dir, report) {
        contents(config, &snapshot_dir, &log_dir, holder, report);
    }
    room(storage, report);
    speed::check(config, holder, report);
}

/// Whether a directory can be used, as far as that can be seen.
fn directory(key: &str, path: &Path, storage: &Storage, report: &mut Report) -> bool {
    let version = path.join(VERSION);
    let finding = |report: &mut Report, what: String, remedy: String| {
        report.add(Area::Files).in_file(path).error(format!("{key} {}: {what}", path.display()), remedy);
        false
    };
    let nearest = version.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    if !nearest.is_dir() {
        return finding(
            report,
            format!("{} is no directory", nearest.display()),
            format!("set {key} to a directory"),
        );
    }
    if nearest != version && !storage.data_dir_autocreate {
        let what = format!("{} is missing, and datadir.autocreate=false", version.display());
        return finding(report, what, format!("create it: mkdir -p {}", version.display()));
    }
    let rights = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    if let Err(error) = access(nearest, rights) {
        let what = format!("this user may not use {}: {}", nearest.display(), io::Error::from(error));
        return finding(
            report,
            what,
            "give it to the user who runs the server (chown), or check as that user".into(),
        );
    }
    if nearest == version {
        report.add(Area::Files).ok(format!("{key} {}: this user can use it", path.display()));
    } else {
        report
            .add(Area::Files)
            .ok(format!("{key} {}: there is none yet, and a start creates it", path.display()));
    }
    true
}

/// Whether snapshots and logs are where they belong, if they have directories of their own.
fn is_sorted_out(snapshot_dir: &Path, log_dir: &Path, report: &mut Report) -> bool {
    if snapshot_dir == log_dir {
        return true;
    }
    let stranger = |directory: &Path, prefix: &str| -> Option<PathBuf> {
        let entries = std::fs::read_dir(directory).ok()?.flatten();
        entries
            .map(|entry| entry.path())
            .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)))
    };
    let misplaced = [
        (stranger(log_dir, "snapshot."), "Log directory has snapshot files"),
        (stranger(snapshot_dir, "log."), "Snapshot directory has log files"),
    ];
    let mut sorted_out = true;
    for (file, what) in misplaced {
        let Some(file) = file else { continue };
        sorted_out = false;
        let found =
            format!("{what}: {}. Check if dataLogDir and dataDir configuration is correct.", file.display());
        let remedy = format!(
            "move every snapshot.* to {} and every log.* to {}, or remove dataLogDir",
            snapshot_dir.display(),
            log_dir.display()
        );
        report.add(Area::Files).in_file(file).error(found, remedy);
    }
    sorted_out
}

fn contents(
    config: &ServerConfig,
    snapshot_dir: &Path,
    log_dir: &Path,
    holder: Option<&Holder>,
    report: &mut Report,
) {
    let recovered = rehearsal::run(config, snapshot_dir, log_dir, holder.is_some(), report);
    let open = ReadDisk::open(snapshot_dir).and_then(|disk| Ok((disk, ReadDisk::open(log_dir)?)));
    if let Ok((snapshots, logs)) = open {
        unneeded(&snapshots, &logs, recovered.as_ref(), report);
    }
    if let Some(recovered) = recovered.filter(|_| config.mode() == Mode::Distributed) {
        epochs::check(config, snapshot_dir, &recovered, report);
    }
}

/// Older files: a start does not read them, but whoever falls back on them will.
fn unneeded(
    snapshot_disk: &ReadDisk,
    log_disk: &ReadDisk,
    recovered: Option<&Recovered>,
    report: &mut Report,
) {
    // Without a snapshot there is nothing that could be older.
    let Some(needed) = recovered.and_then(|recovered| recovered.snapshot_zxid) else { return };
    let (Ok(snapshot_entries), Ok(log_entries)) = (snapshot_disk.list(), log_disk.list()) else { return };
    let older: Vec<_> = snapshots(&snapshot_entries).into_iter().filter(|file| file.zxid < needed).collect();
    let remedy = "none needed to start; remove the file, and look after the disk";
    let mut sound = 0;
    for file in &older {
        match snapshot::verify(snapshot_disk, file) {
            Ok(_) => sound += 1,
            // Purged while we look.
            Err(_) if snapshot_disk.open(&file.name).is_err() => {}
            Err(error) => report
                .add(Area::Files)
                .in_file(snapshot_disk.path(&file.name))
                .warning(error.to_string(), remedy),
        }
    }
    let all_logs = logs(&log_entries);
    // The last log that begins before the snapshot's end is needed with it.
    let first_needed = all_logs.iter().rposition(|file| file.zxid <= needed).unwrap_or(0);
    let mut damaged = 0;
    for file in &all_logs[..first_needed] {
        match check_log(log_disk, &file.name, false) {
            Ok(Some(summary)) if !summary.bad.is_empty() || !summary.gaps.is_empty() => {
                damaged += 1;
                let found = format!("{}: damaged, and no longer needed", log_disk.path(&file.name).display());
                report.add(Area::Files).in_file(log_disk.path(&file.name)).warning(found, remedy);
            }
            _ => {}
        }
    }
    let count = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    report.add(Area::Files).ok(format!(
        "a start needs the snapshot of {needed} and {}; besides there are {} and {} that are sound",
        count(all_logs.len() - first_needed, "log"),
        count(sound, "older snapshot"),
        count(first_needed - damaged, "older log"),
    ));
}

/// Room for the next log and the next snapshot.
fn room(storage: &Storage, report: &mut Report) {
    let largest = std::fs::read_dir(storage.data_dir.join(VERSION)).into_iter().flatten().flatten();
    let largest = largest.filter(|entry| entry.file_name().to_string_lossy().starts_with("snapshot."));
    let snapshot = largest.filter_map(|entry| Some(entry.metadata().ok()?.len())).max().unwrap_or(0);
    let mut rows = vec![("dataDir", &storage.data_dir, snapshot)];
    if storage.data_dir == storage.data_log_dir {
        rows[0].2 += storage.pre_alloc_size;
    } else {
        rows.push(("dataLogDir", &storage.data_log_dir, storage.pre_alloc_size));
    }
    for (key, path, needed) in rows {
        let Some(existing) = path.ancestors().find(|path| path.exists()) else { continue };
        let Ok(system) = statvfs(existing) else { continue };
        let free = system.f_bavail.saturating_mul(system.f_frsize);
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        let found = format!("{key} {}: {} MiB free", path.display(), mib(free));
        let remedy = "free some room, have old files removed (autopurge.purgeInterval), or use a larger disk";
        // Snapshots grow, and the old ones stay until the new one is there.
        if free < needed.max(1 << 20) {
            let found = format!(
                "{found}, and the next files take {}: the server would stop",
                mib(needed.max(1 << 20))
            );
            report.add(Area::Files).in_file(path).error(found, remedy);
        } else if free < needed.saturating_mul(3) {
            let found =
                format!("{found}, less than three times the {} that the next files take", mib(needed));
            report.add(Area::Files).in_file(path).warning(found, remedy);
        } else {
            report.add(Area::Files).in_file(path).ok(found);
        }
    }
}
