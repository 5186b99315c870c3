//! A standalone server in small: every request is judged, recorded, written out, read back and applied.

use std::borrow::Cow;

use zoorum_proto::op::{
    CheckRequest, CreateOp, CreateRequest, DeleteRequest, MultiOp, SetAclRequest, SetDataRequest, WriteOp,
};
use zoorum_proto::{
    AuthId, Decode, Encode, ErrorCode, Permissions, RequestedAcl, SessionId, Stat, Txn, TxnBody, TxnHeader,
    Version, WallClock, Xid, Zxid,
};
use zoorum_tree::{AclRules, ChangeKind, Outcome, Pending, Requester, Rules, Tree};

pub const OPEN: RequestedAcl<'static> = RequestedAcl {
    perms: Permissions::ALL,
    scheme: Some(Cow::Borrowed("world")),
    id: Some(Cow::Borrowed("anyone")),
};

pub fn rules() -> Rules {
    Rules {
        acl: AclRules::default(),
        enforce_quota: false,
        extended_types: true,
        digest: true,
        close_session_paths: true,
        reconfig_enabled: false,
    }
}

pub fn create<'a>(path: &'a str, flags: i32, data: &'a str) -> CreateRequest<'a> {
    let acl = Some(vec![OPEN]);
    CreateRequest { op: CreateOp::Create2, path: path.into(), data: Some(data.as_bytes()), acl, flags }
}

pub fn delete(path: &str, version: i32) -> DeleteRequest<'_> {
    DeleteRequest { path: path.into(), version: Version(version) }
}

pub fn set_data<'a>(path: &'a str, data: &'a str, version: i32) -> SetDataRequest<'a> {
    SetDataRequest { path: path.into(), data: Some(data.as_bytes()), version: Version(version) }
}

pub fn set_acl<'a>(path: &'a str, acl: Vec<RequestedAcl<'a>>, version: i32) -> SetAclRequest<'a> {
    SetAclRequest { path: path.into(), acl: Some(acl), version: Version(version) }
}

pub fn check(path: &str, version: i32) -> CheckRequest<'_> {
    CheckRequest { path: path.into(), version: Version(version) }
}

pub fn requested(perms: Permissions, scheme: &'static str, id: &'static str) -> RequestedAcl<'static> {
    RequestedAcl { perms, scheme: Some(scheme.into()), id: Some(id.into()) }
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    /// The transaction's path, if it has one.
    pub path: String,
    pub outcome: Outcome,
}

impl Done {
    pub fn stat(&self) -> Stat {
        match self.outcome {
            Outcome::Created(stat) | Outcome::Set(stat) => stat,
            ref other => panic!("{other:?} has no Stat"),
        }
    }
}

pub struct Scene {
    pub tree: Tree,
    pub pending: Pending,
    pub rules: Rules,
    pub ids: Vec<AuthId>,
    pub session: SessionId,
    pub is_live: bool,
    pub is_local: bool,
    pub zxid: Zxid,
    pub time: i64,
    /// Changes that watchers would hear of.
    pub changes: Vec<(ChangeKind, String)>,
}

impl Scene {
    pub fn new() -> Self {
        Self {
            tree: Tree::new(1),
            pending: Pending::new(2),
            rules: rules(),
            ids: Vec::new(),
            session: SessionId(7),
            is_live: true,
            is_local: false,
            zxid: Zxid::ZERO,
            time: 1000,
            changes: Vec::new(),
        }
    }

    pub fn with(paths: &[&str]) -> Self {
        let mut scene = Self::new();
        paths.iter().for_each(|path| drop(scene.create(path, 0).expect("it can be created")));
        scene.changes.clear();
        scene
    }

