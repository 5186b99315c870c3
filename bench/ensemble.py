#!/usr/bin/env python3
"""Ensembles of three, of Apache ZooKeeper and of Zoorum, under the same loads and mishaps, in turn, on this machine.

    bench/ensemble.py --zoorum target/release/zoorum           three rounds, medians
    bench/ensemble.py --seconds 3 --rounds 1 --only set-18x16,kill
    bench/ensemble.py --only curve --curve curve.csv           throughput and latency through mishaps, as CSV

Prints a Markdown table, and writes everything that was measured as JSON (--out). Both ensembles get the same
configuration: defaults, fsync on, data on the disk of --data-dir, loopback only. Each server of the original runs with
a heap of 1 GB and logs warnings only. The load generator shares the cores with the servers. What is measured how, and
what else is needed, is in README.md here.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

from compare import (FIRST_NODE, ORIGINAL, REPOSITORY, Failure, SnapshotWatch, frame, prepare, quantile, reads, say, shown,
                     size_of, turns)

VOTERS = 3
CATCH_UP = 100_000  # transactions that a follower is behind
CURVE_KEYS = 100_000  # znodes of the curve's tree
PER_PARENT = 1000
TICKS = "tickTime=2000", "initLimit=30", "syncLimit=5"  # a heap of 1 GB takes a while over 1,000,000 znodes
STEADY = ["set", "--connections=4", "--in-flight=16", "--rate=500"]

# key: (title, unit, whether more is better, the ratio to reach)
ROWS = {
    "set-18x16": ("set, 18 connections × 16 in flight", "/s", True, 3),
    "set-3x1": ("set, 3 × 1", "/s", True, 1.2),
    "create-18x16": ("create, 18 × 16", "/s", True, 3),
    "get-18x16": ("get, 18 × 16", "/s", True, 6),
    "mix-18x16": ("90 % get, 10 % set, 18 × 16", "/s", True, 4),
    "kill": ("leader killed, to the next write served", "ms", False, 2),
    "stop": ("leader told to stop, to the next write served", "ms", False, 2),
    "catch-up": ("restart of a follower that is 100,000 transactions behind, to the first read", "s", False, 4),
    "snapshot": ("start of an empty follower of 1,000,000 znodes, to the first read", "s", False, 4),
    "snapshot-p99": ("p99 of sets at 500/s by the leader meanwhile", "ms", False, None),
    "snapshot-p99-ratio": ("that, to the same without", "×", False, None),
}
LOADS = {
    "set-18x16": ["set", "--connections=18", "--in-flight=16"],
    "set-3x1": ["set", "--connections=3", "--in-flight=1"],
    "create-18x16": ["create", "--connections=18", "--in-flight=16"],
    "get-18x16": ["get", "--connections=18", "--in-flight=16"],
    "mix-18x16": ["mix", "get=90,set=10", "--connections=18", "--in-flight=16"],
}
FAILOVERS = {"kill": signal.SIGKILL, "stop": signal.SIGTERM}
SNAPSHOT_ROWS = {"snapshot", "snapshot-p99", "snapshot-p99-ratio"}


class Member:
    """One server of an ensemble."""

    def __init__(self, ensemble, number):
        self.ensemble, self.number = ensemble, number
        self.directory = ensemble.directory / str(number)
        self.reserved = [reserve() for _ in range(3)]
        self.port, self.quorum, self.election = (one.getsockname()[1] for one in self.reserved)
        self.process = None

    def configure(self):
        ensemble = self.ensemble
        (self.directory / "data").mkdir(parents=True, exist_ok=True)
        (self.directory / "data" / "myid").write_text(f"{self.number}\n")
        lines = [*TICKS, f"dataDir={self.directory}/data", f"clientPort={self.port}", "clientPortAddress=127.0.0.1",
                 "maxClientCnxns=0", "admin.enableServer=false", "4lw.commands.whitelist=*",
                 *(f"server.{one.number}=127.0.0.1:{one.quorum}:{one.election}" for one in ensemble.members)]
        (self.directory / "zoo.cfg").write_text("\n".join(lines) + "\n")

    def start(self):
        self.configure()
        config = self.directory / "zoo.cfg"
        command = {"original": [ORIGINAL, "run", config],
                   "zoorum": [self.ensemble.options.zoorum, "server", "start-foreground", config]}[self.ensemble.kind]
        environment = {**os.environ, "ZOORUM_REFERENCE_HEAP": "1g"}
        with open(self.directory / "server.out", "ab") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment)

    def end(self, by=signal.SIGTERM, within=30):
        if self.process is None:
            return
        self.process.send_signal(by)
        try:
            self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def wipe(self):
        shutil.rmtree(self.directory / "data")

    def await_read(self, path="/", within=180):
        """Seconds until a new session reads `path` here."""
        began = time.monotonic()
        while time.monotonic() < began + within:
            if self.process.poll() is not None:
                raise Failure(f"server {self.number} ended with status {self.process.returncode}: {self.last_words()}")
            if reads(self.port, path):
                return time.monotonic() - began
            time.sleep(0.005)
        raise Failure(f"server {self.number} was not read within {within} s: {self.last_words()}")

    def leads(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"srvr")
                return b"Mode: leader" in connection.makefile("rb").read()
        except OSError:
            return False

    def last_words(self):
        return (self.directory / "server.out").read_text(errors="replace")[-400:]

    def snapshots(self):
        found = (self.directory / "data" / "version-2").glob("*snapshot*")
        return {path.name: size for path in found if (size := size_of(path)) is not None}


class Ensemble:
    """Three servers of one kind on directories of their own."""

    def __init__(self, kind, options):
        self.kind, self.options = kind, options
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"{kind}-", dir=options.data_dir))
        self.members = []
        self.members += [Member(self, number) for number in range(1, VOTERS + 1)]

    def __enter__(self):
        try:
            for member in self.members:
                member.start()
            for member in self.members:
                member.await_read()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for member in self.members:
            member.end(signal.SIGKILL)
        shutil.rmtree(self.directory, ignore_errors=True)

    def leader(self, within=60):
        until = time.monotonic() + within
        while time.monotonic() < until:
            for member in self.members:
                if member.process and member.leads():
                    return member
            time.sleep(0.02)
        raise Failure(f"nobody leads within {within} s")

    def followers(self):
        leader = self.leader()
        return [member for member in self.members if member is not leader]

    def command(self, *arguments, members=None):
        members = members or self.members
        servers = ",".join(f"127.0.0.1:{member.port}" for member in members)
        pids = ",".join(str(member.process.pid) for member in self.members if member.process)
        return [*self.options.generator, *map(str, arguments), f"--server={servers}", f"--server-pid={pids}", "--json",
                "--quiet"]

    def begin(self, *arguments, members=None):
        """Starts the load generator; `finish` has its result."""
        environment = {**os.environ, "RUST_BACKTRACE": "0"}
        return subprocess.Popen(self.command(*arguments, members=members), stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, env=environment)

    def bench(self, *arguments, members=None, within=600):
        return finish(self.begin(*arguments, members=members), within)


def finish(run, within=300):
    try:
        out, err = run.communicate(timeout=within)
    except subprocess.TimeoutExpired:
        run.kill()
        raise
    if run.returncode != 0:
        raise Failure(f"{' '.join(run.args[1:5])}: {err.strip()[-300:]}")
    return json.loads(out)


def reserve():
    """A socket bound to a free port: while it lives the kernel gives that port to nobody who asks for any."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", 0))
    return bound


