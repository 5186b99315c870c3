//! The data directory that a restored state becomes.
//!
//! ```text
//! INTO/restoring-<ms>/version-2/    written and synced
//! INTO/version-2/                   the same directory: renamed, or exchanged with the one that there was
//! INTO/replaced-<ms>/               what there was
//! ```

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use anyhow::Context;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use zoorum_host::disk::{Claim, RealDisk, create_durably};
use zoorum_proto::Zxid;
use zoorum_storage::name::snapshot_name;
use zoorum_storage::{Compression, SnapshotOptions, Tree, write_tree};

use super::users::User;
use crate::manifest;

/// The directory of all files that count.
pub(super) const VERSION: &str = "version-2";
/// The directory of what is Zoorum's own. What it says of the old history is moved aside, too.
const OWN: &str = "zoorum";
/// Of those, what stays.
const OWN_KEPT: &str = "LOCK";

/// Why a directory cannot be restored into.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Occupied {
    #[error("{}: holds data, such as {name}. Name an empty directory, or say --replace to have it moved aside", .directory.display())]
    Data { directory: PathBuf, name: String },
    #[error(
        "{}: holds a log, {name}, that a server would take for what follows the restored state. Move the logs away first",
        .directory.display()
    )]
    Logs { directory: PathBuf, name: String },
    #[error("{}: {user}. Stop it first, or changes that it makes are lost", .directory.display())]
    Used { directory: PathBuf, user: User },
    #[error("{}: is a backup, or lies in one: a restore would write into it. Name another directory", .directory.display())]
    Backup { directory: PathBuf },
    #[error("{}: the backup {} lies in it. Move the backup out of it, or name another directory", .directory.display(), .backup.display())]
    HoldsBackup { directory: PathBuf, backup: PathBuf },
}

/// See the module.
pub(super) struct Target<'a> {
    pub(super) into: &'a Path,
    pub(super) data_log_dir: Option<&'a Path>,
    /// What there is is moved aside.
    pub(super) replaces: bool,
}

