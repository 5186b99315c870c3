//! `conf` and `dirs`: the configuration, and how much the data takes.

use std::fs;
use std::path::Path;

use zoorum_server::replica::Mode;

use super::facts::{Facts, MemberFacts};

/// Bytes of files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) snapshots: u64,
    pub(crate) logs: u64,
}

impl Sizes {
    /// Looks at the disk.
    pub(crate) fn measure(facts: &Facts) -> Self {
        Self { snapshots: size(&facts.snapshot_dir), logs: size(&facts.log_dir) }
    }
}

/// All files in a directory, and below it. A file that goes meanwhile counts nothing.
fn size(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let size_of = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.map(size_of).sum()
}

/// How much the data takes.
pub(super) fn dirs(sizes: Sizes) -> String {
    format!("datadir_size: {}\nlogdir_size: {}\n", sizes.snapshots, sizes.logs)
}

/// The configuration. Who is in the ensemble, only a server with a leader tells.
pub(super) fn conf(facts: &Facts, sizes: Sizes, mode: Mode) -> String {
    let common = format!(
        "clientPort={}\n\
         secureClientPort={}\n\
         dataDir={}\n\
         dataDirSize={}\n\
         dataLogDir={}\n\
         dataLogSize={}\n\
         tickTime={}\n\
         maxClientCnxns={}\n\
         minSessionTimeout={}\n\
         maxSessionTimeout={}\n\
         clientPortListenBacklog={}\n",
        facts.client_port,
        facts.secure_client_port,
        facts.snapshot_dir.display(),
        sizes.snapshots,
        facts.log_dir.display(),
        sizes.logs,
        facts.tick.as_millis(),
        facts.max_client_cnxns,
        facts.session_timeout_min.as_millis(),
        facts.session_timeout_max.as_millis(),
        facts.backlog,
    );
    match &facts.member {
        None => common + "serverId=0\n",
        Some(member) if mode == Mode::ReadOnly => common + &of_member(member),
        Some(member) => format!("{common}{}membership: \n{}", of_member(member), member.membership),
    }
}

fn of_member(member: &MemberFacts) -> String {
    format!(
        "serverId={}\n\
         initLimit={}\n\
         syncLimit={}\n\
         electionAlg=3\n\
         electionPort={}\n\
         quorumPort={}\n\
         peerType={}\n",
        member.id,
        member.init_limit,
        member.sync_limit,
        member.election_port,
        member.quorum_port,
        u8::from(member.observes),
    )
}

#[cfg(test)]
mod tests {
    use zoorum_config::ServerConfig;
    use zoorum_proto::ServerId;
    use zoorum_proto::quorum::QuorumConfig;

    use super::*;

    #[test]
    fn the_configuration_is_told_with_defaults_filled_in() {
        let facts = Facts::of(&ServerConfig::built_in("/data"));
        let expected = "clientPort=2181\nsecureClientPort=-1\ndataDir=/data/version-2\ndataDirSize=1\n\
            dataLogDir=/data/version-2\ndataLogSize=2\ntickTime=3000\nmaxClientCnxns=60\n\
            minSessionTimeout=6000\nmaxSessionTimeout=60000\nclientPortListenBacklog=-1\nserverId=0\n";
        assert_eq!(conf(&facts, Sizes { snapshots: 1, logs: 2 }, Mode::Standalone), expected);
    }

    #[test]
    fn a_member_tells_of_its_ensemble_too() {
        let text = "server.1=a:2888:3888:participant\nserver.2=b:2889:3889:observer\nversion=0";
        let facts = Facts {
            member: Some(MemberFacts {
                id: ServerId(2),
                init_limit: 10,
                sync_limit: 5,
                election_port: 3889,
                quorum_port: 2889,
                observes: true,
                membership: QuorumConfig::parse(text, false).expect("a configuration"),
            }),
            ..Facts::of(&ServerConfig::built_in("/data"))
        };
        let told = |mode| conf(&facts, Sizes { snapshots: 1, logs: 2 }, mode);
        let expected = "clientPortListenBacklog=-1\nserverId=2\ninitLimit=10\nsyncLimit=5\nelectionAlg=3\n\
            electionPort=3889\nquorumPort=2889\npeerType=1\n";
        let told_with_a_leader = told(Mode::Follower);
        assert!(
            told_with_a_leader.ends_with(&format!("{expected}membership: \n{text}")),
            "{told_with_a_leader}"
        );
        let told_without = told(Mode::ReadOnly);
        assert!(told_without.ends_with(expected), "{told_without}");
    }

    #[test]
    fn the_size_of_a_directory_is_that_of_its_files() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::create_dir(directory.path().join("below")).expect("created");
        fs::write(directory.path().join("log.1"), [0; 100]).expect("written");
        fs::write(directory.path().join("below/log.2"), [0; 11]).expect("written");
        assert_eq!(size(directory.path()), 111);
        assert_eq!(size(&directory.path().join("missing")), 0);
    }
}
