//! Who stands in for the replica's thread while that waits for a slow disk.
//!
//! A follower that says nothing for as long as one sync takes would let the sessions of its clients expire: the leader
//! hears of them through their follower alone. The deputy takes what workers have to say in the meantime, passes it on,
//! and gives signs of life. What peers say waits: much of it would need the log.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use zoorum_storage::Disk;
use zoorum_zab::Part;

use crate::member::ServeError;
use crate::replica::ReplicaThread;

/// Starts the deputy of a replica's thread, which leaves its desk, unlocked, only while it waits for the disk. It gives a
/// sign of life twice as often as the leader asks for one: four times a tick.
pub(crate) fn spawn<D: Disk>(desk: &Arc<Mutex<ReplicaThread<D>>>, tick: Duration) -> io::Result<()> {
    let desk = Arc::downgrade(desk);
    let interval = tick / 4;
    let look = move || {
        loop {
            // A quarter of a tick, whatever happens: that a sync has come to take long is told by time alone. It ends with
            // the replica's thread, whose desk is gone then.
            thread::sleep(interval);
            let Some(desk) = desk.upgrade() else { return };
            if let Some(mut thread) = desk.try_lock() {
                thread.stand_in(interval);
            }
        }
    };
    thread::Builder::new().name("deputy".to_owned()).spawn(look).map(drop)
}

impl<D: Disk> ReplicaThread<D> {
    /// If the thread has waited for its disk so long: does in its place what needs none.
    fn stand_in(&mut self, patience: Duration) {
        let now = self.shared.clock.now().monotonic;
        let has_waited = self.waits_since.is_some_and(|since| now.since(since) >= patience);
        let follows = matches!(self.replica.part(), Some(Part::Following(..) | Part::Observing(..)));
        if has_waited && follows && self.trouble.is_none() {
            self.trouble = self.give_sign().err();
        }
    }

    fn give_sign(&mut self) -> Result<(), ServeError> {
        let mut mail = Vec::new();
        self.shared.replica.take(&mut mail, Duration::ZERO);
        self.hand_over(&mut mail);
        self.replica.give_sign(&self.shared.tree.read(), self.shared.clock.now());
        self.perform()?;
        self.flush_to_peers();
        Ok(())
    }
}