def writes(port, stopped):
    """Whether a new session is acknowledged a write at `port`, tried once."""
    connect = struct.pack(">iiqiqi16sb", 45, 0, 0, 10_000, 0, 16, bytes(16), 0)
    path = b"/"
    write = struct.pack(f">iiii{len(path)}sii", 20 + len(path), 1, 5, len(path), path, 0, -1)
    close = struct.pack(">iii", 8, 2, -11)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.3) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(connect)
            frame(connection)
            connection.settimeout(2)
            connection.sendall(write)
            if struct.unpack_from(">i", frame(connection), 12)[0] != 0 or stopped.is_set():
                return False
            at = time.monotonic()
            connection.sendall(close)
            return at
    except OSError:
        return False


def seconds_to_write(members, since, within=60):
    """Seconds from `since` until one of `members` has acknowledged a new session's write."""
    served, stopped = [], threading.Event()

    def attempt(member):
        while not stopped.is_set() and time.monotonic() < since + within:
            if at := writes(member.port, stopped):
                served.append(at)
                stopped.set()
            time.sleep(0.002)

    threads = [threading.Thread(target=attempt, args=(member,), daemon=True) for member in members]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not served:
        raise Failure(f"no write was served within {within} s")
    return min(served) - since


class Round:
    """All measurements of one kind of ensemble, once."""

    def __init__(self, kind, options, wanted):
        self.kind, self.options, self.wanted = kind, options, wanted
        self.values, self.details, self.curve = {}, {}, None

    def run(self):
        for rows, measure in [
            ({*LOADS, *FAILOVERS}, self.loads_and_failovers),
            ({"catch-up"}, self.catch_up),
            (SNAPSHOT_ROWS, self.snapshot),
            ({"curve"}, self.draw_curve),
        ]:
            if not self.wanted & rows:
                continue
            try:
                with Ensemble(self.kind, self.options) as ensemble:
                    measure(ensemble)
            except (Failure, OSError, subprocess.SubprocessError) as error:
                self.fail(str(error))
        return self

    def fail(self, text):
        say(f"{self.kind}: {text}")
        self.details.setdefault("failures", []).append(text)

    def note(self, key, value, result=None):
        self.values[key] = value
        if result is not None:
            self.details[key] = {name: part for name, part in result.items() if name != "series"}
        if key in self.wanted:
            say(f"{self.kind}: {ROWS[key][0]}: {shown(value)} {ROWS[key][1]}")

    def loads_and_failovers(self, ensemble):
        seconds = self.options.seconds
        # Java compiles what runs often; let it, before anything counts.
        ensemble.bench("mix", "get=4,set=1,create=1", "--connections=18", f"--duration={seconds}", "--warm-up=0")
        for key, load in LOADS.items():
            if key in self.wanted:
                try:
                    result = ensemble.bench(*load, f"--duration={seconds}", f"--warm-up={seconds / 2}")
                    self.note(key, result["per_second"], result)
                except (Failure, subprocess.SubprocessError) as error:
                    self.fail(f"{key}: {error}")
        for key, by in FAILOVERS.items():
            if key in self.wanted:
                times = [self.failover(ensemble, by) * 1000 for _ in range(self.options.kills)]
                self.note(key, statistics.median(times), {"ms": [round(one, 1) for one in times]})

    def failover(self, ensemble, by):
        leader, followers = ensemble.leader(), ensemble.followers()
        for member in followers:
            member.await_read()
        since = time.monotonic()
        leader.end(by)  # what is served before it has ended is its own doing
        took = seconds_to_write(followers, since)
        leader.start()
        leader.await_read()
        say(f"{self.kind}: {by.name}: {took * 1000:.0f} ms")
        return took

    def catch_up(self, ensemble):
        victim, others = self.without_one(ensemble)
        ensemble.bench("fill", f"--nodes={CATCH_UP}", f"--per-parent={PER_PARENT}", members=others)
        last = CATCH_UP - 1
        began = time.monotonic()
        victim.start()
        victim.await_read(f"/zoorum-bench/p{last // PER_PARENT:06}/n{last % PER_PARENT:08}")
        self.note("catch-up", time.monotonic() - began)

    def without_one(self, ensemble):
        victim = ensemble.followers()[0]
        ensemble.bench("set", "--connections=6", "--duration=2", "--warm-up=0")
        victim.end()
        return victim, [member for member in ensemble.members if member is not victim]

    def snapshot(self, ensemble):
        victim, others = self.without_one(ensemble)
        victim.wipe()
        ensemble.bench("fill", f"--nodes={self.options.nodes}", f"--per-parent={PER_PARENT}", members=others)
        keys = [f"--keys={self.options.nodes}", f"--per-parent={PER_PARENT}", "--prepared", "--keep", "--series=0.1"]
        leader, quiet, most = ensemble.leader(), 5, self.options.snapshot_seconds
        ensemble.bench(*STEADY, *keys, "--duration=3", "--warm-up=0", members=[leader])
        load = ensemble.begin(*STEADY, *keys, "--warm-up=0", f"--duration={quiet + most}", members=[leader])
        time.sleep(quiet)
        began = time.time()
        victim.start()
        took = victim.await_read(FIRST_NODE)
        self.note("snapshot", took)
        busy = finish(load)
        begins, ends = began - busy["began_at"], began + took - busy["began_at"]
        meanwhile = joined(busy["series"], begins, ends)
        without = joined(busy["series"], 1, begins - 0.1)
        self.note("snapshot-p99", quantile(meanwhile, 0.99) / 1000)
        self.note("snapshot-p99-ratio", quantile(meanwhile, 0.99) / quantile(without, 0.99))

    def draw_curve(self, ensemble):
        """Sets without a break while mishaps come one after the other; one row for each tenth of a second."""
        ensemble.bench("fill", f"--nodes={CURVE_KEYS}", f"--per-parent={PER_PARENT}")
        leader, marks = ensemble.leader(), []
        watches = [SnapshotWatch(member) for member in ensemble.members]
        load = ensemble.begin("set", "--connections=18", "--in-flight=4", "--outlive", f"--keys={CURVE_KEYS}",
                              f"--per-parent={PER_PARENT}", "--prepared", "--keep", "--warm-up=0", "--series=0.1",
                              "--duration=30")
        for watch in watches:
            watch.start()

        def mishap(what, act):
            marks.append((time.time(), what))
            act()

        time.sleep(5)
        mishap("leader killed", lambda: leader.end(signal.SIGKILL))
        time.sleep(5)
        mishap("it starts again", leader.start)
        leader.await_read()
        time.sleep(3)
        follower = ensemble.followers()[0]
        mishap("follower told to stop", follower.end)
        time.sleep(2)
        mishap("it starts again", follower.start)
        result = finish(load)
        for watch in watches:
            watch.over.set()
            watch.join()
        spans = [span for watch in watches for span in watch.spans]
        self.curve = rows_of_curve(result, marks, spans)
        self.details["curve"] = {"lost": result["lost"], "per_second": result["per_second"]}
        say(f"{self.kind}: curve: {result['per_second']:,.0f}/s, {result['lost']} requests lost with their servers")


