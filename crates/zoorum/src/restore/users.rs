//! Who uses a data directory without taking Zoorum's lock: a Java server above all, which takes none.
//!
//! Two things give one away: a file of the directory that it has open, as it has the log from its first change on; and
//! the configuration that it was started with, which names the directory. Of another user's process only root learns
//! the first. What a pid file says is looked at elsewhere.

use std::fmt::{self, Display};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use zoorum_config::{Sources, Start, load};

use super::target::VERSION;

/// The classes that are servers of the original's.
const SERVERS: [&str; 2] =
    ["org.apache.zookeeper.server.quorum.QuorumPeerMain", "org.apache.zookeeper.server.ZooKeeperServerMain"];
/// So much of a command is shown.
const SHOWN: usize = 120;

/// A process that uses a directory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct User {
    process: u32,
    command: String,
    by: Trace,
}

/// How that is known.
#[derive(Debug, PartialEq, Eq)]
enum Trace {
    /// It has a file open.
    File(String),
    /// It is a server whose configuration names the directory.
    Configuration,
}

impl Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { process, command, by } = self;
        match by {
            Trace::File(name) => write!(f, "process {process} ({command}) has {VERSION}/{name} open"),
            Trace::Configuration => write!(f, "process {process} ({command}) is a server of it"),
        }
    }
}

impl User {
    /// One that uses the directory now, other than this process, if any can be seen.
    pub(super) fn of(directory: &Path) -> Option<Self> {
        let files = files(&directory.join(VERSION));
        let place = fs::metadata(directory).map(|metadata| inode(&metadata)).ok()?;
        processes().filter(|&process| process != std::process::id()).find_map(|process| {
            let by = match open_file(process, &files) {
                Some(name) => Trace::File(name),
                None if serves(process, place) => Trace::Configuration,
                None => return None,
            };
            Some(Self { process, command: command(process), by })
        })
    }
}

/// What makes a file the same, under whichever path and in whichever container.
type Inode = (u64, u64);

fn inode(metadata: &fs::Metadata) -> Inode {
    (metadata.dev(), metadata.ino())
}

/// The files that may be open.
fn files(directory: &Path) -> Vec<(Inode, String)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let file = |entry: fs::DirEntry| {
        let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
        Some((inode(&metadata), entry.file_name().to_string_lossy().into_owned()))
    };
    entries.filter_map(file).collect()
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The name of one of these files that the process has open.
fn open_file(process: u32, files: &[(Inode, String)]) -> Option<String> {
    if files.is_empty() {
        return None;
    }
    let descriptors = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    descriptors.map(|entry| entry.path()).find_map(|descriptor| {
        // Sockets and pipes have no path.
        fs::read_link(&descriptor).ok().filter(|path| path.is_absolute())?;
        let open = inode(&fs::metadata(&descriptor).ok()?);
        files.iter().find(|(inode, _)| *inode == open).map(|(_, name)| name.clone())
    })
}

/// Whether the process is a Java server on this directory, as far as its configuration can be read.
fn serves(process: u32, place: Inode) -> bool {
    let words = words(process);
    let Some(class) = words.iter().position(|word| SERVERS.contains(&word.as_str())) else { return false };
    let seen = |path: &Path| seen_by(process, path);
    let start = Start::BuiltIn { data_dir: PathBuf::new() };
    let sources = Sources::of_process(words[class + 1..].iter().cloned(), |_| None, start);
    let Ok(loaded) = sources.and_then(|sources| load(&sources, |path| fs::read(seen(path)))) else {
        return false;
    };
    let storage = &loaded.config.storage;
    let is_it = |path: &Path| fs::metadata(seen(path)).is_ok_and(|metadata| inode(&metadata) == place);
    is_it(&storage.data_dir) || is_it(&storage.data_log_dir)
}

/// Where a path of the process's leads: it may have another working directory, or another root.
fn seen_by(process: u32, path: &Path) -> PathBuf {
    let of_process = |name: &str| PathBuf::from(format!("/proc/{process}/{name}"));
    let there = match path.strip_prefix("/") {
        Ok(rest) => of_process("root").join(rest),
        Err(_) => of_process("cwd").join(path),
    };
    // Whoever may not look there takes its root for the same as here.
    if there.exists() { there } else { path.to_owned() }
}

fn words(process: u32) -> Vec<String> {
    let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    let words = line.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    words.map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

/// What it was started as. A Java server's class path, which is long, is left out.
fn command(process: u32) -> String {
    let words = words(process);
    let class = words.iter().position(|word| SERVERS.contains(&word.as_str())).unwrap_or(0);
    words[class..].join(" ").chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_with_a_file_open_uses_the_directory() {
        let directory = std::env::temp_dir().join(format!("zoorum-users-{}", std::process::id()));
        let log = directory.join(VERSION).join("log.1");
        fs::create_dir_all(directory.join(VERSION)).and_then(|()| fs::write(&log, "x")).expect("written");
        let own = fs::File::open(&log).expect("open");
        assert_eq!(User::of(&directory), None, "this process does not count");
        let mut holder = Command::new("sleep").arg("60").stdin(own).spawn().expect("run sleep");
        let said = User::of(&directory).map(|user| user.to_string());
        holder.kill().and_then(|()| holder.wait().map(drop)).expect("end it");
        fs::remove_dir_all(&directory).expect("removed");
        let process = holder.id();
        assert_eq!(said, Some(format!("process {process} (sleep 60) has version-2/log.1 open")));
    }

    #[test]
    fn a_directory_that_is_not_there_has_no_user() {
        assert_eq!(User::of(Path::new("/nowhere/to/be/found")), None);
    }
}
