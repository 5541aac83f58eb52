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

    protocol = "json"

    def __init__(self, daemon, user, tokens=None, **options):
        self.daemon, self.user = daemon, user
        self.tokens = tokens or [token(user)]
        self.options = {"url": f"ws://127.0.0.1:{daemon.port}/v1/ws", **QUICK,
                        "protocol": self.protocol, **options}

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


def in_both_protocols(test):
    async def twice():
        for protocol in ("json", "protobuf"):
            Phone.protocol = protocol
            await test()
        Phone.protocol = "json"
    twice.__name__ = test.__name__
    return twice


@in_both_protocols
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


@in_both_protocols
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


@in_both_protocols
async def a_token_is_renewed_before_it_expires():
    with Daemon() as daemon:
        # The first lasts 3 s; a good one is asked for at once, as it expires within the minute.
        async with Phone(daemon, 1, tokens=[token(1, seconds=3), token(1)]) as ann:
            await ann.event("state", lambda state: state == "open")
            bob = await daemon.expiring_session(2, seconds=4)
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


@in_both_protocols
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


def people_of(message):
    return "people" if "people" in message else "friends"


@in_both_protocols
async def what_is_shared_is_kept_and_strangers_are_wanted_again_after_a_loss():
    folder = tempfile.mkdtemp(prefix="nearby-e2e-")
    try:
        with Daemon(folder=folder) as daemon:
            daemon.befriend((1, 2))
            daemon.options["listen"] = f"127.0.0.1:{daemon.port}"
            async with Phone(daemon, 1) as ann:
                await ann.event("state", lambda state: state == "open")
                await ann.located(HERE)
                await ann.do("strangers", on=True)
                await ann.event("strangers")
                await ann.do("sharing", mode="approximate", user="2")
                await ann.event("sharing", lambda state: [friend["user"] for friend in state["friends"]] == ["2"])
                daemon.stop()
                await ann.event("state", lambda state: state == "waiting")
                # Said while there is no server.
                await ann.do("sharing", mode="precise", user="2")
                await ann.do("sharing", mode="off")
                await ann.do("sharing", mode="approximate", user="2")
                daemon.start()
                await ann.event("sharing", lambda state: state == {
                    "type": "sharing", "mode": "off", "until": None,
                    "friends": [{"user": "2", "mode": "approximate", "until": None}]})
                await ann.do("sharing", mode="precise")
                await ann.event("sharing", lambda state: state["mode"] == "precise")
                async with daemon.session(2) as bob, daemon.session(9) as zoe:
                    entry, = (await bob.begin(*NEAR))["friends"]
                    assert entry["approximate"], entry
                    await zoe.begin(*NEAR)
                    await zoe.send(type="strangers", on=True)
                    await ann.event("people", lambda people: [person["user"] for person in people] == ["9"])
                await ann.event("people", lambda people: people == [])
                await ann.do("strangers", on=False)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def both_protocols_say_the_same():
    with Daemon(cores=1) as daemon:
        daemon.admin("PUT", "/v1/users/1", {"name": "Ann ☃"})
        daemon.admin("PUT", "/v1/users/2", {"name": "Bob"})
        daemon.befriend((1, 2), (1, 9223372036854775807))
        async with Phone(daemon, 1) as json_ann, Phone(daemon, 1, protocol="protobuf") as ann, \
                daemon.session(2) as bob, daemon.session(9223372036854775807) as last:
            async def both(kind, **facts):
                """The same message; with facts, the entries that have them, as the others may differ."""
                def suits(message):
                    return [entry for entry in message[people_of(message)] if facts.items() <= entry.items()]
                said, same = [await phone.event(kind, lambda message: not facts or suits(message))
                              for phone in (json_ann, ann)]
                if facts:
                    said[people_of(said)], same[people_of(same)] = suits(said), suits(same)
                assert {**said, "ts": 0} == {**same, "ts": 0}, (said, same)
                return same
            assert (await both("welcome"))["name"] == "Ann ☃"
            await bob.begin(-33.8688197, -151.2092955, ts=1700000000000)
            await last.begin(-33.8688197, -151.2092955)
            for phone in (json_ann, ann):
                await phone.located((-33.8688, -151.2093))
            assert (await both("nearby"))["total"] == 2
            await bob.locate(-33.87, -151.21)
            await both("update", user="2", lat=-33.87)
            await bob.locate(*HERE)
            assert await both("gone") == {"type": "gone", "friends": [{"user": "2", "why": "far"}]}
            assert daemon.request("PUT", "/v1/me/friends/1", user=5).status == 200
            assert (await both("friend"))["what"] == "asked"
            assert daemon.request("DELETE", "/v1/me/friends/1", user=5).status == 204
            assert (await both("friend"))["what"] == "removed"
            for phone in (json_ann, ann):
                await phone.do("unmute", user="77")
            assert (await both("error"))["code"] == "not_friend"
            # Sharing goes to all sessions of a user.
            await ann.do("sharing", mode="approximate")
            assert await both("sharing") == {"type": "sharing", "mode": "approximate", "until": None, "friends": []}
            await ann.do("sharing", mode="precise", user="2", until=4000000000000)
            state = await both("sharing")
            assert state["friends"] == [{"user": "2", "mode": "precise", "until": 4000000000000}], state
            await json_ann.do("sharing", mode="default", user="2")
            assert (await both("sharing"))["friends"] == []
            async with daemon.session(9) as zoe:
                await zoe.begin(-33.8688, -151.2093)
                await zoe.send(type="strangers", on=True)
                for phone in (json_ann, ann):
                    await phone.do("strangers", on=True)
                assert (await both("strangers", user="9"))["people"][0]["approximate"]
                await zoe.send(type="strangers", on=False)
                assert await both("strangers_gone") == {
                    "type": "strangers_gone", "people": [{"user": "9", "why": "off"}]}
            daemon.stop()
            for phone in (json_ann, ann):
                assert (await phone.event("reconnect"))["after_ms"] >= 0


