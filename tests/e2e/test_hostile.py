"""
Clients that mean ill, or know no better: the others notice nothing, memory stays bounded, each is
counted and closed with the right code.

`test_hostile.py --clients 1000` for the long run; a few hundred by default.
"""
import argparse
import asyncio
import os
import random
import socket
import struct
import sys

from daemon import Daemon, LIMIT_S, token

HERE = (37.7749, -122.4194)
CLIENTS = 200
SEED = 11
# What a thousand ill clients may cost at most, sanitizers aside.
GROWTH_KIB_MAX = 128 * 1024


def resident_kib(daemon):
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def connect(daemon, number, receive_bytes=None):
    """From one of several source addresses, as a flood would."""
    client = socket.socket()
    if receive_bytes:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    client.settimeout(LIMIT_S)
    client.bind((f"127.0.0.{2 + number % 50}", 0))
    client.connect(("127.0.0.1", daemon.port))
    return client


def upgrade_request(user):
    return (
        f"GET /v1/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        f"Authorization: Bearer {token(user)}\r\n\r\n").encode()


def upgrade(client, user):
    client.sendall(upgrade_request(user))
    head = b""
    while b"\r\n\r\n" not in head:
        piece = client.recv(4096)
        assert piece, head
        head += piece
    assert head.startswith(b"HTTP/1.1 101"), head
    return head.split(b"\r\n\r\n", 1)[1]


def frame(payload, opcode=1):
    """A masked frame; the mask is 0, so the payload stands as it is."""
    length = len(payload)
    head = bytes([0x80 | opcode])
    if length < 126:
        head += bytes([0x80 | length])
    elif length < 65536:
        head += b"\xfe" + struct.pack(">H", length)
    else:
        head += b"\xff" + struct.pack(">Q", length)
    return head + b"\0\0\0\0" + payload


def read_to_end(client, before=b""):
    data = before
    while True:
        try:
            piece = client.recv(65536)
        except ConnectionResetError:
            return data
        if not piece:
            return data
        data += piece


def close_code(data):
    """The code of the close frame that ends `data`, frames of a server."""
    at = 0
    while at + 2 <= len(data):
        opcode, length, head = data[at] & 15, data[at + 1], 2
        if length == 126:
            length, head = struct.unpack(">H", data[at + 2:at + 4])[0], 4
        elif length == 127:
            length, head = struct.unpack(">Q", data[at + 2:at + 10])[0], 10
        if opcode == 8:
            return struct.unpack(">H", data[at + head:at + head + 2])[0]
        at += head + length
    return None


class Pair:
    """Two friends who go on meeting while others misbehave."""

    def __init__(self, daemon):
        self.daemon, self.step = daemon, 0

    async def __aenter__(self):
        self.daemon.befriend((1, 2))
        self.ann = await self.daemon.session(1).__aenter__()
        self.bob = await self.daemon.session(2).__aenter__()
        await self.bob.begin(*HERE)
        await self.ann.begin(*HERE)
        await self.bob.expect("update")
        return self

    async def __aexit__(self, *_):
        await self.ann.__aexit__()
        await self.bob.__aexit__()

    async def meet(self, rounds=20):
        for _ in range(rounds):
            self.step += 1
            lat = round(HERE[0] + self.step * 1e-6, 7)
            await self.ann.locate(lat, HERE[1])
            while (await self.bob.expect("update"))["friends"][-1]["lat"] != lat:
                pass


def counted(daemon, reason):
    return daemon.counter(f'connections_closed_total{{reason="{reason}"}}')


async def half_open_handshakes(clients):
    with Daemon(handshake_timeout_s=2) as daemon:
        async with Pair(daemon) as pair:
            before = resident_kib(daemon)
            dice = random.Random(SEED)
            opened = []
            for number in range(clients):
                client = connect(daemon, number)
                client.sendall(b"GET /v1/ws HTTP/1.1\r\nHost: x\r\nX: y"[:dice.randrange(0, 34)])
                opened.append(client)
            await pair.meet()
            daemon.wait_for_counter('connections_closed_total{reason="handshake_timeout"}', clients)
            await pair.meet()
            for client in opened:
                client.close()
            return resident_kib(daemon) - before


async def random_bytes(clients):
    with Daemon() as daemon:
        async with Pair(daemon) as pair:
            before = resident_kib(daemon)
            dice = random.Random(SEED)
            for number in range(clients):
                client = connect(daemon, number)
                is_upgraded = number % 2 == 0
                if is_upgraded:
                    upgrade(client, 100 + number)
                try:
                    client.sendall(dice.randbytes(dice.randrange(100, 3000)))
                    client.shutdown(socket.SHUT_WR)
                except (BrokenPipeError, ConnectionResetError):
                    pass
                read_to_end(client)
                client.close()
                if number % 20 == 0:
                    await pair.meet(2)
            await pair.meet()
            assert counted(daemon, "bad_http") >= clients / 2 * 0.9
            return resident_kib(daemon) - before


async def oversized(clients):
    with Daemon() as daemon:
        async with Pair(daemon) as pair:
            before = resident_kib(daemon)
            for number in range(clients // 4):
                client = connect(daemon, number)
                try:
                    client.sendall(b"GET / HTTP/1.1\r\n" + b"X-A: " + b"a" * 65536 + b"\r\n\r\n")
                except (BrokenPipeError, ConnectionResetError):
                    pass
                answer = read_to_end(client)
                assert answer == b"" or answer.startswith(b"HTTP/1.1 431"), answer[:100]
                client.close()
            for number in range(clients // 4):
                for head in (b"\x81\xff\x80\0\0\0\0\0\0\0\0\0\0\0",  # 2^63 bytes: the top bit is not allowed
                             b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0",
                             b"\x81\xff\0\0\0\0\0\x01\0\x01\0\0\0\0"):
                    client = connect(daemon, number)
                    rest = upgrade(client, 100 + number)
                    client.sendall(head)
                    code = close_code(read_to_end(client, rest))
                    assert code in ((1002, 1009) if head[2] == 0x80 else (1009,)), code
                    client.close()
            await pair.meet()
            return resident_kib(daemon) - before


async def broken_frames(_):
    cases = ((b"\x81\x05hello", 1002, "an unmasked frame"),
             (b"\xc1\x80\0\0\0\0", 1002, "a reserved bit"),
             (b"\x83\x80\0\0\0\0", 1002, "a reserved opcode"),
             (b"\x09\x80\0\0\0\0", 1002, "a fragmented ping"),
             (b"\x80\x80\0\0\0\0", 1002, "a continuation of nothing"),
             (frame(b"\x01\x02", 2), 1003, "a binary message"),
             (frame(b"\xff\xfe"), 1007, "no UTF-8"),
             (frame(struct.pack(">H", 1000), 8), 1000, "a close"),
             (frame(b"x" * 70000), 1009, "a long message"))
    with Daemon() as daemon:
        async with Pair(daemon) as pair:
            for data, wanted, what in cases:
                client = connect(daemon, 0)
                rest = upgrade(client, 100)
                client.sendall(data)
                code = close_code(read_to_end(client, rest))
                assert code == wanted, f"{what}: {code}, not {wanted}"
                client.close()
            await pair.meet()
            return 0


async def clients_that_stop_reading(clients):
    movers = range(3, 23)
    with Daemon(send_timeout_s=2, sessions_max=clients * 2 + 100) as daemon:
        async with Pair(daemon) as pair:
            daemon.befriend(*[(mover, 100 + number) for mover in movers for number in range(clients)])
            deaf = []
            for number in range(clients):
                client = connect(daemon, number, receive_bytes=2048)
                upgrade(client, 100 + number)
                client.sendall(frame(f'{{"type":"location","lat":{HERE[0]},"lon":{HERE[1]}}}'.encode()))
                deaf.append(client)
            before = resident_kib(daemon)
            sessions = [await daemon.session(mover).__aenter__() for mover in movers]
            step = 0
            # Each is told of twenty friends at a time, until neither kernel nor daemon takes more.
            while counted(daemon, "send_timeout") < clients:
                step += 1
                for session in sessions:
                    await session.locate(round(HERE[0] + step * 1e-7, 7), HERE[1])
                for session in sessions:
                    await session.ask(limit=1)
                await pair.meet(1)
                assert step < 5000, f"{counted(daemon, 'send_timeout')} closed"
            growth = resident_kib(daemon) - before
            await pair.meet()
            for session in sessions:
                await session.__aexit__()
            for client in deaf:
                client.close()
            return growth


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--clients", type=int, default=CLIENTS)
    parser.add_argument("tests", nargs="*")
    arguments = parser.parse_args()
    # Sanitizers keep freed memory for a while.
    is_sanitized = os.environ.get("TEST_SANITIZED") == "yes"
    for test in (broken_frames, oversized, random_bytes, half_open_handshakes, clients_that_stop_reading):
        if arguments.tests and test.__name__ not in arguments.tests:
            continue
        growth = asyncio.run(test(arguments.clients))
        assert is_sanitized or growth <= GROWTH_KIB_MAX, f"{test.__name__}: {growth} KiB"
        print(f"ok   {test.__name__}: resident memory {growth:+} KiB", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
