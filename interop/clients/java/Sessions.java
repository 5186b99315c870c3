import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.Watcher.Event.EventType;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;

/** Life and death of sessions: negotiation, re-attachment, what is rebuilt, what expires. */
final class Sessions {
    static void run(String server, Client client, String root, Transcript out) throws Exception {
        for (int timeout : new int[] {500, 4_000, 9_000, 1_000_000_000}) {
            try (Client asking = new Client(server, timeout)) {
                out.line("asked for " + timeout + " ms, got " + asking.zk.getSessionTimeout());
            }
        }
        Client owner = new Client(server);
        owner.zk.create(root + "/e", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
        owner.zk.create(root + "/f", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
        out.call("owner", () -> client.zk.exists(root + "/e", true));
        out.call("child of an ephemeral", () -> Nodes.create(client.zk, root + "/e/c", "",
                CreateMode.PERSISTENT));
        client.zk.exists(root + "/f", true);
        client.zk.getChildren(root, true);
        owner.close();
        client.tellSorted(out, "watcher of a session that closed");
        out.call("after close", () -> owner.zk.exists(root, false));
        try (Client late = new Client(server, owner.zk.getSessionId(), owner.zk.getSessionPasswd())) {
            late.awaitEvent(EventType.None, KeeperState.Expired, null);
            out.line("re-attach to a closed session -> Expired");
            out.call("its calls", () -> late.zk.exists(root, false));
        }
        try (Client forger = new Client(server, client.zk.getSessionId(), new byte[16])) {
            forger.awaitEvent(EventType.None, KeeperState.Expired, null);
            out.line("re-attach with a wrong password -> Expired");
        }
        client.awaitAttached();
        out.call("the session lives", () -> client.zk.exists(root, false));
        out.call("the children", () -> client.zk.getChildren(root, false));
    }

    /** A broken connection costs neither session nor watches nor names. */
    static void cuts(String server, Client client, String root, Transcript out) throws Exception {
        try (CutProxy proxy = new CutProxy(server); Client cut = new Client(proxy.address())) {
            ZooKeeper zk = cut.zk;
            zk.addAuthInfo("digest", Scenario.bytes("bob:secret"));
            out.call("private", () -> zk.create(root + "/private", null, Ids.CREATOR_ALL_ACL,
                    CreateMode.PERSISTENT));
            out.call("ephemeral", () -> Nodes.create(zk, root + "/e", "", CreateMode.EPHEMERAL));
            for (String name : new String[] {"changed", "deleted", "kept", "parent", "standing"}) {
                Scenario.make(zk, root + "/" + name, "");
            }
            arm(zk, root);
            proxy.refuse();
            cut.awaitEvent(EventType.None, KeeperState.Disconnected, null);
            client.zk.setData(root + "/changed", null, -1);
            Nodes.delete(client.zk, root + "/deleted", -1);
            Scenario.make(client.zk, root + "/created", "");
            Scenario.make(client.zk, root + "/parent/c", "");
            client.zk.setData(root + "/standing", null, -1);
            proxy.admit();
            cut.awaitEvent(EventType.None, KeeperState.SyncConnected, null);
            // Each of these rests on one watch of its own, so that the order cannot differ.
            cut.awaitEvent(EventType.NodeDataChanged, null, root + "/changed");
            cut.awaitEvent(EventType.NodeDeleted, null, root + "/deleted");
            cut.awaitEvent(EventType.NodeCreated, null, root + "/created");
            cut.awaitEvent(EventType.NodeChildrenChanged, null, root + "/parent");
            out.line("every change made meanwhile was told");
            cut.fence();
            cut.forget();
            out.call("still bob", () -> zk.getData(root + "/private", false, null));
            out.call("still mine", () -> zk.getEphemerals(root));
            client.zk.setData(root + "/kept", null, -1);
            cut.tell(out, "holder of a rebuilt watch");
            client.zk.setData(root + "/standing", null, -1);
            client.zk.setData(root + "/standing", null, -1);
            cut.tell(out, "holder of a rebuilt persistent watch");
            Scenario.make(client.zk, root + "/parent/d", "");
            cut.tell(out, "holder of a rebuilt recursive watch");
            client.zk.exists(root + "/e", true);
        }
        client.tell(out, "watcher of the ephemeral");
        handOver(server, client, root, out);
    }

    private static void arm(ZooKeeper zk, String root) throws Exception {
        zk.getData(root + "/changed", true, null);
        zk.getData(root + "/deleted", true, null);
        zk.exists(root + "/created", true);
        zk.getChildren(root + "/parent", true);
        zk.getData(root + "/kept", true, null);
        zk.addWatch(root + "/standing", AddWatchMode.PERSISTENT);
        zk.addWatch(root + "/parent", AddWatchMode.PERSISTENT_RECURSIVE);
    }

    /** A second handle takes the session over; the first one is pushed off its connection. */
    private static void handOver(String server, Client client, String root, Transcript out)
            throws Exception {
        try (CutProxy proxy = new CutProxy(server)) {
            Client first = new Client(proxy.address());
            Nodes.create(first.zk, root + "/handed", "", CreateMode.EPHEMERAL);
            Client second = new Client(server, first.zk.getSessionId(), first.zk.getSessionPasswd());
            second.awaitConnected();
            first.awaitEvent(EventType.None, KeeperState.Disconnected, null);
            proxy.refuse();
            out.line("the first handle lost its connection");
            out.call("second handle", () -> second.zk.getEphemerals(root));
            out.call("same session", () -> second.zk.getSessionId() == first.zk.getSessionId());
            client.zk.exists(root + "/handed", true);
            second.close();
            client.tell(out, "watcher after the second handle closed");
            proxy.admit();
            first.awaitEvent(EventType.None, KeeperState.Expired, null);
            out.line("the first handle found its session gone");
        }
    }

    static void expiry(String server, Client client, String root, Transcript out) throws Exception {
        try (CutProxy proxy = new CutProxy(server)) {
            Client silent = new Client(proxy.address(), 4_000);
            out.line("negotiated " + silent.zk.getSessionTimeout());
            Nodes.create(silent.zk, root + "/e", "", CreateMode.EPHEMERAL);
            Nodes.create(silent.zk, root + "/e-", "", CreateMode.EPHEMERAL_SEQUENTIAL);
            client.zk.exists(root + "/e", true);
            proxy.refuse();
            client.awaitEvent(EventType.NodeDeleted, null, root + "/e");
            client.tell(out, "watcher of a session that fell silent");
            out.call("children", () -> client.zk.getChildren(root, false));
            proxy.admit();
            silent.awaitEvent(EventType.None, KeeperState.Expired, null);
            out.call("its calls", () -> silent.zk.exists(root, false));
            silent.close();
        }
    }
}
