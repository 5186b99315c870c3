//! What coordinating processes need, made of znodes as Curator makes them, so that both can take part.
//!
//! | recipe | znodes | with Curator's |
//! |---|---|---|
//! | [`Lock`], [`LeaderSelector`] | `_c_<uuid>-lock-<number>` | `InterProcessMutex`, `LeaderSelector` |
//! | [`ReadWriteLock`] | `_c_<uuid>-__READ__<number>`, `…__WRIT__…` | `InterProcessReadWriteLock` |
//! | [`Semaphore`] | `locks/…`, `leases/_c_<uuid>-lease-<number>` | `InterProcessSemaphoreV2` |
//! | [`LeaderLatch`] | `_c_<uuid>-latch-<number>` | `LeaderLatch` |
//! | [`Barrier`] | the znode itself | `DistributedBarrier` |
//! | [`DoubleBarrier`] | one per member, and `ready` | `DistributedDoubleBarrier` |
//! | [`Queue`] | `qn-<number>` | `SimpleDistributedQueue` |
//! | [`PriorityQueue`] | `queue-<priority><number>` | `DistributedPriorityQueue` |
//! | [`Counter`] | the znode itself, 8 bytes | `DistributedAtomicLong` |
//! | [`Group`] | one per member | `GroupMember` |
//! | [`CachedNode`], [`CachedTree`] | whatever there is | `CuratorCache` |
//!
//! **Lost connections.** Recipes wait until there is a connection again, as long as the session lives; whoever
//! does not want to wait so long gives them a timeout, for every future here may be dropped at any time: what it
//! had created so as to wait is deleted, and an element that it was taking goes back behind the others. A change that is on
//! its way may still be made: an element offered, a number added, a barrier set or taken down. Where a request may have been carried out and the recipe cannot find out, it returns
//! the ambiguous error, and says so.
//!
//! **Ended sessions.** What was held is lost, and everything returns the final error. A holder that cannot reach a
//! server does not know whether its session has ended: use the fencing token with whatever the lock protects.

mod barrier;
mod cache;
mod counter;
mod double_barrier;
mod group;
mod leader;
mod line;
mod lock;
mod priority_queue;
mod protected;
mod queue;
mod read_write;
mod semaphore;

use std::future::Future;
use std::time::Duration;

use zoorum_proto::{CreateMode, ErrorCode, Version, Zxid};

use crate::client::Client;
use crate::error::{Error, Result};

pub use barrier::Barrier;
pub use cache::{CachedNode, CachedTree};
pub use counter::{Added, Counter};
pub use double_barrier::DoubleBarrier;
pub use group::{Group, Membership};
pub use leader::{Candidate, LeaderLatch, LeaderSelector, Leadership};
pub use lock::{Held, Lock};
pub use priority_queue::PriorityQueue;
pub use queue::Queue;
pub use read_write::ReadWriteLock;
pub use semaphore::{Lease, Semaphore};

/// A pause when a server says that it is overloaded, which it tells by nothing that could be awaited. Asking again
/// ends with the session, or with the caller's patience: every recipe's future may be dropped.
const OVERLOAD_PAUSE: Duration = Duration::from_millis(100);

/// Asks until there is an answer, as long as the session lives: for what may be done twice without harm.
async fn persist<T, Asked>(client: &Client, ask: impl Fn() -> Asked) -> Result<T>
where
    Asked: Future<Output = Result<T>>,
{
    loop {
        match ask().await {
            Err(error) if error.is_transient() => recover(client, &error).await,
            outcome => return outcome,
        }
    }
}

/// The same for what must not be done twice: whether it was done already must be certain.
async fn attempt<T, Asked>(client: &Client, ask: impl Fn() -> Asked) -> Result<T>
where
    Asked: Future<Output = Result<T>>,
{
    loop {
        match ask().await {
            Err(error) if error.is_transient() && !error.is_ambiguous() => recover(client, &error).await,
            outcome => return outcome,
        }
    }
}

/// Waits until it makes sense to ask again.
async fn recover(client: &Client, error: &Error) {
    if error.is(ErrorCode::ThrottledOp) || client.state().is_connected() {
        client.world.sleep(OVERLOAD_PAUSE).await;
    }
    client.connected().await;
}

