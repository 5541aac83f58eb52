#!/usr/bin/python3 -B
"""
Owns: measuring what many sessions cost that mostly sit there: memory of the server and of the kernel,
  CPU time, how late a push is, and what happens when very many come back at once.
Invariant: both ends are on this machine, on all of its CPUs, and never take its last 3 GiB; servers,
  clients and files are gone afterwards.
Does not know: what would be good.

usage: sessions.py --out=DIR [--quick | --smoke] [--sessions=N,...] [--storm=N] [--runs=N] [--no-peers]

  --sessions=N,...  populations, each with a server of its own (10000,50000,200000,1000000); those that
                    memory does not suffice for are left out, with a word
  --storm=N         sessions that vanish and come back at once (100000)
  --runs=N          of what is measured several times (5)

With root the whole runs in a network of its own, as how TCP is set is part of what is measured: the table of
connections has places for all sockets of both ends (a kernel's own may have a quarter of a million, and
then each packet walks along cold sockets), and congestion control is reno, which costs about what Linux's
default does; one that paces costs a timer a send.

What is counted where: user memory is what nearbyd alone maps (anonymous and shared memory, as
smaps_rollup tells); the database's pages in the page cache are not. A subscription is what the
anonymous part grows by beyond that of a session without friends, names included. Kernel memory is what its slabs
grow by (/proc/slabinfo); a socket, its file, inode and dentry are there at both ends and halved, the
request of io_uring with what hangs on it is the server's, epoll's entries are the client's.
"""
import array
import contextlib
import os
import signal
import statistics
import subprocess
import sys
import time

import contender
import results
import seclusion

BUILD = results.build()
RESERVE = 3 << 30
# Of both ends together, to see beforehand whether a step fits: 400 friends included.
BYTES_OF_A_SESSION = 17000
FRIENDS, ACTIVE, POPULATION = 400, 40, 10
PERIOD_S = 30
JOIN_LIMIT_S = 600
# Slabs of both ends, and those of an armed receive at the server's.
BOTH_ENDS = ("TCP", "sock_inode_cache", "filp", "lsm_file_cache")
PEERS_SESSIONS = 15000
# Clients that are later than this with what they say are too slow to measure by.
CLIENT_LATE_MS = 150
# Sessions of one process of the herd at most; each is a descriptor, of which it may have 20,000.
WORKER_SESSIONS = 16000
# A large population joins for minutes, and both ends are behind then. They move until half of the pushes are sooner
# than this, for so many times the warm-up at most.
SETTLED_PUSH_US, WARM_UPS_MAX = 1000000, 6
# Longer than all take to join: phones that say where they are every 30 s are never pinged, so those who wait
# for the others to join are not either.
PING_INTERVAL_S = 600


class Options:
    out, runs, peers = "bench-results", 5, True
    sessions, storm, warm_s, window_s = [10000, 50000, 200000, 1000000], 100000, 30, 3
    is_smoke = has_stormed = False

    def __init__(self, arguments):
        for argument in arguments:
            name, _, value = argument.removeprefix("--").partition("=")
            if argument == "--smoke":
                self.sessions, self.storm, self.warm_s, self.window_s = [400], 200, 1, 1
                self.runs, self.peers, self.is_smoke = 1, False, True
            elif argument == "--quick":
                self.sessions, self.storm, self.runs = [10000, 50000], 20000, 3
            elif argument == "--no-peers":
                self.peers = False
            elif name in ("runs", "storm") and value:
                setattr(self, name, int(value))
            elif name == "sessions" and value:
                self.sessions = [int(number) for number in value.split(",")]
            elif name == "out" and value:
                self.out = value
            else:
                sys.exit(__doc__.partition("usage: ")[2].partition("\n")[0])


# ---- what the kernel says ------------------------------------------------------------------------

def meminfo():
    with open("/proc/meminfo", encoding="ascii") as file:
        return {line.split(":")[0]: int(line.split()[1]) << 10 for line in file}


def slabs():
    """{name: bytes}; empty for who may not read it."""
    found = {}
    with contextlib.suppress(OSError), open("/proc/slabinfo", encoding="ascii") as file:
        for line in file.readlines()[2:]:
            words = line.split()
            found[words[0]] = int(words[1]) * int(words[3])
    return found


def tree(pid):
    """The process and all that descend from it."""
    children = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as file:
            children.setdefault(int(file.read().rpartition(")")[2].split()[1]), []).append(int(name))
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found


def mapped_bytes(pid):
    """(anonymous, shared) of all processes; what several of them share counts once."""
    total = {"Pss_Anon:": 0, "Pss_Shmem:": 0}
    for process in tree(pid):
        with contextlib.suppress(OSError), open(f"/proc/{process}/smaps_rollup", encoding="ascii") as file:
            for line in file:
                words = line.split()
                if words[0] in total:
                    total[words[0]] += int(words[1]) << 10
    return total["Pss_Anon:"], total["Pss_Shmem:"]


