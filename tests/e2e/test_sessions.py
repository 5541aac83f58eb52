"""
Friends who are near see each other move: the main job, through the real daemon.
"""
import asyncio
import contextlib
import json
import time

import websockets

from daemon import LIMIT_S, Daemon, run, token

# Market Street, and places about 111 m, 5 miles less a little, and 5 miles and a little north of it.
HERE = (37.7749, -122.4194)
NEAR = (37.7759, -122.4194)
EDGE_IN = (37.7749 + 0.0723, -122.4194)
EDGE_OUT = (37.7749 + 0.0724, -122.4194)


async def a_move_goes_from_one_socket_to_the_friends_that_are_near_and_to_no_one_else():
    with Daemon() as daemon:
        daemon.befriend((1, 2), (1, 3), (2, 4))
        assert daemon.admin("PUT", "/v1/users/1", {"name": "Ann"}).status == 204
        async with daemon.session(1) as ann, daemon.session(2) as bob, \
                daemon.session(3) as far, daemon.session(4) as stranger:
            assert ann.welcome["name"] == "Ann" and ann.welcome["user"] == "1"
            assert ann.welcome["radius_m"] == 8046.72 and ann.welcome["ttl_s"] == 600
            assert (await bob.begin(*HERE))["total"] == 0
            await far.begin(48.0, 2.0)
            await stranger.begin(*HERE)
            assert (await bob.expect("update"))["friends"][0]["user"] == "4"
            first = await ann.begin(*NEAR)
            assert [friend["user"] for friend in first["friends"]] == ["2"] and first["next"] is None
            entry = (await bob.expect("update"))["friends"][0]
            assert entry["user"] == "1" and entry["name"] == "Ann"
            assert (entry["lat"], entry["lon"]) == NEAR
            assert abs(entry["distance_m"] - 111.19) < 0.1
            for client in (far, stranger):
                await client.quiet()


async def a_friend_who_crosses_the_border_comes_and_goes():
    with Daemon() as daemon:
        daemon.befriend((1, 2))
        async with daemon.session(1) as ann, daemon.session(2) as bob:
            await ann.begin(*HERE)
            await bob.begin(*EDGE_OUT)
            assert (await ann.quiet())["total"] == 0
            await bob.locate(*EDGE_IN)
            assert (await ann.expect("update"))["friends"][0]["user"] == "2"
            assert (await bob.expect("update"))["friends"][0]["user"] == "1"
            await bob.locate(*EDGE_OUT)
            assert (await ann.expect("gone"))["friends"] == [{"user": "2", "why": "far"}]


async def friendships_begin_and_end_on_live_sessions_at_once():
    with Daemon() as daemon:
        async with daemon.session(1) as ann, daemon.session(2) as bob:
            await ann.begin(*HERE)
            await bob.begin(*NEAR)
            assert daemon.admin("PUT", "/v1/users/1/friends/2").status == 204
            assert (await ann.expect("update"))["friends"][0]["user"] == "2"
            assert (await bob.expect("update"))["friends"][0]["user"] == "1"
            assert daemon.admin("DELETE", "/v1/users/2/friends/1").status == 204
            # A core that begins to follow looks again at who may have moved meanwhile, so the same place
            # may be told twice.
            assert (await ann.expect("gone", skipping=["update"]))["friends"] == [{"user": "2", "why": "unfriended"}]
            assert (await bob.expect("gone", skipping=["update"]))["friends"] == [{"user": "1", "why": "unfriended"}]
            await bob.locate(*HERE)
            await bob.quiet()
            assert (await ann.quiet())["total"] == 0
            for client, other in ((ann, 2), (bob, 1)):
                await client.friend("added", other)
                await client.friend("removed", other)


