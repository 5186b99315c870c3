//! A root like this machine's that may be changed: what is written lies in memory, and is gone with it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::{Room, succeeds};
use crate::server::repository;

/// Where the shared directory is found within.
pub const SHARED: &str = "/shared";

/// Lays the changes over this machine's root. The repository may lie on a disk of its own.
const LAY: &str = "set -e; mkdir over; mount -t tmpfs tmpfs over; cd over; mkdir changes work root
    mount -t overlay overlay -o lowerdir=/,upperdir=$PWD/changes,workdir=$PWD/work root
    mount -t proc proc root/proc; mount --rbind /dev root/dev; mount -t tmpfs tmpfs root/tmp
    mkdir root/shared; mount --bind ../shared root/shared
    mkdir -p \"root$0\"; mount --bind \"$0\" \"root$0\"; mount -o remount,bind,ro \"root$0\"";

/// See the module.
#[derive(Debug)]
pub struct Root {
    room: Room,
    directory: TempDir,
}

impl Root {
    /// A root in a room of its own.
    pub fn new() -> Root {
        let (room, directory) = (Room::new(), tempfile::tempdir().expect("a directory"));
        let root = Root { room, directory };
        fs::create_dir(root.shared()).expect("a directory");
        for path in [root.directory.path(), &root.shared()] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o777)).expect("open to all");
        }
        let mut lay = root.room.command("bash");
        succeeds(lay.args(["-c", LAY]).arg(repository()).current_dir(root.directory.path()));
        root
    }

    /// A directory of this machine's that is [`SHARED`] within.
    pub fn shared(&self) -> PathBuf {
        self.directory.path().join("shared")
    }

    /// Copies a file there.
    pub fn share(&self, file: &Path, name: &str) {
        fs::copy(file, self.shared().join(name)).expect("a copy");
    }

    /// A command in it.
    pub fn command(&self, program: &str) -> Command {
        let mut command = self.room.command("chroot");
        command.arg(self.directory.path().join("over/root")).arg(program);
        command
    }

    /// What a line of shell prints.
    pub fn run(&self, line: &str) -> String {
        let output = succeeds(self.command("bash").args(["-ec", line]));
        String::from_utf8(output.stdout).expect("text")
    }
}

impl Default for Root {
    fn default() -> Root {
        Root::new()
    }
}
