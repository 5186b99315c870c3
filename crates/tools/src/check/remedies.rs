//! What to do about a setting.

use zoorum_config::Problem;

/// Where all is written down.
const ELSE: &str = "correct the line; docs/configure.md has every key and what it may be";

/// What mends a configuration that cannot be started with.
pub(super) fn of_problem(problem: &Problem) -> String {
    let remedy = match problem {
        Problem::Usage { .. } => "give a configuration file, or port and data directory",
        Problem::FileMissing { .. } => "create the file, or give the path of the right one",
        Problem::FileUnreadable { .. } => "let the user who runs the server read it",
        Problem::Properties(_) => {
            "write \\u and four hexadecimal digits; a backslash that stands for itself is \\\\"
        }
        Problem::Membership(_) => {
            "write server.N=host:2888:3888, then perhaps :observer, then perhaps ;clientPort; for one of several ports a \
             number of its own"
        }
        Problem::NotSet { key } => return format!("add the line {}", example(key)),
        Problem::NotANumber { .. } | Problem::OutOfRange { .. } => {
            "write a number in the range that is expected"
        }
        Problem::PortOutOfRange { .. } => "write a port from 1 to 65535",
        Problem::NotABoolean { .. } => "write true or false",
        Problem::ElectionAlg => "remove the line: there is one algorithm",
        Problem::AddressWithoutPort { key, port_key } => {
            return format!("set {port_key}, or remove {key}");
        }
        Problem::MinAboveMax => {
            "raise maxSessionTimeout or lower minSessionTimeout; unset they are 20 and 2 times tickTime"
        }
        Problem::MetricsProvider => {
            "write org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider, or remove the line"
        }
        Problem::UnknownClass { .. } | Problem::NoSelectorThreads => "remove the line",
        Problem::QuorumSasl { missing, .. } => return format!("set {missing}=true, or remove the line"),
        Problem::EnforceAuthWithoutSchemes => "set enforce.auth.schemes, or enforce.auth.enabled=false",
        Problem::AuthSchemeNotAvailable { .. } => {
            "set up a provider for the scheme (authProvider.N), or leave it out"
        }
        Problem::MyidMissing => "write this server's number N, as in server.N, into the file myid in dataDir",
        Problem::MyidNotANumber { .. } => "leave nothing in myid but this server's number",
        Problem::NotInPeerList { id } => {
            return format!("add a line server.{id}=… to every server's file, or correct myid in dataDir");
        }
        Problem::ServerIdTooLarge => "give the server a number up to 254, in myid and in every server's file",
        Problem::NoParticipants | Problem::ObserversWithoutParticipants | Problem::ObserversWithoutQuorum => {
            "name at least two servers that vote, or set standaloneEnabled=false for one"
        }
        Problem::MustBeDynamic { .. } => "move the line into the file that dynamicConfigFile names",
        Problem::UnrecognisedParameter { .. } => "remove the line, or move it into zoo.cfg",
        Problem::VersionInDynamicFile => "remove the line: the file's name has the version",
        Problem::ClientAddressDiffers { .. } => {
            "let clientPort say the same as the part behind the semicolon of this server's line, or remove it"
        }
        _ => ELSE,
    };
    remedy.to_owned()
}

fn example(key: &str) -> String {
    let value = match key {
        "dataDir" => "/var/lib/zookeeper",
        "tickTime" => "2000",
        "initLimit" => "10",
        "syncLimit" => "5",
        _ => "…",
    };
    format!("{key}={value}")
}

/// What mends a configuration that works, and probably not as was meant.
pub(super) fn of_notice(text: &str) -> String {
    let rows = [
        ("unknown configuration key", "correct the spelling, or remove the line"),
        ("not supported yet", "do not rely on it; remove the line"),
        ("is relative", "write the whole path: else it depends on where the server is started"),
        ("No server failure will be tolerated", "add a third server that votes"),
        (
            "Non-optimal configuration",
            "add a server that votes, or make one an observer: the last one adds no safety",
        ),
        ("only one server specified", "remove the line server.N, or set standaloneEnabled=false"),
        ("Invalid autopurge.snapRetainCount", "write 3 or more"),
        ("doesn't match peerType", "remove peerType: the server's line says what it is"),
        ("is not a valid value for preAllocSize", "write a number of KB"),
        ("forceSync=no", "remove the line, unless the data may be lost"),
        ("is not a snapshot compression method", "write gz or snappy, or remove the line"),
    ];
    let row = rows.iter().find(|(part, _)| text.contains(part));
    row.map_or(ELSE, |(_, remedy)| remedy).to_owned()
}
