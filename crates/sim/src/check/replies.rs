//! Replies: each is what the tree at its zxid says, no more and no less.

use std::borrow::Cow;

use zoorum_proto::op::MultiReadOp;
use zoorum_proto::reply::{
    Create2Response, CreateResponse, ErrorResponse, GetAclResponse, GetAllChildrenNumberResponse,
    GetChildren2Response, GetChildrenResponse, GetDataResponse, GetEphemeralsResponse, MultiHeader,
    ReplyHeader, StatResponse, SyncResponse,
};
use zoorum_proto::{AuthId, Decode, Encode, ErrorCode, OpCode, Permissions, Reader, SessionId, Zxid};

use super::{Checked, ensure};
use crate::client::ask::{Ask, multi_read_ops};
use crate::model::node::Node;
use crate::model::{Answer, Model};

/// A reply, and all that it depends on.
pub(crate) struct Reply<'a> {
    pub(crate) model: &'a Model,
    pub(crate) session: SessionId,
    pub(crate) ids: &'a [AuthId],
    pub(crate) ask: &'a Ask,
    pub(crate) header: ReplyHeader,
    pub(crate) body: &'a [u8],
}

impl Reply<'_> {
    /// Whether the reply is the right one. Those about watches are judged by the watches' own checker.
    pub(crate) fn check(&self) -> Checked {
        if self.ask.is_txn() { self.check_write() } else { self.check_read() }
    }

    fn zxid(&self) -> Zxid {
        self.header.zxid
    }

    fn check_write(&self) -> Checked {
        let (session, xid) = (self.session, self.header.xid.0);
        let commit = self.model.commit(self.zxid()).ok_or_else(|| format!("there is no {}", self.zxid()))?;
        ensure((commit.session, commit.xid) == (session, xid), || {
            format!("request {xid} of {session} is said to be {}, which is {commit:?}", self.zxid())
        })?;
        let expected = expected_write(&commit.answer, self.ask);
        self.compare(expected)
    }

    fn check_read(&self) -> Checked {
        match self.expected_read() {
            Some(expected) => self.compare(expected),
            None => Ok(()),
        }
    }

    fn compare(&self, expected: Result<Vec<u8>, ErrorCode>) -> Checked {
        let (err, body) = match expected {
            Ok(body) => (0, body),
            Err(code) => (code.number(), Vec::new()),
        };
        let found = self.sorted_body();
        ensure(self.header.err == err && found == body, || {
            format!(
                "the reply to {:?} is {:?} {:02x?}, and should be {err} {body:02x?}",
                self.ask, self.header, found
            )
        })
    }

    /// The body, with lists that have no order put into one.
    fn sorted_body(&self) -> Vec<u8> {
        if self.header.err != 0 {
            return self.body.to_vec();
        }
        let sorted = match self.ask {
            Ask::GetChildren { .. } => GetChildren2Response::from_bytes(self.body).map(|mut response| {
                response.children.sort_unstable();
                response.to_vec()
            }),
            Ask::GetEphemerals => GetEphemeralsResponse::from_bytes(self.body).map(|mut response| {
                response.paths.sort_unstable();
                response.to_vec()
            }),
            Ask::MultiRead(_) => sort_multi_read(self.body),
            _ => return self.body.to_vec(),
        };
        sorted.unwrap_or_else(|_| self.body.to_vec())
    }

    fn node(&self, path: &str, wanted: Permissions) -> Result<&Node, ErrorCode> {
        let node = self.model.at(path, self.zxid()).ok_or(ErrorCode::NoNode)?;
        if node.allows(wanted, self.ids) { Ok(node) } else { Err(ErrorCode::NoAuth) }
    }

    fn expected_read(&self) -> Option<Result<Vec<u8>, ErrorCode>> {
        let read = |path: &str| self.node(path, Permissions::READ);
        Some(match self.ask {
            Ask::Sync { path } => Ok(SyncResponse { path: Some(path.into()) }.to_vec()),
            Ask::Undecodable => Err(ErrorCode::MarshallingError),
            Ask::Exists { path, .. } => read(path).map(|node| StatResponse { stat: node.stat() }.to_vec()),
            Ask::GetData { path, .. } => read(path)
                .map(|node| GetDataResponse { data: node.data.as_deref(), stat: node.stat() }.to_vec()),
            Ask::GetChildren { path, .. } => read(path)
                .map(|node| GetChildren2Response { children: names(node), stat: node.stat() }.to_vec()),
            Ask::GetAcl { path } => self.expected_acl(path),
            Ask::GetEphemerals => {
                let paths = self.model.ephemerals_at(self.session, self.zxid());
                Ok(GetEphemeralsResponse { paths: paths.into_iter().map(Cow::Owned).collect() }.to_vec())
            }
            Ask::Count { path } => read(path).map(|_| {
                let total = self.model.count_below(path, self.zxid()) as i32;
                GetAllChildrenNumberResponse { total }.to_vec()
            }),
            Ask::MultiRead(paths) => Ok(self.expected_multi_read(paths)),
            Ask::Ping | Ask::SetWatches(_) => Ok(Vec::new()),
            _ => return None,
        })
    }

    fn expected_acl(&self, path: &str) -> Result<Vec<u8>, ErrorCode> {
        let node = self.node(path, Permissions(Permissions::READ.0 | Permissions::ADMIN.0))?;
        let sees_all = node.allows(Permissions::ADMIN, self.ids);
        let mut acl = node.acl.to_vec();
        for entry in acl.iter_mut().filter(|entry| entry.scheme == "digest" && !sees_all) {
            let user = entry.id.split(':').next().unwrap_or_default().to_owned();
            entry.id = format!("{user}:x").into();
        }
        Ok(GetAclResponse { acl, stat: node.stat() }.to_vec())
    }

    fn expected_multi_read(&self, paths: &[String]) -> Vec<u8> {
        let mut out = Vec::new();
        for op in multi_read_ops(paths) {
            let (MultiReadOp::GetData(path) | MultiReadOp::GetChildren(path)) = &op;
            match (self.node(path, Permissions::READ), &op) {
                (Err(code), _) => {
                    let err = code.number();
                    MultiHeader { op: OpCode::Error as i32, done: false, err }.encode(&mut out);
                    err.encode(&mut out);
                }
                (Ok(node), MultiReadOp::GetData(_)) => {
                    MultiHeader { op: OpCode::GetData as i32, done: false, err: 0 }.encode(&mut out);
                    GetDataResponse { data: node.data.as_deref(), stat: node.stat() }.encode(&mut out);
                }
                (Ok(node), MultiReadOp::GetChildren(_)) => {
                    MultiHeader { op: OpCode::GetChildren as i32, done: false, err: 0 }.encode(&mut out);
                    GetChildrenResponse { children: names(node) }.encode(&mut out);
                }
            }
        }
        MultiHeader::END.encode(&mut out);
        out
    }
}

