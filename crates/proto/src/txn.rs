//! Transactions: decided changes, as the log keeps them and peers exchange them.
//!
//! ```text
//! header   session i64 · cxid i32 · zxid i64 · time i64 · type i32
//! body     by type; see TxnBody
//! digest   version i32 = 2 · tree digest i64; optional, and absent from error transactions
//! ```
//!
//! **Source.** Apache ZooKeeper 3.9; samples in `testdata/golden`.

use std::borrow::Cow;

use zoorum_jute::{Decode, DecodeError, Encode, Reader};

use crate::{Acl, ErrorCode, OpCode, SessionId, Version, WallClock, Xid, Zxid};

/// Who asked for the change, when, and its place in history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TxnHeader {
    /// The session that asked, or that is opened or closed.
    pub session: SessionId,
    /// The request's xid; 0 for the server's own.
    pub cxid: Xid,
    /// Its place in history.
    pub zxid: Zxid,
    /// When the leader decided it: becomes `ctime` and `mtime`.
    pub time: WallClock,
    /// The raw type of the body.
    pub kind: i32,
}

/// The hash of the whole tree after a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TxnDigest {
    /// How it is computed; 2 today.
    pub version: i32,
    /// The hash.
    pub value: i64,
}

/// What kind of znode a create transaction makes, and under which type it is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateKind {
    /// Type 1.
    Create {
        /// Whether the session owns it.
        ephemeral: bool,
    },
    /// Type 15: the same; only the reply differs.
    Create2 {
        /// Whether the session owns it.
        ephemeral: bool,
    },
    /// Type 19.
    Container,
    /// Type 21, with its time to live in ms.
    Ttl(i64),
}

/// A znode is created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateTxn<'a> {
    /// Of which kind.
    pub kind: CreateKind,
    /// Its full path.
    pub path: Cow<'a, str>,
    /// Its data.
    pub data: Option<&'a [u8]>,
    /// Its ACL.
    pub acl: Vec<Acl<'a>>,
    /// How many children the parent has ever had, this one included. −1: one more than it says itself.
    pub parent_creates: i32,
}

/// Data is set. Also what a reconfiguration does to the config znode.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SetDataTxn<'a> {
    /// Where.
    pub path: Cow<'a, str>,
    /// The new data.
    pub data: Option<&'a [u8]>,
    /// The resulting version.
    pub version: Version,
}

/// An ACL is set.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SetAclTxn<'a> {
    /// Where.
    pub path: Cow<'a, str>,
    /// The new list.
    pub acl: Vec<Acl<'a>>,
    /// The resulting ACL version.
    pub version: Version,
}

/// A version was checked: no effect.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CheckTxn<'a> {
    /// Where.
    pub path: Cow<'a, str>,
    /// The expected version plus one, as ZooKeeper has it.
    pub version: Version,
}

/// What a transaction does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TxnBody<'a> {
    /// −10: a session is opened, with this timeout.
    CreateSession {
        /// The negotiated timeout.
        timeout_ms: i32,
    },
    /// −11: a session is closed, and these ephemeral znodes go. `None` in logs that do not list them.
    CloseSession {
        /// Paths to delete.
        paths: Option<Vec<Cow<'a, str>>>,
    },
    /// 1, 15, 19, 21.
    Create(CreateTxn<'a>),
    /// 2: a znode is deleted.
    Delete {
        /// Which.
        path: Cow<'a, str>,
    },
    /// 20: a childless container or outlived TTL znode is deleted.
    DeleteContainer {
        /// Which.
        path: Cow<'a, str>,
    },
    /// 5.
    SetData(SetDataTxn<'a>),
    /// 16.
    Reconfig(SetDataTxn<'a>),
    /// 7.
    SetAcl(SetAclTxn<'a>),
    /// 13, inside a multi.
    Check(CheckTxn<'a>),
    /// 14: all of these, or none if one is an error.
    Multi(Vec<TxnBody<'a>>),
    /// −1: a request was refused; the number of an [`ErrorCode`].
    Error(i32),
}

impl<'a> TxnBody<'a> {
    /// A refusal.
    pub fn refused(code: ErrorCode) -> Self {
        Self::Error(code.number())
    }

    /// The type under which it is logged.
    pub fn kind(&self) -> OpCode {
        match self {
            Self::CreateSession { .. } => OpCode::CreateSession,
            Self::CloseSession { .. } => OpCode::CloseSession,
            Self::Create(create) => match create.kind {
                CreateKind::Create { .. } => OpCode::Create,
                CreateKind::Create2 { .. } => OpCode::Create2,
                CreateKind::Container => OpCode::CreateContainer,
                CreateKind::Ttl(_) => OpCode::CreateTtl,
            },
            Self::Delete { .. } => OpCode::Delete,
            Self::DeleteContainer { .. } => OpCode::DeleteContainer,
            Self::SetData(_) => OpCode::SetData,
            Self::Reconfig(_) => OpCode::Reconfig,
            Self::SetAcl(_) => OpCode::SetAcl,
            Self::Check(_) => OpCode::Check,
            Self::Multi(_) => OpCode::Multi,
            Self::Error(_) => OpCode::Error,
        }
    }

    fn decode(kind: i32, input: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let unknown = DecodeError::Unknown { what: "transaction type", value: kind.into() };
        Ok(match OpCode::from_number(kind).ok_or(unknown.clone())? {
            OpCode::CreateSession => Self::CreateSession { timeout_ms: Decode::decode(input)? },
            OpCode::CloseSession => Self::CloseSession { paths: decode_closed_paths(input) },
            op @ (OpCode::Create | OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl) => {
                Self::Create(CreateTxn::decode(op, input)?)
            }
            OpCode::Delete => Self::Delete { path: Decode::decode(input)? },
            OpCode::DeleteContainer => Self::DeleteContainer { path: Decode::decode(input)? },
            OpCode::SetData => Self::SetData(Decode::decode(input)?),
            OpCode::Reconfig => Self::Reconfig(Decode::decode(input)?),
            OpCode::SetAcl => Self::SetAcl(Decode::decode(input)?),
            OpCode::Check => Self::Check(Decode::decode(input)?),
            OpCode::Multi => Self::Multi(decode_multi(input)?),
            OpCode::Error => Self::Error(Decode::decode(input)?),
            _ => return Err(unknown),
        })
    }
}

impl Encode for TxnBody<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::CreateSession { timeout_ms } => timeout_ms.encode(out),
            Self::CloseSession { paths: Some(paths) } => paths.encode(out),
            Self::CloseSession { paths: None } => {}
            Self::Create(create) => create.encode(out),
            Self::Delete { path } | Self::DeleteContainer { path } => path.encode(out),
            Self::SetData(set) | Self::Reconfig(set) => set.encode(out),
            Self::SetAcl(set) => set.encode(out),
            Self::Check(check) => check.encode(out),
            Self::Multi(parts) => encode_multi(parts, out),
            Self::Error(code) => code.encode(out),
        }
    }
}

impl<'a> CreateTxn<'a> {
    fn decode(op: OpCode, input: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let (path, data, acl) = (Decode::decode(input)?, Decode::decode(input)?, Decode::decode(input)?);
        let (kind, parent_creates) = match op {
            OpCode::CreateContainer => (CreateKind::Container, i32::decode(input)?),
            OpCode::CreateTtl => {
                let parent_creates = i32::decode(input)?;
                (CreateKind::Ttl(i64::decode(input)?), parent_creates)
            }
            _ => {
                let ephemeral = bool::decode(input)?;
                // Logs of release 3.3 and older end here.
                let parent_creates = i32::decode(input).unwrap_or(-1);
                let kind = if op == OpCode::Create2 {
                    CreateKind::Create2 { ephemeral }
                } else {
                    CreateKind::Create { ephemeral }
                };
                (kind, parent_creates)
            }
        };
        Ok(Self { kind, path, data, acl, parent_creates })
    }
}

impl Encode for CreateTxn<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.path.encode(out);
        self.data.encode(out);
        self.acl.encode(out);
        match self.kind {
            CreateKind::Create { ephemeral } | CreateKind::Create2 { ephemeral } => {
                ephemeral.encode(out);
                self.parent_creates.encode(out);
            }
            CreateKind::Container => self.parent_creates.encode(out),
            CreateKind::Ttl(ttl) => {
                self.parent_creates.encode(out);
                ttl.encode(out);
            }
        }
    }
}

