//! Recipes with errors that people make, planted to be found by the judge.

use bytes::Bytes;
use zoorum_client::recipes::Lock;
use zoorum_client::{CreateMode, ErrorCode, Result, Version};

use super::{Claim, Mode, Played, Scene};

/// A lock that waits for the one before it, and does not look again whether that one had it.
pub(super) async fn hasty_lock(scene: &Scene) -> Played {
    let client = &scene.client;
    for path in [super::STAGE, &scene.path] {
        client.create(path, b"", CreateMode::Persistent).await.ok();
    }
    let path = format!("{}/lock-", scene.path);
    let created = client.create(&path, b"", CreateMode::EphemeralSequential).await?;
    let token = created.stat.czxid;
    let wait = async {
        let mut line = client.children(&scene.path).await?.names;
        line.sort();
        let mine = line.iter().position(|name| created.path.ends_with(name.as_str())).unwrap_or(0);
        if let Some(before) = mine.checked_sub(1) {
            let (stat, watch) = client.exists_and_watch(&format!("{}/{}", scene.path, line[before])).await?;
            if stat.is_some() {
                watch.await.ok();
            }
        }
        Result::Ok(())
    };
    if let Some(waited) = scene.patiently(wait).await {
        waited?;
        scene.claim(Claim::Granted { token, mode: Mode::Alone });
        scene.rest(0, 1_500).await;
        scene.claim(Claim::Ended { token });
    }
    client.delete(&created.path, Version::ANY).await
}

/// A holder that goes on when its session is over.
pub(super) async fn kept_hold(scene: &Scene) -> Played {
    let held = Lock::new(&scene.client, &scene.path).acquire().await?;
    let token = held.fencing_token();
    scene.claim(Claim::Granted { token, mode: Mode::Alone });
    for _ in 0..8 {
        scene.rest(0, 1_000).await;
        let knows_better = scene.client.state().is_final();
        scene.claim(Claim::Used { token, knows_better });
    }
    scene.claim(Claim::Ended { token });
    held.release().await
}

/// Takes an element by deleting it, however often it takes: whoever finds it deleted believes to have done that.
pub(super) async fn repeated_take(scene: &Scene) -> Result<Option<Bytes>> {
    let client = &scene.client;
    let names = match client.children(&scene.path).await {
        Err(error) if error.is(ErrorCode::NoNode) => return Ok(None),
        children => children?.names,
    };
    let Some(first) = names.into_iter().filter(|name| name.starts_with("qn-")).min() else { return Ok(None) };
    let path = format!("{}/{first}", scene.path);
    let node = match client.get(&path).await {
        Err(error) if error.is(ErrorCode::NoNode) => return Ok(None),
        node => node?,
    };
    match client.delete(&path, Version::ANY).await {
        Err(error) if !error.is(ErrorCode::NoNode) => Err(error),
        _ => Ok(Some(node.data)),
    }
}

/// Adds to a number without looking whether it is still the same.
pub(super) async fn blind_counter(scene: &Scene) -> Played {
    let client = &scene.client;
    client.create(super::STAGE, b"", CreateMode::Persistent).await.ok();
    client.create(&scene.path, 0_i64.to_be_bytes(), CreateMode::Persistent).await.ok();
    let data = client.get(&scene.path).await?.data;
    let before = data.as_ref().try_into().map_or(0, i64::from_be_bytes);
    match client.set(&scene.path, (before + 1).to_be_bytes(), Version::ANY).await {
        Ok(_) => scene.claim(Claim::Added { before, after: before + 1 }),
        Err(error) if error.is_ambiguous() => scene.claim(Claim::MaybeAdded),
        Err(error) => return Err(error),
    }
    Ok(())
}
