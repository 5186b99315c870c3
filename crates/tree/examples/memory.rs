//! What znodes cost: memory for each, and how fast the tree alone is.
//!
//! `cargo run --release -p zoorum-tree --example memory [znodes [bytes of data]]`. Linux only: memory is
//! what `/proc/self/statm` says is resident, time what `schedstat` says was spent on a processor.

use std::hint::black_box;
use std::time::Duration;

use zoorum_proto::op::{CreateOp, CreateRequest, SetDataRequest, WriteOp};
use zoorum_proto::{Permissions, RequestedAcl, SessionId, Txn, TxnHeader, Version, WallClock, Xid, Zxid};
use zoorum_tree::{AclRules, Loader, Pending, Requester, Rules, Tree};

/// Children of one parent.
const FAMILY: usize = 1000;
/// Transactions in flight together.
const BATCH: usize = 256;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse().expect("a number"));
    let nodes: usize = arguments.next().unwrap_or(1_000_000);
    let data_length: usize = arguments.next().unwrap_or(100);
    let data = vec![b'x'; data_length];

    let before = resident_bytes();
    let mut server = Server::new();
    let parents = nodes.div_ceil(FAMILY);
    for parent in 0..parents {
        server.submit(create(&format!("/{parent:06}"), &[]));
    }
    server.commit();
    let paths = || (0..nodes).map(|index| format!("/{:06}/{index:010}", index / FAMILY));
    let took = timed(|| {
        paths().for_each(|path| server.submit(create(&path, &data)));
        server.commit();
    });
    report("prep and apply a create", nodes, took);

    let total = resident_bytes() - before;
    let stored: usize = paths().map(|_| "0123456789".len() + data_length).sum();
    let each = total as f64 / nodes as f64;
    println!("{each:.1} bytes a znode, {:.1} of them overhead", (total - stored) as f64 / nodes as f64);

    let sample: Vec<String> = paths().step_by(7).collect();
    let took = timed(|| {
        for index in 0..nodes {
            let node = server.tree.node(&sample[index.wrapping_mul(7919) % sample.len()]);
            black_box(node.map(|node| (node.data(), node.stat())));
        }
    });
    report("get, at random", nodes, took);

    let took = timed(|| {
        (0..nodes).for_each(|index| {
            server.submit(set_data(&sample[index.wrapping_mul(7919) % sample.len()], &data));
        });
        server.commit();
    });
    report("prep and apply a set", nodes, took);
    snapshot(&mut server.tree);
}

fn snapshot(tree: &mut Tree) {
    let mut records = Vec::new();
    let start = tree.begin_snapshot();
    let took = timed(|| while !tree.snapshot_step(1000, &mut records) {});
    tree.end_snapshot();
    report("write to a snapshot", tree.node_count(), took);
    let took = timed(|| {
        let mut loader = Loader::new(2);
        start.acls.into_iter().for_each(|acl| loader.acl(acl));
        let mut input = zoorum_proto::Reader::new(&records);
        while !input.rest().is_empty() {
            let node = zoorum_proto::Decode::decode(&mut input).expect("it was just encoded");
            loader.node(&node).expect("parents come first");
        }
        let loaded = loader.finish(start.zxid).expect("the root is there");
        assert_eq!(loaded.digest(), start.digest);
    });
    report("load", tree.node_count(), took);
}

/// Prep and apply, as a standalone server has them, without log and sockets.
struct Server {
    tree: Tree,
    pending: Pending,
    rules: Rules,
    zxid: Zxid,
    /// Transactions in flight, encoded as the log would keep them.
    in_flight: Vec<Vec<u8>>,
}

impl Server {
    fn new() -> Self {
        let rules = Rules {
            acl: AclRules::default(),
            enforce_quota: false,
            extended_types: false,
            digest: true,
            close_session_paths: true,
            reconfig_enabled: false,
        };
        Self { tree: Tree::new(1), pending: Pending::new(1), rules, zxid: Zxid::ZERO, in_flight: Vec::new() }
    }

    fn submit(&mut self, op: WriteOp<'_>) {
        self.zxid = self.zxid.next();
        let time = WallClock(self.zxid.0);
        let requester = Requester { session: SessionId(1), ids: &[], barred: None, barred_from_owning: None };
        let prepared = self.pending.prep(&self.tree, &self.rules, &requester, &op, self.zxid, time);
        let kind = prepared.body.kind() as i32;
        let header = TxnHeader { session: SessionId(1), cxid: Xid(0), zxid: self.zxid, time, kind };
        let txn = Txn { header, body: prepared.body, digest: prepared.digest };
        self.in_flight.push(zoorum_proto::Encode::to_vec(&txn));
        if self.in_flight.len() == BATCH {
            self.commit();
        }
    }

    fn commit(&mut self) {
        for bytes in self.in_flight.drain(..) {
            let txn: Txn<'_> = zoorum_proto::Decode::from_bytes(&bytes).expect("it was just encoded");
            let applied = self.tree.apply(&txn, &mut |change| {
                black_box(change.path);
            });
            assert_eq!(applied.digest_matches, Some(true));
        }
        self.pending.retire(self.tree.last_zxid());
    }
}

fn create<'a>(path: &'a str, data: &'a [u8]) -> WriteOp<'a> {
    let open =
        RequestedAcl { perms: Permissions::ALL, scheme: Some("world".into()), id: Some("anyone".into()) };
    let (op, acl) = (CreateOp::Create, Some(vec![open]));
    WriteOp::Create(CreateRequest { op, path: path.into(), data: Some(data), acl, flags: 0 })
}

fn set_data<'a>(path: &'a str, data: &'a [u8]) -> WriteOp<'a> {
    WriteOp::SetData(SetDataRequest { path: path.into(), data: Some(data), version: Version::ANY })
}

fn report(what: &str, count: usize, took: Duration) {
    let rate = count as f64 / took.as_secs_f64();
    println!("{what}: {rate:.0} a second ({:.0} ns)", took.as_nanos() as f64 / count as f64);
}

/// Time on a processor, so that a busy machine does not count.
fn timed(work: impl FnOnce()) -> Duration {
    let before = processor_time();
    work();
    processor_time() - before
}

fn processor_time() -> Duration {
    let schedstat =
        std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells of its threads");
    let nanoseconds = schedstat.split(' ').next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.expect("a count of nanoseconds"))
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux tells of its processes");
    let pages: usize =
        statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a count of pages");
    pages * 4096
}
