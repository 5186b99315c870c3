#!/usr/bin/env python3
"""Apache ZooKeeper and Zoorum under the same loads, in turn, on this machine.

    bench/compare.py --zoorum target/release/zoorum            three rounds, medians
    bench/compare.py --zoorum target/release/zoorum --quick    one short round
    bench/compare.py --servers original --only get-16x16,restart-1m
    bench/compare.py --servers original,zoorum,nothing         also the server that does nothing

Prints a Markdown table, and writes everything that was measured as JSON (--out). Both servers get
the same configuration: defaults, fsync on, data on the disk of --data-dir, loopback only. The original
runs with a heap of 4 GB and logs warnings only. The load generator shares the cores with the server.
Needs nothing but Python's standard library; the original comes from bench/original.sh, and the server
that does nothing (the bound for the loads) from `cargo build --release -p zoorum-bench --examples`.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import resource
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
ORIGINAL = REPOSITORY / "bench" / "original.sh"
MILLION = 1_000_000
PER_PARENT = 1000
FIRST_NODE = "/zoorum-bench/p000000/n00000000"
SNAPSHOT_RATE = 2000  # sets per second while snapshots are written

# key: (title, unit, whether more is better)
ROWS = {
    "get-16x16": ("get, 16 connections × 16 in flight", "/s", True),
    "get-200x1": ("get, 200 × 1", "/s", True),
    "get-1x1": ("get, 1 × 1", "/s", True),
    "set-16x16": ("set, 16 × 16", "/s", True),
    "set-1x1": ("set, 1 × 1", "/s", True),
    "create-16x16": ("create, 16 × 16", "/s", True),
    "mix-16x16": ("90 % get, 10 % set, 16 × 16", "/s", True),
    "watch-1000": ("one change to 1,000 watchers", "events/s", True),
    "sessions-5000": ("5,000 sessions opened at once", "s", False),
    "sessions-5000-backlog": ("the same, clientPortListenBacklog=4096", "s", False),
    "memory-empty": ("resident memory, empty", "MiB", False),
    "memory-1m": ("resident memory, 1,000,000 znodes of 100 B", "MiB", False),
    "memory-1m-used": ("of that in use (Java heap after a full collection)", "MiB", False),
    "bytes-per-znode": ("resident bytes for each of them", "B", False),
    "fill-1m": ("creating them, 8 × 64", "/s", True),
    "restart-1m": ("restart with them, to the first read", "s", False),
    "memory-1m-restarted": ("resident memory after that restart", "MiB", False),
    "set-p99-quiet": ("set at 2,000/s among them, p99", "ms", False),
    "set-p99-snapshot": ("the same while a snapshot is written, p99", "ms", False),
    "set-max-snapshot": ("the same while a snapshot is written, slowest", "ms", False),
    "snapshot-1m": ("writing that snapshot", "s", False),
}
LOADS = {
    "get-16x16": ["get", "--connections=16", "--in-flight=16"],
    "get-200x1": ["get", "--connections=200", "--in-flight=1"],
    "get-1x1": ["get", "--connections=1", "--in-flight=1"],
    "set-16x16": ["set", "--connections=16", "--in-flight=16"],
    "set-1x1": ["set", "--connections=1", "--in-flight=1"],
    "create-16x16": ["create", "--connections=16", "--in-flight=16"],
    "mix-16x16": ["mix", "get=90,set=10", "--connections=16", "--in-flight=16"],
}
# Rows that are measured together.
MILLION_ROWS = ["memory-1m", "memory-1m-used", "bytes-per-znode", "fill-1m", "restart-1m", "memory-1m-restarted"]
SNAPSHOT_ROWS = ["set-p99-quiet", "set-p99-snapshot", "set-max-snapshot", "snapshot-1m"]


class Failure(Exception):
    """Something was not measured, and why."""


class Server:
    """One server, started and stopped as often as needed on one data directory."""

    def __init__(self, kind, options, directory):
        self.kind, self.options, self.directory = kind, options, directory
        self.config = directory / "zoo.cfg"
        self.process = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def start(self, *settings, read="/"):
        """Starts it and waits for the first successful read of `read`; seconds until then."""
        lines = ["tickTime=2000", f"dataDir={self.directory}/data", f"clientPort={self.port}",
                 "clientPortAddress=127.0.0.1", "maxClientCnxns=0", "admin.enableServer=false", *settings]
        self.config.write_text("\n".join(lines) + "\n")
        command = {
            "original": [ORIGINAL, "run", self.config],
            "zoorum": [self.options.zoorum, "server", "start-foreground", self.config],
            "nothing": [self.options.nothing, f"127.0.0.1:{self.port}", self.directory],
        }[self.kind]
        with open(self.directory / "server.out", "ab") as out:
            began = time.monotonic()
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        while time.monotonic() < began + 120:
            if self.process.poll() is not None:
                raise Failure(f"the server ended with status {self.process.returncode}: {self.last_words()}")
            if reads(self.port, read):
                return time.monotonic() - began
            time.sleep(0.005)
        raise Failure(f"no read within 120 s: {self.last_words()}")

    def stop(self):
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def last_words(self):
        return (self.directory / "server.out").read_text(errors="replace")[-400:]

    def resident_mib(self):
        """Resident memory; Java's after collecting its garbage."""
        if self.kind == "original":
            for _ in range(2):
                subprocess.run(["jcmd", str(self.process.pid), "GC.run"], stdout=subprocess.DEVNULL, timeout=60, check=True)
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise Failure("the server has no resident memory")

    def heap_used_mib(self):
        """What is alive in Java's heap, if this is Java and `resident_mib` has just been called."""
        if self.kind != "original":
            return None
        info = subprocess.run(["jcmd", str(self.process.pid), "GC.heap_info"], capture_output=True, text=True, timeout=60)
        used = re.search(r"heap\s+total \d+K, used (\d+)K", info.stdout)
        return int(used.group(1)) / 1024 if used else None

    def bench(self, *arguments, within=180):
        """Runs the load generator against it; its result."""
        command = [*self.options.generator, *arguments, f"--server=127.0.0.1:{self.port}",
                   f"--server-pid={self.process.pid}", "--json", "--quiet"]
        environment = {**os.environ, "RUST_BACKTRACE": "0"}
        run = subprocess.run(command, capture_output=True, text=True, timeout=within, env=environment)
        if run.returncode != 0:
            raise Failure(f"{' '.join(arguments)}: {run.stderr.strip()[-300:]}")
        return json.loads(run.stdout)

    def snapshots(self):
        """Snapshot files and their sizes, also under whatever temporary name."""
        found = (self.directory / "data" / "version-2").glob("*snapshot*")
        return {path.name: size for path in found if (size := size_of(path)) is not None}