def joined(series, begins, ends):
    """The latencies of the slices in this span, as one histogram."""
    histogram = {}
    for part in series:
        if begins <= part["at"] <= ends:
            for microseconds, count in part["histogram"]:
                histogram[microseconds] = histogram.get(microseconds, 0) + count
    return histogram


def rows_of_curve(result, marks, spans):
    rows = []
    for part in result["series"]:
        at = result["began_at"] + part["at"]
        told = [what for when, what in marks if at <= when < at + 0.1]
        if any(began < at + 0.1 and end >= at for began, end in spans):
            told.append("snapshot")
        rows.append([part["at"], part["count"] * 10, part["p50"], part["p99"], part["max"], " + ".join(told)])
    return rows


def write_curves(path, rounds):
    with open(path, "w") as file:
        file.write("servers,second,sets_per_second,p50_us,p99_us,max_us,event\n")
        for one in rounds:
            for row in one.curve or []:
                file.write(",".join([one.kind, *map(str, row)]) + "\n")


def table(report):
    about, servers = report["machine"], report["servers"]
    lines = [f"{about['date']}; {about['cpu']}, {about['cores']} cores, {about['memory_gib']} GiB, Linux {about['kernel']}; "
             f"append and fdatasync {about['fdatasync_us']} µs; load average before {about['load_average']:.1f}; "
             f"{about['java']}; median of {report['rounds']} round(s), {report['seconds']} s each", "",
             "| three servers, 100-byte values | " + " | ".join(servers) + " | ratio | aim |",
             "|---|" + "---:|" * (len(servers) + 2)]
    for key, (title, unit, more_is_better, aim) in ROWS.items():
        row = report["rows"].get(key)
        if row is None:
            continue
        medians = {server: row[server]["median"] for server in servers}
        cells = [f"{shown(value)} {unit}" if value is not None else "–" for value in medians.values()]
        original, zoorum = medians.get("original"), medians.get("zoorum")
        if original and zoorum and unit != "×":
            cells.append(f"{zoorum / original if more_is_better else original / zoorum:.1f} ×")
        else:
            cells.append("")
        lines.append(f"| {title} | " + " | ".join(cells) + f" | {f'{aim} ×' if aim else ''} |")
    lines += [f"\nFailed: {server}: {failure}" for server, failure in report["failures"]]
    return "\n".join(lines) + "\n"


