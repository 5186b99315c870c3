//! `srvr`, `stat` and `hash`.

use std::fmt::Write as _;

use zoorum_server::replica::{Mode, ProposalSizes, ReplicaReport, Standing};

use super::connections;
use super::gathered::Gathered;
use super::numbers::{average, java_real};

/// The server at a glance.
pub(super) fn srvr(version: &str, gathered: &Gathered) -> String {
    format!("{}{}", title(version, gathered.standing.mode), figures(gathered))
}

/// The same, with a line for each client.
pub(super) fn stat(version: &str, gathered: &Gathered) -> String {
    let clients: String = gathered.connections().map(connections::brief).collect();
    let title = title(version, gathered.standing.mode);
    format!("{title}Clients:\n{clients}\n{}", figures(gathered))
}

fn title(version: &str, mode: Mode) -> String {
    let warning = match mode {
        Mode::ReadOnly => "READ-ONLY mode; serving only read-only clients\n",
        _ => "",
    };
    format!("Zookeeper version: {version}\n{warning}")
}

fn figures(gathered: &Gathered) -> String {
    let latency = gathered.latency();
    format!(
        "Latency min/avg/max: {}/{}/{}\n\
         Received: {}\n\
         Sent: {}\n\
         Connections: {}\n\
         Outstanding: {}\n\
         Zxid: {}\n\
         Mode: {}\n\
         Node count: {}\n\
         {}",
        latency.min_ms,
        java_real(average(latency.total_ms, latency.count)),
        latency.max_ms,
        gathered.sum(|counters| counters.packets_received),
        gathered.sum(|counters| counters.packets_sent),
        gathered.connections().count(),
        gathered.outstanding(),
        gathered.tree.last_zxid.max(gathered.standing.begins_with),
        mode_name(gathered.standing.mode),
        gathered.tree.nodes,
        proposal_sizes(gathered.standing),
    )
}

/// What tools know a server's part by.
pub(crate) fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Standalone => "standalone",
        Mode::ReadOnly => "read-only",
        Mode::Leader => "leader",
        Mode::Follower => "follower",
        Mode::Observer => "observer",
        // Nobody is told it: who does not serve tells just that.
        Mode::Waiting => "looking",
    }
}

/// A leader's last line.
fn proposal_sizes(standing: Standing) -> String {
    match (standing.mode, standing.proposal_sizes) {
        (Mode::Leader, Some(ProposalSizes { last, min, max })) => {
            format!("Proposal sizes last/min/max: {last}/{min}/{max}\n")
        }
        (Mode::Leader, None) => "Proposal sizes last/min/max: -1/-1/-1\n".to_owned(),
        _ => String::new(),
    }
}

/// Digests of the tree, for comparison with those of other servers.
pub(super) fn hash(replica: &ReplicaReport) -> String {
    replica.counters.digests.iter().fold(String::new(), |mut text, (zxid, digest)| {
        // Strings accept everything.
        let _ = writeln!(text, "{:x}: {digest}", zxid.0);
        text
    })
}

#[cfg(test)]
mod tests {
    use zoorum_proto::Zxid;

    use super::super::connections::tests::connection;
    use super::super::gathered::TreeReport;
    use super::*;

    fn gathered() -> Gathered {
        let mut worker = zoorum_server::worker::WorkerReport::default();
        worker.counters.packets_received = 338;
        worker.counters.packets_sent = 341;
        worker.counters.latency.total_ms = 10;
        worker.counters.latency.count = 3;
        worker.counters.latency.max_ms = 15;
        worker.connections = vec![connection()];
        let tree = TreeReport { last_zxid: Zxid(0x13e), nodes: 12, ..TreeReport::default() };
        Gathered { workers: vec![worker, Default::default()], tree, ..Gathered::default() }
    }

    #[test]
    fn the_server_at_a_glance() {
        let expected = "Zookeeper version: 3.9.5-x, built on then\n\
            Latency min/avg/max: 0/3.3333/15\nReceived: 338\nSent: 341\nConnections: 1\nOutstanding: 0\n\
            Zxid: 0x13e\nMode: standalone\nNode count: 12\n";
        assert_eq!(srvr("3.9.5-x, built on then", &gathered()), expected);
    }

    #[test]
    fn a_leader_tells_how_large_its_proposals_are() {
        let told = |mode, proposal_sizes| {
            let standing = Standing { mode, proposal_sizes, ..Standing::default() };
            let text = srvr("v", &Gathered { standing, ..gathered() });
            text.split_once("Mode: ").expect("a mode").1.to_owned()
        };
        let sizes = Some(ProposalSizes { last: 77, min: 48, max: 87 });
        let leads = "leader\nNode count: 12\nProposal sizes last/min/max: ";
        assert_eq!(told(Mode::Leader, sizes), format!("{leads}77/48/87\n"));
        assert_eq!(told(Mode::Leader, None), format!("{leads}-1/-1/-1\n"));
        assert_eq!(told(Mode::Follower, sizes), "follower\nNode count: 12\n");
        assert_eq!(told(Mode::Observer, None), "observer\nNode count: 12\n");
    }

    #[test]
    fn a_server_without_a_leader_warns_of_it() {
        let standing = Standing { mode: Mode::ReadOnly, ..Standing::default() };
        let gathered = Gathered { standing, ..gathered() };
        let title = "Zookeeper version: v\nREAD-ONLY mode; serving only read-only clients\n";
        let text = srvr("v", &gathered);
        assert!(
            text.starts_with(&format!("{title}Latency")) && text.contains("\nMode: read-only\n"),
            "{text}"
        );
        assert!(stat("v", &gathered).starts_with(&format!("{title}Clients:\n /127.0.0.1")));
    }

    #[test]
    fn clients_stand_between_the_version_and_an_empty_line() {
        let text = stat("v", &gathered());
        let expected =
            "Zookeeper version: v\nClients:\n /127.0.0.1:41262[1](queued=0,recved=12,sent=13)\n\nLatency min";
        assert!(text.starts_with(expected), "{text}");
    }

    #[test]
    fn digests_stand_behind_their_zxid_in_bare_hex() {
        let mut replica = ReplicaReport::default();
        replica.counters.digests = [(Zxid(0x80), 19_703_185_759), (Zxid(0x100), -1)].into();
        assert_eq!(hash(&replica), "80: 19703185759\n100: -1\n");
    }
}
