//! The `zoorum` binary.

mod log;
mod server;
mod word;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use zoorum_bench::BenchArgs;
use zoorum_dev::DevArgs;

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
    /// Check or repair transaction logs and snapshots while no server runs.
    Log(log::LogArgs),
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
    /// Say which ZooKeeper this stands for.
    Version,
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Server(arguments) => server::run(arguments),
        Command::Bench(arguments) => report(zoorum_bench::run(arguments)),
        Command::Dev(arguments) => report(zoorum_dev::run(&arguments, server::END_WITH_PARENT)),
        Command::Log(arguments) => report(log::run(&arguments)),
        Command::Purge { arguments } => zoorum_host::purge_command(&arguments),
        Command::FourLetterWord(arguments) => report(word::run(&arguments)),
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
            ExitCode::FAILURE
        }
    }
}
