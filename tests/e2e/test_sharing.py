#!/usr/bin/python3
"""Owns: what users share of where they are: off, approximate or precise, to everybody and to single friends, for
ever or until a time; over WebSocket and HTTP, over reconnects and restarts."""
import math
import os
import resource
import signal
import subprocess
import time

from daemon import LIMIT_S, Daemon, program, run

HERE, THERE = (37.5, 127.0), (37.51, 127.005)
EVERYBODY = {"until": None, "friends": []}


def now_ms():
    return int(time.time() * 1000)


def state(mode, *friends, until=None):
    """What a `sharing` message, or the answer of HTTP, says."""
    return {"mode": mode, "until": until,
            "friends": [{"user": str(user), "mode": said, "until": None} for user, said in friends]}


async def change(client, wanted, **said):
    """Says it, and reads up to the answer, which must be this."""
    await client.send(type="sharing", **said)
    assert await told(client) == wanted
    return wanted


async def change_until(client, milliseconds, **said):
    """Says it with an end so far ahead, further when that was over before the server heard it; returns the end
    and what was answered."""
    while True:
        until = now_ms() + milliseconds
        await client.send(type="sharing", until=until, **said)
        message = await client.receive()
        while message["type"] not in ("sharing", "error"):
            message = await client.receive()
        if message["type"] == "sharing":
            return until, message
        assert message["code"] == "bad_field" and now_ms() > until, message
        milliseconds *= 2


async def told(client):
    message = await client.expect("sharing", skipping=("update", "gone", "nearby"))
    message.pop("type")
    return message


async def sees(client, user, **wanted):
    """The next that is said of this user is an entry, with these members."""
    message = await client.expect("update", skipping=("nearby", "sharing"))
    entry = next(entry for entry in message["friends"] if entry["user"] == str(user))
    assert wanted.items() <= entry.items(), entry
    return entry


async def loses(client, user, why="off"):
    message = await client.expect("gone", skipping=("update", "nearby", "sharing"))
    assert message["friends"] == [{"user": str(user), "why": why}], message


async def list_of(client):
    return {entry["user"] for entry in (await client.ask(limit=100))["friends"]}


def is_located(daemon, user):
    done = subprocess.run([program("nearbyctl"), "-i", daemon.instance, "locate", str(user)], capture_output=True,
                          text=True, timeout=LIMIT_S, check=False,
                          env={**os.environ, "RUNTIME_DIRECTORY": daemon.folder})
    return done.returncode == 0


def distance_m(a, b):
    lat_a, lon_a, lat_b, lon_b = map(math.radians, (*a, *b))
    h = math.sin((lat_a - lat_b) / 2) ** 2 + math.cos(lat_a) * math.cos(lat_b) * math.sin((lon_a - lon_b) / 2) ** 2
    return 2 * 6371008.8 * math.asin(math.sqrt(h))


def history(daemon, user):
    return daemon.request("GET", "/v1/me/history", user=user).text.splitlines()


async def off_is_seen_at_once_and_keeps_nothing():
    with Daemon(cores=3, history_commit_ms=10) as daemon:
        daemon.befriend((1, 2), (1, 3))
        async with daemon.session(1) as ann, daemon.session(2) as bob, daemon.session(3) as eve:
            await ann.begin(*HERE)
            await bob.begin(*THERE)
            await eve.begin(*THERE)
            daemon.wait_for_counter("history_locations_total", 3)
            assert await list_of(bob) == {"1"} and await list_of(eve) == {"1"}
            await change(ann, state("off"), mode="off")
            await loses(bob, 1)
            await loses(eve, 1)
            assert await list_of(bob) == set()
            assert not is_located(daemon, 1)
            # Of what is sent meanwhile nobody hears, and nothing is kept; its own list goes on.
            await ann.locate(HERE[0] + 0.001, HERE[1])
            assert await list_of(ann) == {"2", "3"}
            await bob.send(type="subscribe", user="1")
            await loses(bob, 1)
            assert not is_located(daemon, 1)
            # Once it is shown again it is there at once, where it is now.
            await change(ann, state("precise"), mode="precise")
            await sees(bob, 1, lat=HERE[0] + 0.001, lon=HERE[1])
            await sees(eve, 1)
            await ann.locate(HERE[0] + 0.002, HERE[1])
            daemon.wait_for_counter("history_locations_total", 4)
            lats = [float(line.split('"lat":')[1].split(",")[0]) for line in history(daemon, 1)]
            assert lats == [HERE[0], HERE[0] + 0.002], lats


