//! `zoorum backup`: a copy of a server's state that `zoorum restore` and a server can trust.
//!
//! ```text
//! zoorum backup http://host:8080 INTO     a snapshot, taken now by the server itself
//! zoorum backup <dataDir> INTO            its snapshots and logs, while it runs or not
//! ```
//!
//! INTO appears whole, under its name, when everything in it has been read again and leads to a state; or not at all.

mod download;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use zoorum_host::disk::{RealDisk, create_durably};
use zoorum_proto::WallClock;
use zoorum_storage::backup::{Extent, copy};
use zoorum_storage::{Disk, Past, RecoverOptions, RecoverWarning, moments, past};

use crate::manifest;
use download::Proof;

/// What to copy, and where to.
#[derive(Args)]
pub(crate) struct BackupArgs {
    /// The admin server of a running server, such as http://host:8080, or a dataDir.
    from: String,
    /// A directory that does not exist yet, or is empty.
    into: PathBuf,
    /// With a dataDir: where the logs are, if that is another directory.
    #[arg(long, value_name = "DIR")]
    data_log_dir: Option<PathBuf>,
    /// With a dataDir: only the newest snapshot and the logs behind it, not all there is.
    #[arg(long)]
    newest: bool,
    /// With an admin server: the Authorization header, such as 'digest user:password'. Others can see it in the list
    /// of processes; ZOORUM_AUTH in the environment, or --auth-file, does the same.
    #[arg(long, env = "ZOORUM_AUTH", hide_env_values = true, value_name = "HEADER")]
    auth: Option<String>,
    /// A file that holds that header.
    #[arg(long, value_name = "FILE", conflicts_with = "auth")]
    auth_file: Option<PathBuf>,
}

/// Makes the backup, and says how far it goes.
pub(crate) fn run(arguments: &BackupArgs) -> anyhow::Result<()> {
    let into = &arguments.into;
    if fs::read_dir(into).is_ok_and(|mut entries| entries.next().is_some()) || into.is_file() {
        bail!("{}: is there already, and not empty; a backup gets a directory of its own", into.display());
    }
    let part = Part::create(into)?;
    let (past, source) = match arguments.from.split_once("://") {
        Some((scheme, _)) => {
            if scheme != "http" {
                bail!("{}: only http:// can be spoken", arguments.from);
            }
            let proof = Proof::find(arguments.auth.as_deref(), arguments.auth_file.as_deref())?;
            download::snapshot(&arguments.from, &proof, &part.disk)?;
            (past(&part.disk, &part.disk, &options(), None)?, arguments.from.clone())
        }
        None => (copy_files(arguments, &part.disk)?, path_text(Path::new(&arguments.from))),
    };
    let moments = moments(&part.disk, WallClock(i64::MAX))?;
    manifest::write(&part.disk, &source, &past, &moments)?;
    part.publish(into)?;
    for warning in past.warnings.iter().filter(|warning| !is_expected(warning)) {
        println!("note: {warning}");
    }
    let time = moments.last.filter(|last| last.zxid == past.last_zxid);
    println!(
        "{}: goes to zxid {}{}; {} znodes, {} sessions",
        into.display(),
        past.last_zxid,
        time.map_or(String::new(), |last| format!(" of {}", manifest::time_text(last.time))),
        past.tree.node_count(),
        past.tree.session_count(),
    );
    Ok(())
}

fn copy_files(arguments: &BackupArgs, into: &RealDisk) -> anyhow::Result<Past> {
    let data_dir = Path::new(&arguments.from);
    let data_log_dir = arguments.data_log_dir.as_deref().unwrap_or(data_dir);
    let (snapshots, logs) = (open_version(data_dir)?, open_version(data_log_dir)?);
    let extent = if arguments.newest { Extent::Newest } else { Extent::All };
    Ok(copy((&snapshots, &logs), into, extent, &options())?)
}

/// A backup may be a snapshot alone.
pub(crate) fn is_expected(warning: &RecoverWarning) -> bool {
    matches!(warning, RecoverWarning::NoLogs { .. })
}

/// How files are read whose server's configuration nobody knows.
pub(crate) fn options() -> RecoverOptions {
    // Logs without any snapshot are not taken for the whole history, and nothing for an empty database.
    RecoverOptions { db_autocreate: false, ..RecoverOptions::default() }
}

/// The directory of a dataDir's files.
pub(crate) fn open_version(data_dir: &Path) -> anyhow::Result<RealDisk> {
    let directory = data_dir.join("version-2");
    RealDisk::open(&directory)
        .with_context(|| format!("cannot open {}: is {} a dataDir?", directory.display(), data_dir.display()))
}

pub(crate) fn path_text(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

/// A directory in the making. Dropped before it is published, it is gone.
struct Part {
    path: PathBuf,
    disk: RealDisk,
    is_published: bool,
}

impl Part {
    fn create(into: &Path) -> anyhow::Result<Self> {
        let name = into.file_name().with_context(|| format!("{}: names no directory", into.display()))?;
        let mut part = name.to_owned();
        part.push(format!(".part-{}", std::process::id()));
        let path = into.with_file_name(part);
        create_durably(&path).with_context(|| format!("cannot create {}", path.display()))?;
        let disk = RealDisk::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        Ok(Self { path, disk, is_published: false })
    }

    fn publish(mut self, into: &Path) -> anyhow::Result<()> {
        let parent = into.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let published = self.disk.sync_directory().and_then(|()| {
            fs::rename(&self.path, into)?;
            self.is_published = true;
            fs::File::open(parent)?.sync_all()
        });
        published.with_context(|| format!("cannot give the backup its name, {}", into.display()))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.is_published {
            // Somebody who kills this process finds it by its name.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
