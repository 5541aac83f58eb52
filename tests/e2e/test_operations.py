"""
What operators see when the daemon is full, stuck, failing or going: counters, alerts, and how clients
are told.
"""
import asyncio
import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import tempfile
import time

import websockets

from daemon import Daemon, program, run, token

HERE = (37.7749, -122.4194)


async def refusal(daemon, user):
    """(status, headers) that a session of this user is refused with."""
    try:
        async with daemon.session(user):
            raise AssertionError("let in")
    except websockets.InvalidStatusCode as refused:
        return refused.status_code, refused.headers


def user_hash(user):
    """As nearby_user_hash of nearbyshm.h."""
    mask = 2**64 - 1
    x = (user + 0x9e3779b97f4a7c15) & mask
    x = ((x ^ (x >> 30)) * 0xbf58476d1ce4e5b9) & mask
    x = ((x ^ (x >> 27)) * 0x94d049bb133111eb) & mask
    return x ^ (x >> 31)


def alert(daemon, name, level):
    return daemon.counter(f'alert_{name}{{level="{level}"}}')


async def sessions_beyond_the_limit_are_refused_and_raise_an_alert():
    with Daemon(sessions_max=3, cores=2) as daemon:
        async with contextlib.AsyncExitStack() as stack:
            for user in range(3):
                await stack.enter_async_context(daemon.session(user))
            for user in range(3, 9):
                status, headers = await refusal(daemon, user)
                assert status == 503 and int(headers["Retry-After"]) > 0
            daemon.wait_for_counter('alert_sessions_full{level="medium"}', 1)
            assert daemon.counter("sessions_refused_total") == 6
        # Places are given back.
        while daemon.counter("websockets"):
            pass
        async with daemon.session(100):
            pass


async def a_user_with_too_many_devices_is_no_full_server():
    with Daemon(cores=1) as daemon:
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(64):
                await stack.enter_async_context(daemon.session(1))
            assert (await refusal(daemon, 1))[0] == 429
            assert daemon.counter("sessions_of_one_user_refused_total") == 1
            assert daemon.counter("sessions_refused_total") == 0


async def a_full_table_is_told_and_raises_an_alert():
    # Each of the 256 partitions has room for more than its share of one user; these are all in one.
    users = [user for user in range(40000) if user_hash(user) % 256 == 0][:100]
    with Daemon(users_max=1, cores=1) as daemon:
        full = 0
        async with contextlib.AsyncExitStack() as stack:
            for user in users:
                client = await stack.enter_async_context(daemon.session(user))
                await client.locate(*HERE)
                answer = await client.receive()
                full += answer["type"] == "error" and answer["code"] == "full"
        assert 0 < full < 100 and daemon.counter("locations_full_total") == full
        daemon.wait_for_counter('alert_table_full{level="high"}', 1)