def summarize(rounds, options, wanted, about):
    rows = {}
    for key in (key for key in ROWS if key in wanted):
        rows[key] = {}
        for server in options.servers:
            mine = [one for one in rounds if one.kind == server]
            values = [one.values[key] for one in mine if key in one.values]
            rows[key][server] = {"median": statistics.median(values) if values else None, "values": values,
                                 "details": [one.details.get(key) for one in mine]}
    failures = [(one.kind, failure) for one in rounds for failure in one.details.get("failures", [])]
    return {"machine": about, "servers": options.servers, "rounds": options.rounds, "seconds": options.seconds,
            "rows": rows, "failures": failures}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zoorum", type=pathlib.Path, default=REPOSITORY / "target/release/zoorum", help="the binary")
    parser.add_argument("--generator", type=str.split, help="the load generator (default: the binary's `bench`)")
    parser.add_argument("--servers", default="original,zoorum", help="one or both of original, zoorum")
    parser.add_argument("--only", help="rows to measure, separated by commas: " + ", ".join([*ROWS, "curve"]))
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default 3)")
    parser.add_argument("--seconds", type=float, default=8, help="seconds of each load (default 8)")
    parser.add_argument("--kills", type=int, default=10, help="leaders that are killed in a round (default 10)")
    parser.add_argument("--nodes", type=int, default=1_000_000, help="znodes of the snapshot (default 1,000,000)")
    parser.add_argument("--snapshot-seconds", type=int, default=30, help="seconds of load while it is taken (default 30)")
    parser.add_argument("--data-dir", type=pathlib.Path, default=REPOSITORY / ".interop" / "bench",
                        help="where the servers' data goes for the time: a real disk")
    parser.add_argument("--curve", type=pathlib.Path, help="where to write the curve as CSV")
    parser.add_argument("--out", type=pathlib.Path, help="where to write the JSON")
    options = parser.parse_args()
    options.servers = options.servers.split(",")
    options.zoorum = options.zoorum.resolve()
    options.generator = options.generator or [str(options.zoorum), "bench"]
    every = {*ROWS, *(["curve"] if options.curve else [])}
    wanted = set(options.only.split(",")) if options.only else every
    if unknown := (wanted - {*ROWS, "curve"}) | (set(options.servers) - {"original", "zoorum"}):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if "curve" in wanted and not options.curve:
        parser.error("the curve needs --curve FILE")
    return options, wanted


def main():
    options, wanted = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are ended, too
    about = prepare(options)
    rounds = []
    for kind in turns(options):
        rounds.append(Round(kind, options, wanted).run())
        report = summarize(rounds, options, wanted, about)
        if options.out:
            options.out.write_text(json.dumps(report, indent=1) + "\n")
        if options.curve:
            write_curves(options.curve, rounds)
    print(table(report))
    sys.exit(1 if report["failures"] else 0)


if __name__ == "__main__":
    main()
