//! Recipes, each with several sessions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use zoorum_client::recipes::{
    Barrier, CachedNode, CachedTree, Counter, DoubleBarrier, Group, LeaderLatch, LeaderSelector, Lock,
    PriorityQueue, Queue, ReadWriteLock, Semaphore,
};
use zoorum_client::{Client, CreateMode, ErrorKind, Multi, SessionState, Version};

use crate::support::{PATIENCE, Proxy, connect};

/// For what must not happen.
const MOMENT: Duration = Duration::from_millis(200);

/// Waits until a znode has so many children.
async fn await_children(client: &Client, path: &str, count: usize) {
    loop {
        let (children, watch) = client.children_and_watch(path).await.expect("children");
        if children.names.len() == count {
            return;
        }
        watch.await.expect("the session lives");
    }
}

pub(crate) async fn a_lock_has_one_holder_at_a_time(servers: String) {
    let holders = Arc::new(AtomicUsize::new(0));
    let mut contending = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let (client, holders) = (connect(&servers).await, Arc::clone(&holders));
        contending.spawn(async move {
            let lock = Lock::new(&client, "/locks/a").identity("somebody");
            let mut tokens = Vec::new();
            for _ in 0..5 {
                let held = lock.acquire().await.expect("acquire");
                assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0, "nobody else holds it");
                tokens.push(held.fencing_token());
                assert_eq!(lock.contenders().await.expect("contenders")[0], held.path());
                holders.fetch_sub(1, Ordering::SeqCst);
                held.release().await.expect("release");
            }
            assert!(tokens.is_sorted(), "fencing tokens grow");
        });
    }
    contending.join_all().await;
}

pub(crate) async fn a_dropped_waiter_leaves_the_line(servers: String) {
    let (one, two) = (connect(&servers).await, connect(&servers).await);
    let held = Lock::new(&one, "/lock").acquire().await.expect("acquire");
    let other = Lock::new(&two, "/lock");
    let waited = tokio::time::timeout(MOMENT, other.acquire()).await;
    assert!(waited.is_err(), "it is held");
    await_children(&one, "/lock", 1).await;
    drop(held);
    let held = other.acquire().await.expect("a dropped lock is released");
    held.release().await.expect("release");
    assert_eq!(one.children("/lock").await.expect("children").names.len(), 0);
}

pub(crate) async fn a_lock_survives_a_lost_reply(servers: String) {
    let proxy = Proxy::new(&servers).await;
    let (client, other) = (connect(&proxy.servers()).await, connect(&servers).await);
    other.create("/lock", b"", CreateMode::Persistent).await.expect("create");
    proxy.deafen(true);
    let lock = Lock::new(&client, "/lock");
    let acquiring = tokio::spawn(async move { lock.acquire().await });
    await_children(&other, "/lock", 1).await;
    proxy.deafen(false);
    proxy.cut();
    let held = acquiring.await.expect("no panic").expect("acquire");
    assert_eq!(other.children("/lock").await.expect("children").names.len(), 1, "it found its znode again");
    proxy.refuse(true);
    held.doubtful().await;
    proxy.refuse(false);
    held.release().await.expect("the lock outlives the connection");
    assert_eq!(other.children("/lock").await.expect("children").names.len(), 0);
}

