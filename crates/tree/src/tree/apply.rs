//! Applying committed transactions.
//!
//! `apply` decides nothing and refuses nothing: whatever was decided happens. Replayed over a fuzzy snapshot,
//! a transaction may find its effect there already, or that of a later one; then it repairs what the rules of
//! the format demand and goes on.

use zoorum_proto::mode::{NodeKind, TTL_MAX};
use zoorum_proto::txn::{CreateKind, CreateTxn, SetAclTxn, SetDataTxn, TxnDigest};
use zoorum_proto::{ErrorCode, SessionId, Stat, Txn, TxnBody, TxnHeader, Zxid, path};

use super::Tree;
use crate::acls::AclList;
use crate::digest::NodeDigest;
use crate::quota;
use crate::slab::{History, Node, Slot};

/// How a znode changed, as far as watchers care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// It is new.
    Created,
    /// It is gone.
    Deleted,
    /// Its data was set.
    DataSet,
}

/// One change of the tree, told right after it was made.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// What happened.
    pub kind: ChangeKind,
    /// To which znode.
    pub path: &'a str,
    /// By which transaction.
    pub zxid: Zxid,
    /// The znode's ACL; of a deleted one, the last it had.
    pub acl: &'a AclList,
    /// Its parent's ACL; the root's own for the root.
    pub parent_acl: &'a AclList,
    /// How many bytes of data were written: none to delete it.
    pub written: usize,
}

/// What a transaction did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A znode was created, and this is its Stat.
    Created(Stat),
    /// A znode was deleted.
    Deleted,
    /// Data, an ACL or the membership was set, and this is the Stat now.
    Set(Stat),
    /// A version was checked: nothing.
    Checked,
    /// A session was opened or closed.
    Session,
    /// What each part did. If the multi was refused: an error each, 0 for those before the refused one.
    Multi(Vec<Outcome>),
    /// Nothing was done: the number of an [`ErrorCode`]. Over a fuzzy snapshot also for what a later
    /// transaction explains.
    Error(i32),
}

impl Outcome {
    fn error(code: ErrorCode) -> Self {
        Self::Error(code.number())
    }
}

/// What came of applying a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// What it did.
    pub outcome: Outcome,
    /// Whether the tree's digest is now the one that the transaction predicts; `None` if it predicts none.
    pub digest_matches: Option<bool>,
}

