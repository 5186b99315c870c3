//! What the threads of a server share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, RwLock};
use zoorum_server::Gate;
use zoorum_server::message::WorkerId;
use zoorum_server::replica::Standing;
use zoorum_server::settings::Settings;
use zoorum_tree::Tree;

use crate::admission::Admission;
use crate::clock::Clock;
use crate::mail::{ReplicaBox, WorkerBox};
use crate::timings::Timings;

/// A server, as its threads see it.
pub struct Shared {
    /// What the server must do.
    pub settings: Arc<Settings>,
    /// The tree. Workers read it, each once for all that its sockets received; the replica alone changes it.
    pub tree: RwLock<Tree>,
    /// The replica's letter box.
    pub replica: ReplicaBox,
    /// Each worker's letter box.
    pub workers: Vec<WorkerBox>,
    /// For each worker, whether any of its connections watches. Changed under the tree's shared lock and
    /// read under its exclusive lock, so that no change falls between a watch and its report.
    pub watching: Vec<AtomicBool>,
    /// What the workers let in together.
    pub gate: Arc<Gate>,
    /// The core that is left to the replica, the disk and the network: whoever holds this may use it for a moment.
    pub spare_core: Mutex<()>,
    /// Where this server stands among its peers, as the replica's thread noted it last: to be known while that
    /// waits for the disk.
    pub standing: Mutex<Standing>,
    /// How many connections there are, and from where.
    pub admission: Admission,
    /// The clocks.
    pub clock: Clock,
    /// How long slow things took.
    pub timings: Timings,
}

impl Shared {
    /// A worker's letter box.
    pub fn worker(&self, id: WorkerId) -> &WorkerBox {
        &self.workers[usize::from(id.0)]
    }

    /// For each worker, whether it must be told of changes.
    pub(crate) fn watching(&self) -> Vec<bool> {
        self.watching.iter().map(|watching| watching.load(Ordering::Acquire)).collect()
    }
}
