//! Everything an application can do with the crate `zookeeper-client`, told as a transcript.
//!
//! Usage: `zoorum-interop-rust-client host:port`. The server is fresh and has extended types.

mod transcript;

use std::time::Duration;

use transcript::{Transcript, names};
use zookeeper_client::{
    Acl, Acls, AddWatchMode, AuthId, Client, CreateMode, CreateOptions, EnsembleUpdate, Error, LockPrefix,
    OneshotWatcher, Permission, PersistentWatcher,
};

/// How long that may take which must happen.
const PATIENCE: Duration = Duration::from_secs(30);

const OPEN: &CreateOptions<'static> = &CreateMode::Persistent.with_acls(Acls::anyone_all());
const EPHEMERAL: &CreateOptions<'static> = &CreateMode::Ephemeral.with_acls(Acls::anyone_all());
const SEQUENTIAL: &CreateOptions<'static> = &CreateMode::PersistentSequential.with_acls(Acls::anyone_all());

#[tokio::main]
async fn main() {
    let server = std::env::args().nth(1).expect("usage: zoorum-interop-rust-client host:port");
    let out = Transcript::default();
    nodes(&begin(&server, "/nodes", &out).await, &out).await;
    acls(&server, &begin(&server, "/acls", &out).await, &out).await;
    transactions(&begin(&server, "/transactions", &out).await, &out).await;
    watches(&server, &begin(&server, "/watches", &out).await, &out).await;
    persistent_watches(&begin(&server, "/persistent", &out).await, &out).await;
    sessions(&server, &begin(&server, "/sessions", &out).await, &out).await;
    locks(&server, &begin(&server, "/locks", &out).await, &out).await;
    println!("== end");
}

/// A session that ends with its last handle, at some time: by that it takes a zxid which nothing waits for.
async fn connect_until_dropped(server: &str) -> Client {
    Client::connector().with_session_timeout(Duration::from_secs(20)).connect(server).await.expect("connect")
}

/// A session that stays open till the end, so that zxids repeat from run to run.
async fn connect(server: &str) -> Client {
    let client = connect_until_dropped(server).await;
    std::mem::forget(client.clone());
    client
}

/// A session of its own for a section, that works below a fresh node.
async fn begin(server: &str, root: &str, out: &Transcript) -> Client {
    let client = connect(server).await;
    let (stat, _) = client.create(root, b"", OPEN).await.expect("create the root");
    out.section(root, stat.czxid);
    client.chroot(root.to_owned()).unwrap_or_else(|_| panic!("{root} is a good root"))
}

async fn nodes(zk: &Client, out: &Transcript) {
    out.tell("create", zk.create("/a", b"one", OPEN).await, |(stat, _)| out.stat(&stat));
    out.tell("create again", zk.create("/a", b"one", OPEN).await, |(stat, _)| out.stat(&stat));
    out.tell("create below nothing", zk.create("/x/y", b"", OPEN).await, |(stat, _)| out.stat(&stat));
    out.plain("mkdir", zk.mkdir("/p/q/r", OPEN).await);
    out.tell("get_data", zk.get_data("/a").await, |got| out.data(got));
    out.tell("get_data of nothing", zk.get_data("/none").await, |got| out.data(got));
    out.tell("check_stat", zk.check_stat("/none").await, |stat| format!("{stat:?}"));
    out.tell("set_data", zk.set_data("/a", b"uno", None).await, |stat| out.stat(&stat));
    out.tell("set_data 1", zk.set_data("/a", b"eins", Some(1)).await, |stat| out.stat(&stat));
    out.tell("set_data 1 again", zk.set_data("/a", b"un", Some(1)).await, |stat| out.stat(&stat));
    out.tell("large", zk.set_data("/a", &vec![b'x'; 900_000], None).await, |stat| out.stat(&stat));
    out.tell("get_data", zk.get_data("/a").await, |got| out.data(got));
    out.tell("list_children", zk.list_children("/").await, names);
    out.tell("get_children", zk.get_children("/").await, |(list, stat)| names(list) + &out.stat(&stat));
    out.plain("count_descendants_number", zk.count_descendants_number("/").await);
    for _ in 0..3 {
        out.tell("sequential", zk.create("/s-", b"", SEQUENTIAL).await, |(stat, number)| {
            format!("{number} {}", out.stat(&stat))
        });
    }
    out.tell("ephemeral", zk.create("/e", b"", EPHEMERAL).await, |(stat, _)| out.stat(&stat));
    out.tell("child of an ephemeral", zk.create("/e/c", b"", OPEN).await, |_| String::new());
    out.tell("list_ephemerals", zk.list_ephemerals("/").await, names);
    let container = CreateMode::Container.with_acls(Acls::anyone_all());
    out.tell("container", zk.create("/box", b"", &container).await, |(stat, _)| out.stat(&stat));
    let hour = OPEN.clone().with_ttl(Duration::from_secs(3600));
    out.tell("ttl", zk.create("/ttl", b"", &hour).await, |(stat, _)| out.stat(&stat));
    out.plain("delete with children", zk.delete("/p", None).await);
    out.plain("delete, wrong version", zk.delete("/a", Some(7)).await);
    out.plain("delete", zk.delete("/a", Some(3)).await);
    out.plain("delete again", zk.delete("/a", None).await);
    out.plain("sync", zk.sync("/").await);
    out.tell("get_config", zk.get_config().await, |(data, stat)| {
        format!("{} v={}", data.len(), stat.version)
    });
    let joining = EnsembleUpdate::New { ensemble: ["server.1=h:1:2;3"].into_iter() };
    out.plain("update_ensemble", zk.update_ensemble(joining, None).await.map(drop));
    pipeline(zk, out).await;
}

