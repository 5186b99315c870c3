//! What a client needs of the world around it, besides a connection: somebody who runs its tasks, time, and names
//! that nobody else has.

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::time::Duration;

use tokio::runtime::Handle;

/// Something that runs until it is done.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The world around a client. For applications it is tokio's; whoever brings another has time and chance in its
/// hands, as a simulator does.
pub trait World: Send + Sync + 'static {
    /// Runs a task beside the caller, who may be anywhere, even outside of the runtime.
    fn spawn(&self, task: Task);

    /// Waits so long.
    fn sleep(&self, length: Duration) -> Task;

    /// A number for names that must not meet: each time another one, and nobody else's.
    fn number(&self) -> u64;
}

/// Tokio's.
pub(crate) struct Tokio(pub(crate) Handle);

impl World for Tokio {
    fn spawn(&self, task: Task) {
        self.0.spawn(task);
    }

    fn sleep(&self, length: Duration) -> Task {
        // As long as the caller says: a pause of the session's, or of a recipe after an overload.
        Box::pin(tokio::time::sleep(length))
    }

    fn number(&self) -> u64 {
        RandomState::new().hash_one(std::thread::current().id())
    }
}
