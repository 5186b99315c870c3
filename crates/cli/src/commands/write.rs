//! What changes znodes.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::json;
use zoorum_client::{Client, Create, CreateMode, Error, ErrorCode, Multi, Version};

use crate::fault::{self, Fault};
use crate::options::Parsed;
use crate::shell::Shell;
use crate::walk::Walk;
use crate::{acl, data, paths, stat};

/// The longest time to live, in milliseconds.
const TTL_MAX: i64 = (1 << 40) - 1;
/// Znodes that `deleteall` deletes at once, if nothing else is said.
const BATCH: i32 = 1000;
/// Batches under way at once.
const BATCHES_AHEAD: usize = 10;

pub(crate) async fn create(shell: &mut Shell, parsed: Parsed) -> Result<(), Fault> {
    let (mode, ttl) = mode(&parsed)?;
    let path = parsed.argument(0);
    let mut how = Create::new(mode);
    if let Some(ttl) = ttl {
        how = how.ttl(ttl);
    }
    if parsed.arguments.len() < 2 {
        how = how.null();
    }
    if let Some(text) = parsed.arguments.get(2) {
        how = how.acl(acl::parse(text)?);
    }
    match mode.is_sequential() {
        true => paths::check_sequential(path)?,
        false => paths::check(path)?,
    }
    let bytes = parsed.arguments.get(1).map_or(&[][..], |data| data.as_bytes());
    let created = shell.settle(shell.client().create(path, bytes, how)).await;
    let created = created.map_err(|error| explained(&error))?;
    shell.out.note(|| format!("Created {}", created.path), || json!({ "created": created.path }));
    Ok(())
}

/// The original says more of some refusals than that.
fn explained(error: &Error) -> Fault {
    let message = fault::message(error);
    match error.code() {
        Some(ErrorCode::EphemeralOnLocalSession) => {
            Fault::new(format!("Unable to create ephemeral node on a local session\n{message}"))
        }
        Some(ErrorCode::InvalidAcl) => Fault::new(format!("{}\n{message}", fault::keeper(error))),
        _ => Fault::new(message),
    }
}

fn mode(parsed: &Parsed) -> Result<(CreateMode, Option<Duration>), Fault> {
    let [ephemeral, sequential, container, ttl] = ["e", "s", "c", "t"].map(|name| parsed.has(name));
    if container && (ephemeral || sequential) {
        let message = "-c cannot be combined with -s or -e. Containers cannot be ephemeral or sequential.";
        return Err(Fault::new(message));
    }
    let milliseconds: i64 = parsed.number("t", 0, "a long")?;
    if ttl && ephemeral {
        return Err(Fault::new("TTLs cannot be used with Ephemeral znodes"));
    }
    if ttl && container {
        return Err(Fault::new("TTLs cannot be used with Container znodes"));
    }
    let mode = match (ephemeral, sequential, container, ttl) {
        (true, true, ..) => CreateMode::EphemeralSequential,
        (true, false, ..) => CreateMode::Ephemeral,
        (_, true, _, true) => CreateMode::PersistentSequentialWithTtl,
        (_, true, _, false) => CreateMode::PersistentSequential,
        (_, _, true, _) => CreateMode::Container,
        (_, _, _, true) => CreateMode::PersistentWithTtl,
        _ => CreateMode::Persistent,
    };
    if ttl && !(1..=TTL_MAX).contains(&milliseconds) {
        return Err(Fault::new(format!("ttl must be positive and cannot be larger than: {TTL_MAX}")));
    }
    Ok((mode, ttl.then(|| Duration::from_millis(milliseconds.unsigned_abs()))))
}

pub(crate) async fn set(shell: &mut Shell, parsed: Parsed) -> Result<(), Fault> {
    let (path, text) = (parsed.argument(0), parsed.argument(1));
    let version = version(&parsed)?;
    let bytes = match parsed.has("b") {
        true => data::of_base64(text).ok_or_else(|| Fault::new("-b data must be standard base64"))?,
        false => text.as_bytes().to_vec(),
    };
    paths::check(path)?;
    let stat = shell.ask(shell.client().set(path, bytes, version)).await?;
    if parsed.has("s") {
        shell.out.answer(|| stat::lines(&stat), || json!({ "path": path, "stat": stat::json(&stat) }));
    }
    Ok(())
}