/// Requests are on their way once their futures exist; what a read finds tells their order.
async fn pipeline(zk: &Client, out: &Transcript) {
    let paths: Vec<_> = (0..200).map(|i| format!("/n{i}")).collect();
    let mut creates = Vec::new();
    let mut checks = Vec::new();
    for path in &paths {
        creates.push(zk.create(path, b"", OPEN));
        checks.push(zk.check_stat(path));
    }
    for (create, check) in creates.into_iter().zip(checks) {
        let created = create.await.map(|(stat, _)| stat);
        out.plain("created and found", created.map(|stat| out.stat(&stat)));
        out.plain("the same", check.await.map(|stat| stat.is_some()));
    }
}

async fn acls(server: &str, zk: &Client, out: &Transcript) {
    out.tell("whoami", zk.list_auth_users().await, |users| format!("{users:?}"));
    let secret = CreateMode::Persistent.with_acls(Acls::creator_all());
    out.tell("creator without a name", zk.create("/c", b"", &secret).await, |_| String::new());
    out.plain("auth", zk.auth("digest", b"bob:secret").await);
    out.plain("whoami", zk.list_auth_users().await.map(|users| users.len()));
    out.tell("creator", zk.create("/c", b"", &secret).await, |(stat, _)| out.stat(&stat));
    out.tell("get_acl", zk.get_acl("/c").await, |acls| out.acls(acls));
    let stranger = connect(server).await;
    out.tell("stranger reads", stranger.get_data("/acls/c").await, |got| out.data(got));
    out.tell("stranger sees the ACL", stranger.get_acl("/acls/c").await, |acls| out.acls(acls));
    out.tell("set_acl", zk.set_acl("/c", &Acls::anyone_read(), Some(0)).await, |stat| out.stat(&stat));
    out.tell("set_acl again", zk.set_acl("/c", &Acls::anyone_all(), None).await, |stat| out.stat(&stat));
    out.tell("stranger reads", stranger.get_data("/acls/c").await, |got| out.data(got));
    out.tell("stranger writes", stranger.set_data("/acls/c", b"", None).await, |stat| out.stat(&stat));
    let odd = [Acl::new(Permission::ALL, AuthId::new("nosuch", "x"))];
    let odd = CreateMode::Persistent.with_acls(Acls::new(&odd));
    out.tell("unknown scheme", zk.create("/odd", b"", &odd).await, |_| String::new());
    out.plain("auth of an unknown scheme", stranger.auth("nosuch", b"x").await);
}

async fn transactions(zk: &Client, out: &Transcript) {
    let mut writer = zk.new_multi_writer();
    writer.add_create("/a", b"1", OPEN).expect("a good operation");
    writer.add_set_data("/a", b"2", Some(0)).expect("a good operation");
    writer.add_check_version("/a", 1).expect("a good operation");
    writer.add_create("/b", b"", EPHEMERAL).expect("a good operation");
    writer.add_delete("/b", None).expect("a good operation");
    out.tell("all", writer.commit().await, |results| out.written(results));
    writer.add_create("/x", b"", OPEN).expect("a good operation");
    writer.add_delete("/none", None).expect("a good operation");
    out.tell("second fails", writer.commit().await, |results| out.written(results));
    writer.add_create("/s-", b"", SEQUENTIAL).expect("a good operation");
    writer.add_create("/s-", b"", SEQUENTIAL).expect("a good operation");
    out.tell("sequential", writer.commit().await, |results| out.written(results));
    out.tell("nothing", writer.commit().await, |results| out.written(results));
    let mut reader = zk.new_multi_reader();
    reader.add_get_data("/a").expect("a good operation");
    reader.add_get_children("/").expect("a good operation");
    reader.add_get_data("/none").expect("a good operation");
    out.tell("reads", reader.commit().await, |results| out.read(results));
    let mut writer = zk.new_check_writer("/a", Some(9)).expect("a good check");
    writer.add_delete("/a", None).expect("a good operation");
    out.tell("check writer", writer.commit().await, |results| out.written(results));
}

