//! Reads, answered from the tree as it stands.

use std::borrow::Cow;

use zoorum_proto::op::{AddWatch, MultiReadOp, PathAndWatch, SetWatches2, WatchesRequest};
use zoorum_proto::reply::{
    ErrorResponse, EventType, GetAclResponse, GetAllChildrenNumberResponse, GetDataResponse,
    GetEphemeralsResponse, MultiHeader, StatResponse, WhoAmIResponse,
};
use zoorum_proto::{Encode, ErrorCode, OpCode, Permissions, ReadOp, Xid, Zxid};
use zoorum_tree::{NodeRef, Rules, Tree, WatchKind, WatchMode, WatchTable};

use super::OUTPUT_HARD_LIMIT;
use super::connection::Connection;
use super::watches::watcher;
use crate::auth::client_info;
use crate::frame::{event, refusal, reply};
use crate::message::ConnectionId;

/// All that a read may look at.
pub(super) struct Reader<'a> {
    pub(super) tree: &'a Tree,
    pub(super) rules: &'a Rules,
    pub(super) watches: &'a mut WatchTable,
    /// Grows by what is looked at without being answered.
    pub(super) work: &'a mut usize,
    pub(super) id: ConnectionId,
}

impl<'a> Reader<'a> {
    /// Appends the reply to one read, behind the events that it may bring about itself.
    pub(super) fn answer(mut self, connection: &mut Connection, xid: Xid, op: OpCode, body: &[u8]) {
        let zxid = self.tree.last_zxid();
        let Ok(op) = ReadOp::decode(op, body) else {
            return refusal(connection.output.bytes(), xid, zxid, ErrorCode::MarshallingError);
        };
        if let ReadOp::SetWatches(request) = &op {
            self.set_watches(connection, request);
        }
        // The body is written straight to the output; a read that turns out to be refused is written over.
        let mut out = std::mem::take(connection.output.bytes());
        let start = out.len();
        let mut performed = Ok(());
        reply(&mut out, xid, zxid, |out| performed = self.perform(connection, &op, out));
        if let Err(code) = performed {
            out.truncate(start);
            refusal(&mut out, xid, zxid, code);
        }
        *connection.output.bytes() = out;
    }

    fn perform(
        &mut self,
        connection: &Connection,
        op: &ReadOp<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), ErrorCode> {
        match op {
            ReadOp::Exists(request) => self.exists(connection, request)?.encode(out),
            ReadOp::GetData(request) => {
                let node = self.watched_node(connection, request, WatchMode::Data)?;
                GetDataResponse { data: node.data(), stat: node.stat() }.encode(out);
            }
            ReadOp::GetAcl(request) => self.get_acl(connection, &request.path)?.encode(out),
            ReadOp::GetChildren(request) => {
                encode_children(self.watched_node(connection, request, WatchMode::Child)?, out);
            }
            ReadOp::GetChildren2(request) => {
                let node = self.watched_node(connection, request, WatchMode::Child)?;
                encode_children(node, out);
                node.stat().encode(out);
            }
            ReadOp::GetAllChildrenNumber(request) => {
                self.readable(connection, &request.path)?;
                let total = self.tree.descendants(&request.path).ok_or(ErrorCode::NoNode)?;
                *self.work += total;
                let total = i32::try_from(total).unwrap_or(i32::MAX);
                GetAllChildrenNumberResponse { total }.encode(out);
            }
            ReadOp::GetEphemerals(prefix) => {
                let mut paths = self.tree.ephemerals(connection.session());
                *self.work += paths.len();
                if let Some(prefix) = prefix.as_deref().filter(|prefix| !prefix.trim().is_empty()) {
                    paths.retain(|path| path.starts_with(prefix));
                }
                GetEphemeralsResponse { paths: paths.into_iter().map(Cow::Owned).collect() }.encode(out);
            }
            ReadOp::MultiRead(ops) => {
                let start = out.len();
                for op in ops {
                    self.read_one_of_many(connection, op, out);
                    if out.len() - start > OUTPUT_HARD_LIMIT {
                        return Err(ErrorCode::MarshallingError); // thousands of times the same large znode
                    }
                }
                MultiHeader::END.encode(out);
            }
            ReadOp::WhoAmI => {
                let client_info = connection.identity.iter().map(client_info).collect();
                WhoAmIResponse { client_info }.encode(out);
            }
            ReadOp::Ping | ReadOp::SetWatches(_) => {}
            ReadOp::AddWatch(request) => self.add_watch(request)?.encode(out),
            ReadOp::CheckWatches(request) => self.check_watches(request)?,
            ReadOp::RemoveWatches(request) => self.remove_watches(request)?,
        }
        Ok(())
    }

    fn may_read(&self, connection: &Connection, node: NodeRef<'_>) -> bool {
        self.rules.acl.allows(node.acl(), Permissions::READ, &connection.identity)
    }

