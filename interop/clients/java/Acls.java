import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.Watcher.Event.EventType;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooDefs.Perms;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.ClientInfo;
import org.apache.zookeeper.data.Id;
import org.apache.zookeeper.data.Stat;

/** Who may do what, under every scheme a server has by default. */
final class Acls {
    private static final String[] IDS = {
        "world:anyone", "world:x", "digest:a:b", "digest:a", "digest:", "digest:a:b:c",
        "ip:127.0.0.1", "ip:127.0.0.0/8", "ip:1.2.3", "ip:256.1.1.1", "ip:1.2.3.4/33", "ip:::1",
        "ip:::1/129", "auth:", "auth:ignored", "sasl:bob", "x509:CN=bob", "super:x", "nosuch:x",
    };

    static void run(String server, Client client, String root, Transcript out) throws Exception {
        ZooKeeper zk = client.zk;
        for (String id : IDS) {
            out.call("create with " + id, () -> zk.create(root + "/n", null,
                    Arrays.asList(acl(Perms.ALL, id)), CreateMode.PERSISTENT_SEQUENTIAL));
        }
        Scenario.make(zk, root + "/bits", "data");
        for (int perms : new int[] {0, Perms.READ, Perms.WRITE, Perms.CREATE, Perms.DELETE,
            Perms.ADMIN, Perms.READ | Perms.WRITE, 255}) {
            String path = root + "/bits/" + perms;
            List<ACL> acl = Arrays.asList(acl(perms, "world:anyone"));
            out.call("create with " + perms, () -> zk.create(path, null, acl, CreateMode.PERSISTENT));
            everyOperation(zk, path, out);
        }
        List<ACL> twice = Arrays.asList(acl(1, "world:anyone"), acl(31, "ip:127.0.0.1"),
                acl(1, "world:anyone"));
        out.call("doubled entries", () -> zk.create(root + "/twice", null, twice, CreateMode.PERSISTENT));
        Stat stat = new Stat();
        out.call("getACL", () -> out.show(zk.getACL(root + "/twice", stat)) + out.stat(stat));
        out.call("setACL", () -> zk.setACL(root + "/twice", Ids.READ_ACL_UNSAFE, 0));
        out.call("setACL locked out", () -> zk.setACL(root + "/twice", Ids.OPEN_ACL_UNSAFE, -1));
        out.call("setACL invalid on a missing node", () -> zk.setACL(root + "/none",
                Arrays.asList(acl(31, "nosuch:x")), -1));
        out.call("getACL of /zookeeper/config", () -> zk.getACL("/zookeeper/config", new Stat()));
        out.call("getACL of /", () -> zk.getACL("/", new Stat()));
    }

    private static void everyOperation(ZooKeeper zk, String path, Transcript out) {
        out.call("  exists", () -> zk.exists(path, false) != null);
        out.call("  getData", () -> zk.getData(path, false, null));
        out.call("  getChildren", () -> zk.getChildren(path, false));
        out.call("  all children", () -> zk.getAllChildrenNumber(path));
        out.call("  getACL", () -> zk.getACL(path, new Stat()));
        out.call("  setData", () -> zk.setData(path, Scenario.bytes("x"), -1));
        out.call("  create below", () -> Nodes.create(zk, path + "/c", "", CreateMode.PERSISTENT));
        out.call("  delete below", () -> Nodes.delete(zk, path + "/c", -1));
        out.call("  setACL", () -> zk.setACL(path, Ids.READ_ACL_UNSAFE, -1));
    }

    static void authentication(String server, Client client, String root, Transcript out)
            throws Exception {
        ZooKeeper zk = client.zk;
        out.call("whoami", () -> who(zk));
        zk.addAuthInfo("digest", Scenario.bytes("bob:secret"));
        out.call("whoami", () -> who(zk));
        out.call("creator only", () -> zk.create(root + "/bob", null, Ids.CREATOR_ALL_ACL,
                CreateMode.PERSISTENT));
        zk.addAuthInfo("digest", Scenario.bytes("ann:secret"));
        zk.addAuthInfo("ip", new byte[0]);
        out.call("whoami", () -> who(zk));
        out.call("creator of two names", () -> zk.create(root + "/both", null, Ids.CREATOR_ALL_ACL,
                CreateMode.PERSISTENT));
        out.call("getACL", () -> sorted(zk.getACL(root + "/both", new Stat())));
        zk.create(root + "/bob/ro", null, Arrays.asList(
                acl(Perms.READ, "world:anyone"),
                acl(Perms.ALL, "digest:bob:" + "fyVmFCwVbTJYrznoSu1koqYEYF0=")), CreateMode.PERSISTENT);
        try (Client stranger = new Client(server)) {
            out.call("stranger reads", () -> stranger.zk.getData(root + "/bob", false, null));
            out.call("stranger sees the ACL", () -> stranger.zk.getACL(root + "/bob", new Stat()));
            out.call("stranger sees a readable ACL",
                    () -> stranger.zk.getACL(root + "/bob/ro", new Stat()));
            out.call("stranger deletes", () -> Nodes.delete(stranger.zk, root + "/bob/ro", -1));
            stranger.zk.addAuthInfo("digest", Scenario.bytes("bob:wrong"));
            out.call("wrong password", () -> stranger.zk.getData(root + "/bob", false, null));
            stranger.zk.addAuthInfo("digest", Scenario.bytes("bob:secret"));
            out.call("right password", () -> stranger.zk.getData(root + "/bob", false, null));
        }
        try (Client admin = new Client(server)) {
            admin.zk.addAuthInfo("digest", Scenario.bytes("super:secret"));
            out.call("super whoami", () -> who(admin.zk));
            out.call("super reads", () -> admin.zk.getData(root + "/bob", false, null));
            out.call("super sees the ACL", () -> admin.zk.getACL(root + "/bob", new Stat()));
            out.call("super deletes /zookeeper/quota",
                    () -> Nodes.delete(admin.zk, "/zookeeper/quota", -1));
            out.call("super sets the ACL",
                    () -> admin.zk.setACL(root + "/bob", Ids.OPEN_ACL_UNSAFE, 0));
        }
        for (String scheme : new String[] {"nosuch", "world", "super", "sasl", "x509"}) {
            refused(server, scheme, root, out);
        }
    }

    private static void refused(String server, String scheme, String root, Transcript out)
            throws Exception {
        try (Client client = new Client(server)) {
            client.zk.addAuthInfo(scheme, Scenario.bytes("x"));
            client.awaitEvent(EventType.None, KeeperState.AuthFailed, null);
            out.line("addAuthInfo " + scheme + " -> AuthFailed");
            out.call("afterwards", () -> client.zk.exists(root, false));
        }
    }

    private static List<String> who(ZooKeeper zk) throws Exception {
        List<String> names = new ArrayList<>();
        for (ClientInfo info : zk.whoAmI()) {
            names.add(info.getAuthScheme() + ":" + info.getUser());
        }
        Collections.sort(names);
        return names;
    }

    private static List<String> sorted(List<ACL> acl) {
        List<String> entries = new ArrayList<>();
        for (ACL entry : acl) {
            entries.add(entry.getPerms() + ":" + entry.getId().getScheme() + ":" + entry.getId().getId());
        }
        Collections.sort(entries);
        return entries;
    }

    static ACL acl(int perms, String id) {
        int colon = id.indexOf(':');
        return new ACL(perms, new Id(id.substring(0, colon), id.substring(colon + 1)));
    }
}
