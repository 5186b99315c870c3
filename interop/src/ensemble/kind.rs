//! Which implementation a member runs, and how it is started.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::server::{JAVA_FLAGS, jetty_jars, repository, zoorum_binary};

/// An implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Apache ZooKeeper 3.9.5, which `bench/original.sh` fetches.
    Java395,
    /// Apache ZooKeeper 3.8.0 as Debian packages it (`libzookeeper-java`).
    Java380,
    /// Zoorum: the binary that `ZOORUM_BIN` names, otherwise `target/release/zoorum`.
    Zoorum,
}

/// Where Debian's packages put their jars; the server's jar names the others that it needs.
const DEBIAN_JARS: [&str; 2] = ["/usr/share/java/zookeeper-3.8.0.jar", "/usr/share/java/slf4j-simple.jar"];
/// Members are many and their trees small.
const HEAP: &str = "-Xmx160m -Xss512k";
/// What an ensemble does is told at level INFO.
const LOG4J: &str = "\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss.SSS} [%t] %p %c{1} - %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
";

impl Kind {
    /// The command that runs a member in the foreground with this configuration file. A member does not
    /// outlive the thread that started it, even if nobody gets to end it.
    ///
    /// # Panics
    ///
    /// When the implementation is not installed.
    pub(super) fn command(self, config: &Path, flags: &[String]) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        match self {
            Kind::Java395 => {
                let log4j = config.with_file_name("log4j2.properties");
                std::fs::write(&log4j, LOG4J).expect("write the log's settings");
                let log4j = log4j.display();
                let flags = flags.join(" ");
                let flags = format!("{JAVA_FLAGS} {HEAP} -Dlog4j2.configurationFile={log4j} {flags}");
                command.arg(repository().join("bench/original.sh")).arg("run").env("JVMFLAGS", flags);
                command.env("ZOORUM_REFERENCE_MORE", jetty_jars().join(":"));
            }
            Kind::Java380 => {
                for jar in DEBIAN_JARS {
                    assert!(Path::new(jar).is_file(), "there is no {jar}: run interop/install.sh");
                }
                command
                    .arg("java")
                    .args(JAVA_FLAGS.split_whitespace())
                    .args(HEAP.split_whitespace())
                    .args(flags)
                    .arg("-Dorg.slf4j.simpleLogger.showDateTime=true")
                    .arg("-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS")
                    .arg("-Dorg.slf4j.simpleLogger.showShortLogName=true")
                    .args(["-cp", &DEBIAN_JARS.join(":")])
                    .arg("org.apache.zookeeper.server.quorum.QuorumPeerMain");
            }
            Kind::Zoorum => {
                let binary: PathBuf = zoorum_binary();
                command.arg(binary).args(["server", "start-foreground"]).env("JVMFLAGS", flags.join(" "));
            }
        }
        command.arg(config);
        command
    }
}
