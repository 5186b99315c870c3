import java.util.Arrays;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.Watcher.WatcherType;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooDefs.Perms;
import org.apache.zookeeper.ZooKeeper;

/** Which change tells whom, how often, and what takes a watch away. */
final class Watches {
    private interface Change {
        Object make() throws Exception;
    }

    static void standard(String server, Client client, String root, Transcript out) throws Exception {
        try (Client other = new Client(server)) {
            ZooKeeper zk = client.zk;
            String a = root + "/a";
            zk.exists(a, true);
            change(other, client, out, "create under exists", () -> put(other.zk, a));
            zk.getData(a, true, null);
            change(other, client, out, "setACL under getData",
                    () -> other.zk.setACL(a, Ids.OPEN_ACL_UNSAFE, -1));
            change(other, client, out, "setData twice under getData", () -> {
                set(other.zk, a);
                return set(other.zk, a);
            });
            zk.getChildren(a, true);
            change(other, client, out, "setData under getChildren", () -> set(other.zk, a));
            change(other, client, out, "two children under getChildren", () -> {
                put(other.zk, a + "/c");
                return put(other.zk, a + "/d");
            });
            zk.getChildren(a, true);
            change(other, client, out, "setData of a child", () -> set(other.zk, a + "/c"));
            change(other, client, out, "delete of a child", () -> Nodes.delete(other.zk, a + "/c", -1));
            Nodes.delete(other.zk, a + "/d", -1);
            zk.getChildren(a, true);
            zk.getData(a, true, null);
            zk.getChildren(root, true);
            change(other, client, out, "delete under all", () -> Nodes.delete(other.zk, a, -1));
            out.call("getData watch of a missing node", () -> zk.getData(a, true, null));
            out.call("getChildren watch of a missing node", () -> zk.getChildren(a, true));
            change(other, client, out, "create after them", () -> put(other.zk, a));
            zk.getData(a, true, null);
            change(client, client, out, "own setData", () -> set(zk, a));
            zk.getChildren(root, true);
            change(other, client, out, "refused create", () -> put(other.zk, root + "/none/c"));
            change(other, client, out, "ephemeral", () -> Nodes.create(other.zk, root + "/e", "",
                    CreateMode.EPHEMERAL));
            zk.exists(root + "/e", true);
            zk.getChildren(root, true);
        }
        client.tell(out, "watcher of a session that closed");
    }

    static void persistent(String server, Client client, String root, Transcript out) throws Exception {
        try (Client other = new Client(server)) {
            for (AddWatchMode mode : AddWatchMode.values()) {
                String base = root + "/" + mode;
                out.call("addWatch " + mode, () -> {
                    client.zk.addWatch(base, mode);
                    return "ok";
                });
                for (int round = 0; round < 2; round++) {
                    change(other, client, out, "create", () -> put(other.zk, base));
                    change(other, client, out, "child", () -> put(other.zk, base + "/c"));
                    change(other, client, out, "grandchild", () -> put(other.zk, base + "/c/g"));
                    change(other, client, out, "setData", () -> set(other.zk, base));
                    change(other, client, out, "setData of the child", () -> set(other.zk, base + "/c"));
                    change(other, client, out, "setData of the grandchild",
                            () -> set(other.zk, base + "/c/g"));
                    change(other, client, out, "deletes", () -> {
                        Nodes.delete(other.zk, base + "/c/g", -1);
                        Nodes.delete(other.zk, base + "/c", -1);
                        return Nodes.delete(other.zk, base, -1);
                    });
                }
            }
            String all = root + "/all";
            put(client.zk, all);
            client.zk.addWatch(all, AddWatchMode.PERSISTENT);
            client.zk.addWatch(all, AddWatchMode.PERSISTENT_RECURSIVE);
            client.zk.addWatch(root, AddWatchMode.PERSISTENT_RECURSIVE);
            client.zk.getData(all, true, null);
            client.zk.getChildren(all, true);
            client.forget();
            change(other, client, out, "setData under every kind", () -> set(other.zk, all));
            change(other, client, out, "child under every kind", () -> put(other.zk, all + "/c"));
            Nodes.delete(other.zk, all + "/c", -1);
            client.tell(out, "   watcher");
            change(other, client, out, "delete under every kind",
                    () -> Nodes.delete(other.zk, all, -1));
            client.zk.addWatch("/", AddWatchMode.PERSISTENT_RECURSIVE);
            change(other, client, out, "anywhere", () -> put(other.zk, root + "/anywhere"));
        }
    }

