//! Plays with what must not be lost, and not be had twice.

use bytes::Bytes;
use zoorum_client::Result;
use zoorum_client::recipes::{Counter, PriorityQueue, Queue};

use super::{Claim, Played, Scene, wrong};
use crate::faults::Bug;

pub(super) async fn queue(scene: &Scene) -> Played {
    scene.rest(0, 200).await;
    let queue = Queue::new(&scene.client, &scene.path);
    if scene.one_in(2) {
        let element = element(scene);
        return offered(scene, &element, scene.patiently(queue.offer(&element)).await);
    }
    match scene.world.below(3) {
        _ if scene.bug == Some(Bug::RepeatedTake) => taken(scene, Some(wrong::repeated_take(scene).await)),
        0 => taken(scene, scene.for_a_while(queue.take()).await.map(|element| element.map(Some))),
        1 => queue.peek().await.map(drop),
        _ => taken(scene, Some(queue.poll().await)),
    }
}

pub(super) async fn priority(scene: &Scene) -> Played {
    scene.rest(0, 200).await;
    let queue = PriorityQueue::new(&scene.client, &scene.path);
    if scene.one_in(2) {
        let (element, priority) = (element(scene), scene.world.below(3) as i32 - 1);
        return offered(scene, &element, scene.patiently(queue.offer(priority, &element)).await);
    }
    if scene.one_in(2) {
        return taken(scene, scene.for_a_while(queue.take()).await.map(|element| element.map(Some)));
    }
    taken(scene, Some(queue.poll().await))
}

/// What nobody else offers.
fn element(scene: &Scene) -> String {
    format!("<{}-{}>", scene.player, scene.next_round())
}

fn offered(scene: &Scene, element: &str, outcome: Option<Result<()>>) -> Played {
    let element = element.to_owned();
    match outcome {
        Some(Ok(())) => scene.claim(Claim::Offered { element }),
        Some(Err(error)) if !error.is_ambiguous() => return Err(error),
        None | Some(Err(_)) => scene.claim(Claim::MaybeOffered { element }),
    }
    Ok(())
}

fn taken(scene: &Scene, outcome: Option<Result<Option<Bytes>>>) -> Played {
    match outcome {
        Some(Ok(Some(element))) => {
            let element = String::from_utf8_lossy(&element).into_owned();
            scene.claim(Claim::Taken { element });
        }
        Some(Ok(None)) => {}
        Some(Err(error)) if !error.is_ambiguous() => return Err(error),
        // Whoever gives up may just have taken something.
        None | Some(Err(_)) => scene.claim(Claim::MaybeTaken),
    }
    Ok(())
}

pub(super) async fn counter(scene: &Scene) -> Played {
    scene.rest(0, 200).await;
    if scene.bug == Some(Bug::BlindCounter) {
        return wrong::blind_counter(scene).await;
    }
    let counter = Counter::new(&scene.client, &scene.path);
    match scene.patiently(counter.add(1)).await {
        Some(Ok(added)) => scene.claim(Claim::Added { before: added.before, after: added.after }),
        Some(Err(error)) if !error.is_ambiguous() => return Err(error),
        None | Some(Err(_)) => scene.claim(Claim::MaybeAdded),
    }
    Ok(())
}