#[expect(deprecated, reason = "a dropped watcher is removed too, but only this tells the server's answer")]
async fn watches(server: &str, zk: &Client, out: &Transcript) {
    let other = connect(server).await;
    let (_, watcher) = zk.check_and_watch_stat("/a").await.expect("watch");
    other.create("/watches/a", b"", OPEN).await.expect("create");
    one(watcher, out).await;
    let (_, _, watcher) = zk.get_and_watch_data("/a").await.expect("watch");
    other.set_data("/watches/a", b"x", None).await.expect("set");
    one(watcher, out).await;
    let (_, _, watcher) = zk.get_and_watch_children("/a").await.expect("watch");
    other.create("/watches/a/c", b"", OPEN).await.expect("create");
    one(watcher, out).await;
    let (_, watcher) = zk.list_and_watch_children("/a").await.expect("watch");
    other.delete("/watches/a/c", None).await.expect("delete");
    one(watcher, out).await;
    let (_, _, watcher) = zk.get_and_watch_data("/a").await.expect("watch");
    out.plain("remove", watcher.remove().await);
    let (_, _, data) = zk.get_and_watch_data("/a").await.expect("watch");
    let (_, children) = zk.list_and_watch_children("/a").await.expect("watch");
    other.delete("/watches/a", None).await.expect("delete");
    one(data, out).await;
    one(children, out).await;
    out.plain("watch of nothing", zk.get_and_watch_data("/none").await.map(drop));
}

async fn one(watcher: OneshotWatcher, out: &Transcript) {
    let event = tokio::time::timeout(PATIENCE, watcher.changed()).await.expect("the event");
    out.line("saw", out.event(&event));
}

#[expect(deprecated, reason = "a dropped watcher is removed too, but only this tells the server's answer")]
async fn persistent_watches(zk: &Client, out: &Transcript) {
    for (path, mode) in [("/p", AddWatchMode::Persistent), ("/r", AddWatchMode::PersistentRecursive)] {
        let mut watcher = zk.watch(path, mode).await.expect("watch");
        let child = format!("{path}/c");
        zk.create(path, b"", OPEN).await.expect("create");
        zk.create(&child, b"", OPEN).await.expect("create");
        zk.set_data(&child, b"x", None).await.expect("set");
        zk.set_data(path, b"x", None).await.expect("set");
        zk.delete(&child, None).await.expect("delete");
        zk.delete(path, None).await.expect("delete");
        drain(&mut watcher, path, out).await;
        out.plain("remove", watcher.remove().await);
    }
}

/// Tells events up to the deletion of `path`.
async fn drain(watcher: &mut PersistentWatcher, path: &str, out: &Transcript) {
    loop {
        let event = tokio::time::timeout(PATIENCE, watcher.changed()).await.expect("the event");
        out.line("saw", out.event(&event));
        if event.event_type == zookeeper_client::EventType::NodeDeleted && event.path == path {
            return;
        }
    }
}

async fn sessions(server: &str, zk: &Client, out: &Transcript) {
    let owner = connect_until_dropped(server).await;
    out.line("negotiated", format!("{:?}", owner.session_timeout()));
    owner.create("/sessions/e", b"", EPHEMERAL).await.expect("create");
    let (_, watcher) = zk.check_and_watch_stat("/e").await.expect("watch");
    let detached = Client::connector().with_detached().connect(server).await.expect("connect");
    detached.create("/sessions/d", b"", EPHEMERAL).await.expect("create");
    let session = detached.into_session();
    let again = Client::connector().with_session(session.clone()).connect(server).await.expect("re-attach");
    out.line("same session", again.session_id() == session.id());
    out.tell("its ephemerals", again.list_ephemerals("/").await, names);
    let (_, closed) = zk.check_and_watch_stat("/d").await.expect("watch");
    drop(again);
    one(closed, out).await;
    let late = Client::connector().with_session(session).connect(server).await;
    out.line(
        "re-attach after close",
        late.err().map_or("connected".into(), |error: Error| format!("{error:?}")),
    );
    drop(owner);
    one(watcher, out).await;
    out.tell("children", zk.get_children("/").await, |(list, stat)| names(list) + &out.stat(&stat));
}

async fn locks(server: &str, zk: &Client, out: &Transcript) {
    let other = connect(server).await.chroot("/locks").unwrap_or_else(|_| panic!("a good root"));
    zk.create("/lock", b"", OPEN).await.expect("create");
    let prefix = || LockPrefix::new_curator("/lock", "latch-").expect("a good prefix");
    let held = zk.lock(prefix(), b"first", Acls::anyone_all()).await.expect("lock");
    out.plain("write under the lock", held.create("/written", b"", OPEN).await.map(drop));
    let waiting = other.lock(prefix(), b"second", Acls::anyone_all());
    tokio::pin!(waiting);
    let (_, queue) = zk.list_and_watch_children("/lock").await.expect("watch");
    tokio::select! {
        lock = &mut waiting => panic!("two hold the lock: {lock:?}"),
        _ = queue.changed() => {}
    }
    out.plain("contenders", zk.list_children("/lock").await.map(|list| list.len()));
    drop(held);
    let second = tokio::time::timeout(PATIENCE, waiting).await.expect("in time").expect("lock");
    out.tell("second holds", second.client().get_data(second.lock_path()).await, |(data, _)| {
        format!("{data:?}")
    });
}