    /** A client tells the removal of several watches in any order. */
    static void removal(String server, Client client, String root, Transcript out) throws Exception {
        ZooKeeper zk = client.zk;
        String a = root + "/a";
        put(zk, a);
        for (WatcherType type : WatcherType.values()) {
            out.call("remove without any, " + type, () -> remove(zk, a, client, type));
            zk.getData(a, client, null);
            zk.getChildren(a, client);
            out.call("remove " + type, () -> remove(zk, a, client, type));
            client.tellSorted(out, "watcher");
            out.call("remove " + type + " again", () -> remove(zk, a, client, type));
            set(zk, a);
            put(zk, a + "/c");
            Nodes.delete(zk, a + "/c", -1);
            client.tellSorted(out, "watcher");
            zk.addWatch(a, client, AddWatchMode.PERSISTENT);
            out.call("remove " + type + " of a persistent one", () -> remove(zk, a, client, type));
            set(zk, a);
            zk.addWatch(a, client, AddWatchMode.PERSISTENT_RECURSIVE);
            out.call("remove " + type + " of a recursive one", () -> remove(zk, a, client, type));
            set(zk, a);
            client.tellSorted(out, "watcher");
            zk.exists(a, client);
            out.call("removeAll " + type, () -> {
                zk.removeAllWatches(a, type, false);
                return "ok";
            });
            out.call("removeAll Any", () -> {
                zk.removeAllWatches(a, WatcherType.Any, false);
                return "ok";
            });
            set(zk, a);
            client.tellSorted(out, "watcher");
        }
        zk.exists(root + "/missing", client);
        out.call("remove of an exists watch",
                () -> remove(zk, root + "/missing", client, WatcherType.Data));
        client.tellSorted(out, "watcher");
    }

    /** Events about a node go to those who may read it. */
    static void unreadable(String server, Client client, String root, Transcript out) throws Exception {
        try (Client owner = new Client(server)) {
            owner.zk.addAuthInfo("digest", Scenario.bytes("owner:x"));
            String secret = root + "/secret";
            client.zk.addWatch(root, AddWatchMode.PERSISTENT_RECURSIVE);
            client.zk.exists(secret, true);
            change(owner, client, out, "create of a secret", () -> owner.zk.create(secret, null,
                    Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT));
            change(owner, client, out, "readable child", () -> put(owner.zk, secret + "/open"));
            change(owner, client, out, "setData of the secret", () -> set(owner.zk, secret));
            change(owner, client, out, "setData of the child", () -> set(owner.zk, secret + "/open"));
            change(owner, client, out, "delete of the child",
                    () -> Nodes.delete(owner.zk, secret + "/open", -1));
            change(owner, client, out, "delete of the secret",
                    () -> Nodes.delete(owner.zk, secret, -1));
            owner.zk.create(secret, null, Arrays.asList(Acls.acl(Perms.ALL & ~Perms.READ,
                    "world:anyone")), CreateMode.PERSISTENT);
            out.call("exists watch refused", () -> client.zk.exists(secret, true));
            change(owner, client, out, "delete", () -> Nodes.delete(owner.zk, secret, -1));
        }
    }

    private static void change(Client changer, Client watcher, Transcript out, String what, Change change)
            throws Exception {
        out.call(what, change::make);
        watcher.tell(out, "watcher");
    }

    private static String remove(ZooKeeper zk, String path, Client watcher, WatcherType type)
            throws Exception {
        zk.removeWatches(path, watcher, type, false);
        return "ok";
    }

    private static String put(ZooKeeper zk, String path) throws Exception {
        return Nodes.create(zk, path, "", CreateMode.PERSISTENT);
    }

    private static Object set(ZooKeeper zk, String path) throws Exception {
        return zk.setData(path, Scenario.bytes("new"), -1);
    }
}
