#!/usr/bin/python3 -B
"""
The whole server beside what people use today: nearbyd, and each peer that is here, under the same
load from nearby-bench on another CPU.

The highest rate of locations is looked for at which 99 of 100 reach their friends within a second.
Then each server is measured at half of its own highest rate, and all that keep it at one same rate:
half of the highest of the slowest that can gather what it sends. nearbyd is measured at the highest
rate of the best peer, too. Those that can gather what they send for an interval are measured so at that
same rate, and have a run each in turn, so that what is compared was measured within minutes, on a
machine that may not be the same an hour later.

usage: server.py [--out=DIR] [--runs=N] [--quick | --smoke] [--only=NAME,...]
"""
import contextlib
import os
import subprocess
import sys
import tempfile

import arguments
from contender import COALESCING, NAMES, Contender, Missing
from load import (PERCENTILES, Load, Town, cpu_us_per, read_histograms, server_share,
                  write_histogram)
from results import Results

MIB = 1024 * 1024
# How long a server has to adapt to a rate before it is judged: nearbyd smooths its load over half a second.
SETTLE_S = 2
# Where the search begins: locations/s.
FIRST_RATE = 8000
SMOKE_RATE = 400
WITHIN_S = 1


class Plan:
    """How much is measured. Times in seconds: of each run, before the first, after the last."""

    def __init__(self, size, runs):
        self.town = {"full": Town(5000), "quick": Town(1000), "smoke": Town(200, 40, 20, 5)}[size]
        self.intervals_ms = {"full": (0, 1000, 10000), "quick": (0, 1000), "smoke": (0,)}[size]
        self.runs = runs or {"full": 5, "quick": 2, "smoke": 1}[size]
        self.has_search = size != "smoke"
        self.judged, self.judged_s = Town(1000), {"full": 10, "quick": 4, "smoke": 1}[size]
        self.small = {"full": 1, "quick": 0.5, "smoke": 0.3}[size]

    def times(self, interval_ms):
        interval_s = interval_ms / 1000
        return {"for_s": max(3, interval_s) * self.small, "warm_up_s": (SETTLE_S + interval_s) * self.small,
                "linger_s": (1 + interval_s) * (self.small if interval_s == 0 else 1)}


