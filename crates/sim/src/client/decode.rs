//! What the bytes of a request ask for.

use std::borrow::Cow;

use zoorum_proto::op::{MultiReadOp, ReadOp};
use zoorum_proto::reply::MultiHeader;
use zoorum_proto::{
    CreateMode, Decode, DecodeError, OpCode, Permissions, Reader, RequestedAcl, Version, Zxid,
};

use super::ask::{AclChoice, Ask, Flavour, NewNode, Restored};

impl Ask {
    /// Reads a request's record.
    pub(crate) fn decode(op: OpCode, body: &[u8]) -> Result<Self, DecodeError> {
        if op == OpCode::SetData && body.is_empty() {
            return Ok(Self::Undecodable);
        }
        match op {
            OpCode::SetWatches => {
                let ReadOp::SetWatches(watches) = ReadOp::decode(op, body)? else { return Err(unknown(op)) };
                let [data, exist, child] =
                    [watches.standard.data, watches.standard.exist, watches.standard.child].map(owned);
                let since = watches.standard.relative_zxid;
                Ok(Self::SetWatches(Restored { since, data, exist, child, ..Restored::default() }))
            }
            OpCode::MultiRead => {
                let ReadOp::MultiRead(ops) = ReadOp::decode(op, body)? else { return Err(unknown(op)) };
                let paths = ops.into_iter().map(|op| match op {
                    MultiReadOp::GetData(path) | MultiReadOp::GetChildren(path) => path.into_owned(),
                });
                Ok(Self::MultiRead(paths.collect()))
            }
            _ => Self::read(op, &mut Reader::new(body)),
        }
    }

    fn read(op: OpCode, input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match op {
            OpCode::Create => Self::Create(NewNode::read(Flavour::Create, input)?),
            OpCode::Create2 => Self::Create(NewNode::read(Flavour::Create2, input)?),
            OpCode::CreateContainer => Self::Create(NewNode::read(Flavour::Container, input)?),
            OpCode::CreateTtl => {
                let mut node = NewNode::read(Flavour::Create, input)?;
                node.flavour = Flavour::Ttl(i64::decode(input)?);
                Self::Create(node)
            }
            OpCode::Delete => Self::Delete { path: string(input)?, version: Version::decode(input)? },
            OpCode::Check => Self::Check { path: string(input)?, version: Version::decode(input)? },
            OpCode::SetData => {
                Self::SetData { path: string(input)?, data: bytes(input)?, version: Version::decode(input)? }
            }
            OpCode::SetAcl => Self::SetAcl {
                path: string(input)?,
                acl: AclChoice::read(input)?,
                version: Version::decode(input)?,
            },
            OpCode::Multi => Self::Multi(read_multi(input)?),
            OpCode::Sync => Self::Sync { path: string(input)? },
            OpCode::CloseSession => Self::Close,
            OpCode::Exists => Self::Exists { path: string(input)?, watch: bool::decode(input)? },
            OpCode::GetData => Self::GetData { path: string(input)?, watch: bool::decode(input)? },
            OpCode::GetChildren2 => Self::GetChildren { path: string(input)?, watch: bool::decode(input)? },
            OpCode::GetAcl => Self::GetAcl { path: string(input)? },
            OpCode::GetEphemerals => Self::GetEphemerals,
            OpCode::GetAllChildrenNumber => Self::Count { path: string(input)? },
            OpCode::AddWatch => Self::AddWatch { path: string(input)?, recursive: i32::decode(input)? == 1 },
            OpCode::RemoveWatches => Self::RemoveWatches { path: string(input)?, kind: i32::decode(input)? },
            OpCode::CheckWatches => Self::CheckWatches { path: string(input)?, kind: i32::decode(input)? },
            OpCode::SetWatches2 => Self::SetWatches(Restored {
                since: Zxid::decode(input)?,
                data: strings(input)?,
                exist: strings(input)?,
                child: strings(input)?,
                persistent: strings(input)?,
                recursive: strings(input)?,
            }),
            OpCode::Ping => Self::Ping,
            other => return Err(unknown(other)),
        })
    }
}

fn read_multi(input: &mut Reader<'_>) -> Result<Vec<Ask>, DecodeError> {
    let mut asks = Vec::new();
    loop {
        let header = MultiHeader::decode(input)?;
        if header.done {
            return Ok(asks);
        }
        let unknown = DecodeError::Unknown { what: "multi operation", value: header.op.into() };
        asks.push(Ask::read(OpCode::from_number(header.op).ok_or(unknown)?, input)?);
    }
}

impl NewNode {
    fn read(flavour: Flavour, input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (path, data, acl) = (string(input)?, bytes(input)?, AclChoice::read(input)?);
        let flags = i32::decode(input)?;
        let unknown = DecodeError::Unknown { what: "create mode", value: flags.into() };
        Ok(Self { flavour, mode: CreateMode::from_flags(flags).ok_or(unknown)?, path, data, acl })
    }
}

impl AclChoice {
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let acl: Vec<RequestedAcl<'_>> = Decode::decode(input)?;
        let mut choice = acl.iter().map(|entry| match (entry.scheme.as_deref(), entry.perms) {
            (Some("auth"), _) => Self::Own,
            (_, Permissions::READ) => Self::ReadOnly,
            _ => Self::Open,
        });
        choice.next_back().ok_or(DecodeError::Null)
    }
}

fn string(input: &mut Reader<'_>) -> Result<String, DecodeError> {
    Ok(Cow::<str>::decode(input)?.into_owned())
}

fn strings(input: &mut Reader<'_>) -> Result<Vec<String>, DecodeError> {
    Ok(owned(Vec::decode(input)?))
}

fn owned(strings: Vec<Cow<'_, str>>) -> Vec<String> {
    strings.into_iter().map(Cow::into_owned).collect()
}

fn bytes(input: &mut Reader<'_>) -> Result<Option<Vec<u8>>, DecodeError> {
    Ok(Option::<&[u8]>::decode(input)?.map(<[u8]>::to_vec))
}

fn unknown(op: OpCode) -> DecodeError {
    DecodeError::Unknown { what: "operation", value: op as i64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Chance;
    use crate::client::choose::Chooser;
    use crate::model::Model;
    use zoorum_proto::SessionId;

    #[test]
    fn what_is_encoded_is_what_was_asked() {
        let (mut chance, model) = (Chance::new(7), Model::new(Zxid::ZERO));
        for xid in 1..5_000 {
            let chance = &mut chance;
            let ask = Chooser { chance, model: &model, session: SessionId(1), xid }.choose();
            let body = ask.body();
            let decoded = Ask::decode(ask.op(), &body).expect("it was just encoded");
            assert_eq!(format!("{decoded:?}"), format!("{ask:?}"));
        }
    }
}