/// Each deposits under the lock while its connection breaks at all points. What was confirmed is there, and no more
/// than what may have happened.
pub(crate) async fn a_lock_protects_while_connections_break(servers: String) {
    let other = connect(&servers).await;
    other.create("/account", b"0", CreateMode::Persistent).await.expect("create");
    let mut depositing = tokio::task::JoinSet::new();
    for worker in 0..3 {
        let proxy = Proxy::new(&servers).await;
        let client = connect(&proxy.servers()).await;
        depositing.spawn(async move {
            let (mut confirmed, mut possible) = (0, 0);
            for round in 0..6 {
                let held = Lock::new(&client, "/lock").acquire().await.expect("acquire");
                let node = client.get("/account").await;
                let change = |(balance, version): (u64, Version)| {
                    let multi = Multi::new().check(&held.path(), Version::ANY);
                    client.multi(multi.set("/account", (balance + 1).to_string(), version))
                };
                let deposit = node.map(|node| {
                    let balance = String::from_utf8_lossy(&node.data).parse().expect("a number");
                    change((balance, node.stat.version))
                });
                if round % 3 == worker {
                    proxy.cut();
                }
                match deposit {
                    Ok(reply) => match reply.await {
                        Ok(_) => confirmed += 1,
                        Err(error) => {
                            assert!(error.is_transient(), "nobody else interferes: {error}");
                            possible += u64::from(error.is_ambiguous());
                        }
                    },
                    Err(error) => assert!(error.is_transient(), "{error}"),
                }
                held.release().await.expect("release");
            }
            (confirmed, possible)
        });
    }
    let done = depositing.join_all().await;
    let (confirmed, possible) = done.iter().fold((0, 0), |sums, one| (sums.0 + one.0, sums.1 + one.1));
    let account = other.get("/account").await.expect("get");
    let balance: u64 = String::from_utf8_lossy(&account.data).parse().expect("a number");
    assert!((confirmed..=confirmed + possible).contains(&balance), "{confirmed} {balance} {possible}");
}

pub(crate) async fn a_lock_ends_with_its_session(servers: String) {
    let proxy = Proxy::new(&servers).await;
    let builder = Client::builder(&proxy.servers()).session_timeout(Duration::from_secs(1));
    let (client, other) = (builder.connect().await.expect("a session"), connect(&servers).await);
    let held = Lock::new(&client, "/lock").acquire().await.expect("acquire");
    let next = Lock::new(&other, "/lock");
    let (lost, next) = tokio::join!(held.lost(), async {
        proxy.refuse(true);
        let next = next.acquire().await.expect("the next has it");
        proxy.refuse(false);
        next
    });
    let () = lost;
    assert!(next.fencing_token() > held.fencing_token());
    assert_eq!(client.state(), SessionState::Expired);
    assert!(held.release().await.expect_err("it is lost").is_final());
}

pub(crate) async fn readers_share_and_writers_do_not(servers: String) {
    let (one, two) = (connect(&servers).await, connect(&servers).await);
    let (mine, other) = (ReadWriteLock::new(&one, "/rw"), ReadWriteLock::new(&two, "/rw"));
    let readers = [mine.read().await.expect("read"), other.read().await.expect("read")];
    assert!(tokio::time::timeout(MOMENT, other.write()).await.is_err(), "there are readers");
    for reader in readers {
        reader.release().await.expect("release");
    }
    let writer = other.write().await.expect("write");
    assert!(tokio::time::timeout(MOMENT, mine.read()).await.is_err(), "there is a writer");
    writer.release().await.expect("release");
    mine.read().await.expect("read").release().await.expect("release");
}

pub(crate) async fn a_semaphore_has_so_many_leases(servers: String) {
    let (one, two) = (connect(&servers).await, connect(&servers).await);
    let (mine, other) = (Semaphore::new(&one, "/s", 2), Semaphore::new(&two, "/s", 2));
    let first = mine.acquire().await.expect("acquire");
    let _second = other.acquire().await.expect("acquire");
    assert!(tokio::time::timeout(MOMENT, other.acquire()).await.is_err(), "there are two");
    let (released, third) = tokio::join!(first.release(), other.acquire());
    released.expect("release");
    third.expect("acquire").release().await.expect("release");
}

pub(crate) async fn the_lead_passes_on(servers: String) {
    let (one, two) = (connect(&servers).await, connect(&servers).await);
    let latch = LeaderLatch::new(&one, "/latch");
    let first = latch.stand("first").await.expect("stand").elected().await.expect("elected");
    let second = LeaderLatch::new(&two, "/latch").stand("second").await.expect("stand");
    assert_eq!(latch.candidates().await.expect("candidates"), ["first", "second"]);
    let token = first.fencing_token();
    one.close().await;
    first.lost().await;
    let second = second.elected().await.expect("elected");
    assert!(second.fencing_token() > token);
    second.resign().await.expect("resign");
}

