//! Judging requests a second time, from the rules of the protocol.

use std::collections::BTreeMap;
use std::rc::Rc;

use zoorum_proto::mode::{NodeKind, TTL_MAX};
use zoorum_proto::txn::{CheckTxn, CreateKind, CreateTxn, SetAclTxn, SetDataTxn};
use zoorum_proto::{Acl, AuthId, ErrorCode, Permissions, SessionId, TxnBody, Version, WallClock, Zxid, path};
use zoorum_tree::ChangeKind;

use super::node::{Node, split};
use super::{Answer, Changed, Model};
use crate::client::ask::{AclChoice, Ask, Flavour, NewNode};

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker<'a> {
    pub(crate) session: SessionId,
    pub(crate) ids: &'a [AuthId],
    /// It has gone to another server: nothing is done any more for this one.
    pub(crate) has_moved: bool,
    /// Only its own server knows its session.
    pub(crate) is_local: bool,
}

/// One change in the making, upon the newest state of the model.
pub(crate) struct Draft<'m> {
    model: &'m Model,
    zxid: Zxid,
    time: WallClock,
    pub(crate) changed: BTreeMap<String, Option<Rc<Node>>>,
    pub(crate) changes: Vec<Changed>,
}

type Judged<'a> = Result<(TxnBody<'a>, Answer), ErrorCode>;

impl<'m> Draft<'m> {
    pub(crate) fn new(model: &'m Model, zxid: Zxid, time: WallClock) -> Self {
        Self { model, zxid, time, changed: BTreeMap::new(), changes: Vec::new() }
    }

