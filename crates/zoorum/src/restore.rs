//! `zoorum restore`: a data directory from a backup, as it was after some change or at some time.
//!
//! What is restored is one snapshot, in a directory of its own that gets its name at last: so INTO has nothing, or
//! all of it, whatever happens meanwhile. Zoorum and ZooKeeper both start on it.

mod source;
mod target;
mod users;

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use zoorum_proto::{WallClock, Zxid};

use crate::manifest::{parse_time, parse_zxid};
use source::Source;
pub(crate) use target::Occupied;
use target::Target;

/// What to restore, and where to.
#[derive(Args)]
pub(crate) struct RestoreArgs {
    /// A backup, a dataDir of a server that is stopped, or a snapshot's file.
    from: PathBuf,
    /// The dataDir to be.
    into: PathBuf,
    /// The state right after this change, not the newest.
    #[arg(long, value_parser = parse_zxid, value_name = "ZXID")]
    zxid: Option<Zxid>,
    /// The state at this time, such as 2026-01-31T12:00:00Z, by the clock of whoever led then.
    #[arg(long, value_parser = parse_time, value_name = "TIME", conflicts_with = "zxid")]
    time: Option<WallClock>,
    /// Say what would be done, having read all that it takes; change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Move aside what INTO holds.
    #[arg(long)]
    replace: bool,
    /// The server's dataLogDir, if it is another directory: it must hold no logs.
    #[arg(long, value_name = "DIR")]
    data_log_dir: Option<PathBuf>,
    /// If FROM is a dataDir: where its logs are, if that is another directory.
    #[arg(long, value_name = "DIR")]
    from_log_dir: Option<PathBuf>,
}

/// Restores, or says what that would do.
pub(crate) fn run(arguments: &RestoreArgs) -> anyhow::Result<()> {
    let RestoreArgs { from, into, zxid, time, dry_run, replace, data_log_dir, from_log_dir } = arguments;
    if !from.exists() {
        bail!("{}: there is no such file or directory to restore from", from.display());
    }
    let target = Target { into, data_log_dir: data_log_dir.as_deref(), replaces: *replace };
    target.refuse_backup(from)?;
    let source = Source::open(from, from_log_dir.as_deref())?;
    // What would be refused in the end is refused before the reading, which may take long.
    let claim = if *dry_run { target.try_out().map(|()| None)? } else { Some(target.claim()?) };
    let wanted = match time {
        Some(time) => Some(source.change_at(*time)?),
        None => *zxid,
    };
    let mut restored =
        source.state(wanted).with_context(|| format!("cannot restore from {}", from.display()))?;
    restored.describe();
    for line in target.plan(restored.zxid) {
        println!("{}{line}", if *dry_run { "would " } else { "" });
    }
    match claim {
        None => println!("nothing was changed"),
        Some(claim) => {
            target.write(&claim, &mut restored.tree)?;
            println!("done");
        }
    }
    Ok(())
}

/// The state at one change.
fn bail_if_later<T>(wanted: Option<Zxid>, has: Zxid, value: T) -> anyhow::Result<T> {
    match wanted {
        Some(zxid) if zxid != has => bail!("one snapshot has one state, that of {has}: {zxid} is not in it"),
        _ => Ok(value),
    }
}
