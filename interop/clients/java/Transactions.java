import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.apache.zookeeper.AsyncCallback;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.Stat;

/** Several operations as one, and many operations on the way at once. */
final class Transactions {
    static void run(String server, Client client, String root, Transcript out) throws Exception {
        ZooKeeper zk = client.zk;
        multi(zk, out, "all succeed", create(root + "/a", "1"), create(root + "/a/b", "2"),
                Op.setData(root + "/a", Scenario.bytes("3"), 0), Op.check(root + "/a", 1),
                Op.delete(root + "/a/b", 0));
        multi(zk, out, "a check fails", create(root + "/x", ""), Op.check(root + "/none", -1),
                create(root + "/y", ""));
        multi(zk, out, "wrong version", Op.setData(root + "/a", null, 1), Op.delete(root + "/a", 1));
        multi(zk, out, "created twice", create(root + "/x", ""), create(root + "/x", ""));
        multi(zk, out, "not empty", create(root + "/p", ""), create(root + "/p/c", ""),
                Op.delete(root + "/p", -1));
        multi(zk, out, "sequential", sequential(root + "/s-"), sequential(root + "/s-"),
                Op.delete(root + "/s-0000000001", -1), sequential(root + "/s-"));
        multi(zk, out, "short-lived ephemeral", Op.create(root + "/e", null, Ids.OPEN_ACL_UNSAFE,
                CreateMode.EPHEMERAL), Op.delete(root + "/e", -1));
        multi(zk, out, "ephemeral, container, ttl",
                Op.create(root + "/e", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL),
                Op.create(root + "/k", null, Ids.OPEN_ACL_UNSAFE, CreateMode.CONTAINER),
                Op.create(root + "/t", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_WITH_TTL,
                        3_600_000));
        multi(zk, out, "child of an ephemeral", create(root + "/e/c", ""));
        multi(zk, out, "not allowed", Op.delete("/zookeeper/quota", -1));
        multi(zk, out, "nothing at all");
        multi(zk, out, "reads", Op.getData(root + "/a"), Op.getChildren(root),
                Op.getData(root + "/none"), Op.getChildren(root + "/none"));
        out.call("children", () -> zk.getChildren(root, false));
        out.call("stat", () -> zk.exists(root, false));
        zk.exists(root + "/w", true);
        zk.getChildren(root, true);
        multi(zk, out, "under watch", create(root + "/w", ""), create(root + "/w/c", ""),
                Op.setData(root + "/w", null, -1), Op.delete(root + "/w/c", -1));
        client.tell(out, "watcher");
        out.call("as a Transaction", () -> zk.transaction().check(root, -1)
                .create(root + "/tx", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT)
                .setData(root + "/tx", Scenario.bytes("t"), 0).commit());
        CountDownLatch done = new CountDownLatch(1);
        zk.multi(Arrays.asList(create(root + "/async", ""), Op.delete(root + "/none", -1)),
                (rc, path, ctx, results) -> {
                    out.line("async -> " + KeeperException.Code.get(rc) + " " + out.show(results));
                    done.countDown();
                }, null);
        done.await();
    }

    private static void multi(ZooKeeper zk, Transcript out, String what, Op... ops) {
        try {
            out.line(what + " -> " + out.show(zk.multi(Arrays.asList(ops))));
        } catch (KeeperException e) {
            out.line(what + " -> " + e.code() + " " + out.show(e.getResults()));
        } catch (Exception e) {
            out.line(what + " -> " + e);
        }
    }

    private static Op create(String path, String data) {
        return Op.create(path, Scenario.bytes(data), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
    }

    private static Op sequential(String path) {
        return Op.create(path, null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_SEQUENTIAL);
    }

    /** Writes and reads in one stream: replies come in the order of the requests, and a read sees the writes before it. */
    static void pipeline(String server, Client client, String root, Transcript out) throws Exception {
        ZooKeeper zk = client.zk;
        int rounds = 300;
        List<String> replies = Collections.synchronizedList(new ArrayList<>());
        CountDownLatch done = new CountDownLatch(rounds * 4 + 1);
        AsyncCallback.StatCallback stat = (rc, path, ctx, s) -> {
            replies.add(ctx + " " + rc + " " + out.stat(s));
            done.countDown();
        };
        for (int i = 0; i < rounds; i++) {
            String path = root + "/n" + i;
            zk.create(path, Scenario.bytes("" + i), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT,
                    (rc, p, ctx, name, s) -> {
                        replies.add(ctx + " " + rc + " " + name + " " + out.stat(s));
                        done.countDown();
                    }, "create");
            zk.exists(path, false, stat, "exists");
            zk.setData(path, Scenario.bytes("x" + i), i % 3 - 1, stat, "setData");
            if (i % 2 == 0) {
                zk.getData(path, false, (rc, p, ctx, data, s) -> {
                    replies.add(ctx + " " + rc + " " + out.show(data) + " " + out.stat(s));
                    done.countDown();
                }, "getData");
            } else {
                zk.delete(path, 0, (rc, p, ctx) -> {
                    replies.add(ctx + " " + rc);
                    done.countDown();
                }, "delete");
            }
        }
        zk.getChildren(root, false, (rc, p, ctx, names, s) -> {
            replies.add(ctx + " " + rc + " " + names.size() + " " + out.stat(s));
            done.countDown();
        }, "getChildren");
        done.await();
        replies.forEach(out::line);
        asynchronous(zk, root, out);
    }

    /** The remaining callbacks, each with a success and a failure. */
    private static void asynchronous(ZooKeeper zk, String root, Transcript out) throws Exception {
        for (String path : new String[] {root + "/n0", root + "/none"}) {
            CountDownLatch done = new CountDownLatch(7);
            zk.getACL(path, new Stat(), (rc, p, ctx, acl, s) -> {
                out.line("getACL " + rc + " " + out.show(acl) + " " + out.stat(s));
                done.countDown();
            }, null);
            zk.setACL(path, Ids.READ_ACL_UNSAFE, 0, (rc, p, ctx, s) -> {
                out.line("setACL " + rc + " " + out.stat(s));
                done.countDown();
            }, null);
            zk.sync(path, (rc, p, ctx) -> {
                out.line("sync " + rc + " " + p);
                done.countDown();
            }, null);
            zk.getChildren(path, false, (rc, p, ctx, names) -> {
                out.line("getChildren " + rc + " " + names);
                done.countDown();
            }, null);
            zk.getAllChildrenNumber(path, (rc, p, ctx, number) -> {
                out.line("getAllChildrenNumber " + rc + " " + number);
                done.countDown();
            }, null);
            zk.getEphemerals(path, (rc, ctx, paths) -> {
                out.line("getEphemerals " + rc + " " + paths);
                done.countDown();
            }, null);
            zk.create(path, null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT, (rc, p, ctx, name) -> {
                out.line("create " + rc + " " + name);
                done.countDown();
            }, null);
            done.await();
        }
    }
}
