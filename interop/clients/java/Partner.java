import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.locks.InterProcessLock;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.locks.Lease;
import org.apache.curator.framework.recipes.nodes.GroupMember;
import org.apache.curator.framework.recipes.queue.DistributedPriorityQueue;
import org.apache.curator.framework.recipes.queue.QueueBuilder;
import org.apache.curator.framework.recipes.queue.QueueSerializer;
import org.apache.curator.framework.recipes.queue.SimpleDistributedQueue;
import org.apache.curator.retry.RetryOneTime;
import org.apache.zookeeper.CreateMode;

/** Curator's half of recipes that it shares with Zoorum's library: whatever is wrong ends it with an error. */
public final class Partner {
    private static final int PATIENCE_S = 20;
    private static final int ROUNDS = 10;

    private static CuratorFramework client;

    public static void main(String[] args) throws Exception {
        client = CuratorFrameworkFactory.builder().connectString(args[0]).sessionTimeoutMs(20_000)
                .retryPolicy(new RetryOneTime(200)).build();
        client.start();
        if (!client.blockUntilConnected(PATIENCE_S, TimeUnit.SECONDS)) {
            throw new IllegalStateException("no connection");
        }
        together();
        contend(new InterProcessMutex(client, "/lock"));
        together();
        contend(new InterProcessReadWriteLock(client, "/rw").writeLock());
        together();
        contendForLeases();
        together();
        count();
        together();
        queues();
        together();
        lead();
        together();
        join();
        client.close();
        System.exit(0);
    }

    /** Waits for the other half, twice. */
    private static void together() throws Exception {
        DistributedDoubleBarrier barrier = new DistributedDoubleBarrier(client, "/together", 2);
        must(barrier.enter(PATIENCE_S, TimeUnit.SECONDS), "enter");
        must(barrier.leave(PATIENCE_S, TimeUnit.SECONDS), "leave");
    }

    private static void contend(InterProcessLock lock) throws Exception {
        for (int round = 0; round < ROUNDS; round++) {
            must(lock.acquire(PATIENCE_S, TimeUnit.SECONDS), "acquire");
            beAlone();
            lock.release();
        }
    }

    private static void contendForLeases() throws Exception {
        InterProcessSemaphoreV2 semaphore = new InterProcessSemaphoreV2(client, "/semaphore", 1);
        for (int round = 0; round < ROUNDS; round++) {
            Lease lease = semaphore.acquire(PATIENCE_S, TimeUnit.SECONDS);
            must(lease != null, "lease");
            beAlone();
            semaphore.returnLease(lease);
        }
    }

    /** Fails if the other half is inside as well. */
    private static void beAlone() throws Exception {
        client.create().withMode(CreateMode.EPHEMERAL).forPath("/inside");
        client.delete().forPath("/inside");
    }

    private static void count() throws Exception {
        DistributedAtomicLong counter = new DistributedAtomicLong(client, "/counter", new RetryOneTime(1));
        for (int added = 0; added < ROUNDS;) {
            added += counter.increment().succeeded() ? 1 : 0;
        }
    }

    private static void queues() throws Exception {
        SimpleDistributedQueue queue = new SimpleDistributedQueue(client, "/from-curator");
        queue.offer(bytes("one"));
        queue.offer(bytes("two"));
        byte[] taken = new SimpleDistributedQueue(client, "/to-curator").poll(PATIENCE_S, TimeUnit.SECONDS);
        must(new String(taken, StandardCharsets.UTF_8).equals("three"), "take");
        QueueSerializer<String> serializer = new QueueSerializer<>() {
            @Override
            public byte[] serialize(String item) {
                return bytes(item);
            }

            @Override
            public String deserialize(byte[] data) {
                return new String(data, StandardCharsets.UTF_8);
            }
        };
        DistributedPriorityQueue<String> priorities =
                QueueBuilder.builder(client, null, serializer, "/priorities").buildPriorityQueue(0);
        priorities.start();
        priorities.put("late", 7);
        priorities.put("urgent", -1);
        must(priorities.flushPuts(PATIENCE_S, TimeUnit.SECONDS), "flush");
        priorities.close();
    }

    private static void lead() throws Exception {
        LeaderLatch latch = new LeaderLatch(client, "/latch", "curator");
        latch.start();
        must(latch.await(PATIENCE_S, TimeUnit.SECONDS), "lead");
        latch.close();
    }

    private static void join() throws Exception {
        GroupMember member = new GroupMember(client, "/group", "curator", bytes("java"));
        member.start();
        while (member.getCurrentMembers().size() < 2) {
            Thread.onSpinWait();
        }
        must(new String(member.getCurrentMembers().get("library"), StandardCharsets.UTF_8).equals("rust"), "see");
        together();
        member.close();
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static void must(boolean holds, String what) {
        if (!holds) {
            throw new IllegalStateException("could not " + what);
        }
    }
}
