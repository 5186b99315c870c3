//! What is printed where. Commands answer twice, as text and as JSON, and here it is decided which is printed.

use std::io::{self, Write};
use std::sync::Mutex;

use serde_json::{Value, json};

/// How answers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// As the original prints them.
    Text,
    /// One JSON value a line.
    Json,
}

/// By which something is printed above a prompt at which somebody is typing.
pub(crate) type Above = Box<dyn FnMut(&str) + Send>;

/// The exit code of a program whose output nobody reads any more, as if by the signal.
const NOBODY_READS: i32 = 141;

/// Standard output and error.
pub(crate) struct Out {
    pub(crate) format: Format,
    /// Whether stdout is where a command's data goes, and nothing else.
    pub(crate) is_stdout_taken: bool,
    /// Set while somebody is typing.
    above: Mutex<Option<Above>>,
}

impl Out {
    pub(crate) fn new() -> Self {
        Self { format: Format::Text, is_stdout_taken: false, above: Mutex::new(None) }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// An answer: lines on stdout.
    pub(crate) fn answer(&self, text: impl FnOnce() -> String, json: impl FnOnce() -> Value) {
        match self.format {
            Format::Text => self.line(&text()),
            Format::Json => self.line(&json().to_string()),
        }
    }

    /// An answer that the original gives on stderr; JSON goes to stdout.
    pub(crate) fn note(&self, text: impl FnOnce() -> String, json: impl FnOnce() -> Value) {
        match self.format {
            Format::Text => self.complain(&text()),
            Format::Json => self.line(&json().to_string()),
        }
    }

    /// A line on stdout.
    pub(crate) fn line(&self, text: &str) {
        self.raw(&format!("{text}\n"));
    }

    /// A line on stdout that is no answer: of the session, say. It is on stderr where stdout is taken.
    pub(crate) fn aside(&self, text: &str) {
        match self.is_stdout_taken {
            true => self.complain(text),
            false => self.line(text),
        }
    }

    /// A line on stderr that spoils nothing.
    pub(crate) fn warn(&self, text: &str) {
        match self.format {
            Format::Text => self.complain(text),
            Format::Json => self.complain(&json!({ "warning": text }).to_string()),
        }
    }

    /// Text on stdout, as it is.
    pub(crate) fn raw(&self, text: &str) {
        let mut stdout = io::stdout().lock();
        if let Err(error) = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            gone(&error);
        }
    }

    /// A line on stderr.
    pub(crate) fn complain(&self, text: &str) {
        // Where stderr is gone, there is nobody left to complain to.
        writeln!(io::stderr(), "{text}").ok();
    }

    /// An event, which may come while somebody is typing.
    pub(crate) fn event(&self, text: &str) {
        match &mut *self.above.lock().expect("nobody panics with it") {
            Some(print) => print(&format!("{text}\n")),
            None => self.aside(text),
        }
    }

    /// From now on somebody is typing, or nobody is.
    pub(crate) fn set_above(&self, above: Option<Above>) -> Option<Above> {
        std::mem::replace(&mut *self.above.lock().expect("nobody panics with it"), above)
    }
}

fn gone(error: &io::Error) -> ! {
    if error.kind() != io::ErrorKind::BrokenPipe {
        eprintln!("zoorum: cannot write to standard output: {error}");
    }
    std::process::exit(NOBODY_READS)
}
