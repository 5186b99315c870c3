//! Who is in the ensemble, and what a quorum of it is: the text that travels in votes, in NEWLEADER and in
//! `/zookeeper/config`, and the lines of zoo.cfg.
//!
//! ```text
//! server.1=10.0.0.1:2888:3888:participant;0.0.0.0:2181
//! server.2=10.0.0.2:2888:3888:observer
//! group.1=1:2                                  hierarchical quorums only
//! weight.1=3                                   hierarchical quorums only
//! version=100000000                            the zxid that brought it, in hex without 0x
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use zoorum_jute::{Decode, Encode};

use super::election::FRAME_MAX;
use super::member::{ConfigProblem, Member, Role};
use crate::{ServerId, properties};

/// The longest text of a configuration, in bytes: what a notification has room for behind its numbers.
/// A longer one is refused, since no peer could be told of it.
pub const CONFIG_TEXT_MAX: usize = FRAME_MAX - 44;

/// Which configuration is newer: the zxid of the change that brought it, or 0 for the one in the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct ConfigVersion(pub i64);

/// Hex without `0x`, as in the text.
impl fmt::Display for ConfigVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// The members of an ensemble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumConfig {
    /// Every `server.N`.
    pub members: BTreeMap<ServerId, Member>,
    /// Set when any key begins with `group` or `weight`; else every participant has one vote.
    pub hierarchy: Option<Hierarchy>,
    /// How new it is.
    pub version: ConfigVersion,
}

/// Hierarchical quorums: more than half of the weight, in more than half of the groups that weigh
/// anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hierarchy {
    /// `group.G`: the group of each server.
    pub group_of: BTreeMap<ServerId, i64>,
    /// `weight.N`: 1 for participants that are not here.
    pub weight_of: BTreeMap<ServerId, i64>,
}

impl QuorumConfig {
    /// Parses the text of a whole configuration.
    ///
    /// # Errors
    /// The first line that does not parse, or what the whole lacks.
    pub fn parse(text: &str, multi_address: bool) -> Result<Self, ConfigTextError> {
        let whole = |problem| ConfigTextError { line: None, problem };
        if text.len() > CONFIG_TEXT_MAX {
            return Err(whole(ConfigProblem::TooLong { length: text.len(), most: CONFIG_TEXT_MAX }));
        }
        let mut builder = ConfigBuilder::new(multi_address);
        let properties = properties::parse(text).map_err(|error| whole(error.into()))?;
        for property in properties {
            let (key, value) = (property.key.trim(), property.value.trim());
            builder.add(key, value).map_err(|problem| ConfigTextError {
                line: Some((key.to_owned(), value.to_owned())),
                problem,
            })?;
        }
        let config = builder.finish().map_err(whole)?;
        if config.voters().next().is_none() {
            return Err(whole(ConfigProblem::NoParticipants));
        }
        Ok(config)
    }

    /// The members with that role.
    pub fn with_role(&self, role: Role) -> impl Iterator<Item = &Member> {
        self.members.values().filter(move |member| member.role == role)
    }

    /// The servers that vote, in ascending order.
    pub fn voters(&self) -> impl Iterator<Item = ServerId> {
        self.with_role(Role::Participant).map(|member| member.id)
    }

    /// Whether this server votes.
    pub fn is_voter(&self, id: ServerId) -> bool {
        self.members.get(&id).is_some_and(Member::is_voter)
    }

    /// Whether the voters among those that `has` admits are a quorum.
    pub fn is_quorum(&self, has: impl Fn(ServerId) -> bool) -> bool {
        match &self.hierarchy {
            None => {
                let (all, present) = self
                    .voters()
                    .fold((0_usize, 0_usize), |(all, present), id| (all + 1, present + usize::from(has(id))));
                present > all / 2
            }
            Some(hierarchy) => hierarchy.is_quorum(self, has),
        }
    }

    /// What a server's vote weighs; `None` if nothing is said of that server. Weight 0 cannot be elected.
    pub fn weight_of(&self, id: ServerId) -> Option<i64> {
        let member = self.members.get(&id);
        match &self.hierarchy {
            None => member.map(|_| 1),
            Some(hierarchy) => hierarchy.weight_of(id, member.is_some_and(Member::is_voter)),
        }
    }

    /// Whether two configurations are to be taken for the same: they have the same version, or say the same.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.version == other.version || self.says_the_same_as(other)
    }

    /// Whether two configurations say the same, whatever their versions.
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        self.hierarchy == other.hierarchy
            && self.members.len() == other.members.len()
            && self.members.values().zip(other.members.values()).all(|(one, two)| one.is_same_as(two))
    }
}

/// The text; peers of every version read it.
impl fmt::Display for QuorumConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for member in self.members.values() {
            writeln!(f, "server.{}={member}", member.id)?;
        }
        if let Some(hierarchy) = &self.hierarchy {
            let mut groups: BTreeMap<i64, Vec<String>> = BTreeMap::new();
            for (id, group) in &hierarchy.group_of {
                groups.entry(*group).or_default().push(id.to_string());
            }
            for (group, ids) in groups {
                writeln!(f, "group.{group}={}", ids.join(":"))?;
            }
            for (id, weight) in &hierarchy.weight_of {
                writeln!(f, "weight.{id}={weight}")?;
            }
        }
        write!(f, "version={}", self.version)
    }
}

