//! What reaches a session's task: requests and wishes, in the order in which they were made.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{mpsc, oneshot, watch};
use zoorum_proto::{OpCode, SessionId};

use crate::chroot::Chroot;
use crate::reply::Outcome;
use crate::session::{
    Cause, Failure, Host, NewWatch, Request, RequestId, Session, SessionState, WatchKind, WatcherId,
    WatchingOp,
};
use crate::watch::Sink;

/// What a session's task is asked for.
pub(crate) enum Command {
    Submit { request: Request, reply: oneshot::Sender<Outcome>, sink: Option<Sink> },
    RemoveWatches { id: RequestId, kind: WatchKind, path: String, reply: oneshot::Sender<Outcome> },
    Forget(WatcherId),
    AddAuth { scheme: String, auth: Vec<u8> },
    Hosts(Vec<Host>),
    Subscribe(mpsc::Sender<SessionState>),
    Close,
}

/// What is known of the session at the moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) state: SessionState,
    pub(crate) id: SessionId,
    pub(crate) password: [u8; 16],
    pub(crate) timeout: std::time::Duration,
}

impl Standing {
    pub(crate) fn of(session: &Session) -> Self {
        Self {
            state: session.state(),
            id: session.id(),
            password: session.password(),
            timeout: session.timeout(),
        }
    }
}

/// A way to the session's task, without a hold on it: the session may end while there are watches left.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    commands: mpsc::WeakUnboundedSender<Command>,
    ids: Arc<AtomicU64>,
}

impl Handle {
    pub(crate) fn next_watcher(&self) -> WatcherId {
        WatcherId(self.ids.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn forget(&self, watcher: WatcherId) {
        if let Some(commands) = self.commands.upgrade() {
            // Once the task is gone, so is the watch.
            commands.send(Command::Forget(watcher)).ok();
        }
    }
}

/// A hold on the session: it is closed when the last one is gone.
#[derive(Clone)]
pub(crate) struct Commands {
    commands: mpsc::UnboundedSender<Command>,
    ids: Arc<AtomicU64>,
    pub(crate) chroot: Arc<Chroot>,
    pub(crate) standing: watch::Receiver<Standing>,
}

impl Commands {
    pub(crate) fn new(
        chroot: Arc<Chroot>,
        standing: watch::Receiver<Standing>,
    ) -> (Self, mpsc::UnboundedReceiver<Command>) {
        let (commands, received) = mpsc::unbounded_channel();
        (Self { commands, ids: Arc::default(), chroot, standing }, received)
    }

    pub(crate) fn handle(&self) -> Handle {
        Handle { commands: self.commands.downgrade(), ids: Arc::clone(&self.ids) }
    }

    /// Makes a request. If the task is gone, the outcome says so.
    pub(crate) fn submit(
        &self,
        op: OpCode,
        body: Vec<u8>,
        watch: Option<(WatchingOp, String, WatcherId, Sink)>,
    ) -> oneshot::Receiver<Outcome> {
        let (reply, outcome) = oneshot::channel();
        let (watch, sink) = match watch {
            Some((by, path, watcher, sink)) => (Some(NewWatch { watcher, path, by }), Some(sink)),
            None => (None, None),
        };
        let request = Request { id: self.next_request(), op, body, watch };
        self.send(Command::Submit { request, reply, sink });
        outcome
    }

    pub(crate) fn remove_watches(&self, kind: WatchKind, path: String) -> oneshot::Receiver<Outcome> {
        let (reply, outcome) = oneshot::channel();
        self.send(Command::RemoveWatches { id: self.next_request(), kind, path, reply });
        outcome
    }

    pub(crate) fn send(&self, command: Command) {
        if let Err(mpsc::error::SendError(Command::Submit { reply, .. })) = self.commands.send(command) {
            reply.send(Err(Failure::NotSent(Cause::Closed))).ok();
        }
    }

    fn next_request(&self) -> RequestId {
        RequestId(self.ids.fetch_add(1, Ordering::Relaxed))
    }
}
