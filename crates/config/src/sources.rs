//! What a process was started with, before any file is read.

use crate::error::{ConfigError, Problem};
use crate::flags::{Flags, SystemProperty, split_words};
use crate::settings::Origin;
use std::path::PathBuf;

/// Where the explicit keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// A configuration file.
    File(PathBuf),
    /// `port dataDir [tickTime] [maxClientCnxns]`, as words.
    Positional(Vec<String>),
    /// No configuration at all: client port 2181 and this data directory.
    BuiltIn {
        /// `dataDir`.
        data_dir: PathBuf,
    },
}

/// Everything to be merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// The file, or what stands in for one.
    pub start: Start,
    /// `-D` definitions, the weakest first.
    pub flags: Vec<(Origin, Vec<SystemProperty>)>,
}

impl Sources {
    /// The variables that are searched for `-D`, the weaker first.
    pub const ENVIRONMENT: [&str; 2] = ["SERVER_JVMFLAGS", "JVMFLAGS"];

    /// Takes apart the arguments of a server (without the program's name) and the JVM flags in its
    /// environment. `without_arguments` says what to start when no positional argument is given.
    ///
    /// # Errors
    /// [`Problem::Usage`] for more than four positional arguments.
    pub fn of_process(
        arguments: impl IntoIterator<Item = String>,
        environment: impl Fn(&str) -> Option<String>,
        without_arguments: Start,
    ) -> Result<Self, ConfigError> {
        let mut flags = Vec::new();
        for variable in Self::ENVIRONMENT {
            let words = split_words(&environment(variable).unwrap_or_default());
            flags.push((Origin::Environment(variable), Flags::parse(words).properties));
        }
        let arguments = Flags::parse(arguments);
        flags.push((Origin::Argument, arguments.properties));
        let mut positional = arguments.positional;
        let start = match positional.len() {
            0 => without_arguments,
            1 => Start::File(positional.remove(0).into()),
            2..=4 => Start::Positional(positional),
            count => return Err(ConfigError::general(Problem::Usage { count })),
        };
        Ok(Self { start, flags })
    }
}
