//! The one value that the rest of the server is started with.

use crate::auth::Auth;
use crate::catalogue;
use crate::error::{ConfigError, Problem};
use crate::membership;
use crate::network::Network;
use crate::operations::{Admin, Audit, FourLetterWords, Log, Metrics, Purge};
use crate::quorum::Quorum;
use crate::reader::{Level, Notice, Reader, decimal};
use crate::requests::{Containers, Quotas, Requests, Sessions};
use crate::settings::{Origin, Settings, is_membership};
use crate::sources::{Sources, Start};
use crate::storage::{Storage, warn_if_relative};
use crate::tls::Tls;
use std::io;
use std::path::{Path, PathBuf};
use zoorum_proto::ServerId;
use zoorum_proto::properties::{self, Property};
use zoorum_proto::quorum::{ConfigProblem, ConfigVersion, HostPort, QuorumConfig, Role};

/// A server's configuration. Its default is ZooKeeper's, with `./zoorum-data` for the data directory,
/// which ZooKeeper demands to be told, and therefore without a client port.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerConfig {
    /// The sockets for clients.
    pub network: Network,
    /// How long clients may be silent.
    pub sessions: Sessions,
    /// Where the data lies.
    pub storage: Storage,
    /// Limits on requests.
    pub requests: Requests,
    /// Who clients may claim to be.
    pub auth: Auth,
    /// Limits on subtrees.
    pub quotas: Quotas,
    /// Containers and nodes with a time to live.
    pub containers: Containers,
    /// Four letter words.
    pub four_letter_words: FourLetterWords,
    /// Removal of old files.
    pub purge: Purge,
    /// The admin server.
    pub admin: Admin,
    /// The metrics provider.
    pub metrics: Metrics,
    /// The audit log.
    pub audit: Audit,
    /// The application log.
    pub log: Log,
    /// Keys and certificates.
    pub tls: Tls,
    /// Dealings with other servers.
    pub quorum: Quorum,
    /// The ensemble, if any server is named.
    pub membership: Option<QuorumConfig>,
    /// The number in `myid`, if that file exists.
    pub server_id: Option<ServerId>,
    /// `dynamicConfigFile`: where the membership was read from.
    pub dynamic_config_file: Option<PathBuf>,
}

/// Whether there is an admin server.
const ADMIN_SWITCH: &str = "zookeeper.admin.enableServer";

/// How a server is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Alone.
    Standalone,
    /// As a member of an ensemble.
    Distributed,
}

impl Default for ServerConfig {
    fn default() -> Self {
        let mut settings = Settings::default();
        settings.insert_explicit("dataDir".to_owned(), "./zoorum-data".to_owned(), Origin::BuiltIn);
        let default = Self::read(&mut Reader::new(&settings));
        default.unwrap_or_else(|error| unreachable!("the defaults are a valid configuration: {error}"))
    }
}

impl ServerConfig {
    /// What runs without any configuration: the defaults on client port 2181, data in `data_dir`, and no admin server.
    pub fn built_in(data_dir: impl Into<PathBuf>) -> Self {
        let mut config = Self::default();
        config.admin.enable_server = false;
        config.storage.data_dir = data_dir.into();
        config.storage.data_log_dir = config.storage.data_dir.clone();
        config.network.client_address = Some(HostPort { host: HostPort::ANY_HOST.to_owned(), port: 2181 });
        config
    }

    /// Distributed when servers are named and more than one votes, or `standaloneEnabled` is false.
    pub fn mode(&self) -> Mode {
        let distributed = self.membership.as_ref().is_some_and(|membership| {
            !self.quorum.standalone_enabled || membership.with_role(Role::Participant).count() > 1
        });
        if distributed { Mode::Distributed } else { Mode::Standalone }
    }

    /// This server's role by the membership, or by `peerType` where the membership does not name it.
    pub fn role(&self) -> Role {
        let membership = self.membership.as_ref();
        let member = self.server_id.and_then(|id| membership?.members.get(&id));
        member.map_or(self.quorum.peer_type, |member| member.role)
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ConfigError> {
        catalogue::check_choices(r)?;
        let quorum = Quorum::read(r)?;
        let purge = Purge::read(r)?;
        let storage = Storage::read(r)?;
        let network = Network::read(r)?;
        let sessions = Sessions::read(r)?;
        let metrics = Metrics::read(r)?;
        let requests = Requests::read(r)?;
        Ok(Self {
            network,
            sessions,
            storage,
            auth: Auth::read(r)?,
            quotas: Quotas::read(r),
            containers: Containers::read(r)?,
            four_letter_words: FourLetterWords::read(r, requests.read_only_mode),
            requests,
            purge,
            admin: Admin::read(r)?,
            metrics,
            audit: Audit::read(r),
            log: Log::read(r)?,
            tls: Tls::read(r)?,
            quorum,
            membership: None,
            server_id: None,
            dynamic_config_file: r.text_filled(&["dynamicConfigFile"]).map(PathBuf::from),
        })
    }
}

/// A configuration with all that is to be said about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The typed value.
    pub config: ServerConfig,
    /// What to log at start, in order.
    pub notices: Vec<Notice>,
    /// The merged names and values with their origins.
    pub settings: Settings,
    /// The configuration file as it was read, if there is one.
    pub file_text: Option<String>,
}