pub(crate) async fn selected_leaders_take_turns(servers: String) {
    let leading = Arc::new(AtomicUsize::new(0));
    let mut selecting = tokio::task::JoinSet::new();
    for name in ["first", "second", "third"] {
        let (client, leading) = (connect(&servers).await, Arc::clone(&leading));
        selecting.spawn(async move {
            let selector = LeaderSelector::new(&client, "/selector", name);
            let led = selector.lead(async |_| {
                assert_eq!(leading.fetch_add(1, Ordering::SeqCst), 0, "nobody else leads");
                let leader = selector.candidates().await.expect("candidates").remove(0);
                leading.fetch_sub(1, Ordering::SeqCst);
                leader
            });
            assert_eq!(led.await.expect("lead").as_deref(), Some(name));
        });
    }
    selecting.join_all().await;
}

pub(crate) async fn a_barrier_stands_until_it_is_removed(servers: String) {
    let (one, two) = (connect(&servers).await, connect(&servers).await);
    let (mine, other) = (Barrier::new(&one, "/b/barrier"), Barrier::new(&two, "/b/barrier"));
    other.pass().await.expect("nothing stands");
    mine.set().await.expect("set");
    mine.set().await.expect("it stands already");
    assert!(tokio::time::timeout(MOMENT, other.pass()).await.is_err(), "it stands");
    let (removed, passed) = tokio::join!(mine.remove(), other.pass());
    removed.and(passed).expect("it is removed");
}

pub(crate) async fn a_double_barrier_begins_and_ends_together(servers: String) {
    let (one, two) = (connect(&servers).await, connect(&servers).await);
    let (mine, other) = (DoubleBarrier::new(&one, "/d", 2), DoubleBarrier::new(&two, "/d", 2));
    let entering = tokio::time::timeout(MOMENT, mine.enter());
    assert!(entering.await.is_err(), "one is not enough");
    let (first, second) = tokio::join!(mine.enter(), other.enter());
    first.and(second).expect("both are there");
    assert!(tokio::time::timeout(MOMENT, mine.leave()).await.is_err(), "the other is still there");
    let (first, second) = tokio::join!(mine.leave(), other.leave());
    first.and(second).expect("both leave");
    let again_and_again = async |member: DoubleBarrier| {
        for _ in 0..20 {
            member.enter().await.expect("enter");
            member.leave().await.expect("leave");
        }
    };
    let rounds = async { tokio::join!(again_and_again(mine), again_and_again(other)) };
    // Each comes back at once, while the other may still be leaving.
    tokio::time::timeout(PATIENCE, rounds).await.expect("nobody waits for who has come for the next round");
}

pub(crate) async fn a_queue_keeps_its_order(servers: String) {
    let (one, two) = (connect(&servers).await, connect(&servers).await);
    let (mine, other) = (Queue::new(&one, "/queue"), Queue::new(&two, "/queue"));
    assert_eq!(mine.poll().await.expect("poll"), None);
    for element in ["a", "b", "c"] {
        mine.offer(element).await.expect("offer");
    }
    assert_eq!(other.peek().await.expect("peek").as_deref(), Some(&b"a"[..]));
    for element in ["a", "b", "c"] {
        assert_eq!(other.take().await.expect("take"), element);
    }
    let (taken, offered) = tokio::join!(other.take(), mine.offer("awaited"));
    offered.expect("offer");
    assert_eq!(taken.expect("take"), "awaited");
    whoever_gives_up_loses_nothing(&mine, &other).await;
}

/// Elements are offered, and taken by somebody who gives up now sooner, now later.
async fn whoever_gives_up_loses_nothing(mine: &Queue, other: &Queue) {
    let elements: BTreeSet<String> = (0..100).map(|number| number.to_string()).collect();
    for element in &elements {
        mine.offer(element).await.expect("offer");
    }
    let mut taken = BTreeSet::new();
    for patience in (0..400).cycle().take(4_000) {
        if taken.len() == elements.len() {
            break;
        }
        let taking = tokio::time::timeout(Duration::from_micros(patience * 5), other.take());
        if let Ok(element) = taking.await {
            let element = String::from_utf8(element.expect("take").to_vec()).expect("a number");
            assert!(taken.insert(element), "each is taken once");
        }
    }
    while taken.len() < elements.len() {
        let element = tokio::time::timeout(PATIENCE, other.take()).await.expect("what was given up is back");
        taken.insert(String::from_utf8(element.expect("take").to_vec()).expect("a number"));
    }
    assert_eq!(taken, elements);
}

