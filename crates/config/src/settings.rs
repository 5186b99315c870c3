//! All names and values before they have types: where each came from, and which one counts.
//!
//! ```text
//! -D in SERVER_JVMFLAGS  <  -D in JVMFLAGS  <  -D argument  <  zoo.cfg
//! ```
//!
//! A line of zoo.cfg is either one of the explicit keys, which nothing but the file can set, or it
//! becomes the system property `zookeeper.<key>` and overrides a `-D` of that name.

use crate::flags::SystemProperty;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use zoorum_proto::properties::Property;

/// Where a setting was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A line of a file.
    File {
        /// The file, spelt as it was given.
        path: PathBuf,
        /// The line, from 1.
        line: u32,
    },
    /// A file as a whole, in which something is missing.
    Within {
        /// The file, spelt as it was given.
        path: PathBuf,
    },
    /// An argument of the process.
    Argument,
    /// A flag inside this environment variable.
    Environment(&'static str),
    /// Nobody: what a server without any configuration starts with.
    BuiltIn,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Within { path } => path.display().fmt(f),
            Self::Argument => f.write_str("command line"),
            Self::Environment(variable) => f.write_str(variable),
            Self::BuiltIn => f.write_str("built-in"),
        }
    }
}

/// One name with the value that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// An explicit key (`tickTime`), or the full name of a system property (`zookeeper.snapCount`).
    pub name: String,
    /// The value, trimmed when it came from a file.
    pub value: String,
    /// Who set it.
    pub origin: Origin,
}

impl Setting {
    /// The name as the operator spelt it: in a file, a property stands without its prefix.
    pub fn name_as_written(&self) -> &str {
        match self.origin {
            Origin::File { .. } => self.name.strip_prefix(PREFIX).unwrap_or(&self.name),
            _ => &self.name,
        }
    }

    /// The value as it may be shown to anybody: passwords and the like are masked.
    pub fn printable_value(&self) -> &str {
        let name = self.name.to_ascii_lowercase();
        let secret = ["password", "superdigest", "secret"].iter().any(|word| name.contains(word));
        // The path of a password file is no secret, and an error about it must name it.
        if secret && !name.ends_with("path") { "***" } else { &self.value }
    }
}

/// The prefix that turns a key of zoo.cfg into the name of a system property.
const PREFIX: &str = "zookeeper.";

/// Explicit keys: read from the file and from nowhere else.
pub(crate) const EXPLICIT_KEYS: [&str; 43] = [
    "autopurge.purgeInterval",
    "autopurge.snapRetainCount",
    "clientPort",
    "clientPortAddress",
    "clientPortListenBacklog",
    "connectToLearnerMasterLimit",
    "dataDir",
    "dataLogDir",
    "dynamicConfigFile",
    "electionAlg",
    "initLimit",
    "jvm.pause.info-threshold.ms",
    "jvm.pause.monitor",
    "jvm.pause.sleep.time.ms",
    "jvm.pause.warn-threshold.ms",
    "localSessionsEnabled",
    "localSessionsUpgradingEnabled",
    "maxClientCnxns",
    "maxSessionTimeout",
    "minSessionTimeout",
    "multiAddress.enabled",
    "multiAddress.reachabilityCheckEnabled",
    "multiAddress.reachabilityCheckTimeoutMs",
    "observerMasterPort",
    "oraclePath",
    "peerType",
    "portUnification",
    "quorum.auth.enableSasl",
    "quorum.auth.kerberos.servicePrincipal",
    "quorum.auth.learner.saslLoginContext",
    "quorum.auth.learnerRequireSasl",
    "quorum.auth.server.saslLoginContext",
    "quorum.auth.serverRequireSasl",
    "quorum.cnxn.threads.size",
    "quorumListenOnAllIPs",
    "reconfigEnabled",
    "secureClientPort",
    "secureClientPortAddress",
    "sslQuorum",
    "sslQuorumReloadCertFiles",
    "standaloneEnabled",
    "syncEnabled",
    "syncLimit",
];

/// Whether only the configuration file can set `key`.
pub(crate) fn is_explicit(key: &str) -> bool {
    key == "tickTime"
        || EXPLICIT_KEYS.binary_search(&key).is_ok()
        || is_membership(key)
        || key.starts_with("metricsProvider.")
}

/// Whether `key` says who is in the ensemble and whose vote weighs what.
pub(crate) fn is_membership(key: &str) -> bool {
    key.starts_with("server.") || key.starts_with("group") || key.starts_with("weight")
}

/// The merged table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    explicit: BTreeMap<String, Setting>,
    properties: BTreeMap<String, Setting>,
}

impl Settings {
    /// Adds flags that count more than all added before them.
    pub fn add_flags(&mut self, flags: &[SystemProperty], origin: &Origin) {
        for (name, value) in flags {
            self.insert_property(name.clone(), value.clone(), origin.clone());
        }
    }

