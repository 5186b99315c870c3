"""What a client saw, in a form that two servers can be compared by, line by line.

Only what must differ between two runs is masked: zxids are told relative to the first of the section,
sessions by the order of their appearance.
"""

from kazoo.exceptions import KazooException
from kazoo.protocol.states import ZnodeStat


class Transcript:
    def __init__(self):
        self.base = 0
        self.sessions = {}

    def section(self, title, zxid):
        """Starts a section whose zxids count from `zxid`."""
        self.base = zxid
        self.line("== " + title)

    def line(self, *words):
        print(*words, flush=True)

    def call(self, what, function, *args, **kwargs):
        """Runs one call and tells its result, or the error it failed with."""
        try:
            result = function(*args, **kwargs)
        except (KazooException, ValueError, TypeError) as error:
            self.line(what, "->", type(error).__name__)
            return None
        self.line(what, "->", self.show(result))
        return result

    def zxid(self, zxid):
        return "z%d" % (zxid - self.base) if zxid > 0 else str(zxid)

    def session(self, number):
        return self.sessions.setdefault(number, "session%d" % len(self.sessions)) if number else "none"

    def show(self, value):
        if isinstance(value, ZnodeStat):
            return "{c=%s m=%s p=%s v=%d cv=%d av=%d len=%d kids=%d owner=%s}" % (
                self.zxid(value.czxid), self.zxid(value.mzxid), self.zxid(value.pzxid), value.version,
                value.cversion, value.aversion, value.dataLength, value.numChildren,
                self.session(value.ephemeralOwner))
        if isinstance(value, list) and all(isinstance(part, str) for part in value):
            return str(sorted(value))
        if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
            return "[" + ", ".join(self.show(part) for part in value) + "]"
        if isinstance(value, KazooException):
            return type(value).__name__
        if isinstance(value, bytes) and len(value) > 200:
            return "%d bytes" % len(value)
        return str(value)