def size_of(path):
    try:
        return path.stat().st_size
    except FileNotFoundError:  # renamed since it was listed
        return None


def reads(port, path):
    """Whether a new session can read `path`, soon: a server that starts may leave a connection hanging."""
    name = path.encode()
    connect = struct.pack(">iiqiqi16sb", 45, 0, 0, 10_000, 0, 16, bytes(16), 0)
    read = struct.pack(f">iiii{len(name)}sb", 13 + len(name), 1, 4, len(name), name, 0)
    close = struct.pack(">iii", 8, 2, -11)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.5) as connection:
            connection.sendall(connect)
            frame(connection)
            connection.sendall(read)
            is_read = struct.unpack_from(">i", frame(connection), 12)[0] == 0
            connection.sendall(close)
            frame(connection)
            return is_read
    except OSError:
        return False


def frame(connection):
    def exactly(count):
        received = b""
        while len(received) < count:
            part = connection.recv(count - len(received))
            if not part:
                raise ConnectionResetError
            received += part
        return received
    return exactly(struct.unpack(">i", exactly(4))[0])


class SnapshotWatch(threading.Thread):
    """Notes in which spans of time snapshot files were growing."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.over = server, threading.Event()
        self.spans = []

    def run(self):
        before, began, grew = self.server.snapshots(), None, None
        while not self.over.wait(0.02):
            now, sizes = time.time(), self.server.snapshots()
            if sum(sizes.values()) > sum(before.values()):
                began, grew = began or now, now
            elif began and now - grew > 0.5:  # a pause this long is the end
                self.spans.append((began, grew))
                began = None
            before = sizes
        if began:
            self.spans.append((began, grew))


class Round:
    """All measurements of one server, once."""

    def __init__(self, kind, options, wanted):
        self.kind, self.options = kind, options
        # A server that does nothing has no watches to fire, and nothing to keep.
        self.wanted = wanted & set(LOADS) if kind == "nothing" else wanted
        self.values, self.details = {}, {}

    def run(self):
        for rows, measure in [
            ([*LOADS, "watch-1000", "sessions-5000", "memory-empty", "bytes-per-znode"], self.small),
            (["sessions-5000-backlog"], self.backlog),
            ([*MILLION_ROWS, *SNAPSHOT_ROWS], self.million),
        ]:
            if not self.wanted & set(rows):
                continue
            directory = pathlib.Path(tempfile.mkdtemp(prefix=f"{self.kind}-", dir=self.options.data_dir))
            server = Server(self.kind, self.options, directory)
            try:
                measure(server)
            except (Failure, OSError, subprocess.SubprocessError) as error:
                say(f"{self.kind}: {error}")
                self.details.setdefault("failures", []).append(str(error))
            finally:
                server.stop()
                shutil.rmtree(directory, ignore_errors=True)
        return self

    def note(self, key, value, result=None):
        self.values[key] = value
        if result is not None:
            self.details[key] = {name: part for name, part in result.items() if name != "series"}
        if key in self.wanted:
            say(f"{self.kind}: {ROWS[key][0]}: {shown(value)} {ROWS[key][1]}")

    def small(self, server):
        server.start()
        if self.wanted & {"memory-empty", "bytes-per-znode"}:
            self.note("memory-empty", server.resident_mib())
        seconds = self.options.seconds
        times = [f"--duration={seconds}", f"--warm-up={seconds / 2}"]
        if self.wanted & {*LOADS, "watch-1000"}:
            # Java compiles what runs often; let it, before anything counts.
            server.bench("mix", "get=4,set=1,create=1", f"--duration={seconds}", "--warm-up=0", within=300)
        for key, load in LOADS.items():
            if key in self.wanted:
                self.attempt(key, lambda: server.bench(*load, *times, within=300), "per_second")
        if "watch-1000" in self.wanted:
            rounds = f"--changes={self.options.watch_changes}"
            self.attempt("watch-1000", lambda: server.bench("watch", "--watchers=1000", rounds), "events_per_second")
        if "sessions-5000" in self.wanted:
            self.attempt("sessions-5000", lambda: server.bench("sessions", "--count=5000"), "open_seconds")

    def backlog(self, server):
        server.start("clientPortListenBacklog=4096")
        server.bench("sessions", "--count=5000")  # the first storm warms up
        self.attempt("sessions-5000-backlog", lambda: server.bench("sessions", "--count=5000"), "open_seconds")

    def attempt(self, key, measure, value):
        """One row may fail and leave the others standing."""
        try:
            result = measure()
        except (Failure, subprocess.SubprocessError) as error:
            say(f"{self.kind}: {key} failed: {error}")
            self.details.setdefault("failures", []).append(f"{key}: {error}")
            return
        self.note(key, result[value], result)

    def million(self, server):
        server.start()
        fill = server.bench("fill", f"--nodes={MILLION}", "--size=100", f"--per-parent={PER_PARENT}", within=600)
        self.note("fill-1m", fill["per_second"], fill)
        if self.wanted & {"memory-1m", "memory-1m-used", "bytes-per-znode"}:
            self.note("memory-1m", server.resident_mib())
            if (used := server.heap_used_mib()) is not None:
                self.note("memory-1m-used", used)
            if "memory-empty" in self.values:
                grown = self.values["memory-1m"] - self.values["memory-empty"]
                self.note("bytes-per-znode", grown * 1024 * 1024 / MILLION)
        if self.wanted & {"restart-1m", "memory-1m-restarted"}:
            server.stop()
            self.note("restart-1m", server.start(read=FIRST_NODE))
            self.note("memory-1m-restarted", server.resident_mib())
        if self.wanted & set(SNAPSHOT_ROWS):
            self.snapshot(server)

    def snapshot(self, server):
        """A steady load of sets, first with no snapshot due, then with one due every few seconds."""
        seconds = self.options.snapshot_seconds
        among = ["set", "--connections=16", "--in-flight=16", "--prepared", f"--keys={MILLION}", f"--per-parent={PER_PARENT}"]
        load = [*among, f"--rate={SNAPSHOT_RATE}", "--series=0.05", f"--duration={seconds}", "--warm-up=5"]
        # As much as goes for a while, so that Java's compiler and collector have settled.
        settle = [*among, "--duration=5", "--warm-up=0"]
        server.stop()
        server.start(f"snapCount={100 * MILLION}", read=FIRST_NODE)
        server.bench(*settle)
        quiet = server.bench(*load)
        self.note("set-p99-quiet", quiet["latency_us"]["p99"] / 1000, quiet)
        # One comes after half to all of snapCount changes: two or three in the time.
        server.stop()
        server.start(f"snapCount={SNAPSHOT_RATE * seconds // 3}", read=FIRST_NODE)
        server.bench(*settle)
        watch = SnapshotWatch(server)
        watch.start()
        busy = server.bench(*load)
        watch.over.set()
        watch.join()
        spans = [(began - busy["began_at"], end - busy["began_at"]) for began, end in watch.spans]
        spans = [(began, end) for began, end in spans if end > 0 and began < seconds]
        if not spans:
            raise Failure("no snapshot was written in time")
        during = {}
        for part in busy["series"]:
            if any(began - 0.1 <= part["at"] <= end + 0.1 for began, end in spans):
                for microseconds, count in part["histogram"]:
                    during[microseconds] = during.get(microseconds, 0) + count
        busy["snapshots"] = spans
        self.note("set-p99-snapshot", quantile(during, 0.99) / 1000, busy)
        self.note("set-max-snapshot", max(during) / 1000)
        self.note("snapshot-1m", statistics.median(end - began for began, end in spans))


def quantile(histogram, wanted):
    left = wanted * sum(histogram.values())
    for value in sorted(histogram):
        left -= histogram[value]
        if left <= 0:
            return value
    raise Failure("no set was answered while a snapshot was written")


def say(text):
    print(text, file=sys.stderr, flush=True)


def shown(value):
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def machine(data_dir):
    """What the figures depend on besides the servers."""
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "unknown")
    memory = next(int(line.split()[1]) for line in open("/proc/meminfo") if line.startswith("MemTotal:"))
    java = subprocess.run(["java", "-version"], capture_output=True, text=True).stderr.splitlines()
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 1024 / 1024),
        "kernel": platform.release(),
        "java": java[0] if java else "none",
        "fdatasync_us": round(fdatasync_us(data_dir)),
        "load_average": os.getloadavg()[0],  # of whatever else ran before
    }


def fdatasync_us(directory):
    """What it takes to append a small record and sync it: the floor below a lone write."""
    with tempfile.TemporaryFile(dir=directory) as file:
        def once():
            began = time.perf_counter()
            file.write(bytes(200))
            file.flush()
            os.fdatasync(file.fileno())
            return time.perf_counter() - began
        return statistics.median(once() for _ in range(200)) * 1e6


def table(report):
    """The report as Markdown."""
    servers, about = report["servers"], report["machine"]
    lines = [f"{about['date']}; {about['cpu']}, {about['cores']} cores, {about['memory_gib']} GiB, Linux {about['kernel']}; "
             f"append and fdatasync {about['fdatasync_us']} µs; {about['java']}; "
             f"median of {report['rounds']} round(s), {report['seconds']} s each", ""]
    both = {"original", "zoorum"} <= set(servers)
    heads = [*servers, *(["zoorum : original"] if both else []), *(f"CPU/op, {server}" for server in servers)]
    lines += ["| load | " + " | ".join(heads) + " |", "|---|" + "---:|" * len(heads)]
    for key, (title, unit, more_is_better) in ROWS.items():
        row = report["rows"].get(key)
        if row is None:
            continue
        values = [row[server]["median"] for server in servers]
        cells = [f"{shown(value)} {unit}" if value is not None else "–" for value in values]
        if both:
            original, zoorum = row["original"]["median"], row["zoorum"]["median"]
            better = (zoorum / original if more_is_better else original / zoorum) if original and zoorum else None
            cells.append(f"{better:.1f} ×" if better else "–")
        cpu = [row[server].get("server_cpu_us_per_operation") for server in servers]
        cells += [f"{shown(value)} µs" if value is not None else "" for value in cpu]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    if both:
        lines += ["", "The ratio says how many times better Zoorum is: higher rates, shorter times, less memory."]
    failures = [f"{server}: {failure}" for server, failure in report["failures"]]
    return "\n".join(lines + [f"\nFailed: {failure}" for failure in failures]) + "\n"


def summarize(rounds, options, wanted, about):
    rows = {}
    for key in ROWS:
        if key not in wanted:
            continue
        rows[key] = {}
        for server in options.servers:
            mine = [one for one in rounds if one.kind == server]
            values = [one.values[key] for one in mine if key in one.values]
            cpu = [one.details.get(key, {}).get("server_cpu_us_per_operation") for one in mine]
            cpu = [value for value in cpu if value is not None]
            rows[key][server] = {"median": statistics.median(values) if values else None, "values": values,
                                 "details": [one.details.get(key) for one in mine]}
            if cpu:
                rows[key][server]["server_cpu_us_per_operation"] = statistics.median(cpu)
    failures = [(one.kind, failure) for one in rounds for failure in one.details.get("failures", [])]
    return {"machine": about, "servers": options.servers, "rounds": options.rounds, "seconds": options.seconds,
            "rows": rows, "failures": failures}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zoorum", type=pathlib.Path, default=REPOSITORY / "target/release/zoorum", help="the binary")
    parser.add_argument("--generator", type=str.split, help="the load generator (default: the binary's `bench`)")
    parser.add_argument("--servers", default="original,zoorum", help="some of original, zoorum, nothing; separated by commas")
    parser.add_argument("--nothing", type=pathlib.Path, default=REPOSITORY / "target/release/examples/nothing",
                        help="the binary of the server that does nothing")
    parser.add_argument("--only", help="rows to measure, separated by commas: " + ", ".join(ROWS))
    parser.add_argument("--rounds", type=int, help="rounds (default 3)")
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--data-dir", type=pathlib.Path, default=REPOSITORY / ".interop" / "bench",
                        help="where the servers' data goes for the time: a real disk")
    parser.add_argument("--out", type=pathlib.Path, help="where to write the JSON")
    options = parser.parse_args()
    options.servers = options.servers.split(",")
    options.zoorum = options.zoorum.resolve()
    options.generator = options.generator or [str(options.zoorum), "bench"]
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.seconds = 3 if options.quick else 8
    options.watch_changes = 50 if options.quick else 200
    options.snapshot_seconds = 15 if options.quick else 30
    wanted = set(options.only.split(",")) if options.only else set(ROWS)
    if unknown := (wanted - set(ROWS)) | (set(options.servers) - {"original", "zoorum", "nothing"}):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return options, wanted


def prepare(options):
    """Readies this machine for a comparison, and says what machine it is."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    options.data_dir.mkdir(parents=True, exist_ok=True)
    if "original" in options.servers:
        subprocess.run([ORIGINAL, "fetch"], check=True)
    return machine(options.data_dir)


def turns(options):
    """Whose turn it is, one after the other: the second of a round may find a warmer or a more worn machine."""
    for number in range(options.rounds):
        for kind in options.servers if number % 2 == 0 else reversed(options.servers):
            say(f"round {number + 1} of {options.rounds}, {kind}")
            yield kind


def main():
    options, wanted = arguments()
    about = prepare(options)
    rounds = []
    for kind in turns(options):
        rounds.append(Round(kind, options, wanted).run())
        report = summarize(rounds, options, wanted, about)
        if options.out:
            options.out.write_text(json.dumps(report, indent=1) + "\n")
    print(table(report))
    sys.exit(1 if report["failures"] else 0)


if __name__ == "__main__":
    main()