fn names(node: &Node) -> Vec<Cow<'_, str>> {
    node.children.iter().map(|name| Cow::Borrowed(name.as_str())).collect()
}

fn expected_write(answer: &Answer, ask: &Ask) -> Result<Vec<u8>, ErrorCode> {
    let mut out = Vec::new();
    match (answer, ask) {
        (Answer::Refused(code), _) => {
            return Err(ErrorCode::from_number(*code).expect("the model refuses with known codes"));
        }
        (Answer::Multi(answers), Ask::Multi(asks)) => {
            for (answer, ask) in answers.iter().zip(asks) {
                encode_part(answer, ask, &mut out);
            }
            MultiHeader::END.encode(&mut out);
        }
        (answer, _) => encode_answer(answer, &mut out),
    }
    Ok(out)
}

fn encode_part(answer: &Answer, ask: &Ask, out: &mut Vec<u8>) {
    let op = match (answer, ask) {
        (Answer::Refused(err), _) => {
            MultiHeader { op: OpCode::Error as i32, done: false, err: *err }.encode(out);
            return ErrorResponse { err: *err }.encode(out);
        }
        (Answer::Created { stat: Some(_), .. }, _) => OpCode::Create2,
        (_, ask) => ask.op(),
    };
    MultiHeader { op: op as i32, done: false, err: 0 }.encode(out);
    encode_answer(answer, out);
}

fn encode_answer(answer: &Answer, out: &mut Vec<u8>) {
    match answer {
        Answer::Created { path, stat: None } => CreateResponse { path: path.into() }.encode(out),
        Answer::Created { path, stat: Some(stat) } => {
            Create2Response { path: path.into(), stat: *stat }.encode(out);
        }
        Answer::Set(stat) => StatResponse { stat: *stat }.encode(out),
        Answer::Done | Answer::Refused(_) | Answer::Multi(_) => {}
    }
}

fn sort_multi_read(body: &[u8]) -> Result<Vec<u8>, zoorum_proto::DecodeError> {
    let (mut input, mut out) = (Reader::new(body), Vec::new());
    loop {
        let header = MultiHeader::decode(&mut input)?;
        header.encode(&mut out);
        if header.done {
            out.extend_from_slice(input.rest());
            return Ok(out);
        }
        match OpCode::from_number(header.op) {
            Some(OpCode::GetData) => GetDataResponse::decode(&mut input)?.encode(&mut out),
            Some(OpCode::GetChildren) => {
                let mut response = GetChildrenResponse::decode(&mut input)?;
                response.children.sort_unstable();
                response.encode(&mut out);
            }
            _ => ErrorResponse::decode(&mut input)?.encode(&mut out),
        }
    }
}