async def approximate_shows_a_place_of_the_grid_and_nothing_else():
    with Daemon(cores=2) as daemon:
        daemon.befriend((1, 2))
        async with daemon.session(1) as ann, daemon.session(2) as bob:
            await ann.begin(*HERE)
            await bob.begin(*THERE)
            await change(ann, state("approximate"), mode="approximate")
            entry = await sees(bob, 1, approximate=True)
            shown = entry["lat"], entry["lon"]
            assert shown != HERE and distance_m(shown, HERE) < 1500
            assert abs(entry["distance_m"] - distance_m(shown, THERE)) < 1
            # A step within the cell is not seen; HTTP shows the same.
            await ann.locate(HERE[0] + 0.00001, HERE[1])
            await ann.quiet()
            page = await bob.ask(limit=1)
            assert (page["friends"][0]["lat"], page["friends"][0]["lon"]) == shown
            for answer in (daemon.request("GET", "/v1/me/nearby", user=2), daemon.admin("GET", "/v1/users/2/nearby")):
                found = answer.json()["friends"][0]
                assert (found["lat"], found["lon"], found["approximate"]) == (*shown, True), found
            await change(ann, state("precise"), mode="precise")
            assert "approximate" not in await sees(bob, 1, lat=HERE[0] + 0.00001, lon=HERE[1])


async def the_last_who_may_see_is_no_friend_any_more():
    """Off for everybody but one: when that friendship ends nothing is left to be kept."""
    with Daemon(cores=3) as daemon:
        daemon.befriend((1, 2), (1, 3))
        async with daemon.session(1) as ann, daemon.session(2) as bob, daemon.session(3) as eve:
            await bob.begin(*THERE)
            await eve.begin(*THERE)
            await change(ann, state("off"), mode="off")
            await change(ann, state("off", (2, "precise")), mode="precise", user="2")
            await change(ann, state("off", (2, "precise"), (3, "precise")), mode="precise", user="3")
            await ann.begin(*HERE)
            await sees(bob, 1)
            # Another may see it still.
            assert daemon.request("DELETE", "/v1/me/friends/2", user=1).status == 204
            await sees(eve, 1)
            await ann.locate(HERE[0] + 0.001, HERE[1])
            await sees(eve, 1, lat=HERE[0] + 0.001)
            assert is_located(daemon, 1)
            assert daemon.request("DELETE", "/v1/me/friends/1", user=3).status == 204
            until = time.monotonic() + LIMIT_S
            while is_located(daemon, 1):
                assert time.monotonic() < until
            await ann.locate(*HERE)
            await ann.send(type="nearby")
            assert (await ann.expect("nearby", skipping=("gone", "friend", "update")))["friends"] == []
            assert not is_located(daemon, 1)


async def a_friend_may_see_more_or_less_than_everybody():
    with Daemon(cores=3) as daemon:
        daemon.befriend((1, 2), (1, 3))
        async with daemon.session(1) as ann, daemon.session(2) as bob, daemon.session(3) as eve:
            await ann.begin(*HERE)
            await bob.begin(*THERE)
            await eve.begin(*THERE)
            await change(ann, state("precise", (2, "off")), mode="off", user="2")
            await loses(bob, 1)
            assert await list_of(bob) == set() and await list_of(eve) == {"1"}
            assert daemon.request("GET", "/v1/me/nearby", user=2).json()["total"] == 0
            assert daemon.admin("GET", "/v1/users/2/nearby").json()["total"] == 0
            await change(ann, state("precise", (2, "approximate")), mode="approximate", user="2")
            await sees(bob, 1, approximate=True)
            # Off, of everybody, ends what was said of single friends.
            await change(ann, state("off"), mode="off")
            await loses(bob, 1)
            await loses(eve, 1)
            # What is said after it opens for that friend alone.
            await change(ann, state("off", (3, "precise")), mode="precise", user="3")
            await sees(eve, 1, lat=HERE[0], lon=HERE[1])
            assert await list_of(bob) == set()
            await change(ann, state("off"), mode="default", user="3")
            await loses(eve, 1)
            await change(ann, state("precise"), mode="precise")
            await sees(bob, 1)
            await sees(eve, 1)
            # Of somebody who is no friend nothing can be said, nor can what is wrong.
            for code, wrong in (("not_friend", {"mode": "off", "user": "9"}), ("not_friend", {"mode": "off", "user": "1"}),
                                ("bad_field", {"mode": "default"}), ("bad_field", {"mode": "all"}),
                                ("bad_field", {"user": "2"}), ("bad_field", {"mode": "precise", "until": 1}),
                                ("bad_field", {"mode": "off", "until": "soon"}), ("bad_field", {"mode": 1})):
                await ann.send(type="sharing", **wrong)
                assert (await ann.expect("error", skipping=("update",)))["code"] == code, wrong
            await ann.send(type="sharing")
            assert await told(ann) == state("precise")
            # An exception ends with the friendship.
            await change(ann, state("precise", (2, "off")), mode="off", user="2")
            daemon.admin("DELETE", "/v1/users/1/friends/2")
            daemon.befriend((1, 2))
            await ann.send(type="sharing")
            while (message := await ann.receive())["type"] != "sharing":
                assert message["type"] in ("friend", "update", "gone"), message
            assert message["friends"] == []