async def an_expired_location_goes_with_idle():
    with Daemon(ttl_s=1) as daemon:
        daemon.befriend((1, 2))
        async with daemon.session(1) as ann, daemon.session(2) as bob:
            # On a slow machine one location may expire before the other comes: then once more.
            while "2" not in ann.told:
                await bob.locate(*NEAR)
                await ann.locate(*HERE)
                await ann.receive()
            gone = await ann.expect("gone", skipping=["nearby", "update"])
            assert gone["friends"] == [{"user": "2", "why": "idle"}]


async def lists_are_paged_nearest_first():
    with Daemon() as daemon:
        count = 45
        daemon.befriend(*[(1, 10 + i) for i in range(count)])
        sessions = [daemon.session(10 + i) for i in range(count)]
        for i, session in enumerate(sessions):
            await session.__aenter__()
            await session.begin(HERE[0] + 0.001 * (i + 1), HERE[1])
        async with daemon.session(1) as ann:
            page = await ann.begin(*HERE)
            assert page["total"] == count and len(page["friends"]) == 20
            seen = page["friends"]
            while page["next"]:
                page = await ann.ask(cursor=page["next"], limit=7)
                seen += page["friends"]
            assert [friend["user"] for friend in seen] == [str(10 + i) for i in range(count)]
            distances = [friend["distance_m"] for friend in seen]
            assert distances == sorted(distances)
            # The same over HTTP.
            answer = daemon.request("GET", "/v1/me/nearby?limit=100", user=1).json()
            assert [friend["user"] for friend in answer["friends"]] == [friend["user"] for friend in seen]
            assert answer["total"] == count and answer["next"] is None
        for session in sessions:
            await session.__aexit__()


async def mistakes_are_answered_by_their_code_and_the_session_goes_on():
    with Daemon() as daemon:
        daemon.befriend((1, 2))
        async with daemon.session(1) as ann:
            async def refused(code, text=None, **message):
                await ann.socket.send(text if text is not None else json.dumps(message))
                assert (await ann.expect("error"))["code"] == code
            now = int(time.time() * 1000)
            await refused("no_location", type="nearby")
            await refused("no_location", type="subscribe", user="2")
            await refused("bad_field", type="location", lat=91, lon=0)
            await refused("bad_field", type="location", lat=1)
            await refused("bad_json", text="[1]")
            await refused("bad_json", text="{")
            await refused("unknown_type", type="teleport")
            await refused("bad_field", type="sharing", mode="default")
            await refused("bad_field", type="strangers", on="yes")
            await refused("bad_time", type="location", lat=1, lon=1, ts=now + 120000)
            await ann.begin(*HERE, ts=now)
            await refused("stale", type="location", lat=1, lon=1, ts=now - 1)
            await refused("not_friend", type="subscribe", user="3")
            await refused("bad_field", type="nearby", limit=101)
            await refused("bad_token", type="token", token="nonsense")
            await ann.send(type="subscribe", user="2")
            assert (await ann.expect("gone"))["friends"] == [{"user": "2", "why": "idle"}]
            for _ in range(20):
                await ann.send(type="teleport")
            assert await ann.closed() == 1008


async def tokens_open_and_end_sessions():
    with Daemon() as daemon:
        for bearer in ("", "nonsense", token(1, seconds=-1), token("x"), token(2**63)):
            try:
                async with daemon.session(1, bearer=bearer or " "):
                    raise AssertionError("let in with " + bearer)
            except websockets.InvalidStatusCode as refused:
                assert refused.status_code == 401
        # By the query, for browsers.
        async with websockets.connect(
                f"ws://127.0.0.1:{daemon.port}/v1/ws?access_token={token(5)}", open_timeout=LIMIT_S) as client:
            assert json.loads(await client.recv())["user"] == "5"
        ann = await daemon.expiring_session(1)
        assert await ann.closed() == 4401


async def a_token_that_is_renewed_in_time_keeps_its_session():
    with Daemon() as daemon:
        async with daemon.session(1, bearer=token(1, seconds=6)) as ann:
            await ann.send(type="token", token=token(1))
            await ann.begin(*HERE)
            # His is over after hers would be, and a token is looked at once a second.
            bob = await daemon.expiring_session(2, seconds=8)
            assert await bob.closed() == 4401
            await ann.send(type="token", token=token(2))
            assert (await ann.expect("error"))["code"] == "bad_token"


