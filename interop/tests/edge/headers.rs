//! 16.2: headers and dispatch.

use zoorum_interop::wire::client::{create_record, path_watch, request};
use zoorum_interop::wire::{Acl, Client, Connected, Writer, code, op};

use crate::support::create_all;
use crate::table::{Config, Row, Stage};

/// The rows.
pub const ROWS: &[Row] = &[
    row(19, "an unknown opcode is answered -6 and closes the connection", unknown_opcodes),
    row(20, "a ping's reply has xid -2", ping),
    row(21, "xids are copied, whatever they are", any_xid),
    row(22, "a record that cannot be decoded is answered -5", undecodable),
    row(23, "an undecodable write uses up no zxid", undecodable_write),
    row(24, "a failed write uses up a zxid", failed_write),
    row(25, "pipelined requests are answered in order, and reads see the writes before them", pipeline),
    row(26, "closeSession is answered, then the connection closes", close_session),
    row(27, "a fresh connection is known by its address", who_am_i),
    row(28, "clients cannot send deleteContainer", delete_container),
    row(29, "clients cannot send createSession", create_session),
];

const fn row(number: u32, title: &'static str, check: fn(&Stage)) -> Row {
    Row { number, title, config: Config::Plain, check }
}

fn unknown_opcodes(stage: &Stage) {
    for kind in [0, 10, 13, 23, 99, 108, -1, i32::MIN, i32::MAX] {
        let mut client = stage.client();
        refused(&mut client, kind, b"");
    }
}

fn refused(client: &mut Client, kind: i32, record: &[u8]) {
    let reply = client.call(kind, record);
    assert_eq!((reply.err, reply.zxid), (code::UNIMPLEMENTED, -1), "the reply to opcode {kind}");
    assert_eq!(reply.body, b"");
    client.expect_closed();
}

fn ping(stage: &Stage) {
    let mut client = stage.client();
    client.send(5, op::PING, b"");
    let reply = client.reply();
    assert_eq!((reply.xid, reply.err, reply.body.len()), (-2, 0, 0));
}

fn any_xid(stage: &Stage) {
    let mut client = stage.client();
    for xid in [0, -1, -5, i32::MAX, i32::MIN, 7, 7] {
        client.send(xid, op::GET_CHILDREN, &path_watch("/none", false));
        let reply = client.reply();
        assert_eq!((reply.xid, reply.err), (xid, code::NO_NODE));
    }
}

fn undecodable(stage: &Stage) {
    let mut client = stage.client();
    for record in [vec![], vec![0, 0, 0, 9, b'/', b'a'], vec![0x7f, 0xff, 0xff, 0xff], vec![0, 0, 0, 1, b'/']]
    {
        let reply = client.call(op::EXISTS, &record);
        assert_eq!((reply.err, reply.body.len()), (code::MARSHALLING_ERROR, 0), "exists with {record:?}");
    }
    let mut record = path_watch("/", false);
    record.extend([1, 2, 3]);
    assert_eq!(client.call(op::EXISTS, &record).err, 0, "bytes behind the record");
    client.expect_usable();
}

fn undecodable_write(stage: &Stage) {
    let mut client = stage.client();
    let before = client.ping().zxid;
    for kind in [op::CREATE, op::CREATE2, op::SET_DATA, op::DELETE, op::SET_ACL, op::CREATE_TTL] {
        let reply = client.call(kind, b"");
        assert_eq!((reply.err, reply.body.len()), (code::MARSHALLING_ERROR, 0), "opcode {kind}");
    }
    assert_eq!(client.ping().zxid, before);
    let name = stage.name("");
    assert_eq!(client.create(&name, b"", 0), Ok(name));
    assert_eq!(client.zxid(), before + 1);
}

fn failed_write(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let before = client.zxid();
    assert_eq!(client.create(&root, b"", 0), Err(code::NODE_EXISTS));
    assert_eq!(client.zxid(), before + 1);
    assert_eq!(client.delete("/none", -1), Err(code::NO_NODE));
    assert_eq!(client.zxid(), before + 2);
    assert_eq!(client.ping().zxid, before + 2);
}

fn pipeline(stage: &Stage) {
    const PAIRS: i32 = 200;
    let (mut client, root) = stage.client_and_root();
    let mut bytes = Vec::new();
    for pair in 0..PAIRS {
        let path = format!("{root}/{pair}");
        let record = create_record(&path, b"", &Acl::open(), 0);
        bytes.extend(request(1_000 + 2 * pair, op::CREATE, &record));
        bytes.extend(request(1_001 + 2 * pair, op::EXISTS, &path_watch(&path, false)));
    }
    client.wire.write(&bytes);
    let mut last = 0;
    for xid in 1_000..1_000 + 2 * PAIRS {
        let reply = client.reply();
        assert_eq!((reply.xid, reply.err), (xid, 0));
        assert!(reply.zxid >= last, "zxid {} after {last}", reply.zxid);
        last = reply.zxid;
    }
}

fn close_session(stage: &Stage) {
    let mut client = stage.client();
    let reply = client.call(op::CLOSE_SESSION, b"");
    assert_eq!((reply.err, reply.body.len()), (0, 0));
    client.expect_closed();

    let mut client = stage.client();
    let name = stage.name("");
    let mut bytes = request(1, op::CLOSE_SESSION, b"");
    bytes.extend(request(2, op::CREATE, &create_record(&name, b"", &Acl::open(), 0)));
    client.wire.write(&bytes);
    let reply = client.reply();
    assert_eq!((reply.xid, reply.err), (1, 0));
    if let Some(reply) = client.reply_or_close() {
        assert_eq!((reply.xid, reply.err), (2, code::SESSION_EXPIRED));
        client.expect_closed();
    }
    assert_eq!(stage.client().exists(&name, false), Err(code::NO_NODE));
}

fn who_am_i(stage: &Stage) {
    let ids = stage.client().who_am_i();
    assert_eq!(ids, Ok(vec![("ip".into(), "127.0.0.1".into())]));
}

fn delete_container(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let leaf = format!("{root}/leaf");
    create_all(&mut client, &[&leaf]);
    let record = Writer::new().string(leaf.as_str()).done();
    // The server's own operation, which no client may ask for here.
    if stage.kind.pick(true, false) {
        assert_eq!(client.call(op::DELETE_CONTAINER, &record).err, 0);
        assert_eq!(client.exists(&leaf, false), Err(code::NO_NODE));
    } else {
        refused(&mut client, op::DELETE_CONTAINER, &record);
        assert!(stage.client().exists(&leaf, false).is_ok());
    }
}

fn create_session(stage: &Stage) {
    let mut client = stage.client();
    let record = Writer::new().int(10_000).done();
    // The server's own operation, which no client may ask for here.
    if stage.kind.pick(true, false) {
        client.post(op::CREATE_SESSION, &record);
        let frame = client.wire.frame().expect("an answer");
        assert_eq!(Connected::decode(&frame).session, client.id());
    } else {
        refused(&mut client, op::CREATE_SESSION, &record);
    }
}
