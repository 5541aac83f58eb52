"""
Owns: the goals: what each asks for, which figures decide it, and how it is judged.
Invariant: a goal without figures is "not measured", one with those of a small population a "small
  run", neither is ever met; of several figures the worst decides.
Does not know: how the figures came to be, how a judgement is shown.
"""
import statistics

from raw import ratios

AT_LEAST, AT_MOST, BELOW = "at least", "at most", "below"
MET, MISSED, UNMEASURED, SMALL = "met", "missed", "not measured", "small run"


class Goal:
    """`measure(raw)` gives the values of each figure of a benchmark that must reach the goal: a list
    of (what, values). `by` says which of the values of all runs is held against `wanted`."""

    def __init__(self, key, bench, what, sense, wanted, unit, measure, by=statistics.median):
        self.bench = bench
        self.key, self.what, self.sense, self.wanted, self.unit = key, what, sense, wanted, unit
        self.measure, self.by = measure, by


class Judgement:
    def __init__(self, goal, figures, is_small=False):
        self.goal = goal
        self.is_measured = bool(figures) and all(values for _, values in figures)
        if not self.is_measured:
            self.verdict, self.values = UNMEASURED, []
            self.lacks = [what for what, values in figures if not values]
            return
        worst = max(figures, key=lambda figure: self.shortfall(figure[1]))
        self.which, self.values = worst
        self.value = goal.by(self.values)
        self.factor = self.shortfall(self.values)
        self.verdict = SMALL if is_small else MET if self.reaches() else MISSED

    def shortfall(self, values):
        """By which factor the goal is missed; up to 1 it is reached."""
        value = self.goal.by(values)
        if self.goal.sense == AT_LEAST:
            return self.goal.wanted / value if value > 0 else float("inf")
        return value / self.goal.wanted

    def reaches(self):
        return self.factor < 1 if self.goal.sense == BELOW else self.factor <= 1


def judge(raw):
    return [Judgement(goal, goal.measure(raw), goal.bench in raw.small) for goal in GOALS]


# ---- measures ------------------------------------------------------------------------------------

def figure(bench, part, name, unit):
    return lambda raw: [(f"{part}, {name}", raw.values(bench, part, name, unit))]


def figures(*measures):
    return lambda raw: [found for measure in measures for found in measure(raw)]


def to_peer(peer, part, what, unit):
    """nearbyd's figure as a multiple of a peer's, run by run."""
    return lambda raw: [(f"{part}, {what} to {peer}", ratios(
        raw.values("server", part, f"nearbyd, {what}", unit),
        raw.values("server", part, f"{peer}, {what}", unit)))]


def growth(part, unit):
    """The largest cost as a multiple of that at the least size."""
    def measure(raw):
        sizes = raw.series("growth", part, unit)
        least = statistics.median(sizes[0][1]) if len(sizes) >= 2 else 0
        if least == 0:  # too little CPU time for the kernel's clock, or no second size
            return [(part, [])]
        return [(f"{part}, {size:.0f} to {sizes[0][0]:.0f}", [value / least for value in values])
                for size, values in sizes[1:]]
    return measure


DELIVERIES = ("deliveries", "1/CPU-s")

GOALS = [
    Goal("engine", "engine", "friend checks a core-second, 10 M users, anywhere", AT_LEAST, 50e6,
         "1/CPU-s", figure("engine", "uniform", "path", "checks/CPU-s")),
    Goal("engine-least", "engine", "the same, never below, in a city too", AT_LEAST, 14e6, "1/CPU-s",
         figures(figure("engine", "uniform", "path", "checks/CPU-s"),
                 figure("engine", "city", "path", "checks/CPU-s")), by=min),
    Goal("table-write", "table", "table, write, to Redis SET EX", AT_LEAST, 20, "x",
         figures(figure("table", "table", "write to SET EX", "ratio"),
                 figure("table", "table", "write with a hint to SET EX", "ratio"))),
    Goal("table-read", "table", "table, read, to Redis MGET", AT_LEAST, 20, "x",
         figures(figure("table", "table", "read to MGET", "ratio"),
                 figure("table", "table", "read with a hint to MGET", "ratio"))),
    Goal("usual", "server", "whole server, deliveries per CPU-second, to the usual design", AT_LEAST, 10, "x",
         to_peer("node+redis", "interval 0", *DELIVERIES)),
    Goal("bun", "server", "to Bun, interval 0", AT_LEAST, 1.6, "x",
         to_peer("bun", "interval 0", *DELIVERIES)),
    Goal("bun-10s", "server", "to Bun, interval 10 s", AT_LEAST, 4, "x",
         figures(to_peer("bun", "interval 10000 ms", *DELIVERIES),
                 to_peer("bun", "interval 10000 ms", "pairs", "1/CPU-s"))),
    Goal("p99", "server", "p99 at the best peer's highest load, interval 0, to that peer's p50", BELOW, 1, "x",
         lambda raw: [("p99 to p50", ratios(
             raw.values("server", "best peer's highest load", "nearbyd, p99", "ms"),
             raw.values("server", "best peer's highest load", "best peer, p50", "ms")))]),
    Goal("idle", "sessions", "user memory of an idle session", AT_MOST, 512, "bytes",
         figure("sessions", "memory", "user memory a session", "bytes")),
    Goal("subscription", "sessions", "a subscription", AT_MOST, 8, "bytes",
         figure("sessions", "memory", "a subscription", "bytes")),
    Goal("million", "sessions", "1 M sessions, both ends on the machine", AT_MOST, 24 * 1024, "MiB",
         figure("sessions", "1000000 sessions", "memory of the machine", "MiB")),
    Goal("history-rate", "history", "history, locations per CPU-second, merges included", AT_LEAST, 10e6,
         "1/CPU-s", figure("history", "peak", "all, merged, kept", "locations/CPU-s")),
    Goal("history-bytes", "history", "history, bytes a location after merging", AT_MOST, 8, "bytes",
         figures(figure("history", "peak", "all, merged, kept", "bytes/location"),
                 figure("history", "day", "all, merged, kept", "bytes/location"))),
    Goal("history-day", "history", "a user's day among 100 M rows", AT_MOST, 5, "ms",
         figure("history", "day", "a user's day, cold, median", "ms")),
    Goal("start-cold", "start", "start, cold", AT_MOST, 1, "s", figure("start", "start", "cold", "s")),
    Goal("start-warm", "start", "start, warm with a full segment", AT_MOST, 0.2, "s",
         figure("start", "start", "warm", "s")),
    Goal("growth-sessions", "growth", "cost per delivery, 10 k to 200 k sessions", AT_MOST, 1.2, "x",
         growth("server, sessions", "CPU-us/delivery")),
    Goal("growth-friends", "growth", "cost per delivery, 10 to 400 active friends", AT_MOST, 1.2, "x",
         growth("server, active friends", "CPU-us/delivery")),
    Goal("growth-cores", "growth", "cost per delivery, 1 to 2 cores", AT_MOST, 1.2, "x",
         growth("server, cores", "CPU-us/delivery")),
]
