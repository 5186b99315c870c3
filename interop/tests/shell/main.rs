//! The original's shell and Zoorum's: the same commands, the same words on the same streams, the same exit codes.
//!
//! Both shells run against one server, one after the other, and that against a server of either kind. Zxids, times
//! and sessions are masked. What Zoorum's shell has beyond the original's is in `beyond.rs`.

mod beyond;
mod commands;
mod failures;
mod terminal;
mod transcript;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use zoorum_interop::server::{Setup, zoorum_binary};

/// `super:secret`, as the server wants it.
const SUPER_DIGEST: &str = "super:lK75jTNcA+U9vtVEw5vB51mj/w4=";

/// Which shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shell {
    Original,
    Zoorum,
}

impl Shell {
    /// The shell, with its options up to the servers.
    fn command(self, servers: &str) -> Command {
        let mut command = match self {
            Shell::Original => {
                let mut command = Command::new("java");
                // It prints on the same streams as its logger, which therefore is silent.
                let silent = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shell/silent.properties");
                command.arg(format!("-Dlog4j2.configurationFile={}", silent.display()));
                command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"]);
                command.args(["-cp", original_jars()]);
                command.arg("org.apache.zookeeper.ZooKeeperMain");
                command
            }
            Shell::Zoorum => {
                let mut command = Command::new(zoorum_binary());
                command.arg("cli");
                command
            }
        };
        command.args(["-server", servers]).env("TZ", "UTC").env("LC_ALL", "C.UTF-8");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// What both shells count on: everything optional is switched on.
fn setup() -> Setup {
    Setup::new()
        .config("tickTime", "500")
        .config("maxSessionTimeout", "60000")
        .config("extendedTypesEnabled", "true")
        .config("enforceQuota", "true")
        .config("DigestAuthenticationProvider.superDigest", SUPER_DIGEST)
}

fn original_jars() -> &'static str {
    static JARS: OnceLock<String> = OnceLock::new();
    JARS.get_or_init(|| {
        let output = Command::new(repository().join("bench/original.sh")).arg("classpath").output();
        let output = output.expect("run original.sh");
        assert!(output.status.success(), "original.sh classpath: {output:?}");
        String::from_utf8(output.stdout).expect("a path").trim().to_owned()
    })
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package lies in the repository").into()
}

/// What differs from run to run, replaced.
fn masked(line: &str, server: SocketAddr) -> String {
    let line = line.replace(&server.to_string(), "SERVER");
    if let Some((before, zxid)) = line.rsplit_once(" zxid: ")
        && zxid != "-1"
    {
        return format!("{before} zxid: N");
    }
    match line.split_once(" = ") {
        Some((name @ ("cZxid" | "mZxid" | "pZxid"), zxid)) if zxid != "0x0" => format!("{name} = N"),
        Some((name @ ("ctime" | "mtime"), date)) => {
            // Day, month, day of the month, time, zone, year.
            format!(
                "{name} = {} words, {}",
                date.split(' ').count(),
                date.split(' ').nth(4).unwrap_or_default()
            )
        }
        Some((name @ "ephemeralOwner", owner)) if owner != "0x0" => format!("{name} = a session"),
        _ => line,
    }
}
