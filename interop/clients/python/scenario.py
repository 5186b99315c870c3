"""Everything an application can do with kazoo, told as a transcript.

Usage: scenario.py host:port. The server is fresh and looks for empty containers often.
"""

import queue
import sys

import recipes
import wire_loss
from kazoo.client import KazooClient
from kazoo.exceptions import AuthFailedError
from kazoo.security import ACL, CREATOR_ALL_ACL, OPEN_ACL_UNSAFE, READ_ACL_UNSAFE, Id, make_acl, make_digest_acl
from transcript import Transcript

PATIENCE = 30  # seconds, for what must happen


def connect(hosts, **options):
    client = KazooClient(hosts=hosts, timeout=20, **options)
    client.start(timeout=PATIENCE)
    return client


class Watcher:
    """Keeps events; `tell` first makes sure that all which came before now were taken in."""

    def __init__(self, client, out):
        self.client, self.out, self.events = client, out, queue.Queue()

    def __call__(self, event):
        self.events.put("%s %s %s" % (event.type, event.state, event.path))

    def tell(self):
        # Callbacks of watches run one by one, in order, on the thread that this one runs on too.
        self.client.exists("/")
        done = queue.Queue()
        self.client.handler.dispatch_callback(_Callback(done))
        done.get(timeout=PATIENCE)
        if self.events.empty():
            self.out.line("   saw nothing")
        while not self.events.empty():
            self.out.line("   saw", self.events.get())


class _Callback:
    """What kazoo's handler calls a callback: something with `func` and `args`."""

    def __init__(self, done):
        self.type, self.func, self.args = "watch", done.put, (True,)


def nodes(hosts, zk, root, out):
    out.call("create", zk.create, root + "/a", b"one")
    out.call("create with stat", zk.create, root + "/b", b"two", include_data=True)
    out.call("create again", zk.create, root + "/a", b"one")
    out.call("create with parents", zk.create, root + "/p/q/r", b"", makepath=True)
    out.call("create without parents", zk.create, root + "/x/y")
    out.call("ensure_path", zk.ensure_path, root + "/p/q/s")
    out.call("exists", zk.exists, root + "/a")
    out.call("exists not", zk.exists, root + "/none")
    out.call("get", zk.get, root + "/a")
    out.call("get missing", zk.get, root + "/none")
    out.call("set", zk.set, root + "/a", b"uno")
    out.call("set 1", zk.set, root + "/a", b"eins", version=1)
    out.call("set 1 again", zk.set, root + "/a", b"un", version=1)
    out.call("set nothing", zk.set, root + "/a", b"")
    out.call("get", zk.get, root + "/a")
    out.call("null", zk.set, root + "/a", None)
    out.call("get", zk.get, root + "/a")
    out.call("large", zk.set, root + "/a", b"x" * 900_000)
    out.call("get", zk.get, root + "/a")
    out.call("unicode", zk.create, root + "/Ünïcødé", "ü".encode())
    out.call("children", zk.get_children, root)
    out.call("children with stat", zk.get_children, root, include_data=True)
    out.call("children of a missing node", zk.get_children, root + "/none")
    out.call("delete with children", zk.delete, root + "/p")
    out.call("delete wrong version", zk.delete, root + "/a", version=0)
    out.call("delete recursively", zk.delete, root + "/p", recursive=True)
    out.call("delete", zk.delete, root + "/a", version=5)
    out.call("delete again", zk.delete, root + "/a")
    out.call("sync", zk.sync, root)
    for _ in range(3):
        out.call("sequence", zk.create, root + "/s-", sequence=True)
    out.call("ephemeral", zk.create, root + "/e", ephemeral=True)
    out.call("ephemeral sequence", zk.create, root + "/e-", ephemeral=True, sequence=True)
    out.call("child of an ephemeral", zk.create, root + "/e/c")
    out.call("exists", zk.exists, root + "/e")
    out.call("stat", zk.exists, root)
    results = [zk.create_async(root + "/n%d" % i, b"x") for i in range(200)]
    results += [zk.get_async(root + "/n%d" % i) for i in range(200)]
    results += [zk.delete_async(root + "/n%d" % i) for i in range(0, 200, 2)]
    out.line("pipeline ->", out.show([result.get(timeout=PATIENCE) for result in results]))
    out.call("stat", zk.exists, root)
    out.call("server version", lambda: zk.server_version() >= (3, 9, 0))
    out.call("ruok", zk.command, b"ruok")


