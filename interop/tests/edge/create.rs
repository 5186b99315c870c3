//! 16.3, second part: flags, kinds of nodes, and the ACL that a create brings along.

use zoorum_interop::server::Server;
use zoorum_interop::wire::client::create_ttl_record;
use zoorum_interop::wire::{Acl, Client, Writer, code, flag, op, perm};

use crate::support::create_all;
use crate::table::{Config, Row, Stage, extended};

const MAX_TTL: i64 = (1 << 40) - 1;

/// The rows.
pub const ROWS: &[Row] = &[
    row(34, "create knows the flags 0 to 4 without extended types", flags_plain),
    Row { config: Config::Extended, ..row(34, "create takes no TTL", flags_extended) },
    row(35, "createTTL needs extended types", ttl_plain),
    Row { config: Config::Extended, ..row(35, "a TTL lies between 1 and 2^40 − 1", ttl_range) },
    row(36, "createTTL with a flag without TTL is refused, types off", ttl_without_ttl_flag),
    Row {
        config: Config::Extended,
        ..row(36, "createTTL with a flag without TTL is refused", ttl_without_ttl_flag)
    },
    Row { config: Config::Own, ..row(36, "nor does a negative TTL do harm", negative_ttl) },
    row(37, "a container may have a number", numbered_container),
    row(41, "ephemeral nodes have no children", child_of_ephemeral),
    row(42, "ACLs that cannot be", bad_acls),
    row(43, "digest ids have two parts", digest_ids),
    row(44, "ip ids are addresses and prefixes", ip_ids),
    row(45, "duplicate ACL entries are stored once", duplicate_acls),
    row(46, "auth stands for every authenticated id", auth_entries),
    row(47, "null data stays null, empty data empty", null_data),
    row(48, "a node tells its owner", owners),
    Row { config: Config::Extended, ..row(48, "a TTL node tells no owner", ttl_owner) },
];

const fn row(number: u32, title: &'static str, check: fn(&Stage)) -> Row {
    Row { number, title, config: Config::Plain, check }
}

fn flags_plain(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let path = format!("{root}/x");
    for (flags, err) in [
        (-1, code::BAD_ARGUMENTS),
        (7, code::BAD_ARGUMENTS),
        (flag::TTL, code::UNIMPLEMENTED),
        (flag::SEQUENTIAL_TTL, code::UNIMPLEMENTED),
    ] {
        assert_eq!(client.create(&path, b"", flags), Err(err), "create, flags {flags}");
        assert_eq!(client.create2(&path, b"", flags).err(), Some(err), "create2, flags {flags}");
        assert_eq!(client.create_container(&path, flags).err(), Some(err), "createContainer, flags {flags}");
    }
    client.expect_usable();
}

fn flags_extended(stage: &Stage) {
    let mut client = stage.client();
    let path = stage.name("x");
    for flags in [-1, 7, flag::TTL, flag::SEQUENTIAL_TTL] {
        assert_eq!(client.create(&path, b"", flags), Err(code::BAD_ARGUMENTS), "create, flags {flags}");
        assert_eq!(client.create2(&path, b"", flags).err(), Some(code::BAD_ARGUMENTS), "create2, {flags}");
    }
}

fn ttl_plain(stage: &Stage) {
    let mut client = stage.client();
    for flags in [flag::TTL, flag::SEQUENTIAL_TTL] {
        let created = client.create_ttl(&stage.name(""), b"", flags, 1_000);
        assert_eq!(created.err(), Some(code::UNIMPLEMENTED));
    }
    client.expect_usable();
}

fn ttl_range(stage: &Stage) {
    let mut client = stage.client();
    let path = stage.name("ttl");
    for ttl in [0, -1, MAX_TTL + 1, i64::MAX, i64::MIN] {
        let created = client.create_ttl(&path, b"", flag::TTL, ttl);
        assert_eq!(created.err(), Some(code::BAD_ARGUMENTS), "ttl {ttl}");
    }
    let created = client.create_ttl(&path, b"", flag::TTL, MAX_TTL).map(|(path, _)| path);
    assert_eq!(created, Ok(path.clone()));
    let created = client.create_ttl(&path, b"", flag::SEQUENTIAL_TTL, MAX_TTL).map(|(path, _)| path);
    assert!(created.is_ok_and(|created| created.len() == path.len() + 10));
}

