//! 16.1: framing and handshake.

use zoorum_interop::wire::client::{auth_record, read_who_am_i, request};
use zoorum_interop::wire::{
    Acl, Client, Connect, Connected, Writer, code, four_letter_word, framed, op, password,
};

use crate::table::{Config, Row, Stage};

/// The rows.
pub const ROWS: &[Row] = &[
    row(1, "a ConnectRequest of 45 bytes gets a ConnectResponse of 37", new_session),
    row(2, "a ConnectRequest without readOnly gets a ConnectResponse without", old_client),
    row(3, "the protocol version is ignored", protocol_version),
    row(4, "the timeout is clamped to 2 and 20 ticks", timeouts),
    row(5, "a new session's password is ignored", any_password),
    row(6, "the password is a function of the session id", password_function),
    row(7, "who has seen a later zxid than the server is refused", future_zxid),
    row(8, "a session can be resumed and its timeout negotiated anew", resume),
    row(9, "resuming with a wrong password is refused, and the owner stays connected", wrong_password),
    row(10, "resuming an unknown session is refused", unknown_session),
    row(11, "resuming a session closes its former connection", second_resume),
    row(12, "frames may have up to jute.maxbuffer bytes", frame_limits),
    row(13, "a frame too short for a header closes the connection", short_frame),
    row(14, "requests may follow the ConnectRequest in one segment", one_segment),
    row(15, "ruok is a command only before the handshake", ruok),
    Row { config: Config::Fresh, ..row(16, "commands need to be on the whitelist", not_whitelisted) },
    Row {
        config: Config::Limited,
        ..row(17, "connections beyond maxClientCnxns are closed", connection_limit)
    },
    Row { config: Config::Fresh, ..row(18, "a standalone server's session ids begin with 0x01", session_id) },
];

const fn row(number: u32, title: &'static str, check: fn(&Stage)) -> Row {
    Row { number, title, config: Config::Plain, check }
}

fn new_session(stage: &Stage) {
    let mut wire = stage.wire();
    let packet = Connect::default().encode();
    assert_eq!(packet.len(), 45);
    wire.send(&packet);
    let frame = wire.frame().expect("an answer");
    assert_eq!(frame.len(), 37);
    let connected = Connected::decode(&frame);
    assert_eq!((connected.protocol, connected.timeout), (0, 40_000));
    assert_ne!(connected.session, 0);
    assert_eq!((connected.password.len(), connected.read_only), (16, Some(false)));
}

fn old_client(stage: &Stage) {
    let mut wire = stage.wire();
    let packet = Connect { read_only: None, ..Connect::default() }.encode();
    assert_eq!(packet.len(), 44);
    wire.send(&packet);
    let frame = wire.frame().expect("an answer");
    assert_eq!(frame.len(), 36);
    assert_eq!(Connected::decode(&frame).read_only, None);
}

fn protocol_version(stage: &Stage) {
    let client = Client::connect_with(stage.address(), &Connect { protocol: 77, ..Connect::default() });
    assert_eq!(client.session.protocol, 0);
}

fn timeouts(stage: &Stage) {
    for (asked, granted) in [(10, 4_000), (1_000_000_000, 40_000), (-1, 4_000), (0, 4_000), (12_345, 12_345)]
    {
        let client = Client::connect_with(stage.address(), &Connect { timeout: asked, ..Connect::default() });
        assert_eq!(client.session.timeout, granted, "asked for {asked}");
        client.close();
    }
}

fn any_password(stage: &Stage) {
    for password in [None, Some(vec![]), Some(vec![7; 100])] {
        let client = Client::connect_with(stage.address(), &Connect { password, ..Connect::default() });
        assert_eq!(client.session.password.len(), 16);
    }
}

fn password_function(stage: &Stage) {
    let known = 0x054c_c74a_3732_7db2_15e7_02e2_0c73_f005_u128;
    assert_eq!(password(1), known.to_be_bytes());
    for client in [stage.client(), stage.client()] {
        assert_eq!(client.session.password, password(client.id()));
    }
}

fn future_zxid(stage: &Stage) {
    let last_zxid = stage.client().ping().zxid;
    let request = Connect { last_zxid: last_zxid + 1, ..Connect::default() };
    assert_eq!(stage.wire().handshake(&request), None);
    let request = Connect { last_zxid, ..Connect::default() };
    assert!(stage.wire().handshake(&request).is_some_and(|connected| connected.session != 0));
}

fn resume(stage: &Stage) {
    let short = Connect { timeout: 4_000, ..Connect::default() };
    let first = Client::connect_with(stage.address(), &short).hang_up();
    assert_eq!(first.timeout, 4_000);
    let request = Connect { timeout: 9_000, ..Connect::resume(&first) };
    let mut client = Client::connect_with(stage.address(), &request);
    assert_eq!(client.session, Connected { timeout: 9_000, ..first });
    client.expect_usable();
    client.close();
}