def acls(hosts, zk, root, out):
    out.call("get_acls", zk.get_acls, root)
    digest = make_digest_acl("bob", "secret", all=True)
    out.call("create", zk.create, root + "/bob", b"", acl=[digest])
    out.call("refused", zk.get, root + "/bob")
    out.call("creator without a name", zk.create, root + "/c", b"", acl=CREATOR_ALL_ACL)
    out.call("unknown scheme", zk.create, root + "/c", b"", acl=[ACL(31, Id("nosuch", "x"))])
    out.call("ip", zk.create, root + "/ip", b"", acl=[make_acl("ip", "127.0.0.1", read=True, write=True)])
    out.call("set", zk.set, root + "/ip", b"x")
    out.call("create below", zk.create, root + "/ip/c")
    zk.add_auth("digest", "bob:secret")
    out.call("bob reads", zk.get, root + "/bob")
    out.call("bob creates", zk.create, root + "/c", b"", acl=CREATOR_ALL_ACL)
    out.call("get_acls", zk.get_acls, root + "/c")
    out.call("set_acls", zk.set_acls, root + "/c", READ_ACL_UNSAFE, version=0)
    out.call("set_acls again", zk.set_acls, root + "/c", OPEN_ACL_UNSAFE)
    out.call("set_acls wrong version", zk.set_acls, root + "/bob", OPEN_ACL_UNSAFE, version=9)
    other = connect(hosts, auth_data=[("digest", "bob:secret")])
    out.call("auth_data", other.get, root + "/bob")
    other.stop()
    wrong = connect(hosts)
    try:
        wrong.add_auth("nosuch", "x")
        out.line("unknown scheme accepted")
    except AuthFailedError:
        out.line("unknown scheme -> AuthFailedError")
    wrong.stop()


def transactions(hosts, zk, root, out):
    def commit(what, *ops):
        transaction = zk.transaction()
        for name, *args in ops:
            getattr(transaction, name)(*args)
        out.call(what, transaction.commit)

    commit("all", ("create", root + "/a", b"1"), ("set_data", root + "/a", b"2", 0), ("check", root + "/a", 1),
           ("create", root + "/b"), ("delete", root + "/b"))
    commit("check fails", ("create", root + "/x"), ("check", root + "/none", 0), ("create", root + "/y"))
    commit("exists", ("create", root + "/a", b""), ("delete", root + "/a"))
    commit("not empty", ("create", root + "/p"), ("create", root + "/p/c"), ("delete", root + "/p"))
    commit("sequence", ("create", root + "/s-", b"", None, False, True), ("create", root + "/e", b"", None, True))
    commit("nothing")
    with zk.transaction() as transaction:
        transaction.create(root + "/with", b"x")
    out.call("get", zk.get, root + "/with")
    out.call("children", zk.get_children, root, include_data=True)


def watches(hosts, zk, root, out):
    other = connect(hosts)
    watcher = Watcher(zk, out)
    steps = [
        ("create under exists", lambda: zk.exists(root + "/a", watch=watcher), lambda: other.create(root + "/a")),
        ("set under get", lambda: zk.get(root + "/a", watch=watcher), lambda: other.set(root + "/a", b"x")),
        ("set without a watch", lambda: None, lambda: other.set(root + "/a", b"y")),
        ("child under get_children", lambda: zk.get_children(root + "/a", watch=watcher),
         lambda: other.create(root + "/a/c")),
        ("delete of the child", lambda: zk.get_children(root + "/a", watch=watcher),
         lambda: other.delete(root + "/a/c")),
        ("own set", lambda: zk.get(root + "/a", watch=watcher), lambda: zk.set(root + "/a", b"z")),
        ("delete under all", lambda: (zk.get(root + "/a", watch=watcher),
                                      zk.get_children(root, watch=watcher)),
         lambda: other.delete(root + "/a")),
    ]
    for what, arm, change in steps:
        arm()
        out.call(what, change)
        watcher.tell()
    other.create(root + "/e", ephemeral=True)
    zk.exists(root + "/e", watch=watcher)
    other.stop()
    watcher.tell()


def chroot(hosts, zk, root, out):
    inside = connect(hosts + root)
    out.call("create", inside.create, "/a", b"x")
    out.call("children", inside.get_children, "/")
    out.call("outside", zk.get, root + "/a")
    watcher = Watcher(inside, out)
    inside.exists("/a", watch=watcher)
    out.call("delete outside", zk.delete, root + "/a")
    watcher.tell()
    inside.stop()


def main():
    hosts = sys.argv[1]
    out = Transcript()
    for topic in (nodes, acls, transactions, watches, chroot, *recipes.ALL, wire_loss.connection_loss,
                  wire_loss.session_loss):
        zk = connect(hosts)
        root = "/" + topic.__name__
        zk.create(root, b"")
        out.section(topic.__name__, zk.exists(root).czxid)
        topic(hosts, zk, root, out)
        zk.stop()
        zk.close()
    out.line("== end")


if __name__ == "__main__":
    main()
