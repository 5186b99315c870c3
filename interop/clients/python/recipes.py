"""kazoo's recipes, each with two or more sessions. Told is what the recipe promises, not its nodes' names."""

import datetime
import queue
import threading

from kazoo.client import KazooClient
from kazoo.exceptions import LockTimeout
from kazoo.recipe.cache import TreeCache, TreeEvent

PATIENCE = 30  # seconds, for what must happen


def _peer(hosts):
    client = KazooClient(hosts=hosts, timeout=20)
    client.start(timeout=PATIENCE)
    return client


def _spawn(function, *args):
    thread = threading.Thread(target=function, args=args, daemon=True)
    thread.start()
    return thread


def _await_children(zk, path, number):
    """Waits until `path` has that many children, by watches."""
    while True:
        changed = threading.Event()
        if zk.exists(path, watch=lambda event: changed.set()) and \
                len(zk.get_children(path, watch=lambda event: changed.set())) == number:
            return
        if not changed.wait(PATIENCE):
            raise TimeoutError("%s never had %d children" % (path, number))


def locks(hosts, zk, root, out):
    peers = [_peer(hosts) for _ in range(3)]
    held = zk.Lock(root + "/lock", "first")
    out.call("acquire", held.acquire)
    out.call("not blocking", peers[0].Lock(root + "/lock", "x").acquire, blocking=False)
    out.call("in time", peers[0].Lock(root + "/lock", "x").acquire, timeout=0.2)
    order = queue.Queue()

    def hold(peer, name):
        with peer.Lock(root + "/lock", name):
            order.put(name)

    threads = []
    for number, peer in enumerate(peers):
        threads.append(_spawn(hold, peer, "peer%d" % number))
        _await_children(zk, root + "/lock", number + 2)
    out.call("contenders", lambda: held.contenders())
    held.release()
    for thread in threads:
        thread.join(PATIENCE)
    out.line("order", [order.get_nowait() for _ in peers])
    holder = peers[0].Lock(root + "/lock", "dying")
    holder.acquire()
    waiter = _spawn(hold, peers[1], "heir")
    _await_children(zk, root + "/lock", 2)
    peers[0].stop()
    out.line("after the holder's session:", order.get(timeout=PATIENCE))
    waiter.join(PATIENCE)
    for peer in peers[1:]:
        peer.stop()


def read_write_locks(hosts, zk, root, out):
    peer = _peer(hosts)
    path = root + "/rw"
    readers = [zk.ReadLock(path, "r1"), peer.ReadLock(path, "r2")]
    out.line("readers", [reader.acquire(timeout=PATIENCE) for reader in readers])
    try:
        peer.WriteLock(path, "w").acquire(timeout=0.2)
    except LockTimeout:
        out.line("a writer waits for readers")
    for reader in readers:
        reader.release()
    writer = peer.WriteLock(path, "w")
    out.call("writer", writer.acquire, timeout=PATIENCE)
    try:
        zk.ReadLock(path, "r").acquire(timeout=0.2)
    except LockTimeout:
        out.line("a reader waits for the writer")
    writer.release()
    peer.stop()


def semaphores(hosts, zk, root, out):
    peer = _peer(hosts)
    path = root + "/semaphore"
    first, second = zk.Semaphore(path, "a", max_leases=2), peer.Semaphore(path, "b", max_leases=2)
    out.line([first.acquire(), second.acquire()])
    out.call("holders", first.lease_holders)
    out.call("third", peer.Semaphore(path, "c", max_leases=2).acquire, blocking=False)
    first.release()
    third = peer.Semaphore(path, "c", max_leases=2)
    out.call("third", third.acquire)
    out.call("holders", third.lease_holders)
    out.call("other number of leases", zk.Semaphore(path, "d", max_leases=3).acquire)
    third.release()
    second.release()
    peer.stop()