async def what_is_shared_until_a_time_ends_then():
    with Daemon(cores=2) as daemon:
        daemon.befriend((1, 2), (1, 3))
        async with daemon.session(1) as ann, daemon.session(2) as bob, daemon.session(3) as eve:
            await ann.begin(*HERE)
            await bob.begin(*THERE)
            await eve.begin(*THERE)
            # What was said last holds: sooner, here, than before.
            far = now_ms() + 600000
            await change(ann, {"mode": "precise", "until": far, "friends": []}, mode="precise", until=far)
            friend = {"user": "2", "mode": "precise", "until": far}
            await change(ann, {"mode": "precise", "until": far, "friends": [friend]}, mode="precise", user="2", until=far)
            soon, message = await change_until(ann, 500, mode="precise")
            assert message["until"] == soon and message["friends"] == [friend]
            await loses(bob, 1)
            assert now_ms() >= soon
            await loses(eve, 1)
            assert await told(ann) == state("off")
            assert not is_located(daemon, 1)
            await change(ann, state("precise"), mode="precise")
            await sees(bob, 1)
            # For one friend.
            soon, message = await change_until(ann, 500, mode="approximate", user="2")
            assert message["friends"] == [{"user": "2", "mode": "approximate", "until": soon}]
            await loses(bob, 1)
            assert await told(ann) == state("precise", (2, "off"))
            assert await list_of(eve) == {"1"}
        assert daemon.counter("sharing_lapses_total") == 2
        assert daemon.request("GET", "/v1/me/sharing", user=1).json() == state("precise", (2, "off"))


async def all_sessions_hear_and_http_agrees():
    with Daemon(cores=3) as daemon:
        daemon.befriend((1, 2), (1, 3))
        async with daemon.session(1) as phone, daemon.session(1) as watch, daemon.session(2) as bob:
            await phone.begin(*HERE)
            await bob.begin(*THERE)
            await change(phone, state("approximate"), mode="approximate")
            assert await told(watch) == state("approximate")
            # In the order in which they were said.
            modes = ["off", "precise", "approximate", "off", "precise"] * 8
            for mode in modes:
                await phone.send(type="sharing", mode=mode)
            await phone.send(type="sharing", mode="off", user="9")
            for mode in modes:
                assert await told(phone) == state(mode) and await told(watch) == state(mode)
            assert (await phone.expect("error"))["code"] == "not_friend"
            answer = daemon.request("PUT", "/v1/me/sharing", user=1, body={"mode": "off"})
            assert answer.status == 200 and answer.json() == state("off")
            assert await told(phone) == state("off") and await told(watch) == state("off")
            answer = daemon.request("PUT", "/v1/me/sharing/2", user=1, body={"mode": "precise"})
            assert answer.json() == state("off", (2, "precise")) == await told(phone)
            assert daemon.request("GET", "/v1/me/sharing", user=1).json() == state("off", (2, "precise"))
            answer = daemon.request("DELETE", "/v1/me/sharing/2", user=1)
            assert answer.json() == state("off") == await told(phone)
            assert daemon.request("DELETE", "/v1/me/sharing/9", user=1).json() == state("off")
            answer = daemon.admin("PUT", "/v1/users/1/sharing", {"mode": "precise"})
            assert answer.json() == state("precise") == await told(phone)
            assert daemon.admin("GET", "/v1/users/1/sharing").json() == state("precise")
            # Somebody who was never seen.
            assert daemon.request("GET", "/v1/me/sharing", user=77).json() == state("precise")
            assert daemon.request("PUT", "/v1/me/sharing", user=77, body={"mode": "off"}).json() == state("off")
            assert daemon.request("GET", "/v1/me/sharing", user=77).json() == state("off")
        for status, path, body in ((404, "/v1/me/sharing/9", {"mode": "off"}), (404, "/v1/me/sharing/1", {"mode": "off"}),
                                   (400, "/v1/me/sharing", {"mode": "default"}), (400, "/v1/me/sharing", {}),
                                   (400, "/v1/me/sharing", None), (400, "/v1/me/sharing/2", {"mode": "off", "until": -1}),
                                   (400, "/v1/me/sharing", {"mode": "precise", "until": now_ms() - 1})):
            assert daemon.request("PUT", path, user=1, body=body).status == status, (path, body)


