//! The library and other clients' recipes take part in the same lock, election, queue.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use zoorum_client::recipes::{
    Counter, DoubleBarrier, Group, LeaderLatch, Lock, PriorityQueue, Queue, ReadWriteLock, Semaphore,
};
use zoorum_client::{Client, CreateMode, Version};

use crate::support::{PATIENCE, connect};

/// How often each of two takes what only one can have.
const ROUNDS: usize = 10;

pub(crate) async fn curator_is_a_partner(servers: String) {
    let client = connect(&servers).await;
    let partner = partner(java(), &servers);
    together(&client).await;
    let lock = Lock::new(&client, "/lock");
    for _ in 0..ROUNDS {
        let held = lock.acquire().await.expect("acquire");
        be_alone(&client).await;
        held.release().await.expect("release");
    }
    together(&client).await;
    let lock = ReadWriteLock::new(&client, "/rw");
    for round in 0..ROUNDS {
        let held = if round % 2 == 0 { lock.read().await } else { lock.write().await }.expect("acquire");
        be_alone(&client).await;
        held.release().await.expect("release");
    }
    together(&client).await;
    let semaphore = Semaphore::new(&client, "/semaphore", 1);
    for _ in 0..ROUNDS {
        let lease = semaphore.acquire().await.expect("acquire");
        be_alone(&client).await;
        lease.release().await.expect("release");
    }
    together(&client).await;
    let counter = Counter::new(&client, "/counter");
    for _ in 0..ROUNDS {
        counter.add(1).await.expect("add");
    }
    together(&client).await;
    assert_eq!(counter.get().await, Ok(2 * ROUNDS as i64));
    Queue::new(&client, "/to-curator").offer("three").await.expect("offer");
    for element in ["one", "two"] {
        assert_eq!(Queue::new(&client, "/from-curator").take().await.expect("take"), element);
    }
    let latch = LeaderLatch::new(&client, "/latch");
    let leading = latch.stand("library").await.expect("stand").elected().await.expect("elected");
    together(&client).await;
    for element in ["urgent", "late"] {
        assert_eq!(PriorityQueue::new(&client, "/priorities").take().await.expect("take"), element);
    }
    await_children(&client, "/latch", 2).await;
    assert_eq!(latch.candidates().await.expect("candidates"), ["library", "curator"]);
    leading.resign().await.expect("resign");
    let member = Group::new(&client, "/group").join("library", b"rust").await.expect("join");
    together(&client).await;
    await_children(&client, "/group", 2).await;
    let members = Group::new(&client, "/group").members().await.expect("members");
    assert_eq!(members.get("curator").map(|data| &data[..]), Some(&b"java"[..]));
    together(&client).await;
    member.leave().await.expect("leave");
    partner.await.expect("the partner's thread");
}

pub(crate) async fn kazoo_is_a_partner(servers: String) {
    let client = connect(&servers).await;
    let (_, started) = client.exists_and_watch("/kazoo").await.expect("exists");
    let partner = partner(python(), &servers);
    started.await.expect("it starts");
    let lock = Lock::new(&client, "/lock");
    for _ in 0..ROUNDS {
        let held = lock.acquire().await.expect("acquire");
        be_alone(&client).await;
        held.release().await.expect("release");
    }
    partner.await.expect("the partner's thread");
}

/// Waits for the other half, twice.
async fn together(client: &Client) {
    let barrier = DoubleBarrier::new(client, "/together", 2);
    barrier.enter().await.expect("enter");
    barrier.leave().await.expect("leave");
}

/// Fails if the other half is inside as well.
async fn be_alone(client: &Client) {
    client.create("/inside", b"", CreateMode::Ephemeral).await.expect("nobody else is inside");
    client.delete("/inside", Version::ANY).await.expect("it is ours");
}

async fn await_children(client: &Client, path: &str, count: usize) {
    loop {
        let (children, watch) = client.children_and_watch(path).await.expect("children");
        if children.names.len() == count {
            return;
        }
        watch.await.expect("the session lives");
    }
}

fn java() -> Command {
    let output = Command::new(repository().join("bench/original.sh")).arg("classpath").output();
    let jars = String::from_utf8(output.expect("original.sh").stdout).expect("a path");
    let mut command = Command::new("java");
    command.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", jars.trim()]);
    command.arg(repository().join("interop/clients/java/Partner.java"));
    command
}

fn python() -> Command {
    let mut command = Command::new(repository().join(".interop/venv/bin/python"));
    command.arg(repository().join("interop/clients/python/partner.py"));
    command
}

/// Runs the other half beside this one; it must succeed.
fn partner(mut command: Command, servers: &str) -> tokio::task::JoinHandle<()> {
    command.arg(servers).stdin(Stdio::null());
    tokio::spawn(async move {
        let mut process = tokio::process::Command::from(command).kill_on_drop(true).spawn().expect("it runs");
        let status = tokio::time::timeout(PATIENCE, process.wait()).await;
        let status = status.expect("in time").expect("wait");
        assert!(status.success(), "the partner failed: {status}");
    })
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package lies in the repository").into()
}
