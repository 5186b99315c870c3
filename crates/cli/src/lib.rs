//! The shell: ZooKeeper's commands at a prompt, in a script, or one at a time.
//!
//! ```text
//! invocation   the command line: servers, options, perhaps a command
//! line         what is typed, taken apart            options    a command's words, options told from arguments
//! table        every command, with its help          commands/  what they do
//! shell        session, history, exit code           events     watches, heard in the order of replies
//! interactive  prompt, editing, completion           out        what is printed where, as text or JSON
//! signals      Ctrl-C, heard by whoever heeds it     reads      a lost connection does not end them
//! ```
//!
//! **Promise.** For each command of the original's shell, the same output on the same streams and the same exit code,
//! as `interop/tests/shell.rs` holds against it. What goes beyond is marked in the table.
//! **Order.** An event is printed before the output of a command whose reply shows its change.

mod acl;
mod commands;
mod data;
mod events;
mod fault;
mod interactive;
mod invocation;
mod line;
mod options;
mod out;
mod paths;
mod reads;
mod shell;
mod signals;
mod stat;
mod table;
mod walk;

use std::process::ExitCode;

use clap::Args;

use invocation::Invocation;
use out::Out;
use shell::Shell;

/// As `zkCli.sh` takes them.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub struct CliArgs {
    /// Options, then perhaps a command with its arguments: -server, -timeout, -r, -waitforconnection,
    /// -client-configuration, --output.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Runs one command, or a prompt if there is none; the exit code is that of the (last) command.
pub fn run(arguments: CliArgs) -> ExitCode {
    let invocation = match Invocation::of_process(arguments.arguments) {
        Ok(invocation) => invocation,
        Err(fault) => {
            eprintln!("{}", fault.message);
            return ExitCode::from(fault.code);
        }
    };
    if invocation.help {
        Out::new().line(&table::help());
        return ExitCode::SUCCESS;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("zoorum: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut shell = Shell::new(invocation, Out::new());
    let code = runtime.block_on(shell.run());
    // The session is left to its timeout unless it was closed, and with it the ephemeral znodes of a single command:
    // so its task must be gone before the last hold on it is.
    runtime.shutdown_background();
    ExitCode::from(code)
}
