"""
kill -9 at random moments under load: no location is lost, history is whole up to its last commit.

`test_crash.py --kills 50` for the long run; a few by default.
"""
import argparse
import asyncio
import json
import random
import subprocess
import sys
import time

import websockets

from daemon import Daemon, program

USERS = 40
WITNESS = 1000
BASE = (52.0, 13.0)
# Movers step north by this, so a latitude tells which step it is.
STEP_E7 = 100
SEED = 7


class Mover:
    """Sends step after step; a step is confirmed when a question sent after it is answered."""

    def __init__(self, user):
        self.user, self.sent, self.confirmed = user, 0, 0
        self.lives = []  # the last step before each kill

    def lat(self, step):
        return round(BASE[0] + step * STEP_E7 / 1e7, 7)

    async def move(self, daemon, started):
        try:
            async with daemon.session(self.user) as session:
                is_first = True
                while True:
                    self.sent += 1
                    await session.locate(self.lat(self.sent), BASE[1])
                    if not is_first:
                        await session.send(type="nearby", limit=1)
                    is_first = False
                    while (await session.receive())["type"] != "nearby":
                        pass
                    self.confirmed = self.sent
                    started.set()
        except (websockets.ConnectionClosed, OSError, asyncio.IncompleteReadError):
            pass


async def kill_under_load(daemon, movers, pause_s):
    """Returns how many locations were committed to history at some moment before the kill."""
    events = [asyncio.Event() for _ in movers]
    tasks = [asyncio.create_task(mover.move(daemon, event)) for mover, event in zip(movers, events)]
    await asyncio.gather(*(event.wait() for event in events))
    loop = asyncio.get_running_loop()
    committed = await loop.run_in_executor(None, daemon.counter, "history_locations_total")
    # The moment of the kill is the random thing that is tested, not something that is waited for.
    await asyncio.sleep(pause_s)
    daemon.process.kill()
    await asyncio.gather(*tasks)
    daemon.process.wait()
    daemon.process = None
    daemon.log.close()
    return int(committed)


async def check_locations(daemon, movers):
    async with daemon.session(WITNESS) as witness:
        page = await witness.begin(*BASE)
        seen = {friend["user"]: friend for friend in page["friends"]}
        while page["next"]:
            page = await witness.ask(cursor=page["next"], limit=100)
            seen.update({friend["user"]: friend for friend in page["friends"]})
    for mover in movers:
        lat = seen[str(mover.user)]["lat"]
        assert mover.lat(mover.confirmed) <= lat <= mover.lat(mover.sent), (
            mover.user, lat, mover.lat(mover.confirmed), mover.lat(mover.sent))


def check_history(daemon, movers, at_least):
    rows = {str(mover.user): [] for mover in movers}
    total = 0
    for line in daemon.admin("GET", "/v1/export").text.splitlines():
        point = json.loads(line)
        total += 1
        if point["user"] in rows:
            rows[point["user"]].append(round((point["lat"] - BASE[0]) * 1e7 / STEP_E7))
    assert total >= at_least, f"{total} locations in history, but {at_least} were committed"
    for mover in movers:
        check_steps(mover, rows[str(mover.user)])
    return total


def check_steps(mover, steps):
    """Of each life of the daemon, history has the steps from its first on, with no hole up to where it
    ends: what is lost is what came last."""
    mover.lives.append(mover.sent)
    first = 1
    for last in mover.lives:
        kept = [step for step in steps if first <= step <= last]
        assert kept == list(range(first, first + len(kept))), (mover.user, first, last, kept)
        first = last + 1
    assert len(steps) == len(set(steps)), f"user {mover.user}: a location stands twice in history"


def check_databases(daemon):
    checked = subprocess.run([program("tests/e2e/store_check"), daemon.folder + "/data"],
                             capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=6)
    arguments = parser.parse_args()
    dice = random.Random(SEED)
    daemon = Daemon(history_commit_ms=50)
    restarts = []
    try:
        daemon.start()
        daemon.befriend(*[(WITNESS, user) for user in range(USERS)])
        movers = [Mover(user) for user in range(USERS)]
        history = 0
        for kill in range(arguments.kills):
            committed = asyncio.run(kill_under_load(daemon, movers, dice.random() * 0.5))
            check_databases(daemon)
            began = time.monotonic()
            daemon.start()
            restarts.append(time.monotonic() - began)
            # First, while nothing new has come that the next count would take in too.
            history = check_history(daemon, movers, history + committed)
            asyncio.run(check_locations(daemon, movers))
            print(f"ok   kill {kill + 1}: restart {restarts[-1] * 1000:.0f} ms, "
                  f"{sum(mover.sent for mover in movers)} locations sent, {history} in history",
                  flush=True)
        restarts.sort()
        print(f"restarts: median {restarts[len(restarts) // 2] * 1000:.0f} ms, "
              f"longest {restarts[-1] * 1000:.0f} ms")
        daemon.__exit__(None, None, None)
    except BaseException as error:
        daemon.__exit__(type(error), error, None)
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
