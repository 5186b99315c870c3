//! The `zoorum` binary.

mod backup;
mod manifest;
mod restore;
mod server;
mod word;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use zoorum_bench::BenchArgs;
use zoorum_cli::CliArgs;
use zoorum_dev::DevArgs;
use zoorum_host::disk::DataDirError;
use zoorum_tools::{CheckArgs, LogArgs, SnapshotArgs};

/// A coordination service that takes Apache ZooKeeper's place.
#[derive(Parser)]
#[command(name = "zoorum", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a server in the foreground.
    ///
    /// Without arguments it serves port 2181 with its data in ./zoorum-data. With one, that is the
    /// configuration file; with two to four they are port, data directory, tickTime and maxClientCnxns.
    /// Properties may be given as -Dname=value, here or in SERVER_JVMFLAGS and JVMFLAGS.
    Server(server::ServerArgs),
    /// Measure a server, this one or any other that speaks ZooKeeper's protocol.
    Bench(BenchArgs),
    /// Run a local ensemble in this terminal, and do to its members what may happen to them.
    ///
    /// It says where clients connect and who leads, and takes commands by lines: `help` names them. Everything
    /// stops when it ends: by `quit`, with its input, or by Ctrl-C.
    Dev(DevArgs),
    /// Copy a server's state, from its admin server or its data directory, while it runs or not.
    Backup(backup::BackupArgs),
    /// Make a data directory from a backup, as it was after some change or at some time.
    Restore(restore::RestoreArgs),
    /// Say whether a server is fit to start, or to go on: its configuration, files, ports and peers.
    ///
    /// Changes nothing, whether the server runs or not. Each finding comes with its remedy. The exit code is 0 if all is
    /// well, 1 with warnings, 2 with errors.
    Check(CheckArgs),
    /// Show, check or repair transaction logs while no server runs.
    Log(LogArgs),
    /// Show or compare snapshots, or sum them up.
    Snapshot(SnapshotArgs),
    /// Talk to servers: ZooKeeper's shell, at a prompt or one command at a time.
    #[command(disable_help_flag = true)]
    Cli(CliArgs),
    /// Remove old snapshots and logs: dataLogDir, the snapshots' directory if it is another, and -n count.
    #[command(disable_help_flag = true)]
    Purge {
        /// As PurgeTxnLog takes them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Ask a server by one of its four-letter words.
    #[command(name = "four-letter-word")]
    FourLetterWord(word::WordArgs),
    /// Print the id of each user:password, as ACLs of scheme digest and superDigest name it.
    ///
    /// The hash is SHA1, the server's unless DigestAuthenticationProvider.digestAlg says otherwise.
    Digest {
        /// Such as super:secret. Others can see it in the list of processes.
        #[arg(value_name = "USER:PASSWORD", required = true)]
        credentials: Vec<String>,
    },
    /// Say which ZooKeeper this stands for.
    Version,
    /// Say the version that servers tell, or a part of it.
    #[command(disable_help_flag = true, hide = true)]
    Release {
        /// As Version takes them: [--full | --short | --revision].
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    match Arguments::parse_from(zoorum_tools::without_classes(std::env::args_os())).command {
        Command::Server(arguments) => server::run(arguments),
        Command::Bench(arguments) => report(zoorum_bench::run(arguments)),
        Command::Dev(arguments) => report(zoorum_dev::run(&arguments, server::END_WITH_PARENT)),
        Command::Backup(arguments) => report(backup::run(&arguments)),
        Command::Restore(arguments) => report(restore::run(&arguments)),
        Command::Check(arguments) => zoorum_tools::check(&arguments, server::DATA_DIR.into()),
        Command::Log(arguments) => zoorum_tools::log(&arguments),
        Command::Snapshot(arguments) => zoorum_tools::snapshot(&arguments),
        Command::Cli(arguments) => zoorum_cli::run(arguments),
        Command::Purge { arguments } => zoorum_host::purge_command(&arguments),
        Command::FourLetterWord(arguments) => report(word::run(&arguments)),
        Command::Digest { credentials } => zoorum_tools::digest(&credentials),
        Command::Release { arguments } => zoorum_tools::release(&arguments),
        Command::Version => {
            println!("{}", zoorum_host::version::announcement());
            ExitCode::SUCCESS
        }
    }
}

/// Success, or what went wrong on stderr.
fn report(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("zoorum: {error:#}");
            exit_code(&error)
        }
    }
}

/// A directory that is in use, or will not do, has the code that a server has for it.
fn exit_code(error: &anyhow::Error) -> ExitCode {
    if error.is::<DataDirError>() || error.is::<restore::Occupied>() {
        ExitCode::from(DataDirError::EXIT_CODE)
    } else {
        ExitCode::FAILURE
    }
}
