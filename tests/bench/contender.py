"""
Owns: one server under test, nearbyd or a peer, from its start to its end, with all its processes.
Invariant: whatever happens, its processes, its segment and its folder are gone afterwards; all its
  threads run on the CPUs that were given to it.
Does not know: what it is asked to do.

    with Contender("nearbyd", town, cpus=[0]) as server:
        server.port
"""
import contextlib
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile

import results

# The first is ours; the others by their folder below peers/.
FOLDERS = {"nearbyd": None, "node+redis": "node", "bun": "bun", "centrifuge": "centrifuge",
           "nats": "nats"}
NAMES = tuple(FOLDERS)
# Those that gather what they send for an interval.
COALESCING = ("nearbyd", "node+redis", "bun")
SECRET = "a benchmark's secret of at least 32 bytes"
START_LIMIT_S, STOP_LIMIT_S = 120, 60
HERE = os.path.dirname(os.path.abspath(__file__))


class Missing(Exception):
    """It cannot run here: the text says what is lacking."""


class Contender:
    def __init__(self, name, town, cpus, interval_ms=0, **options):
        """It knows the friendships of the town. `options`: parameters of nearbyd, with _ for -."""
        self.name, self.town, self.cpus, self.interval_ms = name, town, cpus, interval_ms
        self.options = options
        self.process = self.folder = None

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="nearby-bench-")
        self.log = open(os.path.join(self.folder, "log"), "w+", encoding="utf-8")
        with open(self.key_path, "w", encoding="ascii") as file:
            file.write(SECRET)
        os.chmod(self.key_path, 0o600)
        try:
            if self.name == "nearbyd":
                self.start_nearbyd()
            else:
                self.start_peer()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            self.stop()
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"/dev/shm/nearby.{self.instance}")
            self.log.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def instance(self):
        return "bench-" + os.path.basename(self.folder).removeprefix("nearby-bench-").replace("_", "-")

    @property
    def key_path(self):
        return os.path.join(self.folder, "key")

    @property
    def pid(self):
        return self.process.pid

    def log_text(self):
        self.log.flush()
        with open(os.path.join(self.folder, "log"), encoding="utf-8") as file:
            return file.read()

    # ---- starting and stopping ----

    def spawn(self, command, **more):
        cpus = set(self.cpus)
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith("NEARBY_")}
        self.process = subprocess.Popen(
            command, stderr=self.log, stdin=subprocess.DEVNULL, start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, cpus),
            env={**environment, **more.pop("environment", {})}, **more)

    def start_nearbyd(self):
        data_path = os.path.join(self.folder, "data")
        self.town.write_database(data_path)
        notify_path = os.path.join(self.folder, "notify")
        options = {"listen": "127.0.0.1:0", "admin-listen": "127.0.0.1:0", "cores": len(self.cpus),
                   "data-dir": data_path, "instance": self.instance,
                   "token-key": self.key_path, "messages-per-s": 0, "frames-per-s": 0,
                   "connections-per-s": 0, "drain-time-s": 0,
                   "sessions-max": max(20000, 2 * self.town.sessions),
                   "push-interval-ms": self.interval_ms,
                   "push-interval-max-ms": max(1000, self.interval_ms)}
        options.update({name.replace("_", "-"): value for name, value in self.options.items()})
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(notify_path)
            self.spawn([os.path.join(results.build(), "nearbyd")]
                       + [f"--{name}={value}" for name, value in options.items()],
                       environment={"NOTIFY_SOCKET": notify_path, "RUNTIME_DIRECTORY": self.folder})
            self.await_nearbyd(notify)

    def await_nearbyd(self, notify):
        notify.settimeout(0.2)
        for _ in range(5 * START_LIMIT_S):
            try:
                state = notify.recv(4096).decode()
            except TimeoutError:
                if self.process.poll() is not None:
                    break
                continue
            ports = re.search(r"public port (\d+), admin port (\d+)", state)
            if ports:
                self.port, self.admin_port = int(ports[1]), int(ports[2])
                return
        raise RuntimeError(f"nearbyd does not start:\n{self.log_text()}")

    def start_peer(self):
        serve = os.path.join(HERE, "peers", FOLDERS[self.name], "serve")
        if not os.path.exists(serve):
            raise Missing(f"no {serve}")
        friends_path = os.path.join(self.folder, "friends")
        self.town.write_friends(friends_path)
        self.port = free_port()
        self.spawn([serve, f"--port={self.port}", f"--interval-ms={self.interval_ms}",
                    f"--friends={friends_path}"], stdout=subprocess.PIPE, text=True)
        said = self.first_line()
        if said != "ready":
            status = self.process.poll()
            raise (Missing if status == 77 else RuntimeError)(
                said or self.log_text().strip() or f"{self.name} ends with {status}")

    def first_line(self):
        """What it says first, or nothing when that takes too long."""
        readable, _, _ = select.select([self.process.stdout], [], [], START_LIMIT_S)
        said = self.process.stdout.readline().strip() if readable else ""
        if said != "ready":
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(2)
        return said

    def stop(self):
        if self.process is None:
            return
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_LIMIT_S)
        # What it leaves behind is of its group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
