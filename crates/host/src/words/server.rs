//! `srvr`, `stat` and `hash`.

use std::fmt::Write as _;

use zoorum_server::replica::ReplicaReport;

use super::connections;
use super::gathered::Gathered;
use super::numbers::{average, java_real};

/// The server at a glance.
pub(super) fn srvr(version: &str, gathered: &Gathered) -> String {
    format!("Zookeeper version: {version}\n{}", figures(gathered))
}

/// The same, with a line for each client.
pub(super) fn stat(version: &str, gathered: &Gathered) -> String {
    let clients: String = gathered.connections().map(connections::brief).collect();
    format!("Zookeeper version: {version}\nClients:\n{clients}\n{}", figures(gathered))
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
         Mode: standalone\n\
         Node count: {}\n",
        latency.min_ms,
        java_real(average(latency.total_ms, latency.count)),
        latency.max_ms,
        gathered.sum(|counters| counters.packets_received),
        gathered.sum(|counters| counters.packets_sent),
        gathered.connections().count(),
        gathered.outstanding(),
        gathered.tree.last_zxid,
        gathered.tree.nodes,
    )
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
