import java.util.Arrays;
import java.util.concurrent.CompletableFuture;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.Watcher.Event.EventType;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.Stat;

/** Creating, reading, changing and deleting nodes of every kind. */
final class Nodes {
    static void run(String server, Client client, String root, Transcript out) {
        ZooKeeper zk = client.zk;
        Stat stat = new Stat();
        out.call("stat of the root of the topic", () -> zk.exists(root, false));
        out.call("create", () -> create(zk, root + "/a", "one", CreateMode.PERSISTENT));
        out.call("create with stat", () -> {
            String path = zk.create(root + "/b", Scenario.bytes("two"), Ids.OPEN_ACL_UNSAFE,
                    CreateMode.PERSISTENT, stat);
            return path + " " + out.stat(stat);
        });
        out.call("exists", () -> zk.exists(root + "/a", false));
        out.call("exists not", () -> zk.exists(root + "/none", false));
        out.call("getData", () -> out.show(zk.getData(root + "/a", false, stat)) + out.stat(stat));
        out.call("setData any", () -> zk.setData(root + "/a", Scenario.bytes("uno"), -1));
        out.call("setData 1", () -> zk.setData(root + "/a", Scenario.bytes("eins"), 1));
        out.call("setData 1 again", () -> zk.setData(root + "/a", Scenario.bytes("un"), 1));
        out.call("setData empty", () -> zk.setData(root + "/a", new byte[0], 2));
        out.call("getData empty", () -> zk.getData(root + "/a", false, null));
        out.call("setData null", () -> zk.setData(root + "/a", null, 3));
        out.call("getData null", () -> zk.getData(root + "/a", false, stat) + out.stat(stat));
        out.call("create null", () -> zk.create(root + "/null", null, Ids.OPEN_ACL_UNSAFE,
                CreateMode.PERSISTENT));
        out.call("getData null", () -> zk.getData(root + "/null", false, null));
        byte[] large = new byte[900_000];
        Arrays.fill(large, (byte) 'x');
        out.call("setData large", () -> zk.setData(root + "/b", large, -1));
        out.call("getData large", () -> zk.getData(root + "/b", false, null));
        out.call("names", () -> create(zk, root + "/Ünïcødé 節点", "ü", CreateMode.PERSISTENT));
        out.call("names", () -> create(zk, root + "/..x", "", CreateMode.PERSISTENT));
        out.call("children", () -> zk.getChildren(root, false));
        out.call("children with stat", () -> out.show(zk.getChildren(root, false, stat))
                + out.stat(stat));
        out.call("all children", () -> zk.getAllChildrenNumber(root));
        out.call("all children of /zookeeper", () -> zk.getAllChildrenNumber("/zookeeper"));
        out.call("sync", () -> sync(zk, root));
        out.call("delete wrong version", () -> delete(zk, root + "/a", 0));
        out.call("delete", () -> delete(zk, root + "/a", 4));
        out.call("delete again", () -> delete(zk, root + "/a", -1));
        out.call("stat of the parent", () -> zk.exists(root, false));
        for (String path : new String[] {"/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"}) {
            out.call("stat of " + path, () -> {
                // The times and zxids of these depend on what ran before; their shape does not.
                Stat s = zk.exists(path, false);
                return "v=" + s.getVersion() + " av=" + s.getAversion() + " len=" + s.getDataLength()
                        + " owner=" + s.getEphemeralOwner() + " c=" + s.getCzxid();
            });
            out.call("children of " + path, () -> zk.getChildren(path, false));
        }
    }

    static void errors(String server, Client client, String root, Transcript out) throws Exception {
        ZooKeeper zk = client.zk;
        Scenario.make(zk, root + "/p", "");
        Scenario.make(zk, root + "/p/c", "");
        create(zk, root + "/e", "", CreateMode.EPHEMERAL);
        for (String path : new String[] {root + "/p", root + "/none/c", root + "/e/c", "/", "",
            "relative", root + "/", root + "//c", root + "/p/.", root + "/p/..", root + "/\u0001",
            root + "/\ufff5", root + "/\u007f", root + "/\ud83d\ude00", "/zookeeper/x"}) {
            out.call("create " + printable(path), () -> create(zk, path, "", CreateMode.PERSISTENT));
        }
        for (String path : new String[] {root + "/p", root + "/none", "/", "/zookeeper",
            "/zookeeper/quota", "/zookeeper/config", "relative"}) {
            out.call("delete " + path, () -> delete(zk, path, -1));
        }
        for (String path : new String[] {root + "/none", "relative", root + "/p/"}) {
            out.call("getData " + path, () -> zk.getData(path, false, null));
            out.call("setData " + path, () -> zk.setData(path, null, -1));
            out.call("getChildren " + path, () -> zk.getChildren(path, false));
            out.call("getACL " + path, () -> zk.getACL(path, new Stat()));
            out.call("setACL " + path, () -> zk.setACL(path, Ids.OPEN_ACL_UNSAFE, -1));
            out.call("all children " + path, () -> zk.getAllChildrenNumber(path));
        }
        out.call("setACL wrong version", () -> zk.setACL(root + "/p", Ids.OPEN_ACL_UNSAFE, 7));
        out.call("create, no ACL", () -> zk.create(root + "/x", null, null, CreateMode.PERSISTENT));
        out.call("create, empty ACL", () -> zk.create(root + "/x", null,
                Arrays.<ACL>asList(), CreateMode.PERSISTENT));
        out.call("delete wrong version with children", () -> delete(zk, root + "/p", 5));
        try (Client other = new Client(server)) {
            byte[] tooLarge = new byte[1 << 20];
            out.call("setData too large", () -> other.zk.setData(root + "/p", tooLarge, -1));
        }
        out.call("stat after all that", () -> zk.exists(root + "/p", false));
    }

