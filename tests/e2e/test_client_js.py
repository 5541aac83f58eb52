#!/usr/bin/python3
"""Owns: the JavaScript client against the real daemon: lists, moves, losses, restarts, tokens."""
import asyncio
import contextlib
import json
import os
import shutil
import sys
import tempfile

from daemon import Daemon, LIMIT_S, SOURCE, run, token

NODE = shutil.which("node")
if NODE is None or not os.path.exists("/usr/share/nodejs/ws"):
    print("skipped: Debian: nodejs, node-ws")
    sys.exit(77)

HERE = (37.5665, 126.978)
NEAR = (37.5765, 126.978)  # 1.1 km
FAR = (38.5665, 126.978)
QUICK = {"retryMinMs": 10, "retryMaxMs": 100}


class Phone:
    """The client in a node of its own."""

    def __init__(self, daemon, user, tokens=None, **options):
        self.daemon, self.user = daemon, user
        self.tokens = tokens or [token(user)]
        self.options = {"url": f"ws://127.0.0.1:{daemon.port}/v1/ws", **QUICK, **options}

    async def __aenter__(self):
        self.process = await asyncio.create_subprocess_exec(
            NODE, os.path.join(SOURCE, "tests", "e2e", "client_js.mjs"),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 24)
        await self.do("start", options=self.options, tokens=self.tokens)
        return self

    async def __aexit__(self, *_):
        self.process.stdin.close()
        try:
            assert await asyncio.wait_for(self.process.wait(), LIMIT_S) == 0
        finally:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()

    async def do(self, command, **rest):
        self.process.stdin.write(json.dumps({"command": command, **rest}).encode() + b"\n")
        await self.process.stdin.drain()

    async def any_event(self, suits):
        """The next event that suits; others are passed over."""
        while True:
            line = await asyncio.wait_for(self.process.stdout.readline(), LIMIT_S)
            assert line, "node ended"
            event = json.loads(line)
            if suits(event):
                return event

    async def event(self, wanted, suits=lambda detail: True):
        """The next event of that kind whose detail suits."""
        return (await self.any_event(lambda e: e["event"] == wanted and suits(e["detail"])))["detail"]

    async def event_of(self, *wanted):
        """The next event of these kinds."""
        return (await self.any_event(lambda event: event["event"] in wanted))["detail"]

    async def friends_are(self, *users):
        """Waits until it knows just these to be near."""
        wanted = [str(user) for user in users]
        return await self.event("friends", lambda friends: [f["user"] for f in friends] == wanted)

    async def located(self, place):
        await self.do("locate", lat=place[0], lon=place[1])


async def friends_come_move_and_go():
    with Daemon() as daemon:
        daemon.admin("PUT", "/v1/users/2", {"name": "Bob"})
        daemon.befriend((1, 2))
        async with Phone(daemon, 1) as ann, Phone(daemon, 2) as bob:
            await ann.event("state", lambda state: state == "open")
            await ann.located(HERE)
            await bob.located(NEAR)
            entry, = await ann.friends_are(2)
            assert entry["name"] == "Bob" and 1000 < entry["distance_m"] < 1200, entry
            await bob.located(FAR)
            await ann.friends_are()


async def a_list_of_several_pages_is_read_whole():
    with Daemon() as daemon:
        daemon.befriend(*((1, 1000 + i) for i in range(230)))
        async with contextlib.AsyncExitStack() as stack:
            for i in range(230):
                friend = await stack.enter_async_context(daemon.session(1000 + i))
                await friend.begin(NEAR[0] + i * 1e-6, NEAR[1])
            ann = await stack.enter_async_context(Phone(daemon, 1))
            await ann.located(HERE)
            await ann.friends_are(*range(1000, 1230))


async def it_comes_back_and_knows_who_left_meanwhile():
    folder = tempfile.mkdtemp(prefix="nearby-e2e-")
    try:
        with Daemon(folder=folder) as daemon:
            daemon.befriend((1, 2), (1, 3))
            daemon.options["listen"] = f"127.0.0.1:{daemon.port}"
            async with Phone(daemon, 1) as ann:
                await ann.located(HERE)
                async with daemon.session(2) as bob, daemon.session(3) as cid:
                    await bob.begin(*NEAR)
                    await cid.begin(*NEAR)
                    await ann.friends_are(2, 3)
                daemon.stop()
                daemon.start()
                await ann.event("reconnect", lambda message: message["after_ms"] >= 0)
                await ann.event("state", lambda state: state == "waiting")
                await ann.event("state", lambda state: state == "open")
                # Both locations were adopted; one friendship ends while nobody looks.
                daemon.process.kill()
                daemon.stop()
                daemon.start()
                await ann.event("state", lambda state: state == "open")
                daemon.admin("DELETE", "/v1/users/1/friends/3")
                await ann.friends_are(2)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def a_token_is_renewed_before_it_expires():
    with Daemon() as daemon:
        # The first lasts 3 s; a good one is asked for at once, as it expires within the minute.
        async with Phone(daemon, 1, tokens=[token(1, seconds=3), token(1)]) as ann:
            await ann.event("state", lambda state: state == "open")
            async with daemon.session(2, bearer=token(2, seconds=4)) as bob:
                assert await bob.closed() == 4401
            # By now the first is over.
            await ann.do("friends")
            assert await ann.event_of("state", "list") == []


async def an_expired_or_wrong_token_is_asked_for_again():
    with Daemon() as daemon:
        async with Phone(daemon, 1, tokens=["nonsense", token(1, seconds=-5), token(1)]) as ann:
            await ann.event("state", lambda state: state == "waiting")
            await ann.event("state", lambda state: state == "waiting")
            await ann.event("welcome", lambda message: message["user"] == "1")


async def who_is_muted_stays_muted_in_the_next_connection():
    folder = tempfile.mkdtemp(prefix="nearby-e2e-")
    try:
        with Daemon(folder=folder) as daemon:
            daemon.befriend((1, 2), (1, 3))
            daemon.options["listen"] = f"127.0.0.1:{daemon.port}"
            async with Phone(daemon, 1) as ann:
                await ann.located(HERE)
                async with daemon.session(2) as bob, daemon.session(3) as cid:
                    await bob.begin(*NEAR)
                    await cid.begin(*NEAR)
                    await ann.friends_are(2, 3)
                await ann.do("mute", user="2")
                await ann.friends_are(3)
                daemon.stop()
                daemon.start()
                await ann.event("state", lambda state: state == "open")
                async with daemon.session(3) as cid:
                    await cid.begin(NEAR[0] + 1e-4, NEAR[1])
                    while True:
                        friends = await ann.event("friends")
                        assert [f["user"] for f in friends] == ["3"], friends
                        if friends[0]["lat"] > NEAR[0]:
                            break
                    await ann.do("unmute", user="2")
                    await ann.friends_are(2, 3)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    run(friends_come_move_and_go, a_list_of_several_pages_is_read_whole,
        it_comes_back_and_knows_who_left_meanwhile, a_token_is_renewed_before_it_expires,
        an_expired_or_wrong_token_is_asked_for_again,
        who_is_muted_stays_muted_in_the_next_connection)
