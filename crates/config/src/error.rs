//! Why a configuration stops the start, and with which exit code.

use crate::settings::{Origin, Setting, is_explicit};
use std::path::{Path, PathBuf};
use zoorum_proto::properties::MalformedUnicode;
use zoorum_proto::quorum::ConfigProblem;

const USAGE: &str = "Usage: ZooKeeperServerMain configfile | port datadir [ticktime] [maxcnxns]";

/// A configuration that cannot be started with.
///
/// Printed, it says where the wrong value stands, what it is and what was expected, then the sentence
/// that ZooKeeper has for the case: `zoo.cfg:3: tickTime=abc: expected a whole number of milliseconds:
/// For input string: "abc"`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}", self.prefix(), self.problem)]
pub struct ConfigError {
    /// Where the wrong setting was made, or where one is missing.
    pub origin: Option<Origin>,
    /// Name and value of the wrong setting; boxed to keep every `Result` small.
    pub setting: Option<Box<(String, String)>>,
    /// What should have stood there, when the problem's sentence does not already say it.
    pub expected: Option<&'static str>,
    /// What is wrong, in ZooKeeper's words.
    pub problem: Problem,
}

impl ConfigError {
    /// A problem of the whole configuration: something that is not there.
    pub(crate) fn general(problem: Problem) -> Self {
        Self { origin: None, setting: None, expected: None, problem }
    }

    /// A problem at a line that yields no setting.
    pub(crate) fn at(origin: Origin, problem: Problem) -> Self {
        Self { origin: Some(origin), ..Self::general(problem) }
    }

    /// A problem with one setting.
    pub(crate) fn of(setting: &Setting, problem: Problem) -> Self {
        Self {
            origin: Some(setting.origin.clone()),
            setting: Some(Box::new((
                setting.name_as_written().to_owned(),
                setting.printable_value().to_owned(),
            ))),
            ..Self::general(problem)
        }
    }

    /// Names the file, for a problem that has no line in it.
    pub(crate) fn within(self, path: &Path) -> Self {
        let names_a_file =
            matches!(self.problem, Problem::FileMissing { .. } | Problem::FileUnreadable { .. });
        match self.origin {
            None if !names_a_file => {
                Self { origin: Some(Origin::Within { path: path.to_path_buf() }), ..self }
            }
            _ => self,
        }
    }

    pub(crate) fn expecting(self, expected: &'static str) -> Self {
        Self { expected: Some(expected), ..self }
    }

    /// The code with which the process ends.
    pub fn exit_code(&self) -> u8 {
        match &self.problem {
            Problem::UnknownClass { .. } | Problem::NoSelectorThreads | Problem::NotInPeerList { .. } => 1,
            _ => 2,
        }
    }

    /// The one line that ZooKeeper prints on the standard error stream; `None` where only its log speaks.
    pub fn stderr_line(&self) -> Option<&'static str> {
        match &self.problem {
            // The positional form has no file that could be invalid.
            _ if self.is_positional() => Some(USAGE),
            Problem::Usage { .. }
            | Problem::EnforceAuthWithoutSchemes
            | Problem::AuthSchemeNotAvailable { .. } => Some(USAGE),
            _ if self.exit_code() == 1 => None,
            _ => Some("Invalid config, exiting abnormally"),
        }
    }

    /// Whether an argument gave a value that else only a file can give.
    fn is_positional(&self) -> bool {
        let explicit = self.setting.as_deref().is_some_and(|(name, _)| is_explicit(name));
        explicit && self.origin == Some(Origin::Argument)
    }

    fn prefix(&self) -> String {
        let mut prefix = String::new();
        if let Some(origin) = &self.origin {
            prefix += &format!("{origin}: ");
        }
        if let Some((name, value)) = self.setting.as_deref() {
            prefix += &format!("{name}={value}: ");
        }
        if let Some(expected) = self.expected {
            prefix += &format!("expected {expected}: ");
        }
        prefix
    }
}

/// What can be wrong, each with ZooKeeper's own sentence where it has one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each variant is its message")]
pub enum Problem {
    #[error("Invalid number of arguments: {count}")]
    Usage { count: usize },
    #[error("{} file is missing", path.display())]
    FileMissing { path: PathBuf },
    #[error("{} cannot be read: {reason}", path.display())]
    FileUnreadable { path: PathBuf, reason: String },
    #[error(transparent)]
    Properties(#[from] MalformedUnicode),
    #[error(transparent)]
    Membership(#[from] ConfigProblem),
    #[error("{key} is not set")]
    NotSet { key: &'static str },
    #[error("For input string: \"{value}\"")]
    NotANumber { value: String },
    #[error("{value} is out of range")]
    OutOfRange { value: i64 },
    #[error("port out of range:{port}")]
    PortOutOfRange { port: i64 },
    #[error("Invalid option {value} for {key}. Choose 'true' or 'false.'")]
    NotABoolean { key: String, value: String },
    #[error("{value} is not recognised")]
    NotRecognised { value: String },
    #[error("key store type BCFKS is not supported")]
    BcfksNotSupported,
    #[error("Unable to auto-detect store file type from file name: {file}")]
    StoreTypeUnknown { file: String },
    #[error("Invalid electionAlg value. Only 3 is supported.")]
    ElectionAlg,
    #[error("{key} is set but {port_key} is not set")]
    AddressWithoutPort { key: &'static str, port_key: &'static str },
    #[error("minSessionTimeout must not be larger than maxSessionTimeout")]
    MinAboveMax,
    #[error("metrics provider class was not found")]
    MetricsProvider,
    #[error("Couldn't instantiate {class}")]
    UnknownClass { class: String },
    #[error("numSelectorThreads must be at least 1")]
    NoSelectorThreads,
    #[error("{missing} is disabled, so cannot enable {key}")]
    QuorumSasl { missing: &'static str, key: &'static str },
    #[error("zookeeper.enforce.auth.enabled is true zookeeper.enforce.auth.schemes must be  configured.")]
    EnforceAuthWithoutSchemes,
    #[error("Authentication scheme {scheme} is not available.")]
    AuthSchemeNotAvailable { scheme: String },
    #[error("No auth provider configured for the SSL authentication scheme '{scheme}'.")]
    SslAuthProvider { scheme: String },
    #[error("myid file is missing")]
    MyidMissing,
    #[error("serverid {text} is not a number")]
    MyidNotANumber { text: String },
    #[error("My id {id} not in the peer list")]
    NotInPeerList { id: i64 },
    #[error("extendedTypesEnabled is true but Server ID is too large. Cannot be larger than 254")]
    ServerIdTooLarge,
    #[error("standaloneEnabled = false then number of participants should be >0")]
    NoParticipants,
    #[error("Observers w/o participants is an invalid configuration")]
    ObserversWithoutParticipants,
    #[error("Observers w/o quorum is an invalid configuration")]
    ObserversWithoutQuorum,
    #[error("parameter: {key} must be in a separate dynamic config file")]
    MustBeDynamic { key: String },
    #[error("Unrecognised parameter: {key}")]
    UnrecognisedParameter { key: String },
    #[error("dynamic file shouldn't have version inside")]
    VersionInDynamicFile,
    #[error(
        "client address for this server (id = {id}) in static config file is {fixed} is different from \
         client address found in dynamic file: {dynamic}"
    )]
    ClientAddressDiffers { id: i64, fixed: String, dynamic: String },
}
