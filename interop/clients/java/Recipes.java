import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.api.transaction.CuratorTransactionResult;
import org.apache.curator.framework.recipes.atomic.AtomicValue;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.barriers.DistributedBarrier;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;
import org.apache.curator.framework.recipes.cache.ChildData;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.cache.CuratorCacheListener;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.leader.LeaderSelector;
import org.apache.curator.framework.recipes.leader.LeaderSelectorListenerAdapter;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.locks.Lease;
import org.apache.curator.framework.recipes.nodes.GroupMember;
import org.apache.curator.framework.recipes.nodes.PersistentNode;
import org.apache.curator.framework.recipes.queue.SimpleDistributedQueue;
import org.apache.curator.framework.recipes.shared.SharedCount;
import org.apache.curator.framework.recipes.shared.SharedCountListener;
import org.apache.curator.framework.recipes.shared.SharedCountReader;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryOneTime;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.data.Stat;

/** Curator's recipes, each with two sessions. Told is what a recipe promises, not its nodes' names. */
public final class Recipes {
    private static final int PATIENCE_S = 30;

    private static CuratorFramework one;
    private static CuratorFramework two;
    private static CutProxy proxy;

    public static void main(String[] args) throws Exception {
        proxy = new CutProxy(args[0]);
        one = connect(proxy.address());
        two = connect(args[0]);
        operations();
        transactions();
        locks();
        leaders();
        caches();
        queuesAndBarriers();
        counters();
        nodes();
        two.close();
        one.close();
        tell("== end");
        System.exit(0);
    }

    private static CuratorFramework connect(String server) throws Exception {
        CuratorFramework client = CuratorFrameworkFactory.builder().connectString(server)
                .sessionTimeoutMs(20_000).retryPolicy(new RetryOneTime(200)).namespace("curator").build();
        client.start();
        if (!client.blockUntilConnected(PATIENCE_S, TimeUnit.SECONDS)) {
            throw new IllegalStateException("no connection");
        }
        return client;
    }

    private static void operations() throws Exception {
        tell("== operations");
        tell(one.create().creatingParentsIfNeeded().forPath("/ops/a/b", bytes("x")));
        tell(one.create().creatingParentContainersIfNeeded().withMode(CreateMode.EPHEMERAL)
                .forPath("/ops/box/e", bytes("y")));
        String guarded = one.create().withProtection().withMode(CreateMode.PERSISTENT_SEQUENTIAL)
                .forPath("/ops/guarded-");
        tell("protected: " + guarded.replaceAll("_c_[0-9a-f-]+-", "GUID-"));
        tell(text(one.getData().forPath("/ops/a/b")));
        tell("version " + one.setData().withVersion(0).forPath("/ops/a/b", bytes("z")).getVersion());
        tell("upsert " + one.create().orSetData().forPath("/ops/a/b", bytes("w")));
        tell("compressed " + one.create().compressed().forPath("/ops/zip", new byte[10_000]));
        tell("" + two.getData().decompressed().forPath("/ops/zip").length);
        failing("delete", () -> one.delete().forPath("/ops/a"));
        one.delete().guaranteed().deletingChildrenIfNeeded().forPath("/ops/a");
        one.delete().quietly().forPath("/ops/a");
        tell("exists " + (one.checkExists().forPath("/ops/a") != null));
        CountDownLatch done = new CountDownLatch(1);
        one.getChildren().inBackground((client, event) -> {
            tell("in background: " + event.getType() + " " + event.getResultCode() + " "
                    + event.getChildren().size());
            done.countDown();
        }).forPath("/ops");
        await(done);
        tell("acl " + one.getACL().forPath("/ops"));
        tell("configuration " + one.getConfig().forEnsemble().length);
    }

    private static void transactions() throws Exception {
        tell("== transactions");
        for (CuratorTransactionResult result : one.transaction().forOperations(
                one.transactionOp().create().forPath("/tx", bytes("1")),
                one.transactionOp().setData().forPath("/tx", bytes("2")),
                one.transactionOp().check().withVersion(1).forPath("/tx"),
                one.transactionOp().create().withMode(CreateMode.EPHEMERAL).forPath("/tx/e"),
                one.transactionOp().delete().forPath("/tx/e"))) {
            tell(result.getType() + " " + result.getForPath() + " " + result.getError());
        }
        failing("rolled back", () -> one.transaction().forOperations(
                one.transactionOp().setData().forPath("/tx", bytes("3")),
                one.transactionOp().delete().forPath("/none")));
        tell(text(one.getData().forPath("/tx")));
    }