async def a_deleted_user_leaves_nothing_behind():
    with Daemon(history_commit_ms=10) as daemon:
        daemon.befriend((1, 2))
        async with daemon.session(1) as ann, daemon.session(2) as bob:
            await bob.begin(*NEAR)
            await ann.begin(*HERE)
            await bob.expect("update")

            async def move():
                with contextlib.suppress(websockets.ConnectionClosed):
                    for i in range(1000000):
                        await ann.locate(HERE[0] + i % 100 * 1e-6, HERE[1])
                        await asyncio.sleep(0)
            moving = asyncio.create_task(move())
            delete = asyncio.get_running_loop().run_in_executor(
                None, daemon.admin, "DELETE", "/v1/users/1")
            assert (await delete).status == 204
            await moving
            assert await ann.closed() == 4401
            while (message := await bob.receive())["type"] == "update":
                pass
            assert message["friends"] == [{"user": "1", "why": "unfriended"}], message
            # Whatever was under way when it was deleted is written by now: a later one is.
            await bob.locate(*HERE)
            committed = daemon.counter("history_commits_total")
            daemon.wait_for_counter("history_commits_total", committed + 1)
            assert daemon.admin("GET", "/v1/users/1/history").text == ""
            problem = daemon.admin("GET", "/v1/users/1/nearby")
            assert problem.status == 409


async def devices_that_come_back_during_a_deletion_leave_nothing_without_a_user():
    with Daemon(history_commit_ms=10, cores=2, sessions_max=100) as daemon:
        deleted = asyncio.Event()

        async def come_back():
            while not deleted.is_set():
                # Refused with 409 meanwhile, or closed with 4401.
                with contextlib.suppress(websockets.ConnectionClosed, websockets.InvalidStatusCode,
                                         asyncio.IncompleteReadError):
                    async with daemon.session(1) as device:
                        while not deleted.is_set():
                            await device.locate(*HERE)
                            await asyncio.sleep(0)

        devices = [asyncio.create_task(come_back()) for _ in range(4)]
        for _ in range(5):
            await asyncio.get_running_loop().run_in_executor(None, daemon.admin, "PUT", "/v1/users/1")
            answer = await asyncio.get_running_loop().run_in_executor(None, daemon.admin, "DELETE", "/v1/users/1")
            assert answer.status == 204, answer.text
        deleted.set()
        await asyncio.gather(*devices)
        # Whoever joined after the last deletion is a new user; without one there is no history.
        async with daemon.session(2) as bob:
            await bob.begin(*HERE)
            await bob.quiet()
            committed = daemon.counter("history_commits_total")
            await bob.locate(*NEAR)
            daemon.wait_for_counter("history_commits_total", committed + 1)
        if daemon.admin("GET", "/v1/users/1").status == 404:
            assert daemon.admin("GET", "/v1/users/1/history").text == ""


async def several_devices_of_one_user_see_the_same():
    with Daemon() as daemon:
        daemon.befriend((1, 2))
        async with daemon.session(1) as phone, daemon.session(1) as watch, daemon.session(2) as bob:
            await bob.begin(*NEAR)
            assert (await phone.begin(*HERE))["total"] == 1
            assert (await bob.expect("update"))["friends"][0]["user"] == "1"
            assert (await watch.begin(*HERE))["total"] == 1
            await bob.locate(*HERE)
            for device in (phone, watch):
                update = await device.expect("update")
                assert update["friends"][0]["user"] == "2" and update["friends"][0]["distance_m"] == 0


