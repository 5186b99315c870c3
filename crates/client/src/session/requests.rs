//! A session's requests: sent in order, answered in order, each once.

use bytes::Bytes;
use zoorum_proto::op::{AuthPacket, WatchesRequest};
use zoorum_proto::reply::ReplyHeader;
use zoorum_proto::{DecodeError, Encode, ErrorCode, Monotonic, OpCode, Xid, Zxid};

use super::{
    Action, Answer, Cause, Closing, Credentials, Failure, NewWatch, Phase, Queued, Request, RequestId, Sent,
    Session, SessionState, WatchKind, WatcherId, WatchingOp, cause_of,
};

/// The id of requests whose outcome nobody waits for.
const NOBODY: RequestId = RequestId(u64::MAX);
/// Bytes of a packet's header.
const OVERHEAD: usize = 8;

impl Session {
    /// Takes a request, to be sent at once or as soon as there is a connection.
    pub fn submit(&mut self, now: Monotonic, request: Request, actions: &mut Vec<Action>) {
        let waiting = self.queue.len() + self.pending.len();
        let bytes = self.waiting_bytes + request.body.len();
        let refused = match (&self.phase, self.closing) {
            (Phase::Over, _) => Some(cause_of(self.state)),
            (_, Closing::Wanted { .. } | Closing::Sent { .. }) => Some(Cause::Closed),
            _ if request.body.len() + OVERHEAD > self.settings.request_bytes_max => Some(Cause::TooLarge),
            _ if waiting >= self.settings.requests_max => Some(Cause::Overloaded),
            _ if bytes > self.settings.waiting_bytes_max => Some(Cause::Overloaded),
            _ => None,
        };
        if let Some(cause) = refused {
            return self.fail(&request, Failure::NotSent(cause), actions);
        }
        if let Some(watch) = &request.watch {
            self.coming.register(watch.by.kind(), &watch.path, watch.watcher);
        }
        self.waiting_bytes = bytes;
        match self.is_serving() {
            true => self.transmit(now, request, actions),
            false => self.queue.push_back(Queued { since: now, request }),
        }
    }

    /// Tells whoever asked, and whoever was to be told of a change.
    pub(super) fn fail(&mut self, request: &Request, failure: Failure, actions: &mut Vec<Action>) {
        if let Some(watch) = &request.watch {
            self.settle(watch.watcher);
            actions.push(Action::Forget(watch.watcher));
        }
        complete(request.id, Err(failure), actions);
    }

    /// Whether a watch will come is known. Tells whether nobody is interested any more.
    fn settle(&mut self, watcher: WatcherId) -> bool {
        self.coming.remove(watcher);
        self.forgotten.remove(&watcher)
    }

    /// Adds credentials, on this connection and all to come.
    pub fn add_auth(&mut self, now: Monotonic, scheme: String, auth: Vec<u8>, actions: &mut Vec<Action>) {
        let credentials = Credentials { scheme, auth };
        if self.is_serving() {
            self.send_auth(now, &credentials, actions);
        }
        if !self.credentials.contains(&credentials) {
            self.credentials.push(credentials);
        }
    }

    pub(super) fn send_auth(&mut self, now: Monotonic, credentials: &Credentials, actions: &mut Vec<Action>) {
        let scheme = credentials.scheme.as_str().into();
        let packet = AuthPacket { kind: 0, scheme, auth: Some(&credentials.auth) };
        self.send(now, Xid::AUTH, OpCode::Auth, &packet.to_vec(), actions);
    }

    /// Ends the session, and with it its ephemeral znodes, after everything that was submitted before.
    pub fn close(&mut self, now: Monotonic, actions: &mut Vec<Action>) {
        if !matches!(self.closing, Closing::No) || matches!(self.phase, Phase::Over) {
            return;
        }
        self.closing = Closing::Wanted { until: now + self.timeout.0 };
        if self.is_serving() {
            self.send_close(now, actions);
        } else if !self.is_established && self.queue.is_empty() {
            // No server knows of it.
            self.end(SessionState::Closed, actions);
        }
    }

    /// `watcher` is not interested any more. Once nobody here watches the same, the server is told.
    pub fn forget(&mut self, now: Monotonic, watcher: WatcherId, actions: &mut Vec<Action>) {
        if self.coming.has(watcher) {
            self.forgotten.insert(watcher);
            return;
        }
        let Some((kind, path)) = self.watches.remove(watcher) else { return };
        if self.is_serving() && !self.is_watched(kind, &path) {
            let body = WatchesRequest { path: path.into(), kind: kind.removal_number() }.to_vec();
            self.submit(now, Request { id: NOBODY, op: OpCode::RemoveWatches, body, watch: None }, actions);
        }
    }

    /// Nobody is interested any more in `path`, which is known to the server by this name. The server's answer
    /// is the outcome of request `id`.
    pub fn remove_watches(
        &mut self,
        now: Monotonic,
        id: RequestId,
        kind: WatchKind,
        path: &str,
        actions: &mut Vec<Action>,
    ) {
        let same_table = TABLES.iter().filter(|other| other.removal_number() == kind.removal_number());
        for &kind in same_table {
            actions.extend(self.watches.remove_all(kind, path).into_iter().map(Action::Forget));
            // The server comes to these before it comes to the removal.
            actions.extend(self.coming.remove_all(kind, path).into_iter().map(Action::Forget));
        }
        let body = WatchesRequest { path: path.into(), kind: kind.removal_number() }.to_vec();
        self.submit(now, Request { id, op: OpCode::RemoveWatches, body, watch: None }, actions);
    }

