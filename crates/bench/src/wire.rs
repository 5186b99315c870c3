//! The few records of the client protocol that a load generator needs.
//!
//! ```text
//! frame     length i32 · that many bytes
//! request   xid i32 · opcode i32 · record
//! reply     xid i32 · zxid i64 · error i32 · record
//! ```
//!
//! Requests are made once as a [`Template`] and copied; only the xid and the digits in the path
//! change from one to the next.

use std::ops::Range;

/// xid of the server's watch notifications.
pub const XID_EVENT: i32 = -1;
/// xid of pings, both ways.
pub const XID_PING: i32 = -2;
/// Bytes of a reply's header.
pub const REPLY_HEADER: usize = 16;
/// Error code: the znode is not there.
pub const NO_NODE: i32 = -101;
/// Error code: the znode is there already.
pub const NODE_EXISTS: i32 = -110;
/// Folders are numbered with six digits.
pub const FOLDERS_MAX: u32 = 999_999;
/// Nodes within a folder are numbered with eight digits.
pub const NODES_MAX: u32 = 99_999_999;

const FOLDER_DIGITS: usize = 6;
const NODE_DIGITS: usize = 8;
const XID_AT: Range<usize> = 4..8;
const OPCODE_PING: i32 = 11;
const OPCODE_CLOSE: i32 = -11;

/// An operation under load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Operation {
    /// getData
    Get,
    /// setData, any version
    Set,
    /// create, persistent, open to all
    Create,
    /// delete, any version
    Delete,
    /// exists
    Exists,
    /// getChildren
    Children,
}

impl Operation {
    /// Every operation, in the order of their discriminants.
    pub const ALL: [Self; 6] =
        [Self::Get, Self::Set, Self::Create, Self::Delete, Self::Exists, Self::Children];

    /// The name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Set => "set",
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Exists => "exists",
            Self::Children => "children",
        }
    }

    fn opcode(self) -> i32 {
        match self {
            Self::Create => 1,
            Self::Delete => 2,
            Self::Exists => 3,
            Self::Get => 4,
            Self::Set => 5,
            Self::Children => 8,
        }
    }
}

/// Which znode a template's path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `<prefix>000012`
    Folder,
    /// `<prefix>000012/n00000345`
    Node,
}

/// A request without its xid and the numbers in its path.
#[derive(Clone, Debug)]
pub struct Template {
    bytes: Vec<u8>,
    folder_at: usize,
    node_at: Option<usize>,
}

impl Template {
    /// A request on `target` below `prefix`, with `data` where the operation takes data, and leaving
    /// a watch if it is a read and `watch` is set.
    pub fn new(operation: Operation, prefix: &str, target: Target, data: &[u8], watch: bool) -> Self {
        let mut path = format!("{prefix}{:0FOLDER_DIGITS$}", 0);
        if target == Target::Node {
            path += &format!("/n{:0NODE_DIGITS$}", 0);
        }
        let bytes = request(operation, &path, data, watch);
        let path_at = 4 + 8 + 4; // behind the frame's length, the header and the path's length
        let folder_at = path_at + prefix.len();
        let node_at = (target == Target::Node).then_some(folder_at + FOLDER_DIGITS + "/n".len());
        Self { bytes, folder_at, node_at }
    }

    /// Appends the request to `out`, with its numbers filled in.
    pub fn write(&self, out: &mut Vec<u8>, xid: i32, folder: u32, node: u32) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        let frame = &mut out[start..];
        frame[XID_AT].copy_from_slice(&xid.to_be_bytes());
        write_digits(&mut frame[self.folder_at..self.folder_at + FOLDER_DIGITS], folder);
        if let Some(node_at) = self.node_at {
            write_digits(&mut frame[node_at..node_at + NODE_DIGITS], node);
        }
    }
}

/// A whole request frame with xid 0.
pub fn request(operation: Operation, path: &str, data: &[u8], watch: bool) -> Vec<u8> {
    let mut out = vec![0; 8];
    put_int(&mut out, operation.opcode());
    put_buffer(&mut out, path.as_bytes());
    match operation {
        Operation::Create => {
            put_buffer(&mut out, data);
            put_open_acl(&mut out);
            put_int(&mut out, 0); // flags: persistent
        }
        Operation::Set => {
            put_buffer(&mut out, data);
            put_int(&mut out, -1); // any version
        }
        Operation::Delete => put_int(&mut out, -1),
        Operation::Get | Operation::Exists | Operation::Children => out.push(watch.into()),
    }
    seal(out)
}

/// Writes the xid into a frame made by [`request`] or [`close_session`].
pub fn set_xid(frame: &mut [u8], xid: i32) {
    frame[XID_AT].copy_from_slice(&xid.to_be_bytes());
}

/// The first frame of a connection: asks for a new session.
pub fn connect_request(timeout_ms: i32) -> Vec<u8> {
    let mut out = vec![0; 4];
    put_int(&mut out, 0); // protocol version
    put_long(&mut out, 0); // no zxid seen
    put_int(&mut out, timeout_ms);
    put_long(&mut out, 0); // a new session
    put_buffer(&mut out, &[0; 16]);
    out.push(0); // a read-only server will not do
    seal(out)
}

