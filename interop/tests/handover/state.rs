//! Everything a server keeps, as its clients see it: nodes and sessions.

use std::collections::BTreeMap;

use zoorum_interop::server::Server;
use zoorum_interop::wire::client::{create_record, path_int, set_data_record};
use zoorum_interop::wire::{Acl, Client, Connect, Connected, Stat, Writer, code, flag, op, perm};

/// `super:secret`, as the server wants it.
pub const SUPER_DIGEST: &str = "super:lK75jTNcA+U9vtVEw5vB51mj/w4=";

/// An hour in milliseconds: longer than any test.
const HOUR: i64 = 3_600_000;
/// Children of the widest node: enough to make servers roll files and take snapshots.
const MANY: usize = 300;

/// Every node.
pub struct Dump(BTreeMap<String, Node>);

#[derive(PartialEq, Eq)]
struct Node {
    data: Option<Vec<u8>>,
    stat: Stat,
    acl: Vec<Acl>,
}

impl Dump {
    /// Reads the whole tree, as the super user.
    pub fn of(server: &Server) -> Dump {
        let mut client = server.client();
        assert_eq!(client.auth("digest", Some(b"super:secret")).err, 0, "the super user");
        let mut nodes = BTreeMap::new();
        let mut unread = vec!["/".to_owned()];
        while let Some(path) = unread.pop() {
            let (data, stat) = client.get_data(&path, false).expect("data");
            let (acl, _) = client.get_acl(&path).expect("an ACL");
            let parent = if path == "/" { "" } else { &path };
            unread.extend(
                client.get_children(&path, false).expect("children").iter().map(|c| format!("{parent}/{c}")),
            );
            nodes.insert(path, Node { data, stat, acl });
        }
        client.close();
        Dump(nodes)
    }

    /// The same without a subtree.
    pub fn without(mut self, root: &str) -> Dump {
        self.0.retain(|path, _| path != root && !path.starts_with(&format!("{root}/")));
        self
    }

    /// # Panics
    ///
    /// With every node that differs.
    pub fn expect_same(&self, after: &Dump, when: &str) {
        let paths = self.0.keys().chain(after.0.keys().filter(|path| !self.0.contains_key(*path)));
        let differing: Vec<String> = paths
            .filter(|path| self.0.get(*path) != after.0.get(*path))
            .map(|path| {
                format!("{path}\n  was {}\n  is  {}", told(self.0.get(path)), told(after.0.get(path)))
            })
            .collect();
        assert!(differing.is_empty(), "{when}: {} nodes differ\n{}", differing.len(), differing.join("\n"));
    }
}

fn told(node: Option<&Node>) -> String {
    node.map_or("not there".into(), |node| {
        let data =
            node.data.as_ref().map(|data| String::from_utf8_lossy(&data[..data.len().min(60)]).into_owned());
        format!("{data:?} {:?} {:?}", node.stat, node.acl)
    })
}

/// Adds nodes of all kinds, with all kinds of histories, below a root of the turn's own.
pub fn populate(server: &Server, turn: usize) {
    let mut client = server.client();
    assert_eq!(client.auth("digest", Some(b"bob:secret")).err, 0, "digest");
    let root = format!("/turn{turn}");
    let at = |name: &str| format!("{root}/{name}");
    client.create(&root, b"root", flag::PERSISTENT).expect("create");
    contents(&mut client, &at);
    acls(&mut client, &at);
    kinds(&mut client, &at);
    quota(&mut client, &root);
    many(&mut client, &at("many"));
    client.close();
}

fn contents(client: &mut Client, at: &impl Fn(&str) -> String) {
    client.create(&at("empty"), b"", flag::PERSISTENT).expect("create");
    let null = Writer::new()
        .string(at("null").as_str())
        .buffer(None)
        .acls(&Acl::open())
        .int(flag::PERSISTENT)
        .done();
    assert_eq!(client.call(op::CREATE, &null).err, 0, "create with null data");
    client.create(&at("binary"), &(0..=255).collect::<Vec<u8>>(), flag::PERSISTENT).expect("create");
    client.create(&at("large"), &vec![7; 900_000], flag::PERSISTENT).expect("create");
    client.create(&at("Ünïcødé 節点"), "ü".as_bytes(), flag::PERSISTENT).expect("create");
    let mut deep = at("deep");
    for _ in 0..20 {
        client.create(&deep, b"d", flag::PERSISTENT).expect("create");
        deep.push_str("/deeper");
    }
    client.create(&at("changed"), b"", flag::PERSISTENT).expect("create");
    for version in 0..5 {
        client.set_data(&at("changed"), format!("version {version}").as_bytes(), version).expect("setData");
    }
    // A refused write takes a zxid too, and is logged as an error.
    assert_eq!(client.set_data(&at("changed"), b"", 0).err(), Some(code::BAD_VERSION));
    client
        .multi(&[
            (op::CREATE, create_record(&at("multi"), b"m", &Acl::open(), flag::PERSISTENT)),
            (op::SET_DATA, set_data_record(&at("multi"), b"n", 0)),
            (op::CHECK, path_int(&at("multi"), 1)),
            (op::DELETE, path_int(&at("empty"), -1)),
        ])
        .expect("multi");
}