    /// Judges a request without applying it.
    pub fn prep<'a>(&mut self, op: &WriteOp<'a>) -> Txn<'a> {
        self.zxid = self.zxid.next();
        self.time += 1;
        let requester = Requester {
            session: self.session,
            ids: &self.ids,
            barred: (!self.is_live).then_some(ErrorCode::SessionExpired),
            barred_from_owning: self.is_local.then_some(ErrorCode::EphemeralOnLocalSession),
        };
        let time = WallClock(self.time);
        let prepared = self.pending.prep(&self.tree, &self.rules, &requester, op, self.zxid, time);
        self.txn(prepared.body, prepared.digest)
    }

    pub fn txn<'a>(&self, body: TxnBody<'a>, digest: Option<zoorum_proto::txn::TxnDigest>) -> Txn<'a> {
        let header = TxnHeader {
            session: self.session,
            cxid: Xid(1),
            zxid: self.zxid,
            time: WallClock(self.time),
            kind: body.kind() as i32,
        };
        Txn { header, body, digest }
    }

    /// Applies a transaction as the log would give it back.
    pub fn apply(&mut self, txn: &Txn<'_>) -> Outcome {
        let bytes = txn.to_vec();
        let read = Txn::from_bytes(&bytes).expect("what was written can be read");
        assert_eq!(&read, txn, "the log gives back what it was given");
        let changes = &mut self.changes;
        let applied = self.tree.apply(&read, &mut |change| {
            assert_eq!(change.zxid, txn.header.zxid);
            changes.push((change.kind, change.path.to_owned()));
        });
        assert_ne!(applied.digest_matches, Some(false), "apply never surprises prep: {txn:?}");
        self.pending.retire(self.tree.last_zxid());
        applied.outcome
    }

    pub fn run(&mut self, op: &WriteOp<'_>) -> Result<Done, ErrorCode> {
        let txn = self.prep(op);
        let outcome = self.apply(&txn);
        match &txn.body {
            TxnBody::Error(code) => Err(ErrorCode::from_number(*code).expect("a code that exists")),
            TxnBody::Create(create) => Ok(Done { path: create.path.to_string(), outcome }),
            _ => Ok(Done { path: String::new(), outcome }),
        }
    }

    pub fn create(&mut self, path: &str, flags: i32) -> Result<Done, ErrorCode> {
        self.run(&WriteOp::Create(create(path, flags, "")))
    }

    pub fn create_by(&mut self, op: CreateOp, path: &str, flags: i32) -> Result<Done, ErrorCode> {
        self.run(&WriteOp::Create(CreateRequest { op, ..create(path, flags, "") }))
    }

    pub fn delete(&mut self, path: &str, version: i32) -> Result<Done, ErrorCode> {
        self.run(&WriteOp::Delete(delete(path, version)))
    }

    pub fn set_data(&mut self, path: &str, data: &str, version: i32) -> Result<Done, ErrorCode> {
        self.run(&WriteOp::SetData(set_data(path, data, version)))
    }

    pub fn set_acl(
        &mut self,
        path: &str,
        acl: Vec<RequestedAcl<'_>>,
        version: i32,
    ) -> Result<Done, ErrorCode> {
        self.run(&WriteOp::SetAcl(set_acl(path, acl, version)))
    }

    /// The code of each operation, 0 for success.
    pub fn multi(&mut self, ops: Vec<MultiOp<'_>>) -> Vec<i32> {
        let done = self.run(&WriteOp::Multi(ops)).expect("a multi is never refused as a whole");
        let Outcome::Multi(parts) = done.outcome else { panic!("a multi's outcome is one") };
        let code = |part| if let Outcome::Error(code) = part { code } else { 0 };
        parts.into_iter().map(code).collect()
    }

    pub fn close_session(&mut self) {
        self.zxid = self.zxid.next();
        let prepared = self.pending.prep_close_session(&self.tree, &self.rules, self.session, self.zxid);
        let txn = self.txn(prepared.body, prepared.digest);
        assert_eq!(self.apply(&txn), Outcome::Session);
    }

    pub fn stat(&self, path: &str) -> Stat {
        self.tree.node(path).expect("the znode exists").stat()
    }

    pub fn data(&self, path: &str) -> &str {
        let data = self.tree.node(path).expect("the znode exists").data().expect("it is not null");
        std::str::from_utf8(data).expect("tests write text")
    }
}
