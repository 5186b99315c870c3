import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.TreeMap;
import java.util.zip.Adler32;
import org.apache.jute.BinaryOutputArchive;
import org.apache.jute.OutputArchive;
import org.apache.jute.Record;
import org.apache.zookeeper.MultiOperationRecord;
import org.apache.zookeeper.MultiResponse;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.OpResult;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.ClientInfo;
import org.apache.zookeeper.data.Id;
import org.apache.zookeeper.data.Stat;
import org.apache.zookeeper.data.StatPersisted;
import org.apache.zookeeper.proto.*;
import org.apache.zookeeper.server.DataNode;
import org.apache.zookeeper.server.ReferenceCountedACLCache;
import org.apache.zookeeper.server.persistence.FileHeader;
import org.apache.zookeeper.server.persistence.Util;
import org.apache.zookeeper.txn.*;

/**
 * Writes samples of every record of the client protocol, of the transaction log and of snapshots, encoded by
 * the original's own classes. One argument: the file to write.
 */
public class Golden {
    static final String GRAMMAR = """
            # Records as Apache ZooKeeper 3.9.5 encodes them. Made by interop/golden/generate.sh.
            #
            # line      comment | sample | nothing
            # comment   '#' and anything
            # sample    name ' ' hex ' ' fields
            # name      record '/' instance    no spaces; the instance says what is special about this one
            # hex       every byte of the record, two lower-case digits each; '-' when it has none
            # fields    the same as JSON, on this line: a record is an object with its fields in their order,
            #           a vector an array, a number or boolean itself, a ustring a string,
            #           a buffer a string of hex digits, and a null of any type is null
            #
            # Records named as in the original are one record each (a request has no header in front).
            # MultiOperationRecord and MultiResponse are arrays: header, record, header, record, ..., terminator.
            # packet.*      what follows the length of a whole packet: header and record.
            # txn.*         the payload of a log entry: header, body and, except for errors, digest. The bodies of
            #               a multi are buffers, as in the bytes.
            # log.*         the header of a log file; a log entry with its checksum, length and end mark.
            # snapshot.*    the sections of a snapshot in their order; snapshot.sessions and snapshot.acls are flat
            #               arrays: the count, then id and timeout, or id and ACL, of each entry.
            # Strings hold no character above U+FFFF: the original does not encode those as UTF-8.
            """;

    static final List<ACL> OPEN = List.of(acl(31, "world", "anyone"));
    static final List<ACL> MIXED = List.of(
            acl(1, "world", "anyone"),
            acl(31, "digest", "bob:G8R0oXzbQNYLXN0H/4mDJXkPjhQ="),
            acl(0, "ip", "10.0.0.0/8"));
    static final String UNICODE = "/gr\u00f6\u00dfe/\u8a9e\uffee";
    static final byte[] DATA = "some data".getBytes(StandardCharsets.UTF_8);
    static final long SESSION = 0x100001599b40000L;
    static final byte[] EMPTY = new byte[0];
    static final byte[] PASSWORD = HexFormat.of().parseHex("054cc74a37327db215e702e20c73f005");
    static final Stat STAT = new Stat(0x100000002L, 0x100000007L, 1795223727659L, 1795223730001L, 3, -1, 2,
            SESSION, 9, 4, 0x10000000aL);
    static final Stat EXTREME = new Stat(Long.MAX_VALUE, Long.MIN_VALUE, 0, -1, Integer.MAX_VALUE, Integer.MIN_VALUE,
            -1, Long.MIN_VALUE, 0, 0, 0);
    static PrintStream out;

    public static void main(String[] args) throws IOException {
        out = new PrintStream(args[0], StandardCharsets.UTF_8);
        out.print(GRAMMAR);
        handshake();
        creates();
        reads();
        changes();
        watches();
        authentication();
        multis();
        packets();
        transactions();
        log();
        snapshot();
        out.close();
        if (out.checkError()) {
            throw new IOException("cannot write " + args[0]);
        }
    }

