import java.io.PrintStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.Id;
import org.apache.zookeeper.data.Stat;

/**
 * Grows a tree with every kind of node on a server that has extended types enabled and knows super:admin, with
 * every kind of transaction on the way, and writes what the server then answers. Ends without closing its
 * sessions, so that their ephemerals stay. Arguments: port, file to write.
 */
public class Tree {
    static final String GRAMMAR = """
            # The tree that the log and the snapshots beside this file hold, as Apache ZooKeeper 3.9.5 itself
            # answered to a superuser over the wire. Made by interop/golden/generate.sh.
            #
            # Columns are separated by tabs; numbers are decimal.
            # zxid     last zxid
            # session  id, timeout in milliseconds        every session that was alive
            # owner    path, 'container' or 'ttl', TTL     what the wire does not tell: such nodes have owner 0 there
            # node     path, data, czxid, mzxid, ctime, mtime, version, cversion, aversion, ephemeralOwner,
            #          dataLength, numChildren, pzxid, acl
            # data is hex, or '-' for empty data, or 'null'; acl is 'perms:scheme:id' for each entry, with a
            # blank between entries.
            """;

    static final List<ACL> OPEN = Ids.OPEN_ACL_UNSAFE;
    static final int HOUR_MS = 3_600_000;
    static final long MAX_TTL_MS = (1L << 40) - 1;
    static int port;

    public static void main(String[] args) throws Exception {
        port = Integer.parseInt(args[0]);
        ZooKeeper first = connect();
        first.addAuthInfo("digest", bytes("bob:secret"));
        ZooKeeper second = connect();
        plain(first);
        numbered(first);
        lists(first);
        owned(first, second);
        String numberedTtl = aging(first);
        quotas(first);
        multis(first);
        failures(first, second);
        ZooKeeper leaving = connect();
        leaving.create("/gone-1", null, OPEN, CreateMode.EPHEMERAL);
        leaving.create("/gone-2", bytes("x"), OPEN, CreateMode.EPHEMERAL);
        leaving.close();
        connect().close();
        try (PrintStream out = new PrintStream(args[1], StandardCharsets.UTF_8)) {
            out.print(GRAMMAR);
            first.addAuthInfo("digest", bytes("super:admin"));
            out.printf("zxid\t%d%n", lastZxid());
            for (ZooKeeper session : List.of(first, second)) {
                out.printf("session\t%d\t%d%n", session.getSessionId(), session.getSessionTimeout());
            }
            out.printf("owner\t/container\tcontainer\t0%nowner\t/container/unused\tcontainer\t0%n");
            out.printf("owner\t/multi-container\tcontainer\t0%n");
            out.printf("owner\t/ttl\tttl\t%d%nowner\t%s\tttl\t%d%n", HOUR_MS, numberedTtl, MAX_TTL_MS);
            out.printf("owner\t/multi-ttl\tttl\t%d%n", HOUR_MS);
            dump(first, "/", out);
        }
        Runtime.getRuntime().halt(0);
    }

    static void plain(ZooKeeper zk) throws Exception {
        zk.create("/data", bytes("some data"), OPEN, CreateMode.PERSISTENT);
        zk.create("/empty", new byte[0], OPEN, CreateMode.PERSISTENT, new Stat());
        zk.create("/null", null, OPEN, CreateMode.PERSISTENT);
        zk.create("/gr\u00f6\u00dfe", bytes("\u8a9e"), OPEN, CreateMode.PERSISTENT);
        zk.create("/gr\u00f6\u00dfe/\u8a9e", new byte[] {0, -1, 127, -128}, OPEN, CreateMode.PERSISTENT);
        zk.create("/with blank", bytes("b"), OPEN, CreateMode.PERSISTENT);
        StringBuilder path = new StringBuilder();
        for (String name : List.of("deep", "a", "b", "c", "d", "e")) {
            zk.create(path.append('/').append(name).toString(), bytes(name), OPEN, CreateMode.PERSISTENT);
        }
        zk.create("/long", bytes("0123456789abcdef".repeat(128)), OPEN, CreateMode.PERSISTENT);
        for (int version = 0; version < 3; version++) {
            zk.setData("/data", bytes("version " + version), version);
        }
        zk.setData("/empty", null, -1);
        zk.setData("/null", new byte[0], -1);
        zk.setData("/empty", new byte[0], -1);
        zk.setData("/null", null, -1);
        zk.create("/deleted", null, OPEN, CreateMode.PERSISTENT);
        zk.delete("/deleted", 0);
    }

