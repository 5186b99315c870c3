//! The tree as one client may see it: reads that need nothing else.

use zoorum_proto::op::{MultiReadOp, PathAndWatch};
use zoorum_proto::reply::{
    ErrorResponse, GetAclResponse, GetDataResponse, MultiHeader, StatResponse, WhoAmIResponse,
};
use zoorum_proto::{AuthId, Encode, ErrorCode, OpCode, Permissions, ReadOp, Xid};
use zoorum_tree::{NodeRef, Rules, Tree, WatchMode};

use crate::auth::client_info;
use crate::frame;
use crate::traffic::Traffic;

/// A tree, seen by whoever has these ids.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) rules: &'a Rules,
    pub(crate) identity: &'a [AuthId],
}

impl<'a> View<'a> {
    /// Whether a view is enough for the operation, and the work no more than its answer is long. It may leave a
    /// watch: see [`watch_left`].
    pub(crate) fn suffices(op: OpCode) -> bool {
        matches!(
            op,
            OpCode::Ping
                | OpCode::Exists
                | OpCode::GetData
                | OpCode::GetAcl
                | OpCode::GetChildren
                | OpCode::GetChildren2
                | OpCode::WhoAmI
        )
    }

    /// Appends the reply to an operation for which a view suffices, and returns its error code.
    pub(crate) fn reply(
        self,
        xid: Xid,
        op: OpCode,
        body: &[u8],
        out: &mut Vec<u8>,
        traffic: &mut Traffic,
    ) -> i32 {
        frame::answer(out, xid, self.tree.last_zxid(), |out| {
            let op = ReadOp::decode(op, body).map_err(|_| ErrorCode::MarshallingError)?;
            let before = out.len();
            self.answer(&op, out)?;
            traffic.on_read(&op, &out[before..]);
            Ok(())
        })
    }

    /// The same without the frame and its header.
    pub(crate) fn answer(self, op: &ReadOp<'_>, out: &mut Vec<u8>) -> Result<(), ErrorCode> {
        match op {
            ReadOp::Ping => {}
            ReadOp::Exists(request) => self.exists(request)?.encode(out),
            ReadOp::GetData(request) => {
                let node = self.readable(&request.path)?;
                GetDataResponse { data: node.data(), stat: node.stat() }.encode(out);
            }
            ReadOp::GetAcl(request) => self.get_acl(&request.path)?.encode(out),
            ReadOp::GetChildren(request) => encode_children(self.readable(&request.path)?, out),
            ReadOp::GetChildren2(request) => {
                let node = self.readable(&request.path)?;
                encode_children(node, out);
                node.stat().encode(out);
            }
            ReadOp::WhoAmI => {
                let client_info = self.identity.iter().map(client_info).collect();
                WhoAmIResponse { client_info }.encode(out);
            }
            ReadOp::GetAllChildrenNumber(_)
            | ReadOp::GetEphemerals(_)
            | ReadOp::MultiRead(_)
            | ReadOp::SetWatches(_)
            | ReadOp::AddWatch(_)
            | ReadOp::CheckWatches(_)
            | ReadOp::RemoveWatches(_) => unreachable!("a view does not suffice for {op:?}"),
        }
        Ok(())
    }

    pub(crate) fn may_read(self, node: NodeRef<'_>) -> bool {
        self.rules.acl.allows(node.acl(), Permissions::READ, self.identity)
    }

    /// The znode, if the client may read it.
    pub(crate) fn readable(self, path: &str) -> Result<NodeRef<'a>, ErrorCode> {
        let node = self.tree.node(path).ok_or(ErrorCode::NoNode)?;
        if self.may_read(node) { Ok(node) } else { Err(ErrorCode::NoAuth) }
    }

    fn exists(self, request: &PathAndWatch<'_>) -> Result<StatResponse, ErrorCode> {
        if request.path.contains('\0') {
            return Err(ErrorCode::BadArguments);
        }
        Ok(StatResponse { stat: self.readable(&request.path)?.stat() })
    }

    /// Whoever may read or administer sees the list; digests are hidden from whoever may not administer.
    fn get_acl(self, path: &str) -> Result<GetAclResponse<'a>, ErrorCode> {
        let node = self.tree.node(path).ok_or(ErrorCode::NoNode)?;
        let wanted = Permissions(Permissions::READ.0 | Permissions::ADMIN.0);
        if !self.rules.acl.allows(node.acl(), wanted, self.identity) {
            return Err(ErrorCode::NoAuth);
        }
        let acl = self.rules.acl.masked(node.acl(), self.identity);
        Ok(GetAclResponse { acl, stat: node.stat() })
    }

    /// Appends the answer to one of several reads, behind a header.
    pub(crate) fn answer_one_of_many(self, op: &MultiReadOp<'_>, out: &mut Vec<u8>) {
        let (MultiReadOp::GetData(path) | MultiReadOp::GetChildren(path)) = op;
        let node = match self.readable(path) {
            Ok(node) => node,
            Err(code) => {
                let err = code.number();
                MultiHeader { op: OpCode::Error as i32, done: false, err }.encode(out);
                return ErrorResponse { err }.encode(out);
            }
        };
        match op {
            MultiReadOp::GetData(_) => {
                MultiHeader { op: OpCode::GetData as i32, done: false, err: 0 }.encode(out);
                GetDataResponse { data: node.data(), stat: node.stat() }.encode(out);
            }
            MultiReadOp::GetChildren(_) => {
                MultiHeader { op: OpCode::GetChildren as i32, done: false, err: 0 }.encode(out);
                encode_children(node, out);
            }
        }
    }
}

/// The watch that a read for which a view suffices asks for.
pub(crate) fn watch_asked<'r>(op: &'r ReadOp<'_>) -> Option<(&'r str, WatchMode)> {
    let (request, mode) = match op {
        ReadOp::Exists(request) | ReadOp::GetData(request) => (request, WatchMode::Data),
        ReadOp::GetChildren(request) | ReadOp::GetChildren2(request) => (request, WatchMode::Child),
        _ => return None,
    };
    request.watch.then_some((request.path.as_ref(), mode))
}

/// The watch that a read leaves which was answered with this error code. `exists` watches even what does not exist;
/// else only what may be read is watched.
pub(crate) fn watch_left<'r>(op: &'r ReadOp<'_>, err: i32) -> Option<(&'r str, WatchMode)> {
    let is_left = err == 0 || matches!(op, ReadOp::Exists(_)) && err == ErrorCode::NoNode.number();
    watch_asked(op).filter(|_| is_left)
}

fn encode_children(node: NodeRef<'_>, out: &mut Vec<u8>) {
    let count = i32::try_from(node.child_count()).expect("a znode's children are counted by 32 bits");
    count.encode(out);
    node.children().for_each(|name| name.encode(out));
}
