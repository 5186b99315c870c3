//! Every record as Apache ZooKeeper encodes it: decoded, and encoded to the same bytes again.

use std::borrow::Cow;

use zoorum_proto::acl::RequestedAcl;
use zoorum_proto::connect::{ConnectRequest, ConnectResponse};
use zoorum_proto::op::{
    AddWatch, AuthPacket, CheckRequest, CreateOp, CreateRequest, DeleteRequest, MultiOp, MultiReadOp,
    PathAndWatch, PathRequest, ReconfigRequest, RequestHeader, SaslRequest, SetAclRequest, SetDataRequest,
    SetWatches, SetWatches2, WatchesRequest,
};
use zoorum_proto::reply::{
    Create2Response, CreateResponse, ErrorResponse, GetAclResponse, GetAllChildrenNumberResponse,
    GetChildren2Response, GetChildrenResponse, GetDataResponse, GetEphemeralsResponse, MultiHeader,
    ReplyHeader, SetSaslResponse, StatResponse, SyncResponse, WatcherEvent, WhoAmIResponse,
};
use zoorum_proto::snapshot::{SnapshotAcl, SnapshotNode, SnapshotSession};
use zoorum_proto::txn::TxnDigest;
use zoorum_proto::{Decode, DecodeError, Encode, OpCode, ReadOp, Reader, Stat, Txn, WriteOp, Xid, Zxid};

const RECORDS: &str = include_str!("../testdata/golden/records.txt");

/// Null where a server cannot do without a value: refused when it is decoded, so that nothing behind the
/// decoder ever meets it. (The original decodes these, and then answers with an error or closes.)
const REFUSED: [&str; 4] =
    ["CreateRequest/null_path", "ExistsRequest/null_path", "SetWatches/null", "SetWatches2/null"];

type Encoded = Result<Vec<u8>, DecodeError>;

/// Decodes a record that must fill `bytes`, and encodes it.
fn whole<'a, T: Decode<'a> + Encode>(bytes: &'a [u8]) -> Encoded {
    let mut input = Reader::new(bytes);
    let record = T::decode(&mut input)?;
    match input.rest().len() {
        0 => Ok(record.to_vec()),
        left => Err(DecodeError::Unknown { what: "number of bytes too many", value: left as i64 }),
    }
}

/// Takes one record off `input`, and appends its encoding.
fn copy<'a, T: Decode<'a> + Encode>(input: &mut Reader<'a>, out: &mut Vec<u8>) -> Result<T, DecodeError> {
    let record = T::decode(input)?;
    record.encode(out);
    Ok(record)
}

/// Names and bytes of all samples.
fn samples() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    let lines = RECORDS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| {
        let mut columns = line.split(' ');
        let (name, hex) = (columns.next().unwrap(), columns.next().unwrap());
        let digits = hex.as_bytes().chunks_exact(2).map(|pair| std::str::from_utf8(pair).unwrap());
        (name, digits.map(|digits| u8::from_str_radix(digits, 16).unwrap()).collect())
    })
}

#[test]
fn every_record_is_decoded_and_encoded_to_the_same_bytes() {
    assert!(samples().count() > 100);
    for (name, bytes) in samples() {
        let again = reencode(name, &bytes);
        if REFUSED.contains(&name) {
            assert_eq!(again, Err(DecodeError::Null), "{name}");
        } else {
            assert_eq!(again.as_deref(), Ok(&bytes[..]), "{name}");
        }
    }
}

#[test]
fn a_record_cut_short_never_makes_a_decoder_panic() {
    for (name, bytes) in samples() {
        for cut in 0..bytes.len() {
            let _ = reencode(name, &bytes[..cut]);
        }
    }
}

fn reencode(name: &str, bytes: &[u8]) -> Encoded {
    let (record, _instance) = name.split_once('/').unwrap();
    reencode_request(record, bytes)
        .or_else(|| reencode_reply(record, bytes))
        .or_else(|| reencode_file(record, bytes))
        .unwrap_or_else(|| panic!("{name}: a record that this test does not know"))
}