/// Merges `sources` and gives every setting its type.
///
/// `read_file` is asked for the configuration file, for `myid` in the data directory and for the dynamic
/// file, as far as there are any; `std::fs::read` will do.
///
/// # Errors
/// The first thing wrong, with its place and its exit code.
pub fn load(
    sources: &Sources,
    read_file: impl Fn(&Path) -> io::Result<Vec<u8>>,
) -> Result<Loaded, ConfigError> {
    let loaded = load_with(sources, read_file);
    loaded.map_err(|error| match &sources.start {
        Start::File(path) => error.within(path),
        Start::Positional(_) | Start::BuiltIn { .. } => error,
    })
}

fn load_with(
    sources: &Sources,
    read_file: impl Fn(&Path) -> io::Result<Vec<u8>>,
) -> Result<Loaded, ConfigError> {
    let mut settings = Settings::default();
    for (origin, flags) in &sources.flags {
        settings.add_flags(flags, origin);
    }
    let file_text = add_start(&mut settings, &sources.start, &read_file)?;
    let mut r = Reader::new(&settings);
    if let Start::File(path) = &sources.start {
        warn_if_relative(&mut r, &path.to_string_lossy());
    }
    let mut config = ServerConfig::read(&mut r)?;
    if matches!(sources.start, Start::BuiltIn { .. }) && settings.get(ADMIN_SWITCH).is_none() {
        // A first try must not fail because somebody has port 8080.
        config.admin.enable_server = false;
    }
    if matches!(sources.start, Start::File(_)) {
        join_ensemble(&mut config, &mut r, &read_file)?;
    }
    catalogue::notice_ineffective(&mut r);
    if config.mode() == Mode::Standalone && matches!(sources.start, Start::File(_)) {
        let text = "Either no config or no quorum defined in config, running in standalone mode";
        r.notice(Level::Warn, text);
    }
    let notices = r.notices;
    Ok(Loaded { config, notices, settings, file_text })
}

/// Returns the text of the configuration file, if there is one.
fn add_start(
    settings: &mut Settings,
    start: &Start,
    read_file: impl Fn(&Path) -> io::Result<Vec<u8>>,
) -> Result<Option<String>, ConfigError> {
    match start {
        Start::File(path) => {
            let text = read_file(path).map_err(|error| unreadable(path, &error))?;
            settings.add_file(path, parse_properties(path, &text)?);
            return Ok(Some(String::from_utf8_lossy(&text).into_owned()));
        }
        Start::Positional(words) => {
            let keys = ["clientPort", "dataDir", "tickTime", "maxClientCnxns"];
            if !(2..=keys.len()).contains(&words.len()) {
                return Err(ConfigError::general(Problem::Usage { count: words.len() }));
            }
            for (key, word) in keys.into_iter().zip(words) {
                settings.insert_explicit(key.to_owned(), word.clone(), Origin::Argument);
            }
        }
        Start::BuiltIn { data_dir } => {
            let data_dir = data_dir.to_string_lossy().into_owned();
            settings.insert_explicit("dataDir".to_owned(), data_dir, Origin::BuiltIn);
            settings.insert_explicit("clientPort".to_owned(), "2181".to_owned(), Origin::BuiltIn);
        }
    }
    Ok(None)
}

fn unreadable(path: &Path, error: &io::Error) -> ConfigError {
    ConfigError::general(match error.kind() {
        io::ErrorKind::NotFound => Problem::FileMissing { path: path.to_path_buf() },
        _ => Problem::FileUnreadable { path: path.to_path_buf(), reason: error.to_string() },
    })
}

/// Finds the other servers and this server's place among them.
fn join_ensemble(
    config: &mut ServerConfig,
    r: &mut Reader<'_>,
    read_file: impl Fn(&Path) -> io::Result<Vec<u8>>,
) -> Result<(), ConfigError> {
    let multi_address = config.quorum.multi_address.enabled;
    config.membership = match &config.dynamic_config_file {
        None => {
            let lines = r.settings().explicit().filter(|line| is_membership(&line.name));
            membership::read(lines, multi_address, ConfigVersion::default())?
        }
        Some(path) => {
            if let Some(line) = r.settings().explicit().find(|line| is_membership(&line.name)) {
                return Err(ConfigError::of(line, Problem::MustBeDynamic { key: line.name.clone() }));
            }
            let text = read_file(path).map_err(|error| unreadable(path, &error))?;
            read_dynamic(path, &text, multi_address)?
        }
    };
    membership::check_sizes(config.membership.as_ref(), config.quorum.standalone_enabled, r)?;
    config.server_id = read_myid(&config.storage.data_dir, read_file)?;
    if config.containers.extended_types_enabled && config.server_id.is_some_and(|id| id.0 > 254) {
        return Err(ConfigError::general(Problem::ServerIdTooLarge));
    }
    take_client_address(config)?;
    check_role(config, r);
    check_distributed(config)
}