    static void numbered(ZooKeeper zk) throws Exception {
        zk.create("/queue", null, OPEN, CreateMode.PERSISTENT);
        for (int i = 0; i < 12; i++) {
            zk.create("/queue/n-", bytes(Integer.toString(i)), OPEN, CreateMode.PERSISTENT_SEQUENTIAL);
        }
        for (int i = 0; i < 10; i += 3) {
            zk.delete(String.format("/queue/n-%010d", i), -1);
        }
        zk.create("/queue/", null, OPEN, CreateMode.PERSISTENT_SEQUENTIAL);
    }

    static void lists(ZooKeeper zk) throws Exception {
        zk.create("/private", bytes("p"), Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT);
        zk.create("/private/child", null, Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT);
        List<ACL> mixed = Arrays.asList(new ACL(1, Ids.ANYONE_ID_UNSAFE), new ACL(31, new Id("ip", "127.0.0.0/8")),
                new ACL(0, new Id("digest", "a:b")));
        zk.create("/mixed", null, mixed, CreateMode.PERSISTENT);
        zk.create("/changed", null, OPEN, CreateMode.PERSISTENT);
        zk.setACL("/changed", mixed, 0);
        zk.setACL("/changed", Ids.READ_ACL_UNSAFE, 1);
    }

    static void owned(ZooKeeper first, ZooKeeper second) throws Exception {
        first.create("/mine", bytes("first"), OPEN, CreateMode.EPHEMERAL);
        second.create("/theirs", bytes("second"), OPEN, CreateMode.EPHEMERAL);
        second.create("/queue/e-", null, OPEN, CreateMode.EPHEMERAL_SEQUENTIAL);
        first.create("/queue/e-", null, Ids.CREATOR_ALL_ACL, CreateMode.EPHEMERAL_SEQUENTIAL);
        second.create("/released", null, OPEN, CreateMode.EPHEMERAL);
        first.delete("/released", -1);
    }

    static String aging(ZooKeeper zk) throws Exception {
        zk.create("/container", null, OPEN, CreateMode.CONTAINER);
        zk.create("/container/unused", bytes("c"), OPEN, CreateMode.CONTAINER);
        zk.create("/ttl", bytes("t"), OPEN, CreateMode.PERSISTENT_WITH_TTL, new Stat(), HOUR_MS);
        String numbered = zk.create("/ttl-", null, OPEN, CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL, new Stat(), MAX_TTL_MS);
        zk.create("/ttl/child", null, OPEN, CreateMode.PERSISTENT);
        zk.setData("/ttl", bytes("t2"), 0);
        zk.create("/used", null, OPEN, CreateMode.CONTAINER);
        zk.create("/used/child", null, OPEN, CreateMode.PERSISTENT);
        zk.delete("/used/child", -1);
        awaitDeletion(zk, "/used");
        zk.create("/brief", null, OPEN, CreateMode.PERSISTENT_WITH_TTL, new Stat(), 1);
        awaitDeletion(zk, "/brief");
        return numbered;
    }

    static void quotas(ZooKeeper zk) throws Exception {
        zk.create("/limited", bytes("12345678"), OPEN, CreateMode.PERSISTENT);
        zk.create("/limited/a", bytes("12"), OPEN, CreateMode.PERSISTENT);
        zk.create("/zookeeper/quota/limited", null, OPEN, CreateMode.PERSISTENT);
        zk.create("/zookeeper/quota/limited/zookeeper_limits", bytes("count=10,bytes=1000"), OPEN, CreateMode.PERSISTENT);
        zk.create("/zookeeper/quota/limited/zookeeper_stats", bytes("count=0,bytes=0"), OPEN, CreateMode.PERSISTENT);
        zk.create("/limited/b", bytes("345"), OPEN, CreateMode.PERSISTENT);
        zk.setData("/limited/a", bytes("1"), -1);
        zk.delete("/limited/b", -1);
    }