fn reencode_request(record: &str, bytes: &[u8]) -> Option<Encoded> {
    Some(match record {
        "ConnectRequest" => whole::<ConnectRequest>(bytes),
        "RequestHeader" => whole::<RequestHeader>(bytes),
        "CreateRequest" => create(OpCode::Create, bytes),
        "CreateTTLRequest" => create(OpCode::CreateTtl, bytes),
        "ExistsRequest" | "GetDataRequest" | "GetChildrenRequest" | "GetChildren2Request" => {
            whole::<PathAndWatch>(bytes)
        }
        "GetACLRequest" | "GetAllChildrenNumberRequest" => whole::<PathRequest>(bytes),
        "GetEphemeralsRequest" | "SyncRequest" => whole::<Option<Cow<str>>>(bytes),
        "DeleteRequest" => whole::<DeleteRequest>(bytes),
        "SetDataRequest" => whole::<SetDataRequest>(bytes),
        "SetACLRequest" => whole::<SetAclRequest>(bytes),
        "CheckVersionRequest" => whole::<CheckRequest>(bytes),
        "ReconfigRequest" => whole::<ReconfigRequest>(bytes),
        "SetWatches" => whole::<SetWatches>(bytes),
        "SetWatches2" => whole::<SetWatches2>(bytes),
        "AddWatchRequest" => whole::<AddWatch>(bytes),
        "CheckWatchesRequest" | "RemoveWatchesRequest" => whole::<WatchesRequest>(bytes),
        "AuthPacket" => whole::<AuthPacket>(bytes),
        "GetSASLRequest" => whole::<SaslRequest>(bytes),
        "MultiOperationRecord" => multi(bytes),
        "packet.request" => packet_request(bytes),
        _ => return None,
    })
}

fn reencode_reply(record: &str, bytes: &[u8]) -> Option<Encoded> {
    Some(match record {
        "ConnectResponse" => whole::<ConnectResponse>(bytes),
        "ReplyHeader" => whole::<ReplyHeader>(bytes),
        "ErrorResponse" => whole::<ErrorResponse>(bytes),
        "Stat" => whole::<Stat>(bytes),
        "ACL" => whole::<RequestedAcl>(bytes),
        "CreateResponse" => whole::<CreateResponse>(bytes),
        "Create2Response" => whole::<Create2Response>(bytes),
        "ExistsResponse" | "SetDataResponse" | "SetACLResponse" => whole::<StatResponse>(bytes),
        "GetDataResponse" => whole::<GetDataResponse>(bytes),
        "GetACLResponse" => whole::<GetAclResponse>(bytes),
        "GetChildrenResponse" => whole::<GetChildrenResponse>(bytes),
        "GetChildren2Response" => whole::<GetChildren2Response>(bytes),
        "GetAllChildrenNumberResponse" => whole::<GetAllChildrenNumberResponse>(bytes),
        "GetEphemeralsResponse" => whole::<GetEphemeralsResponse>(bytes),
        "SyncResponse" => whole::<SyncResponse>(bytes),
        "WhoAmIResponse" => whole::<WhoAmIResponse>(bytes),
        "WatcherEvent" => whole::<WatcherEvent>(bytes),
        "SetSASLResponse" => whole::<SetSaslResponse>(bytes),
        "MultiHeader" => whole::<MultiHeader>(bytes),
        "MultiResponse" => multi_response(bytes),
        "packet.reply" => packet_reply(bytes),
        _ => return None,
    })
}

fn reencode_file(record: &str, bytes: &[u8]) -> Option<Encoded> {
    if record.starts_with("txn.") {
        return Some(whole::<Txn>(bytes));
    }
    let (input, out) = (&mut Reader::new(bytes), &mut Vec::new());
    let copied = match record {
        "log.header" | "snapshot.header" => copy::<i32>(input, out)
            .and_then(|_magic| copy::<i32>(input, out))
            .and_then(|_version| copy::<i64>(input, out))
            .map(drop),
        "log.entry" => log_entry(input, out),
        "snapshot.sessions" => counted::<SnapshotSession>(input, out),
        "snapshot.acls" => counted::<SnapshotAcl>(input, out),
        "snapshot.node" => copy::<SnapshotNode>(input, out).map(drop),
        "snapshot.end" => copy::<Cow<str>>(input, out).map(drop),
        "snapshot.seal" => copy::<i64>(input, out).and_then(|_| copy::<Cow<str>>(input, out)).map(drop),
        "snapshot.digest" => copy::<Zxid>(input, out).and_then(|_| copy::<TxnDigest>(input, out)).map(drop),
        "snapshot.lastZxid" => copy::<Zxid>(input, out).map(drop),
        _ => return None,
    };
    Some(copied.map(|()| std::mem::take(out)))
}

fn log_entry<'a>(input: &mut Reader<'a>, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    copy::<i64>(input, out)?;
    let payload = copy::<&[u8]>(input, out)?;
    assert_eq!(whole::<Txn>(payload)?, payload);
    copy::<u8>(input, out).map(drop)
}

fn counted<'a, T: Decode<'a> + Encode>(input: &mut Reader<'a>, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    for _ in 0..copy::<i32>(input, out)? {
        copy::<T>(input, out)?;
    }
    Ok(())
}

fn create(op: OpCode, bytes: &[u8]) -> Encoded {
    let mut out = Vec::new();
    match WriteOp::decode(op, bytes)? {
        WriteOp::Create(create) => encode_create(&create, &mut out),
        other => panic!("{other:?} where a create was sent"),
    }
    Ok(out)
}

