"""
Owns: a real nearbyd for a test, and clients that speak to it: python3-websockets and http.client.
Invariant: whatever happens in a test, the daemon it started is gone afterwards, and its folder too.
Does not know: what is tested.

A test waits for messages (`Client.expect`) or counters (`Daemon.wait_for_counter`), never for time.
"""
import asyncio
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

try:
    import jwt
    import websockets
except ImportError as missing:
    print(f"skipped: {missing}; Debian: python3-websockets, python3-jwt")
    sys.exit(77)

BUILD = os.environ.get("TEST_BUILD", os.getcwd())
SOURCE = os.environ.get("TEST_SOURCE", os.path.join(os.path.dirname(__file__), "..", ".."))
# Real data, beside the project where it is there at all.
DATA = os.environ.get("TEST_DATA", os.path.join(SOURCE, "..", "shared", "data"))
SECRET = "an end-to-end test's secret of at least 32 bytes"
# Nothing here takes longer, sanitizers and a busy machine included.
LIMIT_S = 60


def program(name):
    return os.path.join(BUILD, name)


def token(user, admin=False, seconds=3600, **claims):
    content = {"sub": str(user), "exp": int(time.time()) + seconds, **claims}
    if admin:
        content["scope"] = "admin"
    return jwt.encode(content, SECRET, algorithm="HS256")


def clean_environment():
    """Without what would set parameters of the daemon."""
    return {name: value for name, value in os.environ.items() if not name.startswith("NEARBY_")}


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.text = response.read().decode()

    def json(self):
        return json.loads(self.text)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=LIMIT_S)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(LIMIT_S)
        self.sock.connect(self.path)


class Daemon:
    """`with Daemon(cores=2) as daemon:` – options are parameters with _ for -."""

    def __init__(self, folder=None, config=None, **options):
        self.own_folder = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix="nearby-e2e-")
        self.config = ["-c", config] if config else []
        self.options = options
        self.process = None
        self.instance = "e2e-" + os.path.basename(self.folder).replace("nearby-e2e-", "").replace("_", "-")

    def start(self, ready=True):
        key = os.path.join(self.folder, "key")
        if not os.path.exists(key):
            with open(key, "w", encoding="ascii") as file:
                file.write(SECRET)
            os.chmod(key, 0o600)
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = os.path.join(self.folder, "notify")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        notify.bind(path)
        notify.settimeout(LIMIT_S)
        options = {"listen": "127.0.0.1:0", "admin-listen": "127.0.0.1:0", "cores": 2,
                   "data-dir": os.path.join(self.folder, "data"), "instance": self.instance,
                   "token-key": key, "sessions-max": 4000, "users-max": 100000, "drain-time-s": 0,
                   "messages-per-s": 0, "frames-per-s": 0, "connections-per-s": 0, "requests-per-s": 0}
        options.update({name.replace("_", "-"): value for name, value in self.options.items()})
        self.log = open(os.path.join(self.folder, "log"), "a", encoding="utf-8")
        self.process = subprocess.Popen(
            [program("nearbyd")] + self.config + [f"--{name}={value}" for name, value in options.items()],
            stderr=self.log, env={**clean_environment(), "NOTIFY_SOCKET": path, "RUNTIME_DIRECTORY": self.folder})
        if ready:
            self.await_ready(notify)
        return self

    def await_ready(self, notify):
        notify.settimeout(0.2)
        for _ in range(5 * LIMIT_S):
            try:
                state = notify.recv(4096).decode()
            except TimeoutError:
                if self.process.poll() is not None:
                    raise AssertionError(f"nearbyd ended with {self.process.returncode}:\n{self.log_text()}")
                continue
            ports = re.search(r"public port (\d+), admin port (\d+)", state)
            if ports:
                self.port, self.admin_port = int(ports[1]), int(ports[2])
                tls = re.search(r"TLS port (\d+)", state)
                self.tls_port = int(tls[1]) if tls else None
                return
        raise AssertionError(f"nearbyd is not ready after {LIMIT_S} s:\n{self.log_text()}")

    def log_text(self):
        with open(os.path.join(self.folder, "log"), encoding="utf-8") as file:
            return file.read()

    def stop(self, sig=signal.SIGTERM):
        """Ends it and returns its exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(sig)
        status = self.process.wait(LIMIT_S)
        self.process = None
        self.log.close()
        return status

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, error, trace):
        try:
            if self.process is not None:
                status = self.stop()
                if kind is None:
                    assert status == 0, f"nearbyd ended with {status}:\n{self.log_text()}"
                else:
                    print(self.log_text(), file=sys.stderr)
        finally:
            if self.process is not None:
                self.process.kill()
                self.process.wait()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"/dev/shm/nearby.{self.instance}")
            if self.own_folder:
                shutil.rmtree(self.folder, ignore_errors=True)

    # ---- HTTP ----

    def request(self, method, path, user=None, body=None, headers=None, admin=False, bearer=None):
        """To the public port as `user`, or to the admin port with a service token."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.admin_port if admin else self.port, timeout=LIMIT_S)
        headers = dict(headers or {})
        if admin:
            headers.setdefault("Authorization", "Bearer " + token(0, admin=True))
        elif user is not None:
            headers["Authorization"] = "Bearer " + token(user)
        if bearer is not None:
            headers["Authorization"] = "Bearer " + bearer
        if isinstance(body, dict):
            body = json.dumps(body)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            return Answer(connection.getresponse())

    def admin(self, method, path, body=None, headers=None):
        return self.request(method, path, body=body, headers=headers, admin=True)

    def control(self, method, path, body=None, headers=None):
        connection = UnixConnection(os.path.join(self.folder, self.instance + ".sock"))
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            return Answer(connection.getresponse())

    def befriend(self, *pairs):
        lines = "".join(f"{a}\t{b}\n" for a, b in pairs)
        answer = self.admin("POST", "/v1/import/friends", lines,
                            {"Content-Type": "text/tab-separated-values"})
        assert answer.status == 200 and answer.json()["rejected"] == 0, answer.text

    # ---- counters ----

    def counters(self):
        found = {}
        for line in self.control("GET", "/metrics").text.splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                found[name] = float(value)
        return found

    def counter(self, name):
        return self.counters()["nearby_" + name]

    def wait_for_counter(self, name, at_least):
        """Asks until the counter is there; each ask is a turn of the daemon's own."""
        until = time.monotonic() + LIMIT_S
        while True:
            value = self.counter(name)
            if value >= at_least:
                return value
            assert time.monotonic() < until, f"{name} is {value}, not {at_least}, after {LIMIT_S} s"

    # ---- sessions ----

    def session(self, user, **options):
        return Client(self, user, **options)

    async def expiring_session(self, user, seconds=2):
        """One that is connected, by a token that is over soon; on a slow machine, where it was over before
        it was of use, by one that lasts longer."""
        while True:
            try:
                return await self.session(user, bearer=token(user, seconds=seconds)).__aenter__()
            except websockets.InvalidStatusCode as refused:
                assert refused.status_code == 401 and seconds < LIMIT_S, refused
                seconds *= 2