fn ttl_without_ttl_flag(stage: &Stage) {
    let mut client = stage.client();
    for flags in [flag::PERSISTENT, flag::EPHEMERAL, flag::SEQUENTIAL, flag::CONTAINER] {
        let created = client.create_ttl(&stage.name("no"), b"", flags, 100_000);
        assert_eq!(created.err(), Some(code::BAD_ARGUMENTS), "flags {flags}");
    }
}

fn negative_ttl(stage: &Stage) {
    let mut server = Server::start(stage.kind, extended());
    let mut client = server.client();
    // The original does not outlive this row.
    if stage.kind.pick(true, false) {
        client.post(op::CREATE_TTL, &create_ttl_record("/x", b"", flag::PERSISTENT, -1));
        client.expect_closed();
        server.await_end();
    } else {
        let created = client.create_ttl("/x", b"", flag::PERSISTENT, -1);
        assert_eq!(created.err(), Some(code::BAD_ARGUMENTS));
        client.expect_usable();
    }
}

fn numbered_container(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let created = client.create_container(&format!("{root}/c"), flag::SEQUENTIAL).expect("created");
    assert_eq!(created.0, format!("{root}/c0000000000"));
    assert_eq!(created.1.ephemeral_owner, 0);
    create_all(&mut client, &[&format!("{root}/c0000000000/child")]);
    let created = client.create_container(&format!("{root}/plain"), flag::CONTAINER).expect("created");
    assert_eq!(created.0, format!("{root}/plain"));
}

fn child_of_ephemeral(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let parent = format!("{root}/e");
    assert!(client.create(&parent, b"", flag::EPHEMERAL).is_ok());
    for flags in [flag::PERSISTENT, flag::EPHEMERAL, flag::SEQUENTIAL] {
        let child = client.create(&format!("{parent}/c"), b"", flags);
        assert_eq!(child, Err(code::NO_CHILDREN_FOR_EPHEMERALS));
    }
    assert_eq!(client.create(&parent, b"", flag::EPHEMERAL), Err(code::NODE_EXISTS));
}

fn bad_acls(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let path = format!("{root}/x");
    let null = Writer::new().string(path.as_str()).buffer(None).int(-1).int(0).done();
    assert_eq!(client.call(op::CREATE, &null).err, code::INVALID_ACL, "a null list");
    assert_eq!(client.create_with(&path, b"", &[], 0), Err(code::INVALID_ACL), "an empty list");
    for (scheme, id) in [
        ("auth", ""),
        ("world", "x"),
        ("world", ""),
        ("nonsense", "x"),
        ("", ""),
        ("super", ""),
        ("sasl", "bob"),
        ("x509", "CN=bob"),
    ] {
        refused_acl(&mut client, &path, scheme, id);
    }
    for (number, perms) in [0, 255, -1].into_iter().enumerate() {
        let acl = [Acl::new(perms, "world", "anyone"), Acl::new(perm::ALL, "ip", "127.0.0.1")];
        let path = format!("{root}/p{number}");
        assert_eq!(client.create_with(&path, b"", &acl, 0), Ok(path.clone()));
        assert_eq!(client.get_acl(&path).map(|(acl, _)| acl), Ok(acl.to_vec()));
    }
    let mixed = [Acl::new(perm::ALL, "world", "anyone"), Acl::new(perm::ALL, "world", "x")];
    assert_eq!(client.create_with(&path, b"", &mixed, 0), Err(code::INVALID_ACL), "one bad entry of two");
}

fn refused_acl(client: &mut Client, path: &str, scheme: &str, id: &str) {
    let created = client.create_with(path, b"", &[Acl::new(perm::ALL, scheme, id)], 0);
    assert_eq!(created, Err(code::INVALID_ACL), "{scheme}:{id}");
}

fn accepted_acl(client: &mut Client, root: &str, scheme: &str, id: &str) {
    let acl = [Acl::new(perm::READ, scheme, id), Acl::new(perm::ALL, "ip", "127.0.0.1")];
    let created = client.create_with(&format!("{root}/n"), b"", &acl, flag::SEQUENTIAL);
    let path = created.unwrap_or_else(|err| panic!("{scheme}:{id} gives {err}"));
    assert_eq!(client.get_acl(&path).map(|(acl, _)| acl), Ok(acl.to_vec()));
}