fn read_dynamic(path: &Path, text: &[u8], multi_address: bool) -> Result<Option<QuorumConfig>, ConfigError> {
    let mut dynamic = Settings::default();
    for line in parse_properties(path, text)? {
        let key = line.key.trim().to_owned();
        let origin = Origin::File { path: path.to_path_buf(), line: line.line };
        if key == "version" {
            return Err(ConfigError::at(origin, Problem::VersionInDynamicFile));
        }
        if !is_membership(&key) {
            return Err(ConfigError::at(origin, ConfigProblem::UnrecognisedParameter { key }.into()));
        }
        dynamic.insert_explicit(key, line.value.trim().to_owned(), origin);
    }
    membership::read(dynamic.explicit(), multi_address, version_of(path))
}

/// The hexadecimal number after the last dot of a dynamic file's name, or 0.
fn version_of(path: &Path) -> ConfigVersion {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let version = name.rsplit_once('.').and_then(|(_, version)| i64::from_str_radix(version, 16).ok());
    ConfigVersion(version.filter(|version| *version >= 0).unwrap_or(0))
}

/// The lines of a properties file.
fn parse_properties(path: &Path, text: &[u8]) -> Result<Vec<Property>, ConfigError> {
    properties::parse(&properties::from_latin_1(text)).map_err(|error| {
        let origin = Origin::File { path: path.to_path_buf(), line: error.line };
        ConfigError::at(origin, error.into())
    })
}

/// The first line of `myid`; blanks around the number, on which Java chokes, are forgiven.
fn read_myid(
    data_dir: &Path,
    read_file: impl Fn(&Path) -> io::Result<Vec<u8>>,
) -> Result<Option<ServerId>, ConfigError> {
    let path = data_dir.join("myid");
    let text = match read_file(&path) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(unreadable(&path, &error)),
    };
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().next().unwrap_or_default().trim();
    decimal(line).map(|id| Some(ServerId(id))).ok_or_else(|| {
        let problem = Problem::MyidNotANumber { text: line.to_owned() };
        ConfigError::at(Origin::File { path, line: 1 }, problem).expecting("this server's number")
    })
}

/// The client part of the own server line is the client address; if zoo.cfg has one too, they must agree.
fn take_client_address(config: &mut ServerConfig) -> Result<(), ConfigError> {
    let membership = config.membership.as_ref();
    let Some(member) = config.server_id.and_then(|id| membership?.members.get(&id)) else {
        return Ok(());
    };
    let Some(dynamic) = &member.client_address else { return Ok(()) };
    if let Some(fixed) = &config.network.client_address {
        // An address for every interface only has to agree about the port.
        let agrees = if fixed.is_any_host() { fixed.port == dynamic.port } else { fixed == dynamic };
        if !agrees {
            return Err(ConfigError::general(Problem::ClientAddressDiffers {
                id: member.id.0,
                fixed: fixed.to_string(),
                dynamic: dynamic.to_string(),
            }));
        }
    }
    config.network.client_address = Some(dynamic.clone()).filter(|address| address.port != 0);
    Ok(())
}

fn check_role(config: &ServerConfig, r: &mut Reader<'_>) {
    let (listed, said) = (config.role(), config.quorum.peer_type);
    if config.server_id.is_some() && listed != said {
        let [listed, said] = [listed, said].map(|role| role.to_string().to_uppercase());
        let text = format!(
            "Peer type from servers list ({listed}) doesn't match peerType ({said}). Defaulting to servers list."
        );
        r.notice(Level::Warn, text);
    }
}

/// What only a member of an ensemble needs.
fn check_distributed(config: &ServerConfig) -> Result<(), ConfigError> {
    let Some(membership) = config.membership.as_ref().filter(|_| config.mode() == Mode::Distributed) else {
        return Ok(());
    };
    let missing = |key| Err(ConfigError::general(Problem::NotSet { key }));
    if config.quorum.init_limit.is_none() {
        return missing("initLimit");
    }
    if config.quorum.sync_limit.is_none() {
        return missing("syncLimit");
    }
    match config.server_id {
        None => Err(ConfigError::general(Problem::MyidMissing)),
        Some(id) if !membership.members.contains_key(&id) => {
            Err(ConfigError::general(Problem::NotInPeerList { id: id.0 }))
        }
        Some(_) => Ok(()),
    }
}
