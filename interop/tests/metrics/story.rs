//! What happens to a server whose figures are compared: the same every time.

use std::net::SocketAddr;

use zoorum_interop::wire::client::{create_record, path_int, path_watch, set_data_record};
use zoorum_interop::wire::{Acl, Client, Connect, SubOp, Wire, code, flag, op};

/// Two sessions, one of which is open at the end; requests of most kinds, watches that fire, and a connection that its
/// client drops.
pub fn tell(address: SocketAddr) -> Client {
    let mut client = Client::connect(address);
    let mut watcher = Client::connect(address);
    client.create("/app", b"data", 0).expect("created");
    client.create("/other", b"", 0).expect("created");
    client.create("/app/mine", b"owned", flag::EPHEMERAL).expect("created");
    client.create("/app/child", b"0123456789", 0).expect("created");
    watcher.get_data("/app", true).expect("read");
    watcher.exists("/absent", true).expect_err("there is no such znode");
    watcher.get_children("/app", true).expect("listed");
    watcher.exists("/app/child", true).expect("there is such a znode");
    client.get_data("/app", true).expect("read");
    client.set_data("/app", b"more data", -1).expect("set");
    client.create("/absent", b"", 0).expect("created");
    client.delete("/app/child", -1).expect("deleted");
    assert_eq!(watcher.events().len(), 4);
    assert_eq!(client.events().len(), 1);
    client.get_children2("/app", false).expect("listed");
    client.get_children2("/", false).expect("listed");
    client.get_acl("/app").expect("read");
    client.set_acl("/other", &Acl::open(), -1).expect("set");
    client.get_all_children_number("/").expect("counted");
    client.get_ephemerals(None).expect("listed");
    client.sync(Some("/app")).expect("synced");
    client.delete("/missing", -1).expect_err("there is no such znode");
    client.create("/app", b"", 0).expect_err("there is such a znode");
    client.get_data("/missing", false).expect_err("there is no such znode");
    let writes: [SubOp; 4] = [
        (op::CREATE, create_record("/app/m", b"abc", &Acl::open(), flag::PERSISTENT)),
        (op::SET_DATA, set_data_record("/app/m", b"abcdef", -1)),
        (op::CHECK, path_int("/app", -1)),
        (op::DELETE, path_int("/app/m", -1)),
    ];
    client.multi(&writes).expect("done");
    let reads: [SubOp; 3] = [
        (op::GET_DATA, path_watch("/app", false)),
        (op::GET_CHILDREN, path_watch("/", false)),
        (op::GET_DATA, path_watch("/missing", false)),
    ];
    client.multi_read(&reads).expect("done");
    watcher.create("/other/mine", b"", flag::EPHEMERAL).expect("created");
    watcher.close();
    Client::connect(address).hang_up();
    let mut lost = Wire::open(address);
    assert!(lost.handshake(&Connect { last_zxid: i64::MAX, ..Connect::default() }).is_none());
    client.ping();
    client
}

/// Asks for more znodes than a quota allows, three times, once in a multi.
pub fn exceed_a_quota(client: &mut Client) {
    client.create("/zookeeper/quota/app", b"", 0).expect("created");
    let limits = b"count=-1,bytes=-1=;countHardLimit=3";
    client.create("/zookeeper/quota/app/zookeeper_limits", limits, 0).expect("created");
    client.create("/zookeeper/quota/app/zookeeper_stats", b"count=0,bytes=0", 0).expect("created");
    client.create("/app/last", b"", 0).expect("created");
    for _ in 0..2 {
        assert_eq!(client.create("/app/more", b"", 0), Err(code::QUOTA_EXCEEDED));
    }
    let create = (op::CREATE, create_record("/app/more", b"", &Acl::open(), flag::PERSISTENT));
    client.multi(&[create]).expect("answered");
}
