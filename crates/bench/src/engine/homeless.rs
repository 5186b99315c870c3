//! Connections whose server broke off, and their way to the next one.

use std::collections::VecDeque;

use super::Engine;

/// Pause before a connection is made anew, in nanoseconds: a server that refuses is not to be flooded.
const PAUSE: u64 = 10_000_000;

/// Connections without a server, in the order in which they try the next.
#[derive(Default)]
pub(super) struct Homeless(VecDeque<(u64, usize)>);

impl Homeless {
    /// When the first of them tries.
    pub(super) fn due(&self) -> Option<u64> {
        self.0.front().map(|&(due, _)| due)
    }

    fn take_due(&mut self, now: u64) -> Option<usize> {
        let is_due = self.due().is_some_and(|due| due <= now);
        if is_due { self.0.pop_front().map(|(_, index)| index) } else { None }
    }
}

impl Engine {
    /// A connection's server broke off: what was under way is lost, and it tries the next server.
    pub(super) fn leave_home(&mut self, index: usize) {
        let due = self.now() + PAUSE;
        let connection = &mut self.connections[index];
        self.lost += connection.in_flight() as u64;
        self.in_flight_total -= connection.in_flight();
        connection.close();
        let _ = self.poll.registry().deregister(&mut connection.stream);
        self.homes[index] = (self.homes[index] + 1) % self.addresses.len();
        if let Some(Homeless(waiting)) = self.homeless.as_mut().filter(|_| !self.is_closing) {
            waiting.push_back((due, index));
        }
    }

    /// Lets those try that have waited.
    pub(super) fn house_the_homeless(&mut self, now: u64) -> anyhow::Result<()> {
        while let Some(index) = self.homeless.as_mut().and_then(|homeless| homeless.take_due(now)) {
            self.connections[index] = self.connect(index)?;
        }
        Ok(())
    }
}