def elections(hosts, zk, root, out):
    peer = _peer(hosts)
    order, leave = queue.Queue(), threading.Event()

    def lead(name):
        order.put(name)
        leave.wait(PATIENCE)

    first = _spawn(zk.Election(root + "/election", "first").run, lead, "first")
    _await_children(zk, root + "/election", 1)
    second = _spawn(peer.Election(root + "/election", "second").run, lead, "second")
    _await_children(zk, root + "/election", 2)
    out.call("contenders", zk.Election(root + "/election").contenders)
    leave.set()
    first.join(PATIENCE)
    second.join(PATIENCE)
    out.line("leaders", [order.get_nowait() for _ in range(2)])
    peer.stop()


def queues(hosts, zk, root, out):
    peer = _peer(hosts)
    plain = zk.Queue(root + "/queue")
    for value, priority in ((b"late", 200), (b"first", 100), (b"second", 100), (b"urgent", 1)):
        plain.put(value, priority)
    out.line("length", len(plain))
    out.line([peer.Queue(root + "/queue").get() for _ in range(5)])
    locking = zk.LockingQueue(root + "/locking")
    locking.put(b"one")
    locking.put_all([b"two", b"three"], priority=50)
    other = peer.LockingQueue(root + "/locking")
    out.call("get", locking.get, timeout=PATIENCE)
    out.call("other gets", other.get, timeout=PATIENCE)
    out.call("holds", locking.holds_lock)
    out.call("consume", locking.consume)
    out.call("release", other.release)
    out.line([other.get(timeout=PATIENCE), other.consume(), other.get(timeout=PATIENCE), other.consume()])
    out.call("length", len, locking)
    got = queue.Queue()
    waiter = _spawn(lambda: got.put(other.get(timeout=PATIENCE)))
    locking.put(b"awaited")
    out.line("awaited:", got.get(timeout=PATIENCE))
    waiter.join(PATIENCE)
    peer.stop()


def barriers(hosts, zk, root, out):
    peer = _peer(hosts)
    barrier = zk.Barrier(root + "/barrier")
    out.call("wait without one", barrier.wait, 0.1)
    barrier.create()
    out.call("wait in vain", barrier.wait, 0.2)
    passed = queue.Queue()
    _spawn(lambda: passed.put(peer.Barrier(root + "/barrier").wait(PATIENCE)))
    out.call("remove", barrier.remove)
    out.line("passed", passed.get(timeout=PATIENCE))
    log = queue.Queue()

    def both(client, name):
        double = client.DoubleBarrier(root + "/double", 2, name)
        double.enter()
        log.put("entered")
        double.leave()
        log.put("left")

    threads = [_spawn(both, zk, "a"), _spawn(both, peer, "b")]
    for thread in threads:
        thread.join(PATIENCE)
    out.line(sorted(log.get_nowait() for _ in range(4)))
    peer.stop()


def parties(hosts, zk, root, out):
    peer = _peer(hosts)
    party, other = zk.Party(root + "/party", "ann"), peer.Party(root + "/party", "bob")
    party.join()
    other.join()
    out.line("in", sorted(party), len(other))
    other.leave()
    out.line("in", sorted(party))
    shallow = peer.ShallowParty(root + "/shallow", "cid")
    shallow.join()
    out.line("in", sorted(zk.ShallowParty(root + "/shallow", "dan")))
    peer.stop()
    out.line("in", sorted(zk.ShallowParty(root + "/shallow", "dan")))


def counters(hosts, zk, root, out):
    peer = _peer(hosts)
    counter = zk.Counter(root + "/counter", default=7)
    counter += 2
    counter -= 1
    out.line(counter.value, counter.pre_value, counter.post_value)

    def count(client):
        mine = client.Counter(root + "/counter", default=7)
        for _ in range(50):
            mine += 1

    threads = [_spawn(count, zk), _spawn(count, peer)]
    for thread in threads:
        thread.join(PATIENCE)
    out.line(counter.value)
    floating = zk.Counter(root + "/float", default=1.5)
    floating += 0.25
    out.line(floating.value)
    peer.stop()


