import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.OpResult;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.Stat;

/**
 * What a client saw, in a form that two servers can be compared by, line by line.
 *
 * <p>Only what must differ between two runs is masked: zxids are told relative to the first of the
 * section, sessions by the order of their appearance, times by whether mtime moved away from ctime.
 */
final class Transcript {
    private long base;
    private final Map<Long, String> sessions = new LinkedHashMap<>();

    /** Starts a section whose zxids count from {@code zxid}. */
    void section(String title, long zxid) {
        base = zxid;
        line("== " + title);
    }

    synchronized void line(String text) {
        System.out.println(text);
        System.out.flush();
    }

    /** Runs one call and tells its result, or the error it failed with. */
    boolean call(String what, Callable<?> call) {
        try {
            line(what + " -> " + show(call.call()));
            return true;
        } catch (KeeperException e) {
            line(what + " -> " + e.code() + (e.getPath() == null ? "" : " for " + e.getPath()));
        } catch (Exception e) {
            line(what + " -> " + e.getClass().getSimpleName() + ": " + e.getMessage());
        }
        return false;
    }

    String zxid(long zxid) {
        return zxid <= 0 ? Long.toString(zxid) : "z" + (zxid - base);
    }

    String session(long id) {
        return id == 0 ? "none" : sessions.computeIfAbsent(id, x -> "session" + sessions.size());
    }

    String stat(Stat stat) {
        if (stat == null) {
            return "no stat";
        }
        return "{c=" + zxid(stat.getCzxid()) + " m=" + zxid(stat.getMzxid())
                + " p=" + zxid(stat.getPzxid()) + " v=" + stat.getVersion()
                + " cv=" + stat.getCversion() + " av=" + stat.getAversion()
                + " len=" + stat.getDataLength() + " kids=" + stat.getNumChildren()
                + " owner=" + session(stat.getEphemeralOwner())
                + (stat.getCtime() > 1_500_000_000_000L ? "" : " ctime=" + stat.getCtime())
                + (stat.getMtime() >= stat.getCtime() ? "" : " mtime<ctime") + "}";
    }

    String event(WatchedEvent event) {
        return event.getType() + " " + event.getState() + " " + event.getPath() + eventZxid(event);
    }

    /** Clients before 3.9 do not know the zxid of an event; the same class runs on both. */
    private String eventZxid(WatchedEvent event) {
        try {
            Method getter = WatchedEvent.class.getMethod("getZxid");
            return " at " + zxid((Long) getter.invoke(event));
        } catch (ReflectiveOperationException e) {
            return "";
        }
    }

    String show(Object value) {
        if (value == null) {
            return "null";
        }
        if (value instanceof byte[]) {
            return bytes((byte[]) value);
        }
        if (value instanceof Stat) {
            return stat((Stat) value);
        }
        if (value instanceof ACL) {
            ACL acl = (ACL) value;
            return acl.getPerms() + ":" + acl.getId().getScheme() + ":" + acl.getId().getId();
        }
        if (value instanceof OpResult) {
            return result((OpResult) value);
        }
        if (value instanceof KeeperException) {
            return ((KeeperException) value).code().toString();
        }
        if (value instanceof List) {
            List<String> parts = new ArrayList<>();
            for (Object part : (List<?>) value) {
                parts.add(show(part));
            }
            if (((List<?>) value).stream().allMatch(part -> part instanceof String)) {
                Collections.sort(parts); // names come in no promised order
            }
            return parts.toString();
        }
        return value.toString();
    }

    private static String bytes(byte[] data) {
        return data.length > 200
                ? data.length + " bytes, hash " + java.util.Arrays.hashCode(data)
                : "\"" + new String(data, StandardCharsets.UTF_8) + "\"";
    }

    private String result(OpResult result) {
        if (result instanceof OpResult.ErrorResult) {
            return "error " + ((OpResult.ErrorResult) result).getErr();
        }
        if (result instanceof OpResult.CreateResult) {
            OpResult.CreateResult created = (OpResult.CreateResult) result;
            return "created " + created.getPath()
                    + (created.getStat() == null ? "" : " " + stat(created.getStat()));
        }
        if (result instanceof OpResult.SetDataResult) {
            return "set " + stat(((OpResult.SetDataResult) result).getStat());
        }
        if (result instanceof OpResult.GetDataResult) {
            OpResult.GetDataResult got = (OpResult.GetDataResult) result;
            return "got " + show(got.getData()) + " " + stat(got.getStat());
        }
        if (result instanceof OpResult.GetChildrenResult) {
            return "children " + show(((OpResult.GetChildrenResult) result).getChildren());
        }
        return result.getClass().getSimpleName();
    }
}
