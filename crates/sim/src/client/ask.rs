//! What clients ask for, and its bytes.

use zoorum_proto::op::{MultiReadOp, RequestHeader};
use zoorum_proto::reply::MultiHeader;
use zoorum_proto::{CreateMode, Encode, OpCode, Permissions, RequestedAcl, Version, Xid, Zxid};

/// Which create operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    Create,
    Create2,
    Container,
    Ttl(i64),
}

/// Which ACL a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AclChoice {
    /// Anybody may do anything.
    Open,
    /// Only whoever the client has proved to be.
    Own,
    /// Anybody may look.
    ReadOnly,
}

/// A znode to create.
#[derive(Clone, Debug)]
pub(crate) struct NewNode {
    pub(crate) flavour: Flavour,
    pub(crate) mode: CreateMode,
    pub(crate) path: String,
    pub(crate) data: Option<Vec<u8>>,
    pub(crate) acl: AclChoice,
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    Create(NewNode),
    Delete { path: String, version: Version },
    SetData { path: String, data: Option<Vec<u8>>, version: Version },
    SetAcl { path: String, acl: AclChoice, version: Version },
    Check { path: String, version: Version },
    Multi(Vec<Ask>),
    Sync { path: String },
    Close,
    Undecodable,
    Exists { path: String, watch: bool },
    GetData { path: String, watch: bool },
    GetChildren { path: String, watch: bool },
    GetAcl { path: String },
    GetEphemerals,
    Count { path: String },
    MultiRead(Vec<String>),
    AddWatch { path: String, recursive: bool },
    RemoveWatches { path: String, kind: i32 },
    CheckWatches { path: String, kind: i32 },
    SetWatches(Restored),
    Ping,
}

/// Watches that a client sets again on a new connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Restored {
    pub(crate) since: Zxid,
    pub(crate) data: Vec<String>,
    pub(crate) exist: Vec<String>,
    pub(crate) child: Vec<String>,
    pub(crate) persistent: Vec<String>,
    pub(crate) recursive: Vec<String>,
}

impl Restored {
    pub(crate) fn is_empty(&self) -> bool {
        let lists = [&self.data, &self.exist, &self.child, &self.persistent, &self.recursive];
        lists.into_iter().all(Vec::is_empty)
    }
}

impl Ask {
    /// Whether it gets a place in history.
    pub(crate) fn is_txn(&self) -> bool {
        use Ask::{Close, Create, Delete, Multi, SetAcl, SetData};
        matches!(self, Create(_) | Delete { .. } | SetData { .. } | SetAcl { .. } | Multi(_) | Close)
    }

    /// Appends the whole frame.
    pub(crate) fn encode(&self, xid: Xid, out: &mut Vec<u8>) {
        frame(out, |out| {
            RequestHeader { xid, op: self.op() as i32 }.encode(out);
            self.encode_body(out);
        });
    }

