//! Plays: what processes do with the recipes of the library, and what each of them takes for true.
//!
//! A player says what it believes, as [`Claim`]s: that it has a lock, that an element was taken. The judge
//! ([`crate::check::recipes`]) holds them against the model's history, which no player knows.

mod locks;
mod meetings;
mod queues;
mod wrong;

use std::collections::BTreeMap;
use std::future::{Future, pending};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use zoorum_client::{Client, Result, SessionId, World, Zxid};

use crate::client::executor::{Shared, Virtual};
use crate::faults::Bug;

/// Below this, nobody but players does anything.
pub(crate) const STAGE: &str = "/play";

/// Which recipe is played with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Play {
    /// `Lock`.
    Lock,
    /// `ReadWriteLock`.
    ReadWrite,
    /// `Semaphore`.
    Semaphore,
    /// `LeaderLatch`.
    Latch,
    /// `LeaderSelector`.
    Selector,
    /// `Queue`.
    Queue,
    /// `PriorityQueue`.
    Priority,
    /// `Counter`.
    Counter,
    /// `Barrier`.
    Barrier,
    /// `DoubleBarrier`.
    DoubleBarrier,
    /// `Group`.
    Group,
    /// `CachedTree`.
    Cache,
}

impl Play {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Lock,
        Self::ReadWrite,
        Self::Semaphore,
        Self::Latch,
        Self::Selector,
        Self::Queue,
        Self::Priority,
        Self::Counter,
        Self::Barrier,
        Self::DoubleBarrier,
        Self::Group,
        Self::Cache,
    ];

    /// The znode that all of it is at or below.
    pub(crate) fn path(self) -> String {
        format!("{STAGE}/{}", format!("{self:?}").to_lowercase())
    }
}

/// What somebody has who has something alone, or together with some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Nobody else has it.
    Alone,
    /// Only others who share have it.
    Shared,
}

/// What a player takes for true.
#[derive(Clone, Debug)]
pub(crate) enum Claim {
    /// It has the lock, or the lead, and this is its token.
    Granted { token: Zxid, mode: Mode },
    /// It does what only the holder may; whether it has been told already that its session is over.
    Used { token: Zxid, knows_better: bool },
    /// It does not have it any more.
    Ended { token: Zxid },
    /// And everybody knows.
    Gone { token: Zxid },
    /// It has one of so many leases.
    Leased { lease: u64, of: usize },
    /// It does not have it any more.
    Returned { lease: u64 },
    /// The element is in the queue.
    Offered { element: String },
    /// The element may be in the queue.
    MaybeOffered { element: String },
    /// The element was in the queue, and nobody else gets it.
    Taken { element: String },
    /// An element may be gone from the queue.
    MaybeTaken,
    /// One was added.
    Added { before: i64, after: i64 },
    /// One may have been added.
    MaybeAdded,
    /// It waits for the barrier to be gone.
    Waits,
    /// The barrier is gone, or was since.
    Passed,
    /// It comes to the double barrier.
    Comes { round: u64 },
    /// It is inside, as so many others are.
    Inside { round: u64, members: usize },
    /// It wants to leave.
    Leaves { round: u64 },
    /// All want to leave, or are gone.
    Left { round: u64 },
    /// It is in the group, under this name.
    Joined { name: String },
    /// It is in the group no more.
    Quit { name: String },
    /// It sees these znodes, each with the changes that created it and that set its data.
    Sees { nodes: BTreeMap<String, (Zxid, Zxid)> },
}

/// What a player tells of itself, and is told.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// Claims, each with the session in which it was made.
    pub(crate) claims: Mutex<Vec<(SessionId, Claim)>>,
    /// Nothing goes wrong any more: what is begun is to be ended, and nothing else begun.
    pub(crate) is_healed: AtomicBool,
    /// Nothing is under way.
    pub(crate) is_done: AtomicBool,
    rounds: AtomicU64,
}

/// Where a player plays: its session, its world, its script.
#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) client: Client,
    pub(crate) world: Arc<Shared>,
    pub(crate) script: Arc<Script>,
    pub(crate) player: usize,
    pub(crate) players: usize,
    pub(crate) bug: Option<Bug>,
    pub(crate) path: String,
}

/// Plays until nothing goes wrong any more, or the session is over; then only keeps the session.
pub(crate) async fn perform(scene: Scene, play: Play) {
    scene.script.is_done.store(false, Ordering::Relaxed);
    let mut watched = None;
    if play == Play::Cache {
        watched = meetings::watch(&scene).await.ok();
    }
    while !scene.is_healed() {
        let played = match play {
            Play::Lock => locks::lock(&scene).await,
            Play::ReadWrite => locks::read_write(&scene).await,
            Play::Semaphore => locks::semaphore(&scene).await,
            Play::Latch => locks::latch(&scene).await,
            Play::Selector => locks::selector(&scene).await,
            Play::Queue => queues::queue(&scene).await,
            Play::Priority => queues::priority(&scene).await,
            Play::Counter => queues::counter(&scene).await,
            Play::Barrier => meetings::barrier(&scene).await,
            Play::DoubleBarrier => meetings::double_barrier(&scene).await,
            Play::Group => meetings::group(&scene).await,
            Play::Cache => meetings::scribble(&scene).await,
        };
        if scene.client.state().is_final() {
            return;
        }
        if played.is_err() {
            scene.rest(1, 100).await;
        }
    }
    scene.script.is_done.store(true, Ordering::Relaxed);
    scene.client.ended().await;
    drop(watched);
}

impl Scene {
    fn claim(&self, claim: Claim) {
        self.script.claims.lock().expect("no holder panics").push((self.client.session(), claim));
    }

    fn is_healed(&self) -> bool {
        self.script.is_healed.load(Ordering::Relaxed)
    }

    fn one_in(&self, times: usize) -> bool {
        self.world.below(times) == 0
    }

    /// Does nothing for so many milliseconds.
    async fn rest(&self, low: u64, high: u64) {
        let length = self.world.millis(low, high);
        Virtual(Arc::clone(&self.world)).sleep(length).await;
    }

    /// Waits for something, or gives up after a while, unless nothing goes wrong any more.
    async fn patiently<T>(&self, what: impl Future<Output = T>) -> Option<T> {
        let patience = async {
            self.rest(50, 6_000).await;
            if self.is_healed() {
                pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            done = what => Some(done),
            () = patience => None,
        }
    }

    /// Waits for something that may never come, for a while.
    async fn for_a_while<T>(&self, what: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = what => Some(done),
            () = self.rest(500, 6_000) => None,
        }
    }

    /// A number that this player has not had yet.
    fn next_round(&self) -> u64 {
        self.script.rounds.fetch_add(1, Ordering::Relaxed)
    }
}

/// What became of something that can fail.
type Played = Result<()>;