pub(crate) async fn delete(shell: &mut Shell, parsed: Parsed) -> Result<(), Fault> {
    let (path, version) = (parsed.argument(0), version(&parsed)?);
    paths::check(path)?;
    shell.ask(shell.client().delete(path, version)).await
}

fn version(parsed: &Parsed) -> Result<Version, Fault> {
    parsed.number("v", Version::ANY.0, "an int").map(Version)
}

pub(crate) async fn delete_all(shell: &mut Shell, parsed: Parsed) -> Result<(), Fault> {
    let batch = parsed.number("b", BATCH, "an int")?;
    let path = parsed.argument(0);
    paths::check(path)?;
    let client = shell.client();
    let mut found = Vec::new();
    let mut walk = Walk::new(&client, path);
    while let Some(visit) = shell.settle(walk.next()).await {
        found.push(visit?.path);
    }
    match usize::try_from(batch) {
        Ok(batch) if batch > 0 => {
            // In a transaction the original names the chroot's znode itself, and so deletes it, too.
            let chroot = shell.chroot();
            let absolute = found.into_iter().map(|path| absolute(&chroot, path)).collect();
            if !shell.settle(delete_in_batches(&client.without_chroot(), absolute, batch)).await {
                shell.out.warn("Failed to delete some node(s) in the subtree!");
            }
        }
        // One by one, until one is refused.
        _ => {
            for path in found.iter().rev() {
                shell.ask(client.delete(path, Version::ANY)).await?;
            }
        }
    }
    Ok(())
}

/// A path as it is without the chroot.
fn absolute(chroot: &str, path: String) -> String {
    match path.as_str() {
        _ if chroot.is_empty() => path,
        "/" => chroot.to_owned(),
        path => format!("{chroot}{path}"),
    }
}

/// Deletes znodes, the last first; each batch as a whole, and none after one that was refused.
pub(crate) async fn delete_in_batches(client: &Client, mut paths: Vec<String>, batch: usize) -> bool {
    paths.reverse();
    let mut under_way = VecDeque::new();
    for batch in paths.chunks(batch) {
        if under_way.len() >= BATCHES_AHEAD
            && let Some(deleted) = under_way.pop_front()
            && !succeeds(deleted).await
        {
            return false;
        }
        let multi = batch.iter().fold(Multi::new(), |multi, path| multi.delete(path, Version::ANY));
        under_way.push_back(client.multi(multi));
    }
    let mut all = true;
    for deleted in under_way {
        all &= succeeds(deleted).await;
    }
    all
}

async fn succeeds<T>(reply: impl Future<Output = zoorum_client::Result<T>>) -> bool {
    reply.await.is_ok()
}

pub(crate) async fn set_acl(shell: &mut Shell, parsed: Parsed) -> Result<(), Fault> {
    let (path, list) = (parsed.argument(0), acl::parse(parsed.argument(1))?);
    let version = version(&parsed)?;
    paths::check(path)?;
    let client = shell.client();
    if !parsed.has("R") {
        let stat = shell.ask(client.set_acl(path, &list, version)).await?;
        if parsed.has("s") {
            shell.out.answer(|| stat::lines(&stat), || json!({ "path": path, "stat": stat::json(&stat) }));
        }
        return Ok(());
    }
    shell.ask(client.get(path)).await?;
    let mut walk = Walk::new(&client, path);
    while let Some(visit) = shell.settle(walk.next()).await {
        let path = visit?.path;
        if let Err(error) = shell.settle(client.set_acl(&path, &list, version)).await {
            match shell.out.is_json() {
                true => {
                    shell.out.line(&json!({ "path": path, "refused": fault::keeper(&error) }).to_string())
                }
                // The original puts no line's end there.
                false => shell.out.raw(&fault::keeper(&error)),
            }
        }
    }
    Ok(())
}
