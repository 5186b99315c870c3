//! Asking a server, by a four-letter word on its client port, what it is.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use zoorum_config::ServerConfig;
use zoorum_proto::quorum::HostPort;

use super::finding::{Area, Report};
use super::holder::Holder;

/// Longest wait for a connection, and for an answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// No answer is longer.
const ANSWER_MAX: u64 = 1 << 20;

/// What a server says to `srvr`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Of a server that serves: standalone, leader, follower, observer, read-only.
    pub mode: Option<String>,
    pub version: Option<String>,
    pub zxid: Option<String>,
}

impl Answer {
    /// Asks for `srvr`, which is answered whatever is configured.
    pub(super) fn of(address: &SocketAddr) -> io::Result<Self> {
        ask(address, "srvr").map(|text| Self::parse(&text))
    }

    /// What this server answers, if it runs and has a port without TLS.
    pub(super) fn of_own(config: &ServerConfig) -> Option<Self> {
        Self::of(&own_address(config)?).ok()
    }

    fn parse(text: &str) -> Self {
        let after = |prefix: &str| {
            text.lines().find_map(|line| line.strip_prefix(prefix)).map(|rest| rest.trim().to_owned())
        };
        let version = after("Zookeeper version: ");
        let version =
            version.map(|version| version.split(", built on").next().unwrap_or_default().to_owned());
        Self { mode: after("Mode: "), version, zxid: after("Zxid: ") }
    }

    /// In one sentence.
    pub(super) fn in_short(&self) -> String {
        let version = self.version.as_deref().unwrap_or("unknown");
        match (&self.mode, &self.zxid) {
            (Some(mode), Some(zxid)) => format!("{mode}, at zxid {zxid}, version {version}"),
            _ => "runs, and serves nobody now".to_owned(),
        }
    }

    /// Tells what this server is.
    pub(super) fn tell(&self, holder: Option<&Holder>, report: &mut Report) {
        let found = format!("this server: {}", self.in_short());
        match (&self.mode, holder) {
            (_, None) => {
                let remedy = "stop that server, or give this one another clientPort";
                report.add(Area::Ports).error(format!("the client port answers, though no server runs on the data directory; {found}"), remedy);
            }
            (Some(_), _) => report.add(Area::Peers).ok(found),
            (None, _) => report.add(Area::Peers).warning(
                found,
                "wait until it has recovered and, in an ensemble, until more than half of those that vote are up; its log \
                 says what it waits for",
            ),
        }
    }
}

/// Where this server's clients connect, seen from this machine.
pub(super) fn own_address(config: &ServerConfig) -> Option<SocketAddr> {
    let address = config.network.client_address.as_ref()?;
    let mut resolved = resolve(address).ok()?.into_iter().next()?;
    if resolved.ip().is_unspecified() {
        let loopback =
            if resolved.is_ipv4() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { Ipv6Addr::LOCALHOST.into() };
        resolved.set_ip(loopback);
    }
    Some(resolved)
}

/// The addresses of a host; at least one.
pub(super) fn resolve(address: &HostPort) -> io::Result<Vec<SocketAddr>> {
    let resolved: Vec<_> = (address.host.as_str(), address.port).to_socket_addrs()?.collect();
    if resolved.is_empty() {
        Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
    } else {
        Ok(resolved)
    }
}

/// Sends a word and reads the answer to its end.
pub(super) fn ask(address: &SocketAddr, words: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(words.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_tells_what_a_server_is() {
        let text = "Zookeeper version: 3.9.5-ab, built on 2026-02-11 20:15 UTC\nLatency min/avg/max: 0/0.0/0\nZxid: \
                    0x100000002\nMode: follower\nNode count: 4\n";
        let answer = Answer::parse(text);
        assert_eq!(answer.in_short(), "follower, at zxid 0x100000002, version 3.9.5-ab");
        let excuse = Answer::parse("This ZooKeeper instance is not currently serving requests\n");
        assert_eq!(
            (excuse.mode.clone(), excuse.in_short()),
            (None, "runs, and serves nobody now".to_owned())
        );
    }
}