    static void multis(ZooKeeper zk) throws Exception {
        zk.multi(List.of(
                Op.create("/multi", bytes("m"), OPEN, CreateMode.PERSISTENT),
                Op.create("/multi/n-", null, OPEN, CreateMode.PERSISTENT_SEQUENTIAL),
                Op.create("/multi/n-", null, OPEN, CreateMode.EPHEMERAL_SEQUENTIAL),
                Op.create("/multi/x", null, OPEN, CreateMode.PERSISTENT),
                Op.create("/multi-container", null, OPEN, CreateMode.CONTAINER),
                Op.create("/multi-ttl", null, OPEN, CreateMode.PERSISTENT_WITH_TTL, HOUR_MS),
                Op.setData("/multi", bytes("m2"), 0),
                Op.check("/multi", 1),
                Op.delete("/multi/x", -1)));
        zk.multi(List.of());
        expect(() -> zk.multi(List.of(
                Op.create("/multi/y", null, OPEN, CreateMode.PERSISTENT),
                Op.check("/none", 0),
                Op.create("/multi/z", null, OPEN, CreateMode.PERSISTENT))));
    }

    static void failures(ZooKeeper zk, ZooKeeper stranger) throws Exception {
        expect(() -> zk.create("/data", null, OPEN, CreateMode.PERSISTENT));
        expect(() -> zk.create("/none/x", null, OPEN, CreateMode.PERSISTENT));
        expect(() -> zk.create("/mine/x", null, OPEN, CreateMode.PERSISTENT));
        expect(() -> zk.setData("/data", null, 77));
        expect(() -> zk.delete("/deep", -1));
        expect(() -> stranger.setData("/private", null, -1));
        expect(() -> zk.setACL("/data", Arrays.asList(new ACL(31, new Id("nonsense", "x"))), -1));
    }

    interface Attempt {
        void run() throws Exception;
    }

    static void expect(Attempt attempt) throws Exception {
        try {
            attempt.run();
        } catch (KeeperException refused) {
            return;
        }
        throw new IllegalStateException("this should have been refused");
    }

    static void awaitDeletion(ZooKeeper zk, String path) throws Exception {
        CountDownLatch deleted = new CountDownLatch(1);
        if (zk.exists(path, event -> deleted.countDown()) != null) {
            deleted.await();
        }
    }

    static void dump(ZooKeeper zk, String path, PrintStream out) throws Exception {
        Stat stat = new Stat();
        byte[] data = zk.getData(path, false, stat);
        String acl = zk.getACL(path, null).stream()
                .map(entry -> entry.getPerms() + ":" + entry.getId().getScheme() + ":" + entry.getId().getId())
                .collect(Collectors.joining(" "));
        String hex = data == null ? "null" : data.length == 0 ? "-" : HexFormat.of().formatHex(data);
        List<Object> columns = List.of("node", path, hex, stat.getCzxid(), stat.getMzxid(), stat.getCtime(), stat.getMtime(),
                stat.getVersion(), stat.getCversion(), stat.getAversion(), stat.getEphemeralOwner(), stat.getDataLength(),
                stat.getNumChildren(), stat.getPzxid(), acl);
        out.println(columns.stream().map(Object::toString).collect(Collectors.joining("\t")));
        List<String> children = new ArrayList<>(zk.getChildren(path, false));
        Collections.sort(children);
        for (String child : children) {
            dump(zk, path.equals("/") ? "/" + child : path + "/" + child, out);
        }
    }

    static ZooKeeper connect() throws Exception {
        CountDownLatch connected = new CountDownLatch(1);
        ZooKeeper zk = new ZooKeeper("127.0.0.1:" + port, HOUR_MS, event -> {
            if (event.getState() == Watcher.Event.KeeperState.SyncConnected) {
                connected.countDown();
            }
        });
        connected.await();
        return zk;
    }

    static long lastZxid() throws Exception {
        try (Socket socket = new Socket("127.0.0.1", port)) {
            socket.getOutputStream().write(bytes("srvr"));
            String answer = new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            Matcher zxid = Pattern.compile("Zxid: 0x([0-9a-f]+)").matcher(answer);
            if (!zxid.find()) {
                throw new IllegalStateException("no zxid in: " + answer);
            }
            return Long.parseLong(zxid.group(1), 16);
        }
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