    /// What the request should become, and what its client should be told.
    pub(crate) fn judge<'a>(&mut self, asker: Asker<'_>, ask: &'a Ask) -> (TxnBody<'a>, Answer) {
        match ask {
            Ask::Multi(asks) => self.multi(asker, asks),
            ask => self
                .judge_one(asker, ask)
                .unwrap_or_else(|code| (TxnBody::Error(code.number()), Answer::Refused(code.number()))),
        }
    }

    fn judge_one<'a>(&mut self, asker: Asker<'_>, ask: &'a Ask) -> Judged<'a> {
        match ask {
            Ask::Create(node) => self.create(asker, node),
            Ask::Delete { path, version } => self.delete(asker, path, *version),
            Ask::SetData { path, data, version } => self.set_data(asker, path, data.as_deref(), *version),
            Ask::SetAcl { path, acl, version } => self.set_acl(asker, path, *acl, *version),
            Ask::Check { path, version } => self.check(asker, path, *version),
            other => unreachable!("{other:?} is no transaction"),
        }
    }

    fn multi<'a>(&mut self, asker: Asker<'_>, asks: &'a [Ask]) -> (TxnBody<'a>, Answer) {
        let (mut bodies, mut answers) = (Vec::new(), Vec::new());
        for ask in asks {
            match self.judge_one(asker, ask) {
                Ok((body, answer)) => {
                    bodies.push(body);
                    answers.push(answer);
                }
                Err(code) => {
                    self.changed.clear();
                    self.changes.clear();
                    answers.fill(Answer::Refused(0));
                    bodies.push(TxnBody::Error(code.number()));
                    answers.push(Answer::Refused(code.number()));
                    let rest = ErrorCode::RuntimeInconsistency.number();
                    bodies.resize(asks.len(), TxnBody::Error(rest));
                    answers.resize(asks.len(), Answer::Refused(rest));
                    break;
                }
            }
        }
        (TxnBody::Multi(bodies), Answer::Multi(answers))
    }

    /// Ends a session, with its ephemeral znodes. Tells their paths.
    pub(crate) fn end_session(&mut self, session: SessionId) -> Vec<String> {
        let paths = self.model.ephemerals_at(session, Zxid(i64::MAX));
        paths.iter().for_each(|path| self.remove(path));
        paths
    }

    /// Removes a container or TTL znode.
    pub(crate) fn delete_expired<'a>(&mut self, path: &'a str) -> TxnBody<'a> {
        let refused = match self.node(path) {
            None => Some(ErrorCode::NoNode),
            Some(node) if !node.children.is_empty() => Some(ErrorCode::NotEmpty),
            Some(node) if !matches!(node.kind, NodeKind::Container | NodeKind::Ttl(_)) => {
                Some(ErrorCode::BadVersion)
            }
            Some(_) => None,
        };
        if let Some(code) = refused {
            return TxnBody::Error(code.number());
        }
        self.remove(path);
        TxnBody::DeleteContainer { path: path.into() }
    }

    fn node(&self, path: &str) -> Option<&Rc<Node>> {
        match self.changed.get(path) {
            Some(changed) => changed.as_ref(),
            None => self.model.now(path),
        }
    }

    fn found(&self, path: &str) -> Result<&Rc<Node>, ErrorCode> {
        self.node(path).ok_or(ErrorCode::NoNode)
    }

    fn change(&mut self, path: &str, change: impl FnOnce(&mut Node)) -> Option<Rc<Node>> {
        let mut node = Rc::clone(self.node(path)?);
        change(Rc::make_mut(&mut node));
        self.changed.insert(path.to_owned(), Some(Rc::clone(&node)));
        Some(node)
    }

    fn tell(&mut self, kind: ChangeKind, path: &str, acl: Rc<[Acl<'static>]>) {
        let parent_acl = self.node(split(path).0).map_or_else(|| acl.clone(), |parent| parent.acl.clone());
        self.changes.push(Changed { kind, path: path.to_owned(), acl, parent_acl });
    }

    fn require_session(&self, asker: Asker<'_>) -> Result<(), ErrorCode> {
        if asker.has_moved {
            return Err(ErrorCode::SessionMoved);
        }
        let may = asker.is_local || self.model.session_now(asker.session).is_some();
        if may { Ok(()) } else { Err(ErrorCode::SessionExpired) }
    }

    fn create<'a>(&mut self, asker: Asker<'_>, new: &'a NewNode) -> Judged<'a> {
        let ephemeral = new.mode.is_ephemeral();
        let kind = match new.flavour {
            Flavour::Create => CreateKind::Create { ephemeral },
            Flavour::Create2 => CreateKind::Create2 { ephemeral },
            Flavour::Container => CreateKind::Container,
            Flavour::Ttl(ttl) if (1..=TTL_MAX).contains(&ttl) => CreateKind::Ttl(ttl),
            Flavour::Ttl(_) => return Err(ErrorCode::BadArguments),
        };
        self.require_session(asker)?;
        let acl = fix_up(new.acl, asker.ids)?;
        let (parent_path, _) = split(&new.path);
        let parent = self.found(parent_path)?;
        require(parent, Permissions::CREATE, asker)?;
        let path = match new.mode.is_sequential() {
            true => format!("{}{:010}", new.path, parent.creates),
            false => new.path.clone(),
        };
        if !path::is_valid(&path) {
            return Err(ErrorCode::BadArguments);
        }
        let creates = parent.creates + 1;
        let is_under_ephemeral = matches!(parent.kind, NodeKind::Ephemeral(_));
        if self.node(&path).is_some() {
            return Err(ErrorCode::NodeExists);
        }
        if is_under_ephemeral {
            return Err(ErrorCode::NoChildrenForEphemerals);
        }
        let node = Rc::new(Node {
            data: new.data.as_deref().map(Into::into),
            czxid: self.zxid,
            mzxid: self.zxid,
            pzxid: self.zxid,
            ctime: self.time,
            mtime: self.time,
            version: Version(0),
            aversion: Version(0),
            creates: 0,
            kind: match kind {
                CreateKind::Container => NodeKind::Container,
                CreateKind::Ttl(ttl) => NodeKind::Ttl(ttl),
                _ if ephemeral => NodeKind::Ephemeral(asker.session),
                _ => NodeKind::Persistent,
            },
            acl: acl.clone().into(),
            children: Default::default(),
        });
        let (zxid, name) = (self.zxid, split(&path).1.to_owned());
        self.change(parent_path, |parent| {
            parent.children.insert(name);
            parent.creates = creates;
            parent.pzxid = zxid;
        });
        self.changed.insert(path.clone(), Some(Rc::clone(&node)));
        self.tell(ChangeKind::Created, &path, node.acl.clone());
        let stat = (new.flavour != Flavour::Create).then(|| node.stat());
        let data = new.data.as_deref();
        let body = CreateTxn { kind, path: path.clone().into(), data, acl, parent_creates: creates };
        Ok((TxnBody::Create(body), Answer::Created { path, stat }))
    }

    fn delete<'a>(&mut self, asker: Asker<'_>, path: &'a str, version: Version) -> Judged<'a> {
        self.require_session(asker)?;
        if path::is_protected(path) {
            return Err(ErrorCode::BadArguments);
        }
        require(self.found(split(path).0)?, Permissions::DELETE, asker)?;
        let node = self.found(path)?;
        expect(node.version, version)?;
        if !node.children.is_empty() {
            return Err(ErrorCode::NotEmpty);
        }
        self.remove(path);
        Ok((TxnBody::Delete { path: path.into() }, Answer::Done))
    }

    fn remove(&mut self, path: &str) {
        let Some(node) = self.node(path).cloned() else { return };
        let (parent, name) = split(path);
        let zxid = self.zxid;
        self.change(parent, |parent| {
            parent.children.remove(name);
            parent.pzxid = zxid;
        });
        self.changed.insert(path.to_owned(), None);
        self.tell(ChangeKind::Deleted, path, node.acl.clone());
    }

    fn set_data<'a>(
        &mut self,
        asker: Asker<'_>,
        path: &'a str,
        data: Option<&'a [u8]>,
        version: Version,
    ) -> Judged<'a> {
        self.require_session(asker)?;
        let node = self.found(path)?;
        require(node, Permissions::WRITE, asker)?;
        let version = expect(node.version, version)?;
        let (zxid, time) = (self.zxid, self.time);
        let node = self.change(path, |node| {
            node.data = data.map(Into::into);
            node.version = version;
            node.mzxid = zxid;
            node.mtime = time;
        });
        let node = node.ok_or(ErrorCode::NoNode)?;
        self.tell(ChangeKind::DataSet, path, node.acl.clone());
        let body = SetDataTxn { path: path.into(), data, version };
        Ok((TxnBody::SetData(body), Answer::Set(node.stat())))
    }

    fn set_acl<'a>(
        &mut self,
        asker: Asker<'_>,
        path: &'a str,
        acl: AclChoice,
        version: Version,
    ) -> Judged<'a> {
        self.require_session(asker)?;
        let acl = fix_up(acl, asker.ids)?;
        let node = self.found(path)?;
        require(node, Permissions::ADMIN, asker)?;
        let version = expect(node.aversion, version)?;
        let list: Rc<[Acl<'static>]> = acl.clone().into();
        let node = self.change(path, |node| {
            node.acl = list;
            node.aversion = version;
        });
        let node = node.ok_or(ErrorCode::NoNode)?;
        let body = SetAclTxn { path: path.into(), acl, version };
        Ok((TxnBody::SetAcl(body), Answer::Set(node.stat())))
    }

    fn check<'a>(&mut self, asker: Asker<'_>, path: &'a str, version: Version) -> Judged<'a> {
        self.require_session(asker)?;
        let node = self.found(path)?;
        require(node, Permissions::READ, asker)?;
        let version = expect(node.version, version)?;
        let body = CheckTxn { path: path.into(), version };
        Ok((TxnBody::Check(body), Answer::Done))
    }
}

fn require(node: &Node, wanted: Permissions, asker: Asker<'_>) -> Result<(), ErrorCode> {
    if node.allows(wanted, asker.ids) { Ok(()) } else { Err(ErrorCode::NoAuth) }
}

/// The version after a change that expects `expected`.
fn expect(current: Version, expected: Version) -> Result<Version, ErrorCode> {
    if expected.admits(current) { Ok(current.next()) } else { Err(ErrorCode::BadVersion) }
}

fn fix_up(choice: AclChoice, ids: &[AuthId]) -> Result<Vec<Acl<'static>>, ErrorCode> {
    let list: Vec<_> = match choice {
        AclChoice::Open => vec![Acl::world(Permissions::ALL)],
        AclChoice::ReadOnly => vec![Acl::world(Permissions::READ)],
        AclChoice::Own => ids
            .iter()
            .filter(|id| id.scheme == "digest")
            .map(|id| Acl { perms: Permissions::ALL, scheme: id.scheme.clone(), id: id.id.clone().into() })
            .collect(),
    };
    if list.is_empty() { Err(ErrorCode::InvalidAcl) } else { Ok(list) }
}
