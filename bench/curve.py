#!/usr/bin/env python3
"""Draws what `bench/ensemble.py --curve curve.csv` has measured: bench/curve.py curve.csv > curve.svg

The original on the left, Zoorum on the right, on the same scales: sets a second above, latencies below.
"""

import csv
import html
import math
import sys

WIDTH, PANEL, LEFT, TOP, GAP = 470, 170, 62, 46, 44
INK, FAINT, RATE, P50, P99, SHADE = "#24292f", "#d0d7de", "#0b6e99", "#e0a96d", "#b3541e", "#f0f3f6"
TITLES = {"original": "Apache ZooKeeper", "zoorum": "Zoorum"}


def read(path):
    """The first round of each kind of server."""
    rounds = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            rows = rounds.setdefault(row["servers"], [])
            if not rows or float(row["second"]) > rows[-1]["at"]:
                rows.append({"at": float(row["second"]), "rate": float(row["sets_per_second"]),
                             "p50": float(row["p50_us"]) / 1000, "p99": float(row["p99_us"]) / 1000,
                             "events": row["event"].split(" + ") if row["event"] else []})
            elif float(row["second"]) < rows[-1]["at"]:
                rounds[row["servers"]] = rows
    return {kind: rounds[kind] for kind in TITLES if kind in rounds}


def round_up(value):
    step = 10 ** math.floor(math.log10(value))
    return math.ceil(value / step) * step


class Panel:
    """One diagram: a place on the page and two scales."""

    def __init__(self, x, y, seconds, low, high, is_log):
        self.x, self.y, self.seconds, self.low, self.high, self.is_log = x, y, seconds, low, high, is_log

    def across(self, second):
        return self.x + WIDTH * second / self.seconds

    def up(self, value):
        if self.is_log:
            share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.y + PANEL * (1 - share)

    def line(self, rows, key, color):
        """A line through all tenths of a second; of latencies, only through those in which something was answered."""
        parts, part = [], []
        for row in rows:
            if self.is_log and row["rate"] == 0:
                parts, part = parts + [part], []
                continue
            part.append(f"{self.across(row['at']):.1f},{self.up(row[key]):.1f}")
        return "".join(f'<polyline points="{" ".join(points)}" fill="none" stroke="{color}" stroke-width="1.6"/>'
                       for points in [*parts, part] if points)

    def frame(self, ticks, labelled):
        out = []
        for value, label in ticks:
            y = self.up(value)
            out.append(f'<line x1="{self.x}" x2="{self.x + WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="{FAINT}"/>')
            if labelled:
                out.append(text(self.x - 8, y + 4, label, anchor="end"))
        return "".join(out)

    def shade(self, rows):
        """The tenths of a second in which some server writes a snapshot."""
        width = WIDTH / self.seconds / 10
        return "".join(f'<rect x="{self.across(row["at"]):.1f}" y="{self.y}" width="{width + 0.2:.1f}" height="{PANEL}" '
                       f'fill="{SHADE}"/>' for row in rows if "snapshot" in row["events"])

    def events(self, rows, labelled):
        out, level = [], 0
        for row in rows:
            for event in (event for event in row["events"] if event != "snapshot"):
                x = self.across(row["at"])
                out.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{self.y}" y2="{self.y + PANEL}" stroke="{INK}" '
                           'stroke-dasharray="3 3" stroke-width="0.8"/>')
                if labelled:
                    out.append(text(x + 4, self.y + 11 + 13 * (level % 4), event, size=11))
                    level += 1
        return "".join(out)


def text(x, y, words, anchor="start", size=12, color=INK, weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{color}" '
            f'font-weight="{weight}" paint-order="stroke" stroke="white" stroke-width="3">{html.escape(words)}</text>')


def draw(rounds):
    seconds = max(rows[-1]["at"] for rows in rounds.values()) + 0.1
    most = round_up(1.3 * max(row["rate"] for rows in rounds.values() for row in rows))  # room for the events
    slowest = 10 ** math.ceil(math.log10(max(row["p99"] for rows in rounds.values() for row in rows)))
    powers = [10.0 ** power for power in range(-1, 6) if 10.0 ** power <= slowest]
    width = LEFT + len(rounds) * (WIDTH + GAP)
    height = TOP + 2 * (PANEL + GAP) + 10
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
           'font-family="system-ui, sans-serif">', f'<rect width="{width}" height="{height}" fill="white"/>']
    for number, (kind, rows) in enumerate(rounds.items()):
        x, is_first = LEFT + number * (WIDTH + GAP), number == 0
        rate = Panel(x, TOP, seconds, 0, most, False)
        latency = Panel(x, TOP + PANEL + GAP, seconds, 0.1, slowest, True)
        out.append(text(x, 20, TITLES[kind], size=15, weight="bold"))
        out += [rate.shade(rows), latency.shade(rows)]
        out.append(rate.frame([(most * part / 5, f"{most * part / 5:,.0f}") for part in range(6)], is_first))
        out.append(latency.frame([(power, f"{power:g} ms") for power in powers], is_first))
        out += [rate.line(rows, "rate", RATE), latency.line(rows, "p50", P50), latency.line(rows, "p99", P99)]
        out += [rate.events(rows, True), latency.events(rows, False)]
        out += [text(rate.across(second), latency.y + PANEL + 18, f"{second} s", anchor="middle")
                for second in range(0, int(seconds) + 1, 5)]
        out.append(text(x, TOP - 8, "sets per second", size=11, color=RATE))
        out.append(text(x, latency.y - 8, "latency: p99", size=11, color=P99))
        out.append(text(x + 70, latency.y - 8, "and p50", size=11, color=P50))
    return "\n".join([*out, "</svg>"])


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    rounds = read(sys.argv[1])
    if not rounds:
        sys.exit(f"{sys.argv[1]}: no curve in it")
    print(draw(rounds))


if __name__ == "__main__":
    main()
