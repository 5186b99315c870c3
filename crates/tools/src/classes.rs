//! The original's main classes, as names of our commands: some deployments call them without the scripts.

use std::ffi::OsString;

/// Where all of them are.
const PACKAGE: &str = "org.apache.zookeeper.";

const CLASSES: [(&str, &[&str]); 12] = [
    ("Version", &["release"]),
    ("ZooKeeperMain", &["cli"]),
    ("client.FourLetterWordMain", &["four-letter-word"]),
    ("server.PurgeTxnLog", &["purge"]),
    ("server.SnapshotComparer", &["snapshot", "compare"]),
    ("server.SnapshotFormatter", &["snapshot", "dump"]),
    ("server.SnapshotRecursiveSummary", &["snapshot", "summary"]),
    ("server.ZooKeeperServerMain", &["server"]),
    ("server.auth.DigestAuthenticationProvider", &["digest"]),
    ("server.persistence.TxnLogToolkit", &["log", "dump"]),
    ("server.quorum.QuorumPeerMain", &["server"]),
    ("version.VersionInfoMain", &["version"]),
];

/// The process's arguments, with a class behind the program's name replaced by the command that stands for it.
pub fn without_classes(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    let class = arguments.get(1).and_then(|word| word.to_str()?.strip_prefix(PACKAGE));
    if let Some((_, command)) = class.and_then(|class| CLASSES.iter().find(|(known, _)| *known == class)) {
        arguments.splice(1..2, command.iter().map(OsString::from));
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_stands_for_a_command() {
        let rows = [
            ("zoorum", "zoorum"),
            ("zoorum server zoo.cfg", "zoorum server zoo.cfg"),
            ("zoorum org.apache.zookeeper.server.quorum.QuorumPeerMain zoo.cfg", "zoorum server zoo.cfg"),
            ("zoorum org.apache.zookeeper.server.persistence.TxnLogToolkit -d f", "zoorum log dump -d f"),
            ("zoorum org.apache.zookeeper.ZooKeeperMain -server a:1 ls /", "zoorum cli -server a:1 ls /"),
            ("zoorum org.apache.zookeeper.Version --short", "zoorum release --short"),
            ("zoorum org.apache.zookeeper.server.auth.DigestAuthenticationProvider a:b", "zoorum digest a:b"),
            ("zoorum org.apache.zookeeper.Unknown", "zoorum org.apache.zookeeper.Unknown"),
            (
                "zoorum server org.apache.zookeeper.server.PurgeTxnLog",
                "zoorum server org.apache.zookeeper.server.PurgeTxnLog",
            ),
        ];
        for (line, expected) in rows {
            let words = without_classes(line.split(' ').map(OsString::from));
            assert_eq!(words.join(&OsString::from(" ")), expected, "{line}");
        }
    }
}
