import java.nio.charset.StandardCharsets;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.Stat;

/**
 * Everything an application can do with the Java client, told as a transcript.
 *
 * <p>Usage: {@code Scenario host:port}. The server is fresh, has extended types and quotas
 * enforced, looks for empty containers often, and knows the super user {@code super:secret}.
 */
public final class Scenario {
    /** One topic; {@code root} is a fresh node of its own. */
    interface Topic {
        void run(String server, Client client, String root, Transcript out) throws Exception;
    }

    public static void main(String[] args) throws Exception {
        Transcript out = new Transcript();
        String server = args[0];
        topic(server, out, "nodes", Nodes::run);
        topic(server, out, "errors", Nodes::errors);
        topic(server, out, "modes", Nodes::modes);
        topic(server, out, "reaped", Nodes::reaped);
        topic(server, out, "acl", Acls::run);
        topic(server, out, "auth", Acls::authentication);
        topic(server, out, "multi", Transactions::run);
        topic(server, out, "pipeline", Transactions::pipeline);
        topic(server, out, "watches", Watches::standard);
        topic(server, out, "persistent", Watches::persistent);
        topic(server, out, "remove", Watches::removal);
        topic(server, out, "unreadable", Watches::unreadable);
        topic(server, out, "sessions", Sessions::run);
        topic(server, out, "cuts", Sessions::cuts);
        topic(server, out, "expiry", Sessions::expiry);
        topic(server, out, "quota", Admin::quota);
        topic(server, out, "chroot", Admin::chroot);
        topic(server, out, "config", Admin::config);
        out.line("== end");
        System.exit(0);
    }

    private static void topic(String server, Transcript out, String name, Topic topic)
            throws Exception {
        try (Client client = new Client(server)) {
            String root = "/" + name;
            Stat stat = new Stat();
            client.zk.create(root, bytes(name), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT, stat);
            out.section(name, stat.getCzxid());
            out.session(client.zk.getSessionId());
            topic.run(server, client, root, out);
        }
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static void make(ZooKeeper zk, String path, String data) throws Exception {
        zk.create(path, bytes(data), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
    }
}