pub(crate) async fn a_priority_queue_puts_some_before_others(servers: String) {
    let client = connect(&servers).await;
    let queue = PriorityQueue::new(&client, "/priorities");
    for (priority, element) in [(5, "late"), (-1, "urgent"), (5, "later"), (0, "normal")] {
        queue.offer(priority, element).await.expect("offer");
    }
    for element in ["urgent", "normal", "late", "later"] {
        assert_eq!(queue.take().await.expect("take"), element);
    }
    assert_eq!(queue.poll().await.expect("poll"), None);
    let strange = client.create("/priorities/queue-100000000", b"x", CreateMode::PersistentSequential);
    let strange = strange.await.expect("create").path;
    let refused = queue.poll().await.expect_err("this is nothing that was put in");
    assert!(matches!(refused.kind, ErrorKind::Invalid(_)) && refused.path == strange, "{refused}");
    assert!(client.exists(&strange).await.expect("exists").is_some(), "it stays");
}

pub(crate) async fn a_counter_counts_everybody(servers: String) {
    let mut counting = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let client = connect(&servers).await;
        counting.spawn(async move {
            let counter = Counter::new(&client, "/counters/c");
            for _ in 0..20 {
                let added = counter.add(2).await.expect("add");
                assert_eq!(added.after, added.before + 2);
            }
        });
    }
    counting.join_all().await;
    let client = connect(&servers).await;
    let counter = Counter::new(&client, "/counters/c");
    assert_eq!(counter.get().await, Ok(120));
    assert_eq!(counter.compare_and_set(7, 0).await, Ok(false));
    assert_eq!(counter.compare_and_set(120, 0).await, Ok(true));
}

pub(crate) async fn a_group_knows_its_members(servers: String) {
    let (one, two) = (connect(&servers).await, connect(&servers).await);
    let group = Group::new(&one, "/group");
    let mine = group.join("one", b"1").await.expect("join");
    let mut watch = group.watch().await.expect("watch");
    let other = Group::new(&two, "/group").join("two", b"2").await.expect("join");
    watch.next().await.expect("somebody has come");
    let members = group.members().await.expect("members");
    let expected: BTreeMap<_, _> = [("one".to_owned(), "1".into()), ("two".to_owned(), "2".into())].into();
    assert_eq!(members, expected);
    drop(other);
    watch.next().await.expect("somebody has left");
    assert_eq!(group.members().await.expect("members").len(), 1);
    let again = tokio::time::timeout(MOMENT, group.join("one", b"again"));
    assert!(again.await.is_err(), "the name is taken");
    assert_eq!(group.members().await.expect("members")["one"], "1", "and whoever gave up took nobody away");
    mine.leave().await.expect("leave");
    assert_eq!(group.members().await.expect("members").len(), 0);
    group.join("one/two", b"").await.expect_err("a name has no slash");
}

pub(crate) async fn caches_follow(servers: String) {
    let proxy = Proxy::new(&servers).await;
    let (client, other) = (connect(&proxy.servers()).await, connect(&servers).await);
    for path in ["/cache", "/cache/a", "/cache/a/b"] {
        other.create(path, path, CreateMode::Persistent).await.expect(path);
    }
    let mut tree = CachedTree::new(&client, "/cache").await.expect("a copy");
    let mut node = CachedNode::new(&client, "/cache/a").await.expect("a copy");
    assert_eq!(tree.paths(), ["/cache", "/cache/a", "/cache/a/b"]);
    assert_eq!(node.get().expect("it is there").data, "/cache/a");
    other.set("/cache/a", b"new", Version::ANY).await.expect("set");
    while node.get().expect("it is there").data != "new" {
        assert!(node.changed().await);
    }
    proxy.refuse(true);
    other.delete("/cache/a/b", Version::ANY).await.expect("delete");
    other.create("/cache/c", b"missed", CreateMode::Persistent).await.expect("create");
    proxy.refuse(false);
    while tree.paths() != ["/cache", "/cache/a", "/cache/c"] {
        assert!(tree.changed().await);
    }
    assert_eq!(tree.get("/cache/c").expect("it is there").data, "missed");
    client.close().await;
    while tree.changed().await {}
}
