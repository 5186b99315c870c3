//! The audit log: who changed what, told once the outcome is known.
//!
//! ```text
//! session=0x…  user=bob,127.0.0.1  ip=127.0.0.1  operation=create  znode=/a  znode_type=persistent  result=success
//! ```
//!
//! The fields of a record are separated by tabs, and those that do not apply are left out. What was asked is
//! noted when a request gets its place in history, because a refusal keeps nothing of it; the record is made
//! when the change is applied. Reads are not audited, and neither is what the server removes by itself but
//! for the ephemeral znodes of a session that ends.
//!
//! **Source.** Apache ZooKeeper 3.9.

use std::collections::VecDeque;
use std::fmt::Write as _;

use zoorum_proto::op::MultiOp;
use zoorum_proto::{AuthId, CreateMode, Permissions, RequestedAcl, SessionId, Txn, TxnBody, WriteOp, Zxid};
use zoorum_tree::Outcome;

/// One line of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// In which session.
    pub session: Option<SessionId>,
    /// Who, by all that was proved; `None`: the server itself.
    pub user: Option<String>,
    /// From where.
    pub ip: Option<String>,
    /// What.
    pub operation: Operation,
    /// With which znode.
    pub znode: Option<String>,
    /// Of which type, if it was to be created.
    pub znode_type: Option<CreateMode>,
    /// The new ACL, if one was to be set.
    pub acl: Option<String>,
    /// With which result.
    pub result: Verdict,
}

/// What is audited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// The server begins to serve.
    ServerStart,
    /// The server is told to stop.
    ServerStop,
    /// A znode is created.
    Create,
    /// A znode is deleted.
    Delete,
    /// Data is set.
    SetData,
    /// An ACL is set.
    SetAcl,
    /// A multi was refused; of one that was not, each part is told.
    Multi,
    /// The membership is changed.
    Reconfig,
    /// An ephemeral znode goes with its session.
    EphemeralDeletion,
}

impl Operation {
    fn text(self) -> &'static str {
        match self {
            Self::ServerStart => "serverStart",
            Self::ServerStop => "serverStop",
            Self::Create => "create",
            Self::Delete => "delete",
            Self::SetData => "setData",
            Self::SetAcl => "setAcl",
            Self::Multi => "multiOperation",
            Self::Reconfig => "reconfig",
            Self::EphemeralDeletion => "ephemeralZNodeDeletionOnSessionCloseOrExpire",
        }
    }
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was done.
    Success,
    /// It was refused.
    Failure,
    /// It was begun.
    Invoked,
}

impl Verdict {
    fn text(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Invoked => "invoked",
        }
    }
}

impl Record {
    /// Something that the server does by itself.
    pub fn of_server(operation: Operation, result: Verdict) -> Self {
        Self {
            session: None,
            user: None,
            ip: None,
            operation,
            znode: None,
            znode_type: None,
            acl: None,
            result,
        }
    }

    /// The record as a line, without its end. `server_user` is who the server is. Control characters, which a
    /// refused request may well contain, become question marks: nobody forges a line.
    pub fn text(&self, server_user: &str) -> String {
        let session = self.session.map(|session| session.to_string());
        let fields = [
            ("session", session.as_deref()),
            ("user", Some(self.user.as_deref().unwrap_or(server_user))),
            ("ip", self.ip.as_deref()),
            ("operation", Some(self.operation.text())),
            ("znode", self.znode.as_deref()),
            ("znode_type", self.znode_type.map(type_text)),
            ("acl", self.acl.as_deref()),
            ("result", Some(self.result.text())),
        ];
        let mut text = String::new();
        for (key, value) in fields {
            let Some(value) = value else { continue };
            if !text.is_empty() {
                text.push('\t');
            }
            text.push_str(key);
            text.push('=');
            text.extend(value.chars().map(|char| if char.is_control() { '?' } else { char }));
        }
        text
    }
}

fn type_text(mode: CreateMode) -> &'static str {
    match mode {
        CreateMode::Persistent => "persistent",
        CreateMode::Ephemeral => "ephemeral",
        CreateMode::PersistentSequential => "persistent_sequential",
        CreateMode::EphemeralSequential => "ephemeral_sequential",
        CreateMode::Container => "container",
        CreateMode::PersistentWithTtl => "persistent_with_ttl",
        CreateMode::PersistentSequentialWithTtl => "persistent_sequential_with_ttl",
    }
}

/// Follows changes from request to outcome, and makes records of them.
#[derive(Debug, Default)]
pub struct Auditor {
    /// What was asked and is not applied yet, in the order of history.
    asked: VecDeque<Asked>,
    records: Vec<Record>,
}

/// A request on its way.
#[derive(Debug)]
struct Asked {
    zxid: Zxid,
    session: SessionId,
    user: String,
    ip: Option<String>,
    what: What,
}

#[derive(Debug)]
enum What {
    One(Part),
    /// Each part of a multi; none for a check, which changes nothing.
    Multi(Vec<Option<Part>>),
}

#[derive(Clone, Debug)]
struct Part {
    operation: Operation,
    znode: Option<String>,
    znode_type: Option<CreateMode>,
    acl: Option<String>,
}

impl Part {
    fn new(operation: Operation, znode: &str) -> Self {
        Self { operation, znode: Some(znode.to_owned()), znode_type: None, acl: None }
    }
}