    private static void locks() throws Exception {
        tell("== locks");
        InterProcessMutex mine = new InterProcessMutex(one, "/mutex");
        InterProcessMutex other = new InterProcessMutex(two, "/mutex");
        mine.acquire();
        mine.acquire();
        tell("held, other gets it: " + other.acquire(200, TimeUnit.MILLISECONDS));
        CompletableFuture<Boolean> waiting = async(() -> {
            boolean held = other.acquire(PATIENCE_S, TimeUnit.SECONDS);
            other.release();
            return held;
        });
        while (mine.getParticipantNodes().size() < 2) {
            Thread.onSpinWait();
        }
        mine.release();
        mine.release();
        tell("released, other gets it: " + get(waiting));
        InterProcessReadWriteLock rw = new InterProcessReadWriteLock(one, "/rw");
        InterProcessReadWriteLock rwOther = new InterProcessReadWriteLock(two, "/rw");
        rw.readLock().acquire();
        tell("two readers: " + rwOther.readLock().acquire(PATIENCE_S, TimeUnit.SECONDS));
        tell("writer: " + rwOther.writeLock().acquire(200, TimeUnit.MILLISECONDS));
        rw.readLock().release();
        rwOther.readLock().release();
        tell("writer: " + rwOther.writeLock().acquire(PATIENCE_S, TimeUnit.SECONDS));
        rwOther.writeLock().release();
        InterProcessSemaphoreV2 semaphore = new InterProcessSemaphoreV2(one, "/semaphore", 2);
        InterProcessSemaphoreV2 second = new InterProcessSemaphoreV2(two, "/semaphore", 2);
        Lease first = semaphore.acquire();
        second.acquire();
        tell("third lease: " + second.acquire(200, TimeUnit.MILLISECONDS));
        semaphore.returnLease(first);
        tell("third lease: " + (second.acquire(PATIENCE_S, TimeUnit.SECONDS) != null));
    }

    private static void leaders() throws Exception {
        tell("== leaders");
        LeaderLatch first = new LeaderLatch(one, "/latch", "first");
        LeaderLatch second = new LeaderLatch(two, "/latch", "second");
        first.start();
        tell("first leads: " + first.await(PATIENCE_S, TimeUnit.SECONDS));
        second.start();
        while (first.getParticipants().size() < 2) {
            Thread.onSpinWait();
        }
        tell("second sees " + second.getLeader());
        first.close();
        tell("second leads: " + second.await(PATIENCE_S, TimeUnit.SECONDS));
        second.close();
        BlockingQueue<String> reigns = new LinkedBlockingQueue<>();
        CountDownLatch abdicate = new CountDownLatch(1);
        List<LeaderSelector> selectors = new ArrayList<>();
        for (CuratorFramework client : List.of(one, two)) {
            String name = client == one ? "first" : "second";
            LeaderSelector selector = new LeaderSelector(client, "/selector",
                    new LeaderSelectorListenerAdapter() {
                        @Override
                        public void takeLeadership(CuratorFramework ignored) throws Exception {
                            reigns.add(name);
                            await(abdicate);
                        }
                    });
            selectors.add(selector);
            selector.start();
            if (client == one) {
                tell("leader " + reigns.poll(PATIENCE_S, TimeUnit.SECONDS));
            }
        }
        abdicate.countDown();
        tell("leader " + reigns.poll(PATIENCE_S, TimeUnit.SECONDS));
        selectors.forEach(LeaderSelector::close);
    }

    private static void caches() throws Exception {
        tell("== caches");
        one.create().creatingParentsIfNeeded().forPath("/cache/a/b", bytes("deep"));
        BlockingQueue<String> events = new LinkedBlockingQueue<>();
        CountDownLatch initialized = new CountDownLatch(1);
        try (CuratorCache cache = CuratorCache.build(one, "/cache")) {
            cache.listenable().addListener(CuratorCacheListener.builder()
                    .forInitialized(initialized::countDown)
                    .forAll((type, old, now) -> events.add(type + " " + path(old) + " " + path(now)))
                    .build());
            cache.start();
            await(initialized);
            TreeSet<String> found = new TreeSet<>();
            cache.stream().forEach(node -> found.add(path(node)));
            tell("found " + found);
            events.clear();
            two.setData().forPath("/cache/a/b", bytes("new"));
            tell(events.poll(PATIENCE_S, TimeUnit.SECONDS));
            two.create().forPath("/cache/c", bytes("c"));
            tell(events.poll(PATIENCE_S, TimeUnit.SECONDS));
            two.delete().forPath("/cache/a/b");
            tell(events.poll(PATIENCE_S, TimeUnit.SECONDS));
            proxy.refuse();
            two.create().forPath("/cache/d", bytes("missed"));
            proxy.admit();
            tell("after a cut: " + events.poll(PATIENCE_S, TimeUnit.SECONDS));
        }
    }

