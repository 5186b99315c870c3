//! One member of an ensemble: a `server.N` line.
//!
//! ```text
//! server.N = address ( "|" address )* [ ";" [ host ":" ] client-port ]
//! address  = host ":" quorum-port ":" election-port [ ":" role ]
//! host     = name / IPv4 / "[" IPv6 "]"
//! ```
//!
//! The role is written once, behind the last address, and may be read behind any.

use std::collections::BTreeSet;
use std::fmt;

use super::address::{HostPort, host_and_rest, is_writable_host, split_like_java};
use crate::ServerId;
use crate::properties::MalformedUnicode;

/// Whether a server votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It votes.
    Participant,
    /// It only listens.
    Observer,
}

impl Role {
    /// The role of that name, in any case.
    pub fn of_word(word: &str) -> Option<Self> {
        if word.eq_ignore_ascii_case("participant") {
            Some(Self::Participant)
        } else if word.eq_ignore_ascii_case("observer") {
            Some(Self::Observer)
        } else {
            None
        }
    }

    fn in_capitals(self) -> &'static str {
        match self {
            Self::Participant => "PARTICIPANT",
            Self::Observer => "OBSERVER",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Participant => "participant",
            Self::Observer => "observer",
        })
    }
}

/// Where peers reach a server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemberAddress {
    /// For the leader's followers.
    pub quorum: HostPort,
    /// For votes; on the same host.
    pub election: HostPort,
}

/// One `server.N` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// N.
    pub id: ServerId,
    /// At least one.
    pub addresses: Vec<MemberAddress>,
    /// Whether it votes.
    pub role: Role,
    /// The part after the semicolon.
    pub client_address: Option<HostPort>,
}

impl Member {
    /// Whether it votes.
    pub fn is_voter(&self) -> bool {
        self.role == Role::Participant
    }

    /// Whether two lines say the same, in whatever order they list addresses.
    pub fn is_same_as(&self, other: &Self) -> bool {
        fn addresses(member: &Member) -> BTreeSet<&MemberAddress> {
            member.addresses.iter().collect()
        }
        self.id == other.id
            && self.role == other.role
            && self.client_address == other.client_address
            && addresses(self) == addresses(other)
    }

    /// Parses the right-hand side of a `server.N` line. Host names are not resolved here.
    ///
    /// # Errors
    /// The first thing wrong with it, in the order in which ZooKeeper would notice.
    pub fn parse(id: ServerId, value: &str, multi_address: bool) -> Result<Self, ConfigProblem> {
        let form = || ConfigProblem::ServerForm { value: value.to_owned() };
        let parts = split_like_java(value, ';');
        let (servers, client) = match parts[..] {
            [servers] => (servers, None),
            [servers, client] => (servers, Some(client)),
            _ => return Err(form()),
        };
        let client_address = client.map(|client| parse_client(client, form)).transpose()?;
        let texts = split_like_java(servers, '|');
        if texts.len() > 1 && !multi_address {
            return Err(ConfigProblem::MultiAddressDisabled { id });
        }
        let mut addresses = Vec::new();
        let mut role_of_all: Option<Role> = None;
        for text in texts {
            let (address, role) = parse_address(id, text, form)?;
            addresses.push(address);
            match (role_of_all, role) {
                (Some(first), Some(other)) if first != other => {
                    return Err(ConfigProblem::MixedRoles {
                        first: first.in_capitals(),
                        other: other.in_capitals(),
                    });
                }
                (_, role) => role_of_all = role.or(role_of_all),
            }
        }
        Ok(Self { id, addresses, role: role_of_all.unwrap_or(Role::Participant), client_address })
    }
}

/// The canonical right-hand side: `host:2888:3888:participant;0.0.0.0:2181`.
impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut addresses: Vec<&MemberAddress> = self.addresses.iter().collect();
        addresses.sort_by_key(|address| &address.quorum.host);
        for (position, address) in addresses.into_iter().enumerate() {
            let separator = if position == 0 { "" } else { "|" };
            write!(f, "{separator}{}:{}", address.quorum, address.election.port)?;
        }
        write!(f, ":{}", self.role)?;
        match &self.client_address {
            Some(client) => write!(f, ";{client}"),
            None => Ok(()),
        }
    }
}

