"""
Owns: the echo server for a test, and a peer on a plain socket, which says exactly what it is told to.
Invariant: every wait is for bytes, an end of stream or a counter, with a limit; nothing sleeps.
Does not know: what is tested.
"""
import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import time

PROGRAM = os.path.join(os.environ.get("TEST_BUILD", "."), "tests", "echo-server")
LIMIT_S = 60
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Tls:
    """Set by test_echo_tls.py, which runs all of this over TLS: options of the server, settings of clients."""
    options, client = {}, None


class Server:
    """One echo-server on a free port; stopped, and its exit judged, at the end."""

    def __init__(self, **options):
        arguments = [f"--{name.replace('_', '-')}={value}" for name, value in {**Tls.options, **options}.items()]
        self.process = subprocess.Popen([PROGRAM, *arguments, "0"], stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("listening on "):
            if self.process.wait() == 77:
                sys.exit(77)
            raise AssertionError(f"no start: {line!r}")
        self.port = int(line.split()[2])

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(LIMIT_S)
        self.process.stdout.close()
        if kind is None:
            assert status == 0, f"the server ended with {status}"

    @property
    def url(self):
        return f"{'wss' if Tls.client else 'ws'}://127.0.0.1:{self.port}"

    def counters(self):
        """Asked again while the server has no room for one who asks."""
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            with contextlib.suppress(AssertionError, ConnectionError), Peer(self.port) as peer:
                peer.send(b"GET /counters HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                answer = peer.answer()
                if answer.status == 200:
                    lines = answer.body.decode().splitlines()
                    return {name: int(value) for name, value in (line.split() for line in lines)}
        raise AssertionError("the counters cannot be had")

    def wait_for(self, **wanted):
        """Until every counter has at least this value."""
        deadline = time.monotonic() + LIMIT_S
        while True:
            have = self.counters()
            if all(have[name] >= value for name, value in wanted.items()):
                return have
            assert time.monotonic() < deadline, f"{wanted} not reached: {have}"

    def wait_until(self, name, value):
        deadline = time.monotonic() + LIMIT_S
        while (have := self.counters()[name]) != value:
            assert time.monotonic() < deadline, f"{name} is {have}, not {value}"


class Answer:
    def __init__(self, head, body):
        lines = head.decode().split("\r\n")
        self.version, status, self.text = lines[0].split(" ", 2)
        self.status = int(status)
        self.headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}
        self.body = body


class Peer:
    """A socket that says exactly what it is told to."""

    def __init__(self, port=None, path=None, receive_buffer=None, source=None):
        family = socket.AF_UNIX if path else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(LIMIT_S)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect(path or ("127.0.0.1", port))
        if Tls.client and not path:
            self.socket = Tls.client.wrap_socket(self.socket, server_hostname="127.0.0.1")
        self.buffer = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def more(self):
        data = self.socket.recv(65536)
        self.buffer += data
        return bool(data)

    def take(self, count):
        while len(self.buffer) < count:
            assert self.more(), f"ended after {self.buffer!r}"
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def take_until(self, mark):
        while mark not in self.buffer:
            assert self.more(), f"ended after {self.buffer!r}"
        data = bytes(self.buffer[:self.buffer.index(mark)])
        del self.buffer[:len(data) + len(mark)]
        return data

    def rest(self):
        """All until the end; a reset is an end."""
        with contextlib.suppress(ConnectionError):
            while self.more():
                pass
        return self.take(len(self.buffer))

    def answer(self, to_head=False):
        head = self.take_until(b"\r\n\r\n")
        answer = Answer(head, bytearray())
        if to_head or answer.status in (100, 101, 204):
            return answer
        if answer.headers.get("transfer-encoding") == "chunked":
            while (size := int(self.take_until(b"\r\n"), 16)) > 0:
                answer.body += self.take(size)
                assert self.take(2) == b"\r\n"
            assert self.take(2) == b"\r\n"
        elif "content-length" in answer.headers:
            answer.body = self.take(int(answer.headers["content-length"]))
        else:
            answer.body = self.rest()
        return answer

    def ask(self, request, to_head=False):
        self.send(request)
        return self.answer(to_head)

    def upgrade(self, path="/", behind=b"", headers=""):
        self.send(upgrade_request(path, headers) + behind)
        answer = self.answer()
        assert answer.status == 101, answer.status
        assert answer.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        return self

    def take_frame(self):
        first, second = self.take(2)
        assert first & 0xf0 == 128, "a whole message without reserved bits"
        assert second < 128, "a server does not mask"
        length = second
        if length == 126:
            (length,) = struct.unpack(">H", self.take(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", self.take(8))
        return first & 15, self.take(length)

    def take_close(self):
        opcode, payload = self.take_frame()
        assert opcode == CLOSE, (opcode, payload[:100])
        return struct.unpack(">H", payload[:2])[0] if payload else None


def upgrade_request(path="/", headers=""):
    return (f"GET {path} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n").encode()


MASK = b"\x01\x02\x03\x04"


def header(first, length, mask=MASK):
    bit = 128 if mask else 0
    if length < 126:
        return bytes([first, bit | length]) + mask
    if length < 65536:
        return bytes([first, bit | 126]) + struct.pack(">H", length) + mask
    return bytes([first, bit | 127]) + struct.pack(">Q", length) + mask


def frame(opcode, payload, fin=128):
    masked = bytes(byte ^ MASK[i % 4] for i, byte in enumerate(payload))
    return header(fin | opcode, len(payload)) + masked


def close_frame(code, text=b""):
    return frame(CLOSE, struct.pack(">H", code) + text)