/// A ping frame.
pub fn ping() -> Vec<u8> {
    let mut out = vec![0; 4];
    put_int(&mut out, XID_PING);
    put_int(&mut out, OPCODE_PING);
    seal(out)
}

/// A closeSession frame with xid 0.
pub fn close_session() -> Vec<u8> {
    let mut out = vec![0; 8];
    put_int(&mut out, OPCODE_CLOSE);
    seal(out)
}

/// The server's answer to [`connect_request`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectResponse {
    /// Negotiated session timeout in milliseconds; 0 if the session was refused.
    pub timeout_ms: i32,
    /// The session's id.
    pub session: i64,
}

impl ConnectResponse {
    /// Reads the fields of interest; `None` if the body is too short.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let timeout_ms = int_at(body, 4)?;
        let session = i64::from_be_bytes(body.get(8..16)?.try_into().ok()?);
        Some(Self { timeout_ms, session })
    }
}

/// A reply's header, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyHeader {
    /// The request's xid, or one of the special ones.
    pub xid: i32,
    /// 0 or an error code.
    pub error: i32,
}

impl ReplyHeader {
    /// Reads the header; `None` if the body is too short.
    #[inline]
    pub fn parse(body: &[u8]) -> Option<Self> {
        let header: &[u8; REPLY_HEADER] = body.first_chunk()?;
        let [x0, x1, x2, x3, .., e0, e1, e2, e3] = *header;
        Some(Self { xid: i32::from_be_bytes([x0, x1, x2, x3]), error: i32::from_be_bytes([e0, e1, e2, e3]) })
    }
}

/// The big-endian int at `at`; `None` if the bytes end before.
#[inline]
pub fn int_at(bytes: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn write_digits(place: &mut [u8], mut number: u32) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

fn put_int(out: &mut Vec<u8>, value: i32) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn put_long(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn put_buffer(out: &mut Vec<u8>, bytes: &[u8]) {
    put_int(out, i32::try_from(bytes.len()).expect("what a frame carries is far below 2 GiB"));
    out.extend_from_slice(bytes);
}

fn put_open_acl(out: &mut Vec<u8>) {
    put_int(out, 1);
    put_int(out, 31); // every permission
    put_buffer(out, b"world");
    put_buffer(out, b"anyone");
}

/// Writes the frame's length into its first four bytes.
fn seal(mut frame: Vec<u8>) -> Vec<u8> {
    let length = i32::try_from(frame.len() - 4).expect("what a frame carries is far below 2 GiB");
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(pair).collect()
    }

    #[test]
    fn frames_are_those_of_the_protocol() {
        let mut exists = request(Operation::Exists, "/a", b"", true);
        set_xid(&mut exists, 1);
        let mut close = close_session();
        set_xid(&mut close, 2);
        let connect = "0000002d 00000000 0000000000000000 00001770 0000000000000000 00000010
            00000000000000000000000000000000 00";
        let rows = [
            (connect_request(6000), connect),
            (ping(), "00000008 fffffffe 0000000b"),
            (exists, "0000000f 00000001 00000003 00000002 2f61 01"),
            (close, "00000008 00000002 fffffff5"),
        ];
        for (frame, expected) in rows {
            assert_eq!(frame, hex(expected));
        }
    }

    #[test]
    fn a_create_carries_data_open_acl_and_no_flags() {
        let acl = "00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65";
        let expected = format!("00000032 00000000 00000001 00000002 2f61 00000001 78 {acl} 00000000");
        assert_eq!(request(Operation::Create, "/a", b"x", false), hex(&expected));
    }

    #[test]
    fn a_template_differs_from_a_request_in_nothing() {
        for operation in Operation::ALL {
            let mut expected = request(operation, "/r/p000012/n00000345", b"data", false);
            set_xid(&mut expected, 77);
            let mut out = b"before".to_vec();
            Template::new(operation, "/r/p", Target::Node, b"data", false).write(&mut out, 77, 12, 345);
            assert_eq!(out[6..], expected, "{operation:?}");
        }
        let mut expected = request(Operation::Children, "/r/p654321", b"", false);
        set_xid(&mut expected, 5);
        let mut out = Vec::new();
        Template::new(Operation::Children, "/r/p", Target::Folder, b"", false).write(&mut out, 5, 654_321, 9);
        assert_eq!(out, expected);
    }

    #[test]
    fn short_replies_are_refused() {
        let reply = hex("00000001 0000000000000010 ffffff9b");
        assert_eq!(ReplyHeader::parse(&reply), Some(ReplyHeader { xid: 1, error: NO_NODE }));
        assert_eq!(ReplyHeader::parse(&reply[..15]), None);
        assert_eq!(ConnectResponse::parse(&reply[..15]), None);
    }
}