def watchers(hosts, zk, root, out):
    data, children = queue.Queue(), queue.Queue()
    zk.DataWatch(root + "/data", lambda value, stat: data.put((value, stat and stat.version)))
    out.line("data", data.get(timeout=PATIENCE))
    zk.create(root + "/data", b"a")
    out.line("data", data.get(timeout=PATIENCE))
    zk.set(root + "/data", b"b")
    out.line("data", data.get(timeout=PATIENCE))
    zk.delete(root + "/data")
    out.line("data", data.get(timeout=PATIENCE))
    zk.create(root + "/parent")
    zk.ChildrenWatch(root + "/parent", lambda names: children.put(sorted(names)))
    out.line("children", children.get(timeout=PATIENCE))
    for name in ("a", "b"):
        zk.create(root + "/parent/" + name)
        out.line("children", children.get(timeout=PATIENCE))
    zk.delete(root + "/parent/a")
    out.line("children", children.get(timeout=PATIENCE))


def tree_caches(hosts, zk, root, out):
    events = queue.Queue()
    names = {TreeEvent.NODE_ADDED: "added", TreeEvent.NODE_UPDATED: "updated", TreeEvent.NODE_REMOVED: "removed",
             TreeEvent.INITIALIZED: "initialized"}
    zk.create(root + "/tree/a/b", b"deep", makepath=True)
    cache = TreeCache(zk, root + "/tree")
    cache.listen(lambda event: events.put(event))

    def await_events(*kinds):
        for kind in kinds:
            while True:
                event = events.get(timeout=PATIENCE)
                if event.event_type == kind:
                    out.line(names[kind], event.event_data and event.event_data.path,
                             event.event_data and event.event_data.data)
                    break

    cache.start()
    await_events(TreeEvent.INITIALIZED)
    out.line(cache.get_data(root + "/tree/a/b").data, sorted(cache.get_children(root + "/tree/a")))
    zk.set(root + "/tree/a/b", b"new")
    await_events(TreeEvent.NODE_UPDATED)
    zk.create(root + "/tree/a/c", b"more")
    await_events(TreeEvent.NODE_ADDED)
    zk.delete(root + "/tree/a/b")
    await_events(TreeEvent.NODE_REMOVED)
    out.line(sorted(cache.get_children(root + "/tree/a")))
    cache.close()


def partitioners(hosts, zk, root, out):
    peer = _peer(hosts)
    everything = range(6)
    parts = [client.SetPartitioner(root + "/parts", everything, identifier=name, time_boundary=0.3)
             for client, name in ((zk, "a"), (peer, "b"))]
    acquired = queue.Queue()

    def acquire(part):
        while not part.acquired or len(set(part)) == len(everything):
            if part.release:
                part.release_set()
            part.wait_for_acquire(1)
        acquired.put(sorted(part))

    threads = [_spawn(acquire, part) for part in parts]
    for thread in threads:
        thread.join(PATIENCE)
    out.line("shares", sorted(acquired.get_nowait() for _ in parts))
    for part in parts:
        part.finish()
    peer.stop()


def leases(hosts, zk, root, out):
    hour = datetime.timedelta(hours=1)
    out.line("first", bool(zk.NonBlockingLease(root + "/lease", hour, identifier="a")))
    out.line("second", bool(zk.NonBlockingLease(root + "/lease", hour, identifier="b")))
    out.line("first again", bool(zk.NonBlockingLease(root + "/lease", hour, identifier="a")))
    out.line("several", [bool(zk.MultiNonBlockingLease(2, root + "/leases", hour, identifier=name))
                         for name in "abc"])


ALL = (locks, read_write_locks, semaphores, elections, queues, barriers, parties, counters, watchers, tree_caches,
       partitioners, leases)
