#!/usr/bin/python3
"""
usage: start.py [--out=DIR] [--runs=N] [--users=N] [--friends=N] [--quick] [--smoke]

How long nearbyd takes from exec to `ready`:
  cold        no segment; a database of --users profiles with --friends friends each, none of it in
              the page cache
  warm        a segment with a location of each user, left by a clean stop
  after kill  the same, of a writer that was killed in the middle of its work
Beside it Redis, loading as many keys from an RDB file, which is how it comes back with what it had.

  --out=DIR    where start.txt and start.tsv go (bench-results)
  --runs=N     of each (5)
  --users=N    active users, and users-max (10000000)
  --friends=N  of each in the database, even (100: half a billion friendships, 14 GB, removed at the
               end); fewer when the disk has no room for them
  --quick      a tenth of the users, with 40 friends
  --smoke      2000 users; what is judged is that each start finds what it should

Owns: the processes it starts, their segment and their files, which are gone when it ends.
Does not know: what a start consists of.
"""
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import results

START_LIMIT_S = 120
# A friendship takes two entries, of about 14 bytes each; so much of the disk stays free beside them.
ENTRY_BYTES, DISK_KEPT_BYTES = 14.5, 4 << 30
SECRET = "a benchmark's secret of at least 32 bytes"
REDIS_VALUE = b"x" * 24


def usage():
    print(__doc__.partition("usage: ")[2].partition("\nOwns:")[0], file=sys.stderr, end="")
    sys.exit(2)


def options_of(arguments):
    options = {"out": "bench-results", "runs": 5, "users": 10_000_000, "friends": 100}
    for argument in arguments:
        name, equals, value = argument.removeprefix("--").partition("=")
        if argument == "--quick":
            options.update(users=1_000_000, friends=40)
        elif argument == "--smoke":
            options.update(users=2000, friends=20, runs=2)
        elif argument.startswith("--") and equals and name in options:
            options[name] = value if name == "out" else int(value)
        else:
            usage()
    return options


def binary(name):
    """The program itself and not the script that libtool puts in front of it while it is not
    installed; that one's time is none of the daemon's."""
    folder, name = os.path.split(os.path.join(results.build(), name))
    real = os.path.join(folder, ".libs", name)
    return real if os.path.exists(real) else os.path.join(folder, name)