    static void handshake() throws IOException {
        title("handshake and headers");
        sample("ConnectRequest/new", new ConnectRequest(0, 0, 6000, 0, new byte[16], false));
        sample("ConnectRequest/resume", new ConnectRequest(0, 0x10000000aL, 30000, 1, PASSWORD, true));
        sample("ConnectRequest/null_password", new ConnectRequest(77, -1, -1, -1, null, false));
        sample("ConnectRequest/empty_password", new ConnectRequest(0, 0, 0, 0, EMPTY, false));
        sample("ConnectResponse/accepted", new ConnectResponse(0, 4000, SESSION, PASSWORD, false));
        sample("ConnectResponse/read_only", new ConnectResponse(0, 40000, -1, PASSWORD, true));
        sample("ConnectResponse/expired", new ConnectResponse(0, 0, 0, new byte[16], false));
        sample("RequestHeader/getData", new RequestHeader(1, 4));
        sample("RequestHeader/ping", new RequestHeader(-2, 11));
        sample("RequestHeader/closeSession", new RequestHeader(Integer.MAX_VALUE, -11));
        sample("ReplyHeader/ok", new ReplyHeader(1, 0x100000007L, 0));
        sample("ReplyHeader/no_node", new ReplyHeader(2, 16, -101));
        sample("ReplyHeader/event", new ReplyHeader(-1, -1, 0));
        sample("ErrorResponse/no_node", new ErrorResponse(-101));
        sample("ErrorResponse/ok", new ErrorResponse(0));
        sample("Stat/zero", new Stat());
        sample("Stat/usual", STAT);
        sample("Stat/extreme", EXTREME);
        sample("ACL/open", OPEN.get(0));
        sample("ACL/digest", MIXED.get(1));
        sample("ACL/odd_perms", acl(-1, "", ""));
        sample("ACL/null_id", new ACL(31, new Id("digest", null)));
        sample("ACL/null_scheme", new ACL(31, new Id(null, null)));
    }

    static void creates() throws IOException {
        title("create, create2, createContainer, createTTL");
        sample("CreateRequest/persistent", new CreateRequest("/a", DATA, OPEN, 0));
        sample("CreateRequest/ephemeral_sequential", new CreateRequest("/a/b-", EMPTY, MIXED, 3));
        sample("CreateRequest/null_data", new CreateRequest(UNICODE, null, OPEN, 4));
        sample("CreateRequest/empty_acl", new CreateRequest("/a", DATA, List.of(), 0));
        sample("CreateRequest/null_acl", new CreateRequest("/a", DATA, null, 0));
        sample("CreateRequest/null_path", new CreateRequest(null, null, null, -1));
        sample("CreateRequest/empty_path", new CreateRequest("", EMPTY, OPEN, 0));
        sample("CreateResponse/usual", new CreateResponse("/a/b-0000000007"));
        sample("CreateResponse/unicode", new CreateResponse(UNICODE));
        sample("Create2Response/usual", new Create2Response("/a", STAT));
        sample("CreateTTLRequest/usual", new CreateTTLRequest("/t", DATA, OPEN, 5, 1500));
        sample("CreateTTLRequest/longest", new CreateTTLRequest("/t-", null, MIXED, 6, (1L << 40) - 1));
        sample("CreateTTLRequest/negative", new CreateTTLRequest("", EMPTY, null, 0, -1));
    }