    private static void queuesAndBarriers() throws Exception {
        tell("== queues and barriers");
        SimpleDistributedQueue in = new SimpleDistributedQueue(one, "/queue");
        SimpleDistributedQueue out = new SimpleDistributedQueue(two, "/queue");
        for (String element : List.of("one", "two", "three")) {
            in.offer(bytes(element));
        }
        tell("peek " + text(out.peek()));
        tell("take " + text(out.take()) + " " + text(in.take()) + " " + text(out.poll()));
        CompletableFuture<byte[]> waiting = async(() -> out.poll(PATIENCE_S, TimeUnit.SECONDS));
        in.offer(bytes("awaited"));
        tell("take " + text(get(waiting)));
        DistributedBarrier barrier = new DistributedBarrier(one, "/barrier");
        barrier.setBarrier();
        tell("passes " + new DistributedBarrier(two, "/barrier").waitOnBarrier(200, TimeUnit.MILLISECONDS));
        CompletableFuture<Boolean> passing = async(() ->
                new DistributedBarrier(two, "/barrier").waitOnBarrier(PATIENCE_S, TimeUnit.SECONDS));
        barrier.removeBarrier();
        tell("passes " + get(passing));
        DistributedDoubleBarrier mine = new DistributedDoubleBarrier(one, "/double", 2);
        DistributedDoubleBarrier other = new DistributedDoubleBarrier(two, "/double", 2);
        CompletableFuture<Boolean> both = async(() -> other.enter(PATIENCE_S, TimeUnit.SECONDS)
                && other.leave(PATIENCE_S, TimeUnit.SECONDS));
        tell("enters " + mine.enter(PATIENCE_S, TimeUnit.SECONDS));
        tell("leaves " + mine.leave(PATIENCE_S, TimeUnit.SECONDS));
        tell("both " + get(both));
    }

    private static void counters() throws Exception {
        tell("== counters");
        List<CompletableFuture<Boolean>> counting = new ArrayList<>();
        for (CuratorFramework client : List.of(one, two)) {
            counting.add(async(() -> {
                DistributedAtomicLong counter = new DistributedAtomicLong(client, "/counter",
                        new RetryOneTime(1));
                for (int added = 0; added < 50;) {
                    added += counter.increment().succeeded() ? 1 : 0;
                }
                return true;
            }));
        }
        for (CompletableFuture<Boolean> done : counting) {
            get(done);
        }
        AtomicValue<Long> value = new DistributedAtomicLong(two, "/counter", new RetryOneTime(1)).get();
        tell("counted " + value.postValue());
        try (SharedCount mine = new SharedCount(one, "/shared", 5);
                SharedCount other = new SharedCount(two, "/shared", 5)) {
            mine.start();
            other.start();
            CompletableFuture<Integer> changed = new CompletableFuture<>();
            other.addListener(new SharedCountListener() {
                @Override
                public void countHasChanged(SharedCountReader count, int now) {
                    changed.complete(now);
                }

                @Override
                public void stateChanged(CuratorFramework client, ConnectionState state) { }
            });
            mine.setCount(6);
            tell("shared " + get(changed));
            tell("versioned " + other.trySetCount(other.getVersionedValue(), 7));
        }
    }

    private static void nodes() throws Exception {
        tell("== nodes");
        PersistentNode node = new PersistentNode(one, CreateMode.EPHEMERAL, false, "/node", bytes("x"));
        node.start();
        tell("created " + node.waitForInitialCreate(PATIENCE_S, TimeUnit.SECONDS));
        long created = two.checkExists().forPath("/node").getCzxid();
        two.delete().forPath("/node");
        Stat again = null;
        while (again == null || again.getCzxid() == created) {
            again = two.checkExists().forPath("/node");
        }
        tell("recreated " + text(two.getData().forPath("/node")));
        node.close();
        tell("left " + (two.checkExists().forPath("/node") != null));
        GroupMember mine = new GroupMember(one, "/group", "one");
        GroupMember other = new GroupMember(two, "/group", "two");
        mine.start();
        other.start();
        while (mine.getCurrentMembers().size() < 2) {
            Thread.onSpinWait();
        }
        tell("members " + new TreeSet<>(mine.getCurrentMembers().keySet()));
        other.close();
        while (mine.getCurrentMembers().size() > 1) {
            Thread.onSpinWait();
        }
        tell("members " + mine.getCurrentMembers().keySet());
        mine.close();
    }

    private interface Work<T> {
        T run() throws Exception;
    }

    private static void failing(String what, Work<?> work) throws Exception {
        try {
            work.run();
            tell(what + " -> done");
        } catch (KeeperException e) {
            tell(what + " -> " + e.code());
        }
    }

    private static <T> CompletableFuture<T> async(Work<T> work) {
        return CompletableFuture.supplyAsync(() -> {
            try {
                return work.run();
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        }, task -> new Thread(task).start());
    }

    private static <T> T get(CompletableFuture<T> future) throws Exception {
        return future.get(PATIENCE_S, TimeUnit.SECONDS);
    }

    private static void await(CountDownLatch latch) throws InterruptedException {
        if (!latch.await(PATIENCE_S, TimeUnit.SECONDS)) {
            throw new IllegalStateException("waited too long");
        }
    }

    private static String path(ChildData node) {
        return node == null ? "-" : node.getPath() + "=" + (node.getPath().equals("/cache") ? "" : text(node.getData()));
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static String text(byte[] data) {
        return data == null ? "null" : new String(data, StandardCharsets.UTF_8);
    }

    private static synchronized void tell(String line) {
        System.out.println(line);
        System.out.flush();
    }
}
