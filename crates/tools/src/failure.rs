//! How a tool ends when it cannot do what it was asked.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// The code for bad arguments, and for files that are not what they were taken for.
pub(crate) const INVALID_INVOCATION: u8 = 2;
/// The code for everything else.
pub(crate) const UNEXPECTED: u8 = 1;

/// A sentence for the error stream, and the process's exit code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub code: u8,
    pub message: String,
}

impl Failure {
    pub(crate) fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The usual code.
    pub(crate) fn unexpected(message: impl Into<String>) -> Self {
        Self::new(UNEXPECTED, message)
    }

    /// A file that the system does not let us use.
    pub(crate) fn of_file(path: &Path, doing: &str, reason: impl Display) -> Self {
        Self::unexpected(format!("{}: cannot {doing}: {reason}", path.display()))
    }
}

/// The output cannot be written. Whoever closed it has seen enough: that is nobody's failure.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(0, ""),
            _ => Self::unexpected(format!("cannot write the output: {error}")),
        }
    }
}

/// Runs a tool on the process's streams; its exit code.
pub(crate) fn end(run: impl FnOnce(&mut dyn Write) -> Result<(), Failure>) -> ExitCode {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let result = run(&mut out).and_then(|()| Ok(out.flush()?)).or_else(|failure| {
        // What was found before it failed is of use.
        out.flush()?;
        Err(failure)
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { code, message }) => {
            if !message.is_empty() {
                eprintln!("{message}");
            }
            ExitCode::from(code)
        }
    }
}
