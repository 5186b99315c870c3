import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.ZooKeeper;

/** A ZooKeeper handle whose events are kept, and can be waited for. */
final class Client implements Watcher, AutoCloseable {
    static final int TIMEOUT_MS = 20_000;
    private static final long PATIENCE_MS = 30_000;

    final ZooKeeper zk;
    private final List<WatchedEvent> events = new ArrayList<>();
    private int told;

    Client(String servers) throws Exception {
        this(servers, TIMEOUT_MS);
    }

    Client(String servers, int timeoutMs) throws Exception {
        zk = new ZooKeeper(servers, timeoutMs, this);
        awaitConnected();
    }

    /** Re-attaches to the session of another handle. */
    Client(String servers, long session, byte[] password) throws Exception {
        zk = new ZooKeeper(servers, TIMEOUT_MS, this, session, password);
    }

    @Override
    public synchronized void process(WatchedEvent event) {
        events.add(event);
        notifyAll();
    }

    void awaitConnected() throws Exception {
        awaitEvent(Watcher.Event.EventType.None, Watcher.Event.KeeperState.SyncConnected, null);
        forget();
    }

    /** Waits until the handle has a connection again, if it lost the one it had. */
    void awaitAttached() throws Exception {
        long until = System.currentTimeMillis() + PATIENCE_MS;
        while (true) {
            try {
                zk.exists("/", false);
                return;
            } catch (org.apache.zookeeper.KeeperException.ConnectionLossException e) {
                if (System.currentTimeMillis() > until) {
                    throw e;
                }
            }
        }
    }

    /** Waits for an event that has not been told yet; what came before it stays to be told. */
    synchronized void awaitEvent(Event.EventType type, Event.KeeperState state, String path)
            throws Exception {
        long until = System.currentTimeMillis() + PATIENCE_MS;
        while (true) {
            for (WatchedEvent event : events.subList(told, events.size())) {
                if (event.getType() == type && (state == null || event.getState() == state)
                        && (path == null || path.equals(event.getPath()))) {
                    return;
                }
            }
            long left = until - System.currentTimeMillis();
            if (left <= 0) {
                throw new IllegalStateException("no " + type + " " + state + " " + path + " came");
            }
            wait(left);
        }
    }

    /**
     * Waits until everything the server sent before now has reached the watchers: a callback runs
     * on the event thread behind all earlier events.
     */
    void fence() throws Exception {
        CountDownLatch done = new CountDownLatch(1);
        zk.exists("/", false, (rc, path, ctx, stat) -> done.countDown(), null);
        if (!done.await(PATIENCE_MS, TimeUnit.MILLISECONDS)) {
            throw new IllegalStateException("the fence did not come back");
        }
    }

    /** Tells the events that came since the last time; the wait makes "none" a fact. */
    void tell(Transcript out, String who) throws Exception {
        fence();
        untold(out, who).forEach(out::line);
    }

    /** As {@link #tell}, for events whose order among themselves is the server's own affair. */
    void tellSorted(Transcript out, String who) throws Exception {
        fence();
        untold(out, who).stream().sorted().forEach(out::line);
    }

    private synchronized List<String> untold(Transcript out, String who) {
        List<String> lines = new ArrayList<>();
        for (; told < events.size(); told++) {
            lines.add("   " + who + " saw " + out.event(events.get(told)));
        }
        return lines.isEmpty() ? List.of("   " + who + " saw nothing") : lines;
    }

    synchronized void forget() {
        told = events.size();
    }

    @Override
    public void close() throws Exception {
        zk.close();
    }
}
