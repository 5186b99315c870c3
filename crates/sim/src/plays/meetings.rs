//! Plays with what all see, or do together.

use std::sync::Arc;

use zoorum_client::recipes::{Barrier, CachedTree, DoubleBarrier, Group};
use zoorum_client::{CreateMode, Result, Version, World};

use super::{Claim, Played, Scene};
use crate::client::executor::Virtual;

pub(super) async fn barrier(scene: &Scene) -> Played {
    let barrier = Barrier::new(&scene.client, &scene.path);
    scene.rest(0, 300).await;
    if scene.one_in(3) {
        // It must not stand for ever, whatever happens to whoever has set it up.
        let stands = async {
            barrier.set().await?;
            scene.rest(0, 1_000).await;
            barrier.remove().await
        };
        return stands.await;
    }
    scene.claim(Claim::Waits);
    // Whoever has set it up may be gone.
    match scene.for_a_while(barrier.pass()).await {
        Some(passed) => passed?,
        None => {
            barrier.remove().await?;
            scene.patiently(barrier.pass()).await.unwrap_or(Ok(()))?;
            return Ok(());
        }
    }
    scene.claim(Claim::Passed);
    Ok(())
}

pub(super) async fn double_barrier(scene: &Scene) -> Played {
    let (round, members) = (scene.next_round(), scene.players);
    let barrier = DoubleBarrier::new(&scene.client, &format!("{}/{round}", scene.path), members);
    scene.rest(0, 300).await;
    if scene.is_healed() {
        return Ok(());
    }
    scene.claim(Claim::Comes { round });
    // Others may have given this round up: there is no end to waiting for them.
    let Some(entered) = scene.for_a_while(barrier.enter()).await else {
        scene.claim(Claim::Leaves { round });
        return Ok(());
    };
    entered?;
    scene.claim(Claim::Inside { round, members });
    scene.rest(0, 500).await;
    scene.claim(Claim::Leaves { round });
    barrier.leave().await?;
    scene.claim(Claim::Left { round });
    Ok(())
}

pub(super) async fn group(scene: &Scene) -> Played {
    scene.rest(0, 300).await;
    let group = Group::new(&scene.client, &scene.path);
    let name = format!("player-{}", scene.player);
    let Some(member) = scene.patiently(group.join(&name, &name)).await else { return Ok(()) };
    let member = member?;
    scene.claim(Claim::Joined { name: name.clone() });
    scene.rest(0, 500).await;
    let seen = group.members().await;
    scene.claim(Claim::Quit { name });
    drop(seen?);
    if scene.one_in(3) { Ok(()) } else { member.leave().await }
}

/// Follows a tree, and tells what it sees; as long as what is returned is there.
pub(super) async fn watch(scene: &Scene) -> Result<tokio::sync::oneshot::Sender<()>> {
    let mut tree = CachedTree::new(&scene.client, &scene.path).await?;
    let (watched, mut unwatched) = tokio::sync::oneshot::channel();
    let scene = scene.clone();
    let world = Virtual(Arc::clone(&scene.world));
    world.spawn(Box::pin(async move {
        loop {
            let stats = tree.paths().into_iter().filter_map(|path| {
                let stat = tree.get(&path)?.stat;
                Some((path, (stat.czxid, stat.mzxid)))
            });
            let nodes = stats.collect();
            scene.claim(Claim::Sees { nodes });
            tokio::select! {
                biased;
                _ = &mut unwatched => return,
                is_on = tree.changed() => if !is_on { return },
            }
        }
    }));
    Ok(watched)
}

/// Changes something in the tree that is followed.
pub(super) async fn scribble(scene: &Scene) -> Played {
    scene.rest(0, 200).await;
    let path = match scene.world.below(6) {
        0 => scene.path.clone(),
        number => format!("{}/{}", scene.path, number % 3),
    };
    let path = if scene.one_in(3) { format!("{path}/x") } else { path };
    // Whether it can be done does not matter.
    match scene.world.below(4) {
        0 | 1 => drop(scene.client.create(&path, b"", CreateMode::Persistent).await),
        2 => drop(scene.client.set(&path, b"x", Version::ANY).await),
        _ => drop(scene.client.delete(&path, Version::ANY).await),
    }
    Ok(())
}