fn encode_create(create: &CreateRequest<'_>, out: &mut Vec<u8>) {
    create.path.encode(out);
    create.data.encode(out);
    create.acl.encode(out);
    create.flags.encode(out);
    if let CreateOp::Ttl(ttl) = create.op {
        ttl.encode(out);
    }
}

/// A multi of writes, or else one of reads.
fn multi(bytes: &[u8]) -> Encoded {
    let mut out = Vec::new();
    let writes = WriteOp::decode(OpCode::Multi, bytes);
    let reads = ReadOp::decode(OpCode::MultiRead, bytes);
    match (writes, reads) {
        (Ok(WriteOp::Multi(ops)), _) => ops.iter().for_each(|op| encode_multi_op(op, &mut out)),
        (_, Ok(ReadOp::MultiRead(ops))) => ops.iter().for_each(|op| encode_multi_read_op(op, &mut out)),
        (Err(error), _) => return Err(error),
        (Ok(other), _) => panic!("{other:?} where a multi was sent"),
    }
    MultiHeader::END.encode(&mut out);
    Ok(out)
}

fn encode_multi_header(op: OpCode, out: &mut Vec<u8>) {
    MultiHeader { op: op as i32, done: false, err: -1 }.encode(out);
}

fn encode_multi_op(op: &MultiOp<'_>, out: &mut Vec<u8>) {
    match op {
        MultiOp::Create(create) => {
            let code = match create.op {
                CreateOp::Create => OpCode::Create,
                CreateOp::Create2 => OpCode::Create2,
                CreateOp::Container => OpCode::CreateContainer,
                CreateOp::Ttl(_) => OpCode::CreateTtl,
            };
            encode_multi_header(code, out);
            encode_create(create, out);
        }
        MultiOp::Delete(delete) => {
            encode_multi_header(OpCode::Delete, out);
            delete.encode(out);
        }
        MultiOp::SetData(set) => {
            encode_multi_header(OpCode::SetData, out);
            set.encode(out);
        }
        MultiOp::Check(check) => {
            encode_multi_header(OpCode::Check, out);
            check.encode(out);
        }
    }
}

/// The watch flag of a read inside a multi is ignored, so it is not kept; clients send false.
fn encode_multi_read_op(op: &MultiReadOp<'_>, out: &mut Vec<u8>) {
    let (code, path) = match op {
        MultiReadOp::GetData(path) => (OpCode::GetData, path),
        MultiReadOp::GetChildren(path) => (OpCode::GetChildren, path),
    };
    encode_multi_header(code, out);
    PathAndWatch { path: path.clone(), watch: false }.encode(out);
}

fn multi_response(bytes: &[u8]) -> Encoded {
    let (input, out) = (&mut Reader::new(bytes), &mut Vec::new());
    loop {
        let header = copy::<MultiHeader>(input, out)?;
        if header.done {
            return Ok(std::mem::take(out));
        }
        match OpCode::from_number(header.op) {
            Some(OpCode::Create) => copy::<CreateResponse>(input, out).map(drop)?,
            Some(OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl) => {
                copy::<Create2Response>(input, out).map(drop)?;
            }
            Some(OpCode::SetData) => copy::<StatResponse>(input, out).map(drop)?,
            Some(OpCode::GetData) => copy::<GetDataResponse>(input, out).map(drop)?,
            Some(OpCode::GetChildren) => copy::<GetChildrenResponse>(input, out).map(drop)?,
            Some(OpCode::Error) => copy::<ErrorResponse>(input, out).map(drop)?,
            Some(OpCode::Delete | OpCode::Check) => {}
            other => panic!("{other:?} in a multi's reply"),
        }
    }
}

fn packet_request(bytes: &[u8]) -> Encoded {
    let (input, out) = (&mut Reader::new(bytes), &mut Vec::new());
    let header = copy::<RequestHeader>(input, out)?;
    let body = match OpCode::from_number(header.op) {
        Some(OpCode::Exists) => whole::<PathAndWatch>(input.rest()),
        Some(OpCode::Auth) => whole::<AuthPacket>(input.rest()),
        Some(OpCode::SetWatches) => whole::<SetWatches>(input.rest()),
        Some(OpCode::Multi) => multi(input.rest()),
        other => panic!("{other:?} in a packet"),
    };
    Ok([std::mem::take(out), body?].concat())
}

fn packet_reply(bytes: &[u8]) -> Encoded {
    let (input, out) = (&mut Reader::new(bytes), &mut Vec::new());
    let header = copy::<ReplyHeader>(input, out)?;
    let is_event = header.xid == Xid::NOTIFICATION;
    let body =
        if is_event { whole::<WatcherEvent>(input.rest()) } else { whole::<GetDataResponse>(input.rest()) };
    Ok([std::mem::take(out), body?].concat())
}