fn wrong_password(stage: &Stage) {
    let mut owner = stage.client();
    let mut request = Connect::resume(&owner.session);
    request.password = Some(vec![1; 16]);
    let mut wire = stage.wire();
    assert_eq!(wire.handshake(&request), Some(Connected::refusal()));
    wire.expect_closed();
    // Only whoever has the password may disturb the session's connection.
    if stage.kind.pick(true, false) {
        owner.expect_closed();
        let mut owner = Client::connect_with(stage.address(), &Connect::resume(&owner.session));
        owner.expect_usable();
    } else {
        owner.expect_usable();
    }
}

fn unknown_session(stage: &Stage) {
    let session = 0x0123_4567_89ab_cdef;
    let request = Connect { session, password: Some(password(session)), ..Connect::default() };
    let mut wire = stage.wire();
    assert_eq!(wire.handshake(&request), Some(Connected::refusal()));
    wire.expect_closed();
}

fn second_resume(stage: &Stage) {
    let mut first = stage.client();
    let mut second = Client::connect_with(stage.address(), &Connect::resume(&first.session));
    assert_eq!(second.id(), first.id());
    first.expect_closed();
    second.expect_usable();
    let mut third = Client::connect_with(stage.address(), &Connect::resume(&first.session));
    second.expect_closed();
    third.expect_usable();
}

fn frame_limits(stage: &Stage) {
    const LIMIT: usize = 1_048_575;
    let path = stage.name("");
    let around = Writer::new().string(path.as_str()).buffer(&[][..]).acls(&Acl::open()).int(0).done().len();
    let mut client = stage.client();
    // Eight bytes of header come on top.
    let reply = client.call(
        op::CREATE,
        &Writer::new()
            .string(path.as_str())
            .buffer(vec![b'x'; LIMIT - 8 - around].as_slice())
            .acls(&Acl::open())
            .int(0)
            .done(),
    );
    assert_eq!(reply.err, 0, "a frame of {LIMIT} bytes");
    // The answer exceeds the limit, and is sent all the same.
    let data = client.get_data(&path, false).map(|(data, _)| data.map(|data| data.len()));
    assert_eq!(data, Ok(Some(LIMIT - 8 - around)));
    assert_eq!(client.delete(&path, -1), Ok(()));
    for length in [LIMIT as i32 + 1, -5, i32::MIN, i32::MAX, 0] {
        let mut client = stage.client();
        client.wire.write(&length.to_be_bytes());
        client.expect_closed();
    }
    for length in [LIMIT as i32 + 1, -5, 0] {
        let mut wire = stage.wire();
        wire.write(&length.to_be_bytes());
        wire.expect_closed();
    }
}

fn short_frame(stage: &Stage) {
    let mut client = stage.client();
    client.wire.send(&[0; 4]);
    client.expect_closed();
}

fn one_segment(stage: &Stage) {
    let mut segment = framed(&Connect::default().encode());
    segment.extend(request(-4, op::AUTH, &auth_record("digest", Some(b"u:p"))));
    segment.extend(request(1, op::WHO_AM_I, b""));
    let mut wire = stage.wire();
    wire.write(&segment);
    let connected = Connected::decode(&wire.frame().expect("an answer to the handshake"));
    let mut client = Client::on(wire, connected);
    let auth = client.reply();
    assert_eq!((auth.xid, auth.zxid, auth.err), (-4, 0, 0));
    let who = client.reply();
    assert_eq!((who.xid, who.err), (1, 0));
    let ids = who.ok().map(read_who_am_i);
    let expected = [("digest", "u"), ("ip", "127.0.0.1")].map(|(scheme, user)| (scheme.into(), user.into()));
    assert_eq!(ids, Ok(expected.to_vec()));
}

fn ruok(stage: &Stage) {
    assert_eq!(four_letter_word(stage.address(), "ruok"), "imok");
    assert_eq!(four_letter_word(stage.address(), "ruok\n"), "imok");
    let mut client = stage.client();
    client.wire.write(b"ruok");
    client.expect_closed();
}

fn not_whitelisted(stage: &Stage) {
    assert_eq!(
        four_letter_word(stage.address(), "ruok"),
        "ruok is not executed because it is not in the whitelist.\n"
    );
    assert_eq!(four_letter_word(stage.address(), "abcd"), "");
}

fn connection_limit(stage: &Stage) {
    let mut admitted = [stage.client(), stage.client(), stage.client()];
    stage.wire().expect_closed();
    assert_eq!(stage.wire().handshake(&Connect::default()), None);
    admitted.iter_mut().for_each(Client::expect_usable);
    let [first, second, third] = admitted;
    first.close();
    let mut late = stage.client();
    late.expect_usable();
    // The next row finds all places free.
    [second, third, late].into_iter().for_each(Client::close);
}

fn session_id(stage: &Stage) {
    let first = stage.client();
    let second = stage.client();
    assert_eq!(first.id() >> 56, 0x01);
    assert_eq!(second.id(), first.id() + 1);
    assert_eq!(stage.client().exists("/none", false), Err(code::NO_NODE));
}