    /// The znode, if the connection may read it.
    fn readable(&self, connection: &Connection, path: &str) -> Result<NodeRef<'a>, ErrorCode> {
        let tree: &'a Tree = self.tree;
        let node = tree.node(path).ok_or(ErrorCode::NoNode)?;
        if self.may_read(connection, node) { Ok(node) } else { Err(ErrorCode::NoAuth) }
    }

    /// The same, leaving the watch that the request asks for.
    fn watched_node(
        &mut self,
        connection: &Connection,
        request: &PathAndWatch<'_>,
        mode: WatchMode,
    ) -> Result<NodeRef<'a>, ErrorCode> {
        let node = self.readable(connection, &request.path)?;
        if request.watch {
            self.watches.add(&request.path, watcher(self.id), mode);
        }
        Ok(node)
    }

    /// Watches even what does not exist; only a znode that may not be read leaves no watch.
    fn exists(
        &mut self,
        connection: &Connection,
        request: &PathAndWatch<'_>,
    ) -> Result<StatResponse, ErrorCode> {
        if request.path.contains('\0') {
            return Err(ErrorCode::BadArguments);
        }
        let found = self.readable(connection, &request.path);
        if request.watch && found.as_ref().err() != Some(&ErrorCode::NoAuth) {
            self.watches.add(&request.path, watcher(self.id), WatchMode::Data);
        }
        Ok(StatResponse { stat: found?.stat() })
    }

    /// Whoever may read or administer sees the list; digests are hidden from whoever may not administer.
    fn get_acl(&self, connection: &Connection, path: &str) -> Result<GetAclResponse<'a>, ErrorCode> {
        let tree: &'a Tree = self.tree;
        let node = tree.node(path).ok_or(ErrorCode::NoNode)?;
        let wanted = Permissions(Permissions::READ.0 | Permissions::ADMIN.0);
        if !self.rules.acl.allows(node.acl(), wanted, &connection.identity) {
            return Err(ErrorCode::NoAuth);
        }
        let acl = self.rules.acl.masked(node.acl(), &connection.identity);
        Ok(GetAclResponse { acl, stat: node.stat() })
    }

    fn read_one_of_many(&self, connection: &Connection, op: &MultiReadOp<'_>, out: &mut Vec<u8>) {
        let (MultiReadOp::GetData(path) | MultiReadOp::GetChildren(path)) = op;
        let node = match self.readable(connection, path) {
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

    fn add_watch(&mut self, request: &AddWatch<'_>) -> Result<ErrorResponse, ErrorCode> {
        let mode = match request.mode {
            0 => WatchMode::Persistent,
            1 => WatchMode::PersistentRecursive,
            _ => return Err(ErrorCode::MarshallingError),
        };
        self.watches.add(&request.path, watcher(self.id), mode);
        Ok(ErrorResponse { err: 0 })
    }

    fn check_watches(&self, request: &WatchesRequest<'_>) -> Result<(), ErrorCode> {
        let kind = watch_kind(request.kind)?;
        let found = self.watches.contains(&request.path, watcher(self.id), kind);
        if found { Ok(()) } else { Err(ErrorCode::NoWatcher) }
    }

    fn remove_watches(&mut self, request: &WatchesRequest<'_>) -> Result<(), ErrorCode> {
        let kind = watch_kind(request.kind)?;
        let found = self.watches.remove(&request.path, watcher(self.id), kind);
        if found { Ok(()) } else { Err(ErrorCode::NoWatcher) }
    }

    /// Restores watches after a reconnect: what changed since the client last heard is reported at once,
    /// unless the client may not read it; all else is watched again.
    fn set_watches(&mut self, connection: &mut Connection, request: &SetWatches2<'_>) {
        let SetWatches2 { standard, persistent, persistent_recursive } = request;
        let since = standard.relative_zxid;
        for path in &standard.data {
            let missed = match self.tree.node(path) {
                None => Some(EventType::NodeDeleted),
                Some(node) => (node.stat().mzxid > since).then_some(EventType::NodeDataChanged),
            };
            self.report_or_watch(connection, path, missed, WatchMode::Data);
        }
        for path in &standard.exist {
            let missed = self.tree.node(path).map(|_| EventType::NodeCreated);
            self.report_or_watch(connection, path, missed, WatchMode::Data);
        }
        for path in &standard.child {
            let missed = match self.tree.node(path) {
                None => Some(EventType::NodeDeleted),
                Some(node) => (node.stat().pzxid > since).then_some(EventType::NodeChildrenChanged),
            };
            self.report_or_watch(connection, path, missed, WatchMode::Child);
        }
        for path in persistent {
            self.watches.add(path, watcher(self.id), WatchMode::Persistent);
        }
        for path in persistent_recursive {
            self.watches.add(path, watcher(self.id), WatchMode::PersistentRecursive);
        }
    }

    fn report_or_watch(
        &mut self,
        connection: &mut Connection,
        path: &str,
        missed: Option<EventType>,
        mode: WatchMode,
    ) {
        match missed {
            None => self.watches.add(path, watcher(self.id), mode),
            Some(kind) if self.tree.node(path).is_none_or(|node| self.may_read(connection, node)) => {
                event(connection.output.bytes(), Zxid(-1), kind, path);
            }
            Some(_) => {}
        }
    }
}

fn watch_kind(number: i32) -> Result<WatchKind, ErrorCode> {
    WatchKind::from_number(number).ok_or(ErrorCode::MarshallingError)
}

fn encode_children(node: NodeRef<'_>, out: &mut Vec<u8>) {
    let count = i32::try_from(node.child_count()).expect("a znode's children are counted by 32 bits");
    count.encode(out);
    node.children().for_each(|name| name.encode(out));
}
