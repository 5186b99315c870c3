//! What the sockets between servers must know of the configuration.

use std::num::NonZeroU32;

use zoorum_config::ServerConfig;
use zoorum_proto::ServerId;
use zoorum_proto::quorum::{HostPort, Member, MemberAddress};
use zoorum_zab::Door;

/// Where this server lets its peers call, and how its sockets are set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerOptions {
    /// Where the door for votes is.
    pub election: Vec<HostPort>,
    /// Where the door for followers and observers is.
    pub quorum: Vec<HostPort>,
    /// Where the door for observers of a follower is; nowhere without `observerMasterPort`.
    pub observer_master: Vec<HostPort>,
    /// How often binding the door for votes is attempted; `None` is for ever.
    pub election_bind_attempts: Option<NonZeroU32>,
    /// Whether silent peers are probed at the quorum doors. At those for votes they always are.
    pub keep_alive: bool,
    /// TCP_NODELAY on connections of learners with this leader.
    pub leader_no_delay: bool,
    /// TCP_NODELAY on connections of this learner with its leader.
    pub follower_no_delay: bool,
    /// How many servers the ensemble has.
    pub members: usize,
}

impl PeerOptions {
    /// For a server without peers, which has no doors either.
    pub fn alone() -> Self {
        Self {
            election: Vec::new(),
            quorum: Vec::new(),
            observer_master: Vec::new(),
            election_bind_attempts: NonZeroU32::new(1),
            keep_alive: false,
            leader_no_delay: true,
            follower_no_delay: true,
            members: 0,
        }
    }

    /// What `config` says of the server `me`; `None` if it is no member of the ensemble.
    pub fn from_config(config: &ServerConfig, me: ServerId) -> Option<Self> {
        let membership = config.membership.as_ref()?;
        let quorum = &config.quorum;
        let doors = Doors { me: membership.members.get(&me)?, everywhere: quorum.listen_on_all_ips };
        Some(Self {
            election: doors.at(|address| Some(address.election.port)),
            quorum: doors.at(|address| Some(address.quorum.port)),
            observer_master: doors.at(|_| quorum.observer_master_port),
            election_bind_attempts: NonZeroU32::new(quorum.election_port_bind_retry),
            keep_alive: quorum.tcp_keep_alive,
            leader_no_delay: quorum.leader_no_delay,
            follower_no_delay: quorum.follower_no_delay,
            members: membership.members.len(),
        })
    }

    /// Where a door is.
    pub(super) fn addresses(&self, door: Door) -> &[HostPort] {
        match door {
            Door::Election => &self.election,
            Door::Quorum => &self.quorum,
            Door::ObserverMaster => &self.observer_master,
        }
    }

    /// How often binding a door is attempted. A leader whose door does not open at once gives up, and another
    /// is elected.
    pub(super) fn bind_attempts(&self, door: Door) -> Option<NonZeroU32> {
        match door {
            Door::Election => self.election_bind_attempts,
            Door::Quorum | Door::ObserverMaster => NonZeroU32::new(1),
        }
    }
}

struct Doors<'a> {
    me: &'a Member,
    everywhere: bool,
}

impl Doors<'_> {
    /// A door on each of the server's hosts, or one on all interfaces.
    fn at(&self, port: impl Fn(&MemberAddress) -> Option<u16>) -> Vec<HostPort> {
        let mut doors = Vec::new();
        for address in &self.me.addresses {
            let host = if self.everywhere { HostPort::ANY_HOST } else { &address.quorum.host };
            let door = port(address).map(|port| HostPort { host: host.to_owned(), port });
            doors.extend(door.filter(|door| !doors.contains(door)));
        }
        doors
    }
}

#[cfg(test)]
mod tests {
    use zoorum_proto::quorum::QuorumConfig;

    use super::*;

    fn config(line: &str) -> ServerConfig {
        let membership = QuorumConfig::parse(&format!("server.3={line}\n"), true).expect("a configuration");
        ServerConfig { membership: Some(membership), ..ServerConfig::default() }
    }

    fn texts(doors: &[HostPort]) -> Vec<String> {
        doors.iter().map(HostPort::to_string).collect()
    }

    #[test]
    fn doors_are_where_the_servers_own_line_says() {
        let config = config("zk3:2888:3888|[::1]:2889:3889");
        let options = PeerOptions::from_config(&config, ServerId(3)).expect("a member");
        assert_eq!(texts(&options.election), ["zk3:3888", "[::1]:3889"]);
        assert_eq!(texts(&options.quorum), ["zk3:2888", "[::1]:2889"]);
        assert_eq!(texts(&options.observer_master), [""; 0]);
        assert_eq!(options.election_bind_attempts, NonZeroU32::new(3));
        assert_eq!(options.bind_attempts(Door::Quorum), NonZeroU32::new(1));
    }

    #[test]
    fn listening_everywhere_takes_each_port_once() {
        let mut config = config("zk3:2888:3888|zk3b:2888:3889");
        config.quorum.listen_on_all_ips = true;
        config.quorum.observer_master_port = Some(2191);
        config.quorum.election_port_bind_retry = 0;
        let options = PeerOptions::from_config(&config, ServerId(3)).expect("a member");
        assert_eq!(texts(&options.election), ["0.0.0.0:3888", "0.0.0.0:3889"]);
        assert_eq!(texts(&options.quorum), ["0.0.0.0:2888"]);
        assert_eq!(texts(&options.observer_master), ["0.0.0.0:2191"]);
        assert_eq!(options.election_bind_attempts, None, "for ever");
    }

    #[test]
    fn who_is_no_member_has_no_doors() {
        assert_eq!(PeerOptions::from_config(&config("zk3:2888:3888"), ServerId(4)), None);
        assert_eq!(PeerOptions::from_config(&ServerConfig::default(), ServerId(3)), None);
    }
}
