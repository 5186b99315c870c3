//! Every operation, as an application sees it.

use std::time::Duration;

use zoorum_client::{
    Acl, Client, Create, CreateMode, ErrorCode, ErrorKind, Multi, MultiRead, MultiReadResult, MultiResult,
    Permissions, Quota, SessionState, Usage, Version, creator_acl, read_only_acl,
};

use crate::support::connect;

pub(crate) async fn what_is_created_can_be_read_changed_and_deleted(servers: String) {
    let client = connect(&servers).await;
    let created = client.create("/a", b"one", CreateMode::Persistent).await.expect("create");
    assert_eq!((created.path.as_str(), created.stat.version), ("/a", Version(0)));
    let node = client.get("/a").await.expect("get");
    assert_eq!((&node.data[..], node.stat), (&b"one"[..], created.stat));
    let stat = client.set("/a", b"two", node.stat.version).await.expect("set");
    assert_eq!(stat.version, Version(1));
    let error = client.set("/a", b"three", node.stat.version).await.expect_err("an old version");
    assert!(error.is(ErrorCode::BadVersion) && !error.is_ambiguous(), "{error}");
    assert_eq!(client.exists("/a").await.expect("exists"), Some(stat));
    client.delete("/a", Version::ANY).await.expect("delete");
    assert_eq!(client.exists("/a").await.expect("exists"), None);
    assert!(client.get("/a").await.expect_err("gone").is(ErrorCode::NoNode));
    client.close().await;
}

pub(crate) async fn every_mode_makes_its_znode(servers: String) {
    let client = connect(&servers).await;
    let minute = Duration::from_secs(60);
    let rows = [
        (Create::new(CreateMode::Persistent), "/p", "/p"),
        (Create::new(CreateMode::Ephemeral), "/e", "/e"),
        (Create::new(CreateMode::PersistentSequential), "/p-", "/p-0000000002"),
        (Create::new(CreateMode::EphemeralSequential), "/", "/0000000003"),
        (Create::new(CreateMode::Container), "/c", "/c"),
        (Create::new(CreateMode::PersistentWithTtl).ttl(minute), "/t", "/t"),
        (Create::new(CreateMode::PersistentSequentialWithTtl).ttl(minute), "/t-", "/t-0000000006"),
    ];
    for (how, path, made) in rows {
        let created = client.create(path, b"x", how.clone()).await.expect(path);
        assert_eq!(created.path, made, "{how:?}");
        let stat = client.exists(made).await.expect("exists").expect(made);
        assert_eq!(stat, created.stat, "{how:?}");
    }
    let mut ephemerals = client.ephemerals("/").await.expect("ephemerals");
    ephemerals.sort();
    assert_eq!(ephemerals, ["/0000000003", "/e"]);
    assert_eq!(client.all_children_number("/").await.expect("number"), 7);
    let children = client.children("/").await.expect("children");
    assert_eq!((children.names.len(), children.stat.num_children), (7, 7));
    client.close().await;
    let other = connect(&servers).await;
    assert_eq!(other.all_children_number("/").await.expect("number"), 5, "ephemerals go with the session");
}

pub(crate) async fn a_multi_does_all_or_nothing(servers: String) {
    let client = connect(&servers).await;
    let multi = Multi::new()
        .create("/m", b"1", CreateMode::Persistent)
        .set("/m", b"2", Version(0))
        .check("/m", Version(1))
        .create("/m/e", b"", CreateMode::Ephemeral)
        .delete("/m/e", Version::ANY);
    let results = client.multi(multi).await.expect("multi");
    assert!(matches!(&results[0], MultiResult::Created { path, .. } if path == "/m"), "{results:?}");
    assert!(matches!(results[1], MultiResult::Set(stat) if stat.version == Version(1)));
    assert_eq!(results[2], MultiResult::Checked);
    assert_eq!(results[4], MultiResult::Deleted);
    let refused = Multi::new().set("/m", b"3", Version::ANY).delete("/none", Version::ANY);
    let error = client.multi(refused).await.expect_err("there is no /none");
    assert_eq!(error.kind, ErrorKind::MultiRefused { index: 1, code: ErrorCode::NoNode });
    assert_eq!(error.path, "/none");
    assert_eq!(&client.get("/m").await.expect("get").data[..], b"2");
    client.check("/m", Version(1)).await.expect("check");
    assert!(client.check("/m", Version(7)).await.expect_err("check").is(ErrorCode::BadVersion));
    assert_eq!(client.multi(Multi::new()).await, Ok(Vec::new()));
}

pub(crate) async fn a_multi_read_has_a_result_for_each(servers: String) {
    let client = connect(&servers).await;
    client.create("/r", b"data", CreateMode::Persistent).await.expect("create");
    client.create("/r/c", b"", CreateMode::Persistent).await.expect("create");
    let reads = MultiRead::new().get("/r").children("/r").get("/none");
    let results = client.multi_read(reads).await.expect("multi read");
    let Ok(MultiReadResult::Node(node)) = &results[0] else { panic!("{results:?}") };
    assert_eq!(&node.data[..], b"data");
    assert_eq!(results[1], Ok(MultiReadResult::Children(vec!["c".to_owned()])));
    assert!(results[2].as_ref().expect_err("there is none").is(ErrorCode::NoNode));
}

