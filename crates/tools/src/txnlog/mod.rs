//! `zoorum log`: transaction logs shown, repaired, cut and checked while no server runs.

mod check;
mod chop;
mod dump;
mod entry;
mod raw;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::failure::{Failure, UNEXPECTED, end};
use crate::java::{Opt, Parsed, decode_long, parse};

/// What to do with which files.
#[derive(Args)]
pub struct LogArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Read every snapshot and log to its end and say what is in it. Changes nothing.
    Check {
        /// The dataDir of zoo.cfg.
        data_dir: PathBuf,
        /// The dataLogDir, if it is another.
        data_log_dir: Option<PathBuf>,
    },
    /// Cut a damaged log back to its last sound record, keeping a copy of what is cut off.
    ///
    /// Every change behind the cut is lost to this server. Try to restore the file first.
    Repair {
        /// The log, such as data/version-2/log.1.
        file: PathBuf,
    },
    /// Show every transaction of a log, mend checksums, or chop it: the arguments of zkTxnLogToolkit.sh.
    #[command(disable_help_flag = true)]
    Dump {
        /// As TxnLogToolkit takes them; -h tells.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

/// Does what is asked; says on the standard streams what came of it.
pub fn run(arguments: &LogArgs) -> ExitCode {
    end(|out| match &arguments.command {
        Command::Check { data_dir, data_log_dir } => {
            check::check(data_dir, data_log_dir.as_ref().unwrap_or(data_dir), out)
        }
        Command::Repair { file } => check::repair(file, out),
        Command::Dump { arguments } => toolkit(arguments, &mut io::stdin().lock(), out),
    })
}

const OPTIONS: [Opt; 7] = [
    Opt::flag('h', "help"),
    Opt::flag('r', "recover"),
    Opt::flag('v', "verbose"),
    Opt::flag('d', "dump"),
    Opt::flag('y', "yes"),
    Opt::flag('c', "chop"),
    Opt::value('z', "zxid"),
];

const USAGE: &str = "\
usage: TxnLogToolkit [-dhrvc] <txn_log_file_name> (-z <zxid>)
 -c,--chop         Chop mode. Chop txn file to a zxid.
 -d,--dump         Dump mode. Dump all entries of the log file with printing the content of a nodepath (default)
 -h,--help         Print help message
 -r,--recover      Recovery mode. Re-calculate CRC for broken entries.
 -v,--verbose      Be verbose in recovery mode: print all entries, not just fixed ones.
 -y,--yes          Non-interactive mode: repair all CRC errors without asking
 -z,--zxid <arg>   Used with chop. Zxid to which to chop.
";

/// The original's toolkit: its options, its output, its exit codes.
fn toolkit(
    arguments: &[String],
    answers: &mut dyn io::BufRead,
    out: &mut dyn io::Write,
) -> Result<(), Failure> {
    let parsed = match parse(&OPTIONS, arguments) {
        Ok(parsed) => parsed,
        Err(complaint) => {
            out.write_all(USAGE.as_bytes())?;
            return Err(Failure::unexpected(format!("{complaint}\n")));
        }
    };
    if parsed.has('h') {
        return Ok(out.write_all(USAGE.as_bytes())?);
    }
    let Some(name) = parsed.arguments.first() else {
        out.write_all(USAGE.as_bytes())?;
        return Err(Failure::new(UNEXPECTED, ""));
    };
    let file = readable(name)?;
    match chop_at(&parsed)? {
        Some(zxid) => chop::chop(&file, zxid, out),
        None if parsed.has('r') => {
            let how = dump::Recovery { asks: !parsed.has('y'), is_verbose: parsed.has('v') };
            dump::recover(&file, &how, answers, out)
        }
        None => dump::dump(&file, out),
    }
}

fn readable(name: &str) -> Result<PathBuf, Failure> {
    let file = PathBuf::from(name);
    match std::fs::File::open(&file) {
        Ok(_) => Ok(file),
        Err(_) => Err(Failure::unexpected(format!("File doesn't exist or not readable: {name}"))),
    }
}

/// Where to chop, if that is what is asked for: both options must be there.
fn chop_at(parsed: &Parsed) -> Result<Option<i64>, Failure> {
    let Some(text) = parsed.value('z').filter(|_| parsed.has('c')) else { return Ok(None) };
    let zxid = decode_long(text).filter(|zxid| *zxid >= 0);
    zxid.map(Some).ok_or_else(|| {
        Failure::unexpected(format!(
            "'{text}' is no zxid: decimal, 0x and hexadecimal, or 0 and octal digits"
        ))
    })
}
