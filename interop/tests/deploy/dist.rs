//! The products of `deploy/build.sh`.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use zoorum_interop::dist::Dist;
use zoorum_interop::room::succeeds;

/// Built once for all tests.
pub(crate) fn dist() -> &'static Dist {
    static DIST: OnceLock<Dist> = OnceLock::new();
    DIST.get_or_init(|| Dist::build(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("deploy")))
}

#[test]
fn the_same_commit_gives_the_same_bytes() {
    let directory = tempfile::tempdir().expect("a directory");
    let again = Dist::build(directory.path());
    for (first, second) in [(dist().archive(), again.archive()), (dist().package(), again.package())] {
        assert_eq!(first.file_name(), second.file_name());
        assert!(fs::read(&first).expect("read") == fs::read(&second).expect("read"), "{first:?}");
    }
    succeeds(Command::new("sha256sum").args(["--check", "SHA256SUMS"]).current_dir(again.directory()));
}

#[test]
fn the_archive_has_scripts_and_configuration_where_operators_look() {
    let output = succeeds(Command::new("tar").arg("--list").arg("--file").arg(dist().archive()));
    let listing = String::from_utf8(output.stdout).expect("plain names");
    let names: Vec<&str> = listing.lines().filter_map(|line| Some(line.split_once('/')?.1)).collect();
    for name in [
        "bin/zoorum",
        "bin/zkServer.sh",
        "bin/zkServer-initialize.sh",
        "bin/zkCleanup.sh",
        "bin/zkEnv.sh",
        "conf/zoo_sample.cfg",
        "docs/operate.md",
        "deploy/kubernetes/zookeeper.yaml",
        "deploy/helm/zoorum/Chart.yaml",
        "deploy/systemd/zoorum.service",
        "LICENSE",
        "README.md",
    ] {
        assert!(names.contains(&name), "{name} is missing of {names:?}");
    }
}
