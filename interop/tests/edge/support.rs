//! Short words for what many rows say.

use zoorum_interop::wire::client::{create_record, create_ttl_record, path_int, path_watch, set_data_record};
use zoorum_interop::wire::{Acl, Client, SubOp, op};

/// A create inside a multi, by opcode and flags.
pub fn create_as(kind: i32, path: &str, flags: i32) -> SubOp {
    (kind, create_record(path, b"", &Acl::open(), flags))
}

/// A create inside a multi.
pub fn create(path: &str, flags: i32) -> SubOp {
    create_as(op::CREATE, path, flags)
}

/// A createTTL inside a multi.
pub fn create_ttl(path: &str, flags: i32, ttl: i64) -> SubOp {
    (op::CREATE_TTL, create_ttl_record(path, b"", flags, ttl))
}

/// A delete inside a multi.
pub fn delete(path: &str) -> SubOp {
    (op::DELETE, path_int(path, -1))
}

/// A setData inside a multi.
pub fn set_data(path: &str, data: &[u8]) -> SubOp {
    (op::SET_DATA, set_data_record(path, data, -1))
}

/// A check inside a multi.
pub fn check(path: &str, version: i32) -> SubOp {
    (op::CHECK, path_int(path, version))
}

/// A getData inside a multiRead.
pub fn get_data(path: &str, watch: bool) -> SubOp {
    (op::GET_DATA, path_watch(path, watch))
}

/// A getChildren inside a multiRead.
pub fn get_children(path: &str, watch: bool) -> SubOp {
    (op::GET_CHILDREN, path_watch(path, watch))
}

/// Creates ordinary nodes one after the other.
pub fn create_all(client: &mut Client, paths: &[&str]) {
    for path in paths {
        assert_eq!(client.create(path, b"", 0), Ok((*path).to_owned()));
    }
}

/// Checks the events that the server owes the client by now.
pub fn expect_events(client: &mut Client, expected: &[(i32, &str)]) {
    let events = client.event_pairs();
    let events: Vec<(i32, &str)> = events.iter().map(|(kind, path)| (*kind, path.as_str())).collect();
    assert_eq!(events, expected, "events as (type, path)");
}
