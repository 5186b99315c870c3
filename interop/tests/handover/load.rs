//! Writes in full flow while the server dies, and what must be left of them.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;

use zoorum_interop::server::Server;
use zoorum_interop::wire::client::{create_record, set_data_record};
use zoorum_interop::wire::records::Packet;
use zoorum_interop::wire::{Acl, Client, flag, op};

/// Sessions that write.
const WRITERS: usize = 4;
/// Requests that each has on the way.
const WINDOW: usize = 32;
/// Acknowledged writes of all, after which the server dies.
const ENOUGH: usize = 4000;

/// Several sessions, each with a stream of writes of its own: create `<root>/w<n>/<i>`, then set `<root>/w<n>` to
/// `<i>`, for i = 0, 1, 2, ... A session's writes keep their order, so what is left of a stream is a beginning of it.
pub struct Load {
    root: String,
    /// How many writes of each stream were acknowledged.
    acknowledged: Vec<usize>,
}

impl Load {
    /// Creates the nodes that the streams write to.
    pub fn prepare(server: &Server, root: &str) -> Load {
        let mut client = server.client();
        client.create(root, b"", flag::PERSISTENT).expect("create");
        for writer in 0..WRITERS {
            client.create(&format!("{root}/w{writer}"), b"", flag::PERSISTENT).expect("create");
        }
        client.close();
        Load { root: root.to_owned(), acknowledged: Vec::new() }
    }

    /// Where the writes go.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// Writes until enough is acknowledged, then kills the server while more is on the way.
    pub fn run_until_killed(self, server: &mut Server) -> Load {
        let (progress, made) = mpsc::channel();
        let address = server.address();
        let acknowledged = thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let (path, progress) = (format!("{}/w{writer}", self.root), progress.clone());
                    scope.spawn(move || write_until_closed(address, &path, &progress))
                })
                .collect();
            made.iter().take(ENOUGH).for_each(drop);
            server.kill();
            writers.into_iter().map(|writer| writer.join().expect("a writer")).collect()
        });
        Load { acknowledged, ..self }
    }

    /// # Panics
    ///
    /// When a stream lost an acknowledged write, or has a hole.
    pub fn expect_kept(&self, server: &Server) {
        let mut client = server.client();
        for (writer, &acknowledged) in self.acknowledged.iter().enumerate() {
            let path = format!("{}/w{writer}", self.root);
            let children = client.get_children(&path, false).expect("children");
            let numbers: BTreeSet<usize> =
                children.iter().map(|name| name.parse().expect("a number")).collect();
            let created = numbers.len();
            assert!(numbers.iter().copied().eq(0..created), "{path} has a hole: {numbers:?}");
            let (data, stat) = client.get_data(&path, false).expect("data");
            let set = stat.version as usize;
            let last = String::from_utf8(data.unwrap_or_default()).expect("text");
            assert_eq!(
                last,
                set.checked_sub(1).map_or(String::new(), |i| i.to_string()),
                "{path} at version {set}"
            );
            assert!(set == created || set + 1 == created, "{path}: {created} created, but {set} set");
            assert!(
                created + set >= acknowledged,
                "{path}: {acknowledged} writes were acknowledged, {} are there",
                created + set
            );
        }
        client.close();
    }
}

/// Returns the number of acknowledged writes once the connection breaks.
fn write_until_closed(address: SocketAddr, path: &str, progress: &mpsc::Sender<()>) -> usize {
    let mut client = Client::connect(address);
    for write in 0..WINDOW {
        post(&mut client, path, write);
    }
    let mut acknowledged = 0;
    // A server that is killed may have sent half a reply.
    while let Ok(packet) = client.try_packet() {
        let Packet::Reply(reply) = packet else { panic!("nobody watches, and {packet:?} has come") };
        assert_eq!(reply.err, 0, "write {acknowledged} below {path}");
        acknowledged += 1;
        // Nobody listens any more once the server is dead.
        progress.send(()).unwrap_or_default();
        post(&mut client, path, acknowledged + WINDOW - 1);
    }
    acknowledged
}

fn post(client: &mut Client, path: &str, write: usize) {
    let number = (write / 2).to_string();
    if write.is_multiple_of(2) {
        let record = create_record(&format!("{path}/{number}"), b"x", &Acl::open(), flag::PERSISTENT);
        client.post(op::CREATE, &record);
    } else {
        client.post(op::SET_DATA, &set_data_record(path, number.as_bytes(), -1));
    }
}
