#!/usr/bin/python3
"""
What TLS costs the daemon, beside the same load without it, in one run.

    tests/bench/tls.py [--pairs=N] [--moves=N] [--rounds=N]

Pairs of friends who are near each other say where they are, in turn and one at a time, and each hears of
the other's move; python's websockets are the clients. In each round one daemon speaks plain and another
TLS 1.3 (ECDSA P-256), in turns, each on one core; told are the least, the median and the most of the
rounds' ratios of the daemon's CPU time (user and system, read from the kernel), for the moves and for the
joins, handshakes among them. Needs nearbyd in TEST_BUILD. Nothing is decided here.
"""
import argparse
import asyncio
import os
import ssl
import statistics
import subprocess
import sys
import time

SOURCE = os.environ.get("TEST_SOURCE", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path.insert(0, os.path.join(SOURCE, "tests", "e2e"))
import websockets  # noqa: E402
from daemon import LIMIT_S, Daemon, token  # noqa: E402

HERE = (37.7749, -122.4194)


def cpu_s(pid):
    """User and system time of all threads; a tick of the kernel is the grain."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem", "-days", "2",
                    "-subj", "/CN=localhost"], check=True, capture_output=True)


async def opened(daemon, user, context):
    scheme = "ws" if context is None else "wss"
    client = await websockets.connect(f"{scheme}://127.0.0.1:{daemon.port}/v1/ws", ssl=context, compression=None,
                                      extra_headers={"Authorization": "Bearer " + token(user)},
                                      open_timeout=LIMIT_S, ping_interval=None)
    await client.recv()
    return client


async def say(client, number):
    await client.send('{"type":"location","lat":%.6f,"lon":%.6f}' % (HERE[0] + number * 1e-5, HERE[1]))


async def heard(client, kind):
    while f'"type":"{kind}"' not in await asyncio.wait_for(client.recv(), LIMIT_S):
        pass


async def load(daemon, pairs, moves, context):
    """CPU seconds of the daemon for the joins and for the moves."""
    pid, began = daemon.process.pid, cpu_s(daemon.process.pid)
    clients = [await opened(daemon, user, context) for user in range(1, 2 * pairs + 1)]
    for number, client in enumerate(clients):
        await say(client, number % 2)
        await heard(client, "nearby")
    joined = cpu_s(pid)

    async def walk(ann, bob):
        for number in range(moves):
            await say(ann, 2 + number)
            await heard(bob, "update")
            await say(bob, 2 + number)
            await heard(ann, "update")
    await asyncio.gather(*(walk(clients[i], clients[i + 1]) for i in range(0, 2 * pairs, 2)))
    moved = cpu_s(pid)
    await asyncio.gather(*(client.close() for client in clients))
    return joined - began, moved - joined


def measure(plan, is_tls):
    daemon = Daemon(cores=1)
    certificate(daemon.folder)
    context = None
    if is_tls:
        daemon.options.update(tls_certificate=f"{daemon.folder}/cert.pem", tls_key=f"{daemon.folder}/key.pem")
        context = ssl.create_default_context(cafile=f"{daemon.folder}/cert.pem")
        context.check_hostname = False
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    with daemon:
        daemon.befriend(*((user, user + 1) for user in range(1, 2 * plan.pairs, 2)))
        return asyncio.run(load(daemon, plan.pairs, plan.moves, context))


def tell(what, ratios):
    if not ratios:
        print(f"{what}: not measured, too little CPU time was used")
        return
    print(f"{what}: {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f}) x, TLS to plain, "
          f"{len(ratios)} rounds")


def main():
    parser = argparse.ArgumentParser(description="What TLS costs the daemon.")
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--moves", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    plan = parser.parse_args()
    joins, moves = [], []
    began = time.monotonic()
    for _ in range(plan.rounds):
        plain, tls = measure(plan, False), measure(plan, True)
        for ratios, at in ((joins, 0), (moves, 1)):
            if plain[at] > 0:
                ratios.append(tls[at] / plain[at])
    tell("CPU time of a join", joins)
    tell("CPU time of a move and its push", moves)
    print(f"{plan.pairs} pairs, {plan.moves} moves each, {time.monotonic() - began:.0f} s, "
          f"{ssl.OPENSSL_VERSION}, kernel {os.uname().release}")


if __name__ == "__main__":
    main()
