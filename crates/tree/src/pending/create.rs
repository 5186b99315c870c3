//! Judging the four create operations.

use std::borrow::Cow;

use zoorum_proto::mode::{NodeKind, TTL_MAX};
use zoorum_proto::op::{CreateOp, CreateRequest};
use zoorum_proto::txn::{CreateKind, CreateTxn};
use zoorum_proto::{CreateMode, ErrorCode, Permissions, TxnBody, path};

use super::{Decided, Judge, PendingNode};
use crate::digest::NodeDigest;
use crate::slab::History;

impl Judge<'_> {
    pub(super) fn create<'a>(&mut self, request: &CreateRequest<'a>) -> Decided<'a> {
        let mode = CreateMode::from_flags(request.flags).ok_or(ErrorCode::BadArguments)?;
        let kind = self.kind(request.op, mode)?;
        self.require_session()?;
        if mode.is_ephemeral() {
            self.requester.barred_from_owning.map_or(Ok(()), Err)?;
        }
        if !path::is_plausible(&request.path) {
            return Err(ErrorCode::BadArguments);
        }
        let acl = self.acl(request.acl.as_deref())?;
        let (parent_path, _) = path::split(&request.path).ok_or(ErrorCode::BadArguments)?;
        let parent = self.view(parent_path)?;
        self.require(parent.acl, Permissions::CREATE)?;

        let path = if mode.is_sequential() {
            Cow::Owned(format!("{}{:010}", request.path, parent.history.creates))
        } else {
            request.path.clone()
        };
        if !path::is_valid(&path) {
            return Err(ErrorCode::BadArguments);
        }
        if self.view(&path).is_ok() {
            return Err(ErrorCode::NodeExists);
        }
        if matches!(parent.history.kind(self.tree.owners()), NodeKind::Ephemeral(_)) {
            return Err(ErrorCode::NoChildrenForEphemerals);
        }
        let data_length = request.data.map_or(0, <[u8]>::len);
        self.check_quota(&path, 1, data_length as i64)?;

        let mut parent = parent.to_pending();
        parent.children += 1;
        parent.history.count_create(-1, self.zxid);
        let parent_creates = parent.history.creates;
        let content = NodeDigest::of_content(&path, request.data);
        let owner = self.stored_owner(kind);
        let node = PendingNode {
            history: History::created(self.zxid, self.time, owner, content),
            children: 0,
            data_length,
            acl: self.tree.shared_acl(&acl),
            digest: NodeDigest::default(),
        };
        self.record(parent_path, parent);
        let (old, owner) = (NodeDigest::default(), self.tree.owners().kind(owner).session());
        self.pending.record(self.tree, self.zxid, &path, old, Some(node), owner);
        Ok(TxnBody::Create(CreateTxn { kind, path, data: request.data, acl, parent_creates }))
    }

    /// What is stored, which the operation decides; except that a plain create with the container flag makes
    /// a container, so that it is judged and stored as the same thing.
    fn kind(&self, op: CreateOp, mode: CreateMode) -> Result<CreateKind, ErrorCode> {
        if mode.is_ttl() && !self.rules.extended_types {
            return Err(ErrorCode::Unimplemented);
        }
        match op {
            CreateOp::Ttl(ttl) if mode.is_ttl() && (1..=TTL_MAX).contains(&ttl) => Ok(CreateKind::Ttl(ttl)),
            // Neither a time to live without the mode for it, nor the mode without the time.
            CreateOp::Ttl(_) => Err(ErrorCode::BadArguments),
            _ if mode.is_ttl() => Err(ErrorCode::BadArguments),
            CreateOp::Container => Ok(CreateKind::Container),
            _ if mode == CreateMode::Container => Ok(CreateKind::Container),
            CreateOp::Create => Ok(CreateKind::Create { ephemeral: mode.is_ephemeral() }),
            CreateOp::Create2 => Ok(CreateKind::Create2 { ephemeral: mode.is_ephemeral() }),
        }
    }

    fn stored_owner(&self, kind: CreateKind) -> i64 {
        match kind {
            CreateKind::Create { ephemeral: true } | CreateKind::Create2 { ephemeral: true } => {
                self.requester.session.0
            }
            CreateKind::Create { ephemeral: false } | CreateKind::Create2 { ephemeral: false } => {
                NodeKind::Persistent.owner()
            }
            CreateKind::Container => NodeKind::Container.owner(),
            CreateKind::Ttl(ttl) => NodeKind::Ttl(ttl).owner(),
        }
    }
}
