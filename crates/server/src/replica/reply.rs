//! Replies to writes, from what was applied.

use std::borrow::Cow;

use zoorum_proto::reply::{
    Create2Response, CreateResponse, ErrorResponse, GetDataResponse, MultiHeader, ReplyHeader, StatResponse,
};
use zoorum_proto::txn::{CreateKind, CreateTxn};
use zoorum_proto::{Encode, OpCode, Stat, Txn, TxnBody, Xid};
use zoorum_tree::Outcome;

use crate::frame;

/// Appends the reply to operation `op`, which became `txn` and had this outcome. Returns the error code in
/// its header.
pub(super) fn encode(out: &mut Vec<u8>, op: OpCode, xid: Xid, txn: &Txn<'_>, outcome: &Outcome) -> i32 {
    let zxid = txn.header.zxid;
    if let Outcome::Error(err) = outcome {
        frame::frame(out, |out| ReplyHeader { xid, zxid, err: *err }.encode(out));
        return *err;
    }
    frame::reply(out, xid, zxid, |out| match (&txn.body, outcome) {
        (TxnBody::Create(create), Outcome::Created(stat)) => {
            encode_created(out, create, *stat, op != OpCode::Create);
        }
        (TxnBody::Reconfig(set), Outcome::Set(stat)) => {
            GetDataResponse { data: set.data, stat: *stat }.encode(out);
        }
        (_, Outcome::Set(stat)) => StatResponse { stat: *stat }.encode(out),
        (TxnBody::Multi(parts), Outcome::Multi(outcomes)) => encode_multi(out, parts, outcomes),
        _ => {}
    });
    0
}

fn encode_created(out: &mut Vec<u8>, create: &CreateTxn<'_>, stat: Stat, with_stat: bool) {
    let path = Cow::Borrowed(create.path.as_ref());
    if with_stat {
        Create2Response { path, stat }.encode(out);
    } else {
        CreateResponse { path }.encode(out);
    }
}

/// Each operation's result behind a header. Of a multi that failed, nothing was executed: operations before
/// the one that failed have error 0, which clients read as "rolled back".
fn encode_multi(out: &mut Vec<u8>, parts: &[TxnBody<'_>], outcomes: &[Outcome]) {
    for (part, outcome) in parts.iter().zip(outcomes) {
        match (part, outcome) {
            (TxnBody::Create(create), Outcome::Created(stat)) => {
                let with_stat = !matches!(create.kind, CreateKind::Create { .. });
                encode_result(out, if with_stat { OpCode::Create2 } else { OpCode::Create });
                encode_created(out, create, *stat, with_stat);
            }
            (_, Outcome::Set(stat)) => {
                encode_result(out, OpCode::SetData);
                StatResponse { stat: *stat }.encode(out);
            }
            (_, Outcome::Error(err)) => {
                MultiHeader { op: OpCode::Error as i32, done: false, err: *err }.encode(out);
                ErrorResponse { err: *err }.encode(out);
            }
            (part, _) => encode_result(out, part.kind()),
        }
    }
    MultiHeader::END.encode(out);
}

fn encode_result(out: &mut Vec<u8>, op: OpCode) {
    MultiHeader { op: op as i32, done: false, err: 0 }.encode(out);
}
