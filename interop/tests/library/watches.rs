//! Watches, as futures and as streams.

use zoorum_client::{Change, Client, CreateMode, ErrorCode, EventType, Version, Watch, WatchKind};

use crate::support::{Proxy, connect};

/// What a watch tells next: what happened to which path.
async fn told(watch: &mut Watch) -> (EventType, String) {
    match watch.next().await.expect("the session lives") {
        Change::Event(event) => (event.kind, event.path),
        Change::Missed => panic!("nothing was missed"),
    }
}

async fn create(client: &Client, path: &str) {
    client.create(path, b"", CreateMode::Persistent).await.expect(path);
}

pub(crate) async fn a_watch_fires_once(servers: String) {
    let (client, other) = (connect(&servers).await, connect(&servers).await);
    let (missing, created) = client.exists_and_watch("/w").await.expect("exists");
    assert_eq!(missing, None);
    create(&other, "/w").await;
    let event = created.await.expect("it fires");
    assert_eq!((event.kind, event.path.as_str()), (EventType::NodeCreated, "/w"));
    let (_, set) = client.get_and_watch("/w").await.expect("get");
    let (_, child) = client.children_and_watch("/w").await.expect("children");
    let stat = other.set("/w", b"x", Version::ANY).await.expect("set");
    let event = set.await.expect("it fires");
    assert_eq!((event.kind, event.zxid), (EventType::NodeDataChanged, stat.mzxid));
    create(&other, "/w/c").await;
    assert_eq!(child.await.expect("it fires").kind, EventType::NodeChildrenChanged);
    let (_, gone) = client.exists_and_watch("/w/c").await.expect("exists");
    other.delete("/w/c", Version::ANY).await.expect("delete");
    assert_eq!(gone.await.expect("it fires").kind, EventType::NodeDeleted);
    let missing = client.get_and_watch("/none").await.expect_err("what is not there is not watched");
    assert!(missing.is(ErrorCode::NoNode));
}

pub(crate) async fn a_persistent_watch_tells_every_change(servers: String) {
    let (client, other) = (connect(&servers).await, connect(&servers).await);
    let mut watch = client.watch("/p").await.expect("watch");
    create(&other, "/p").await;
    create(&other, "/p/c").await;
    for _ in 0..2 {
        other.set("/p", b"x", Version::ANY).await.expect("set");
    }
    other.delete("/p/c", Version::ANY).await.expect("delete");
    other.delete("/p", Version::ANY).await.expect("delete");
    let expected = [
        EventType::NodeCreated,
        EventType::NodeChildrenChanged,
        EventType::NodeDataChanged,
        EventType::NodeDataChanged,
        EventType::NodeChildrenChanged,
        EventType::NodeDeleted,
    ];
    for kind in expected {
        assert_eq!(told(&mut watch).await, (kind, "/p".to_owned()));
    }
    client.close().await;
    assert_eq!(watch.next().await, None, "it ends with the session");
}

pub(crate) async fn a_recursive_watch_tells_of_all_below(servers: String) {
    let (client, other) = (connect(&servers).await, connect(&servers).await);
    let mut watch = client.watch_recursive("/").await.expect("watch");
    let (_, child) = client.children_and_watch("/").await.expect("children");
    create(&other, "/r").await;
    create(&other, "/r/c").await;
    other.set("/r/c", b"x", Version::ANY).await.expect("set");
    other.delete("/r/c", Version::ANY).await.expect("delete");
    assert_eq!(child.await.expect("it fires").path, "/");
    assert_eq!(told(&mut watch).await, (EventType::NodeCreated, "/r".to_owned()));
    assert_eq!(told(&mut watch).await, (EventType::NodeCreated, "/r/c".to_owned()));
    assert_eq!(told(&mut watch).await, (EventType::NodeDataChanged, "/r/c".to_owned()));
    assert_eq!(told(&mut watch).await, (EventType::NodeDeleted, "/r/c".to_owned()));
}

pub(crate) async fn removed_watches_end(servers: String) {
    let client = connect(&servers).await;
    let mut watch = client.watch("/a").await.expect("watch");
    let (_, once) = client.exists_and_watch("/a").await.expect("exists");
    client.remove_watches("/a", WatchKind::Persistent).await.expect("the server knows it");
    assert_eq!(watch.next().await, None);
    client.remove_watches("/a", WatchKind::Data).await.expect("the server knows it");
    assert!(once.await.is_err());
    let error = client.remove_watches("/a", WatchKind::Persistent).await.expect_err("there is none");
    assert!(error.is(ErrorCode::NoWatcher), "{error}");
    drop(client.watch_recursive("/a").await.expect("watch"));
    let error = client.remove_watches("/a", WatchKind::Recursive).await.expect_err("it was taken back");
    assert!(error.is(ErrorCode::NoWatcher), "{error}");
}

pub(crate) async fn watches_survive_a_lost_connection(servers: String) {
    let proxy = Proxy::new(&servers).await;
    let (client, other) = (connect(&proxy.servers()).await, connect(&servers).await);
    create(&other, "/s").await;
    let (_, set) = client.get_and_watch("/s").await.expect("get");
    let (_, created) = client.exists_and_watch("/s/later").await.expect("exists");
    let mut all = client.watch_recursive("/s").await.expect("watch");
    proxy.refuse(true);
    other.set("/s", b"missed", Version::ANY).await.expect("set");
    proxy.refuse(false);
    assert_eq!(set.await.expect("it is told afterwards").kind, EventType::NodeDataChanged);
    assert_eq!(all.next().await, Some(Change::Missed), "a stream says that it has a gap");
    assert_eq!(
        told(&mut all).await,
        (EventType::NodeDataChanged, "/s".to_owned()),
        "the future's event is everybody's"
    );
    create(&other, "/s/later").await;
    assert_eq!(created.await.expect("it fires").kind, EventType::NodeCreated);
    assert_eq!(told(&mut all).await, (EventType::NodeCreated, "/s/later".to_owned()));
}