/// Makes what is missing of a path, as containers: the servers remove them once they are empty again, which one above may
/// have been just before another is made in it. Then this begins anew.
async fn ensure(client: &Client, path: &str) -> Result<()> {
    while let Err(error) = ensure_once(client, path).await {
        let root = path.match_indices('/').nth(1).map_or(path, |(at, _)| &path[..at]);
        // Where not even the first can be made, there is no place for it: a chroot that does not exist.
        if !error.is(ErrorCode::NoNode) || error.path == root {
            return Err(error);
        }
    }
    Ok(())
}

async fn ensure_once(client: &Client, path: &str) -> Result<()> {
    let ends = path.match_indices('/').map(|(at, _)| at).skip(1).chain([path.len()]);
    for end in ends.filter(|&end| end > 1) {
        let part = &path[..end];
        if persist(client, || client.exists(part)).await?.is_some() {
            continue;
        }
        match persist(client, || client.create(part, b"", CreateMode::Container)).await {
            Err(error) if !error.is(ErrorCode::NodeExists) => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Deletes the znode that this change created. Another one of the same name, be it made between two attempts, stays.
async fn remove_own(client: &Client, path: &str, czxid: Zxid) -> Result<()> {
    loop {
        let found = persist(client, || client.exists(path)).await?;
        if found.is_none_or(|stat| stat.czxid != czxid) {
            return Ok(());
        }
        match client.delete(path, Version::ANY).await {
            Err(error) if error.is_transient() => {
                recover(client, &error).await;
                // Another server may not have heard yet what became of it.
                persist(client, || client.sync(path)).await?;
            }
            Err(error) if !error.is(ErrorCode::NoNode) => return Err(error),
            _ => return Ok(()),
        }
    }
}

/// Deletes a znode, whether it is there or not.
async fn remove(client: &Client, path: &str) -> Result<()> {
    match persist(client, || client.delete(path, Version::ANY)).await {
        Err(error) if !error.is(ErrorCode::NoNode) => Err(error),
        _ => Ok(()),
    }
}

/// A name that nobody else has, in the form of a random UUID.
fn unique_name(client: &Client) -> String {
    uuid(client.world.number(), client.world.number())
}

/// Random bits in that form.
fn uuid(high: u64, low: u64) -> String {
    let (version, variant) = (0x4000 | (high & 0xfff), 0x8000 | ((low >> 48) & 0x3fff));
    format!(
        "{:08x}-{:04x}-{version:04x}-{variant:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        low & 0xffff_ffff_ffff
    )
}

/// The path above another.
fn parent(path: &str) -> &str {
    match path.rfind('/') {
        Some(at) if at > 0 => &path[..at],
        _ => "/",
    }
}

/// A path below another.
fn below(parent: &str, name: &str) -> String {
    match parent {
        "/" => format!("/{name}"),
        parent => format!("{parent}/{name}"),
    }
}

/// The number that a server put at the end of a sequential name: ten characters, the first of them a minus sign
/// once the counter has overflowed. Servers give no number that takes eleven.
fn number(name: &str) -> Option<i32> {
    let digits = name.get(name.len().checked_sub(10)?..)?;
    let is_number = digits.strip_prefix('-').unwrap_or(digits).bytes().all(|byte| byte.is_ascii_digit());
    // The sign may as well be the name's own last character, as in `lock-0000000007`, where it comes before.
    is_number.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequential_names_end_in_a_number() {
        let rows = [
            ("_c_0c4d-lock-0000000007", Some(7)),
            ("abc__lock__2147483647", Some(i32::MAX)),
            ("lock--000000005", Some(-5)),
            ("lock-000007", None),
            ("ready", None),
            ("0000000001", Some(1)),
            ("éééééé", None),
        ];
        for (name, expected) in rows {
            assert_eq!(number(name), expected, "{name}");
        }
    }

    #[test]
    fn unique_names_are_uuids() {
        let rows = [
            (0, 0, "00000000-0000-4000-8000-000000000000"),
            (u64::MAX, u64::MAX, "ffffffff-ffff-4fff-bfff-ffffffffffff"),
            (0x0123_4567_89ab_cdef, 0x0123_4567_89ab_cdef, "01234567-89ab-4def-8123-456789abcdef"),
        ];
        for (high, low, expected) in rows {
            assert_eq!(uuid(high, low), expected);
        }
    }
}
