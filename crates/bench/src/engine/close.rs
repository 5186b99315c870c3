//! The end of every session, as a work like any other.

use anyhow::ensure;

use super::{Next, Reply, Work};
use crate::latency::Latencies;
use crate::wire::{close_session, set_xid};

/// Closes the session of every connection.
pub(super) struct Close {
    closed: Vec<bool>,
    left: usize,
    /// From each request to its reply.
    pub(super) latencies: Latencies,
}

impl Close {
    /// For an engine with so many connections, of which so many stand.
    pub(super) fn new(connections: usize, open: usize) -> Self {
        Self { closed: vec![false; connections], left: open, latencies: Latencies::new() }
    }
}

impl Work for Close {
    fn next(&mut self, connection: usize, now: u64, xid: i32, out: &mut Vec<u8>) -> Next {
        if std::mem::replace(&mut self.closed[connection], true) {
            return Next::Nothing;
        }
        self.left = self.left.saturating_sub(1); // one may have come to stand since
        let mut frame = close_session();
        set_xid(&mut frame, xid);
        out.extend_from_slice(&frame);
        Next::Request { tag: 0, at: now }
    }

    fn on_reply(&mut self, reply: Reply) -> anyhow::Result<()> {
        ensure!(reply.error == 0, "closing a session failed with error {}", reply.error);
        self.latencies.record(reply.now - reply.at);
        Ok(())
    }

    fn is_done(&self, _: u64) -> bool {
        self.left == 0
    }
}
