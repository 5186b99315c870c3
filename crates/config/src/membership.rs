//! Who is in the ensemble: `server.N`, `group.G` and `weight.N`.
//!
//! ```text
//! server.N = address ( "|" address )* [ ";" [ host ":" ] client-port ]
//! address  = host ":" quorum-port ":" election-port [ ":" role ]
//! host     = name / IPv4 / "[" IPv6 "]"
//! ```

use crate::error::{ConfigError, Problem};
use crate::network::HostPort;
use crate::reader::{Level, Reader, decimal};
use crate::settings::Setting;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A server's number: what its `myid` file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(pub i64);

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

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
#[derive(Clone, Debug, PartialEq, Eq)]
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

impl fmt::Display for Member {
    /// The canonical right-hand side: `host:2888:3888:participant;0.0.0.0:2181`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, address) in self.addresses.iter().enumerate() {
            let separator = if position == 0 { "" } else { "|" };
            write!(f, "{separator}{}:{}:{}", address.quorum, address.election.port, self.role)?;
        }
        match &self.client_address {
            Some(client) => write!(f, ";{client}"),
            None => Ok(()),
        }
    }
}

/// Hierarchical quorums: more than half of the weight, in more than half of the groups that weigh
/// anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hierarchy {
    /// `group.G`: the group of each server.
    pub group_of: BTreeMap<ServerId, i64>,
    /// `weight.N`: 1 for servers that are not here.
    pub weight_of: BTreeMap<ServerId, i64>,
}

/// The members of an ensemble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Every `server.N`.
    pub members: BTreeMap<ServerId, Member>,
    /// Set when any key begins with `group` or `weight`; else every participant has one vote.
    pub hierarchy: Option<Hierarchy>,
    /// The version in the dynamic file's name; 0 without one.
    pub version: u64,
}

impl Membership {
    /// The members with that role.
    pub fn with_role(&self, role: Role) -> impl Iterator<Item = &Member> {
        self.members.values().filter(move |member| member.role == role)
    }

    /// Reads the lines among `lines` that speak of members; `None` when no server is named.
    ///
    /// # Errors
    /// The first line, by name, that does not parse, or what the hierarchy lacks.
    pub(crate) fn read<'a>(
        lines: impl Iterator<Item = &'a Setting>,
        multi_address: bool,
        version: u64,
    ) -> Result<Option<Self>, ConfigError> {
        let mut members = BTreeMap::new();
        let mut hierarchy: Option<Hierarchy> = None;
        for line in lines {
            if let Some(id) = line.name.strip_prefix("server.") {
                let id = ServerId(number(line, id)?);
                let member = parse_member(id, &line.value, multi_address)
                    .map_err(|problem| ConfigError::of(line, problem))?;
                members.insert(id, member);
            } else if line.name.starts_with("group") {
                add_group(hierarchy.get_or_insert_default(), line)?;
            } else if line.name.starts_with("weight") {
                let id = ServerId(number(line, after_dot(&line.name))?);
                let weight = number(line, &line.value)?;
                hierarchy.get_or_insert_default().weight_of.insert(id, weight);
            }
        }
        if members.is_empty() {
            return Ok(None);
        }
        let membership = Self { members, hierarchy, version };
        membership.check_groups()?;
        Ok(Some(membership))
    }

    fn check_groups(&self) -> Result<(), ConfigError> {
        let Some(hierarchy) = &self.hierarchy else { return Ok(()) };
        match self.with_role(Role::Participant).find(|member| !hierarchy.group_of.contains_key(&member.id)) {
            Some(member) => Err(ConfigError::general(Problem::NotInAGroup { id: member.id.0 })),
            None => Ok(()),
        }
    }

    /// Whether this many participants and observers make sense, as ZooKeeper sees it.
    pub(crate) fn check_sizes(
        membership: Option<&Self>,
        standalone_enabled: bool,
        r: &mut Reader<'_>,
    ) -> Result<(), ConfigError> {
        let count = |role| membership.map_or(0, |membership| membership.with_role(role).count());
        let (participants, observers) = (count(Role::Participant), count(Role::Observer));
        match participants {
            0 if !standalone_enabled => Err(ConfigError::general(Problem::NoParticipants)),
            0 if observers > 0 => Err(ConfigError::general(Problem::ObserversWithoutParticipants)),
            0 => Ok(()),
            1 if standalone_enabled => {
                r.notice(Level::Error, "Invalid configuration, only one server specified (ignoring)");
                if observers > 0 {
                    return Err(ConfigError::general(Problem::ObserversWithoutQuorum));
                }
                Ok(())
            }
            1 | 2 => {
                let text = "No server failure will be tolerated. You need at least 3 servers.";
                r.notice(Level::Warn, text);
                Ok(())
            }
            _ => {
                if participants % 2 == 0 {
                    let text = "Non-optimal configuration, consider an odd number of servers.";
                    r.notice(Level::Warn, text);
                }
                Ok(())
            }
        }
    }
}

