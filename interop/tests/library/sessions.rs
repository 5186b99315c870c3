//! Sessions: lost connections, expiry, resumption.

use std::time::Duration;

use zoorum_client::{Cause, Client, CreateMode, ErrorKind, SessionState};

use crate::support::{Proxy, connect};

/// As short as a session can be here.
const SHORT: Duration = Duration::from_millis(1000);

pub(crate) async fn a_lost_connection_is_not_the_end_of_the_session(servers: String) {
    let proxy = Proxy::new(&servers).await;
    let client = connect(&proxy.servers()).await;
    let mut states = client.states();
    client.create("/e", b"", CreateMode::Ephemeral).await.expect("create");
    let session = client.session();
    proxy.cut();
    let seen = [states.next().await, states.next().await, states.next().await];
    let expected = [SessionState::Connected, SessionState::Disconnected, SessionState::Connected];
    assert_eq!(seen, expected.map(Some));
    assert_eq!(client.session(), session);
    let stat = client.exists("/e").await.expect("exists").expect("its ephemeral znodes live on");
    assert_eq!(stat.ephemeral_owner, session);
}

pub(crate) async fn an_expired_session_says_so(servers: String) {
    let proxy = Proxy::new(&servers).await;
    let builder = Client::builder(&proxy.servers()).session_timeout(SHORT);
    let client = builder.connect().await.expect("a session");
    assert_eq!(client.session_timeout(), SHORT);
    client.create("/e", b"", CreateMode::Ephemeral).await.expect("create");
    let watcher = connect(&servers).await;
    let (_, gone) = watcher.exists_and_watch("/e").await.expect("exists");
    proxy.refuse(true);
    gone.await.expect("the server ends the session");
    proxy.refuse(false);
    assert_eq!(client.ended().await, SessionState::Expired);
    let error = client.exists("/e").await.expect_err("it is over");
    assert_eq!(error.kind, ErrorKind::NotSent(Cause::Expired));
}

pub(crate) async fn a_session_is_resumed_by_another_client(servers: String) {
    let proxy = Proxy::new(&servers).await;
    let first = connect(&proxy.servers()).await;
    first.create("/e", b"", CreateMode::Ephemeral).await.expect("create");
    let (session, password) = (first.session(), first.password());
    proxy.refuse(true);
    let second = Client::builder(&servers).resume(session, password).connect().await.expect("the session");
    assert_eq!(second.ephemerals("/").await.expect("ephemerals"), ["/e"]);
    let forged = Client::builder(&servers).resume(session, [7; 16]).connect().await;
    assert!(forged.is_err(), "the password is wrong");
}

pub(crate) async fn an_unanswered_request_is_ambiguous(servers: String) {
    let proxy = Proxy::new(&servers).await;
    let (client, other) = (connect(&proxy.servers()).await, connect(&servers).await);
    let (_, created) = other.exists_and_watch("/u").await.expect("exists");
    proxy.deafen(true);
    let reply = client.create("/u", b"", CreateMode::Persistent);
    created.await.expect("the server did it");
    proxy.deafen(false);
    proxy.refuse(true);
    let error = reply.await.expect_err("the reply is lost");
    assert!(error.is_ambiguous() && error.is_transient(), "{error}");
    proxy.refuse(false);
    assert!(client.exists("/u").await.expect("what waits for a connection is sent then").is_some());
}

pub(crate) async fn clients_find_the_server_that_serves(servers: String) {
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let closed = nobody.local_addr().expect("an address");
    drop(nobody);
    let (serving, chroot) = servers.split_once('/').expect("there is a chroot");
    let client = connect(&format!("{closed},{serving}/{chroot}")).await;
    client.update_server_list(&closed.to_string()).expect("a list");
    let mut states = client.states();
    while states.next().await != Some(SessionState::Disconnected) {}
    client.update_server_list(serving).expect("a list");
    assert_eq!(client.connected().await, SessionState::Connected);
    assert!(client.update_server_list("a/b").is_err(), "the chroot stays what it was");
    let nowhere = Client::builder(&closed.to_string()).connect_timeout(SHORT).connect().await;
    assert!(nowhere.is_err());
}