    /// Sends a request; its xid is the next one.
    pub(super) fn transmit(&mut self, now: Monotonic, request: Request, actions: &mut Vec<Action>) {
        let xid = Xid(self.next_xid);
        self.next_xid = if xid.0 == i32::MAX { 1 } else { xid.0 + 1 };
        self.send(now, xid, request.op, &request.body, actions);
        let bytes = request.body.len();
        self.pending.push_back(Sent { xid, id: request.id, watch: request.watch, bytes });
    }

    pub(super) fn send_close(&mut self, now: Monotonic, actions: &mut Vec<Action>) {
        self.closing = Closing::Sent { xid: Xid(self.next_xid), until: now + self.timeout.0 };
        let request = Request { id: NOBODY, op: OpCode::CloseSession, body: Vec::new(), watch: None };
        self.transmit(now, request, actions);
    }

    /// A reply, which must be to the request that was sent first. An error is a breach of the protocol.
    pub(super) fn on_reply(
        &mut self,
        now: Monotonic,
        header: ReplyHeader,
        body: Bytes,
        actions: &mut Vec<Action>,
    ) -> Result<(), DecodeError> {
        let expected = self.pending.front().map(|sent| sent.xid);
        if expected != Some(header.xid) {
            return Err(DecodeError::Unknown { what: "reply, to xid", value: header.xid.0.into() });
        }
        let Some(sent) = self.pending.pop_front() else { return Ok(()) };
        self.waiting_bytes -= sent.bytes;
        if header.zxid > Zxid::ZERO {
            self.last_zxid = self.last_zxid.max(header.zxid);
        }
        if matches!(self.closing, Closing::Sent { xid, .. } if xid == sent.xid) {
            self.end(SessionState::Closed, actions);
            return Ok(());
        }
        let forgotten = sent.watch.and_then(|watch| self.on_watching(watch, header.err, actions));
        let outcome = match header.err {
            0 => Ok(Answer { zxid: header.zxid, body }),
            code => Err(Failure::Refused(code)),
        };
        complete(sent.id, outcome, actions);
        if let Some(watcher) = forgotten {
            self.forget(now, watcher, actions);
        }
        Ok(())
    }

    /// The request that was to leave a watch is answered. Tells who is not interested any more.
    fn on_watching(&mut self, watch: NewWatch, err: i32, actions: &mut Vec<Action>) -> Option<WatcherId> {
        let is_missing = err == ErrorCode::NoNode.number();
        let kind = match watch.by {
            WatchingOp::GetData if err == 0 => Some(WatchKind::Data),
            WatchingOp::Exists if err == 0 => Some(WatchKind::Data),
            WatchingOp::Exists if is_missing => Some(WatchKind::Exist),
            WatchingOp::GetChildren if err == 0 => Some(WatchKind::Child),
            WatchingOp::AddPersistent if err == 0 => Some(WatchKind::Persistent),
            WatchingOp::AddRecursive if err == 0 => Some(WatchKind::Recursive),
            _ => None,
        };
        match kind {
            Some(kind) if self.coming.has(watch.watcher) => {
                self.watches.register(kind, &watch.path, watch.watcher);
            }
            _ => actions.push(Action::Forget(watch.watcher)),
        }
        self.settle(watch.watcher).then_some(watch.watcher)
    }

    /// The connection is gone, or the session: whether these took effect, nobody knows.
    pub(super) fn fail_pending(&mut self, cause: Cause, actions: &mut Vec<Action>) {
        for sent in std::mem::take(&mut self.pending) {
            self.waiting_bytes -= sent.bytes;
            if let Some(watch) = sent.watch {
                self.settle(watch.watcher);
                actions.push(Action::Forget(watch.watcher));
            }
            complete(sent.id, Err(Failure::Unknown(cause)), actions);
        }
    }

    /// Whether the server is to go on watching this for somebody here. Servers before 3.9, told to remove a watch that
    /// fires once, remove persistent ones along with it; what is left then fires once, and is ignored.
    fn is_watched(&self, kind: WatchKind, path: &str) -> bool {
        let goes_with_it = |other: WatchKind| {
            other.removal_number() == kind.removal_number() || !kind.is_persistent() && other.is_persistent()
        };
        let mut tables = TABLES.iter().filter(|&&other| goes_with_it(other));
        tables.any(|&other| self.watches.any(other, path) || self.coming.any(other, path))
    }
}

/// All kinds.
const TABLES: [WatchKind; 5] =
    [WatchKind::Data, WatchKind::Exist, WatchKind::Child, WatchKind::Persistent, WatchKind::Recursive];

/// Tells whoever asked, if anybody did.
pub(super) fn complete(id: RequestId, outcome: Result<Answer, Failure>, actions: &mut Vec<Action>) {
    if id != NOBODY {
        actions.push(Action::Complete(id, outcome));
    }
}
