//! `conf` and `dirs`: the configuration, and how much the data takes.

use std::fs;
use std::path::Path;

use super::facts::Facts;

/// Bytes of files.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    snapshots: u64,
    logs: u64,
}

impl Sizes {
    /// Looks at the disk.
    pub(super) fn measure(facts: &Facts) -> Self {
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

/// The configuration of a standalone server.
pub(super) fn conf(facts: &Facts, sizes: Sizes) -> String {
    format!(
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
         clientPortListenBacklog={}\n\
         serverId=0\n",
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
    )
}

#[cfg(test)]
mod tests {
    use zoorum_config::ServerConfig;

    use super::*;

    #[test]
    fn the_configuration_is_told_with_defaults_filled_in() {
        let facts = Facts::of(&ServerConfig::built_in("/data"));
        let expected = "clientPort=2181\nsecureClientPort=-1\ndataDir=/data/version-2\ndataDirSize=1\n\
            dataLogDir=/data/version-2\ndataLogSize=2\ntickTime=3000\nmaxClientCnxns=60\n\
            minSessionTimeout=6000\nmaxSessionTimeout=60000\nclientPortListenBacklog=-1\nserverId=0\n";
        assert_eq!(conf(&facts, Sizes { snapshots: 1, logs: 2 }), expected);
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