    static void modes(String server, Client client, String root, Transcript out) throws Exception {
        ZooKeeper zk = client.zk;
        String queue = root + "/queue";
        Scenario.make(zk, queue, "");
        for (int i = 0; i < 3; i++) {
            out.call("sequential", () -> create(zk, queue + "/n-", "", CreateMode.PERSISTENT_SEQUENTIAL));
        }
        out.call("delete", () -> delete(zk, queue + "/n-0000000001", -1));
        out.call("plain", () -> create(zk, queue + "/plain", "", CreateMode.PERSISTENT));
        out.call("delete", () -> delete(zk, queue + "/plain", -1));
        out.call("other prefix", () -> create(zk, queue + "/m", "", CreateMode.PERSISTENT_SEQUENTIAL));
        out.call("no prefix", () -> create(zk, queue + "/", "", CreateMode.PERSISTENT_SEQUENTIAL));
        out.call("ephemeral sequential",
                () -> create(zk, queue + "/e-", "", CreateMode.EPHEMERAL_SEQUENTIAL));
        out.call("stat", () -> zk.exists(queue, false));
        out.call("children", () -> zk.getChildren(queue, false));
        out.call("missing parent", () -> create(zk, root + "/none/n-", "",
                CreateMode.PERSISTENT_SEQUENTIAL));
        out.call("ephemeral", () -> create(zk, root + "/e", "", CreateMode.EPHEMERAL));
        out.call("stat", () -> zk.exists(root + "/e", false));
        out.call("ephemerals", () -> zk.getEphemerals());
        out.call("ephemerals below", () -> zk.getEphemerals(queue));
        out.call("ephemerals with a prefix", () -> zk.getEphemerals(root + "/que"));
        out.call("container", () -> create(zk, root + "/box", "", CreateMode.CONTAINER));
        out.call("stat", () -> zk.exists(root + "/box", false));
        for (CreateMode mode : new CreateMode[] {CreateMode.PERSISTENT_WITH_TTL,
            CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL}) {
            Stat stat = new Stat();
            out.call(mode.toString(), () -> zk.create(root + "/ttl", null, Ids.OPEN_ACL_UNSAFE, mode,
                    stat, 3_600_000L) + out.stat(stat));
            for (long ttl : new long[] {0, -1, 1L << 40, (1L << 40) - 1}) {
                out.call(mode + " " + ttl, () -> zk.create(root + "/ttl" + ttl, null,
                        Ids.OPEN_ACL_UNSAFE, mode, stat, ttl));
            }
        }
    }

    static void reaped(String server, Client client, String root, Transcript out) throws Exception {
        ZooKeeper zk = client.zk;
        create(zk, root + "/never used", "", CreateMode.CONTAINER);
        create(zk, root + "/box", "", CreateMode.CONTAINER);
        Scenario.make(zk, root + "/box/c", "");
        zk.exists(root + "/box", true);
        delete(zk, root + "/box/c", -1);
        client.awaitEvent(EventType.NodeDeleted, null, root + "/box");
        client.tell(out, "watcher of an emptied container");
        zk.create(root + "/ttl", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_WITH_TTL,
                new Stat(), 300);
        zk.exists(root + "/ttl", true);
        client.awaitEvent(EventType.NodeDeleted, null, root + "/ttl");
        client.tell(out, "watcher of a node whose time ran out");
        out.call("children left", () -> zk.getChildren(root, false));
        out.call("stat", () -> zk.exists(root, false));
    }

    static String create(ZooKeeper zk, String path, String data, CreateMode mode) throws Exception {
        return zk.create(path, Scenario.bytes(data), Ids.OPEN_ACL_UNSAFE, mode);
    }

    static String delete(ZooKeeper zk, String path, int version) throws Exception {
        zk.delete(path, version);
        return "done";
    }

    /** Old clients have only the asynchronous call. */
    static String sync(ZooKeeper zk, String path) throws Exception {
        CompletableFuture<String> reply = new CompletableFuture<>();
        zk.sync(path, (rc, p, ctx) -> reply.complete(rc + " " + p), null);
        return reply.get();
    }

    private static String printable(String path) {
        StringBuilder text = new StringBuilder();
        path.chars().forEach(c -> text.append(c > ' ' && c < 127 ? "" + (char) c : "\\u" + c));
        return text.toString();
    }
}
