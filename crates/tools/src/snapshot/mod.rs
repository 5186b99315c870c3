//! `zoorum snapshot`: snapshots shown, compared and summed up, by the original's options and in its words.

mod compare;
mod format;
mod loaded;
mod nodes;
mod summary;

use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::failure::{Failure, INVALID_INVOCATION, end};

/// What to do with which snapshots.
#[derive(Args)]
pub struct SnapshotArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show every znode and session: the arguments of zkSnapShotToolkit.sh.
    #[command(disable_help_flag = true)]
    Dump {
        /// As SnapshotFormatter takes them: [-d|-json] snapshot_file.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Show where two snapshots differ in size: the arguments of zkSnapshotComparer.sh.
    #[command(disable_help_flag = true)]
    Compare {
        /// As SnapshotComparer takes them: -l LEFT -r RIGHT -b BYTES -n NODES [-d] [-i].
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Count znodes and bytes below each znode: the arguments of zkSnapshotRecursiveSummaryToolkit.sh.
    #[command(disable_help_flag = true)]
    Summary {
        /// As SnapshotRecursiveSummary takes them: snapshot_file starting_node max_depth.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

/// Does what is asked; says on the standard streams what came of it.
pub fn run(arguments: &SnapshotArgs) -> ExitCode {
    end(|out| match &arguments.command {
        Command::Dump { arguments } => format::run(arguments, out),
        Command::Compare { arguments } => compare::run(arguments, &mut io::stdin().lock(), out),
        Command::Summary { arguments } => summary::run(arguments, out),
    })
}

/// Refuses what is no readable file, in the original's words.
fn check_input(name: &str) -> Result<&Path, Failure> {
    let path = Path::new(name);
    // As it is given: the original takes no dots out of it.
    let whole = std::env::current_dir().unwrap_or_default().join(path);
    let whole = whole.display();
    let complaint = match std::fs::File::open(path).and_then(|file| file.metadata()) {
        Ok(metadata) if metadata.is_dir() => format!("'{whole}' is a directory. it must be a file."),
        Ok(_) => return Ok(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => format!("File '{whole}' does not exist."),
        Err(_) => format!("Read permission is denied on the file '{whole}'"),
    };
    Err(Failure::new(INVALID_INVOCATION, complaint))
}
