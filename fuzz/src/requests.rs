//! Records that clients send: decoded, and as far as clients of ours would encode them, encoded again.
//!
//! ```text
//! input    operation u8 · body
//! ```

use zoorum_proto::connect::ConnectRequest;
use zoorum_proto::op::{
    AddWatch, AuthPacket, CheckRequest, DeleteRequest, PathAndWatch, PathRequest, ReconfigRequest,
    RequestHeader, SaslRequest, SetAclRequest, SetDataRequest, SetWatches, SetWatches2, WatchesRequest,
};
use zoorum_proto::{Decode, Encode, OpClass, OpCode, ReadOp, Reader, WriteOp};

/// Decodes a body as the operation that the first byte names, or as a handshake.
pub fn run(input: &[u8]) {
    let Some((&number, body)) = input.split_first() else { return };
    // The two negative numbers are −10 and −11.
    match OpCode::from_number(i8::from_be_bytes([number]).into()) {
        Some(op) => decode(op, body),
        None => handshake(body),
    }
}

fn decode(op: OpCode, body: &[u8]) {
    match op.class() {
        OpClass::Read => drop(ReadOp::decode(op, body)),
        OpClass::Write => drop(WriteOp::decode(op, body)),
        OpClass::Inline | OpClass::Refused => {}
    }
    match op {
        OpCode::Exists | OpCode::GetData | OpCode::GetChildren | OpCode::GetChildren2 => {
            settles(body, |bytes| again::<PathAndWatch>(bytes));
        }
        OpCode::GetAcl | OpCode::GetAllChildrenNumber => settles(body, |bytes| again::<PathRequest>(bytes)),
        OpCode::Delete => settles(body, |bytes| again::<DeleteRequest>(bytes)),
        OpCode::SetData => settles(body, |bytes| again::<SetDataRequest>(bytes)),
        OpCode::SetAcl => settles(body, |bytes| again::<SetAclRequest>(bytes)),
        OpCode::Check => settles(body, |bytes| again::<CheckRequest>(bytes)),
        OpCode::Reconfig => settles(body, |bytes| again::<ReconfigRequest>(bytes)),
        OpCode::SetWatches => settles(body, |bytes| again::<SetWatches>(bytes)),
        OpCode::SetWatches2 => settles(body, |bytes| again::<SetWatches2>(bytes)),
        OpCode::AddWatch => settles(body, |bytes| again::<AddWatch>(bytes)),
        OpCode::CheckWatches | OpCode::RemoveWatches => settles(body, |bytes| again::<WatchesRequest>(bytes)),
        OpCode::Auth => settles(body, |bytes| again::<AuthPacket>(bytes)),
        OpCode::Sasl => settles(body, |bytes| again::<SaslRequest>(bytes)),
        _ => {}
    }
}

fn handshake(body: &[u8]) {
    settles(body, |bytes| again::<ConnectRequest>(bytes));
    settles(body, |bytes| again::<RequestHeader>(bytes));
}

/// What was decoded is encoded to bytes that mean the same.
fn settles(body: &[u8], again: fn(&[u8]) -> Option<Vec<u8>>) {
    if let Some(encoded) = again(body) {
        let twice = again(&encoded).expect("what we encode, we decode");
        assert_eq!(twice, encoded, "encoding does not change what is meant");
    }
}

/// Decodes a record, and encodes it.
fn again<'a, T: Decode<'a> + Encode>(bytes: &'a [u8]) -> Option<Vec<u8>> {
    T::decode(&mut Reader::new(bytes)).ok().map(|record| record.to_vec())
}