    static void reads() throws IOException {
        title("reads");
        sample("ExistsRequest/plain", new ExistsRequest("/a", false));
        sample("ExistsRequest/watch", new ExistsRequest(UNICODE, true));
        sample("ExistsRequest/null_path", new ExistsRequest(null, false));
        sample("ExistsResponse/usual", new ExistsResponse(STAT));
        sample("GetDataRequest/watch", new GetDataRequest("/a", true));
        sample("GetDataRequest/empty_path", new GetDataRequest("", false));
        sample("GetDataResponse/usual", new GetDataResponse(DATA, STAT));
        sample("GetDataResponse/empty", new GetDataResponse(EMPTY, EXTREME));
        sample("GetDataResponse/null", new GetDataResponse(null, new Stat()));
        sample("GetACLRequest/usual", new GetACLRequest("/a"));
        sample("GetACLResponse/usual", new GetACLResponse(MIXED, STAT));
        sample("GetACLResponse/empty", new GetACLResponse(List.of(), STAT));
        sample("GetChildrenRequest/watch", new GetChildrenRequest("/a", true));
        sample("GetChildrenResponse/none", new GetChildrenResponse(List.of()));
        sample("GetChildrenResponse/some", new GetChildrenResponse(List.of("b", "\u8a9e", "c0000000001")));
        sample("GetChildren2Request/plain", new GetChildren2Request("/a", false));
        sample("GetChildren2Response/none", new GetChildren2Response(List.of(), STAT));
        sample("GetChildren2Response/some", new GetChildren2Response(List.of("b", "c"), STAT));
        sample("GetAllChildrenNumberRequest/root", new GetAllChildrenNumberRequest("/"));
        sample("GetAllChildrenNumberResponse/three", new GetAllChildrenNumberResponse(3));
        sample("GetEphemeralsRequest/prefix", new GetEphemeralsRequest("/a"));
        sample("GetEphemeralsRequest/null", new GetEphemeralsRequest(null));
        sample("GetEphemeralsResponse/none", new GetEphemeralsResponse(List.of()));
        sample("GetEphemeralsResponse/some", new GetEphemeralsResponse(List.of("/a/e1", UNICODE)));
        sample("SyncRequest/usual", new SyncRequest("/"));
        sample("SyncRequest/null", new SyncRequest(null));
        sample("SyncResponse/usual", new SyncResponse("garbage//"));
        sample("SyncResponse/null", new SyncResponse(null));
        sample("WhoAmIResponse/usual",
                new WhoAmIResponse(List.of(new ClientInfo("ip", "127.0.0.1"), new ClientInfo("super", ""))));
        sample("WhoAmIResponse/none", new WhoAmIResponse(List.of()));
    }

    static void changes() throws IOException {
        title("delete, setData, setACL, check, reconfig");
        sample("DeleteRequest/any_version", new DeleteRequest("/a", -1));
        sample("DeleteRequest/version", new DeleteRequest(UNICODE, 7));
        sample("SetDataRequest/usual", new SetDataRequest("/a", DATA, 3));
        sample("SetDataRequest/empty", new SetDataRequest("/a", EMPTY, -1));
        sample("SetDataRequest/null", new SetDataRequest("/a", null, Integer.MIN_VALUE));
        sample("SetDataResponse/usual", new SetDataResponse(STAT));
        sample("SetACLRequest/usual", new SetACLRequest("/a", MIXED, 2));
        sample("SetACLRequest/null", new SetACLRequest("/a", null, -1));
        sample("SetACLResponse/usual", new SetACLResponse(STAT));
        sample("CheckVersionRequest/usual", new CheckVersionRequest("/a", 3));
        sample("ReconfigRequest/incremental", new ReconfigRequest("server.4=h:1:2;3", "1,2", null, -1));
        sample("ReconfigRequest/whole",
                new ReconfigRequest(null, null, "server.1=h:1:2;3,server.2=g:1:2;3", 0x100000000L));
        sample("ReconfigRequest/empty", new ReconfigRequest("", "", "", 0));
    }