async def bytes_of_later_and_broken_servers_do_no_harm():
    with Daemon(cores=1) as daemon:
        async with Phone(daemon, 1, protocol="protobuf") as ann:
            async def decoded(text):
                await ann.do("decode", hex=text.replace(" ", ""))
                return await ann.event("decoded")
            # A friend message with a reason, and a field of each type, that are not known yet.
            assert await decoded("3a 1c 0863 1007 1a01 41 7a03 616263 7801 7d01020304 79 0102030405060708") == {
                "type": "friend", "what": "unknown", "user": "7", "name": "A"}
            assert await decoded("7a 00") is None and await decoded("") is None
            assert await decoded("32 00") == {"type": "reconnect", "after_ms": 0}
            update = "1a 1a 0a18 08ffffffffffffffff7f 1d 00000080 25 ffffffff 3001 3801"
            assert (await decoded(update))["friends"] == [{
                "user": "9223372036854775807", "name": "", "lat": -214.7483648, "lon": -1e-7, "ts": 0,
                "distance_m": 0.001, "approximate": True}]
            for end in range(2, len(update.replace(" ", "")), 2):
                assert "Error" in await decoded(update.replace(" ", "")[:end]), end
            assert "Error" in await decoded("ff" * 11) and "Error" in await decoded("0b")


if __name__ == "__main__":
    run(friends_come_move_and_go, a_list_of_several_pages_is_read_whole,
        it_comes_back_and_knows_who_left_meanwhile, a_token_is_renewed_before_it_expires,
        an_expired_or_wrong_token_is_asked_for_again,
        who_is_muted_stays_muted_in_the_next_connection,
        what_is_shared_is_kept_and_strangers_are_wanted_again_after_a_loss, both_protocols_say_the_same,
        bytes_of_later_and_broken_servers_do_no_harm)
