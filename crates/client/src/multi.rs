//! Several operations at once: all of them or none, or several reads of one state.

use std::sync::Arc;

use bytes::Bytes;
use zoorum_proto::op::{CheckRequest, DeleteRequest, PathAndWatch, SetDataRequest};
use zoorum_proto::reply::{
    Create2Response, CreateResponse, ErrorResponse, GetChildrenResponse, GetDataResponse, MultiHeader,
    StatResponse,
};
use zoorum_proto::{Decode, DecodeError, Encode, ErrorCode, OpCode, Reader, Stat, Version, path};

use crate::chroot::Chroot;
use crate::client::Client;
use crate::create::Create;
use crate::error::{Error, ErrorKind};
use crate::reads::{Node, nonsense};
use crate::reply::Reply;
use crate::session::Answer;

/// Writes that take effect all together or not at all, in one place of the ensemble's history. Each sees those
/// before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a multi does nothing until a client is given it"]
pub struct Multi {
    writes: Vec<Write>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Write {
    Create { path: String, data: Bytes, how: Create },
    Delete { path: String, version: Version },
    Set { path: String, data: Bytes, version: Version },
    Check { path: String, version: Version },
}

/// What one operation of a multi did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MultiResult {
    /// A znode was created.
    Created {
        /// Its path.
        path: String,
        /// Its Stat.
        stat: Stat,
    },
    /// A znode was deleted.
    Deleted,
    /// Data was set.
    Set(Stat),
    /// The version was the expected one.
    Checked,
}

impl Multi {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a znode.
    pub fn create(mut self, path: &str, data: impl AsRef<[u8]>, how: impl Into<Create>) -> Self {
        let data = Bytes::copy_from_slice(data.as_ref());
        self.writes.push(Write::Create { path: path.to_owned(), data, how: how.into() });
        self
    }

    /// Deletes a znode, if its data has this version.
    pub fn delete(mut self, path: &str, version: Version) -> Self {
        self.writes.push(Write::Delete { path: path.to_owned(), version });
        self
    }

    /// Sets a znode's data, if it has this version.
    pub fn set(mut self, path: &str, data: impl AsRef<[u8]>, version: Version) -> Self {
        let data = Bytes::copy_from_slice(data.as_ref());
        self.writes.push(Write::Set { path: path.to_owned(), data, version });
        self
    }

    /// Does nothing, if a znode's data has this version; otherwise nothing of the multi is done.
    pub fn check(mut self, path: &str, version: Version) -> Self {
        self.writes.push(Write::Check { path: path.to_owned(), version });
        self
    }
}

impl Write {
    fn path(&self) -> &str {
        match self {
            Self::Create { path, .. }
            | Self::Delete { path, .. }
            | Self::Set { path, .. }
            | Self::Check { path, .. } => path,
        }
    }

    fn encode(&self, chroot: &Chroot, out: &mut Vec<u8>) -> std::result::Result<(), String> {
        let absolute = match self.path() {
            // Nobody deletes the chroot by that name: this is refused, as the root's deletion is.
            "/" if matches!(self, Self::Delete { .. }) => "/".to_owned(),
            path => chroot.absolute(path),
        };
        let header = |op: OpCode| MultiHeader { op: op as i32, done: false, err: -1 };
        match self {
            Self::Create { data, how, .. } => {
                let request = how.request(self.path(), data, chroot)?;
                header(request.op.code()).encode(out);
                request.encode(out);
                return Ok(());
            }
            _ if !path::is_valid(self.path()) => return Err("the path is not valid".to_owned()),
            Self::Delete { version, .. } => {
                header(OpCode::Delete).encode(out);
                DeleteRequest { path: absolute.into(), version: *version }.encode(out);
            }
            Self::Set { data, version, .. } => {
                header(OpCode::SetData).encode(out);
                SetDataRequest { path: absolute.into(), data: Some(data), version: *version }.encode(out);
            }
            Self::Check { version, .. } => {
                header(OpCode::Check).encode(out);
                CheckRequest { path: absolute.into(), version: *version }.encode(out);
            }
        }
        Ok(())
    }
}

/// Reads of one state of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a multi does nothing until a client is given it"]
pub struct MultiRead {
    reads: Vec<(OpCode, String)>,
}

/// What one operation of a [`MultiRead`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MultiReadResult {
    /// Data and Stat.
    Node(Node),
    /// Names of the children, in no order.
    Children(Vec<String>),
}

impl MultiRead {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a znode's data.
    pub fn get(mut self, path: &str) -> Self {
        self.reads.push((OpCode::GetData, path.to_owned()));
        self
    }

    /// Lists a znode's children.
    pub fn children(mut self, path: &str) -> Self {
        self.reads.push((OpCode::GetChildren, path.to_owned()));
        self
    }
}