    static void watches() throws IOException {
        title("watches");
        sample("WatcherEvent/data_changed", new WatcherEvent(3, 3, "/a"));
        sample("WatcherEvent/children_changed", new WatcherEvent(4, 3, UNICODE));
        sample("SetWatches/all", new SetWatches(16, List.of("/a"), List.of("/b", UNICODE), List.of("/c", "/d", "/e")));
        sample("SetWatches/none", new SetWatches(-1, List.of(), List.of(), List.of()));
        sample("SetWatches/null", new SetWatches(0, null, null, null));
        sample("SetWatches2/all", new SetWatches2(0x100000007L, List.of("/a"), List.of("/b"), List.of("/c"),
                List.of("/d", "/e"), List.of("/")));
        sample("SetWatches2/none", new SetWatches2(0, List.of(), List.of(), List.of(), List.of(), List.of()));
        sample("SetWatches2/null", new SetWatches2(0, List.of(), List.of(), List.of(), null, null));
        sample("AddWatchRequest/persistent", new AddWatchRequest("/a", 0));
        sample("AddWatchRequest/recursive", new AddWatchRequest("/", 1));
        sample("CheckWatchesRequest/data", new CheckWatchesRequest("/a", 2));
        sample("RemoveWatchesRequest/any", new RemoveWatchesRequest("/a", 3));
    }

    static void authentication() throws IOException {
        title("authentication");
        sample("AuthPacket/digest", new AuthPacket(0, "digest", bytes("u:p")));
        sample("AuthPacket/null", new AuthPacket(0, "digest", null));
        sample("AuthPacket/empty", new AuthPacket(1, "", EMPTY));
        sample("GetSASLRequest/token", new GetSASLRequest(DATA));
        sample("GetSASLRequest/empty", new GetSASLRequest(EMPTY));
        sample("SetSASLResponse/token", new SetSASLResponse(DATA));
        sample("SetSASLResponse/null", new SetSASLResponse(null));
    }

    static void multis() throws IOException {
        title("multi and multiRead");
        sample("MultiHeader/create", new MultiHeader(1, false, -1));
        sample("MultiHeader/end", new MultiHeader(-1, true, -1));
        sample("MultiOperationRecord/empty", new MultiOperationRecord());
        sample("MultiOperationRecord/writes", new MultiOperationRecord(List.of(
                Op.create("/a", DATA, OPEN, CreateMode.PERSISTENT),
                Op.create("/b", null, MIXED, CreateMode.EPHEMERAL_SEQUENTIAL),
                Op.create("/c", EMPTY, OPEN, CreateMode.CONTAINER),
                Op.create("/t", DATA, OPEN, CreateMode.PERSISTENT_WITH_TTL, 1500),
                Op.check("/a", 0),
                Op.setData("/a", null, -1),
                Op.delete(UNICODE, 7))));
        sample("MultiOperationRecord/reads",
                new MultiOperationRecord(List.of(Op.getData("/a"), Op.getChildren(UNICODE))));
        MultiResponse done = new MultiResponse();
        done.add(new OpResult.CreateResult("/a"));
        done.add(new OpResult.CreateResult("/c", STAT));
        done.add(new OpResult.CheckResult());
        done.add(new OpResult.SetDataResult(STAT));
        done.add(new OpResult.DeleteResult());
        sample("MultiResponse/empty", new MultiResponse());
        sample("MultiResponse/done", done);
        MultiResponse failed = new MultiResponse();
        failed.add(new OpResult.ErrorResult(0));
        failed.add(new OpResult.ErrorResult(-101));
        failed.add(new OpResult.ErrorResult(-2));
        sample("MultiResponse/failed", failed);
        MultiResponse reads = new MultiResponse();
        reads.add(new OpResult.GetDataResult(DATA, STAT));
        reads.add(new OpResult.GetDataResult(null, EXTREME));
        reads.add(new OpResult.GetChildrenResult(List.of("b", "c")));
        reads.add(new OpResult.ErrorResult(-102));
        sample("MultiResponse/reads", reads);
    }

