//! The receiver's thread: what the leader sends of its tree becomes a tree and a file, beside the replica's thread.
//!
//! ```text
//! replica ─ Bytes ─▶ at most 4 MiB ─▶ receiver: tree and file ─ the bell ─▶ replica: the outcome,
//!                                                               and the bytes behind the tree
//! ```
//!
//! Where the tree ends, only the receiver knows; what the replica passed on behind that, it takes back.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::{Bytes, BytesMut};
use parking_lot::{Condvar, Mutex};
use zoorum_proto::Zxid;
use zoorum_storage::snapshot::{ReceiveError, Received, Receiving};
use zoorum_storage::{Disk, Staged};
use zoorum_tree::Tree;

use crate::bulk;

/// Bytes on their way to the receiver above which the replica waits: the leader then waits, too.
const LIMIT: usize = 4 << 20;

/// What became of it: the tree, and its file on the way to replace what there is.
type Outcome<D> = Result<(Tree, Staged<D>), ReceiveError>;

/// A tree being received. Dropped, it leaves nothing behind.
pub(crate) struct Receiver<D: Disk> {
    /// The tree that the leader announced.
    pub(crate) zxid: Zxid,
    pipe: Arc<Pipe<D>>,
    thread: Option<JoinHandle<()>>,
}

struct Pipe<D: Disk> {
    state: Mutex<State<D>>,
    /// There are chunks, or nobody wants the tree any more.
    news: Condvar,
    /// There is room for chunks, or no need of them any more.
    room: Condvar,
}

struct State<D: Disk> {
    chunks: VecDeque<Bytes>,
    /// Their bytes.
    queued: usize,
    is_wanted: bool,
    outcome: Option<Outcome<D>>,
}

impl<D: Disk> Receiver<D> {
    /// Starts the thread, which calls `tell` when there is an outcome.
    pub(crate) fn start(
        zxid: Zxid,
        receiving: Receiving<D>,
        tell: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        let state = State { chunks: VecDeque::new(), queued: 0, is_wanted: true, outcome: None };
        let pipe = Arc::new(Pipe { state: Mutex::new(state), news: Condvar::new(), room: Condvar::new() });
        let its_end = Arc::clone(&pipe);
        let thread = bulk::spawn("receiver", move || {
            its_end.run(receiving);
            tell();
        })?;
        Ok(Self { zxid, pipe, thread: Some(thread) })
    }

    /// Passes on what has come, as soon as there is room.
    pub(crate) fn feed(&self, chunk: Bytes) {
        let mut state = self.pipe.state.lock();
        while state.queued > LIMIT && state.outcome.is_none() {
            self.pipe.room.wait(&mut state);
        }
        state.queued += chunk.len();
        state.chunks.push_back(chunk);
        self.pipe.news.notify_one();
    }

    /// The outcome, once there is one, and what was passed on and does not belong to the tree.
    pub(crate) fn outcome(&self) -> Option<(Outcome<D>, Bytes)> {
        let mut state = self.pipe.state.lock();
        let outcome = state.outcome.take()?;
        let mut rest = BytesMut::with_capacity(state.queued);
        state.chunks.drain(..).for_each(|chunk| rest.extend_from_slice(&chunk));
        Some((outcome, rest.freeze()))
    }
}

impl<D: Disk> Drop for Receiver<D> {
    fn drop(&mut self) {
        self.pipe.state.lock().is_wanted = false;
        self.pipe.news.notify_one();
        // The file that it writes has the name of the next one: it must be gone before that is begun.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl<D: Disk> Pipe<D> {
    fn run(&self, mut receiving: Receiving<D>) {
        while let Some(chunk) = self.next_chunk() {
            let (outcome, rest) = match receiving.feed(&chunk) {
                Ok(Received::Part) => continue,
                Ok(Received::Whole { rest }) => (receiving.finish(), rest),
                Err(error) => (Err(error), 0),
            };
            return self.end(outcome, chunk.slice(chunk.len() - rest..));
        }
    }

    /// `None` if the tree is not wanted any more.
    fn next_chunk(&self) -> Option<Bytes> {
        let mut state = self.state.lock();
        while state.is_wanted && state.chunks.is_empty() {
            self.news.wait(&mut state);
        }
        let chunk = state.chunks.pop_front().filter(|_| state.is_wanted)?;
        state.queued -= chunk.len();
        self.room.notify_one();
        Some(chunk)
    }

    fn end(&self, outcome: Outcome<D>, rest: Bytes) {
        let mut state = self.state.lock();
        state.queued += rest.len();
        state.chunks.push_front(rest);
        state.outcome = Some(outcome);
        self.room.notify_one();
    }
}

#[cfg(test)]
mod tests;