    /// Adds the lines of zoo.cfg, which count more than any flag.
    pub fn add_file(&mut self, path: &Path, lines: Vec<Property>) {
        for Property { key, value, line } in lines {
            let (key, value) = (key.trim(), value.trim());
            let origin = Origin::File { path: path.to_path_buf(), line };
            if is_explicit(key) {
                self.insert_explicit(key.to_owned(), value.to_owned(), origin);
            } else {
                self.insert_property(format!("{PREFIX}{key}"), value.to_owned(), origin);
            }
        }
    }

    /// Sets an explicit key without a file.
    pub fn insert_explicit(&mut self, name: String, value: String, origin: Origin) {
        self.explicit.insert(name.clone(), Setting { name, value, origin });
    }

    fn insert_property(&mut self, name: String, value: String, origin: Origin) {
        self.properties.insert(name.clone(), Setting { name, value, origin });
    }

    /// The setting of that name: an explicit key, or the full name of a property.
    pub fn get(&self, name: &str) -> Option<&Setting> {
        if is_explicit(name) { self.explicit.get(name) } else { self.properties.get(name) }
    }

    /// Every setting in the order of the names, explicit keys first.
    pub fn iter(&self) -> impl Iterator<Item = &Setting> {
        self.explicit.values().chain(self.properties.values())
    }

    /// The explicit keys alone.
    pub(crate) fn explicit(&self) -> impl Iterator<Item = &Setting> {
        self.explicit.values()
    }

    /// The properties alone.
    pub(crate) fn properties(&self) -> impl Iterator<Item = &Setting> {
        self.properties.values()
    }

    /// The process's properties as ZooKeeper would report them (`system_properties`): membership lines
    /// appear there too. Values still have to be masked with [`Setting::printable_value`].
    pub fn system_properties(&self) -> BTreeMap<String, &Setting> {
        let members = self.explicit.values().filter(|setting| is_membership(&setting.name));
        let copied = members.map(|setting| (format!("{PREFIX}{}", setting.name), setting));
        copied.chain(self.properties.iter().map(|(name, setting)| (name.clone(), setting))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str, flags: &[(&str, &str)]) -> Settings {
        let mut settings = Settings::default();
        let flags: Vec<_> = flags.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        settings.add_flags(&flags, &Origin::Argument);
        let path = Path::new("zoo.cfg");
        settings.add_file(path, zoorum_proto::properties::parse(text).expect("well-formed"));
        settings
    }

    #[test]
    fn the_list_of_explicit_keys_is_sorted_for_the_search() {
        assert!(EXPLICIT_KEYS.is_sorted());
    }

    #[test]
    fn a_key_is_routed_by_its_name() {
        let rows = [
            ("tickTime=1", "tickTime"),
            ("server.1=h:1:2", "server.1"),
            ("groupFoo=1", "groupFoo"),
            ("weight.1=2", "weight.1"),
            ("metricsProvider.httpPort=7000", "metricsProvider.httpPort"),
            ("autopurge.purgeInterval=1", "autopurge.purgeInterval"),
            ("snapCount=1", "zookeeper.snapCount"),
            ("myNewKey=1", "zookeeper.myNewKey"),
            ("zookeeper.snapCount=1", "zookeeper.zookeeper.snapCount"),
            ("jute.maxbuffer=1", "zookeeper.jute.maxbuffer"),
        ];
        for (text, name) in rows {
            assert!(settings(text, &[]).get(name).is_some(), "{text} becomes {name}");
        }
    }

    #[test]
    fn the_file_beats_flags_and_the_later_line_beats_the_earlier() {
        let merged = settings("snapCount=1\nsnapCount = 2 \n", &[("zookeeper.snapCount", "3")]);
        let setting = merged.get("zookeeper.snapCount").expect("set");
        assert_eq!(setting.value, "2");
        assert_eq!(setting.origin.to_string(), "zoo.cfg:2");
    }

    #[test]
    fn a_flag_cannot_set_an_explicit_key() {
        let merged = settings("", &[("tickTime", "1"), ("zookeeper.tickTime", "1")]);
        assert_eq!(merged.get("tickTime"), None);
    }

    #[test]
    fn members_are_listed_among_the_properties_and_secrets_are_masked() {
        let merged = settings("server.1=h:1:2\nssl.keyStore.password=x\nssl.keyStore.passwordPath=/p", &[]);
        let all = merged.system_properties();
        assert_eq!(all["zookeeper.server.1"].printable_value(), "h:1:2");
        assert_eq!(all["zookeeper.ssl.keyStore.password"].printable_value(), "***");
        assert_eq!(all["zookeeper.ssl.keyStore.passwordPath"].printable_value(), "/p");
    }
}