    static void packets() throws IOException {
        title("whole packets, without their length");
        packet("packet.request/exists", new RequestHeader(1, 3), new ExistsRequest("/a", true));
        packet("packet.request/auth", new RequestHeader(-4, 100), new AuthPacket(0, "digest", bytes("u:p")));
        packet("packet.request/setWatches", new RequestHeader(-8, 101),
                new SetWatches(16, List.of("/a"), List.of(), List.of("/b")));
        packet("packet.request/multi", new RequestHeader(3, 14), new MultiOperationRecord());
        packet("packet.reply/getData", new ReplyHeader(1, 0x7e, 0), new GetDataResponse(DATA, STAT));
        packet("packet.reply/event", new ReplyHeader(-1, 0x11, 0), new WatcherEvent(3, 3, "/a"));
    }

    static void transactions() throws IOException {
        title("transactions");
        txn("createSession", -10, new CreateSessionTxn(30000));
        txn("closeSession/none", -11, new CloseSessionTxn(List.of()));
        txn("closeSession/some", -11, new CloseSessionTxn(List.of("/a/e1", UNICODE)));
        txn("create/persistent", 1, new CreateTxn("/a", DATA, OPEN, false, 1));
        txn("create/ephemeral", 1, new CreateTxn(UNICODE, EMPTY, MIXED, true, 7));
        txn("create/null_data", 1, new CreateTxn("/a", null, OPEN, false, -1));
        txn("create2", 15, new CreateTxn("/a/b", DATA, OPEN, false, 2));
        txn("createContainer", 19, new CreateContainerTxn("/c", null, OPEN, 4));
        txn("createTTL", 21, new CreateTTLTxn("/t", bytes("val"), MIXED, 5, 5000));
        txn("delete", 2, new DeleteTxn("/a"));
        txn("deleteContainer", 20, new DeleteTxn("/c"));
        txn("setData", 5, new SetDataTxn("/a", DATA, 1));
        txn("setData/null", 5, new SetDataTxn("/a", null, Integer.MIN_VALUE));
        txn("reconfig", 16, new SetDataTxn("/zookeeper/config", bytes("version=0"), -1));
        txn("setACL", 7, new SetACLTxn("/a", MIXED, 1));
        txn("check", 13, new CheckVersionTxn("/a", 4));
        txn("multi/empty", 14, new MultiTxn(List.of()));
        txn("multi/done", 14, new MultiTxn(List.of(
                part(1, new CreateTxn("/m", DATA, OPEN, false, 9)),
                part(15, new CreateTxn("/m/2", null, MIXED, true, 1)),
                part(19, new CreateContainerTxn("/mc", EMPTY, OPEN, 10)),
                part(21, new CreateTTLTxn("/mt", DATA, OPEN, 11, 1500)),
                part(5, new SetDataTxn("/m", EMPTY, 1)),
                part(13, new CheckVersionTxn("/m", 2)),
                part(2, new DeleteTxn("/a")))));
        txn("multi/failed", 14, new MultiTxn(List.of(
                part(1, new CreateTxn("/m2", DATA, OPEN, false, 9)),
                part(-1, new ErrorTxn(-101)),
                part(-1, new ErrorTxn(-2)))));
        payload("txn.error", new TxnHeader(SESSION, 11, 0x100000003L, 1795223727659L, -1), new ErrorTxn(-110), null);
        payload("txn.create/no_digest", new TxnHeader(1, 2, 3, 4, 1), new CreateTxn("/a", DATA, OPEN, false, 1), null);
        payload("txn.createSession/extreme",
                new TxnHeader(-1, Integer.MIN_VALUE, Long.MAX_VALUE, -1, -10),
                new CreateSessionTxn(-1),
                new TxnDigest(2, -1));
        payload("txn.closeSession/no_body", new TxnHeader(1, 2, 3, 4, -11), null, new TxnDigest(2, 1371985504));
        payload("txn.closeSession/header_only", new TxnHeader(1, 2, 3, 4, -11), null, null);
    }

