//! The original's main classes as names of commands, and the script that prepares data directories.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;
use zoorum_interop::server::zoorum_binary;

use crate::support::{directory_with, repository};

/// The exit code and both outputs.
fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn class(words: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(zoorum_binary());
    told(
        &command
            .arg(format!("org.apache.zookeeper.{}", words[0]))
            .args(&words[1..])
            .output()
            .expect("run zoorum"),
    )
}

#[test]
fn digests_are_printed_under_the_originals_class() {
    let (code, stdout, _) = class(&["server.auth.DigestAuthenticationProvider", "super:secret", "größe:ü"]);
    let lines =
        "super:secret->super:lK75jTNcA+U9vtVEw5vB51mj/w4=\ngröße:ü->größe:7vkfdiNfUJItivDXNs1FUVFr2VA=\n";
    assert_eq!((code, stdout.as_str()), (Some(0), lines));
}

#[test]
fn the_version_is_printed_under_the_originals_class() {
    let (_, full, _) = class(&["Version"]);
    assert!(
        full.starts_with("3.9.5-zoorum") && full.contains(", built on 20") && full.ends_with(" UTC\n"),
        "{full}"
    );
    assert_eq!(class(&["Version", "--full"]).1, full);
    assert_eq!(class(&["Version", "--short"]).1, "3.9.5\n");
    assert_eq!(class(&["Version", "--revision"]).1.trim_end(), full.split(',').next().unwrap_or_default());
    let (code, usage, _) = class(&["Version", "--all"]);
    assert!(
        code == Some(1) && usage.starts_with("Usage:\tjava -cp ... org.apache.zookeeper.Version"),
        "{usage}"
    );
}

#[test]
fn the_shell_starts_under_the_originals_class() {
    let (code, stdout, stderr) = class(&["ZooKeeperMain", "-help"]);
    assert!(!stderr.contains("unrecognized subcommand"), "{code:?} {stdout}{stderr}");
}

/// A directory with a configuration, and what the script says of it.
fn initialize(directory: &TempDir, options: &[&str]) -> (Option<i32>, String, String) {
    let data = directory.path().join("data");
    let file = directory.path().join("zoo.cfg");
    fs::write(&file, format!("dataDir={}\n", data.display())).expect("written");
    let mut script = Command::new(repository().join("bin/zkServer-initialize.sh"));
    told(
        &script
            .arg(format!("--configfile={}", file.display()))
            .args(options)
            .output()
            .expect("run the script"),
    )
}

#[test]
fn only_a_number_that_a_server_may_have_is_written() {
    let directory = directory_with(&[]);
    let data: &Path = &directory.path().join("data");
    for wrong in ["abc", "0", "256", "999", "-1", "1x"] {
        let (code, stdout, stderr) = initialize(&directory, &["--force", &format!("--myid={wrong}")]);
        assert_eq!((code, stdout.as_str(), data.exists()), (Some(1), "", false), "{wrong}");
        assert!(stderr.contains("from 1 to 255"), "{stderr}");
    }
    let (code, stdout, stderr) = initialize(&directory, &["--myid", "255"]);
    assert_eq!((code, stdout.as_str()), (Some(0), "Using myid of 255\n"), "{stderr}");
    assert_eq!(fs::read_to_string(data.join("myid")).expect("read"), "255\n");
}