async def a_history_that_cannot_grow_raises_an_alert_until_it_can():
    with Daemon(history_commit_ms=10) as daemon:
        process = daemon.process.pid
        async with daemon.session(1) as ann:
            await ann.begin(*HERE)
            daemon.wait_for_counter("history_locations_total", 1)
            unlimited = resource.prlimit(process, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
            await ann.locate(HERE[0], HERE[1] + 0.01)
            daemon.wait_for_counter('alert_history_failing{level="high"}', 1)
            await ann.quiet()
            resource.prlimit(process, resource.RLIMIT_FSIZE, unlimited)
            daemon.wait_for_counter("history_locations_total", 2)
            while alert(daemon, "history_failing", "high"):
                pass
            assert alert(daemon, "history_lost", "critical") == 0


@contextlib.contextmanager
def held_users(daemon):
    """The user database takes no change until the function that this gives is called."""
    users = os.path.join(daemon.folder, "data", "users.mdb")
    with subprocess.Popen([program("tests/e2e/hold_users"), users], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"

        def let_go():
            holder.stdin.close()
            holder.wait()
        yield let_go


async def a_store_that_is_stuck_keeps_nobody_waiting():
    with Daemon(handshake_timeout_s=1) as daemon:
        async with daemon.session(1) as ann:
            with held_users(daemon) as let_go:
                put = asyncio.get_running_loop().run_in_executor(
                    None, daemon.admin, "PUT", "/v1/users/2/friends/1")
                assert (await refusal(daemon, 3))[0] == 503
                assert daemon.counter("sessions_refused_store_total") == 1
                # Who is in is served all the while.
                await ann.begin(*HERE)
                let_go()
                assert (await put).status == 204
            async with daemon.session(3):
                pass


def send_and_leave(daemon, user):
    with socket.create_connection(("127.0.0.1", daemon.port)) as client:
        client.sendall(f"GET /v1/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token(user)}\r\n\r\n".encode())


def requests_that_wait_for_a_stuck_store_are_bounded():
    with Daemon(cores=1) as daemon, held_users(daemon) as let_go:
        # The store gets stuck with the first, which would make a user.
        for user in range(2, 5000):
            send_and_leave(daemon, user)
            if user % 512 == 0 and daemon.counter("http_requests_refused_total"):
                break
        daemon.wait_for_counter("http_requests_refused_total", 1)
        refused = daemon.request("GET", "/v1/me", user=1)
        assert refused.status == 503 and int(refused.headers["retry-after"]) > 0
        assert daemon.request("GET", "/healthz").status == 200
        let_go()
        while daemon.request("GET", "/v1/me", user=1).status != 200:
            pass


async def a_drain_spreads_the_sessions_over_its_time():
    with Daemon(drain_time_s=2, cores=1) as daemon:
        async with contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(daemon.session(user)) for user in range(8)]
            began = time.monotonic()
            assert daemon.admin("POST", "/v1/drain").status == 204

            async def told(client):
                message = await client.expect("reconnect")
                now = time.monotonic()
                assert 200 <= message["after_ms"] < 2200 and await client.closed() == 1012
                return now
            times = sorted(await asyncio.gather(*[told(client) for client in clients]))
        # Evenly: nobody is told much sooner than planned. How slow this machine is makes it only later.
        assert times[4] - began > 0.5 and times[7] - began > 1, (began, times)
        daemon.wait_for_counter('alert_draining{level="low"}', 1)
        assert daemon.admin("GET", "/readyz").status == 503
        assert daemon.admin("GET", "/healthz").status == 200
        assert daemon.counter("drained_sessions_total") == 8


async def a_second_signal_ends_the_drain_at_once():
    daemon = Daemon(drain_time_s=600, cores=1)
    daemon.start()
    try:
        async with contextlib.AsyncExitStack() as stack:
            for user in range(8):
                await stack.enter_async_context(daemon.session(user))
            daemon.process.send_signal(signal.SIGTERM)
            daemon.wait_for_counter('alert_draining{level="low"}', 1)
            # Nobody is let in any more: the port is closed.
            try:
                async with daemon.session(9):
                    raise AssertionError("let in")
            except (OSError, websockets.InvalidStatusCode):
                pass
            assert daemon.stop() == 0
    finally:
        daemon.__exit__(None, None, None)


async def a_reload_changes_what_may_change_while_sessions_go_on():
    with tempfile.TemporaryDirectory(prefix="nearby-e2e-") as folder:
        file = os.path.join(folder, "nearbyd.conf")

        def write(text):
            with open(file, "w", encoding="ascii") as config:
                config.write(text)
        write("update-s = 7\n")
        with Daemon(config=file) as daemon:
            async with daemon.session(1) as ann:
                assert ann.welcome["update_s"] == 7
                write("update-s = 8\nallowed-origins = https://app.example.org\nsessions-max = 1\n")
                daemon.process.send_signal(signal.SIGHUP)
                # The next welcome is the new one, once the cores have taken it over.
                while True:
                    async with daemon.session(2) as bob:
                        if bob.welcome["update_s"] == 8:
                            break
                await ann.begin(*HERE)
                write("update-s = no\n")
                daemon.process.send_signal(signal.SIGHUP)
                for origin, status in (("https://evil.example.org", 403), ("https://app.example.org", 200)):
                    answer = daemon.request("GET", "/v1/me", user=1, headers={"Origin": origin})
                    assert answer.status == status, answer.text
                async with daemon.session(2) as bob:
                    assert bob.welcome["update_s"] == 8


async def what_was_counted_is_forgotten_by_the_next_start():
    daemon = Daemon()
    daemon.start()
    try:
        assert daemon.admin("POST", "/v1/drain").status == 204
        daemon.wait_for_counter('alert_draining{level="low"}', 1)
        assert daemon.stop() == 0
        daemon.start()
        assert alert(daemon, "draining", "low") == 0
        async with daemon.session(1) as ann:
            assert (await ann.begin(*HERE))["total"] == 0
    finally:
        daemon.__exit__(None, None, None)


def an_admin_interface_may_have_several_addresses():
    folder_socket = "/tmp/nearby-e2e-admin-%d.sock" % os.getpid()
    with Daemon(admin_listen=f"127.0.0.1:0,unix:{folder_socket}") as daemon:
        from daemon import UnixConnection
        connection = UnixConnection(folder_socket)
        connection.request("GET", "/healthz")
        assert connection.getresponse().read() == b"ok\n"
        # Only the control socket goes without a token.
        connection.request("GET", "/v1/users/1")
        answer = connection.getresponse()
        assert answer.status == 401 and json.loads(answer.read())["status"] == 401
        connection.close()
        assert daemon.admin("GET", "/readyz").status == 200


def the_log_has_no_tokens_places_or_queries():
    with Daemon() as daemon:
        secret = token(1)
        daemon.request("GET", "/v1/me/history?from=37&access_token=" + secret)
        daemon.request("GET", "/v1/me?access_token=x" + secret)

        async def drive():
            async with daemon.session(1, bearer=secret) as ann:
                await ann.begin(37.123, -122.321)
                await ann.send(type="token", token="x" + secret)
                await ann.expect("error")
        asyncio.run(drive())
        daemon.stop()
        text = daemon.log_text()
        for word in (secret, "37.123", "122.321", "access_token", "from="):
            assert word not in text, word
        daemon.start()


if __name__ == "__main__":
    run(sessions_beyond_the_limit_are_refused_and_raise_an_alert,
        a_user_with_too_many_devices_is_no_full_server,
        a_full_table_is_told_and_raises_an_alert,
        a_history_that_cannot_grow_raises_an_alert_until_it_can,
        a_store_that_is_stuck_keeps_nobody_waiting,
        requests_that_wait_for_a_stuck_store_are_bounded,
        a_drain_spreads_the_sessions_over_its_time,
        a_second_signal_ends_the_drain_at_once,
        a_reload_changes_what_may_change_while_sessions_go_on,
        what_was_counted_is_forgotten_by_the_next_start,
        an_admin_interface_may_have_several_addresses,
        the_log_has_no_tokens_places_or_queries)