fn acls(client: &mut Client, at: &impl Fn(&str) -> String) {
    let lists = [
        vec![Acl::new(perm::READ, "world", "anyone"), Acl::new(perm::ALL, "ip", "127.0.0.0/8")],
        vec![Acl::new(perm::ALL, "auth", "")],
        vec![Acl::new(0, "world", "anyone")],
        vec![Acl::new(perm::ALL, "digest", "ann:AAAA"), Acl::new(perm::READ, "world", "anyone")],
    ];
    for (number, list) in lists.iter().enumerate() {
        for twin in 0..2 {
            let path = at(&format!("acl{number}-{twin}"));
            client.create_with(&path, b"", list, flag::PERSISTENT).expect("create with an ACL");
        }
    }
    client.create(&at("acl"), b"", flag::PERSISTENT).expect("create");
    client.set_acl(&at("acl"), &lists[0], 0).expect("setACL");
    client.set_acl(&at("acl"), &lists[1], 1).expect("setACL");
}

fn kinds(client: &mut Client, at: &impl Fn(&str) -> String) {
    client.create_container(&at("box"), flag::CONTAINER).expect("createContainer");
    // Without a child it would be taken for used up, and removed.
    client.create(&at("box/inside"), b"", flag::PERSISTENT).expect("create");
    client.create_ttl(&at("ttl"), b"", flag::TTL, HOUR).expect("createTTL");
    client.create(&at("queue"), b"", flag::PERSISTENT).expect("create");
    for _ in 0..10 {
        let made = client.create(&at("queue/n-"), b"", flag::SEQUENTIAL).expect("create");
        if made.ends_with(['3', '5', '9']) {
            client.delete(&made, 0).expect("delete");
        }
    }
}

fn quota(client: &mut Client, root: &str) {
    let used = format!("/zookeeper/quota{root}");
    client.create(&used, b"", flag::PERSISTENT).expect("create");
    client
        .create(&format!("{used}/zookeeper_limits"), b"count=5,bytes=-1", flag::PERSISTENT)
        .expect("create");
    client.create(&format!("{used}/zookeeper_stats"), b"count=0,bytes=0", flag::PERSISTENT).expect("create");
    client.create(&format!("{root}/counted"), b"12345", flag::PERSISTENT).expect("create");
}

fn many(client: &mut Client, parent: &str) {
    client.create(parent, b"", flag::PERSISTENT).expect("create");
    for number in 0..MANY {
        client.create(&format!("{parent}/{number}"), b"x", flag::PERSISTENT).expect("create");
    }
    for number in (0..MANY).step_by(3) {
        client.delete(&format!("{parent}/{number}"), 0).expect("delete");
    }
}

/// A session without a connection, and the ephemeral nodes it owns.
pub struct Held {
    session: Connected,
    ephemerals: Vec<String>,
}

impl Held {
    /// Begins a session with three ephemeral nodes, and leaves it.
    pub fn begin(server: &Server, prefix: &str) -> Held {
        let mut client = server.client();
        let mut ephemerals: Vec<String> = (0..3)
            .map(|_| client.create(prefix, b"e", flag::EPHEMERAL_SEQUENTIAL).expect("create"))
            .collect();
        ephemerals.sort();
        Held { session: client.hang_up(), ephemerals }
    }

    /// Resumes the session: it is the same, and owns the same nodes.
    pub fn check(self, server: &Server) -> Held {
        let mut client = self.resume(server);
        let mut ephemerals = client.get_ephemerals(None).expect("getEphemerals");
        ephemerals.sort();
        assert_eq!(ephemerals, self.ephemerals, "the nodes of session {:#x}", self.session.session);
        for path in &ephemerals {
            let stat = client.exists(path, false).expect("the ephemeral node");
            assert_eq!(stat.ephemeral_owner, self.session.session, "the owner of {path}");
        }
        client.hang_up();
        self
    }

    /// Ends the session: its nodes go with it.
    pub fn end(self, server: &Server) {
        self.resume(server).close();
        let mut client = server.client();
        for path in &self.ephemerals {
            assert_eq!(client.exists(path, false).err(), Some(code::NO_NODE), "{path} without its session");
        }
        client.close();
        let refused = server.wire().handshake(&Connect::resume(&self.session)).expect("an answer");
        assert_eq!((refused.session, refused.timeout), (0, 0), "the session is over");
    }

    fn resume(&self, server: &Server) -> Client {
        let client = Client::connect_with(server.address(), &Connect::resume(&self.session));
        assert_eq!(client.session, self.session, "the session as it was");
        client
    }
}
