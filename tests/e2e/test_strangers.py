#!/usr/bin/python3
"""
Strangers meet: both want to, in each other's sight, on the grid and nowhere else, until one wants no more.
"""
import asyncio
import math

from daemon import Daemon, run

HERE = (37.7749, -122.4194)
NEAR = (37.7759, -122.4194)


def metres(a, b):
    """On the sphere, which is all that is claimed."""
    lat_a, lon_a, lat_b, lon_b = map(math.radians, (*a, *b))
    half = math.sin((lat_b - lat_a) / 2) ** 2 + \
        math.cos(lat_a) * math.cos(lat_b) * math.sin((lon_b - lon_a) / 2) ** 2
    return 2 * 6371008.8 * math.asin(math.sqrt(half))


async def people(client):
    """The next strangers who are told of; who has none yet is told later."""
    while True:
        message = await client.expect("strangers")
        if message["people"]:
            return message["people"]


async def switch_on(client):
    await client.send(type="strangers", on=True)


async def two_who_want_to_see_strangers_see_each_other_until_one_wants_no_more():
    with Daemon(cores=2) as daemon:
        async with daemon.session(1) as ann, daemon.session(2) as bob, daemon.session(3) as shy:
            for client, place in ((ann, HERE), (bob, NEAR), (shy, HERE)):
                await client.begin(*place)
            await switch_on(ann)
            assert (await ann.expect("strangers"))["people"] == []
            await switch_on(bob)
            (seen,), (back,) = await people(bob), await people(ann)
            assert seen["user"] == "1" and seen["name"] == "" and seen["approximate"] is True
            assert back["user"] == "2"
            # Not where Ann is, but within a cell of the grid; the distance is to there.
            shown = (seen["lat"], seen["lon"])
            assert shown != HERE and 0 < metres(HERE, shown) < 1600
            assert abs(seen["distance_m"] - metres(NEAR, shown)) < 0.1
            await bob.send(type="strangers", on=False)
            assert (await ann.expect("strangers_gone"))["people"] == [{"user": "2", "why": "off"}]
            for client in (bob, shy):
                await client.quiet()


async def who_blocks_a_stranger_is_seen_by_it_no_more():
    with Daemon(cores=2) as daemon:
        async with daemon.session(1) as ann, daemon.session(2) as bob:
            await ann.begin(*HERE)
            await bob.begin(*NEAR)
            await switch_on(ann)
            await switch_on(bob)
            await people(ann)
            await people(bob)
            assert daemon.request("PUT", "/v1/me/blocked/2", user=1).status == 204
            assert (await ann.expect("strangers_gone"))["people"] == [{"user": "2", "why": "off"}]
            assert (await bob.expect("strangers_gone"))["people"] == [{"user": "1", "why": "off"}]
            # Neither do the next sessions bring them together.
        async with daemon.session(1) as ann, daemon.session(2) as bob:
            await bob.begin(*NEAR)
            await switch_on(bob)
            assert (await bob.expect("strangers"))["people"] == []
            await ann.begin(*HERE)
            await switch_on(ann)
            assert (await ann.expect("strangers"))["people"] == []
            assert daemon.request("DELETE", "/v1/me/blocked/2", user=1).status == 204
            assert (await people(ann))[0]["user"] == "2"
            assert (await people(bob))[0]["user"] == "1"


async def who_becomes_a_friend_is_a_stranger_no_more():
    with Daemon(cores=2) as daemon:
        async with daemon.session(1) as ann, daemon.session(2) as bob:
            await ann.begin(*HERE)
            await bob.begin(*NEAR)
            await switch_on(ann)
            await switch_on(bob)
            await people(ann)
            await people(bob)
            daemon.befriend((1, 2))
            assert (await ann.expect("strangers_gone", skipping=["update"]))["people"] == [{"user": "2", "why": "off"}]
            assert (await bob.expect("strangers_gone", skipping=["update"]))["people"] == [{"user": "1", "why": "off"}]


if __name__ == "__main__":
    run(two_who_want_to_see_strangers_see_each_other_until_one_wants_no_more,
        who_blocks_a_stranger_is_seen_by_it_no_more,
        who_becomes_a_friend_is_a_stranger_no_more)
