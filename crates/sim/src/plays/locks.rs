//! Plays with what only one, or only so many, can have.

use std::future::Future;

use zoorum_client::Zxid;
use zoorum_client::recipes::{Held, LeaderLatch, LeaderSelector, Lock, ReadWriteLock, Semaphore};

use super::{Claim, Mode, Played, Scene, wrong};
use crate::faults::Bug;

/// Leases of the semaphore.
const LEASES: usize = 2;

pub(super) async fn lock(scene: &Scene) -> Played {
    scene.rest(0, 300).await;
    match scene.bug {
        Some(Bug::HastyLock) => return wrong::hasty_lock(scene).await,
        Some(Bug::KeptHold) => return wrong::kept_hold(scene).await,
        _ => {}
    }
    let lock = Lock::new(&scene.client, &scene.path);
    let Some(held) = scene.patiently(lock.acquire()).await else { return Ok(()) };
    hold(scene, held?, Mode::Alone).await
}

pub(super) async fn read_write(scene: &Scene) -> Played {
    scene.rest(0, 300).await;
    let lock = ReadWriteLock::new(&scene.client, &scene.path);
    if scene.one_in(3) {
        let Some(held) = scene.patiently(lock.write()).await else { return Ok(()) };
        return hold(scene, held?, Mode::Alone).await;
    }
    let Some(held) = scene.patiently(lock.read()).await else { return Ok(()) };
    hold(scene, held?, Mode::Shared).await
}

pub(super) async fn latch(scene: &Scene) -> Played {
    scene.rest(0, 300).await;
    let candidate = LeaderLatch::new(&scene.client, &scene.path).stand("player").await?;
    let Some(leads) = scene.patiently(candidate.elected()).await else { return Ok(()) };
    let leads = leads?;
    let token = leads.fencing_token();
    if work(scene, token, Mode::Alone, leads.lost()).await && !scene.one_in(3) {
        leads.resign().await?;
        scene.claim(Claim::Gone { token });
    }
    Ok(())
}

pub(super) async fn selector(scene: &Scene) -> Played {
    scene.rest(0, 300).await;
    let selector = LeaderSelector::new(&scene.client, &scene.path, "player");
    let mut led = None;
    let lead = selector.lead(|token| {
        led = Some(token);
        scene.claim(Claim::Granted { token, mode: Mode::Alone });
        use_some(scene, token)
    });
    let done = scene.patiently(lead).await;
    if let Some(token) = led {
        scene.claim(Claim::Ended { token });
        if let Some(Ok(Some(()))) = done {
            scene.claim(Claim::Gone { token });
        }
    }
    Ok(())
}

pub(super) async fn semaphore(scene: &Scene) -> Played {
    scene.rest(0, 300).await;
    let semaphore = Semaphore::new(&scene.client, &scene.path, LEASES);
    let Some(lease) = scene.patiently(semaphore.acquire()).await else { return Ok(()) };
    let (held, lease) = (lease?, scene.next_round());
    scene.claim(Claim::Leased { lease, of: LEASES });
    scene.rest(0, 1_500).await;
    scene.claim(Claim::Returned { lease });
    if scene.one_in(3) { Ok(()) } else { held.release().await }
}

/// Works with a lock, and lets it go, one way or the other.
async fn hold(scene: &Scene, held: Held, mode: Mode) -> Played {
    let token = held.fencing_token();
    if work(scene, token, mode, held.lost()).await && !scene.one_in(3) {
        held.release().await?;
        scene.claim(Claim::Gone { token });
    }
    Ok(())
}

/// Works until it is done, or what it needs for that is lost; tells which.
async fn work(scene: &Scene, token: Zxid, mode: Mode, lost: impl Future<Output = ()>) -> bool {
    scene.claim(Claim::Granted { token, mode });
    let is_done = tokio::select! {
        biased;
        () = lost => false,
        () = use_some(scene, token) => true,
    };
    scene.claim(Claim::Ended { token });
    is_done
}

async fn use_some(scene: &Scene, token: Zxid) {
    for _ in 0..scene.world.below(5) {
        scene.rest(0, 500).await;
        if scene.client.state().is_final() {
            return;
        }
        scene.claim(Claim::Used { token, knows_better: false });
    }
}