fn add_group(hierarchy: &mut Hierarchy, line: &Setting) -> Result<(), ConfigError> {
    let group = number(line, after_dot(&line.name))?;
    let mut listed = BTreeSet::new();
    for id in line.value.split(':') {
        let id = ServerId(number(line, id)?);
        if !listed.insert(id) || hierarchy.group_of.insert(id, group).is_some() {
            return Err(ConfigError::of(line, Problem::InMultipleGroups { id: id.0 }));
        }
    }
    Ok(())
}

/// The text after the first dot, or all of it: `group.1` and, wrongly spelt, `groupFoo`.
fn after_dot(key: &str) -> &str {
    key.split_once('.').map_or(key, |(_, after)| after)
}

fn number(line: &Setting, text: &str) -> Result<i64, ConfigError> {
    decimal(text).ok_or_else(|| {
        ConfigError::of(line, Problem::NotANumber { value: text.to_owned() }).expecting("a whole number")
    })
}

/// Parses the right-hand side of a `server.N` line. Host names are not resolved here.
///
/// # Errors
/// The first thing wrong with it, in the order in which ZooKeeper would notice.
pub fn parse_member(id: ServerId, value: &str, multi_address: bool) -> Result<Member, Problem> {
    let form = || Problem::ServerForm { value: value.to_owned() };
    let parts = split_like_java(value, ';');
    let (servers, client) = match parts[..] {
        [servers] => (servers, None),
        [servers, client] => (servers, Some(client)),
        _ => return Err(form()),
    };
    let client_address = client.map(|client| parse_client(client, form)).transpose()?;
    let texts = split_like_java(servers, '|');
    if texts.len() > 1 && !multi_address {
        return Err(Problem::MultiAddressDisabled { id: id.0 });
    }
    let mut addresses = Vec::new();
    let mut role_of_all: Option<Role> = None;
    for text in texts {
        let (address, role) = parse_address(id, text, form)?;
        addresses.push(address);
        match (role_of_all, role) {
            (Some(first), Some(other)) if first != other => {
                return Err(Problem::MixedRoles { first: first.in_capitals(), other: other.in_capitals() });
            }
            (_, role) => role_of_all = role.or(role_of_all),
        }
    }
    Ok(Member { id, addresses, role: role_of_all.unwrap_or(Role::Participant), client_address })
}

fn parse_client(text: &str, form: impl Fn() -> Problem) -> Result<HostPort, Problem> {
    match host_and_rest(text)?[..] {
        [port] => parse_port(HostPort::ANY_HOST, port),
        [host, port] => parse_port(host, port),
        _ => Err(form()),
    }
}

fn parse_address(
    id: ServerId,
    text: &str,
    form: impl Fn() -> Problem,
) -> Result<(MemberAddress, Option<Role>), Problem> {
    let parts = host_and_rest(text)?;
    let (host, quorum, election, role) = match parts[..] {
        [host, quorum, election] => (host, quorum, election, None),
        [host, quorum, election, role] => (host, quorum, election, Some(role)),
        _ => return Err(form()),
    };
    let quorum = parse_port(host, quorum)?;
    let election = parse_port(host, election)?;
    if quorum.port == election.port {
        return Err(Problem::SamePorts { id: id.0 });
    }
    let role = role
        .map(|word| Role::of_word(word).ok_or_else(|| Problem::PeerType { word: word.to_owned() }))
        .transpose()?;
    Ok((MemberAddress { quorum, election }, role))
}

fn parse_port(host: &str, port: &str) -> Result<HostPort, Problem> {
    let unresolved = || Problem::AddressUnresolved { host: host.to_owned(), port: port.to_owned() };
    let number = decimal(port).filter(|&number| i32::try_from(number).is_ok()).ok_or_else(unresolved)?;
    let port = u16::try_from(number).map_err(|_| Problem::PortOutOfRange { port: number })?;
    Ok(HostPort { host: host.to_owned(), port })
}

/// The host, out of its brackets, and what the colons after it divide.
fn host_and_rest(text: &str) -> Result<Vec<&str>, Problem> {
    let Some(bracketed) = text.strip_prefix('[') else { return Ok(split_like_java(text, ':')) };
    let Some((host, rest)) = bracketed.split_once(']') else {
        return Err(Problem::UnclosedBracket { address: text.to_owned() });
    };
    let mut parts = vec![host];
    if let Some(rest) = rest.strip_prefix(':') {
        parts.extend(split_like_java(rest, ':'));
    }
    Ok(parts)
}

/// Splits and forgets empty parts at the end, which Java's `split` does not report.
fn split_like_java(text: &str, separator: char) -> Vec<&str> {
    let mut parts: Vec<&str> = text.split(separator).collect();
    while parts.len() > 1 && parts.last().is_some_and(|part| part.is_empty()) {
        parts.pop();
    }
    parts
}
