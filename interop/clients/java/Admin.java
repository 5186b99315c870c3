import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.admin.ZooKeeperAdmin;
import org.apache.zookeeper.cli.DelQuotaCommand;
import org.apache.zookeeper.cli.SetQuotaCommand;
import org.apache.zookeeper.StatsTrack;
import org.apache.zookeeper.data.Stat;

/** Quotas, the chroot, and the configuration node. */
final class Admin {
    static void quota(String server, Client client, String root, Transcript out) throws Exception {
        ZooKeeper zk = client.zk;
        String used = "/zookeeper/quota" + root + "/zookeeper_stats";
        String limits = "/zookeeper/quota" + root + "/zookeeper_limits";
        Scenario.make(zk, root + "/a", "12345678");
        StatsTrack track = new StatsTrack();
        track.setCount(3);
        track.setBytes(30);
        track.setCountHardLimit(5);
        track.setByteHardLimit(50);
        out.call("setquota", () -> SetQuotaCommand.createQuota(zk, root, track));
        Stat stat = new Stat();
        out.call("limits", () -> zk.getData(limits, false, null));
        out.call("used", () -> out.show(zk.getData(used, false, stat)) + out.stat(stat));
        out.call("quota in a quota", () -> SetQuotaCommand.createQuota(zk, root + "/a", track));
        out.call("second node", () -> Nodes.create(zk, root + "/b", "1234", CreateMode.PERSISTENT));
        out.call("over the soft limit", () -> Nodes.create(zk, root + "/c", "", CreateMode.PERSISTENT));
        out.call("ephemeral", () -> Nodes.create(zk, root + "/e", "", CreateMode.EPHEMERAL));
        out.call("over the hard limit", () -> Nodes.create(zk, root + "/f", "", CreateMode.PERSISTENT));
        out.call("used", () -> out.show(zk.getData(used, false, stat)) + out.stat(stat));
        out.call("setData to the brim", () -> zk.setData(root + "/b", new byte[50 - 13], -1));
        out.call("setData beyond", () -> zk.setData(root + "/b", new byte[51], -1));
        out.call("wrong version and beyond", () -> zk.setData(root + "/b", new byte[51], 77));
        out.call("setData less", () -> zk.setData(root + "/b", new byte[1], -1));
        out.call("delete", () -> Nodes.delete(zk, root + "/c", -1));
        out.call("used", () -> zk.getData(used, false, null));
        out.call("in a multi", () -> zk.transaction()
                .create(root + "/m", null, org.apache.zookeeper.ZooDefs.Ids.OPEN_ACL_UNSAFE,
                        CreateMode.PERSISTENT)
                .setData(root + "/m", new byte[100], -1).commit());
        out.call("used", () -> zk.getData(used, false, null));
        StatsTrack all = new StatsTrack();
        all.setCount(1);
        all.setBytes(1);
        all.setCountHardLimit(1);
        all.setByteHardLimit(1);
        out.call("delquota of the numbers", () -> DelQuotaCommand.delQuota(zk, root, all));
        out.call("limits", () -> zk.getData(limits, false, null));
        out.call("delquota", () -> DelQuotaCommand.delQuota(zk, root, null));
        out.call("limits", () -> zk.getData(limits, false, null));
        out.call("beyond, without a quota", () -> zk.setData(root + "/b", new byte[500], -1));
        out.call("left of the quota", () -> zk.getAllChildrenNumber("/zookeeper/quota"));
    }

    static void chroot(String server, Client client, String root, Transcript out) throws Exception {
        try (Client inside = new Client(server + root)) {
            ZooKeeper zk = inside.zk;
            zk.getChildren("/", true);
            zk.exists("/a", true);
            out.call("create", () -> Nodes.create(zk, "/a", "x", CreateMode.PERSISTENT));
            inside.tell(out, "inside");
            out.call("sequential", () -> Nodes.create(zk, "/a/s-", "", CreateMode.EPHEMERAL_SEQUENTIAL));
            out.call("ephemerals", () -> zk.getEphemerals());
            out.call("children", () -> zk.getChildren("/", false));
            out.call("seen from outside", () -> client.zk.getChildren(root + "/a", false));
            out.call("missing", () -> zk.getData("/none", false, null));
            out.call("sync", () -> Nodes.sync(zk, "/"));
            out.call("all children", () -> zk.getAllChildrenNumber("/"));
            zk.addWatch("/", org.apache.zookeeper.AddWatchMode.PERSISTENT_RECURSIVE);
            client.zk.setData(root, Scenario.bytes("new"), -1);
            Scenario.make(client.zk, root + "/a/b", "");
            inside.tell(out, "inside");
        }
        try (Client nowhere = new Client(server + "/no/such/root")) {
            out.call("create in a missing chroot",
                    () -> Nodes.create(nowhere.zk, "/a", "", CreateMode.PERSISTENT));
            out.call("exists in a missing chroot", () -> nowhere.zk.exists("/", false));
        }
    }

    static void config(String server, Client client, String root, Transcript out) throws Exception {
        Stat stat = new Stat();
        out.call("getConfig", () -> out.show(client.zk.getConfig(false, stat)) + " v="
                + stat.getVersion() + " len=" + stat.getDataLength());
        try (ZooKeeperAdmin admin = new ZooKeeperAdmin(server, Client.TIMEOUT_MS, event -> { })) {
            out.call("reconfig", () -> admin.reconfigure("server.1=h:1:2:participant;3", null, null,
                    -1, new Stat()));
            admin.addAuthInfo("digest", Scenario.bytes("super:secret"));
            out.call("reconfig by super", () -> admin.reconfigure(null, null,
                    "server.1=h:1:2:participant;3", -1, new Stat()));
        }
        out.call("write to the configuration",
                () -> client.zk.setData("/zookeeper/config", new byte[0], -1));
    }
}