impl Client {
    /// Does all of a multi, or nothing. The error of one that is refused tells which operation was to blame.
    pub fn multi(&self, multi: Multi) -> Reply<Vec<MultiResult>> {
        if multi.writes.is_empty() {
            return Reply::known(Ok(Vec::new()));
        }
        let mut body = Vec::new();
        for write in &multi.writes {
            if let Err(reason) = write.encode(&self.commands.chroot, &mut body) {
                return Reply::known(Err(Error::invalid(OpCode::Multi, write.path(), reason)));
            }
        }
        MultiHeader::END.encode(&mut body);
        let outcome = self.commands.submit(OpCode::Multi, body, None);
        let chroot = Arc::clone(&self.commands.chroot);
        Reply::awaited(outcome, move |outcome| {
            let op = OpCode::Multi;
            let answer = outcome.map_err(|failure| Error::of(op, multi.writes[0].path(), failure))?;
            let results =
                decode_results(&answer, &chroot).map_err(|_| nonsense(op, multi.writes[0].path()))?;
            if let Some((index, code)) = blame(&results) {
                let path = multi.writes.get(index).map_or("", Write::path);
                let kind = ErrorCode::from_number(code)
                    .map_or(ErrorKind::RefusedOther(code), |code| ErrorKind::MultiRefused { index, code });
                return Err(Error::new(op, path, kind));
            }
            if results.len() != multi.writes.len() {
                return Err(nonsense(op, multi.writes[0].path()));
            }
            Ok(results.into_iter().filter_map(std::result::Result::ok).collect())
        })
    }

    /// Succeeds if a znode's data has this version; [`Version::ANY`] if it exists. A multi of one check.
    pub fn check(&self, path: &str, version: Version) -> Reply<()> {
        self.multi(Multi::new().check(path, version)).map(drop)
    }

    /// Reads several znodes in one state. Each has a result of its own.
    pub fn multi_read(&self, multi: MultiRead) -> Reply<Vec<std::result::Result<MultiReadResult, Error>>> {
        let op = OpCode::MultiRead;
        let mut body = Vec::new();
        for (op, path) in &multi.reads {
            if !path::is_valid(path) {
                return Reply::known(Err(Error::invalid(*op, path, "the path is not valid")));
            }
            MultiHeader { op: *op as i32, done: false, err: -1 }.encode(&mut body);
            PathAndWatch { path: self.absolute(path).into(), watch: false }.encode(&mut body);
        }
        MultiHeader::END.encode(&mut body);
        if multi.reads.is_empty() {
            return Reply::known(Ok(Vec::new()));
        }
        let outcome = self.commands.submit(op, body, None);
        Reply::awaited(outcome, move |outcome| {
            let answer = outcome.map_err(|failure| Error::of(op, &multi.reads[0].1, failure))?;
            decode_reads(&answer, &multi.reads).map_err(|_| nonsense(op, &multi.reads[0].1))
        })
    }
}

/// The operation because of which the others were not done, and its code.
fn blame(results: &[std::result::Result<MultiResult, i32>]) -> Option<(usize, i32)> {
    let refused =
        results.iter().enumerate().filter_map(|(index, result)| Some((index, *result.as_ref().err()?)));
    refused.into_iter().find(|&(_, code)| code != 0)
}

type Decoded<T> = std::result::Result<T, DecodeError>;

fn decode_results(answer: &Answer, chroot: &Chroot) -> Decoded<Vec<std::result::Result<MultiResult, i32>>> {
    let mut input = Reader::new(&answer.body);
    let mut results = Vec::new();
    loop {
        let header = MultiHeader::decode(&mut input)?;
        if header.done {
            return Ok(results);
        }
        let unknown = DecodeError::Unknown { what: "multi result", value: header.op.into() };
        results.push(match header.op {
            -1 => Err(ErrorResponse::decode(&mut input)?.err),
            op => Ok(match OpCode::from_number(op) {
                Some(OpCode::Create) => {
                    let path = CreateResponse::decode(&mut input)?.path;
                    MultiResult::Created { path: chroot.relative(&path).to_owned(), stat: Stat::default() }
                }
                Some(OpCode::Create2) => {
                    let Create2Response { path, stat } = Create2Response::decode(&mut input)?;
                    MultiResult::Created { path: chroot.relative(&path).to_owned(), stat }
                }
                Some(OpCode::Delete) => MultiResult::Deleted,
                Some(OpCode::SetData) => MultiResult::Set(StatResponse::decode(&mut input)?.stat),
                Some(OpCode::Check) => MultiResult::Checked,
                _ => return Err(unknown),
            }),
        });
    }
}

fn decode_reads(
    answer: &Answer,
    reads: &[(OpCode, String)],
) -> Decoded<Vec<std::result::Result<MultiReadResult, Error>>> {
    let mut input = Reader::new(&answer.body);
    let mut results = Vec::new();
    for (op, path) in reads {
        let header = MultiHeader::decode(&mut input)?;
        let unknown = DecodeError::Unknown { what: "multi result", value: header.op.into() };
        results.push(match header.op {
            -1 => {
                let code = ErrorResponse::decode(&mut input)?.err;
                Err(Error::of(*op, path, crate::session::Failure::Refused(code)))
            }
            op => Ok(match OpCode::from_number(op) {
                Some(OpCode::GetData) => {
                    let GetDataResponse { data, stat } = GetDataResponse::decode(&mut input)?;
                    let is_null = data.is_none();
                    let data = data.map_or_else(Bytes::new, |data| answer.body.slice_ref(data));
                    MultiReadResult::Node(Node { data, is_null, stat })
                }
                Some(OpCode::GetChildren) => {
                    let children = GetChildrenResponse::decode(&mut input)?.children;
                    MultiReadResult::Children(children.into_iter().map(|name| name.into_owned()).collect())
                }
                _ => return Err(unknown),
            }),
        });
    }
    Ok(results)
}
