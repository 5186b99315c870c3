"""Feeds commands.txt to a ZooKeeper shell, one by one, and tells what it printed, with zxids relative to the
first node's and times and sessions masked, so that two servers can be compared by, line by line.

Usage: transcript.py host:port shell-command...  (the shell's command gets `-server host:port` appended)
"""

import os
import queue
import re
import subprocess
import sys
import threading

PATIENCE = 30  # seconds, for what must happen
MARKER = "/marker-%d"  # of this node, which is not there, the shell is asked after each command


class Shell:
    def __init__(self, command, server):
        self.process = subprocess.Popen(
            [*command, "-server", server], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, encoding="utf-8", bufsize=1, env=dict(os.environ, LC_ALL="C.UTF-8", TZ="UTC"))
        self.lines = queue.Queue()
        self.asked = 0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))

    def run(self, command, events):
        """What the command printed, and the events: these come from another thread, at any point."""
        self.asked += 1
        marker = MARKER % self.asked
        self.process.stdin.write("%s\nstat %s\n" % (command, marker))
        printed, seen, answered = [], [], False
        while not answered or len(seen) < events:
            line = self.lines.get(timeout=PATIENCE)
            if marker in line:
                answered = True
            elif line.startswith("WatchedEvent "):
                seen.append(line)
            elif line and line != "WATCHER::":
                printed.append(line)
        return printed, seen

    def run_apart(self, command, events):
        """As `run`, for commands that leave the shell without a connection: it cannot be asked then."""
        self.process.stdin.write(command + "\n")
        seen = []
        while len(seen) < events:
            line = self.lines.get(timeout=PATIENCE)
            if line.startswith("WatchedEvent "):
                seen.append(line)
        return [], seen

    def quit(self):
        self.process.stdin.write("quit\n")
        self.process.stdin.close()
        return self.process.wait(timeout=PATIENCE)


class Mask:
    """Replaces what differs from run to run. The first node's cZxid is what zxids count from."""

    def __init__(self):
        self.base = None

    def line(self, text, server):
        text = re.sub(r"^([cm])time = .*", r"\1time = ...", text)
        text = re.sub(r"^ephemeralOwner = 0x[1-9a-f][0-9a-f]*", "ephemeralOwner = a session", text)
        text = re.sub(r"^([cmp]Zxid) = 0x([0-9a-f]+)", lambda m: "%s = %s" % (m[1], self.zxid(int(m[2], 16))), text)
        text = re.sub(r" zxid: (\d+)$", lambda m: " zxid: " + self.zxid(int(m[1])), text)
        if re.fullmatch(r"\[(\S+(, \S+)*)?\]", text):
            text = "[%s]" % ", ".join(sorted(text[1:-1].split(", ")))  # names come in no promised order
        return text.replace(server, "SERVER")

    def zxid(self, number):
        if number == 0 or self.base is None:
            return str(number)
        return "z%d" % (number - self.base)

    def learn(self, printed):
        for line in printed:
            found = re.match(r"cZxid = 0x([1-9a-f][0-9a-f]*)", line)
            if found and self.base is None:
                self.base = int(found[1], 16)


def main():
    server, command = sys.argv[1], sys.argv[2:]
    with open(os.path.join(os.path.dirname(__file__), "commands.txt"), encoding="utf-8") as script:
        lines = [line.rstrip("\n") for line in script if not line.startswith("#")]
    shell, mask = Shell(command, server), Mask()
    mask.learn(create_base(shell))
    for line in lines:
        events, _, words = line.rpartition(": ") if re.match(r"\d+: ", line) else ("0", "", line)
        ask = shell.run_apart if words == "close" else shell.run
        printed, seen = ask(words.replace("$SERVER", server), int(events))
        if words == "whoami":
            printed.sort()  # a session's names are a set
        print("$", words)
        for output in printed + seen:
            print(mask.line(output, server))
    print("exit code", shell.quit())


def create_base(shell):
    shell.run("create /base", 0)
    return shell.run("stat /base", 0)[0]


if __name__ == "__main__":
    main()