pub(crate) async fn many_requests_are_under_way_and_keep_their_order(servers: String) {
    let client = connect(&servers).await;
    client.create("/n", b"", CreateMode::Persistent).await.expect("create");
    let sets: Vec<_> =
        (0..500).map(|number: i32| client.set("/n", number.to_string(), Version(number))).collect();
    let seen = client.get("/n");
    assert_eq!(&seen.await.expect("get").data[..], b"499", "a read sees the writes before it");
    for (number, set) in (1..).zip(sets) {
        assert_eq!(set.await.expect("set").version, Version(number));
    }
}

pub(crate) async fn acls_are_set_and_obeyed(servers: String) {
    let owner = Client::builder(&servers).auth("digest", b"ann:secret").connect().await.expect("connect");
    let identities = owner.who_am_i().await.expect("who am I");
    assert!(
        identities
            .iter()
            .any(|identity| (identity.scheme.as_str(), identity.user.as_str()) == ("digest", "ann"))
    );
    let private = Create::new(CreateMode::Persistent).acl(creator_acl());
    owner.create("/private", b"x", private).await.expect("create");
    let other = connect(&servers).await;
    assert!(other.get("/private").await.expect_err("private").is(ErrorCode::NoAuth));
    let (acl, _) = owner.get_acl("/private").await.expect("get ACL");
    assert_eq!((acl[0].scheme.as_ref(), acl[0].perms), ("digest", Permissions::ALL));
    let mut shared = acl;
    shared.extend(read_only_acl());
    let stat = owner.set_acl("/private", &shared, Version(0)).await.expect("set ACL");
    assert_eq!(stat.aversion, Version(1));
    assert_eq!(&other.get("/private").await.expect("readable now").data[..], b"x");
    other.add_auth("digest", b"ann:secret");
    other.set("/private", b"y", Version::ANY).await.expect("the same credentials");
    let nobody = [Acl { perms: Permissions::ALL, scheme: "nonsense".into(), id: "x".into() }];
    let error = owner.set_acl("/private", &nobody, Version::ANY).await.expect_err("no such scheme");
    assert!(error.is(ErrorCode::InvalidAcl));
}

pub(crate) async fn refused_credentials_end_the_session(servers: String) {
    let client = connect(&servers).await;
    let mut states = client.states();
    assert_eq!(states.next().await, Some(SessionState::Connected));
    client.add_auth("nonsense", b"");
    assert_eq!(states.next().await, Some(SessionState::AuthFailed));
    assert_eq!(states.next().await, None);
    let error = client.get("/").await.expect_err("it is over");
    assert!(error.is_final() && !error.is_ambiguous(), "{error}");
}

pub(crate) async fn sync_config_and_the_chroot(servers: String) {
    let client = connect(&servers).await;
    client.sync("/").await.expect("sync");
    client.config().await.expect("the configuration has one name for all");
    let error = client.delete("/", Version::ANY).await.expect_err("nobody deletes the chroot so");
    assert!(error.is(ErrorCode::BadArguments), "{error}");
    for bad in ["", "a", "/a/", "/a//b", "/a/../b"] {
        let error = client.create(bad, b"", CreateMode::Persistent).await.expect_err(bad);
        assert!(matches!(error.kind, ErrorKind::Invalid(_)), "{error}");
        assert!(matches!(client.get(bad).await.expect_err(bad).kind, ErrorKind::Invalid(_)));
    }
    let deeper = connect(&format!("{servers}/deeper")).await;
    let missing = deeper.create("/a", b"", CreateMode::Persistent).await.expect_err("nobody makes a chroot");
    assert!(missing.is(ErrorCode::NoNode), "{missing}");
    let created = deeper.create("/", b"", CreateMode::Persistent).await.expect("but whoever asks for it");
    assert_eq!(created.path, "/");
    assert!(client.exists("/deeper").await.expect("exists").is_some());
    let large = vec![0; 2 << 20];
    let error = client.create("/large", large, CreateMode::Persistent).await.expect_err("2 MiB");
    assert!(matches!(error.kind, ErrorKind::NotSent(_)), "{error}");
    let error = client.reconfig(zoorum_client::Reconfig::default()).await.expect_err("it is off");
    assert!(error.is(ErrorCode::ReconfigDisabled), "{error}");
}

pub(crate) async fn a_closed_session_does_nothing_more(servers: String) {
    let client = connect(&servers).await;
    let other = client.clone();
    drop(client.create("/last", b"", CreateMode::Persistent));
    client.close().await;
    assert_eq!(other.state(), SessionState::Closed);
    let error = other.get("/").await.expect_err("it is closed");
    assert!(error.is_final() && !error.is_ambiguous(), "{error}");
    let next = connect(&servers).await;
    assert!(next.exists("/last").await.expect("exists").is_some(), "what was asked before was done");
}

pub(crate) async fn quotas_are_set_and_counted(servers: String) {
    let client = connect(&servers).await;
    client.create("/q", b"12345", CreateMode::Persistent).await.expect("create");
    assert_eq!(client.quota("/q").await, Ok(None));
    let quota = Quota { count: Some(10), bytes_hard: Some(1000), ..Quota::default() };
    client.set_quota("/q", quota).await.expect("set the quota");
    client.create("/q/c", b"123", CreateMode::Persistent).await.expect("create");
    assert_eq!(client.quota("/q").await, Ok(Some((quota, Usage { count: 2, bytes: 8 }))));
    client.remove_quota("/q").await.expect("remove the quota");
    assert_eq!(client.quota("/q").await, Ok(None));
}
