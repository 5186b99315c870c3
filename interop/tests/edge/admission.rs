//! What the checklist leaves out of section 11: what is let in, and what becomes of those who wait.

use std::net::SocketAddr;
use std::thread;
use std::time::Instant;

use zoorum_interop::server::{Server, Setup};
use zoorum_interop::wire::client::{auth_record, path_watch, request, set_data_record};
use zoorum_interop::wire::{Client, Connect, PATIENCE, Wire, code, four_letter_word, op};

use crate::table::{Config, Row, Stage};

/// The rows.
pub const ROWS: &[Row] = &[
    row(201, "whoever waits too long is refused, and nothing else happens", throttled),
    row(202, "what a client leaves behind in the queue is dropped", stale),
    row(203, "sessions cost tokens by their kind, whatever the password", tokens),
    row(204, "an empty bucket makes the server drop by chance", dropper),
    row(205, "large requests have so many bytes together", large),
];

const fn row(number: u32, title: &'static str, check: fn(&Stage)) -> Row {
    Row { number, title, config: Config::Own, check }
}

fn start(stage: &Stage, config: &[(&str, &str)]) -> Server {
    let setup = Setup::new().config("4lw.commands.whitelist", "*");
    Server::start(stage.kind, config.iter().fold(setup, |setup, (key, value)| setup.config(key, value)))
}

fn metric(address: SocketAddr, name: &str) -> String {
    let text = four_letter_word(address, "mntr");
    let value = text.lines().find_map(|line| line.strip_prefix(&format!("zk_{name}\t")));
    value.unwrap_or_else(|| panic!("no {name} in {text}")).to_owned()
}

/// A new session and a znode. The original is slow in the beginning, so that even this may have to wait too long.
fn client_and_node(server: &Server, path: &str) -> Client {
    let mut client = server.client();
    while client.create(path, b"", 0) != Err(code::NODE_EXISTS) {}
    client
}

fn throttled(stage: &Stage) {
    const REQUESTS: i32 = 2_000;
    let server = start(stage, &[("request_throttle_max_requests", "1"), ("throttled_op_wait_time", "10")]);
    let mut client = client_and_node(&server, "/n");
    let throttled_ops = || metric(server.address(), "throttled_ops").parse::<i32>().expect("a number");
    let (before, mut bytes) = (throttled_ops(), Vec::new());
    for xid in 1..=REQUESTS {
        bytes.extend(match xid % 2 {
            0 => request(xid, op::GET_DATA, &path_watch("/n", false)),
            _ => request(xid, op::SET_DATA, &set_data_record("/n", b"", -1)),
        });
    }
    client.wire.write(&bytes);
    let (mut executed, mut throttled) = (0, 0);
    for xid in 1..=REQUESTS {
        let reply = client.reply();
        assert_eq!(reply.xid, xid);
        match reply.err {
            0 => executed += xid % 2,
            code::THROTTLED_OP => {
                assert_eq!(reply.body, b"");
                throttled += 1;
            }
            err => panic!("error {err}"),
        }
    }
    assert!(executed > 0 && throttled > 0, "{executed} writes executed, {throttled} requests throttled");
    let mut client = server.client();
    let stat = client.exists("/n", false).expect("exists");
    assert_eq!(stat.version, executed, "what was refused was not executed");
    assert_eq!(throttled_ops() - before, throttled);
}

fn stale(stage: &Stage) {
    // Fewer than what makes a server stop reading: it must come to the end of the connection.
    const REQUESTS: i32 = 900;
    let server = start(stage, &[("request_throttle_max_requests", "1")]);
    let mut client = client_and_node(&server, "/n");
    let set = |xid| request(xid, op::SET_DATA, &set_data_record("/n", b"", -1));
    client.wire.write(&(1..=REQUESTS).flat_map(set).collect::<Vec<_>>());
    client.hang_up();
    let begun = Instant::now();
    while metric(server.address(), "stale_requests_dropped") == "0" {
        assert!(begun.elapsed() < PATIENCE, "nothing was dropped");
        thread::yield_now();
    }
    let mut client = server.client();
    let version = client.exists("/n", false).expect("exists").version;
    assert!(version < REQUESTS, "all was executed");
    assert_eq!(metric(server.address(), "stale_requests_dropped"), "1", "with its connection");
}

fn tokens(stage: &Stage) {
    let server = start(
        stage,
        &[
            ("connection_throttle_tokens", "2"),
            ("connection_throttle_fill_time", "3600000"),
            ("connection_throttle_weight_enabled", "true"),
            ("connection_throttle_global_session_weight", "5"),
            ("connection_throttle_renew_session_weight", "2"),
        ],
    );
    let session = server.client().hang_up();
    for is_admitted in [true, true, false] {
        let answer = server.wire().handshake(&Connect::resume(&session));
        assert_eq!(answer.is_some(), is_admitted, "of ten tokens, five are taken, and two by each");
    }
    assert_eq!(server.wire().handshake(&Connect::default()), None);
    let wrong = Connect { password: Some(vec![1; 16]), ..Connect::resume(&session) };
    assert_eq!(server.wire().handshake(&wrong), None, "closed before the password is looked at");
    let expected = [
        ("connection_rejected", "3"),
        ("connection_request_count", "3"),
        ("min_connection_token_deficit", "5"),
        ("max_connection_token_deficit", "9"),
        ("cnt_connection_token_deficit", "3"),
    ];
    for (name, value) in expected {
        assert_eq!(metric(server.address(), name), value, "{name}");
    }
}

fn dropper(stage: &Stage) {
    let server = start(
        stage,
        &[
            ("connection_throttle_tokens", "1"),
            ("connection_throttle_fill_time", "3600000"),
            ("connection_throttle_freeze_time", "1"),
            ("connection_throttle_drop_increase", "1"),
        ],
    );
    let _client = server.client();
    assert_eq!(metric(server.address(), "connection_drop_probability"), "0.0");
    // The bucket has to be empty for longer than the freeze time.
    let begun = Instant::now();
    while metric(server.address(), "connection_drop_probability") != "1.0" {
        assert!(begun.elapsed() < PATIENCE, "the probability does not grow");
        assert_eq!(server.wire().handshake(&Connect::default()), None);
    }
}

fn large(stage: &Stage) {
    let server = start(stage, &[("largeRequestThreshold", "1000"), ("largeRequestMaxBytes", "3000")]);
    let mut client = client_and_node(&server, "/n");
    let frame = |length: usize| {
        let empty = request(1, op::SET_DATA, &set_data_record("/n", b"", -1)).len() - 4;
        set_data_record("/n", &vec![0; length - empty], -1)
    };
    for length in [1_000, 2_000, 3_000] {
        assert_eq!(client.call(op::SET_DATA, &frame(length)).err, 0, "a frame of {length} bytes");
    }
    client.post(op::SET_DATA, &frame(3_001));
    client.expect_closed();
    let is_closed = |bytes: &[u8]| {
        let mut wire = Wire::open(server.address());
        wire.write(bytes);
        wire.expect_closed();
    };
    is_closed(&[0, 0, 0x0b, 0xb9]); // the length is enough
    let mut client = server.client();
    client.send(-4, op::AUTH, &auth_record("digest", Some(&[b'x'; 4_000])));
    client.expect_closed();
    assert_eq!(metric(server.address(), "large_requests_rejected"), "3");
}
