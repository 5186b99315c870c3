//! A file system of a few files, and configurations loaded from it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use zoorum_config::{ConfigError, Loaded, Sources, Start, load};

/// Files by path.
pub type Files = BTreeMap<PathBuf, Vec<u8>>;

/// A file system with `zoo.cfg` of this text, and `myid` in its data directory `/data` if given.
pub fn files(zoo_cfg: &str, myid: Option<&str>) -> Files {
    let mut files = Files::from([(PathBuf::from("./zoo.cfg"), zoo_cfg.as_bytes().to_vec())]);
    if let Some(myid) = myid {
        files.insert("/data/myid".into(), myid.as_bytes().to_vec());
    }
    files
}

/// Starts with `arguments` and these environment variables.
pub fn start(files: &Files, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let variable = |name: &str| {
        environment.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
    };
    let arguments = arguments.iter().map(|&argument| argument.to_owned());
    let without_arguments = Start::BuiltIn { data_dir: "./zoorum-data".into() };
    let sources = Sources::of_process(arguments, variable, without_arguments)?;
    load(&sources, |path: &Path| files.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into()))
}

/// A valid file for a server alone, with these lines added.
pub fn standalone(lines: &str) -> String {
    format!("dataDir=/data\nclientPort=2181\n{lines}\n")
}

/// A valid file for three servers, with these lines added.
pub fn quorum(lines: &str) -> String {
    standalone(&format!(
        "initLimit=5\nsyncLimit=2\nserver.1=a:2888:3888\nserver.2=b:2888:3888\nserver.3=c:2888:3888\n{lines}"
    ))
}
