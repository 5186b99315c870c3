//! Operations that the replica orders.

use std::borrow::Cow;

use zoorum_jute::{Decode, DecodeError, Encode, Reader};

use super::OpCode;
use crate::acl::RequestedAcl;
use crate::reply::MultiHeader;
use crate::{CreateMode, Version};

/// Which of the four create operations was sent. It decides what is stored and what is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateOp {
    /// create: a plain znode, the reply is its path.
    Create,
    /// create2: a plain znode, the reply has its Stat too.
    Create2,
    /// createContainer.
    Container,
    /// createTTL, with the time to live in ms.
    Ttl(i64),
}

/// A znode to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateRequest<'a> {
    /// Which operation.
    pub op: CreateOp,
    /// Where, not yet with its number if it is sequential.
    pub path: Cow<'a, str>,
    /// Its data.
    pub data: Option<&'a [u8]>,
    /// Its ACL.
    pub acl: Option<Vec<RequestedAcl<'a>>>,
    /// A [`CreateMode`], if the client is sane.
    pub flags: i32,
}

impl CreateOp {
    /// The operation's number.
    pub fn code(self) -> OpCode {
        match self {
            Self::Create => OpCode::Create,
            Self::Create2 => OpCode::Create2,
            Self::Container => OpCode::CreateContainer,
            Self::Ttl(_) => OpCode::CreateTtl,
        }
    }
}

/// The record of its operation: the time to live is there for createTTL alone.
impl Encode for CreateRequest<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.path.encode(out);
        self.data.encode(out);
        self.acl.encode(out);
        self.flags.encode(out);
        if let CreateOp::Ttl(ttl) = self.op {
            ttl.encode(out);
        }
    }
}

impl<'a> CreateRequest<'a> {
    fn decode(op: OpCode, input: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let mut request = Self {
            op: CreateOp::Create,
            path: Decode::decode(input)?,
            data: Decode::decode(input)?,
            acl: Decode::decode(input)?,
            flags: Decode::decode(input)?,
        };
        request.op = match op {
            OpCode::Create => CreateOp::Create,
            OpCode::Create2 => CreateOp::Create2,
            OpCode::CreateContainer => CreateOp::Container,
            OpCode::CreateTtl => CreateOp::Ttl(Decode::decode(input)?),
            _ => return Err(DecodeError::Unknown { what: "create operation", value: op as i64 }),
        };
        Ok(request)
    }

    /// What a multi makes of a create, which is not quite what the operation alone means: the mode decides
    /// first. An impossible one makes the whole multi undecodable.
    fn normalised_in_multi(mut self) -> Result<Self, DecodeError> {
        let undecodable = DecodeError::Unknown { what: "create mode in a multi", value: self.flags.into() };
        self.op = match (self.op, CreateMode::from_flags(self.flags)) {
            (CreateOp::Ttl(ttl), None) => CreateOp::Ttl(ttl), // refused alone, as a bad argument
            (CreateOp::Ttl(ttl), Some(mode)) if mode.is_ttl() => CreateOp::Ttl(ttl),
            (_, Some(CreateMode::Container)) => CreateOp::Container,
            (CreateOp::Ttl(_), Some(_)) => CreateOp::Create,
            (_, Some(mode)) if mode.is_ttl() => return Err(undecodable),
            (_, None) => return Err(undecodable),
            (op, Some(_)) => op,
        };
        Ok(self)
    }
}

/// A znode to delete.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DeleteRequest<'a> {
    /// Which.
    pub path: Cow<'a, str>,
    /// Its expected data version.
    pub version: Version,
}

/// Data to set.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SetDataRequest<'a> {
    /// Where.
    pub path: Cow<'a, str>,
    /// The new data.
    pub data: Option<&'a [u8]>,
    /// The expected data version.
    pub version: Version,
}

/// An ACL to set.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SetAclRequest<'a> {
    /// Where.
    pub path: Cow<'a, str>,
    /// The new list.
    pub acl: Option<Vec<RequestedAcl<'a>>>,
    /// The expected ACL version.
    pub version: Version,
}

/// A version to check.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CheckRequest<'a> {
    /// Of which znode.
    pub path: Cow<'a, str>,
    /// The expected data version.
    pub version: Version,
}

/// A membership to change.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ReconfigRequest<'a> {
    /// Servers that join, `server.N=…` by commas.
    pub joining: Option<Cow<'a, str>>,
    /// Ids of servers that leave, by commas.
    pub leaving: Option<Cow<'a, str>>,
    /// The whole new membership.
    pub new_members: Option<Cow<'a, str>>,
    /// The version it is to replace; −1 for any.
    pub current_config: i64,
}

/// One write of a multi.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MultiOp<'a> {
    /// Create a znode.
    Create(CreateRequest<'a>),
    /// Delete one.
    Delete(DeleteRequest<'a>),
    /// Set data.
    SetData(SetDataRequest<'a>),
    /// Check a version.
    Check(CheckRequest<'a>),
}

/// A request that the replica orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteOp<'a> {
    /// Create a znode.
    Create(CreateRequest<'a>),
    /// Delete one.
    Delete(DeleteRequest<'a>),
    /// Set data.
    SetData(SetDataRequest<'a>),
    /// Set an ACL.
    SetAcl(SetAclRequest<'a>),
    /// Several writes or none.
    Multi(Vec<MultiOp<'a>>),
    /// Change the membership.
    Reconfig(ReconfigRequest<'a>),
    /// Catch up with the leader; the path is echoed.
    Sync(Option<Cow<'a, str>>),
    /// Close the session.
    CloseSession,
}

impl<'a> WriteOp<'a> {
    /// Decodes the body of operation `op`, which must be one of class [`super::OpClass::Write`].
    pub fn decode(op: OpCode, body: &'a [u8]) -> Result<Self, DecodeError> {
        let input = &mut Reader::new(body);
        Ok(match op {
            OpCode::Create | OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl => {
                Self::Create(CreateRequest::decode(op, input)?)
            }
            OpCode::Delete => Self::Delete(Decode::decode(input)?),
            OpCode::SetData => Self::SetData(Decode::decode(input)?),
            OpCode::SetAcl => Self::SetAcl(Decode::decode(input)?),
            OpCode::Multi => Self::Multi(decode_multi(input)?),
            OpCode::Reconfig => Self::Reconfig(Decode::decode(input)?),
            OpCode::Sync => Self::Sync(Decode::decode(input)?),
            OpCode::CloseSession => Self::CloseSession,
            _ => return Err(DecodeError::Unknown { what: "write operation", value: op as i64 }),
        })
    }
}

fn decode_multi<'a>(input: &mut Reader<'a>) -> Result<Vec<MultiOp<'a>>, DecodeError> {
    let mut ops = Vec::new();
    loop {
        let header = MultiHeader::decode(input)?;
        if header.done {
            return Ok(ops);
        }
        let unknown = DecodeError::Unknown { what: "multi operation", value: header.op.into() };
        let op = OpCode::from_number(header.op).ok_or(unknown.clone())?;
        ops.push(match op {
            OpCode::Create | OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl => {
                MultiOp::Create(CreateRequest::decode(op, input)?.normalised_in_multi()?)
            }
            OpCode::Delete => MultiOp::Delete(Decode::decode(input)?),
            OpCode::SetData => MultiOp::SetData(Decode::decode(input)?),
            OpCode::Check => MultiOp::Check(Decode::decode(input)?),
            _ => return Err(unknown),
        });
    }
}
