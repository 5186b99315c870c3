//! Judging requests: each either becomes a transaction with every decision made, or is refused with the code
//! of the first check that fails. The order of checks is what clients can observe.

use std::borrow::Cow;

use zoorum_proto::mode::NodeKind;
use zoorum_proto::op::{
    CheckRequest, DeleteRequest, MultiOp, ReconfigRequest, SetAclRequest, SetDataRequest, WriteOp,
};
use zoorum_proto::txn::{CheckTxn, SetAclTxn, SetDataTxn, TxnDigest};
use zoorum_proto::{
    Acl, AuthId, ErrorCode, Permissions, RequestedAcl, SessionId, TxnBody, WallClock, Zxid, path,
};

use super::{Decided, Judge, Pending, next_version};
use crate::Rules;
use crate::digest::NodeDigest;
use crate::tree::Tree;

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Requester<'a> {
    /// In which session.
    pub session: SessionId,
    /// What the connection had proved to be when the request came.
    pub ids: &'a [AuthId],
    /// Set if nothing may be done in the session: it is unknown, closed or closing, or has moved to another
    /// server. It is told so at the place in the order of checks where ZooKeeper does.
    pub barred: Option<ErrorCode>,
    /// Set if the session may own nothing: not every server knows it. It is told so if it wants an ephemeral znode.
    pub barred_from_owning: Option<ErrorCode>,
}

/// A transaction that is decided and recorded as pending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared<'a> {
    /// What it does; [`TxnBody::Error`] if the request was refused.
    pub body: TxnBody<'a>,
    /// The tree's digest after it; none for a refusal.
    pub digest: Option<TxnDigest>,
}

/// So long, in bytes, the list of what goes with a session may be. A longer one is left out: whoever applies the change knows
/// what the session owns, and no peer takes a change of more than 2 MB unless told so.
const CLOSED_PATHS_MAX: usize = 1 << 20;

impl Pending {
    /// Judges a request and records what it will change, under `zxid`.
    ///
    /// A sync is no transaction, and a reconfiguration needs an ensemble: both are refused as unimplemented.
    pub fn prep<'a>(
        &mut self,
        tree: &Tree,
        rules: &Rules,
        requester: &Requester<'_>,
        op: &WriteOp<'a>,
        zxid: Zxid,
        time: WallClock,
    ) -> Prepared<'a> {
        let judge = &mut Judge { pending: self, tree, rules, requester, zxid, time, expanded: 0 };
        let decided = match op {
            WriteOp::Create(request) => judge.create(request),
            WriteOp::Delete(request) => judge.delete(request),
            WriteOp::SetData(request) => judge.set_data(request),
            WriteOp::SetAcl(request) => judge.set_acl(request),
            WriteOp::Multi(ops) => Ok(judge.multi(ops)),
            WriteOp::Reconfig(request) => judge.reconfig(request),
            WriteOp::Sync(_) => Err(ErrorCode::Unimplemented),
            WriteOp::CloseSession => {
                return self.prep_close_session(tree, rules, requester.session, zxid);
            }
        };
        self.prepared(tree, rules, decided)
    }

    /// Opens a session.
    pub fn prep_create_session(&mut self, tree: &Tree, rules: &Rules, timeout_ms: i32) -> Prepared<'static> {
        self.prepared(tree, rules, Ok(TxnBody::CreateSession { timeout_ms }))
    }

    /// Closes a session, and deletes its ephemeral znodes, pending ones included. Whatever the session asks
    /// for afterwards must come [`Requester::barred`].
    pub fn prep_close_session(
        &mut self,
        tree: &Tree,
        rules: &Rules,
        session: SessionId,
        zxid: Zxid,
    ) -> Prepared<'static> {
        let paths = self.ephemerals_after(tree, session);
        for path in &paths {
            self.record_deletion(tree, zxid, path);
        }
        let length: usize = paths.iter().map(|path| 4 + path.len()).sum();
        if rules.close_session_paths && length > CLOSED_PATHS_MAX {
            // ZooKeeper would take a digest for the list.
            return Prepared { body: TxnBody::CloseSession { paths: None }, digest: None };
        }
        let paths = rules.close_session_paths.then(|| paths.into_iter().map(Cow::Owned).collect());
        self.prepared(tree, rules, Ok(TxnBody::CloseSession { paths }))
    }

    /// Deletes a container or TTL znode, on the server's own account.
    pub fn prep_delete_container<'a>(
        &mut self,
        tree: &Tree,
        rules: &Rules,
        path: &'a str,
        zxid: Zxid,
    ) -> Prepared<'a> {
        let decided = self.check_expired(tree, path).map(|()| {
            self.record_deletion(tree, zxid, path);
            TxnBody::DeleteContainer { path: path.into() }
        });
        self.prepared(tree, rules, decided)
    }

    /// Refuses a request whose record cannot be read, at its place in history: whoever passed it on knows the
    /// answer by that place.
    pub fn prep_unreadable(&mut self, tree: &Tree, rules: &Rules) -> Prepared<'static> {
        self.prepared(tree, rules, Err(ErrorCode::MarshallingError))
    }

    /// Whether it is still childless, and of a kind that goes by itself.
    fn check_expired(&self, tree: &Tree, path: &str) -> Result<(), ErrorCode> {
        if !path::is_plausible(path) || path::is_protected(path) {
            return Err(ErrorCode::BadArguments);
        }
        let node = self.view(tree, path).ok_or(ErrorCode::NoNode)?;
        if node.children > 0 {
            return Err(ErrorCode::NotEmpty);
        }
        match node.history.kind(tree.owners()) {
            NodeKind::Container | NodeKind::Ttl(_) => Ok(()),
            NodeKind::Persistent | NodeKind::Ephemeral(_) => Err(ErrorCode::BadVersion),
        }
    }

    fn prepared<'a>(&self, tree: &Tree, rules: &Rules, decided: Decided<'a>) -> Prepared<'a> {
        match decided {
            Ok(body) => Prepared { body, digest: self.digest_for(tree, rules) },
            Err(code) => Prepared { body: TxnBody::refused(code), digest: None },
        }
    }

    /// Records that a childless znode will be gone, and its parent changed by that.
    pub(super) fn record_deletion(&mut self, tree: &Tree, zxid: Zxid, path: &str) {
        if let Some(parent_path) = path::split(path).map(|(parent, _)| parent)
            && let Some(parent) = self.view(tree, parent_path)
        {
            let mut parent = parent.to_pending();
            parent.children = parent.children.saturating_sub(1);
            parent.history.pzxid = parent.history.pzxid.max(zxid);
            let old = parent.digest;
            self.record(tree, zxid, parent_path, old, Some(parent), SessionId::NONE);
        }
        let old = self.view(tree, path).map_or(NodeDigest::default(), |view| view.digest);
        self.record(tree, zxid, path, old, None, SessionId::NONE);
    }
}