fn parse_client(text: &str, form: impl Fn() -> ConfigProblem) -> Result<HostPort, ConfigProblem> {
    match host_and_rest_of(text)?[..] {
        [port] => parse_port(HostPort::ANY_HOST, port),
        [host, port] => parse_port(host, port),
        _ => Err(form()),
    }
}

fn parse_address(
    id: ServerId,
    text: &str,
    form: impl Fn() -> ConfigProblem,
) -> Result<(MemberAddress, Option<Role>), ConfigProblem> {
    let parts = host_and_rest_of(text)?;
    let (host, quorum, election, role) = match parts[..] {
        [host, quorum, election] => (host, quorum, election, None),
        [host, quorum, election, role] => (host, quorum, election, Some(role)),
        _ => return Err(form()),
    };
    let quorum = parse_port(host, quorum)?;
    let election = parse_port(host, election)?;
    if quorum.port == election.port {
        return Err(ConfigProblem::SamePorts { id });
    }
    let role = role
        .map(|word| Role::of_word(word).ok_or_else(|| ConfigProblem::PeerType { word: word.to_owned() }))
        .transpose()?;
    Ok((MemberAddress { quorum, election }, role))
}

fn host_and_rest_of(text: &str) -> Result<Vec<&str>, ConfigProblem> {
    host_and_rest(text).map_err(|_| ConfigProblem::UnclosedBracket { address: text.to_owned() })
}

fn parse_port(host: &str, port: &str) -> Result<HostPort, ConfigProblem> {
    let unresolved = || ConfigProblem::AddressUnresolved { host: host.to_owned(), port: port.to_owned() };
    let number: i32 = port.parse().map_err(|_| unresolved())?;
    if !is_writable_host(host) {
        return Err(unresolved());
    }
    let port = u16::try_from(number).map_err(|_| ConfigProblem::PortOutOfRange { port: number.into() })?;
    Ok(HostPort { host: host.to_owned(), port })
}

/// What can be wrong with a configuration of the ensemble, in ZooKeeper's own words where it has some.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each variant is its message")]
pub enum ConfigProblem {
    #[error("For input string: \"{value}\"")]
    NotANumber { value: String },
    #[error("port out of range:{port}")]
    PortOutOfRange { port: i64 },
    #[error("Unrecognised peertype: {word}")]
    PeerType { word: String },
    #[error(
        "{value} does not have the form server_config or server_config;client_config where server_config \
         is the pipe separated list of host:port:port or host:port:port:type and client_config is port or \
         host:port"
    )]
    ServerForm { value: String },
    #[error("{address} starts with '[' but has no matching ']'")]
    UnclosedBracket { address: String },
    #[error("Address unresolved: {host}:{port}")]
    AddressUnresolved { host: String, port: String },
    #[error(
        "Client and election port must be different! Please update the configuration file on server.{id}"
    )]
    SamePorts { id: ServerId },
    #[error("Multiple address feature is disabled, but multiple addresses were specified for sid {id}")]
    MultiAddressDisabled { id: ServerId },
    #[error("Multiple addresses should have similar roles: {first} vs {other}")]
    MixedRoles { first: &'static str, other: &'static str },
    #[error("Server {id}is not in a group")]
    NotInAGroup { id: ServerId },
    #[error("Server {id}is in multiple groups")]
    InMultipleGroups { id: ServerId },
    #[error("Unrecognised parameter: {key}")]
    UnrecognisedParameter { key: String },
    #[error("no server is a participant")]
    NoParticipants,
    #[error("a configuration of {length} bytes, of which {most} are allowed")]
    TooLong { length: usize, most: usize },
    #[error(transparent)]
    MalformedUnicode(#[from] MalformedUnicode),
}
