#!/usr/bin/python3
"""Owns: tokens that are refused although their signatures hold: of users that were kicked or barred, on every
core, in every way in, for sessions that are open, and after a restart."""
import http.client
import json
import os
import signal
import socket
import subprocess
import time

import websockets

from daemon import LIMIT_S, Daemon, program, run, token

# Connections go to whichever core the kernel picks: so many go to each.
TRIES = 24


def now_s():
    return int(time.time())


# So far apart that no machine is so slow that a time of this test becomes another.
HOUR_S = 3600


def old(user, **claims):
    """A token that was issued two hours ago."""
    return token(user, iat=now_s() - 2 * HOUR_S, **claims)


def new(user, **claims):
    return token(user, iat=now_s(), **claims)


def statuses(daemon, bearer):
    """What a token gets, wherever it is shown."""
    return {daemon.request("GET", "/v1/me", bearer=bearer).status for _ in range(TRIES)}


async def session_status(daemon, bearer):
    try:
        async with websockets.connect(f"ws://127.0.0.1:{daemon.port}/v1/ws", open_timeout=LIMIT_S,
                                      extra_headers={"Authorization": "Bearer " + bearer}):
            return 101
    except websockets.InvalidStatusCode as refused:
        return refused.status_code


def ctl(daemon, *words):
    done = subprocess.run([program("nearbyctl"), "-i", daemon.instance, *map(str, words)], text=True,
                          capture_output=True, timeout=LIMIT_S, check=False,
                          env={**os.environ, "RUNTIME_DIRECTORY": daemon.folder})
    assert done.returncode == 0, done.stderr
    return done.stdout


def put_not_before(daemon, user, value, status=204):
    answer = daemon.admin("PUT", f"/v1/users/{user}/not-before", {"not_before": value})
    assert answer.status == status, answer.text


async def a_kick_ends_sessions_and_the_tokens_of_before():
    with Daemon(cores=4) as daemon:
        stolen, other = old(7), old(8)
        async with daemon.session(7, bearer=stolen) as phone, daemon.session(7, bearer=new(7)) as watch, \
                daemon.session(8, bearer=other) as bob:
            assert ctl(daemon, "kick", 7) == "user 7 has no sessions now\n"
            assert [await phone.closed(), await watch.closed()] == [4401, 4401]
            assert statuses(daemon, stolen) == {401}
            assert "revoked" in daemon.request("GET", "/v1/me", bearer=stolen).json()["detail"]
            assert statuses(daemon, token(7)) == {401}  # it does not say when it was issued
            assert await session_status(daemon, stolen) == 401
            # With a new one it comes back at once; others notice nothing.
            assert statuses(daemon, new(7)) == {200}
            async with daemon.session(7, bearer=new(7)) as again:
                await again.begin(37.5, 127)
                await again.send(type="token", token=stolen)
                error = await again.expect("error")
                assert error["code"] == "bad_token" and "revoked" in error["message"], error
                await again.send(type="token", token=new(7))
                await again.quiet()
            await bob.begin(37.5, 127)
            assert statuses(daemon, other) == {200}
        assert daemon.counter("sessions_revoked_total") == 2
        assert ctl(daemon, "--json", "kick", 99) == '{"user":"99","kicked":true}\n'


async def who_is_barred_has_no_way_in_until_that_is_lifted():
    with Daemon(cores=4) as daemon:
        async with daemon.session(7, bearer=new(7)) as ann, daemon.session(8, bearer=new(8)) as bob:
            assert ctl(daemon, "block", 7) == "user 7 is barred\n"
            assert await ann.closed() == 4401
            for bearer in (old(7), new(7), token(7), token(7, iat=now_s() + 30)):
                assert statuses(daemon, bearer) == {403}
                assert await session_status(daemon, bearer) == 403
            # A kick, or a bound, takes nothing of that back.
            assert daemon.admin("POST", "/v1/users/7/kick").status == 204
            put_not_before(daemon, 7, 0, status=409)
            assert statuses(daemon, new(7)) == {403}
            await bob.begin(37.5, 127)
            assert ctl(daemon, "unblock", 7) == "user 7 is not barred\n"
            assert statuses(daemon, old(7)) == {200}
            async with daemon.session(7, bearer=token(7)) as again:
                await again.begin(37.5, 127)


