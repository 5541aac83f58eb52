"""
Who may see whom: profiles, friendships that are asked for and accepted, blocks; and that sessions hear of it at once.
"""
import asyncio
import concurrent.futures
import contextlib
import random
import socket

from daemon import LIMIT_S, Daemon, run, token

HERE = (37.7749, -122.4194)
NEAR = (37.7759, -122.4194)


def problem(answer, status, *words):
    assert answer.status == status, (answer.status, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    detail = answer.json()["detail"]
    assert all(word in detail for word in words), detail
    return detail


def me(daemon, user, method, path="", body=None):
    return daemon.request(method, "/v1/me" + path, user=user, body=body)


# ---- profiles ----


def my_profile_is_mine_to_change():
    with Daemon() as daemon:
        assert me(daemon, 7, "PATCH", body={"name": "Ann", "picture": "https://a.example/7.png"}).json() == {
            "user": "7", "name": "Ann", "picture": "https://a.example/7.png"}
        assert me(daemon, 7, "PATCH", body={"name": "Änn 🙂"}).json()["picture"] == "https://a.example/7.png"
        assert me(daemon, 7, "PATCH", body={"picture": None}).json() == {"user": "7", "name": "Änn 🙂", "picture": ""}
        assert me(daemon, 7, "PATCH", body={"name": ""}).json() == {"user": "7", "name": "", "picture": ""}
        assert me(daemon, 7, "PATCH", body={"other": 1}).json() == {"user": "7", "name": "", "picture": ""}
        assert me(daemon, 7, "PATCH", body={"name": "n" * 64, "picture": "https://" + "a" * 504}).status == 200
        for name in (5, [], "n" * 65, "ü" * 33):
            problem(me(daemon, 7, "PATCH", body={"name": name}), 400, "name", "0 to 64 bytes")
        for name in ("a\nb", "\x00", "a\x7f", "\x85"):
            problem(me(daemon, 7, "PATCH", body={"name": name}), 400, "name", "control characters")
        problem(me(daemon, 7, "PATCH", body={"picture": "https://" + "a" * 505}), 400, "picture", "512")
        for picture in ("http://a.example", "https://", "https:///a", "https://a b", "javascript:x", "https://ä",
                        "https://a\"b", "https://a\n"):
            problem(me(daemon, 7, "PATCH", body={"picture": picture}), 400, "picture", "https://")
        for body in ("", "{", "[]", "5"):
            problem(me(daemon, 7, "PATCH", body=body), 400)
        problem(me(daemon, 7, "PATCH", body="x" * 9000), 413, "8192")
        problem(daemon.request("PATCH", "/v1/me", body={}), 401)
        assert me(daemon, 7, "GET").json() == {"user": "7", "name": "n" * 64, "picture": "https://" + "a" * 504}
        # An operator's requests keep to the same.
        problem(daemon.admin("PUT", "/v1/users/7", {"picture": "http://a.example"}), 400, "https://")
        problem(daemon.admin("PUT", "/v1/users/7", {"name": "a\tb"}), 400, "control characters")


async def friends_see_the_name_that_a_user_gives_itself():
    with Daemon() as daemon:
        daemon.befriend((1, 2))
        async with daemon.session(1) as ann, daemon.session(2) as bob:
            await ann.begin(*HERE)
            await bob.begin(*NEAR)
            await ann.expect("update")
            assert me(daemon, 2, "PATCH", body={"name": "Bob"}).status == 200
            await bob.locate(*HERE)
            assert (await ann.expect("update"))["friends"][0]["name"] == "Bob"
        async with daemon.session(2) as bob:
            assert bob.welcome["name"] == "Bob"


async def who_leaves_is_gone_and_may_come_back_as_nobody():
    with Daemon() as daemon:
        daemon.befriend((1, 2))
        assert me(daemon, 2, "PATCH", body={"name": "Bob"}).status == 200
        async with daemon.session(1) as ann, daemon.session(2) as bob:
            await ann.begin(*HERE)
            await bob.begin(*NEAR)
            await ann.expect("update")
            assert me(daemon, 2, "DELETE").status == 204
            assert await bob.closed() == 4401
            assert (await ann.expect("gone"))["friends"] == [{"user": "2", "why": "unfriended"}]
            await ann.friend("removed", 2, "Bob")
            assert (await ann.quiet())["total"] == 0 and not ann.news
        assert me(daemon, 1, "GET", "/friends").json()["total"] == 0
        assert daemon.admin("GET", "/v1/users/2").status == 404
        assert me(daemon, 2, "DELETE").status == 204
        assert me(daemon, 2, "GET").json() == {"user": "2", "name": "", "picture": ""}


# ---- friendships that an operator makes ----


async def a_slow_reader_hears_of_every_friendship_in_order():
    with Daemon(friends_max=5000) as daemon:
        async with daemon.session(1) as ann:
            daemon.befriend(*((1, 10 + i) for i in range(4000)))
            for i in range(4000):
                await ann.friend("added", 10 + i)
            await ann.begin(*HERE)
            assert not ann.news


# ---- friendships that users agree on ----


def ask(daemon, user, other):
    answer = me(daemon, user, "PUT", f"/friends/{other}")
    assert answer.status == 200, answer.text
    return answer.json()["state"]


def end(daemon, user, other):
    assert me(daemon, user, "DELETE", f"/friends/{other}").status == 204


def people(daemon, user, what="friends"):
    page = me(daemon, user, "GET", f"/{what}?limit=100").json()
    found = [entry["user"] for entry in page["people" if what == "blocked" else "friends"]]
    assert page["total"] == len(found) and page["next"] is None, page
    return [int(user) for user in found]


def name(daemon, *users):
    for user in users:
        assert daemon.admin("PUT", f"/v1/users/{user}", {"name": f"U{user}"}).status in (201, 204)


async def nobody_sees_anybody_before_both_have_agreed():
    # Of some pairs both live on one core, of others not.
    with Daemon(cores=3) as daemon:
        for a, b in ((1, 2), (3, 4), (5, 6), (7, 8)):
            name(daemon, a, b)
            async with daemon.session(a) as ann, daemon.session(a) as watch, daemon.session(b) as bob:
                assert (await ann.begin(*HERE))["total"] == 0 and (await bob.begin(*NEAR))["total"] == 0
                assert ask(daemon, a, b) == "asked" and ask(daemon, a, b) == "asked"
                assert people(daemon, a, "friends/asked") == [b] and people(daemon, b, "friends/asking") == [a]
                assert people(daemon, a) == people(daemon, b) == []
                await ann.locate(*HERE)
                assert (await bob.quiet())["total"] == 0 and (await ann.quiet())["total"] == 0
                await bob.friend("asked", a, f"U{a}")
                await ann.send(type="subscribe", user=str(b))
                assert (await ann.expect("error"))["code"] == "not_friend"
                assert not ann.news and not bob.news

                assert ask(daemon, b, a) == "friends" and ask(daemon, a, b) == "friends"
                assert (await ann.expect("update"))["friends"][0]["user"] == str(b)
                assert (await bob.expect("update"))["friends"][0]["user"] == str(a)
                for client, other in ((ann, b), (watch, b), (bob, a)):
                    await client.friend("added", other, f"U{other}")
                assert people(daemon, a) == [b] and people(daemon, b) == [a]
                assert people(daemon, a, "friends/asked") == people(daemon, b, "friends/asking") == []

                end(daemon, b, a)
                for client, other in ((ann, b), (bob, a)):
                    assert (await client.expect("gone", skipping=("update",)))["friends"] == [
                        {"user": str(other), "why": "unfriended"}]
                for client, other in ((ann, b), (watch, b), (bob, a)):
                    await client.friend("removed", other, f"U{other}")
                end(daemon, b, a)
                await ann.locate(*NEAR)
                assert (await bob.quiet())["total"] == 0 and (await ann.quiet())["total"] == 0
                assert not ann.news and not bob.news


async def what_was_asked_is_declined_or_withdrawn():
    with Daemon() as daemon:
        name(daemon, 1, 2)
        async with daemon.session(1) as ann, daemon.session(2) as bob:
            for who in (1, 2):
                assert ask(daemon, 1, 2) == "asked"
                end(daemon, who, 3 - who)
                await bob.friend("asked", 1, "U1")
                await bob.friend("removed", 1, "U1")
                await ann.friend("removed", 2, "U2")
                assert people(daemon, 1, "friends/asked") == people(daemon, 2, "friends/asking") == []
            await ann.begin(*HERE)
            await bob.begin(*HERE)
            assert not ann.news and not bob.news


async def who_asks_each_other_at_once_are_friends():
    with Daemon(cores=3) as daemon:
        name(daemon, 1, 2)
        for _ in range(20):
            states = await asyncio.gather(asyncio.to_thread(ask, daemon, 1, 2), asyncio.to_thread(ask, daemon, 2, 1))
            assert sorted(states) == ["asked", "friends"], states
            assert people(daemon, 1) == [2] and people(daemon, 2) == [1]
            assert people(daemon, 1, "friends/asked") == people(daemon, 2, "friends/asked") == []
            await asyncio.gather(asyncio.to_thread(end, daemon, 1, 2), asyncio.to_thread(end, daemon, 2, 1))
            assert people(daemon, 1) == people(daemon, 2) == []


def what_cannot_be_asked_is_refused_with_its_reason():
    with Daemon(friends_max=2) as daemon:
        name(daemon, 2, 3, 4, 5)
        problem(me(daemon, 1, "PUT", "/friends/9"), 404, "no such user")
        problem(me(daemon, 1, "PUT", "/friends/1"), 422, "themselves")
        problem(me(daemon, 1, "PUT", "/friends/x"), 404)
        problem(me(daemon, 1, "PUT", "/blocked/9"), 404, "no such user")
        problem(me(daemon, 2, "PUT", "/blocked/2"), 422, "themselves")
        for path in ("/friends/9", "/friends/1", "/blocked/9", "/blocked/1"):
            assert me(daemon, 1, "DELETE", path).status == 204
        for path in ("/friends/2", "/blocked/2"):
            for method in ("PUT", "DELETE"):
                problem(daemon.request(method, "/v1/me" + path), 401)
            assert daemon.request("POST", "/v1/me" + path, user=1).headers["allow"] == "PUT, DELETE"
        daemon.befriend((2, 3), (2, 4))
        problem(me(daemon, 2, "PUT", "/friends/5"), 409, "friends-max", "2 friends", "1000 asks")
        problem(me(daemon, 5, "PUT", "/friends/2"), 409, "friends-max")
        assert people(daemon, 5, "friends/asked") == people(daemon, 2, "friends/asking") == []


def lists_are_paged_by_user():
    with Daemon() as daemon:
        name(daemon, *range(1, 7))
        for other in range(2, 7):
            ask(daemon, 1, other)
            assert me(daemon, 7, "PUT", f"/blocked/{other}").status == 204
        for path, key, user in (("/friends/asked", "friends", 1), ("/blocked", "people", 7)):
            seen, cursor = [], ""
            while cursor is not None:
                page = me(daemon, user, "GET", f"{path}?limit=2{cursor and '&cursor=' + cursor}").json()
                assert page["total"] == 5 and len(page[key]) <= 2
                seen, cursor = seen + page[key], page["next"]
            assert seen == [{"user": str(other), "name": f"U{other}"} for other in range(2, 7)], seen
            same = "/v1/users/" + str(user) + path
            assert daemon.admin("GET", same).json()[key] == seen
        assert me(daemon, 3, "GET", "/friends/asking").json()["friends"] == [{"user": "1", "name": "U1"}]
        assert daemon.admin("GET", "/v1/users/3/friends/asking").json()["total"] == 1
        problem(me(daemon, 1, "GET", "/friends/asked?limit=0"), 400, "limit")


async def a_block_ends_all_between_two_and_keeps_it_so():
    with Daemon(cores=3) as daemon:
        name(daemon, 1, 2)
        daemon.befriend((1, 2))
        async with daemon.session(1) as ann, daemon.session(2) as bob:
            await ann.begin(*HERE)
            assert (await bob.begin(*NEAR))["total"] == 1
            await ann.expect("update")
            assert me(daemon, 2, "PUT", "/blocked/1").status == 204
            assert me(daemon, 2, "PUT", "/blocked/1").status == 204
            for client, other in ((ann, 2), (bob, 1)):
                assert (await client.expect("gone", skipping=("update",)))["friends"] == [
                    {"user": str(other), "why": "unfriended"}]
                await client.friend("removed", other, f"U{other}")
            assert people(daemon, 2, "blocked") == [1] and people(daemon, 1, "blocked") == []
            for a, b in ((1, 2), (2, 1)):
                problem(me(daemon, a, "PUT", f"/friends/{b}"), 403, "blocked")
                problem(daemon.admin("PUT", f"/v1/users/{a}/friends/{b}"), 409, "blocked")
            refused = daemon.admin("POST", "/v1/import/friends", "2\t1\n", {"Content-Type": "text/tab-separated-values"})
            assert refused.json()["reasons"] == {"blocked": {"count": 1, "first_line": 1}}
            # Each has its own block to lift.
            assert me(daemon, 1, "PUT", "/blocked/2").status == 204
            assert me(daemon, 2, "DELETE", "/blocked/1").status == 204
            problem(me(daemon, 2, "PUT", "/friends/1"), 403)
            assert me(daemon, 1, "DELETE", "/blocked/2").status == 204
            assert ask(daemon, 2, 1) == "asked"
            await ann.friend("asked", 2, "U2")
            # An ask ends too.
            assert me(daemon, 1, "PUT", "/blocked/2").status == 204
            await ann.friend("removed", 2, "U2")
            await bob.friend("removed", 1, "U1")
            assert (await ann.quiet())["total"] == 0 and (await bob.quiet())["total"] == 0
            assert not ann.news and not bob.news


async def after_the_answer_not_one_more_message_tells_of_the_other():
    with Daemon(cores=3) as daemon:
        pairs = ((1, 2), (3, 4), (5, 6))
        for way in ("friends", "blocked"):
            for a, b in pairs:
                daemon.befriend((a, b))
                async with daemon.session(a) as ann, daemon.session(b) as bob:
                    await ann.begin(*HERE)
                    await bob.begin(*NEAR)
                    moving = True

                    async def move():
                        step = 0
                        while moving:
                            step += 1
                            await bob.locate(NEAR[0] + step % 50 * 1e-5, NEAR[1])
                            await asyncio.sleep(0)
                    mover = asyncio.create_task(move())
                    await ann.expect("update")
                    method = "DELETE" if way == "friends" else "PUT"
                    answer = await asyncio.to_thread(me, daemon, a, method, f"/{way}/{b}")
                    assert answer.status == 204
                    # What was sent before the answer may lie in the socket still, before this list.
                    await ann.send(type="nearby", limit=1)
                    while (message := await ann.hear())["type"] != "nearby":
                        pass
                    assert message["total"] == 0, message
                    moving = False
                    await mover
                    await bob.send(type="nearby")
                    assert (await bob.expect("nearby", skipping=("update", "gone")))["total"] == 0
                    await ann.send(type="nearby", limit=2)
                    assert (message := await ann.hear())["type"] == "nearby", message
                me(daemon, a, "DELETE", f"/blocked/{b}")


async def who_joins_while_friends_are_made_has_them():
    with Daemon(cores=3) as daemon:
        name(daemon, 1, 2)
        async with daemon.session(2) as bob:
            await bob.begin(*NEAR)
            for _ in range(15):
                for change, total in ((ask, 1), (end, 0)):
                    if change is ask:
                        ask(daemon, 1, 2)
                    changed = asyncio.create_task(asyncio.to_thread(change, daemon, 2, 1))
                    async with daemon.session(1) as ann:
                        await changed
                        await ann.begin(*HERE)
                        assert (await ann.ask(limit=1))["total"] == total


def a_list_of_friends_is_made_so_and_live_sessions_hear_of_it():
    text = {"Content-Type": "text/plain; charset=utf-8"}

    def sync(daemon, user, users, status=200, headers=text):
        answer = daemon.admin("PUT", f"/v1/users/{user}/friends", "".join(f"{other}\n" for other in users), headers)
        assert answer.status == status, answer.text
        return answer.json()

    async def drive(daemon):
        async with daemon.session(2) as bob, daemon.session(5) as eve:
            await bob.begin(*HERE)
            await eve.begin(*HERE)
            assert sync(daemon, 1, (5, 2, "# a comment", "", 9)) == {"added": 3, "removed": 0}
            async with daemon.session(1) as ann:
                assert (await ann.begin(*HERE))["total"] == 2
                for client in (bob, eve):
                    await client.friend("added", 1, "U1")
                assert sync(daemon, 1, (9, 5, 4)) == {"added": 1, "removed": 1}
                assert (await ann.expect("gone", skipping=("update",)))["friends"] == [
                    {"user": "2", "why": "unfriended"}]
                await ann.friend("added", 4)
                await ann.friend("removed", 2)
                await bob.expect("gone", skipping=("update",))
                await bob.friend("removed", 1, "U1")
                assert (await ann.ask(limit=1))["total"] == 1 and (await bob.ask(limit=1))["total"] == 0

    with Daemon(friends_max=3) as daemon:
        name(daemon, 1)
        asyncio.run(drive(daemon))
        assert people(daemon, 1) == [4, 5, 9]
        assert sync(daemon, 1, (4, 5, 9)) == {"added": 0, "removed": 0}
        assert "line 4" in sync(daemon, 1, (1000, 1001, 1002, 1003), 409)["detail"]
        sync(daemon, 2, (1001, 1002, 1003))
        assert "nothing was changed" in sync(daemon, 1, (2, 1004), 409)["detail"]
        assert "line 2" in sync(daemon, 1, (4, "x"), 400)["detail"]
        assert "line 1" in sync(daemon, 1, ("5" * 9000,), 400)["detail"]
        assert "line 3" in sync(daemon, 1, (4, 5, 1), 422)["detail"]
        assert "text/plain" in sync(daemon, 1, (4, 5), 415, {"Content-Type": "application/json"})["detail"]
        assert people(daemon, 1) == [4, 5, 9] and people(daemon, 1004) == []
        assert sync(daemon, 1, (4, 5, 4)) == {"added": 0, "removed": 1}
        # Over a block nobody is made a friend.
        assert me(daemon, 7, "PUT", "/blocked/1").status == 204
        assert sync(daemon, 1, (7, 4)) == {"added": 0, "removed": 1}
        assert people(daemon, 1) == [4]
        assert sync(daemon, 1, ()) == {"added": 0, "removed": 1}


def storm(daemon, user, others, seed):
    """Many changes at once over one connection, which is of whatever core took it; each is answered."""
    dice = random.Random(seed)
    ways = ["PUT /v1/me/friends"] * 4 + ["DELETE /v1/me/friends"] * 2 + ["PUT /v1/me/blocked", "DELETE /v1/me/blocked"]
    changes = [f"{dice.choice(ways)}/{dice.choice(others)}" for _ in range(40)]
    head = f" HTTP/1.1\r\nHost: nearby\r\nAuthorization: Bearer {token(user)}\r\nContent-Length: 0\r\n\r\n"
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=LIMIT_S) as connection, \
            connection.makefile("rb") as answers:
        connection.sendall("".join(change + head for change in changes).encode())
        for change in changes:
            status = int(answers.readline().split()[1])
            lines = iter(answers.readline, b"\r\n")
            length = {name.lower(): value for name, _, value in (line.partition(b":") for line in lines)}.get(
                b"content-length", b"0")
            body = answers.read(int(length))
            assert status in (200, 204, 403), (change, status, body)