def user_bytes(pid):
    return sum(mapped_bytes(pid))


def cpu_s(pid):
    total = 0
    for process in tree(pid):
        with contextlib.suppress(OSError), open(f"/proc/{process}/stat", encoding="ascii", errors="replace") as file:
            words = file.read().rpartition(")")[2].split()
            total += int(words[11]) + int(words[12])
    return total / os.sysconf("SC_CLK_TCK")


class Memory:
    def __init__(self, pid):
        self.anonymous, self.shared = mapped_bytes(pid)
        self.user, self.slabs, self.machine = self.anonymous + self.shared, slabs(), meminfo()


class Growth:
    """Bytes a session from one Memory to another."""

    def __init__(self, before, after, count):
        self.user = (after.user - before.user) / count
        self.anonymous = (after.anonymous - before.anonymous) / count
        self.slabs = {name: (after.slabs[name] - before.slabs.get(name, 0)) / count for name in after.slabs}
        self.both_ends = (after.machine["Slab"] - before.machine["Slab"]) / count

    def kernel(self):
        """The server's end."""
        shared = sum(self.slabs.get(name, 0) for name in BOTH_ENDS) / 2
        sockets = self.slabs.get("TCP", 0) / 2 / tcp_bytes()
        return shared + 192 * sockets + sum(self.armed().values())

    def armed(self):
        """What a receive that waits costs: the request, its message header, its place in the poll."""
        return {name: self.slabs.get(name, 0) for name in ("io_kiocb", "kmalloc-512", "kmalloc-96")}

    def largest(self):
        names = sorted(self.slabs, key=self.slabs.get, reverse=True)
        return ", ".join(f"{name} {self.slabs[name]:.0f}" for name in names if self.slabs[name] >= 30)


