"""
The HTTP API: what operators and clients ask by requests, and what they are told when they ask wrongly.
"""
import http.client
import json
import signal
import time

from daemon import Daemon, run, token


def problem(answer, status):
    assert answer.status == status, (answer.status, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status and body["title"] and body["detail"]
    return body["detail"]


def users_are_put_read_and_deleted():
    with Daemon() as daemon:
        problem(daemon.admin("GET", "/v1/users/7"), 404)
        assert daemon.admin("PUT", "/v1/users/7", {"name": "Änn \"7\"", "picture": "https://a/b"}).status == 201
        assert daemon.admin("PUT", "/v1/users/7", {"name": "Ann"}).status == 204
        assert daemon.admin("GET", "/v1/users/7").json() == {
            "user": "7", "name": "Ann", "picture": "https://a/b"}
        assert daemon.request("GET", "/v1/me", user=7).json()["name"] == "Ann"
        # A bearer of a good token is a user, known or not.
        assert daemon.request("GET", "/v1/me", user=8).json() == {"user": "8", "name": "", "picture": ""}
        assert daemon.admin("DELETE", "/v1/users/7").status == 204
        problem(daemon.admin("GET", "/v1/users/7"), 404)
        problem(daemon.admin("DELETE", "/v1/users/7"), 404)


def asking_for_a_user_does_not_make_one():
    with Daemon() as daemon:
        problem(daemon.admin("GET", "/v1/users/7/nearby"), 409)
        assert daemon.admin("GET", "/v1/users/7/friends").json()["total"] == 0
        assert daemon.admin("GET", "/v1/users/7/history").text == ""
        problem(daemon.admin("GET", "/v1/users/7"), 404)


def friendships_are_put_listed_and_deleted():
    with Daemon(friends_max=3) as daemon:
        for friend in (11, 12, 13):
            assert daemon.admin("PUT", f"/v1/users/1/friends/{friend}").status == 204
        assert daemon.admin("PUT", "/v1/users/1/friends/11").status == 204
        assert "friends-max" in problem(daemon.admin("PUT", "/v1/users/1/friends/14"), 409)
        assert "themselves" in problem(daemon.admin("PUT", "/v1/users/1/friends/1"), 422)
        assert daemon.admin("PUT", "/v1/users/12", {"name": "Bob"}).status == 204
        page = daemon.request("GET", "/v1/me/friends?limit=2", user=1).json()
        assert page["friends"] == [{"user": "11", "name": ""}, {"user": "12", "name": "Bob"}]
        assert page["total"] == 3
        rest = daemon.request("GET", "/v1/me/friends?limit=2&cursor=" + page["next"], user=1).json()
        assert rest == {"friends": [{"user": "13", "name": ""}], "total": 3, "next": None}
        assert daemon.request("GET", "/v1/me/friends", user=12).json()["friends"][0]["user"] == "1"
        assert daemon.admin("DELETE", "/v1/users/12/friends/1").status == 204
        assert daemon.admin("DELETE", "/v1/users/12/friends/1").status == 204
        assert daemon.request("GET", "/v1/me/friends", user=1).json()["total"] == 2


def imports_count_what_they_take_and_refuse_with_the_first_line_of_each_reason():
    with Daemon() as daemon:
        lines = ("# comment\n1\t2\n2\t1\n1 3\nx\t1\n4\t4\n\n5\t6\r\n7\t8\t9\n" + "9" * 10000 + "\n"
                 "10\t11")
        answer = daemon.admin("POST", "/v1/import/friends", lines,
                              {"Content-Type": "text/tab-separated-values"}).json()
        assert answer == {"accepted": 4, "rejected": 5, "reasons": {
            "too_long": {"count": 1, "first_line": 10}, "bad_line": {"count": 2, "first_line": 4},
            "bad_user": {"count": 1, "first_line": 5}, "self": {"count": 1, "first_line": 6}}}
        users = ('{"user":"1","name":"Ann"}\n{"user":1}\nnonsense\n{"user":"2","name":"' + "b" * 65
                 + '"}\n{"user":"3"}\n')
        answer = daemon.admin("POST", "/v1/import/users", users,
                              {"Content-Type": "application/x-ndjson"}).json()
        assert answer == {"accepted": 2, "rejected": 3, "reasons": {
            "bad_line": {"count": 1, "first_line": 3}, "bad_user": {"count": 1, "first_line": 2},
            "bad_field": {"count": 1, "first_line": 4}}}
        assert daemon.admin("GET", "/v1/users/1").json()["name"] == "Ann"
        problem(daemon.admin("POST", "/v1/import/users", "x", {"Content-Type": "text/plain"}), 415)


def an_import_of_many_batches_is_complete():
    with Daemon() as daemon:
        count = 50000
        lines = "".join(f"{i}\t{i + 1}\n" for i in range(count))
        answer = daemon.admin("POST", "/v1/import/friends", lines,
                              {"Content-Type": "text/tab-separated-values"}).json()
        assert answer == {"accepted": count, "rejected": 0, "reasons": {}}
        for user in (0, 1, 8191, 8192, 8193, 49999, 50000):
            found = daemon.request("GET", "/v1/me/friends", user=user).json()["total"]
            assert found == (1 if user in (0, count) else 2), (user, found)


def history_comes_as_lines_or_csv_over_a_range_of_time():
    import asyncio

    async def drive(daemon):
        async with daemon.session(1) as ann:
            await ann.begin(1.5, 2.25, ts=1000000000000)
            for i in range(1, 50):
                await ann.locate(1.5, 2.25 + i / 1000, ts=1000000000000 + i * 1000)
            await ann.quiet()

    with Daemon(history_commit_ms=10) as daemon:
        asyncio.run(drive(daemon))
        daemon.wait_for_counter("history_locations_total", 50)
        lines = daemon.request("GET", "/v1/me/history", user=1).text.splitlines()
        assert len(lines) == 50
        assert json.loads(lines[0]) == {"ts": 1000000000000, "lat": 1.5, "lon": 2.25}
        part = daemon.request("GET", "/v1/me/history?from=2001-09-09T01:46:45Z&to=1000000010000", user=1)
        assert [json.loads(line)["ts"] for line in part.text.splitlines()] == [
            1000000000000 + i * 1000 for i in range(5, 10)]
        table = daemon.request("GET", "/v1/me/history?to=1000000001000", user=1,
                               headers={"Accept": "text/csv"})
        assert table.headers["content-type"].startswith("text/csv")
        assert table.text == "ts,lat,lon\r\n1000000000000,1.5,2.25\r\n"
        features = daemon.request("GET", "/v1/me/history", user=1, headers={"Accept": "application/geo+json"})
        assert features.headers["content-type"] == "application/geo+json"
        document = features.json()
        assert document["type"] == "FeatureCollection" and len(document["features"]) == 50
        assert document["features"][1] == {
            "type": "Feature", "geometry": {"type": "Point", "coordinates": [2.251, 1.5]},
            "properties": {"ts": 1000000001000}}, document["features"][1]
        head = daemon.request("HEAD", "/v1/me/history", user=1, headers={"Accept": "application/geo+json"})
        assert head.headers["content-type"] == "application/geo+json" and head.text == ""
        export = daemon.admin("GET", "/v1/export").text.splitlines()
        assert len(export) == 50 and json.loads(export[7])["user"] == "1"
        export = daemon.admin("GET", "/v1/export", headers={"Accept": "application/geo+json"}).json()["features"]
        assert len(export) == 50 and export[7]["properties"]["user"] == "1"
        assert daemon.request("GET", "/v1/me/history", user=2).text == ""
        nothing = daemon.request("GET", "/v1/me/history", user=2, headers={"Accept": "application/geo+json"})
        assert nothing.json() == {"type": "FeatureCollection", "features": []}
        problem(daemon.request("GET", "/v1/me/history?from=yesterday", user=1), 400)
        problem(daemon.request("GET", "/v1/me/history?from=5&to=4", user=1), 400)
        # A deleted user's history is not to be had any more.
        assert daemon.admin("DELETE", "/v1/users/1").status == 204
        assert daemon.admin("GET", "/v1/users/1/history").text == ""
        assert daemon.admin("GET", "/v1/export").text == ""


def an_erased_history_is_gone_at_once_and_later_from_the_file():
    import asyncio
    here = (1.5, 2.25)

    async def drive(daemon):
        async with daemon.session(1) as ann, daemon.session(2) as bob:
            await ann.begin(*here, ts=1000)
            await bob.begin(*here, ts=1000)
            for i in range(2, 50):
                await ann.locate(here[0] + i / 1000, here[1], ts=i * 1000)
            await ann.quiet()
            daemon.wait_for_counter("history_locations_total", 50)
            erase = ("DELETE", "/v1/me/history")
            problem(daemon.request(*erase, user=None), 401)
            for query in ("?from=5", "?to=2026-01-31T08:00:00Z", "?from=1&to=2"):
                answer = problem(daemon.request("DELETE", "/v1/me/history" + query, user=1), 400)
                assert "as a whole" in answer, answer
            assert len(daemon.request("GET", "/v1/me/history", user=1).text.splitlines()) == 49
            assert daemon.request(*erase, user=1).status == 204
            assert daemon.request("GET", "/v1/me/history", user=1).text == ""
            assert len(daemon.admin("GET", "/v1/export").text.splitlines()) == 1
            # The session goes on, and what it says now is kept.
            await ann.locate(*here, ts=1000000)
            await ann.quiet()
            daemon.wait_for_counter("history_locations_total", 51)
            assert json.loads(daemon.request("GET", "/v1/me/history", user=1).text)["ts"] == 1000000

    with Daemon(history_commit_ms=10) as daemon:
        asyncio.run(drive(daemon))
        daemon.wait_for_counter("erasures_done_total", 1)
        assert daemon.counter("erasures_waiting") == 0 and daemon.counter("erasure_blocks_total") > 0
        assert len(daemon.request("GET", "/v1/me/history", user=1).text.splitlines()) == 1
        assert daemon.admin("DELETE", "/v1/users/1/history").status == 204
        assert daemon.admin("DELETE", "/v1/users/77/history").status == 204
        daemon.stop(signal.SIGKILL)
        daemon.start()
        assert daemon.admin("GET", "/v1/users/1/history").text == ""
        assert len(daemon.admin("GET", "/v1/users/2/history").text.splitlines()) == 1


def a_history_of_many_portions_is_whole():
    import asyncio
    count = 40000

    async def drive(daemon):
        async with daemon.session(1) as ann:
            await ann.begin(1.5, 2.25, ts=1)
            for i in range(2, count + 1):
                await ann.locate(1.5, 2.25 + i / 1e5, ts=i)
            await ann.quiet()

    with Daemon(history_commit_ms=10) as daemon:
        asyncio.run(drive(daemon))
        daemon.wait_for_counter("history_locations_total", count)
        lines = daemon.request("GET", "/v1/me/history", user=1).text.splitlines()
        assert [json.loads(line)["ts"] for line in lines] == list(range(1, count + 1))
        assert len(daemon.admin("GET", "/v1/export").text.splitlines()) == count


def tokens_and_listeners_keep_users_and_operators_apart():
    with Daemon() as daemon:
        problem(daemon.request("GET", "/v1/me"), 401)
        assert daemon.request("GET", "/v1/me").headers["www-authenticate"].startswith("Bearer")
        problem(daemon.request("GET", "/v1/me", bearer=token(1, seconds=-5)), 401)
        problem(daemon.request("GET", "/v1/users/1", user=1, admin=False), 404)
        answer = daemon.request("GET", "/v1/users/1", admin=True,
                                headers={"Authorization": "Bearer " + token(1)})
        problem(answer, 403)
        problem(daemon.request("GET", "/v1/users/1", admin=True, headers={"Authorization": "Bearer x"}), 401)
        problem(daemon.request("GET", "/metrics"), 404)
        for port in (False, True):
            assert daemon.request("GET", "/healthz", admin=port).status == 200
            assert daemon.request("GET", "/readyz", admin=port).status == 200
        # The control socket's file is the daemon's user's alone, and asks for no token.
        assert daemon.control("PUT", "/v1/users/3", '{"name":"C"}').status == 201


def wrong_requests_are_told_what_is_right():
    with Daemon() as daemon:
        problem(daemon.request("GET", "/nowhere", user=1), 404)
        wrong = daemon.request("POST", "/v1/me", user=1)
        problem(wrong, 405)
        assert wrong.headers["allow"] == "GET, HEAD, PATCH, DELETE", wrong.headers
        assert daemon.admin("POST", "/v1/users/1").headers["allow"] == "PUT, GET, HEAD, DELETE"
        assert daemon.counter("http_requests_unrouted_total") == 3
        for query in ("from=%zz", "limit=%4", "cursor=" + "1" * 65, "limit=", "to=2026-02-31T00:00:00Z"):
            problem(daemon.request("GET", "/v1/me/history?" + query, user=1), 400)
        assert "1 to 100" in problem(daemon.request("GET", "/v1/me/friends?limit=101", user=1), 400)
        problem(daemon.request("GET", "/v1/me/friends?cursor=zzz", user=1), 400)
        problem(daemon.request("GET", "/v1/me/nearby", user=1), 409)
        problem(daemon.admin("PUT", "/v1/users/1", "{"), 400)
        problem(daemon.admin("PUT", "/v1/users/1", {"name": "x" * 65}), 400)
        problem(daemon.admin("PUT", "/v1/users/1", {"name": 5}), 400)
        problem(daemon.admin("PUT", "/v1/users/1", "x" * 10000), 413)
        problem(daemon.request("GET", "/v1/ws", user=1), 426)
        problem(daemon.admin("POST", "/v1/backup", {"directory": "relative"}), 400)
        # Two requests on one connection: the first is wrong, the second is served.
        connection = http.client.HTTPConnection("127.0.0.1", daemon.port)
        bearer = {"Authorization": "Bearer " + token(1)}
        connection.request("GET", "/nowhere", headers=bearer)
        assert connection.getresponse().read()
        connection.request("GET", "/v1/me", headers=bearer)
        assert connection.getresponse().status == 200
        connection.close()


def paths_types_and_methods_are_read_as_http_says():
    with Daemon() as daemon:
        pairs = {"Content-Type": "Text/Tab-Separated-Values; charset=utf-8"}
        assert daemon.admin("POST", "/v1/import/friends", "1\t2\n", pairs).json()["accepted"] == 1
        assert daemon.admin("PUT", "/v1/users/%37", {"name": "Ann"}).status == 201
        assert daemon.admin("GET", "/v1/%75sers/7").json()["name"] == "Ann"
        problem(daemon.admin("GET", "/v1/users%2f7"), 404)
        for path in ("/v1/me", "/v1/me/history", "/healthz"):
            head = daemon.request("HEAD", path, user=1)
            assert head.status == 200 and head.text == "", (path, head.status)
        assert daemon.admin("HEAD", "/v1/export").status == 200
        for accept, kind in (("text/csv, */*;q=0.1", "text/csv"), ("text/csv;q=0.5, application/x-ndjson", "ndjson"),
                             ("*/*", "ndjson"), ("text/csv;q=0", "ndjson")):
            answer = daemon.request("GET", "/v1/me/history", user=1, headers={"Accept": accept})
            assert kind in answer.headers["content-type"], (accept, answer.headers)


def metrics_are_prometheus_text_with_every_request_counted():
    with Daemon() as daemon:
        daemon.request("GET", "/v1/me", user=1)
        daemon.request("GET", "/v1/me/nearby", user=1)
        found = daemon.counters()
        assert found['nearby_http_request_seconds_count{route="me"}'] == 1
        assert found['nearby_http_requests_failed_total{route="me_nearby"}'] == 1
        assert found['nearby_alert_history_lost{level="critical"}'] == 0
        text = daemon.admin("GET", "/metrics").text
        names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
        assert len(names) == len(set(names))
        for line in text.splitlines():
            if not line.startswith("#"):
                float(line.rsplit(" ", 1)[1])


def a_backup_made_while_running_is_a_data_directory():
    import os
    with Daemon() as daemon:
        daemon.befriend((1, 2))
        target = os.path.join(daemon.folder, "copy")
        assert daemon.admin("POST", "/v1/backup", {"directory": target}).status == 204
        with Daemon(data_dir=target) as second:
            assert second.request("GET", "/v1/me/friends", user=2).json()["friends"][0]["user"] == "1"


if __name__ == "__main__":
    run(users_are_put_read_and_deleted,
        asking_for_a_user_does_not_make_one,
        friendships_are_put_listed_and_deleted,
        imports_count_what_they_take_and_refuse_with_the_first_line_of_each_reason,
        an_import_of_many_batches_is_complete,
        history_comes_as_lines_or_csv_over_a_range_of_time,
        an_erased_history_is_gone_at_once_and_later_from_the_file,
        a_history_of_many_portions_is_whole,
        tokens_and_listeners_keep_users_and_operators_apart,
        wrong_requests_are_told_what_is_right,
        paths_types_and_methods_are_read_as_http_says,
        metrics_are_prometheus_text_with_every_request_counted,
        a_backup_made_while_running_is_a_data_directory)