impl Judge<'_> {
    fn delete<'a>(&mut self, request: &DeleteRequest<'a>) -> Decided<'a> {
        self.require_session()?;
        if !path::is_plausible(&request.path) || path::is_protected(&request.path) {
            return Err(ErrorCode::BadArguments);
        }
        let (parent_path, _) = path::split(&request.path).ok_or(ErrorCode::BadArguments)?;
        self.require(self.view(parent_path)?.acl, Permissions::DELETE)?;
        let node = self.view(&request.path)?;
        next_version(node.history.version, request.version)?;
        if node.children > 0 {
            return Err(ErrorCode::NotEmpty);
        }
        self.pending.record_deletion(self.tree, self.zxid, &request.path);
        Ok(TxnBody::Delete { path: request.path.clone() })
    }

    fn set_data<'a>(&mut self, request: &SetDataRequest<'a>) -> Decided<'a> {
        self.require_session()?;
        let node = self.strictly(&request.path)?;
        self.require(node.acl, Permissions::WRITE)?;
        let data_length = request.data.map_or(0, <[u8]>::len);
        self.check_quota(&request.path, 0, data_length as i64 - node.data_length as i64)?;
        let version = next_version(node.history.version, request.version)?;
        let mut node = node.to_pending();
        node.data_length = data_length;
        node.history.version = version;
        node.history.mzxid = self.zxid;
        node.history.mtime = self.time;
        node.history.content = NodeDigest::of_content(&request.path, request.data);
        self.record(&request.path, node);
        Ok(TxnBody::SetData(SetDataTxn { path: request.path.clone(), data: request.data, version }))
    }

    /// The list to store for a requested one.
    pub(super) fn acl(
        &mut self,
        requested: Option<&[RequestedAcl<'_>]>,
    ) -> Result<Vec<Acl<'static>>, ErrorCode> {
        self.rules.acl.fix_up(requested, self.requester.ids, &mut self.expanded)
    }

    fn set_acl<'a>(&mut self, request: &SetAclRequest<'a>) -> Decided<'a> {
        self.require_session()?;
        if !path::is_valid(&request.path) {
            return Err(ErrorCode::BadArguments);
        }
        let acl = self.acl(request.acl.as_deref())?;
        let node = self.view(&request.path)?;
        self.require(node.acl, Permissions::ADMIN)?;
        let version = next_version(node.history.aversion, request.version)?;
        let mut node = node.to_pending();
        node.acl = self.tree.shared_acl(&acl);
        node.history.aversion = version;
        self.record(&request.path, node);
        Ok(TxnBody::SetAcl(SetAclTxn { path: request.path.clone(), acl, version }))
    }

    fn check<'a>(&mut self, request: &CheckRequest<'a>) -> Decided<'a> {
        self.require_session()?;
        let node = self.strictly(&request.path)?;
        self.require(node.acl, Permissions::READ)?;
        let version = next_version(node.history.version, request.version)?;
        Ok(TxnBody::Check(CheckTxn { path: request.path.clone(), version }))
    }

    fn reconfig<'a>(&mut self, _: &ReconfigRequest<'a>) -> Decided<'a> {
        if !self.rules.reconfig_enabled {
            return Err(ErrorCode::ReconfigDisabled);
        }
        self.require_session()?;
        Err(ErrorCode::Unimplemented)
    }

    /// Each operation sees what those before it will have done. If one is refused, what those before it
    /// decided is still logged, but undone here and never applied.
    fn multi<'a>(&mut self, ops: &[MultiOp<'a>]) -> TxnBody<'a> {
        self.pending.begin_multi();
        let mut parts = Vec::with_capacity(ops.len());
        for op in ops {
            let decided = match op {
                MultiOp::Create(request) => self.create(request),
                MultiOp::Delete(request) => self.delete(request),
                MultiOp::SetData(request) => self.set_data(request),
                MultiOp::Check(request) => self.check(request),
            };
            match decided {
                Ok(part) => parts.push(part),
                Err(code) => {
                    self.pending.roll_back();
                    parts.push(TxnBody::refused(code));
                    parts.resize(ops.len(), TxnBody::refused(ErrorCode::RuntimeInconsistency));
                    return TxnBody::Multi(parts);
                }
            }
        }
        self.pending.end_multi();
        TxnBody::Multi(parts)
    }

    /// The znode of a path that passes the strict rule.
    fn strictly(&self, path: &str) -> Result<super::View<'_>, ErrorCode> {
        if path::is_valid(path) { self.view(path) } else { Err(ErrorCode::BadArguments) }
    }
}
