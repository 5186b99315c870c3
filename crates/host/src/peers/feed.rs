//! A snapshot on its way from the thread that makes it to the link that it is sent on.
//!
//! ```text
//! snapshot thread ─ SnapshotFeed ▶ at most 4 MiB ▶ FeedEnd ─ the link's output, at the snapshot's place
//! ```
//!
//! The thread waits while the link has enough, so a snapshot of any size takes little memory however slowly the
//! learner reads; and it is told when the link is gone.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};

use super::bell::Bell;

/// Bytes in the feed above which the thread that makes them waits.
pub(super) const FEED_LIMIT: usize = 4 << 20;

/// The link is gone: nobody reads the snapshot any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection that the snapshot was sent on is gone")]
pub struct FeedClosed;

/// Where the thread that makes a snapshot puts it. A feed that is dropped unfinished takes the link with it, for
/// the learner must not take half a snapshot for a whole one.
pub struct SnapshotFeed {
    pipe: Arc<Pipe>,
}

impl SnapshotFeed {
    /// Sends the next bytes, as soon as the link has room for them.
    pub fn send(&self, chunk: Bytes) -> Result<(), FeedClosed> {
        let mut state = self.pipe.state.lock();
        while state.queued > FEED_LIMIT && !state.closed {
            self.pipe.room.wait(&mut state);
        }
        if state.closed {
            return Err(FeedClosed);
        }
        state.queued += chunk.len();
        state.chunks.push_back(chunk);
        self.pipe.ring(&mut state);
        Ok(())
    }

    /// This was all.
    pub fn finish(self) {
        self.pipe.state.lock().end = Some(End::Whole);
    }
}

impl Drop for SnapshotFeed {
    fn drop(&mut self) {
        let mut state = self.pipe.state.lock();
        state.end.get_or_insert(End::BrokenOff);
        self.pipe.ring(&mut state);
    }
}

/// What the link finds in the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fed {
    /// Bytes; if there are none yet, the bell rings when there are.
    Bytes,
    /// Nothing more.
    Whole,
    /// Nothing more, though it is not all.
    BrokenOff,
}

/// The link's end of the feed. Dropped with the link.
pub(super) struct FeedEnd {
    pipe: Arc<Pipe>,
}

impl FeedEnd {
    /// Takes bytes, in order, until there are enough.
    pub(super) fn take(&self, enough: usize, into: &mut Vec<Bytes>) -> Fed {
        let mut state = self.pipe.state.lock();
        let mut taken = 0;
        while taken < enough
            && let Some(chunk) = state.chunks.pop_front()
        {
            taken += chunk.len();
            into.push(chunk);
        }
        if taken > 0 {
            state.queued -= taken;
            self.pipe.room.notify_one();
            return Fed::Bytes;
        }
        match state.end {
            None => {
                state.is_awaited = true;
                Fed::Bytes
            }
            Some(End::Whole) => Fed::Whole,
            Some(End::BrokenOff) => Fed::BrokenOff,
        }
    }
}

impl Drop for FeedEnd {
    fn drop(&mut self) {
        self.pipe.state.lock().closed = true;
        self.pipe.room.notify_one();
    }
}

/// Both ends of a new feed.
pub(super) fn feed(bell: Arc<Bell>) -> (SnapshotFeed, FeedEnd) {
    let pipe = Arc::new(Pipe { state: Mutex::default(), room: Condvar::new(), bell });
    (SnapshotFeed { pipe: Arc::clone(&pipe) }, FeedEnd { pipe })
}

struct Pipe {
    state: Mutex<State>,
    room: Condvar,
    bell: Arc<Bell>,
}

#[derive(Default)]
struct State {
    chunks: VecDeque<Bytes>,
    /// Their bytes.
    queued: usize,
    end: Option<End>,
    /// The link is gone.
    closed: bool,
    /// The link has looked in vain.
    is_awaited: bool,
}

#[derive(Clone, Copy)]
enum End {
    Whole,
    BrokenOff,
}

impl Pipe {
    fn ring(&self, state: &mut State) {
        if std::mem::take(&mut state.is_awaited) {
            self.bell.ring();
        }
    }
}