impl Hierarchy {
    fn weight_of(&self, id: ServerId, is_voter: bool) -> Option<i64> {
        self.weight_of.get(&id).copied().or(is_voter.then_some(1))
    }

    /// Weights are summed in 128 bits, which no number of 64-bit weights in memory can exceed.
    fn is_quorum(&self, config: &QuorumConfig, has: impl Fn(ServerId) -> bool) -> bool {
        let mut groups: BTreeMap<i64, (i128, i128)> = BTreeMap::new();
        for (&id, &group) in &self.group_of {
            let is_voter = config.is_voter(id);
            let weight = i128::from(self.weight_of(id, is_voter).unwrap_or(0));
            let (all, present) = groups.entry(group).or_default();
            *all += weight;
            *present += if is_voter && has(id) { weight } else { 0 };
        }
        let counted = groups.values().filter(|(all, _)| *all != 0).count();
        let won = groups.values().filter(|(all, present)| *all != 0 && *present > *all / 2).count();
        won > counted / 2
    }
}

/// A text that is no configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}", self.prefix())]
pub struct ConfigTextError {
    /// Key and value of the wrong line, if it is one line.
    pub line: Option<(String, String)>,
    /// What is wrong with it.
    pub problem: ConfigProblem,
}

impl ConfigTextError {
    fn prefix(&self) -> String {
        self.line.as_ref().map_or_else(String::new, |(key, value)| format!("{key}={value}: "))
    }
}

/// Takes the lines of a configuration one by one, so that whoever reads a file can say which one is wrong.
#[derive(Clone, Debug)]
pub struct ConfigBuilder {
    multi_address: bool,
    config: QuorumConfig,
}

impl ConfigBuilder {
    /// A configuration without members. `multi_address` allows several addresses for one member.
    pub fn new(multi_address: bool) -> Self {
        let config =
            QuorumConfig { members: BTreeMap::new(), hierarchy: None, version: ConfigVersion::default() };
        Self { multi_address, config }
    }

    /// Takes one line. A server or weight that was there before is replaced.
    ///
    /// # Errors
    /// What is wrong with the line.
    pub fn add(&mut self, key: &str, value: &str) -> Result<(), ConfigProblem> {
        if let Some(id) = key.strip_prefix("server.") {
            let id = ServerId(number(id)?);
            self.config.members.insert(id, Member::parse(id, value, self.multi_address)?);
        } else if key.starts_with("group") {
            self.add_group(number(after_dot(key))?, value)?;
        } else if key.starts_with("weight") {
            let id = ServerId(number(after_dot(key))?);
            self.config.hierarchy.get_or_insert_default().weight_of.insert(id, number(value)?);
        } else if key.starts_with("version") {
            self.config.version = ConfigVersion(hexadecimal(value)?);
        } else {
            return Err(ConfigProblem::UnrecognisedParameter { key: key.to_owned() });
        }
        Ok(())
    }

    fn add_group(&mut self, group: i64, value: &str) -> Result<(), ConfigProblem> {
        let hierarchy = self.config.hierarchy.get_or_insert_default();
        let mut listed = BTreeSet::new();
        for id in value.split(':') {
            let id = ServerId(number(id)?);
            if !listed.insert(id) || hierarchy.group_of.insert(id, group).is_some() {
                return Err(ConfigProblem::InMultipleGroups { id });
            }
        }
        Ok(())
    }

    /// Whether no member was named yet.
    pub fn is_empty(&self) -> bool {
        self.config.members.is_empty()
    }

    /// The configuration, which may still be without members.
    ///
    /// # Errors
    /// What its groups lack, or that it is too long to tell anybody.
    pub fn finish(self) -> Result<QuorumConfig, ConfigProblem> {
        let config = self.config;
        if let Some(hierarchy) = &config.hierarchy
            && let Some(id) = config.voters().find(|id| !hierarchy.group_of.contains_key(id))
        {
            return Err(ConfigProblem::NotInAGroup { id });
        }
        let length = config.to_string().len();
        if length > CONFIG_TEXT_MAX {
            return Err(ConfigProblem::TooLong { length, most: CONFIG_TEXT_MAX });
        }
        Ok(config)
    }
}

/// The text after the first dot, or all of it: `group.1` and, wrongly spelt, `groupFoo`.
fn after_dot(key: &str) -> &str {
    key.split_once('.').map_or(key, |(_, after)| after)
}

/// Java's `parseLong`: digits with at most one sign before them.
fn number(text: &str) -> Result<i64, ConfigProblem> {
    text.parse().map_err(|_| ConfigProblem::NotANumber { value: text.to_owned() })
}

/// Java prints versions without a sign and reads them with one, so that only those without agree with both.
fn hexadecimal(text: &str) -> Result<i64, ConfigProblem> {
    let number = i64::from_str_radix(text, 16).ok().filter(|&number| number >= 0);
    number.ok_or_else(|| ConfigProblem::NotANumber { value: text.to_owned() })
}

#[cfg(test)]
mod tests;