async def a_bound_ends_what_is_older_and_leaves_what_is_newer():
    with Daemon(cores=2) as daemon:
        async with daemon.session(7, bearer=old(7)) as first, daemon.session(7, bearer=new(7)) as second:
            put_not_before(daemon, 7, now_s() - HOUR_S)
            assert await first.closed() == 4401
            await second.begin(37.5, 127)
            assert statuses(daemon, old(7)) == {401} and statuses(daemon, new(7)) == {200}
            put_not_before(daemon, 7, now_s() - 3 * HOUR_S)
            assert statuses(daemon, old(7)) == {200} and statuses(daemon, token(7)) == {401}
            put_not_before(daemon, 7, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now_s() - HOUR_S)))
            assert statuses(daemon, old(7)) == {401}
            # Unblocking who is not barred lifts no bound.
            assert daemon.admin("DELETE", "/v1/users/7/block").status == 204
            assert statuses(daemon, old(7)) == {401}
            assert ctl(daemon, "not-before", 7, 0) == "user 7 may come with any token\n"
            assert statuses(daemon, token(7)) == {200}
            assert ctl(daemon, "not-before", 7, now_s() - HOUR_S) == "user 7 needs a token of that time or later\n"
            assert statuses(daemon, token(7)) == {401}
            await second.ask(limit=1)
        for wrong in (-1, 1.5, None, [1], True, "yesterday", "", "1700000000", 1 << 60):
            put_not_before(daemon, 8, wrong, status=400)
        assert daemon.admin("PUT", "/v1/users/8/not-before").status == 400


def revocation_outlives_the_process():
    for sig in (signal.SIGTERM, signal.SIGKILL):
        with Daemon(cores=2) as daemon:
            for user in range(100, 140):
                assert daemon.admin("POST", f"/v1/users/{user}/kick").status == 204
            assert daemon.admin("PUT", "/v1/users/7/block").status == 204
            assert daemon.admin("PUT", "/v1/users/8/block").status == 204
            assert daemon.admin("DELETE", "/v1/users/8/block").status == 204
            put_not_before(daemon, 9, now_s() - HOUR_S)
            daemon.stop(sig)
            daemon.start()
            # From the first request on, and on every core.
            assert statuses(daemon, new(7)) == {403}
            assert statuses(daemon, old(8)) == {200}
            assert statuses(daemon, old(9)) == {401} and statuses(daemon, new(9)) == {200}
            for user in (100, 120, 139):
                assert statuses(daemon, old(user)) == {401} and statuses(daemon, new(user)) == {200}


def a_request_whose_body_comes_after_the_revocation_is_refused():
    with Daemon(cores=2) as daemon:
        for revoke, status in (("POST", "kick"), 401), (("PUT", "block"), 403):
            body = b'{"name":"Eve"}'
            with socket.create_connection(("127.0.0.1", daemon.port), LIMIT_S) as thief:
                thief.sendall((f"PATCH /v1/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {old(7)}\r\n"
                               f"Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n").encode())
                assert thief.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
                # The token was good: now it is not.
                assert daemon.admin(revoke[0], "/v1/users/7/" + revoke[1]).status == 204
                thief.sendall(body)
                answer = http.client.HTTPResponse(thief)
                answer.begin()
                assert answer.status == status, answer.status
            daemon.admin("DELETE", "/v1/users/7/block")
            put_not_before(daemon, 7, 0)
        assert daemon.admin("GET", "/v1/users/7").status == 404


def a_service_that_is_a_user_is_revoked_as_one():
    with Daemon(cores=2) as daemon:
        def administrate(bearer):
            return daemon.request("GET", "/v1/users/7", admin=True,
                                  headers={"Authorization": "Bearer " + bearer}).status
        daemon.admin("PUT", "/v1/users/7", {"name": "Ann"})
        assert administrate(old(5, admin=True)) == 200
        daemon.admin("POST", "/v1/users/5/kick")
        assert administrate(old(5, admin=True)) == 401
        assert administrate(new(5, admin=True)) == 200
        daemon.admin("PUT", "/v1/users/5/block")
        assert administrate(new(5, admin=True)) == 403
        # The control socket asks for no token.
        assert daemon.control("GET", "/v1/users/7").json()["name"] == "Ann"
        assert json.loads(ctl(daemon, "--json", "unblock", 5)) == {"user": "5", "blocked": False}
        assert administrate(old(5, admin=True)) == 200


if __name__ == "__main__":
    run(a_kick_ends_sessions_and_the_tokens_of_before, who_is_barred_has_no_way_in_until_that_is_lifted,
        a_bound_ends_what_is_older_and_leaves_what_is_newer, revocation_outlives_the_process,
        a_request_whose_body_comes_after_the_revocation_is_refused, a_service_that_is_a_user_is_revoked_as_one)