def environment(**more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NEARBY_")}
    return {**kept, "LD_LIBRARY_PATH": os.path.join(results.build(), ".libs"), **more}


def forget_pages(folder):
    """The files' pages leave the page cache, so that the next reader goes to the disk."""
    for path, _, names in os.walk(folder):
        for name in names:
            descriptor = os.open(os.path.join(path, name), os.O_RDONLY)
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


class Bench:
    def __init__(self, options, folder, said):
        self.folder, self.results = folder, said
        self.users, self.friends, self.runs = options["users"], options["friends"], options["runs"]
        self.instance = os.path.basename(folder).removeprefix("nearby-").replace("_", "-")
        self.data = os.path.join(folder, "data")
        self.processes = []

    # ---- what is there before a start ----

    def fill_database(self):
        room = shutil.disk_usage(self.folder).free - DISK_KEPT_BYTES
        fitting = int(room / (self.users * ENTRY_BYTES)) // 2 * 2
        self.friends = max(2, min(self.friends, fitting))
        said = subprocess.run(
            [binary("tests/bench/fill_users"), f"--data-dir={self.data}",
             f"--users={self.users}", f"--friends={self.friends}"],
            env=environment(), check=True, capture_output=True, text=True)
        self.results.say(f"database: {said.stdout.strip()}")

    def drop_segment(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"/dev/shm/nearby.{self.instance}")

    def fill_segment(self, is_killed):
        """A full segment; of a writer who ended, or who was killed while it wrote."""
        filler = subprocess.Popen(
            [binary("tests/bench/fill_segment"), f"--instance={self.instance}",
             f"--users={self.users}", f"--churn={int(is_killed)}"],
            stdout=subprocess.PIPE, text=True, env=environment())
        self.processes.append(filler)
        assert filler.stdout.readline() == f"{self.users} locations\n"
        if is_killed:
            time.sleep(0.05)
            filler.kill()
        filler.wait()

    # ---- starts ----

    def start(self):
        """Seconds from exec to ready. The daemon runs on."""
        path = os.path.join(self.folder, "notify")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        log = open(os.path.join(self.folder, "log"), "w", encoding="utf-8")
        with log, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(path)
            notify.settimeout(START_LIMIT_S)
            started = time.monotonic()
            self.daemon = subprocess.Popen(
                [binary("nearbyd"), "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0",
                 f"--instance={self.instance}", f"--data-dir={self.data}", "--ttl-s=86400",
                 f"--token-key={self.folder}/key", f"--users-max={self.users}", "--drain-time-s=0"],
                stderr=log, env=environment(NOTIFY_SOCKET=path, RUNTIME_DIRECTORY=self.folder))
            self.processes.append(self.daemon)
            while not notify.recv(4096).startswith(b"READY=1"):
                pass
            return time.monotonic() - started

    def log_text(self):
        with open(os.path.join(self.folder, "log"), encoding="utf-8") as file:
            return file.read()

    def locations(self):
        said = subprocess.run([binary("nearbyctl"), "-i", self.instance, "--json", "status"],
                              env=environment(RUNTIME_DIRECTORY=self.folder), check=True,
                              capture_output=True, text=True).stdout
        return json.loads(said)["locations"]

    def stop(self):
        self.daemon.send_signal(signal.SIGTERM)
        assert self.daemon.wait(60) == 0, self.log_text()

    def cold(self):
        self.drop_segment()
        forget_pages(self.data)
        took_s = self.start()
        assert "made empty" in self.log_text() and self.locations() == 0
        self.stop()
        return took_s

    def warm(self, is_killed):
        self.drop_segment()
        self.fill_segment(is_killed)
        took_s = self.start()
        # A writer that is killed between removing and putting back leaves one less.
        assert self.users - int(is_killed) <= self.locations() <= self.users, self.locations()
        assert "adopted" in self.log_text()
        self.stop()
        return took_s

    # ---- Redis ----

    def redis_connect(self):
        for _ in range(START_LIMIT_S * 1000):
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(os.path.join(self.folder, "redis"))
                return connection
            except OSError:
                connection.close()
                time.sleep(0.001)
        raise TimeoutError("redis-server does not come up")

    def redis_start(self):
        """(process, connection) once it has loaded what its file holds."""
        server = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", os.path.join(self.folder, "redis"),
             "--dir", self.folder, "--save", "", "--appendonly", "no"], stdout=subprocess.DEVNULL)
        self.processes.append(server)
        connection = self.redis_connect()
        while self.redis_ask(connection, b"DBSIZE").startswith(b"-LOADING"):
            time.sleep(0.001)
        return server, connection

    @staticmethod
    def redis_ask(connection, command, replies=1):
        connection.sendall(command + b"\r\n")
        said = b""
        while said.count(b"\r\n") < replies:
            said += connection.recv(1 << 20)
        return said

    def redis_fill(self, connection):
        some = 10_000
        for first in range(0, self.users, some):
            users = range(first, min(first + some, self.users))
            batch = b"\r\n".join(b"SET %d %s EX 86400" % (user, REDIS_VALUE) for user in users)
            self.redis_ask(connection, batch, len(users))
        assert self.redis_ask(connection, b"DBSIZE") == b":%d\r\n" % self.users
        assert self.redis_ask(connection, b"SAVE") == b"+OK\r\n"

    def redis_stop(self, server):
        server.terminate()
        server.wait(60)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.folder, "redis"))

    def redis_load(self):
        started = time.monotonic()
        server, connection = self.redis_start()
        took_s = time.monotonic() - started
        assert self.redis_ask(connection, b"DBSIZE") == b":%d\r\n" % self.users
        connection.close()
        self.redis_stop(server)
        return took_s

    def redis(self):
        """Seconds to be back with as many keys, of each run; none without Redis."""
        if shutil.which("redis-server") is None:
            self.results.say("Redis: skipped, redis-server is not installed")
            return []
        server, connection = self.redis_start()
        self.redis_fill(connection)
        connection.close()
        self.redis_stop(server)
        return [self.redis_load() for _ in range(self.runs)]

    # ---- all of it ----

    def run(self):
        with open(os.path.join(self.folder, "key"), "w", encoding="ascii") as file:
            file.write(SECRET)
        os.chmod(file.name, 0o600)
        self.fill_database()
        say, runs = self.results.figure, range(self.runs)
        say("start", "cold", "s", [self.cold() for _ in runs])
        warm = [self.warm(is_killed=False) for _ in runs]
        say("start", "warm", "s", warm)
        say("start", "warm, after kill -9", "s", [self.warm(is_killed=True) for _ in runs])
        self.drop_segment()
        shutil.rmtree(self.data)
        redis = self.redis()
        say("start", "Redis, loading as many keys", "s", redis)
        say("start", "Redis loading to warm", "ratio", [a / b for a, b in zip(redis, warm)])

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        self.drop_segment()


def main():
    options = options_of(sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = tempfile.mkdtemp(prefix="nearby-start-")
    said = results.Results(options["out"], "start", sys.argv)
    said.say(f"{options['users']} users, from exec to ready; the database's pages are dropped "
             "before each cold start")
    bench = Bench(options, folder, said)
    try:
        bench.run()
    finally:
        bench.close()
        shutil.rmtree(folder, ignore_errors=True)
    said.close()


main()
