//! Ports: free, or already this server's own. The system's tables tell; nothing is bound.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};

use zoorum_config::{Mode, ServerConfig};
use zoorum_proto::quorum::HostPort;

use super::finding::{Area, Report};
use super::holder::Holder;

/// A socket that waits for connections.
#[derive(Clone, Debug)]
pub(super) struct Listener {
    /// Whose it is, if that may be known.
    pub process: Option<u32>,
    /// What that process was started as; empty if it is not known.
    pub command: String,
}

/// Tells of each port that the server needs.
pub(super) fn check(config: &ServerConfig, holder: Option<&Holder>, report: &mut Report) {
    for (what, key, address) in needed(config) {
        if let Some(complaint) = not_ours(&address) {
            let remedy = format!("correct {key}, or give this machine the address");
            report.add(Area::Ports).error(format!("{what} {address}: {complaint}"), remedy);
            continue;
        }
        let strangers: Vec<_> =
            listeners(address.port).into_iter().filter(|found| !is_own(found, holder)).collect();
        let is_taken = !listeners(address.port).is_empty();
        match strangers.first() {
            Some(stranger) => {
                let who = match stranger.process {
                    Some(process) => format!("process {process} ({})", stranger.command),
                    None => "a process of another user or container".to_owned(),
                };
                let remedy = format!("stop that process, or set {key} to another port");
                report.add(Area::Ports).error(format!("{what} {address} is taken by {who}"), remedy);
            }
            None if is_taken => report.add(Area::Ports).ok(format!("{what} {address} is this server's own")),
            None => report.add(Area::Ports).ok(format!("{what} {address} is free")),
        }
    }
}

/// What for, by which key, and where.
fn needed(config: &ServerConfig) -> Vec<(&'static str, &'static str, HostPort)> {
    let everywhere = |port| HostPort { host: HostPort::ANY_HOST.to_owned(), port };
    let mut needed = Vec::new();
    if let Some(address) = &config.network.client_address {
        needed.push(("clients'", "clientPort", address.clone()));
    }
    if let Some(address) = &config.network.secure_client_address {
        needed.push(("TLS clients'", "secureClientPort", address.clone()));
    }
    if config.admin.enable_server {
        let address = HostPort { host: config.admin.server_address.clone(), port: config.admin.server_port };
        needed.push(("the admin server's", "admin.serverPort", address));
    }
    let membership = config.membership.as_ref().filter(|_| config.mode() == Mode::Distributed);
    let own = config.server_id.and_then(|id| membership?.members.get(&id));
    for address in own.map(|member| member.addresses.as_slice()).unwrap_or_default() {
        for (what, address) in [("followers'", &address.quorum), ("the election's", &address.election)] {
            let all = config.quorum.listen_on_all_ips;
            needed.push((what, "server.N", if all { everywhere(address.port) } else { address.clone() }));
        }
    }
    needed.extend(
        config.quorum.observer_master_port.map(|port| ("observers'", "observerMasterPort", everywhere(port))),
    );
    needed
}

/// A server's own ports are no trouble. Where the system does not tell whose a socket is, a server that runs gets the
/// benefit of the doubt.
fn is_own(listener: &Listener, holder: Option<&Holder>) -> bool {
    holder.is_some_and(|holder| {
        holder.process == 0 || listener.process.is_none_or(|process| process == holder.process)
    })
}

/// Why this machine cannot listen there, if so. Another kind of socket is bound for that, to a port that is free.
fn not_ours(address: &HostPort) -> Option<String> {
    let resolved: Vec<SocketAddr> = match (address.host.as_str(), 0).to_socket_addrs() {
        Ok(resolved) => resolved.collect(),
        Err(error) => return Some(format!("the name cannot be resolved: {error}")),
    };
    let is_ours = |resolved: &SocketAddr| resolved.ip().is_unspecified() || UdpSocket::bind(resolved).is_ok();
    let told = || resolved.iter().map(|resolved| resolved.ip().to_string()).collect::<Vec<_>>().join(", ");
    (!resolved.iter().any(is_ours)).then(|| format!("{} is no address of this machine", told()))
}

/// Whether a host is this machine.
pub(super) fn is_this_machine(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

/// Who listens on a port, at whatever address.
pub(super) fn listeners(port: u16) -> Vec<Listener> {
    let sockets: Vec<u64> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| table.lines().filter_map(|line| listening(line, port)).collect::<Vec<_>>())
        .collect();
    if sockets.is_empty() {
        return Vec::new();
    }
    let owners = owners(&sockets);
    let listener = |socket: &u64| {
        let process = owners.get(socket).copied();
        Listener { process, command: process.map(command).unwrap_or_default() }
    };
    sockets.iter().map(listener).collect()
}

/// The number of the socket that a line of the table is about, if it listens on that port.
fn listening(line: &str, port: u16) -> Option<u64> {
    const LISTENS: &str = "0A";
    let columns: Vec<&str> = line.split_whitespace().collect();
    let (local, state, inode) = (columns.get(1)?, columns.get(3)?, columns.get(9)?);
    let (_, found) = local.rsplit_once(':')?;
    let is_it = *state == LISTENS && u16::from_str_radix(found, 16) == Ok(port);
    if is_it { inode.parse().ok() } else { None }
}

/// Which process has which of these sockets, as far as we may look.
fn owners(sockets: &[u64]) -> BTreeMap<u64, u32> {
    let mut owners = BTreeMap::new();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    for process in processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        let descriptors = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
        for link in descriptors.filter_map(|entry| fs::read_link(entry.path()).ok()) {
            let name = link.to_string_lossy();
            let inode = name.strip_prefix("socket:[").and_then(|name| name.strip_suffix(']'));
            if let Some(inode) =
                inode.and_then(|inode| inode.parse().ok()).filter(|inode| sockets.contains(inode))
            {
                owners.insert(inode, process);
            }
        }
    }
    owners
}

fn command(process: u32) -> String {
    const SHOWN: usize = 120;
    let command = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    let command = String::from_utf8_lossy(&command).trim_end_matches('\0').replace('\0', " ");
    if command.contains("org.apache.zookeeper") {
        // The class path in front of it is long.
        return command
            .split(' ')
            .skip_while(|word| !word.starts_with("org.apache.zookeeper"))
            .collect::<Vec<_>>()
            .join(" ");
    }
    command.chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_listener_is_found_with_its_process() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let found = listeners(port);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].process, Some(std::process::id()));
        drop(listener);
        assert!(listeners(port).is_empty());
    }

    #[test]
    fn only_this_machines_addresses_can_be_listened_on() {
        let address = |host: &str| HostPort { host: host.to_owned(), port: 2181 };
        assert_eq!(not_ours(&address("0.0.0.0")), None);
        assert_eq!(not_ours(&address("127.0.0.1")), None);
        assert!(not_ours(&address("192.0.2.1")).is_some(), "an address that no machine has");
        assert!(not_ours(&address("no.such.host.invalid")).is_some());
    }
}