def tcp_bytes():
    with contextlib.suppress(OSError), open("/proc/slabinfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("TCP "):
                return int(line.split()[3])
    return 2368


# ---- clients -------------------------------------------------------------------------------------

class Herd:
    """tests/bench/herd; its commands, each answered by what it counted."""

    def __init__(self, server, sessions, first_user=1, greets=True):
        """As many workers as share the sessions evenly, ten at least, so that a part of them can be told
        something else. They greet: say where they are as soon as they are in, as phones do."""
        fewest = max(10, -(-sessions // WORKER_SESSIONS))
        self.workers = next(count for count in range(fewest, sessions + 1) if sessions % count == 0)
        self.each = sessions // self.workers
        self.process = subprocess.Popen(
            [os.path.join(BUILD, "tests", "bench", "herd"), f"--server=127.0.0.1:{server.port}",
             f"--token-key={server.key_path}", f"--workers={self.workers}", f"--sessions={self.each}",
             f"--first-user={first_user}", f"--greets={int(greets)}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def say(self, *words):
        print(*words, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline().strip()
        assert answer, "the herd has ended"
        return {key: int(value) for key, value in (word.split("=") for word in answer.split() if "=" in word)}

    def join(self, start, end, in_flight=32, verb="join"):
        """All of these workers, or an AssertionError; (what they counted, seconds)."""
        began = time.monotonic()
        self.say(verb, start, end, in_flight, JOIN_LIMIT_S)
        said = self.say("wait", start, end)
        return said, time.monotonic() - began

    def move(self, seconds, period_s=PERIOD_S):
        self.say("move", 0, self.workers, seconds, period_s)
        return self.say("wait", 0, self.workers)


# ---- databases -----------------------------------------------------------------------------------

class Loners:
    """So many sessions of users without friends: the server makes them as they come."""

    def __init__(self, sessions):
        self.sessions = self.users = sessions

    def write_database(self, folder):
        pass


class Circle:
    """Everybody who will connect, with 400 friends of whom 40 will connect too."""

    def __init__(self, sessions):
        self.sessions, self.users = sessions, POPULATION * sessions

    def write_database(self, folder):
        subprocess.run(
            [os.path.join(BUILD, "tests", "bench", "fill_users"), f"--data-dir={folder}",
             f"--users={self.users}", f"--listed={self.sessions}", f"--friends={FRIENDS}",
             f"--active={ACTIVE}"], check=True, stdout=subprocess.DEVNULL)

    def write_friends(self, path):
        """The same kind of friendships for the peers, see nearby-bench(1)."""
        users, half = self.sessions, ACTIVE // 2
        with open(path, "wb") as file:
            file.write(b"NBFRIEND" + array.array("I", [1, users]).tobytes())
            for user in range(users):
                near = [(user + step) % users for step in range(-half, half + 1) if step]
                far = [users + (user * 97 + i * 7919) % (9 * users) for i in range(FRIENDS - ACTIVE)]
                file.write(array.array("I", [FRIENDS] + near + far).tobytes())


# ---- parts ---------------------------------------------------------------------------------------

def start(name, crowd):
    cpus, options = sorted(os.sched_getaffinity(0)), {}
    if name == "nearbyd":
        # A little more than there are, for each core's share.
        options = {"sessions_max": crowd.sessions + crowd.sessions // 20 + 1000,
                   "users_max": crowd.users + 1000, "ping_interval_s": PING_INTERVAL_S}
    return contender.Contender(name, crowd, cpus, **options)


def without_friends(options, out):
    """Sessions of users who have no friends: what a session costs by itself."""
    size = 60 * (20 if options.is_smoke else 1000)
    user, anonymous, kernel, both = [], [], [], []
    for _ in range(options.runs):
        with start("nearbyd", Loners(size)) as server, Herd(server, size, greets=False) as herd:
            early = max(1, herd.workers // 6)
            herd.join(0, early)
            before, joined = Memory(server.pid), (herd.workers - early) * herd.each
            assert herd.join(early, herd.workers)[0]["open"] == joined
            growth = Growth(before, Memory(server.pid), joined)
            user.append(growth.user)
            anonymous.append(growth.anonymous)
            kernel.append(growth.kernel())
            both.append(growth.both_ends)
    out.figure("memory", "user memory a session", "bytes", user)
    assert min(user) > 0, user
    if slabs():
        out.figure("memory", "kernel memory a session, the server's end", "bytes", kernel)
        out.figure("memory", "kernel memory a session, both ends", "bytes", both)
        out.figure("memory", "kernel memory of a receive that waits", "bytes", [sum(growth.armed().values())])
        out.say(f"slabs, bytes a session, both ends: {growth.largest()}")
    return statistics.median(anonymous)


def settle(herd, options, part, out):
    """Moves until nothing is left to do of what joining left behind, or WARM_UPS_MAX times. {(figure, unit):
    values}: how long that was."""
    for number in range(1, WARM_UPS_MAX + 1):
        said = herd.move(options.warm_s, min(options.warm_s, PERIOD_S))
        if said["entries"] > 0 and said["push_p50_us"] < SETTLED_PUSH_US:
            break
    else:
        out.say(f"{part}: after {WARM_UPS_MAX} times the warm-up pushes are still late")
    return {("warming up", "s"): [number * options.warm_s]}


def measure_load(server, herd, options, part, out):
    """Windows of a population that moves: {(figure, unit): values}."""
    figures = settle(herd, options, part, out)
    for _ in range(options.runs):
        before = cpu_s(server.pid), cpu_s(herd.process.pid)
        said = herd.move(options.window_s)
        cpu, client_cpu = cpu_s(server.pid) - before[0], cpu_s(herd.process.pid) - before[1]
        assert said["lost"] == 0 and said["unsent"] == 0 and said["entries"] > 0, said
        for figure, unit, value in (
                ("locations", "1/s", said["sent"] / options.window_s),
                ("deliveries", "1/location", said["entries"] / max(said["sent"], 1)),
                ("CPU time", "us/location", 1e6 * cpu / max(said["sent"], 1)),
                ("CPU time", "us/delivery", 1e6 * cpu / max(said["entries"], 1)),
                ("CPU time of the clients", "us/location", 1e6 * client_cpu / max(said["sent"], 1)),
                ("CPUs needed", "CPUs", cpu / options.window_s),
                ("CPUs needed by the clients", "CPUs", client_cpu / options.window_s),
                ("push p50", "ms", said["push_p50_us"] / 1000),
                ("push p99", "ms", said["push_p99_us"] / 1000),
                ("client late p99", "ms", said["late_p99_us"] / 1000),
                ("lost sessions", "sessions", said["lost"])):
            figures.setdefault((figure, unit), []).append(value)
    return figures


def judge_clients(figures, part, out):
    """Says when what was measured is not the server alone."""
    needed = sum(statistics.median(figures[name, "CPUs"]) for name in ("CPUs needed", "CPUs needed by the clients"))
    late_ms = statistics.median(figures["client late p99", "ms"])
    if needed > 0.95 * len(os.sched_getaffinity(0)):
        out.say(f"{part}: both ends together need {needed:.2f} CPUs, all that there are")
    if late_ms > CLIENT_LATE_MS:
        out.say(f"{part}: the clients say where they are {late_ms:.0f} ms after the time (p99), and are a part "
                "of why pushes are late")


def storm(server, herd, options, out):
    """Sessions vanish and come back at once, while the others move on."""
    count = min(options.storm // herd.each, herd.workers - 1)
    before = cpu_s(server.pid)
    herd.say("move", count, herd.workers, 1 if options.is_smoke else 10, PERIOD_S)
    said, seconds = herd.join(0, count, 0, "storm")
    cpu = cpu_s(server.pid) - before
    inside = herd.say("wait", count, herd.workers)
    assert said["open"] == count * herd.each and said["refused"] == 0 and inside["lost"] == 0, (said, inside)
    part = f"storm of {said['open']}"
    out.figure(part, "until all are back", "s", [seconds])
    out.figure(part, "sessions back", "1/s", [said["open"] / seconds])
    out.figure(part, "longest join", "s", [said["join_max_us"] / 1e6])
    out.figure(part, "median join", "s", [said["join_p50_us"] / 1e6])
    out.figure(part, "refused with 503", "answers", [said["refused"]])
    out.figure(part, "connections that failed and came again", "connections", [said["failed"]])
    out.figure(part, "server CPU of a goodbye and a join", "us", [1e6 * cpu / said["open"]])
    out.figure(part, "push p50 of those inside", "ms", [inside["push_p50_us"] / 1000])
    out.figure(part, "push p99 of those inside", "ms", [inside["push_p99_us"] / 1000])
    out.figure(part, "lost sessions of those inside", "sessions", [inside["lost"]])


def population(options, out, base, size):
    """One server with so many sessions. What a subscription takes; None: left out."""
    free = meminfo()["MemAvailable"]
    if free - RESERVE < size * BYTES_OF_A_SESSION:
        out.say(f"{size} sessions: left out, {free >> 20} MiB are free")
        return None
    with start("nearbyd", Circle(size)) as server, Herd(server, size) as herd:
        # The first tenth pays for what is there in any case.
        early, part = max(1, herd.workers // 10), f"{size} sessions"
        herd.join(0, early)
        before, cpu = Memory(server.pid), cpu_s(server.pid)
        said, seconds = herd.join(early, herd.workers)
        joined = (herd.workers - early) * herd.each
        assert said["open"] == joined, said
        out.figure(part, "joins", "1/s", [joined / seconds])
        out.figure(part, "CPU time of a join", "us", [1e6 * (cpu_s(server.pid) - cpu) / joined])
        load = measure_load(server, herd, options, part, out)
        judge_clients(load, part, out)
        after = Memory(server.pid)
        growth = Growth(before, after, joined)
        out.figure("user memory", part, "bytes", [growth.user])
        if slabs():
            out.figure("kernel memory", part, "bytes", [growth.kernel()])
        subscription = (growth.anonymous - base) / FRIENDS
        out.figure("memory of a subscription", part, "bytes", [subscription])
        for (figure, unit), values in load.items():
            out.figure(part, figure, unit, values)
        used = after.machine["MemTotal"] - after.machine["MemAvailable"]
        out.figure(part, "memory of the machine", "MiB", [used >> 20])
        out.figure(part, "user memory of nearbyd", "MiB", [after.user >> 20])
        out.figure(part, "sockets of both ends and what they hold in the kernel", "MiB",
                   [after.machine["Slab"] >> 20])
        if size >= 2 * options.storm and not options.has_stormed:
            storm(server, herd, options, out)
            options.has_stormed = True
        return subscription


def with_friends(options, out, base):
    found = [population(options, out, base, size) for size in options.sessions]
    found = [subscription for subscription in found if subscription is not None]
    if found:
        out.figure("memory", "a subscription", "bytes", [found[-1]])


def beside_peers(options, out):
    for name in ("nearbyd", "node+redis", "bun"):
        try:
            with start(name, Circle(PEERS_SESSIONS)) as server, \
                    Herd(server, PEERS_SESSIONS, first_user=int(name == "nearbyd")) as herd:
                herd.join(0, 1)
                before, joined = user_bytes(server.pid), (herd.workers - 1) * herd.each
                assert herd.join(1, herd.workers)[0]["open"] == joined
                herd.move(options.warm_s)
                grown = (user_bytes(server.pid) - before) / joined
            out.figure(f"{PEERS_SESSIONS} sessions, 400 friends", f"{name}, user memory a session", "bytes",
                       [grown])
        except contender.Missing as missing:
            out.say(f"{name}: skipped, {missing}")


def main():
    options = Options(sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    out = results.Results(options.out, "sessions", sys.argv)
    out.say(seclusion.seclude(2 * max(options.sessions + [options.storm, PEERS_SESSIONS])))
    out.say("Both ends on this machine. 400 friends, 40 of them connected, 2 in range; each moves every 30 s.")
    base = without_friends(options, out)
    if options.peers:
        beside_peers(options, out)
    with_friends(options, out, base)
    out.close()


if __name__ == "__main__":
    main()