fn digest_ids(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    for id in ["a:b", ":b", "a:b:", "a:b::"] {
        accepted_acl(&mut client, &root, "digest", id);
    }
    for id in ["", "a", "a:", "a:b:c", ":", "::"] {
        refused_acl(&mut client, &format!("{root}/x"), "digest", id);
    }
}

fn ip_ids(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    for id in [
        "1.2.3.4",
        "1.2.3.4/24",
        "1.2.3.4/0",
        "1.2.3.4/32",
        "01.2.3.4",
        "::1",
        "::1/64",
        "::",
        "1:2:3:4:5:6:7:8",
        "1::8",
        "1:2:3:4:5:6:7::",
        "FE80::a",
    ] {
        accepted_acl(&mut client, &root, "ip", id);
    }
    for id in [
        "",
        "localhost",
        "1.2.3",
        "1.2.3.4.5",
        "256.1.1.1",
        "1.2.3.4/33",
        "1.2.3.4/",
        "1.2.3.4/-1",
        "1.2.3.4/x",
        "::1/129",
        "::1/-1",
        "1::2::3",
        "1:2:3:4:5:6:7::8",
        "1:2:3:4:5:6:7",
        "12345::",
        "g::",
    ] {
        refused_acl(&mut client, &format!("{root}/x"), "ip", id);
    }
}

fn duplicate_acls(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let (a, b, c) = (
        Acl::new(perm::ALL, "world", "anyone"),
        Acl::new(perm::READ, "ip", "1.2.3.4"),
        Acl::new(perm::READ, "world", "anyone"),
    );
    let path = format!("{root}/x");
    let acl = [a.clone(), b.clone(), a.clone(), c.clone(), b.clone()];
    assert_eq!(client.create_with(&path, b"", &acl, 0), Ok(path.clone()));
    assert_eq!(client.get_acl(&path).map(|(acl, _)| acl), Ok(vec![a, b, c]));
}

fn auth_entries(stage: &Stage) {
    let mut client = stage.client();
    let path = stage.name("");
    for user in ["u:p", "user:"] {
        assert_eq!(client.auth("digest", Some(user.as_bytes())).err, 0);
    }
    let perms = perm::ALL;
    let acl = [Acl::new(perms, "auth", "ignored")];
    assert_eq!(client.create_with(&path, b"", &acl, 0), Ok(path.clone()));
    let mut stored = client.get_acl(&path).expect("readable").0;
    stored.sort();
    let expected = ["u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=", "user:kd7q5xGKLW+18xQTfO8iqRaFvsM="]
        .map(|id| Acl::new(perms, "digest", id));
    assert_eq!(stored, expected);
}

fn null_data(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let path = format!("{root}/null");
    let record = Writer::new().string(path.as_str()).buffer(None).acls(&Acl::open()).int(0).done();
    assert_eq!(client.call(op::CREATE, &record).err, 0);
    let data = client.get_data(&path, false).map(|(data, stat)| (data, stat.data_length));
    assert_eq!(data, Ok((None, 0)));
    assert!(client.set_data(&path, b"", -1).is_ok());
    let data = client.get_data(&path, false).map(|(data, stat)| (data, stat.data_length));
    assert_eq!(data, Ok((Some(vec![]), 0)));
    let record = Writer::new().string(path.as_str()).buffer(None).int(-1).done();
    assert_eq!(client.call(op::SET_DATA, &record).err, 0);
    assert_eq!(client.get_data(&path, false).map(|(data, _)| data), Ok(None));
}

fn owners(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let id = client.id();
    let created = client.create2(&format!("{root}/e"), b"", flag::EPHEMERAL).expect("created");
    assert_eq!(created.1.ephemeral_owner, id);
    let created = client.create2(&format!("{root}/p"), b"", flag::PERSISTENT).expect("created");
    assert_eq!(created.1.ephemeral_owner, 0);
    let created = client.create_container(&format!("{root}/c"), flag::CONTAINER).expect("created");
    assert_eq!(created.1.ephemeral_owner, 0);
}

fn ttl_owner(stage: &Stage) {
    let mut client = stage.client();
    let created = client.create_ttl(&stage.name("ttl"), b"", flag::TTL, MAX_TTL).expect("created");
    assert_eq!(created.1.ephemeral_owner, 0);
}
