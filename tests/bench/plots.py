"""
Owns: which charts there are, and which figures stand in each.
Invariant: a chart shows what was measured; one without figures is named as not drawn, and why.
Does not know: how a chart is drawn, how figures came to be.
"""
import os

from chart import Chart
from contender import NAMES as SERVERS

# Parts of the table, ends of the histograms' names, and what they were.
LOADS = (("interval 0", "0", "at once, at half of the highest rate"),
         ("interval 0, same rate", "same", "at once, same rate"),
         ("interval 1000 ms", "1000", "each 1 s, same rate"),
         ("interval 10000 ms", "10000", "each 10 s, same rate"))
PERCENTILES = ((2, "p50"), (10, "p90"), (100, "p99"), (1000, "p99.9"), (10000, "p99.99"))
# At which the peers' sessions are measured.
PEERS_SESSIONS = 15000
# Parts of a histogram that a line of this width can show.
POINTS = 250


def draw_all(raw):
    """([(file, title)], [(file, reason)]): what was drawn and what was not."""
    drawn, undrawn = [], []
    for name, make in CHARTS.items():
        path = os.path.join(raw.folder, name)
        if os.path.exists(path):
            os.unlink(path)
        chart = make(raw, path)
        reason = chart.draw()
        if reason is None:
            drawn.append((name, chart.title))
        else:
            undrawn.append((name, reason))
    return drawn, undrawn


# ---- the whole server ----------------------------------------------------------------------------

def deliveries(raw, path):
    chart = Chart(path, "Deliveries per server CPU-second")
    series = [(server, [raw.values("server", part, f"{server}, deliveries", "1/CPU-s")
                        for part, _, _ in LOADS]) for server in SERVERS]
    if any(any(by_group) for _, by_group in series):
        chart.bars("", "deliveries / CPU-s", [label for _, _, label in LOADS],
                   [(name, by_group) for name, by_group in series if any(by_group)])
    return chart


def by_percentile(histogram):
    """[(1/(1-share), [ms])], thinned to what can be seen."""
    total = sum(count for _, count in histogram)
    points, below, last = [], 0, None
    for bound_us, count in histogram:
        below += count
        # The last value of all lies at infinity: it is shown where one of so many lies.
        x = 1 / max(1 - below / total, 1 / total)
        if last is None or x > last * 1.02 or below == total:
            points.append((x, [bound_us / 1000]))
            last = x
    step = max(1, len(points) // POINTS)
    return points[::step] + ([points[-1]] if (len(points) - 1) % step else [])


def latency(raw, path):
    chart = Chart(path, "From sending a location to a friend's receipt", 2, 2)
    there = raw.histograms()
    for _, key, label in LOADS:
        series = [(server, by_percentile(raw.histogram(f"latency-{server}-{key}")))
                  for server in SERVERS if f"latency-{server}-{key}" in there]
        if series:
            chart.lines(f"pushed {label}", "latency, ms", series, True, True, PERCENTILES)
    return chart


# ---- the parts -----------------------------------------------------------------------------------

def bars_of(raw, chart, title, axis, bench, groups, series, log=False):
    """groups: [label]; series: [(name, [(part, figure, unit) of each group])]."""
    found = [(name, [raw.values(bench, *key) for key in keys]) for name, keys in series]
    found = [(name, by_group) for name, by_group in found if any(by_group)]
    if found:
        chart.bars(title, axis, groups, found, log)


def engine(raw, path):
    chart = Chart(path, "Engine: friend checks per core-second", 1, 1)
    bars_of(raw, chart, "", "checks / CPU-s", "engine", ["uniform", "city"], [
        ("nearbyd, whole path", [(part, "path", "checks/CPU-s") for part in ("uniform", "city")]),
        ("bare loop of the same gathers",
         [(part, "bare loop", "checks/CPU-s") for part in ("uniform", "city")])])
    return chart


def table(raw, path):
    chart = Chart(path, "Table of locations, beside Redis: operations per CPU-second")
    bars_of(raw, chart, "", "1 / CPU-s", "table", ["write", "read"], [
        ("nearbyd, with a hint", [("table", "table, write with a hint", "1/CPU-s"),
                                  ("table", "table, read with a hint", "1/CPU-s")]),
        ("nearbyd, without a hint", [("table", "table, write", "1/CPU-s"),
                                   ("table", "table, read", "1/CPU-s")]),
        ("Redis", [("table", "Redis, SET EX", "1/server CPU-s"),
                   ("table", "Redis, MGET", "keys/server CPU-s")])], log=True)
    return chart


def growth(raw, path):
    chart = Chart(path, "Growth: CPU time of a delivery", 2, 2)
    for what, across in (("sessions", "sessions"), ("active friends", "active friends of each"),
                         ("cores", "cores"), ("friends of each", "friends of each")):
        series = [(label, raw.series("growth", f"{bench}, {what}", "CPU-us/delivery"))
                  for bench, label in (("server", "nearbyd"), ("engine", "engine alone"))]
        series = [(label, points) for label, points in series if points]
        if series:
            chart.lines(f"by {across}", "CPU-µs / delivery", series, log_x=what != "cores")
    return chart


def sessions(raw, path):
    chart = Chart(path, "Memory of a session")
    series = [(label, raw.series("sessions", part, "bytes")) for part, label in (
        ("user memory", "nearbyd, user"), ("kernel memory", "kernel, for nearbyd"))]
    series += [(f"{peer}, user", [(PEERS_SESSIONS, raw.values(
        "sessions", f"{PEERS_SESSIONS} sessions, 400 friends", f"{peer}, user memory a session",
        "bytes"))]) for peer in SERVERS[1:]]
    series = [(label, points) for label, points in series if any(values for _, values in points)]
    if series:
        chart.lines("by sessions", "bytes / session", series, log_x=True)
    return chart


def history(raw, path):
    chart = Chart(path, "History, beside one put for each location in LMDB, and SQLite", 2, 1)
    for unit, title, is_log in (("locations/CPU-s", "locations kept per CPU-second", True),
                                ("bytes/location", "bytes on disk of a location", False)):
        nowhere = ("", "", "")
        bars_of(raw, chart, title, unit.replace("/", " / "), "history",
                ["all beside", "peak hour", "whole days"],
                [("nearbyd", [("beside", "ours, kept", unit), ("peak", "all, merged, kept", unit),
                              ("day", "all, merged, kept", unit)]),
                 ("LMDB", [("beside", "LMDB, a put each, kept", unit), nowhere, nowhere]),
                 ("SQLite", [("beside", "SQLite, kept", unit), nowhere, nowhere])], is_log)
    return chart


CHARTS = {
    "deliveries.svg": deliveries,
    "latency.svg": latency,
    "sessions.svg": sessions,
    "growth.svg": growth,
    "engine.svg": engine,
    "table.svg": table,
    "history.svg": history,
}
