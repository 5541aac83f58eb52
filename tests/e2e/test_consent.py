"""
Who may see whom: profiles, friendships that are asked for and accepted, blocks; and that sessions hear of it at once.
"""
from daemon import Daemon, run

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


if __name__ == "__main__":
    run(my_profile_is_mine_to_change,
        friends_see_the_name_that_a_user_gives_itself,
        who_leaves_is_gone_and_may_come_back_as_nobody,
        a_slow_reader_hears_of_every_friendship_in_order)
