//! Reads, answered from the tree as it stands.

use std::borrow::Cow;

use zoorum_proto::op::{AddWatch, SetWatches2, WatchesRequest};
use zoorum_proto::reply::{
    ErrorResponse, EventType, GetAllChildrenNumberResponse, GetEphemeralsResponse, MultiHeader,
};
use zoorum_proto::{Encode, ErrorCode, OpCode, ReadOp, Xid, Zxid};
use zoorum_tree::{Rules, Tree, WatchKind, WatchMode, WatchTable};

use super::OUTPUT_HARD_LIMIT;
use super::connection::Connection;
use super::watches::watcher;
use crate::frame::{self, event, refusal};
use crate::message::ConnectionId;
use crate::traffic::Traffic;
use crate::view::{View, watch_left};

/// All that a read may look at.
pub(super) struct Reader<'a> {
    pub(super) tree: &'a Tree,
    pub(super) rules: &'a Rules,
    pub(super) watches: &'a mut WatchTable,
    pub(super) traffic: &'a mut Traffic,
    /// Grows by what is looked at without being answered.
    pub(super) work: &'a mut usize,
    pub(super) id: ConnectionId,
}

impl<'a> Reader<'a> {
    /// Appends the reply to one read, behind the events that it may bring about itself. False where the connection
    /// must close behind it.
    pub(super) fn answer(mut self, connection: &mut Connection, xid: Xid, op: OpCode, body: &[u8]) -> bool {
        let zxid = self.tree.last_zxid();
        let Ok(op) = ReadOp::decode(op, body) else {
            refusal(connection.output.bytes(), xid, zxid, ErrorCode::MarshallingError);
            return true;
        };
        if let ReadOp::SetWatches(request) = &op
            && let Err(code) = self.set_watches(connection, request)
        {
            // Clients take it for granted that their watches are restored.
            refusal(connection.output.bytes(), xid, zxid, code);
            return false;
        }
        let mut out = std::mem::take(connection.output.bytes());
        frame::answer(&mut out, xid, zxid, |out| self.perform(connection, &op, out));
        *connection.output.bytes() = out;
        true
    }

    fn perform(
        &mut self,
        connection: &Connection,
        op: &ReadOp<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), ErrorCode> {
        let view = self.view(connection);
        match op {
            ReadOp::GetAllChildrenNumber(request) => {
                view.readable(&request.path)?;
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
                    let before = out.len();
                    view.answer_one_of_many(op, out);
                    self.traffic.on_read_of_many(op, &out[before..]);
                    if out.len() - start > OUTPUT_HARD_LIMIT {
                        return Err(ErrorCode::MarshallingError); // thousands of times the same large znode
                    }
                }
                MultiHeader::END.encode(out);
            }
            ReadOp::SetWatches(_) => {}
            ReadOp::AddWatch(request) => self.add_watch(request)?.encode(out),
            ReadOp::CheckWatches(request) => self.check_watches(request)?,
            ReadOp::RemoveWatches(request) => self.remove_watches(request)?,
            ReadOp::Ping
            | ReadOp::Exists(_)
            | ReadOp::GetData(_)
            | ReadOp::GetAcl(_)
            | ReadOp::GetChildren(_)
            | ReadOp::GetChildren2(_)
            | ReadOp::WhoAmI => {
                let before = out.len();
                let answered = view.answer(op, out);
                if answered.is_ok() {
                    self.traffic.on_read(op, &out[before..]);
                }
                let err = answered.err().map_or(0, ErrorCode::number);
                if let Some((path, mode)) = watch_left(op, err) {
                    self.watch(path, mode)?;
                }
                answered?;
            }
        }
        Ok(())
    }

    fn watch(&mut self, path: &str, mode: WatchMode) -> Result<(), ErrorCode> {
        if self.watches.add(path, watcher(self.id), mode) { Ok(()) } else { Err(ErrorCode::QuotaExceeded) }
    }

    fn view<'v>(&self, connection: &'v Connection) -> View<'v>
    where
        'a: 'v,
    {
        View { tree: self.tree, rules: self.rules, identity: &connection.identity }
    }

    fn add_watch(&mut self, request: &AddWatch<'_>) -> Result<ErrorResponse, ErrorCode> {
        let mode = match request.mode {
            0 => WatchMode::Persistent,
            1 => WatchMode::PersistentRecursive,
            _ => return Err(ErrorCode::MarshallingError),
        };
        self.watch(&request.path, mode)?;
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
    fn set_watches(
        &mut self,
        connection: &mut Connection,
        request: &SetWatches2<'_>,
    ) -> Result<(), ErrorCode> {
        let SetWatches2 { standard, persistent, persistent_recursive } = request;
        let since = standard.relative_zxid;
        for path in &standard.data {
            let missed = match self.tree.node(path) {
                None => Some(EventType::NodeDeleted),
                Some(node) => (node.stat().mzxid > since).then_some(EventType::NodeDataChanged),
            };
            self.report_or_watch(connection, path, missed, WatchMode::Data)?;
        }
        for path in &standard.exist {
            let missed = self.tree.node(path).map(|_| EventType::NodeCreated);
            self.report_or_watch(connection, path, missed, WatchMode::Data)?;
        }
        for path in &standard.child {
            let missed = match self.tree.node(path) {
                None => Some(EventType::NodeDeleted),
                Some(node) => (node.stat().pzxid > since).then_some(EventType::NodeChildrenChanged),
            };
            self.report_or_watch(connection, path, missed, WatchMode::Child)?;
        }
        for path in persistent {
            self.watch(path, WatchMode::Persistent)?;
        }
        for path in persistent_recursive {
            self.watch(path, WatchMode::PersistentRecursive)?;
        }
        Ok(())
    }

    fn report_or_watch(
        &mut self,
        connection: &mut Connection,
        path: &str,
        missed: Option<EventType>,
        mode: WatchMode,
    ) -> Result<(), ErrorCode> {
        match missed {
            None => return self.watch(path, mode),
            Some(kind) if self.tree.node(path).is_none_or(|node| self.view(connection).may_read(node)) => {
                event(connection.output.bytes(), Zxid(-1), kind, path);
            }
            Some(_) => {}
        }
        Ok(())
    }
}

fn watch_kind(number: i32) -> Result<WatchKind, ErrorCode> {
    WatchKind::from_number(number).ok_or(ErrorCode::MarshallingError)
}
