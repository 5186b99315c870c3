//! The end of a server that is told to stop: clients are answered what is in flight, and go.

use super::Worker;
use crate::message::ConnectionId;

impl Worker {
    /// The server ends. From now on nothing more is asked of it: who waits for no answer is let go at once, the others
    /// behind their last answer. So a client that goes on elsewhere knows what became of whatever was begun.
    pub fn leave(&mut self) {
        self.is_leaving = true;
        let all: Vec<ConnectionId> = self.connections.iter().map(|(id, _)| id).collect();
        all.into_iter().for_each(|id| self.let_go_if_leaving(id));
    }

    /// Whether the server ends, and every client has gone.
    pub fn has_left(&self) -> bool {
        self.is_leaving && self.connections.iter().next().is_none()
    }

    pub(super) fn let_go_if_leaving(&mut self, id: ConnectionId) {
        let is_idle = self.connections.get(id).is_some_and(|connection| connection.queue.is_empty());
        if self.is_leaving && is_idle {
            self.close(id);
        }
    }
}