impl Auditor {
    /// A client's request has got its place in history.
    pub(crate) fn on_asked(&mut self, zxid: Zxid, session: SessionId, identity: &[AuthId], op: &WriteOp<'_>) {
        let Some(what) = what(op) else { return };
        let ip = identity.iter().find(|id| id.scheme == "ip").map(|id| id.id.clone());
        self.asked.push_back(Asked { zxid, session, user: user(identity), ip, what });
    }

    /// A change was applied.
    pub(crate) fn on_applied(&mut self, txn: &Txn<'_>, outcome: &Outcome) {
        // What came before and was not applied lost its place, when its leader lost the lead.
        while self.asked.front().is_some_and(|asked| asked.zxid < txn.header.zxid) {
            self.asked.pop_front();
        }
        if self.asked.front().is_some_and(|asked| asked.zxid == txn.header.zxid)
            && let Some(asked) = self.asked.pop_front()
        {
            self.conclude(asked, &txn.body, outcome);
        }
    }

    /// A session has ended, and these ephemeral znodes with it.
    pub(crate) fn on_session_ended(&mut self, session: SessionId, ephemerals: Vec<String>) {
        self.records.extend(ephemerals.into_iter().map(|path| Record {
            session: Some(session),
            znode: Some(path),
            ..Record::of_server(Operation::EphemeralDeletion, Verdict::Success)
        }));
    }

    /// What was made since the last call, in order.
    pub(crate) fn take_records(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.records)
    }

    fn conclude(&mut self, asked: Asked, body: &TxnBody<'_>, outcome: &Outcome) {
        let record = |part: Part, body: Option<&TxnBody<'_>>, result| Record {
            session: Some(asked.session),
            user: Some(asked.user.clone()),
            ip: asked.ip.clone(),
            operation: part.operation,
            // The name that was really given: a sequential one has its number.
            znode: match body {
                Some(TxnBody::Create(create)) => Some(create.path.clone().into_owned()),
                _ => part.znode,
            },
            znode_type: part.znode_type,
            acl: part.acl,
            result,
        };
        match (&asked.what, body, outcome) {
            (What::One(part), _, Outcome::Error(_)) => {
                self.records.push(record(part.clone(), None, Verdict::Failure));
            }
            (What::One(part), body, _) => {
                self.records.push(record(part.clone(), Some(body), Verdict::Success));
            }
            (What::Multi(parts), TxnBody::Multi(bodies), Outcome::Multi(outcomes))
                if !outcomes.iter().any(|outcome| matches!(outcome, Outcome::Error(_))) =>
            {
                let done = parts
                    .iter()
                    .zip(bodies)
                    .filter_map(|(part, body)| Some(record(part.clone()?, Some(body), Verdict::Success)));
                self.records.extend(done);
            }
            (What::Multi(_), ..) => {
                let part = Part { operation: Operation::Multi, znode: None, znode_type: None, acl: None };
                self.records.push(record(part, None, Verdict::Failure));
            }
        }
    }
}

/// What of a request is audited.
fn what(op: &WriteOp<'_>) -> Option<What> {
    let create = |path: &str, flags| Part {
        znode_type: CreateMode::from_flags(flags),
        ..Part::new(Operation::Create, path)
    };
    Some(match op {
        WriteOp::Create(request) => What::One(create(&request.path, request.flags)),
        WriteOp::Delete(request) => What::One(Part::new(Operation::Delete, &request.path)),
        WriteOp::SetData(request) => What::One(Part::new(Operation::SetData, &request.path)),
        WriteOp::SetAcl(request) => What::One(Part {
            acl: request.acl.as_ref().map(|acl| acl_text(acl)),
            ..Part::new(Operation::SetAcl, &request.path)
        }),
        WriteOp::Multi(parts) => What::Multi(
            parts
                .iter()
                .map(|part| match part {
                    MultiOp::Create(request) => Some(create(&request.path, request.flags)),
                    MultiOp::Delete(request) => Some(Part::new(Operation::Delete, &request.path)),
                    MultiOp::SetData(request) => Some(Part::new(Operation::SetData, &request.path)),
                    MultiOp::Check(_) => None,
                })
                .collect(),
        ),
        WriteOp::Reconfig(_) => {
            What::One(Part { operation: Operation::Reconfig, znode: None, znode_type: None, acl: None })
        }
        WriteOp::Sync(_) | WriteOp::CloseSession => return None,
    })
}

/// All that a connection has proved to be, what it proved last first. Of a digest only the name is told.
fn user(identity: &[AuthId]) -> String {
    let name = |id: &AuthId| match &*id.scheme {
        "digest" => id.id.split(':').next().unwrap_or_default().to_owned(),
        _ => id.id.clone(),
    };
    identity.iter().rev().map(name).collect::<Vec<_>>().join(",")
}

/// Entries stand one behind the other, as in ZooKeeper.
fn acl_text(acl: &[RequestedAcl<'_>]) -> String {
    let letters = [
        (Permissions::CREATE, 'c'),
        (Permissions::DELETE, 'd'),
        (Permissions::READ, 'r'),
        (Permissions::WRITE, 'w'),
        (Permissions::ADMIN, 'a'),
    ];
    acl.iter().fold(String::new(), |mut text, entry| {
        let granted = letters.into_iter().filter(|(permission, _)| entry.perms.intersects(*permission));
        let perms: String = granted.map(|(_, letter)| letter).collect();
        let (scheme, id) = (entry.scheme.as_deref().unwrap_or("null"), entry.id.as_deref().unwrap_or("null"));
        // Strings accept everything.
        let _ = write!(text, "{scheme}:{id}:{perms}");
        text
    })
}

#[cfg(test)]
mod tests;
