//! Frames: a length, then a packet.

use zoorum_proto::reply::{EventType, ReplyHeader, WatcherEvent};
use zoorum_proto::{Encode, ErrorCode, Xid, Zxid};

/// Appends one frame whose content `write` makes.
pub(crate) fn frame(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out);
    let length = u32::try_from(out.len() - start - 4).expect("a reply is bounded by the tree's own limits");
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// Appends a reply that succeeded, with the body that `write` makes.
pub(crate) fn reply(out: &mut Vec<u8>, xid: Xid, zxid: Zxid, write: impl FnOnce(&mut Vec<u8>)) {
    frame(out, |out| {
        ReplyHeader { xid, zxid, err: 0 }.encode(out);
        write(out);
    });
}

/// Appends a reply with the body that `write` makes; or a refusal instead, if that turns out to be the answer.
/// Returns the error code.
pub(crate) fn answer(
    out: &mut Vec<u8>,
    xid: Xid,
    zxid: Zxid,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), ErrorCode>,
) -> i32 {
    let start = out.len();
    let mut written = Ok(());
    reply(out, xid, zxid, |out| written = write(out));
    let Err(code) = written else { return 0 };
    out.truncate(start);
    refusal(out, xid, zxid, code);
    code.number()
}

/// Appends a reply that is a header alone.
pub(crate) fn refusal(out: &mut Vec<u8>, xid: Xid, zxid: Zxid, code: ErrorCode) {
    frame(out, |out| ReplyHeader { xid, zxid, err: code.number() }.encode(out));
}

/// Appends a watch event.
pub(crate) fn event(out: &mut Vec<u8>, zxid: Zxid, kind: EventType, path: &str) {
    frame(out, |out| {
        ReplyHeader { xid: Xid::NOTIFICATION, zxid, err: 0 }.encode(out);
        WatcherEvent::new(kind, path).encode(out);
    });
}
