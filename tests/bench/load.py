"""
Owns: driving a server under test with `nearby-bench load`, and reading what that found.
Invariant: the load runs on its own CPUs, and ends by itself or by a limit of time.
Does not know: which rates are asked for, what the figures are held against.
"""
import json
import os
import subprocess

import results

# The language of each server; nearby's unless said.
DIALECTS = {"centrifuge": "centrifuge", "nats": "nats"}
PERCENTILES = ("p50", "p90", "p99", "p99.9", "max")
LIMIT_S = 900


def program(name):
    return os.path.join(results.build(), name)


def seconds(value):
    return f"{round(value * 1000)}ms"


class Town:
    """Who connects and how many friends they have; the same for every server."""

    def __init__(self, sessions, friends=400, active=40, near=10):
        self.sessions, self.friends, self.active, self.near = sessions, friends, active, near

    def options(self):
        return [f"--sessions={self.sessions}", f"--friends={self.friends}", f"--active={self.active}",
                f"--near={self.near}"]

    def write_friends(self, path):
        """For servers that have no database of their own."""
        subprocess.run([program("nearby-bench"), "load", f"--write-friends={path}"] + self.options(),
                       check=True, timeout=LIMIT_S, stdout=subprocess.DEVNULL)

    def write_database(self, folder):
        """nearbyd's users.mdb. Among those who connect the friendships are the same; the others are
        some that nobody asks for."""
        strangers = 4 * (self.friends - self.active)
        subprocess.run([program("tests/bench/fill_users"), f"--data-dir={folder}",
                        f"--users={self.sessions + strangers}", f"--listed={self.sessions}",
                        f"--friends={self.friends}", f"--active={self.active}"],
                       check=True, timeout=LIMIT_S, stdout=subprocess.DEVNULL)


class Load:
    """Loads of one server that is running: `run` joins all sessions of the town, does what it is
    told, and gives what `nearby-bench load --json` says."""

    def __init__(self, server, town, cpus, interval_ms=0):
        self.server, self.town, self.cpus, self.interval_ms = server, town, cpus, interval_ms

    def command(self, more):
        return [program("nearby-bench"), "load", "--json", "--no-setup",
                f"--connect=127.0.0.1:{self.server.port}", f"--token-key={self.server.key_path}",
                f"--dialect={DIALECTS.get(self.server.name, 'nearby')}",
                f"--server-pid={self.server.pid}", f"--interval-ms={self.interval_ms}",
                *self.town.options(), *more]

    def run(self, *more):
        cpus = set(self.cpus)
        done = subprocess.run(self.command(list(more)), capture_output=True, text=True, timeout=LIMIT_S,
                              stdin=subprocess.DEVNULL,
                              preexec_fn=lambda: os.sched_setaffinity(0, cpus))
        try:
            found = json.loads(done.stdout)
        except json.JSONDecodeError as broken:
            raise RuntimeError(f"the load of {self.server.name} says: {done.stdout[-300:]}"
                               f"{done.stderr[-1000:]}{self.server.log_text()[-1000:]}") from broken
        if found["cut_off"]:
            raise RuntimeError(f"the load of {self.server.name} ended early: {found['cut_off']}")
        return found

    def measure(self, rates, runs, for_s, warm_up_s, linger_s, histogram=None):
        """[steps of one rate] for each rate, and all that was found."""
        found = self.run(
            "--step-rates=" + ",".join(f"{rate:.0f}" for rate in rates), f"--runs={runs}",
            f"--for={seconds(for_s)}", f"--warm-up={seconds(warm_up_s)}",
            f"--linger={seconds(linger_s)}", *([f"--histogram={histogram}"] if histogram else []))
        steps = found["steps"]
        return [steps[i:i + runs] for i in range(0, len(steps), runs)], found

    def search(self, rate, within_s, for_s, warm_up_s, linger_s):
        return self.run(f"--rate={rate:.0f}", f"--search={seconds(within_s)}", f"--for={seconds(for_s)}",
                        f"--warm-up={seconds(warm_up_s)}", f"--linger={seconds(linger_s)}")


def server_share(step):
    """Of one CPU that the server used."""
    return step["server_cpu_s"] / step["seconds"]


def cpu_us_per(step, what):
    """CPU time of the server for each of `what`, "entries" or "sent"."""
    return 1e6 / step[f"{what}_per_cpu_s"] if step[f"{what}_per_cpu_s"] else 0


def read_histograms(path):
    """{rate: {bound in us: count}} of what --histogram wrote."""
    histograms = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            if not line.startswith("#"):
                rate, bound, count = line.split("\t")
                counts = histograms.setdefault(float(rate), {})
                counts[int(bound)] = counts.get(int(bound), 0) + int(count)
    return histograms


def write_histogram(path, counts):
    with open(path, "w", encoding="utf-8") as file:
        print("# up to us\tcount", file=file)
        for bound, count in sorted(counts.items()):
            print(f"{bound}\t{count}", file=file)