type Observer<'o> = &'o mut dyn FnMut(Change<'_>);

impl Tree {
    /// Does what was decided, and tells `observer` of every change right after it is made, in the order in
    /// which watches are to fire.
    ///
    /// Never fails on a committed transaction.
    pub fn apply(&mut self, txn: &Txn<'_>, observer: &mut dyn FnMut(Change<'_>)) -> Applied {
        let outcome = self.apply_body(&txn.header, &txn.body, observer);
        self.last_zxid = self.last_zxid.max(txn.header.zxid);
        let digest = txn.digest.filter(|digest| digest.version == TxnDigest::VERSION);
        Applied { outcome, digest_matches: digest.map(|digest| digest.value == self.digest()) }
    }

    fn apply_body(&mut self, header: &TxnHeader, body: &TxnBody<'_>, observer: Observer<'_>) -> Outcome {
        match body {
            TxnBody::CreateSession { timeout_ms } => {
                self.sessions.insert(header.session, *timeout_ms);
                Outcome::Session
            }
            TxnBody::CloseSession { paths } => {
                let listed = paths.iter().flatten();
                listed.for_each(|path| drop(self.delete(header, path, observer)));
                self.close_session(header, observer)
            }
            TxnBody::Create(create) => self.create(header, create, observer),
            TxnBody::Delete { path } | TxnBody::DeleteContainer { path } => {
                self.delete(header, path, observer)
            }
            TxnBody::SetData(set) | TxnBody::Reconfig(set) => self.set_data(header, set, observer),
            TxnBody::SetAcl(set) => self.set_acl(set),
            TxnBody::Check(_) => Outcome::Checked,
            TxnBody::Multi(parts) => self.multi(header, parts, observer),
            TxnBody::Error(code) => Outcome::Error(*code),
        }
    }

    fn multi(&mut self, header: &TxnHeader, parts: &[TxnBody<'_>], observer: Observer<'_>) -> Outcome {
        let refused = parts.iter().position(|part| matches!(part, TxnBody::Error(_)));
        let Some(refused) = refused else {
            let apply = |part| self.apply_body(header, part, observer);
            return Outcome::Multi(parts.iter().map(apply).collect());
        };
        let error = |(index, part): (usize, &TxnBody<'_>)| match part {
            TxnBody::Error(code) => Outcome::Error(*code),
            _ if index < refused => Outcome::Error(0),
            _ => Outcome::error(ErrorCode::RuntimeInconsistency),
        };
        Outcome::Multi(parts.iter().enumerate().map(error).collect())
    }

    /// Ephemeral znodes that the transaction does not list go too: in logs that have no list, and where a
    /// fuzzy snapshot knew of more.
    fn close_session(&mut self, header: &TxnHeader, observer: Observer<'_>) -> Outcome {
        self.sessions.remove(&header.session);
        if self.ephemerals.contains_key(&header.session) {
            for path in self.ephemerals(header.session) {
                self.delete(header, &path, observer);
            }
        }
        Outcome::Session
    }

    fn create(&mut self, header: &TxnHeader, create: &CreateTxn<'_>, observer: Observer<'_>) -> Outcome {
        let Some(owner) = stored_owner(create.kind, header.session) else {
            return Outcome::error(ErrorCode::BadArguments);
        };
        let Some((parent_path, name)) = path::split(&create.path).filter(|(_, name)| is_storable(name))
        else {
            return Outcome::error(ErrorCode::BadArguments);
        };
        let Some(parent) = self.slot(parent_path) else {
            return Outcome::error(ErrorCode::NoNode);
        };
        let position = self.names.position(parent, &create.path, name);
        let existing = self.names.at(&self.slab, &position);
        self.revise(parent, |history| history.count_create(create.parent_creates, header.zxid));
        if let Some(existing) = existing {
            // The ACL may have been unknown to the snapshot that the znode came from.
            self.replace_acl(existing, &create.acl);
            return Outcome::error(ErrorCode::NodeExists);
        }
        let content = NodeDigest::of_content(&create.path, create.data);
        let history = History::created(header.zxid, header.time, owner, content);
        let acl = self.acls.acquire(&create.acl);
        let slot = self.attach(&position, create.data, history, acl);
        // As it is created: usage of a quota, which overwrites data, comes after.
        let stat = self.slab[slot].stat(self.owners);
        self.quota_created(parent_path, name);
        let written = create.data.map_or(0, <[u8]>::len);
        self.account(&create.path, 1, written as i64);
        self.report(ChangeKind::Created, &create.path, header.zxid, slot, written, observer);
        Outcome::Created(stat)
    }

    fn delete(&mut self, header: &TxnHeader, path: &str, observer: Observer<'_>) -> Outcome {
        let Some((parent_path, name)) = path::split(path).filter(|(_, name)| is_storable(name)) else {
            return Outcome::error(ErrorCode::BadArguments);
        };
        let Some(parent) = self.slot(parent_path) else {
            return Outcome::error(ErrorCode::NoNode);
        };
        // Even if the child is gone already the parent is marked, and never backwards: a later create may be
        // in the snapshot too.
        self.revise(parent, |history| history.pzxid = history.pzxid.max(header.zxid));
        let Some(slot) = self.child(parent, name) else {
            return Outcome::error(ErrorCode::NoNode);
        };
        let (count, bytes) = self.usage(slot);
        let acl = self.acls.list(self.slab[slot].acl).clone();
        self.detach(slot);
        self.quota_deleted(parent_path, name);
        self.account(path, -count, -bytes);
        let parent_acl = self.acls.list(self.slab[parent].acl);
        let (kind, zxid) = (ChangeKind::Deleted, header.zxid);
        observer(Change { kind, path, zxid, acl: &acl, parent_acl, written: 0 });
        Outcome::Deleted
    }

    fn set_data(&mut self, header: &TxnHeader, set: &SetDataTxn<'_>, observer: Observer<'_>) -> Outcome {
        let Some(slot) = self.slot(&set.path) else {
            return Outcome::error(ErrorCode::NoNode);
        };
        let old_length = self.slab[slot].data_length();
        self.revise(slot, |history| {
            history.version = set.version;
            history.mzxid = header.zxid;
            history.mtime = header.time;
        });
        self.replace_data(slot, &set.path, set.data);
        let stat = self.slab[slot].stat(self.owners);
        let growth = self.slab[slot].data_length() as i64 - old_length as i64;
        self.account(&set.path, 0, growth);
        let written = set.data.map_or(0, <[u8]>::len);
        self.report(ChangeKind::DataSet, &set.path, header.zxid, slot, written, observer);
        Outcome::Set(stat)
    }

    fn set_acl(&mut self, set: &SetAclTxn<'_>) -> Outcome {
        let Some(slot) = self.slot(&set.path) else {
            return Outcome::error(ErrorCode::NoNode);
        };
        self.replace_acl(slot, &set.acl);
        self.revise(slot, |history| history.aversion = set.version);
        Outcome::Set(self.slab[slot].stat(self.owners))
    }

    fn report(
        &self,
        kind: ChangeKind,
        path: &str,
        zxid: Zxid,
        slot: Slot,
        written: usize,
        observer: Observer<'_>,
    ) {
        let node = &self.slab[slot];
        let acl = self.acls.list(node.acl);
        let parent_acl = self.acls.list(self.slab[node.parent.some().unwrap_or(slot)].acl);
        observer(Change { kind, path, zxid, acl, parent_acl, written });
    }

    /// Names below `/zookeeper/quota` switch accounting on and off.
    fn quota_created(&mut self, parent_path: &str, name: &str) {
        if let Some(accounted) = quota::accounted_path(parent_path) {
            match name {
                path::QUOTA_LIMITS => drop(self.quotas.insert(accounted.into())),
                path::QUOTA_STATS => self.recount(accounted),
                _ => {}
            }
        }
    }

    fn quota_deleted(&mut self, parent_path: &str, name: &str) {
        if name == path::QUOTA_LIMITS
            && let Some(accounted) = quota::accounted_path(parent_path)
        {
            self.quotas.remove(accounted);
        }
    }
}

/// Whether a tree can have a znode of this name. Prep refuses far more; this is for foreign logs.
fn is_storable(name: &str) -> bool {
    !name.is_empty() && name.len() <= Node::NAME_MAX
}

/// `None` for a time to live that cannot be stored. The original logs such transactions, and dies of them.
fn stored_owner(kind: CreateKind, session: SessionId) -> Option<i64> {
    Some(match kind {
        CreateKind::Create { ephemeral: false } | CreateKind::Create2 { ephemeral: false } => {
            NodeKind::Persistent.owner()
        }
        CreateKind::Create { ephemeral: true } | CreateKind::Create2 { ephemeral: true } => session.0,
        CreateKind::Container => NodeKind::Container.owner(),
        CreateKind::Ttl(ttl) if (1..=TTL_MAX).contains(&ttl) => NodeKind::Ttl(ttl).owner(),
        CreateKind::Ttl(_) => return None,
    })
}