async def lists_sessions_and_messages_agree_after_a_storm_of_changes():
    users = range(1, 5)

    async def follow(client, seen, news):
        """Reads until the list that was asked for with limit 99 has come; keeps moving meanwhile."""
        step = 0
        while True:
            message = await client.hear()
            if message["type"] == "friend":
                news[int(message["user"])] = message["what"]
            elif message["type"] == "update":
                seen.update(int(entry["user"]) for entry in message["friends"])
                step += 1
                await client.locate(HERE[0] + step % 100 * 1e-5, HERE[1])
            elif message["type"] == "gone":
                assert {entry["why"] for entry in message["friends"]} == {"unfriended"}, message
                seen.difference_update(int(entry["user"]) for entry in message["friends"])
            elif message["type"] == "nearby" and client.is_last:
                return {int(entry["user"]) for entry in message["friends"]}

    with Daemon(cores=3) as daemon:
        name(daemon, *users)
        async with contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(daemon.session(user)) for user in users]
            seen, news = [set() for _ in users], [{} for _ in users]
            for client in clients:
                client.is_last = False
                await client.begin(*HERE)
            readers = [asyncio.create_task(follow(client, *of)) for client, *of in zip(clients, seen, news)]
            with concurrent.futures.ThreadPoolExecutor(6 * len(users)) as pool:
                await asyncio.gather(*(
                    asyncio.get_running_loop().run_in_executor(
                        pool, storm, daemon, user, [other for other in users if other != user], 10 * user + i)
                    for user in users for i in range(6)))
            for client in clients:
                client.is_last = True
                await client.send(type="nearby", limit=99)
            near = await asyncio.gather(*readers)
        for i, user in enumerate(users):
            friends, asking = set(people(daemon, user)), set(people(daemon, user, "friends/asking"))
            assert near[i] == friends, (user, near[i], friends)
            assert seen[i] <= friends, (user, seen[i], friends)
            assert {other for other, what in news[i].items() if what == "added"} == friends, (user, news[i], friends)
            assert {other for other, what in news[i].items() if what == "asked"} == asking, (user, news[i], asking)
            for other in friends:
                assert user in people(daemon, other)
            assert not friends & set(people(daemon, user, "blocked"))


if __name__ == "__main__":
    run(my_profile_is_mine_to_change,
        friends_see_the_name_that_a_user_gives_itself,
        who_leaves_is_gone_and_may_come_back_as_nobody,
        a_slow_reader_hears_of_every_friendship_in_order,
        nobody_sees_anybody_before_both_have_agreed,
        what_was_asked_is_declined_or_withdrawn,
        who_asks_each_other_at_once_are_friends,
        what_cannot_be_asked_is_refused_with_its_reason,
        lists_are_paged_by_user,
        a_block_ends_all_between_two_and_keeps_it_so,
        after_the_answer_not_one_more_message_tells_of_the_other,
        who_joins_while_friends_are_made_has_them,
        a_list_of_friends_is_made_so_and_live_sessions_hear_of_it,
        lists_sessions_and_messages_agree_after_a_storm_of_changes)
