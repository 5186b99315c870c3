"""What kazoo goes through when its connection breaks, and when its session is lost."""

import queue
import socket
import threading

from kazoo.client import KazooClient, KazooState

PATIENCE = 30  # seconds, for what must happen


class CutProxy:
    """A TCP relay that can cut all its connections, and refuse new ones for a while."""

    def __init__(self, server):
        host, port = server.rsplit(":", 1)
        self.server = (host, int(port))
        self.refusing = False
        self.open = []
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def refuse(self):
        with self.lock:
            self.refusing = True
            for connection in self.open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # it is closed already
            self.open = []

    def admit(self):
        with self.lock:
            self.refusing = False

    def _accept(self):
        while True:
            client, _ = self.listener.accept()
            with self.lock:
                if self.refusing:
                    client.close()
                    continue
                server = socket.create_connection(self.server)
                self.open += [client, server]
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=pair, daemon=True).start()

    @staticmethod
    def _pump(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass  # the other direction ends, below
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it is closed already


class States:
    """The states a client goes through, to be waited for in their order."""

    def __init__(self, client):
        self.seen = queue.Queue()
        client.add_listener(self.seen.put)

    def await_state(self, state):
        while self.seen.get(timeout=PATIENCE) != state:
            pass


def connection_loss(hosts, zk, root, out):
    proxy = CutProxy(hosts)
    cut = KazooClient(hosts=proxy.address, timeout=20)
    states = States(cut)
    cut.start(timeout=PATIENCE)
    states.await_state(KazooState.CONNECTED)
    cut.create(root + "/e", ephemeral=True)
    changes = queue.Queue()
    cut.DataWatch(root + "/data", lambda data, stat: changes.put(data))
    changes.get(timeout=PATIENCE)
    session = cut.client_id
    proxy.refuse()
    states.await_state(KazooState.SUSPENDED)
    zk.create(root + "/data", b"meanwhile")
    proxy.admit()
    states.await_state(KazooState.CONNECTED)
    out.line("same session:", cut.client_id == session)
    out.line("told what happened meanwhile:", changes.get(timeout=PATIENCE))
    out.call("ephemeral", cut.exists, root + "/e")
    cut.stop()
    out.call("ephemeral", zk.exists, root + "/e")


def session_loss(hosts, zk, root, out):
    proxy = CutProxy(hosts)
    cut = KazooClient(hosts=proxy.address, timeout=4)
    states = States(cut)
    cut.start(timeout=PATIENCE)
    states.await_state(KazooState.CONNECTED)
    cut.create(root + "/e", ephemeral=True)
    gone = queue.Queue()
    zk.exists(root + "/e", watch=gone.put)
    session = cut.client_id
    proxy.refuse()
    out.line("watcher saw", gone.get(timeout=PATIENCE).type)
    proxy.admit()
    states.await_state(KazooState.LOST)
    states.await_state(KazooState.CONNECTED)
    out.line("same session:", cut.client_id == session)
    out.call("a new ephemeral", cut.create, root + "/e", ephemeral=True)
    cut.stop()
    # How many sessions the client has tried, and so which zxid this is, depends on the machine.
    out.call("children", zk.get_children, root)
