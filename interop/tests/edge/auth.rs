//! 16.8: authentication.

use zoorum_interop::wire::client::auth_record;
use zoorum_interop::wire::{Client, Connect, code, op};

use crate::table::{Config, Row, Stage};

/// The rows.
pub const ROWS: &[Row] = &[
    row(91, "an auth packet is answered under its own xid, with zxid 0", reply),
    row(92, "which schemes an auth packet may name", schemes),
    Row {
        config: Config::Super,
        ..row(93, "a superuser may do what ACLs forbid, and nothing more", superuser)
    },
    row(94, "a server without SASL answers with a null token", no_sasl),
    Row { config: Config::Enforced, ..row(97, "an enforced scheme comes before everything", enforced) },
    Row { config: Config::Super, ..row(98, "ensemble authentication compares names", ensemble) },
    row(99, "authentication belongs to the connection", not_the_session),
];

const fn row(number: u32, title: &'static str, check: fn(&Stage)) -> Row {
    Row { number, title, config: Config::Plain, check }
}

fn reply(stage: &Stage) {
    let mut client = stage.client();
    for xid in [-4, 17] {
        client.send(xid, op::AUTH, &auth_record("digest", Some(b"u:p")));
        let reply = client.reply();
        assert_eq!((reply.xid, reply.zxid, reply.err, reply.body.len()), (xid, 0, 0, 0));
    }
}

fn schemes(stage: &Stage) {
    for scheme in ["nonsense", "world", "super", "sasl", "x509", "auth", "ensemble", ""] {
        let mut client = stage.client();
        assert_eq!(client.auth(scheme, Some(b"x")).err, code::AUTH_FAILED, "{scheme:?}");
        client.expect_closed();
    }
    let mut client = stage.client();
    assert_eq!(client.auth("digest", None).err, code::AUTH_FAILED);
    client.expect_closed();

    let mut client = stage.client();
    for (scheme, data) in [("ip", "x"), ("digest", ""), ("digest", "nopass")] {
        assert_eq!(client.auth(scheme, Some(data.as_bytes())).err, 0, "{scheme}:{data}");
    }
    let ids = [("digest", ""), ("digest", "nopass"), ("ip", "127.0.0.1")];
    assert_eq!(client.who_am_i(), Ok(owned(&ids)));

    let mut client = stage.client();
    client.send(-4, op::AUTH, &[0, 0]);
    client.expect_closed();
}

fn owned(ids: &[(&str, &str)]) -> Vec<(String, String)> {
    ids.iter().map(|(scheme, user)| ((*scheme).into(), (*user).into())).collect()
}

fn superuser(stage: &Stage) {
    let (mut owner, private) = stage.digest_client("owner");
    let path = stage.name("");
    assert_eq!(owner.create_with(&path, b"x", &private, 0), Ok(path.clone()));
    let mut client = stage.client();
    assert_eq!(client.get_data(&path, false), Err(code::NO_AUTH));
    assert_eq!(client.auth("digest", Some(b"super:admin")).err, 0);
    assert_eq!(client.get_data(&path, false).map(|(data, _)| data), Ok(Some(b"x".to_vec())));
    let ids = [("digest", "super"), ("ip", "127.0.0.1"), ("super", "")];
    assert_eq!(client.who_am_i(), Ok(owned(&ids)));
    assert!(client.set_data("/zookeeper/config", b"", -1).is_ok());
    assert_eq!(client.delete("/zookeeper/quota", -1), Err(code::BAD_ARGUMENTS));
    let shown = client.get_acl(&path).expect("readable").0;
    assert!(!shown[0].id.ends_with(":x"), "{shown:?}");
}

fn no_sasl(stage: &Stage) {
    let mut client = stage.client();
    assert_eq!(client.sasl(b"anything"), (0, None));
    assert_eq!(client.zxid(), 0);
    client.expect_usable();
}

fn enforced(stage: &Stage) {
    for (kind, xid) in [(op::EXISTS, 1), (op::PING, -2), (op::CLOSE_SESSION, 3), (op::CREATE, 4)] {
        let mut client = stage.client();
        client.send(xid, kind, b"");
        let reply = client.reply();
        assert_eq!((reply.xid, reply.zxid, reply.err), (xid, 0, code::AUTH_REQUIRED), "opcode {kind}");
        assert_eq!(reply.body, b"");
        client.expect_closed();
    }
    let mut client = stage.client();
    assert_eq!(client.auth("ip", Some(b"")).err, 0);
    assert_eq!(client.call(op::WHO_AM_I, b"").err, code::AUTH_REQUIRED, "another scheme does not do");
    client.expect_closed();
    let mut client = stage.client();
    assert_eq!(client.auth("digest", Some(b"u:p")).err, 0);
    client.expect_usable();
    client.close();
}

fn ensemble(stage: &Stage) {
    for data in [Some(&b"north"[..]), Some(b"south"), Some(b""), None] {
        let mut client = stage.client();
        assert_eq!(client.auth("ensemble", data).err, 0, "{data:?}");
        assert_eq!(client.who_am_i(), Ok(owned(&[("ip", "127.0.0.1")])), "no id comes of it");
    }
    let mut client = stage.client();
    client.send(-4, op::AUTH, &auth_record("ensemble", Some(b"west")));
    // The original closes the connection before its reply is written, as a rule.
    if let Some(reply) = client.reply_or_close() {
        assert_eq!(reply.err, code::AUTH_FAILED);
        client.expect_closed();
    }
}

fn not_the_session(stage: &Stage) {
    let (mut owner, private) = stage.digest_client("owner");
    let path = stage.name("");
    assert_eq!(owner.create_with(&path, b"", &private, 0), Ok(path.clone()));
    let session = owner.hang_up();
    let mut owner = Client::connect_with(stage.address(), &Connect::resume(&session));
    assert_eq!(owner.id(), session.session);
    assert_eq!(owner.get_data(&path, false), Err(code::NO_AUTH));
    assert_eq!(owner.auth("digest", Some(b"owner:p")).err, 0);
    assert!(owner.get_data(&path, false).is_ok());
}
