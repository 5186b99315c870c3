//! Where the servers are: `host[:port][,host[:port]…][/chroot]`.

use std::fmt;
use std::str::FromStr;

use zoorum_proto::path;

/// The port of a server that is named without one.
pub const DEFAULT_PORT: u16 = 2181;

/// One server, by name or address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host {
    /// A name to resolve, or an address; IPv6 without its brackets.
    pub name: String,
    /// Where it serves clients.
    pub port: u16,
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.contains(':') {
            true => write!(f, "[{}]:{}", self.name, self.port),
            false => write!(f, "{}:{}", self.name, self.port),
        }
    }
}

/// Servers, and the znode below which the application lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectString {
    /// The servers, each once, in the order given. Never empty.
    pub hosts: Vec<Host>,
    /// A valid path other than `/`, or nothing.
    pub chroot: String,
}

/// Why a connect string is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectStringError {
    /// It names no server.
    #[error("the connect string {0:?} names no server: it should be host:port,host:port/chroot")]
    NoHost(String),
    /// A server's address cannot be read.
    #[error("{host:?} is no server's address: {reason}")]
    BadHost {
        /// The piece between commas.
        host: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The chroot is not a valid path.
    #[error("the chroot {0:?} is not a valid path")]
    BadChroot(String),
}

impl FromStr for ConnectString {
    type Err = ConnectStringError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (servers, chroot) = match text.find('/') {
            Some(at) => text.split_at(at),
            None => (text, ""),
        };
        let chroot = if chroot == "/" { "" } else { chroot };
        if !chroot.is_empty() && !path::is_valid(chroot) {
            return Err(ConnectStringError::BadChroot(chroot.to_owned()));
        }
        let mut hosts = Vec::new();
        for piece in servers.split(',').map(str::trim).filter(|piece| !piece.is_empty()) {
            let host = parse_host(piece)?;
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        if hosts.is_empty() {
            return Err(ConnectStringError::NoHost(text.to_owned()));
        }
        Ok(Self { hosts, chroot: chroot.to_owned() })
    }
}

fn parse_host(piece: &str) -> Result<Host, ConnectStringError> {
    let bad = |reason| ConnectStringError::BadHost { host: piece.to_owned(), reason };
    let (name, port) = match piece.strip_prefix('[') {
        Some(rest) => {
            let (name, after) = rest.split_once(']').ok_or(bad("the bracket does not close"))?;
            match after.strip_prefix(':') {
                Some("") => return Err(bad("no port follows the colon")),
                Some(port) => (name, port),
                None if after.is_empty() => (name, ""),
                None => return Err(bad("only a colon and a port may follow the bracket")),
            }
        }
        None => piece.rsplit_once(':').unwrap_or((piece, "")),
    };
    if name.is_empty() {
        return Err(bad("the name is empty"));
    }
    let port = match port {
        "" => DEFAULT_PORT,
        port => port.parse().map_err(|_| bad("the port is not a number from 1 to 65535"))?,
    };
    if port == 0 {
        return Err(bad("the port is not a number from 1 to 65535"));
    }
    Ok(Host { name: name.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_and_chroot_are_told_apart() {
        let rows = [
            ("a,b:3000/x/y", "a:2181 b:3000", "/x/y"),
            ("a/", "a:2181", ""),
            (" a , ,b:", "a:2181 b:2181", ""),
            ("[::1],[fe80::1]:99", "[::1]:2181 [fe80::1]:99", ""),
            ("a,a:2181,b", "a:2181 b:2181", ""),
        ];
        for (text, hosts, chroot) in rows {
            let parsed: ConnectString = text.parse().expect(text);
            let shown: Vec<String> = parsed.hosts.iter().map(Host::to_string).collect();
            assert_eq!((shown.join(" ").as_str(), parsed.chroot.as_str()), (hosts, chroot), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        for text in
            ["", "/a", ",", "a//b", "a/b/", "[::1", "[]:1", "[::1]:", "[::1]x", "a:0", "a:70000", "a:b"]
        {
            assert!(text.parse::<ConnectString>().is_err(), "{text}");
        }
    }
}