async def what_was_said_outlives_sessions_and_the_process():
    for sig in (signal.SIGTERM, signal.SIGKILL):
        with Daemon(cores=2) as daemon:
            daemon.befriend((1, 2), (4, 2), (5, 2), (6, 2))
            async with daemon.session(1) as ann, daemon.session(4) as dan, daemon.session(5) as fay, \
                    daemon.session(6) as gus:
                for client in (ann, dan, fay, gus):
                    await client.begin(*HERE)
                await change(ann, state("off"), mode="off")
                await change(dan, state("precise", (2, "off")), mode="off", user="2")
                await change(fay, state("approximate"), mode="approximate")
                soon, message = await change_until(gus, 300, mode="precise")
                assert message["until"] == soon
                # Over a reconnect.
                async with daemon.session(2) as bob:
                    await bob.begin(*THERE)
                    assert not {"1", "4"} & await list_of(bob)
            daemon.stop(sig)
            while now_ms() < soon:
                pass
            daemon.start()
            async with daemon.session(2) as bob, daemon.session(1) as ann, daemon.session(4) as dan, \
                    daemon.session(5) as fay, daemon.session(6) as gus:
                page = await bob.begin(*THERE)
                # The table was adopted, and shows no more than before; what ended meanwhile is over.
                assert {entry["user"] for entry in page["friends"]} <= {"5"}, page
                for client in (ann, dan, gus):
                    await client.begin(*HERE)
                await fay.begin(*HERE)
                assert await list_of(bob) == {"5"}
                await ann.send(type="sharing")
                assert await told(ann) == state("off")
                await gus.send(type="sharing")
                assert await told(gus) == state("off")
                await change(ann, state("precise"), mode="precise")
                await change(dan, state("precise"), mode="default", user="2")
                await sees(bob, 1)
                await sees(bob, 4)


async def exceptions_are_a_hundred_at_most():
    with Daemon(cores=2) as daemon:
        daemon.befriend(*((1, friend) for friend in range(100, 202)))
        async with daemon.session(1) as ann, daemon.session(201) as last:
            await ann.begin(*HERE)
            await last.begin(*THERE)
            for friend in range(100, 200):
                answer = daemon.request("PUT", f"/v1/me/sharing/{friend}", user=1, body={"mode": "off"})
                assert answer.status == 200 and len(answer.json()["friends"]) == friend - 99
                assert len((await told(ann))["friends"]) == friend - 99
            await ann.send(type="sharing", mode="off", user="201")
            assert (await ann.expect("error", skipping=("update",)))["code"] == "full"
            assert daemon.request("PUT", "/v1/me/sharing/201", user=1, body={"mode": "off"}).status == 409
            # What was refused does not hold: the friend goes on seeing.
            await ann.locate(HERE[0] + 0.001, HERE[1])
            message = await last.receive()
            while message["type"] != "update" or message["friends"][0]["lat"] != HERE[0] + 0.001:
                message = await last.receive()
            # One that is there may be changed, and one that ends makes room.
            await ann.send(type="sharing", mode="precise", user="100")
            assert {"user": "100", "mode": "precise", "until": None} in (await told(ann))["friends"]
            await ann.send(type="sharing", mode="default", user="100")
            assert len((await told(ann))["friends"]) == 99
            await ann.send(type="sharing", mode="off", user="201")
            assert len((await told(ann))["friends"]) == 100
            await loses(last, 1)


async def what_is_taken_back_stays_so_for_the_next_session_though_it_could_not_be_written():
    with Daemon(cores=2) as daemon:
        daemon.befriend((1, 2))
        async with daemon.session(2) as bob:
            await bob.begin(*HERE)
            async with daemon.session(1) as ann:
                await ann.begin(*HERE)
                await bob.expect("update")
                # No page of a database can be written any more.
                resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
                await ann.send(type="sharing", mode="off")
                assert (await ann.expect("error"))["code"] == "unavailable"
                assert (await bob.expect("gone"))["friends"] == [{"user": "1", "why": "off"}]
            async with daemon.session(1) as ann:
                await ann.begin(*HERE)
                assert (await bob.ask())["friends"] == []
                resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
                await ann.send(type="sharing", mode="precise")
                await ann.expect("sharing")
                assert [friend["user"] for friend in (await bob.expect("update"))["friends"]] == ["1"]


if __name__ == "__main__":
    run(off_is_seen_at_once_and_keeps_nothing, approximate_shows_a_place_of_the_grid_and_nothing_else,
        a_friend_may_see_more_or_less_than_everybody, the_last_who_may_see_is_no_friend_any_more,
        what_is_shared_until_a_time_ends_then,
        all_sessions_hear_and_http_agrees, what_was_said_outlives_sessions_and_the_process,
        exceptions_are_a_hundred_at_most,
        what_is_taken_back_stays_so_for_the_next_session_though_it_could_not_be_written)