class Bench:
    def __init__(self, options):
        self.plan = Plan(options.size, options.runs)
        self.only = options.only or NAMES
        self.results = Results(options.out, "server", sys.argv)
        self.out = options.out
        self.folder = tempfile.TemporaryDirectory(prefix="nearby-bench-server-")
        cpus = sorted(os.sched_getaffinity(0))
        self.server_cpus, self.load_cpus = cpus[:1], cpus[1:] or cpus
        self.missing, self.failed = set(), []

    # ---- one server ----

    def contender(self, name, interval_ms):
        return Contender(name, self.plan.town, self.server_cpus, interval_ms)

    def load(self, server, interval_ms):
        return Load(server, self.plan.town, self.load_cpus, interval_ms)

    def highest(self, name):
        """(locations/s that it keeps at most, whether the client set the limit)"""
        if not self.plan.has_search:
            return SMOKE_RATE, False
        with self.contender(name, 0) as server:
            return self.search(self.load(server, 0))

    def attempt(self, name, work, *more):
        """What work(name, ...) gives, or None: it cannot run here, or failed, which is told and does
        not keep the others from running."""
        try:
            return work(name, *more)
        except Missing as missing:
            self.results.say(f"{name}: skipped, {missing}")
        except (RuntimeError, subprocess.SubprocessError) as failure:
            self.results.say(f"{name}: failed, {failure}")
            self.failed.append(name)
        self.missing.add(name)
        return None

    def search(self, load):
        found = load.search(FIRST_RATE, WITHIN_S, for_s=1.5, warm_up_s=SETTLE_S, linger_s=1.1)
        steps = found["steps"]
        kept = [step for step in steps if step["kept"]]
        if not kept:
            raise RuntimeError(f"{load.server.name} keeps no rate")
        above = [step for step in steps if not step["kept"] and step["rate"] > found["highest_rate"]]
        return found["highest_rate"], any(step["client_saturated"] and server_share(step) < 0.9
                                          for step in above + kept[-1:])

    def measured(self, interval_ms, rates_of):
        """{name: {key: steps}} of the servers {name: {key: locations/s}}, at the rates of each in the
        order in which they are given. Those that coalesce are compared closely: they are all up, and
        have a run each in turn. The others take minutes to let all join, and are measured alone."""
        steps, counts = {name: {} for name in rates_of}, {}
        in_turn = [name for name in rates_of if name in COALESCING]
        for names in [in_turn] + [[name] for name in rates_of if name not in in_turn]:
            rounds, runs = (self.plan.runs, 1) if names is in_turn else (1, self.plan.runs)
            with contextlib.ExitStack() as stack:
                servers = {name: self.attempt(name, self.started, interval_ms, stack)
                           for name in names}
                for name in names * rounds:
                    if name not in self.missing:
                        self.attempt(name, self.run_load, servers[name], rates_of[name], runs, steps,
                                     counts)
        for (name, key), of in counts.items():
            write_histogram(os.path.join(self.out, f"latency-{name}-{key}.hist"), of)
        return {name: of for name, of in steps.items() if name not in self.missing}

    def started(self, name, interval_ms, stack):
        return stack.enter_context(self.contender(name, interval_ms))

    def run_load(self, name, server, rates, runs, steps, counts):
        """Adds to `steps` those at each of the rates, and to `counts` what their histograms have."""
        histogram = os.path.join(self.folder.name, "histogram")
        by_rate, found = self.load(server, server.interval_ms).measure(
            list(rates.values()), runs, histogram=histogram, **self.plan.times(server.interval_ms))
        wrong = {what: count for what, count in found["findings"].items() if count}
        if wrong:
            self.results.say(f"{name}, interval {server.interval_ms} ms: findings {wrong}; "
                             f"{found['example']}")
        histograms = read_histograms(histogram)
        for key, of_rate in zip(rates, by_rate):
            steps[name].setdefault(key, []).extend(of_rate)
            of = counts.setdefault((name, key), {})
            for bound, count in histograms.get(of_rate[0]["rate"], {}).items():
                of[bound] = of.get(bound, 0) + count

    def say_steps(self, part, name, steps):
        figure = lambda what, unit, of: self.results.figure(
            part, f"{name}, {what}", unit, [of(step) for step in steps])
        figure("locations", "1/s", lambda step: step["sent_per_s"])
        figure("deliveries", "1/CPU-s", lambda step: step["entries_per_cpu_s"])
        figure("pairs", "1/CPU-s", lambda step: step["covered_per_cpu_s"])
        figure("a location", "CPU-us", lambda step: cpu_us_per(step, "sent"))
        for percentile in PERCENTILES:
            figure(percentile, "ms", lambda step: step["latency_us"][percentile] / 1000)
        figure("CPU", "of one", server_share)
        figure("memory", "MiB", lambda step: step["server_resident_bytes"][1] / MIB)
        figure("client CPU", "of one", lambda step: step["client_cpu_s"] / step["seconds"])
        if any(step["client_saturated"] for step in steps):
            self.results.say(f"{name}, {part}: the client was saturated")
        missing = sum(step["missing"] for step in steps)
        if missing > 0:
            due = sum(step["due"] for step in steps)
            self.results.say(f"{name}, {part}: {missing} of {due} pairs did not arrive in time")

    # ---- all of them ----

    def contenders(self, interval_ms):
        return [name for name in NAMES if name in self.only and name not in self.missing
                and (interval_ms == 0 or name in COALESCING)]

    def find_all(self):
        """{name: locations/s} that each keeps at most, pushing at once."""
        found = {}
        for name in self.contenders(0):
            highest = self.attempt(name, self.highest)
            if highest is not None:
                found[name], is_clients = highest
                self.results.figure("interval 0", f"{name}, highest rate", "locations/s", [found[name]])
                if is_clients:
                    self.results.say(f"{name}, interval 0: the client set the limit, not the server")
        return found

    def run_at_once(self, highest, same):
        """Without an interval: each at half of its highest rate, and all at the same."""
        peers = {name: rate for name, rate in highest.items() if name != "nearbyd"}
        best = max(peers, key=peers.get) if peers else None
        rates_of = {}
        for name, rate in sorted(highest.items(), key=lambda item: item[0] == "nearbyd"):
            rates = rates_of[name] = {"0": rate / 2}
            if 0 < same < rate:
                rates["same"] = same
            else:
                self.results.say(f"{name}: does not keep the rate at which the others are compared")
            if best is not None and name in ("nearbyd", best):
                rates["best"] = peers[best]
        for name, steps in self.measured(0, rates_of).items():
            self.say_steps("interval 0", name, steps["0"])
            if "same" in steps:
                self.say_steps("interval 0, same rate", name, steps["same"])
            if "best" in steps:
                self.say_best(name, steps["best"], best)

    def run_interval(self, interval_ms, same):
        """With an interval all at the same rate: beyond one location of a friend in it only merging
        is measured, and no server's end is in reach of one client."""
        key = f"{interval_ms}"
        names = self.contenders(interval_ms)
        for name, steps in self.measured(interval_ms, {name: {key: same} for name in names}).items():
            self.say_steps(f"interval {interval_ms} ms", name, steps[key])

    def say_best(self, name, steps, best):
        """The rate at which the best peer is at its end, of both."""
        part = "best peer's highest load"
        who = "nearbyd" if name == "nearbyd" else "best peer"
        self.results.say(f"{part}: of {best}")
        for percentile in ("p50", "p99"):
            self.results.figure(part, f"{who}, {percentile}", "ms",
                                [step["latency_us"][percentile] / 1000 for step in steps])

    def judge(self, rate):
        """Everything that comes is compared with brute force while the load goes on."""
        with Contender("nearbyd", self.plan.judged, self.server_cpus) as server:
            load = Load(server, self.plan.judged, self.load_cpus)
            found = load.run("--judge", f"--rate={rate:.0f}", f"--for={self.plan.judged_s}s")
        wrong = sum(found["findings"].values())
        entries = sum(found["pushed"].values())
        self.results.figure("with the oracle", "checked", "entries", [entries])
        self.results.figure("with the oracle", "wrong or missing", "entries", [wrong])
        if not found["right"] or entries == 0:
            raise RuntimeError(f"the oracle found {found['findings']} among {entries} entries")

    def run(self):
        town = self.plan.town
        self.results.say(
            f"{town.sessions} sessions, {town.friends} friends each, of whom {town.active} are "
            f"connected and about {town.near} in range; open loop, latency counted from the due time")
        self.results.say(f"server with all its processes on CPU {self.server_cpus[0]}, load on CPU "
                         f"{','.join(map(str, self.load_cpus))}")
        for line in NOTES:
            self.results.say(line)
        highest = self.find_all()
        same = min((rate for name, rate in highest.items() if name in COALESCING), default=0) / 2
        for interval_ms in self.plan.intervals_ms:
            if interval_ms == 0:
                self.run_at_once(highest, same)
            else:
                self.run_interval(interval_ms, same)
        # nearby-bench's own test has the oracle on, too.
        if "nearbyd" in highest and self.plan.has_search:
            self.judge(min(highest["nearbyd"] / 2, 20 * self.plan.judged.sessions))
        self.results.close()
        return 1 if self.failed else 0


NOTES = (
    "deliveries are entries of friends in frames; pairs are locations that reached a friend in range or "
    "were overtaken by a newer one that did: with an interval many are, at rates beyond one a friend",
    "nearbyd verifies tokens, writes every location to the history and syncs it each second; no peer "
    "does",
    "node+redis and bun: no history; tokens are read but not verified",
    "centrifuge and nats: no TTL, no filter at the server; the client filters and only what is in range "
    "counts",
)


def main():
    options = arguments.Options(__doc__.partition("usage: ")[2], sys.argv)
    sys.exit(Bench(options).run())


if __name__ == "__main__":
    main()
