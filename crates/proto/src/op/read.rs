//! Operations that a server answers from its own tree.

use std::borrow::Cow;

use zoorum_jute::{Decode, DecodeError, Encode, Reader};

use super::OpCode;
use crate::Zxid;
use crate::reply::MultiHeader;

/// A path, and whether to watch it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PathAndWatch<'a> {
    /// Any string: what is no path is simply not found.
    pub path: Cow<'a, str>,
    /// Whether to leave a watch.
    pub watch: bool,
}

/// A path alone.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PathRequest<'a> {
    /// Any string.
    pub path: Cow<'a, str>,
}

/// Watches to restore after a reconnect.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SetWatches<'a> {
    /// The newest change that the client has seen: later ones are reported at once.
    pub relative_zxid: Zxid,
    /// Paths watched for their data.
    pub data: Vec<Cow<'a, str>>,
    /// Paths watched for their creation.
    pub exist: Vec<Cow<'a, str>>,
    /// Paths watched for their children.
    pub child: Vec<Cow<'a, str>>,
}

/// Watches to restore after a reconnect, persistent ones too.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SetWatches2<'a> {
    /// Those that fire once.
    pub standard: SetWatches<'a>,
    /// Paths with a persistent watch.
    pub persistent: Vec<Cow<'a, str>>,
    /// Paths with a persistent watch on all that is below them.
    pub persistent_recursive: Vec<Cow<'a, str>>,
}

/// A persistent watch to set.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AddWatch<'a> {
    /// Where.
    pub path: Cow<'a, str>,
    /// 0 persistent, 1 persistent and recursive.
    pub mode: i32,
}

/// Watches to check or to remove.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct WatchesRequest<'a> {
    /// Where.
    pub path: Cow<'a, str>,
    /// 1 children, 2 data, 3 any, 4 persistent, 5 persistent and recursive.
    pub kind: i32,
}

/// Credentials.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AuthPacket<'a> {
    /// Ignored; clients send 0.
    pub kind: i32,
    /// Which provider is to judge.
    pub scheme: Cow<'a, str>,
    /// What it is to judge.
    pub auth: Option<&'a [u8]>,
}

/// A step of a SASL exchange.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SaslRequest<'a> {
    /// The client's token.
    pub token: Option<&'a [u8]>,
}

/// One read of a multi-read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MultiReadOp<'a> {
    /// Data of a path.
    GetData(Cow<'a, str>),
    /// Children of a path.
    GetChildren(Cow<'a, str>),
}

/// A request that is answered from the local tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadOp<'a> {
    /// Stat of a path.
    Exists(PathAndWatch<'a>),
    /// Data and Stat.
    GetData(PathAndWatch<'a>),
    /// ACL and Stat.
    GetAcl(PathRequest<'a>),
    /// Names of the children.
    GetChildren(PathAndWatch<'a>),
    /// Names of the children, and Stat.
    GetChildren2(PathAndWatch<'a>),
    /// Number of descendants.
    GetAllChildrenNumber(PathRequest<'a>),
    /// The session's ephemeral znodes below a prefix.
    GetEphemerals(Option<Cow<'a, str>>),
    /// Several reads of one state.
    MultiRead(Vec<MultiReadOp<'a>>),
    /// The connection's ids.
    WhoAmI,
    /// Nothing, in order.
    Ping,
    /// Restore watches; plain setWatches has no persistent ones.
    SetWatches(SetWatches2<'a>),
    /// Set a persistent watch.
    AddWatch(AddWatch<'a>),
    /// Is there such a watch?
    CheckWatches(WatchesRequest<'a>),
    /// Remove such watches.
    RemoveWatches(WatchesRequest<'a>),
}

impl<'a> ReadOp<'a> {
    /// Decodes the body of operation `op`, which must be one of class [`super::OpClass::Read`].
    pub fn decode(op: OpCode, body: &'a [u8]) -> Result<Self, DecodeError> {
        let input = &mut Reader::new(body);
        Ok(match op {
            OpCode::Exists => Self::Exists(Decode::decode(input)?),
            OpCode::GetData => Self::GetData(Decode::decode(input)?),
            OpCode::GetAcl => Self::GetAcl(Decode::decode(input)?),
            OpCode::GetChildren => Self::GetChildren(Decode::decode(input)?),
            OpCode::GetChildren2 => Self::GetChildren2(Decode::decode(input)?),
            OpCode::GetAllChildrenNumber => Self::GetAllChildrenNumber(Decode::decode(input)?),
            OpCode::GetEphemerals => Self::GetEphemerals(Decode::decode(input)?),
            OpCode::MultiRead => Self::MultiRead(decode_multi_read(input)?),
            OpCode::WhoAmI => Self::WhoAmI,
            OpCode::Ping => Self::Ping,
            OpCode::SetWatches => Self::SetWatches(SetWatches2 {
                standard: Decode::decode(input)?,
                persistent: Vec::new(),
                persistent_recursive: Vec::new(),
            }),
            OpCode::SetWatches2 => Self::SetWatches(Decode::decode(input)?),
            OpCode::AddWatch => Self::AddWatch(Decode::decode(input)?),
            OpCode::CheckWatches => Self::CheckWatches(Decode::decode(input)?),
            OpCode::RemoveWatches => Self::RemoveWatches(Decode::decode(input)?),
            _ => return Err(DecodeError::Unknown { what: "read operation", value: op as i64 }),
        })
    }
}

fn decode_multi_read<'a>(input: &mut Reader<'a>) -> Result<Vec<MultiReadOp<'a>>, DecodeError> {
    let mut ops = Vec::new();
    loop {
        let header = MultiHeader::decode(input)?;
        if header.done {
            return Ok(ops);
        }
        // The watch flag is part of the record, and ignored: a multi-read never watches.
        ops.push(match OpCode::from_number(header.op) {
            Some(OpCode::GetData) => MultiReadOp::GetData(PathAndWatch::decode(input)?.path),
            Some(OpCode::GetChildren) => MultiReadOp::GetChildren(PathAndWatch::decode(input)?.path),
            _ => return Err(DecodeError::Unknown { what: "multi-read operation", value: header.op.into() }),
        });
    }
}
