#!/usr/bin/python3 -B
"""
How the cost of a delivery grows: with sessions, with active friends, with the friends of one user,
and with cores; of the engine alone and of the whole server. A cost is CPU time of the server, user
and system. All points of a series have as many deliveries per second.

usage: growth.py [--out=DIR] [--runs=N] [--quick | --smoke] [--only=engine,server]
"""
import os
import subprocess
import sys
import tempfile

import arguments
import results
import seclusion
from contender import Contender
from load import Load, Town, cpu_us_per
from results import Results

UNIT = "CPU-us/delivery"
# Of the friends who are connected, so many are in range.
NEAR_SHARE = 0.25
ROOM_FRIENDS = 400


class Plan:
    def __init__(self, size, runs):
        pick = lambda full, quick, smoke: {"full": full, "quick": quick, "smoke": smoke}[size]
        self.runs = runs or pick(5, 3, 1)
        # The point that all series share: sessions, friends and how many of them are connected.
        self.sessions, self.friends, self.active = pick(10000, 2000, 300), pick(400, 400, 40), 40
        self.sessions_of = pick((10000, 50000, 200000), (2000, 8000), (300, 600))
        self.active_of = pick((10, 40, 100, 400), (10, 40, 200), (40,))
        self.friends_of = pick((400, 5000), (400, 2000), (40,))
        self.cores_of = (1, 2, 4, 8, 16)
        self.table_users = pick(1000000, 100000, 1000)
        self.deliveries_per_s = pick(30000, 10000, 1000)
        self.for_s = pick(3, 1, 0.3)


class Bench:
    def __init__(self, options):
        self.plan = Plan(options.size, options.runs)
        self.only = options.only or ("engine", "server")
        self.results = Results(options.out, "growth", sys.argv)
        self.cpus = sorted(os.sched_getaffinity(0))
        self.known = {}

    # ---- the engine alone ----

    def engine(self, sessions, friends, active, cores):
        """CPU time of a delivery, of each run."""
        with tempfile.TemporaryDirectory(prefix="nearby-bench-growth-") as out:
            subprocess.run(
                [os.path.join(results.build(), "tests/bench/bench_engine"), f"--out={out}",
                 f"--users={max(self.plan.table_users, sessions)}", f"--sessions={sessions}",
                 f"--friends={friends}", f"--active={active}", f"--engines={cores}",
                 f"--runs={self.plan.runs}"], check=True, timeout=600, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL)
            _, figures = results.read(os.path.join(out, "engine.tsv"))
        updates = figures["city", "path", "updates/CPU-s"]
        deliveries = figures["city", "path", "deliveries an update"]
        return [1e6 / (update * delivery) for update, delivery in zip(updates, deliveries)]

    # ---- the whole server ----

    def server(self, sessions, friends, active, cores):
        near = active * NEAR_SHARE
        town = Town(sessions, friends, active, near)
        cpus = self.cpus[:cores]
        # Room for all friendships, as nearbyd reserves that of ROOM_FRIENDS for each session.
        room = max(20000, 2 * sessions, sessions * friends // ROOM_FRIENDS)
        with Contender("nearbyd", town, cpus, users_max=max(1000000, 2 * sessions),
                       sessions_max=room) as server:
            load = Load(server, town, self.cpus[cores:] or self.cpus[-1:])
            ((*steps,),), found = load.measure(
                [self.plan.deliveries_per_s / near], self.plan.runs, for_s=self.plan.for_s,
                warm_up_s=1, linger_s=1)
        if not found["right"]:
            raise RuntimeError(f"findings: {found['findings']}: {found['example']}")
        if any(step["client_saturated"] for step in steps):
            self.results.say(f"{sessions} sessions, {active} of {friends} friends, {cores} cores: the "
                             "client was saturated")
        return [cpu_us_per(step, "entries") for step in steps]

    # ---- series ----

    def point(self, bench, **changes):
        plan = self.plan
        at = {"sessions": plan.sessions, "friends": plan.friends, "active": plan.active, "cores": 1,
              **changes}
        key = bench, *at.values()
        if key not in self.known:
            self.known[key] = getattr(self, bench)(**at)
        return self.known[key]

    def series(self, bench, what, of, values):
        for value in values:
            more = {"friends": max(self.plan.friends, value)} if of == "active" else {}
            costs = self.point(bench, **{of: value}, **more)
            self.results.figure(f"{bench}, {what}", f"{value} {what}", UNIT, costs)

    def run(self):
        plan = self.plan
        self.results.say(seclusion.seclude(2 * max(plan.sessions_of)))
        self.results.say(f"unless said {plan.sessions} sessions, {plan.friends} friends each, "
                         f"{plan.active} of them connected, a quarter of those in range")
        self.results.say(f"whole server: {plan.deliveries_per_s} deliveries/s at every point; load on "
                         "the other CPUs, or on the last")
        for bench in self.only:
            self.series(bench, "sessions", "sessions", plan.sessions_of)
            self.series(bench, "active friends", "active", plan.active_of)
            self.series(bench, "friends of each", "friends", plan.friends_of)
            cores = plan.cores_of if bench == "engine" else [
                cores for cores in plan.cores_of if cores <= len(self.cpus)]
            self.series(bench, "cores", "cores", cores)
        self.results.say("the engine's cores are simulated on one thread")
        self.results.close()


Bench(arguments.Options(__doc__.partition("usage: ")[2], sys.argv)).run()
