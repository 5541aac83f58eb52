"""
Owns: nearby.v1.protobuf through the real daemon, beside JSON.
Invariant: the client here is an old one: it is made of tests/proto/baseline.pb, by Google's protobuf.
Does not know: what each message means; test_sessions.py does.
"""
import asyncio
import json
import os
import random
import sys

try:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
except ImportError as missing:
    print(f"skipped: {missing}; Debian: python3-protobuf")
    sys.exit(77)

import websockets

from daemon import LIMIT_S, SOURCE, Client, Daemon, run, token

HERE = (37.7749, -122.4194)
NEAR = (37.7759, -122.4194)
FAR = (48.0, 2.0)
PROTOBUF, JSON = "nearby.v1.protobuf", "nearby.v1.json"
WHY = {"far": 1, "idle": 2, "off": 3, "unfriended": 4}
MODE = {"default": 0, "precise": 1, "approximate": 2, "off": 3}


def classes():
    with open(os.path.join(SOURCE, "tests", "proto", "baseline.pb"), "rb") as file:
        files = descriptor_pb2.FileDescriptorSet.FromString(file.read())
    pool = descriptor_pool.DescriptorPool()
    pool.Add(files.file[0])
    factory = message_factory.MessageFactory(pool)
    return [factory.GetPrototype(pool.FindMessageTypeByName("nearby.v1." + name))
            for name in ("ClientMessage", "ServerMessage")]


ClientMessage, ServerMessage = classes()


def from_json(content):
    """The bytes of what a test says in the words of JSON."""
    message = ClientMessage()
    part = getattr(message, content["type"])
    part.SetInParent()
    for name, value in content.items():
        if name in ("lat", "lon"):
            setattr(part, name + "_e7", round(value * 1e7))
        elif name in ("ts", "until"):
            setattr(part, name + "_ms", value)
        elif name == "user":
            part.user = int(value)
        elif name == "mode":
            part.mode = MODE[value]
        elif name != "type":
            setattr(part, name, value)
    return message.SerializeToString()


def entry_as_json(entry):
    known = {"user": str(entry.user), "name": entry.name, "lat": entry.lat_e7 / 1e7, "lon": entry.lon_e7 / 1e7,
             "ts": entry.ts_ms, "distance_m": entry.distance_mm / 1000}
    return {**known, "approximate": True} if entry.approximate else known


def gone_as_json(gone):
    return {"user": str(gone.user), "why": next(text for text, why in WHY.items() if why == gone.why)}


def to_json(data):
    """What JSON would have said; a message says nothing that this client does not know."""
    message = ServerMessage.FromString(data)
    assert message.SerializeToString() == data, "written as Google's protobuf writes it"
    kind = message.WhichOneof("message")
    part = getattr(message, kind)
    said = {"type": kind}
    if kind == "welcome":
        said.update(user=str(part.user), name=part.name, radius_m=part.radius_mm / 1000, ttl_s=part.ttl_s,
                    update_s=part.update_s, ts=part.ts_ms)
    elif kind == "nearby":
        said.update(friends=[entry_as_json(entry) for entry in part.friends], total=part.total,
                    next=part.next if part.HasField("next") else None)
    elif kind in ("update", "strangers"):
        people = part.friends if kind == "update" else part.people
        said["friends" if kind == "update" else "people"] = [entry_as_json(entry) for entry in people]
    elif kind in ("gone", "strangers_gone"):
        people = part.friends if kind == "gone" else part.people
        said["friends" if kind == "gone" else "people"] = [gone_as_json(gone) for gone in people]
    elif kind == "error":
        said.update(code=part.code, message=part.message)
    elif kind == "reconnect":
        said.update(after_ms=part.after_ms)
    return said


class Translator:
    """A socket that takes and gives JSON, and speaks Protobuf."""

    def __init__(self, real):
        self.real = real

    async def send(self, text):
        await self.real.send(from_json(json.loads(text)))

    async def recv(self):
        data = await self.real.recv()
        assert isinstance(data, bytes), data
        return json.dumps(to_json(data))

    async def close(self):
        await self.real.close()


class ProtobufClient(Client):
    async def __aenter__(self):
        real = await connect(self.daemon, self.user, [PROTOBUF])
        assert real.subprotocol == PROTOBUF
        self.socket = Translator(real)
        self.welcome = await self.expect("welcome")
        return self


async def connect(daemon, user, subprotocols):
    return await websockets.connect(
        f"ws://127.0.0.1:{daemon.port}/v1/ws", compression=None, max_size=None, open_timeout=LIMIT_S, ping_interval=None,
        extra_headers={"Authorization": "Bearer " + token(user)}, subprotocols=subprotocols)


async def hear(socket):
    return await asyncio.wait_for(socket.recv(), LIMIT_S)