    static void log() throws IOException {
        title("log files");
        sample("log.header/usual", new FileHeader(0x5a4b4c47, 2, 0));
        byte[] payload = Util.marshallTxnEntry(
                new TxnHeader(SESSION, 0, 1, 1795223727094L, -10),
                new CreateSessionTxn(30000),
                new TxnDigest(2, 1371985504));
        Adler32 checksum = new Adler32();
        checksum.update(payload);
        sample("log.entry/createSession", archive -> {
            archive.writeLong(checksum.getValue(), "checksum");
            Util.writeTxnBytes(archive, payload);
        });
    }

    static void snapshot() throws IOException {
        title("snapshots");
        sample("snapshot.header/usual", new FileHeader(0x5a4b534e, 2, -1));
        table("snapshot.sessions/none", archive -> archive.writeInt(0, "count"));
        table("snapshot.sessions/two", archive -> {
            archive.writeInt(2, "count");
            archive.writeLong(SESSION, "id");
            archive.writeInt(30000, "timeout");
            archive.writeLong(-1, "id");
            archive.writeInt(4000, "timeout");
        });
        table("snapshot.acls/none", new ReferenceCountedACLCache()::serialize);
        ReferenceCountedACLCache acls = new ReferenceCountedACLCache();
        acls.convertAcls(MIXED);
        acls.convertAcls(List.of(acl(1, "world", "anyone")));
        table("snapshot.acls/two", acls::serialize);
        node("root", "", EMPTY, -1, new StatPersisted());
        node("persistent", "/a", DATA, -1, persisted(0));
        node("null_data", UNICODE, null, 2, persisted(0));
        node("ephemeral", "/e", EMPTY, 1, persisted(SESSION));
        node("container", "/c", EMPTY, -1, persisted(Long.MIN_VALUE));
        node("ttl", "/t", EMPTY, -1, persisted(0xff000000000005dcL));
        sample("snapshot.end/usual", archive -> archive.writeString("/", "path"));
        sample("snapshot.seal/usual", archive -> {
            archive.writeLong(0xb8a23b49L, "val");
            archive.writeString("/", "path");
        });
        sample("snapshot.digest/usual", archive -> {
            archive.writeLong(0x10000000aL, "zxid");
            archive.writeInt(2, "digestVersion");
            archive.writeLong(-2, "digest");
        });
        sample("snapshot.lastZxid/usual", archive -> archive.writeLong(0x10000000aL, "lastZxid"));
    }

    static void node(String instance, String path, byte[] data, long acl, StatPersisted stat) throws IOException {
        sample("snapshot.node/" + instance, archive -> {
            archive.writeString(path, "path");
            archive.writeRecord(new DataNode(data, acl, stat), "node");
        });
    }

    static StatPersisted persisted(long owner) {
        return new StatPersisted(2, 7, 1795223727659L, 1795223730001L, 3, 5, 1, owner, 10);
    }

    static void packet(String name, Record header, Record body) throws IOException {
        sample(name, archive -> {
            archive.writeRecord(header, "header");
            archive.writeRecord(body, "record");
        });
    }

    static void txn(String name, int type, Record body) throws IOException {
        String whole = "txn." + (name.contains("/") ? name : name + "/usual");
        TxnHeader header = new TxnHeader(SESSION, 10, 0x100000002L, 1795223727659L, type);
        payload(whole, header, body, new TxnDigest(2, 0xa6b04f41L));
    }

    /** The binary form is what the original would write to its log. */
    static void payload(String name, TxnHeader header, Record body, TxnDigest digest) throws IOException {
        Json json = new Json();
        json.begin(false);
        json.writeRecord(header, "header");
        if (body != null) {
            json.writeRecord(body, "txn");
        }
        if (digest != null) {
            json.writeRecord(digest, "digest");
        }
        json.end();
        String full = name.contains("/") ? name : name + "/usual";
        print(full, Util.marshallTxnEntry(header, body, digest), json);
    }

