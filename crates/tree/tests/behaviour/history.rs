//! Random histories: requests over a few paths, so that they meet each other often.

use proptest::prelude::*;
use zoorum_proto::op::{
    CheckRequest, CreateOp, CreateRequest, DeleteRequest, MultiOp, SetDataRequest, WriteOp,
};
use zoorum_proto::{Permissions, SessionId, Version};

use crate::scene::{OPEN, Scene, requested, set_acl};

pub const PATHS: [&str; 14] = [
    "/a",
    "/b",
    "/a/x",
    "/a/y",
    "/a/x/deep",
    "/b/x",
    "/zookeeper/z",
    "/zookeeper/quota/a",
    "/zookeeper/quota/a/zookeeper_limits",
    "/zookeeper/quota/a/zookeeper_stats",
    "/a/x/deep/deeper",
    "/",
    "/a/",
    "/c",
];

/// One step of a history.
#[derive(Clone, Debug)]
pub enum Step {
    One(Request),
    Multi(Vec<Request>),
    SetAcl {
        path: usize,
        acl: usize,
        version: i32,
    },
    OpenSession(i64),
    CloseSession(i64),
    DeleteContainer(usize),
    /// Applies so many of the proposed transactions.
    Apply(usize),
}

/// What can stand alone and in a multi.
#[derive(Clone, Debug)]
pub enum Request {
    Create { session: i64, op: CreateOp, path: usize, flags: i32, data: Option<Vec<u8>> },
    Delete { path: usize, version: i32 },
    SetData { path: usize, data: Option<Vec<u8>>, version: i32 },
    Check { path: usize, version: i32 },
}

/// ACL lists to choose from.
pub fn acl(choice: usize) -> Vec<zoorum_proto::RequestedAcl<'static>> {
    match choice {
        0 => vec![OPEN],
        1 => vec![OPEN, requested(Permissions::READ, "digest", "a:b")],
        _ => vec![
            requested(Permissions::ALL, "world", "anyone"),
            requested(Permissions::READ, "ip", "1.2.3.4"),
        ],
    }
}

fn data() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop_oneof![Just(None), proptest::collection::vec(any::<u8>(), 0..6).prop_map(Some)]
}

fn version() -> impl Strategy<Value = i32> {
    prop_oneof![3 => Just(-1), 1 => 0..3]
}

fn request() -> impl Strategy<Value = Request> {
    let path = || 0..PATHS.len();
    let op = prop_oneof![
        Just(CreateOp::Create),
        Just(CreateOp::Create2),
        Just(CreateOp::Container),
        (0_i64..3).prop_map(CreateOp::Ttl)
    ];
    prop_oneof![
        5 => (0_i64..4, op, path(), 0..7, data())
            .prop_map(|(session, op, path, flags, data)| Request::Create { session, op, path, flags, data }),
        2 => (path(), version()).prop_map(|(path, version)| Request::Delete { path, version }),
        2 => (path(), data(), version())
            .prop_map(|(path, data, version)| Request::SetData { path, data, version }),
        1 => (path(), version()).prop_map(|(path, version)| Request::Check { path, version }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => request().prop_map(Step::One),
        3 => proptest::collection::vec(request(), 0..4).prop_map(Step::Multi),
        2 => (0..PATHS.len(), 0_usize..3, version())
            .prop_map(|(path, acl, version)| Step::SetAcl { path, acl, version }),
        1 => (1_i64..4).prop_map(Step::OpenSession),
        2 => (1_i64..4).prop_map(Step::CloseSession),
        1 => (0..PATHS.len()).prop_map(Step::DeleteContainer),
        6 => (0_usize..4).prop_map(Step::Apply),
    ]
}

pub fn history() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(step(), 0..60)
}

impl Request {
    pub fn to_op(&self) -> MultiOp<'_> {
        match self {
            Self::Create { op, path, flags, data, .. } => MultiOp::Create(CreateRequest {
                op: *op,
                path: PATHS[*path].into(),
                data: data.as_deref(),
                acl: Some(vec![OPEN]),
                flags: *flags,
            }),
            Self::Delete { path, version } => {
                MultiOp::Delete(DeleteRequest { path: PATHS[*path].into(), version: Version(*version) })
            }
            Self::SetData { path, data, version } => MultiOp::SetData(SetDataRequest {
                path: PATHS[*path].into(),
                data: data.as_deref(),
                version: Version(*version),
            }),
            Self::Check { path, version } => {
                MultiOp::Check(CheckRequest { path: PATHS[*path].into(), version: Version(*version) })
            }
        }
    }
}

/// A request as it is alone.
pub fn alone(op: MultiOp<'_>) -> Option<WriteOp<'_>> {
    match op {
        MultiOp::Create(request) => Some(WriteOp::Create(request)),
        MultiOp::Delete(request) => Some(WriteOp::Delete(request)),
        MultiOp::SetData(request) => Some(WriteOp::SetData(request)),
        MultiOp::Check(_) => None,
    }
}

impl Step {
    /// Whose request it is.
    pub fn session(&self) -> SessionId {
        match self {
            Self::One(Request::Create { session, .. }) => SessionId(*session),
            Self::Multi(requests) => match requests.first() {
                Some(Request::Create { session, .. }) => SessionId(*session),
                _ => SessionId(1),
            },
            Self::OpenSession(session) | Self::CloseSession(session) => SessionId(*session),
            Self::DeleteContainer(_) => SessionId::NONE,
            Self::One(_) | Self::SetAcl { .. } | Self::Apply(_) => SessionId(1),
        }
    }

    /// Prepares the step's transaction, if it has one.
    pub fn prep<'a>(&'a self, scene: &mut Scene) -> Option<zoorum_proto::Txn<'a>> {
        scene.session = self.session();
        let op = match self {
            Self::Apply(_) => return None,
            Self::One(request) => alone(request.to_op())?,
            Self::Multi(requests) => WriteOp::Multi(requests.iter().map(Request::to_op).collect()),
            Self::SetAcl { path, acl: choice, version } => {
                WriteOp::SetAcl(set_acl(PATHS[*path], acl(*choice), *version))
            }
            Self::CloseSession(_) => WriteOp::CloseSession,
            Self::OpenSession(_) => {
                scene.zxid = scene.zxid.next();
                let prepared = scene.pending.prep_create_session(&scene.tree, &scene.rules, 4000);
                return Some(scene.txn(prepared.body, prepared.digest));
            }
            Self::DeleteContainer(path) => {
                scene.zxid = scene.zxid.next();
                let (tree, rules) = (&scene.tree, &scene.rules);
                let prepared = scene.pending.prep_delete_container(tree, rules, PATHS[*path], scene.zxid);
                return Some(scene.txn(prepared.body, prepared.digest));
            }
        };
        Some(scene.prep(&op))
    }
}