impl Target<'_> {
    /// Whether it can be restored into, as it is now. Changes nothing.
    pub(super) fn try_out(&self) -> anyhow::Result<()> {
        Claim::try_out(self.into)?;
        self.data_log_dir.map(Claim::try_out).transpose()?;
        self.refuse_users()?;
        self.refuse_data()
    }

    fn refuse_users(&self) -> Result<(), Occupied> {
        [Some(self.into), self.data_log_dir].into_iter().flatten().try_for_each(refuse_used)
    }

    /// Keeps a restore out of the backup that it reads, and of any other.
    pub(super) fn refuse_backup(&self, from: &Path) -> Result<(), Occupied> {
        let (directory, into, source) = (self.into.to_owned(), resolved(self.into), resolved(from));
        let is_backup = |path: &Path| path.join(manifest::NAME).is_file();
        if is_backup(&into) || (is_backup(&source) && into.starts_with(&source)) {
            return Err(Occupied::Backup { directory });
        }
        if is_backup(&source) && source.starts_with(&into) {
            return Err(Occupied::HoldsBackup { directory, backup: from.to_owned() });
        }
        Ok(())
    }

    /// The same, and keeps servers away from it. The directory is made if it is not there.
    pub(super) fn claim(&self) -> anyhow::Result<Vec<Claim>> {
        self.try_out()?;
        create_durably_if_missing(self.into)?;
        let others = self.data_log_dir.filter(|logs| logs.exists() && !is_same(logs, self.into));
        let claims = [Some(self.into), others].into_iter().flatten();
        let claims = claims.map(Claim::new).collect::<Result<_, _>>()?;
        self.refuse_data()?;
        Ok(claims)
    }

    fn refuse_data(&self) -> anyhow::Result<()> {
        let directory = self.into.join(VERSION);
        if !self.replaces
            && let Some(name) = first_file(&directory, "")?
        {
            return Err(Occupied::Data { directory, name }.into());
        }
        let others = self.data_log_dir.filter(|logs| !is_same(logs, self.into));
        if let Some(directory) = others.map(|logs| logs.join(VERSION))
            && let Some(name) = first_file(&directory, "log.")?
        {
            return Err(Occupied::Logs { directory, name }.into());
        }
        Ok(())
    }

    /// What is to be done, in words.
    pub(super) fn plan(&self, zxid: Zxid) -> Vec<String> {
        let version = self.into.join(VERSION);
        let file = version.join(snapshot_name(zxid, Compression::None));
        let mut lines = Vec::new();
        if version.exists() {
            lines.push(format!("move {} aside", version.display()));
        }
        lines.push(format!("write {}", file.display()));
        lines
    }

    /// Writes the state, durably, and lets it count in one step.
    pub(super) fn write(&self, _claims: &[Claim], tree: &mut Tree) -> anyhow::Result<()> {
        // A Java server heeds no claim: one may have started during the reading.
        self.refuse_users()?;
        let (now, version) = (jiff::Timestamp::now().as_millisecond(), self.into.join(VERSION));
        let making = self.into.join(format!("restoring-{now}"));
        let restored = making.join(VERSION);
        create_durably(&restored).with_context(|| format!("cannot create {}", restored.display()))?;
        let disk =
            RealDisk::open(&restored).with_context(|| format!("cannot open {}", restored.display()))?;
        if let Err(error) = write_tree(&disk, tree, &SnapshotOptions::default()) {
            let _ = fs::remove_dir_all(&making); // it holds nothing else
            return Err(error.into());
        }
        let done = if version.exists() {
            self.exchange(&making, &self.into.join(format!("replaced-{now}")))
        } else {
            fs::rename(&restored, &version).and_then(|()| fs::remove_dir(&making))
        };
        done.and_then(|()| sync(self.into))
            .with_context(|| format!("cannot make {} what was restored", version.display()))
    }

    /// The two change places in one step. Then what was there gets its new name, with what Zoorum noted about it.
    fn exchange(&self, making: &Path, aside: &Path) -> io::Result<()> {
        let own = self.into.join(OWN);
        renameat_with(CWD, making.join(VERSION), CWD, self.into.join(VERSION), RenameFlags::EXCHANGE)?;
        sync(making)?;
        sync(self.into)?;
        fs::rename(making, aside)?;
        for entry in fs::read_dir(&own)? {
            let name = entry?.file_name();
            if name != OWN_KEPT {
                fs::rename(own.join(&name), aside.join(&name))?;
            }
        }
        sync(&own)?;
        sync(aside)
    }
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn create_durably_if_missing(directory: &Path) -> anyhow::Result<()> {
    if directory.exists() {
        return Ok(());
    }
    create_durably(directory).with_context(|| format!("cannot create {}", directory.display()))
}

/// A file in it whose name begins so, if there is one, or there is a directory at all.
fn first_file(directory: &Path, prefix: &str) -> anyhow::Result<Option<String>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot list {}", directory.display())),
    };
    let mut names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    Ok(names.find(|name| name.starts_with(prefix)))
}

fn is_same(one: &Path, other: &Path) -> bool {
    resolved(one) == resolved(other)
}

/// The path without links and dots. Where nothing exists there are no links.
fn resolved(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let known = path.ancestors().find_map(|ancestor| Some((ancestor, fs::canonicalize(ancestor).ok()?)));
    let Some((ancestor, mut whole)) = known else { return path };
    for part in path.strip_prefix(ancestor).unwrap_or(Path::new("")).components() {
        match part {
            Component::ParentDir => whole = whole.parent().unwrap_or(Path::new("/")).to_owned(),
            part => whole.push(part),
        }
    }
    whole
}

/// Refuses a directory that another process is seen to use.
fn refuse_used(directory: &Path) -> Result<(), Occupied> {
    match User::of(directory) {
        Some(user) => Err(Occupied::Used { directory: directory.to_owned(), user }),
        None => Ok(()),
    }
}