async def a_deleted_user_is_gone_for_friends_and_from_history():
    with Daemon(history_commit_ms=10) as daemon:
        daemon.befriend((1, 2))
        async with daemon.session(1) as ann, daemon.session(2) as bob:
            await ann.begin(*HERE)
            await bob.begin(*NEAR)
            await ann.expect("update")
            await bob.locate(*HERE)
            await ann.expect("update")
            assert daemon.admin("DELETE", "/v1/users/2").status == 204
            assert await bob.closed() == 4401
            gone = (await ann.expect("gone"))["friends"]
            assert [friend["user"] for friend in gone] == ["2"], gone
            assert (await ann.ask(limit=1))["total"] == 0
        daemon.wait_for_counter("history_locations_total", 3)
        assert {json.loads(line)["user"] for line in daemon.admin("GET", "/v1/export").text.splitlines()} == {"1"}
        assert daemon.admin("GET", "/v1/users/1/friends").json()["total"] == 0


async def a_name_that_changes_while_a_follower_joins_is_the_new_one_there():
    with Daemon() as daemon:
        loop = asyncio.get_running_loop()
        daemon.befriend((1, 2))
        async with daemon.session(2) as bob:
            await bob.begin(*NEAR)
            for attempt in range(40):
                name = f"Bob {attempt}"
                renamed = loop.run_in_executor(None, daemon.admin, "PUT", "/v1/users/2", {"name": name})
                async with daemon.session(1) as ann:
                    assert (await renamed).status == 204
                    await ann.begin(*HERE)
                    await bob.ask(limit=1)
                    await bob.locate(NEAR[0] + attempt * 1e-5, NEAR[1])
                    entry = (await ann.ask(limit=1))["friends"][0]
                    assert entry["name"] == name, (entry, name)
                assert (await bob.ask(limit=1))["total"] == 1


async def a_drain_tells_sessions_to_reconnect_and_ends_with_1012():
    daemon = Daemon()
    daemon.start()
    try:
        async with daemon.session(1) as ann:
            await ann.begin(*HERE)
            stopping = asyncio.get_running_loop().run_in_executor(None, daemon.stop)
            assert (await ann.expect("reconnect"))["after_ms"] > 0
            assert await ann.closed() == 1012
            assert await stopping == 0
        # What was known is there at the next start.
        daemon.start()
        async with daemon.session(1) as ann:
            answer = daemon.request("GET", "/v1/me/nearby", user=1)
            assert answer.status == 200, answer.text
            history = daemon.request("GET", "/v1/me/history", user=1)
            assert json.loads(history.text)["lat"] == HERE[0]
    finally:
        daemon.__exit__(None, None, None)


async def a_reader_that_pauses_gets_only_the_newest_position():
    with Daemon() as daemon:
        daemon.befriend((1, 2))
        async with daemon.session(1) as ann, daemon.session(2) as bob:
            await ann.begin(*HERE)
            await bob.begin(*NEAR)
            await ann.expect("update")
            for i in range(1, 200):
                await bob.locate(NEAR[0] + i * 1e-6, NEAR[1])
            last = round(NEAR[0] + 199e-6, 7)
            while (await ann.expect("update"))["friends"][0]["lat"] != last:
                pass


if __name__ == "__main__":
    run(a_move_goes_from_one_socket_to_the_friends_that_are_near_and_to_no_one_else,
        a_friend_who_crosses_the_border_comes_and_goes,
        friendships_begin_and_end_on_live_sessions_at_once,
        an_expired_location_goes_with_idle,
        lists_are_paged_nearest_first,
        mistakes_are_answered_by_their_code_and_the_session_goes_on,
        tokens_open_and_end_sessions,
        a_token_that_is_renewed_in_time_keeps_its_session,
        a_deleted_user_leaves_nothing_behind,
        devices_that_come_back_during_a_deletion_leave_nothing_without_a_user,
        several_devices_of_one_user_see_the_same,
        a_deleted_user_is_gone_for_friends_and_from_history,
        a_name_that_changes_while_a_follower_joins_is_the_new_one_there,
        a_drain_tells_sessions_to_reconnect_and_ends_with_1012,
        a_reader_that_pauses_gets_only_the_newest_position)