async def two_friends_see_the_same_of_each_other_whatever_they_speak():
    with Daemon() as daemon:
        daemon.befriend((1, 2))
        for user, name in ((1, "Änne"), (2, "Bob")):
            assert daemon.admin("PUT", f"/v1/users/{user}", {"name": name}).status == 204
        async with daemon.session(1) as ann, ProtobufClient(daemon, 2) as bob:
            assert bob.welcome.keys() == ann.welcome.keys()
            assert (bob.welcome["user"], bob.welcome["name"]) == ("2", "Bob")
            for name in ("radius_m", "ttl_s", "update_s"):
                assert bob.welcome[name] == ann.welcome[name]
            first = await bob.begin(*HERE, ts=bob.welcome["ts"] - 7)
            assert first == {"type": "nearby", "friends": [], "total": 0, "next": None}, first
            seen = (await ann.begin(*NEAR, ts=ann.welcome["ts"] - 8))["friends"]
            heard = (await bob.expect("update"))["friends"]
            assert len(seen) == len(heard) == 1
            seen, heard = seen[0], heard[0]
            assert (seen["user"], seen["name"], seen["lat"], seen["lon"]) == ("2", "Bob", *HERE)
            assert (heard["user"], heard["name"], heard["lat"], heard["lon"]) == ("1", "Änne", *NEAR)
            assert (seen["ts"], heard["ts"]) == (bob.welcome["ts"] - 7, ann.welcome["ts"] - 8)
            assert seen["distance_m"] == heard["distance_m"]
            assert (await bob.ask())["friends"] == [heard]
            await bob.locate(*FAR)
            assert (await bob.expect("gone"))["friends"] == [{"user": "1", "why": "far"}]
            assert (await ann.expect("gone", skipping=["update"]))["friends"] == [{"user": "2", "why": "far"}]
            await bob.send(type="unsubscribe", user="1")
            await bob.send(type="subscribe", user="1")
            assert (await bob.expect("gone"))["friends"] == [{"user": "1", "why": "far"}]


async def pages_and_a_new_token_and_the_end_are_the_same():
    with Daemon() as daemon:
        daemon.befriend(*((1, friend) for friend in range(2, 32)))
        async with ProtobufClient(daemon, 1) as ann:
            for friend in range(2, 32):
                async with daemon.session(friend) as other:
                    await other.begin(NEAR[0] + friend * 1e-4, NEAR[1])
            assert (await ann.begin(*HERE))["total"] == 30
            heard, cursor = [], None
            while cursor is not None or not heard:
                page = await ann.ask(limit=7, **({"cursor": cursor} if cursor else {}))
                heard += [entry["user"] for entry in page["friends"]]
                cursor = page["next"]
            assert heard == [str(friend) for friend in range(2, 32)]
            await ann.send(type="token", token=token(1, seconds=7200))
            await ann.ask()
            daemon.admin("POST", "/v1/drain")
            assert (await ann.expect("reconnect", skipping=["update"]))["after_ms"] >= 200


async def what_is_refused_is_refused_in_the_same_words():
    wrong = [{"type": "location", "lat": 91, "lon": 0}, {"type": "location", "lon": 0},
             {"type": "location", "lat": 0, "lon": -181}, {"type": "location", "lat": 0, "lon": 0, "ts": -1},
             {"type": "nearby"}, {"type": "nearby", "limit": 0}, {"type": "nearby", "cursor": "?"},
             {"type": "subscribe", "user": "99"}, {"type": "token", "token": "x"}, {"type": "strangers"},
             {"type": "sharing", "mode": "default"}]
    with Daemon() as daemon:
        async with daemon.session(1) as ann, ProtobufClient(daemon, 1) as bob:
            for message in wrong:
                await ann.send(**message)
                await bob.send(**message)
                assert await ann.expect("error") == await bob.expect("error"), message
            for data, code in ((b"", "unknown_type"), (b"\xf2\x01\x00", "unknown_type"), (b"\xff", "bad_message"),
                               (b'{"type":"nearby"}', "bad_message")):
                await bob.socket.real.send(data)
                assert (await bob.expect("error"))["code"] == code, data


async def the_first_subprotocol_that_is_known_is_spoken():
    offers = ((None, None, str), ([JSON], JSON, str), ([PROTOBUF], PROTOBUF, bytes), ([JSON, PROTOBUF], JSON, str),
              ([PROTOBUF, JSON], PROTOBUF, bytes), (["nearby.v9", PROTOBUF, JSON], PROTOBUF, bytes))
    with Daemon() as daemon:
        for offer, chosen, kind in offers:
            socket = await connect(daemon, 1, offer)
            assert socket.subprotocol == chosen, (offer, socket.subprotocol)
            assert isinstance(await hear(socket), kind), offer
            await socket.close()
        for offer in (["nearby.v9"], ["nearby.v1"], ["nearby.v1.protobuf2"]):
            try:
                await connect(daemon, 1, offer)
            except websockets.InvalidStatusCode as refused:
                assert refused.status_code == 400
            else:
                raise AssertionError(offer)


async def what_the_subprotocol_does_not_speak_ends_the_session():
    with Daemon() as daemon:
        for offer, data in (([PROTOBUF], '{"type":"nearby"}'), ([JSON], from_json({"type": "nearby"})),
                            (None, b"")):
            socket = await connect(daemon, 1, offer)
            await hear(socket)
            await socket.send(data)
            await asyncio.wait_for(socket.wait_closed(), LIMIT_S)
            assert socket.close_code == 1003, (offer, socket.close_code)
        daemon.wait_for_counter('connections_closed_total{reason="unsupported"}', 3)


async def garbage_is_answered_and_harms_nobody():
    dice = random.Random(5)
    with Daemon(errors_per_min=250) as daemon:
        daemon.befriend((1, 2))
        async with ProtobufClient(daemon, 1) as ann:
            socket = await connect(daemon, 2, [PROTOBUF])
            await hear(socket)
            for _ in range(200):
                await socket.send(b"\x0a" + dice.randbytes(dice.randrange(1, 40)))
                answer = to_json(await hear(socket))
                assert answer["type"] == "error", answer
            await socket.send(b"\x78\x01" * 30000)
            assert to_json(await hear(socket))["code"] == "bad_message"
            await socket.close()
            await ann.begin(*HERE)


if __name__ == "__main__":
    run(two_friends_see_the_same_of_each_other_whatever_they_speak,
        pages_and_a_new_token_and_the_end_are_the_same,
        what_is_refused_is_refused_in_the_same_words,
        the_first_subprotocol_that_is_known_is_spoken,
        what_the_subprotocol_does_not_speak_ends_the_session,
        garbage_is_answered_and_harms_nobody)
