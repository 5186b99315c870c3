//! Where a restored state comes from.

use std::path::Path;

use anyhow::{Context, bail};
use zoorum_host::disk::{Claim, RealDisk};
use zoorum_proto::{WallClock, Zxid};
use zoorum_storage::{Moment, Tree, moments, past, state_of_file};

use super::bail_if_later;
use super::users::User;
use crate::backup::{is_expected, open_version, options};
use crate::manifest::{self, time_text};

/// See the module.
pub(super) enum Source {
    /// Directories of snapshots and logs.
    Files { snapshots: RealDisk, logs: RealDisk, is_backup: bool },
    /// One snapshot, under any name.
    Snapshot { directory: RealDisk, name: String },
}

/// What is to be restored.
pub(super) struct Restored {
    pub(super) tree: Tree,
    pub(super) zxid: Zxid,
    lines: Vec<String>,
}

impl Restored {
    /// Says what it is.
    pub(super) fn describe(&self) {
        self.lines.iter().for_each(|line| println!("{line}"));
        println!(
            "state of zxid {}: {} znodes, {} sessions, digest {}",
            self.zxid,
            self.tree.node_count(),
            self.tree.session_count(),
            self.tree.digest()
        );
    }
}

impl Source {
    /// Opens a backup, a dataDir or a snapshot's file, and compares a backup with its manifest.
    pub(super) fn open(from: &Path, from_log_dir: Option<&Path>) -> anyhow::Result<Self> {
        if from.is_file() {
            let name = from.file_name().and_then(|name| name.to_str()).context("FROM names no file")?;
            let parent = from.parent().filter(|parent| !parent.as_os_str().is_empty());
            let directory = open(parent.unwrap_or(Path::new(".")))?;
            return Ok(Self::Snapshot { directory, name: name.to_owned() });
        }
        if from.join(manifest::NAME).exists() {
            let disk = open(from)?;
            manifest::verify(&disk)?;
            return Ok(Self::Files { snapshots: disk.clone(), logs: disk, is_backup: true });
        }
        if !from.join("version-2").exists() {
            bail!(
                "{}: no backup (it has no {}), no dataDir, and no snapshot's file",
                from.display(),
                manifest::NAME
            );
        }
        // A server that runs changes its files meanwhile.
        Claim::try_out(from)?;
        for directory in [Some(from), from_log_dir].into_iter().flatten() {
            if let Some(user) = User::of(directory) {
                bail!(
                    "{}: {user}. Stop it first, or make a backup, which copes with that",
                    directory.display()
                );
            }
        }
        let (snapshots, logs) = (open_version(from)?, open_version(from_log_dir.unwrap_or(from))?);
        Ok(Self::Files { snapshots, logs, is_backup: false })
    }

    /// The last change before any that was made later.
    pub(super) fn change_at(&self, time: WallClock) -> anyhow::Result<Zxid> {
        let Self::Files { logs, .. } = self else {
            bail!("one snapshot has one state, and does not say of what time: without --time it is restored");
        };
        let moments = moments(logs, time)?;
        match (moments.reached, moments.first) {
            (Some(Moment { zxid, .. }), _) => Ok(zxid),
            (None, Some(first)) => bail!(
                "the first change whose time is known is {} of {}: that is later than what was asked for",
                first.zxid,
                time_text(first.time)
            ),
            (None, None) => {
                bail!("there are no logs, and only they tell of times: without --time it is restored")
            }
        }
    }

    /// The state right after a change, or the newest.
    pub(super) fn state(&self, wanted: Option<Zxid>) -> anyhow::Result<Restored> {
        match self {
            Self::Snapshot { directory, name } => {
                let (tree, zxid) = state_of_file(directory, name, &options())?;
                bail_if_later(
                    wanted,
                    zxid,
                    Restored { tree, zxid, lines: vec![format!("one snapshot, {name}")] },
                )
            }
            Self::Files { snapshots, logs, is_backup } => {
                let past = past(snapshots, logs, &options(), wanted)?;
                let notes = past.warnings.iter().filter(|note| !(*is_backup && is_expected(note)));
                let mut lines: Vec<String> = notes.map(|note| format!("note: {note}")).collect();
                let base = past.snapshot.map_or_else(|| "no snapshot".to_owned(), |file| file.name);
                lines.push(format!("{base}, and {} changes behind it", past.txns_replayed));
                let all = moments(logs, WallClock(i64::MAX))?;
                if let (Some(first), Some(last)) = (all.first, all.last) {
                    let [from, to] = [first, last].map(|at| format!("{} of {}", at.zxid, time_text(at.time)));
                    lines.push(format!("logs from {from} to {to}"));
                }
                Ok(Restored { tree: past.tree, zxid: past.last_zxid, lines })
            }
        }
    }
}

fn open(directory: &Path) -> anyhow::Result<RealDisk> {
    RealDisk::open(directory).with_context(|| format!("cannot open {}", directory.display()))
}