/// The list is there since release 3.6, and may be switched off. What follows can be a digest, so a list
/// that does not parse, or that only a digest's bytes would make, counts as absent.
fn decode_closed_paths<'a>(input: &mut Reader<'a>) -> Option<Vec<Cow<'a, str>>> {
    let mut attempt = input.clone();
    let paths = Option::<Vec<Cow<'a, str>>>::decode(&mut attempt).ok()?;
    let digest_follows = attempt.rest().is_empty() || attempt.rest().len() == TxnDigest::LENGTH;
    if !digest_follows {
        return None;
    }
    *input = attempt;
    paths
}

fn decode_multi<'a>(input: &mut Reader<'a>) -> Result<Vec<TxnBody<'a>>, DecodeError> {
    /// A part as it is framed: type and length first.
    #[derive(Decode)]
    struct Part<'a> {
        kind: i32,
        body: &'a [u8],
    }
    let parts = Vec::<Part<'a>>::decode(input)?;
    parts
        .into_iter()
        .map(|part| match OpCode::from_number(part.kind) {
            Some(OpCode::Multi | OpCode::CreateSession | OpCode::CloseSession | OpCode::SetAcl)
            | Some(OpCode::Reconfig) => {
                Err(DecodeError::Unknown { what: "type inside a multi transaction", value: part.kind.into() })
            }
            _ => TxnBody::decode(part.kind, &mut Reader::new(part.body)),
        })
        .collect()
}

fn encode_multi(parts: &[TxnBody<'_>], out: &mut Vec<u8>) {
    i32::try_from(parts.len()).expect("a multi fits a frame").encode(out);
    for part in parts {
        (part.kind() as i32).encode(out);
        let length_at = out.len();
        0_i32.encode(out);
        part.encode(out);
        let length = i32::try_from(out.len() - length_at - 4).expect("a multi fits a frame");
        out[length_at..length_at + 4].copy_from_slice(&length.to_be_bytes());
    }
}

impl TxnDigest {
    /// The way of computing it that this project knows.
    pub const VERSION: i32 = 2;
    const LENGTH: usize = 12;
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Txn<'a> {
    /// Who, when, where.
    pub header: TxnHeader,
    /// What.
    pub body: TxnBody<'a>,
    /// The tree's digest after it, if the leader computed one.
    pub digest: Option<TxnDigest>,
}

impl Encode for Txn<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.header.encode(out);
        self.body.encode(out);
        if let Some(digest) = self.digest {
            digest.encode(out);
        }
    }
}

impl<'a> Decode<'a> for Txn<'a> {
    /// Takes the whole of `input`: a transaction has no length of its own.
    fn decode(input: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let header = TxnHeader::decode(input)?;
        let body = TxnBody::decode(header.kind, input)?;
        let digest = TxnDigest::decode(input).ok();
        Ok(Self { header, body, digest })
    }
}