class Client:
    """`async with daemon.session(7) as ann:` – connected, the welcome read. With `ssl`, over TLS. It does not ask
    whether the daemon lives: a test that is busy for long would miss the answer."""

    def __init__(self, daemon, user, bearer=None, **options):
        self.daemon, self.user, self.options = daemon, user, options
        self.bearer = bearer or token(user)
        self.told = {}  # what was said last of each friend
        self.news = []  # `friend` messages that were passed over, or were not yet asked for

    async def __aenter__(self):
        self.socket = await websockets.connect(
            f"wss://127.0.0.1:{self.daemon.tls_port}/v1/ws" if "ssl" in self.options else
            f"ws://127.0.0.1:{self.daemon.port}/v1/ws", compression=None,
            extra_headers={"Authorization": "Bearer " + self.bearer}, max_size=None,
            subprotocols=["nearby.v1.json"], open_timeout=LIMIT_S, ping_interval=None, **self.options)
        self.welcome = await self.expect("welcome")
        return self

    async def __aexit__(self, *_):
        await self.socket.close()

    async def send(self, **message):
        await self.socket.send(json.dumps(message))

    async def hear(self):
        """The next message, whatever it is."""
        return json.loads(await asyncio.wait_for(self.socket.recv(), LIMIT_S))

    async def friend(self, what, user, name=""):
        """The next news of a friendship is this; nothing else comes before it but updates and gone."""
        while not self.news:
            message = await self.hear()
            assert message["type"] in ("friend", "update", "gone"), message
            if message["type"] == "friend":
                self.news.append(message)
        message = self.news.pop(0)
        assert message == {"type": "friend", "what": what, "user": str(user), "name": name}, message

    async def receive(self):
        """The next message that says something new: an update may repeat what a list or an update
        said just before, when the friend's core hears of this session only now. News of friendships
        are kept for those who ask for them."""
        while True:
            message = await self.hear()
            if message["type"] == "friend":
                self.news.append(message)
                continue
            entries = message.get("friends", []) if message["type"] in ("nearby", "update") else []
            is_repeat = message["type"] == "update" and all(
                self.told.get(entry["user"]) == entry for entry in entries)
            self.told.update({entry["user"]: entry for entry in entries})
            for friend in message["friends"] if message["type"] == "gone" else []:
                self.told.pop(friend["user"], None)
            if not is_repeat:
                return message

    async def expect(self, kind, skipping=()):
        """The next message but for those that may be skipped, which must be of this type."""
        message = await self.receive()
        while message["type"] in skipping:
            message = await self.receive()
        assert message["type"] == kind, f"{self.user}: expected {kind}, got {message}"
        return message

    async def locate(self, lat, lon, ts=None):
        message = {"type": "location", "lat": lat, "lon": lon}
        if ts is not None:
            message["ts"] = ts
        await self.socket.send(json.dumps(message))

    async def begin(self, lat, lon, ts=None):
        """The first location, and the list that answers it."""
        await self.locate(lat, lon, ts)
        return await self.expect("nearby")

    async def quiet(self):
        """Nothing more is on its way: a question of ours is answered next."""
        await self.send(type="nearby", limit=1)
        return await self.expect("nearby")

    async def ask(self, **question):
        """The answer to a `nearby`; updates that come before it are passed over."""
        await self.send(type="nearby", **question)
        while True:
            message = await self.receive()
            if message["type"] == "nearby":
                return message
            assert message["type"] == "update", message

    async def closed(self):
        """Reads to the end and returns the close code."""
        try:
            while True:
                await asyncio.wait_for(self.socket.recv(), LIMIT_S)
        except websockets.ConnectionClosed as end:
            return end.rcvd.code if end.rcvd else None


def run(*tests):
    """Runs each test function (async or not), says its name, and exits as automake expects."""
    failed = 0
    wanted = sys.argv[1:]
    for test in tests:
        if wanted and test.__name__ not in wanted:
            continue
        try:
            if asyncio.iscoroutinefunction(test):
                asyncio.run(test())
            else:
                test()
            print(f"ok   {test.__name__}", flush=True)
        except Exception:  # pylint: disable=broad-except
            import traceback
            traceback.print_exc()
            print(f"FAIL {test.__name__}", flush=True)
            failed += 1
    sys.exit(1 if failed else 0)