    static Txn part(int type, Record body) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        body.serialize(BinaryOutputArchive.getArchive(bytes), "record");
        return new Txn(type, bytes.toByteArray());
    }

    interface Fields {
        void write(OutputArchive archive) throws IOException;
    }

    static void sample(String name, Record record) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        record.serialize(BinaryOutputArchive.getArchive(bytes), "record");
        Json json = new Json();
        record.serialize(json, null);
        print(name, bytes.toByteArray(), json);
    }

    static void sample(String name, Fields fields) throws IOException {
        print(name, fields, false);
    }

    /** A sample whose fields come without names, since they repeat. */
    static void table(String name, Fields fields) throws IOException {
        print(name, fields, true);
    }

    static void print(String name, Fields fields, boolean array) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        fields.write(BinaryOutputArchive.getArchive(bytes));
        Json json = new Json();
        json.begin(array);
        fields.write(json);
        json.end();
        print(name, bytes.toByteArray(), json);
    }

    static void print(String name, byte[] bytes, Json json) {
        String hex = bytes.length == 0 ? "-" : HexFormat.of().formatHex(bytes);
        out.println(name + " " + hex + " " + json);
    }

    static void title(String words) {
        out.println("\n# " + words);
    }

    static ACL acl(int perms, String scheme, String id) {
        return new ACL(perms, new Id(scheme, id));
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** An archive that writes JSON. Tags become keys, except inside arrays. */
    static class Json implements OutputArchive {
        private final StringBuilder text = new StringBuilder();
        private final List<Boolean> arrays = new ArrayList<>();

        @Override
        public String toString() {
            return text.toString();
        }

        private void value(String tag, Object value) {
            key(tag);
            text.append(value);
        }

        private void key(String tag) {
            if (arrays.isEmpty()) {
                return;
            }
            char last = text.charAt(text.length() - 1);
            if (last != '{' && last != '[') {
                text.append(',');
            }
            if (!arrays.get(arrays.size() - 1)) {
                text.append('"').append(tag).append("\":");
            }
        }

        void begin(boolean array) {
            arrays.add(array);
            text.append(array ? '[' : '{');
        }

        void end() {
            text.append(arrays.remove(arrays.size() - 1) ? ']' : '}');
        }

        @Override
        public void writeByte(byte value, String tag) {
            value(tag, value);
        }

        @Override
        public void writeBool(boolean value, String tag) {
            value(tag, value);
        }

        @Override
        public void writeInt(int value, String tag) {
            value(tag, value);
        }

        @Override
        public void writeLong(long value, String tag) {
            value(tag, value);
        }

        @Override
        public void writeFloat(float value, String tag) {
            value(tag, value);
        }

        @Override
        public void writeDouble(double value, String tag) {
            value(tag, value);
        }

        @Override
        public void writeString(String value, String tag) {
            // No sample holds a character that JSON would want escaped.
            value(tag, value == null ? null : '"' + value + '"');
        }

        @Override
        public void writeBuffer(byte[] value, String tag) {
            value(tag, value == null ? null : '"' + HexFormat.of().formatHex(value) + '"');
        }

        @Override
        public void writeRecord(Record record, String tag) throws IOException {
            record.serialize(this, tag);
        }

        @Override
        public void startRecord(Record record, String tag) {
            key(tag);
            begin(record instanceof MultiOperationRecord || record instanceof MultiResponse);
        }

        @Override
        public void endRecord(Record record, String tag) {
            end();
        }

        @Override
        public void startVector(List<?> vector, String tag) {
            key(tag);
            if (vector == null) {
                text.append("null");
            } else {
                begin(true);
            }
        }

        @Override
        public void endVector(List<?> vector, String tag) {
            if (vector != null) {
                end();
            }
        }

        @Override
        public void startMap(TreeMap<?, ?> map, String tag) {
            throw new UnsupportedOperationException("no record holds a map");
        }

        @Override
        public void endMap(TreeMap<?, ?> map, String tag) {
            throw new UnsupportedOperationException("no record holds a map");
        }

        @Override
        public long getDataSize() {
            return 0;
        }
    }
}