    /// The request's record.
    pub(crate) fn body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        self.encode_body(&mut body);
        body
    }

    pub(crate) fn op(&self) -> OpCode {
        match self {
            Self::Create(node) => match node.flavour {
                Flavour::Create => OpCode::Create,
                Flavour::Create2 => OpCode::Create2,
                Flavour::Container => OpCode::CreateContainer,
                Flavour::Ttl(_) => OpCode::CreateTtl,
            },
            Self::Delete { .. } => OpCode::Delete,
            Self::SetData { .. } | Self::Undecodable => OpCode::SetData,
            Self::SetAcl { .. } => OpCode::SetAcl,
            Self::Check { .. } => OpCode::Check,
            Self::Multi(_) => OpCode::Multi,
            Self::Sync { .. } => OpCode::Sync,
            Self::Close => OpCode::CloseSession,
            Self::Exists { .. } => OpCode::Exists,
            Self::GetData { .. } => OpCode::GetData,
            Self::GetChildren { .. } => OpCode::GetChildren2,
            Self::GetAcl { .. } => OpCode::GetAcl,
            Self::GetEphemerals => OpCode::GetEphemerals,
            Self::Count { .. } => OpCode::GetAllChildrenNumber,
            Self::MultiRead(_) => OpCode::MultiRead,
            Self::AddWatch { .. } => OpCode::AddWatch,
            Self::RemoveWatches { .. } => OpCode::RemoveWatches,
            Self::CheckWatches { .. } => OpCode::CheckWatches,
            Self::SetWatches(_) => OpCode::SetWatches2,
            Self::Ping => OpCode::Ping,
        }
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        match self {
            Self::Create(node) => node.encode(out),
            Self::Delete { path, version } | Self::Check { path, version } => {
                path.encode(out);
                version.encode(out);
            }
            Self::SetData { path, data, version } => {
                path.encode(out);
                data.as_deref().encode(out);
                version.encode(out);
            }
            Self::SetAcl { path, acl, version } => {
                path.encode(out);
                acl.requested().encode(out);
                version.encode(out);
            }
            Self::Multi(asks) => {
                for ask in asks {
                    MultiHeader { op: ask.op() as i32, done: false, err: -1 }.encode(out);
                    ask.encode_body(out);
                }
                MultiHeader::END.encode(out);
            }
            Self::Sync { path } | Self::GetAcl { path } | Self::Count { path } => path.encode(out),
            Self::Close | Self::Ping | Self::Undecodable => {}
            Self::Exists { path, watch }
            | Self::GetData { path, watch }
            | Self::GetChildren { path, watch } => {
                path.encode(out);
                watch.encode(out);
            }
            Self::GetEphemerals => "".encode(out),
            Self::MultiRead(paths) => encode_multi_read(paths, out),
            Self::AddWatch { path, recursive } => {
                path.encode(out);
                i32::from(*recursive).encode(out);
            }
            Self::RemoveWatches { path, kind } | Self::CheckWatches { path, kind } => {
                path.encode(out);
                kind.encode(out);
            }
            Self::SetWatches(restored) => {
                restored.since.encode(out);
                restored.data.encode(out);
                restored.exist.encode(out);
                restored.child.encode(out);
                restored.persistent.encode(out);
                restored.recursive.encode(out);
            }
        }
    }
}

/// Data and children of each path, in turn.
pub(crate) fn multi_read_ops(paths: &[String]) -> impl Iterator<Item = MultiReadOp<'_>> {
    paths.iter().enumerate().map(|(number, path)| match number % 2 {
        0 => MultiReadOp::GetData(path.into()),
        _ => MultiReadOp::GetChildren(path.into()),
    })
}

fn encode_multi_read(paths: &[String], out: &mut Vec<u8>) {
    for op in multi_read_ops(paths) {
        let (code, path) = match op {
            MultiReadOp::GetData(path) => (OpCode::GetData, path),
            MultiReadOp::GetChildren(path) => (OpCode::GetChildren, path),
        };
        MultiHeader { op: code as i32, done: false, err: -1 }.encode(out);
        path.encode(out);
        false.encode(out);
    }
    MultiHeader::END.encode(out);
}

impl NewNode {
    fn encode(&self, out: &mut Vec<u8>) {
        self.path.encode(out);
        self.data.as_deref().encode(out);
        self.acl.requested().encode(out);
        (self.mode as i32).encode(out);
        if let Flavour::Ttl(ttl) = self.flavour {
            ttl.encode(out);
        }
    }
}

impl AclChoice {
    fn requested(self) -> Vec<RequestedAcl<'static>> {
        let (perms, scheme, id) = match self {
            Self::Open => (Permissions::ALL, "world", "anyone"),
            Self::Own => (Permissions::ALL, "auth", ""),
            Self::ReadOnly => (Permissions::READ, "world", "anyone"),
        };
        vec![RequestedAcl { perms, scheme: Some(scheme.into()), id: Some(id.into()) }]
    }
}

/// Appends one frame.
pub(crate) fn frame(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out);
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// A request in few words, without its data.
pub(crate) fn brief(ask: &Ask) -> String {
    match ask {
        Ask::Create(node) => format!("{:?} {:?} {} {:?}", node.flavour, node.mode, node.path, node.acl),
        Ask::SetData { path, version, .. } => format!("SetData {path} {}", version.0),
        Ask::Multi(asks) => format!("Multi {:?}", asks.iter().map(brief).collect::<Vec<_>>()),
        other => format!("{other:?}"),
    }
}
