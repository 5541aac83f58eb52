"""
What goes wrong around the daemon: ports that are taken, disks that are full, starts that cannot be.
Each is told in words, and what could go on does.
"""
import contextlib
import random
import resource
import subprocess
import time

from daemon import Daemon, LIMIT_S, run
from test_hostile import connect, frame, upgrade, upgrade_request


def refused(**options):
    """What a daemon that cannot start says before it ends."""
    daemon = Daemon(**options)
    try:
        daemon.start(ready=False)
        try:
            status = daemon.process.wait(LIMIT_S)
        except subprocess.TimeoutExpired as late:
            raise AssertionError(f"it runs:\n{daemon.log_text()}") from late
        daemon.process = None
        assert status == 1, (status, daemon.log_text())
        return daemon.log_text()
    finally:
        daemon.__exit__(AssertionError if daemon.process is not None else None, None, None)


def a_port_belongs_to_one_daemon():
    with Daemon() as daemon:
        for parameter, port in (("listen", daemon.port), ("admin_listen", daemon.admin_port)):
            said = refused(**{parameter: f"127.0.0.1:{port}"})
            assert f"127.0.0.1:{port}: cannot bind to this address: Address already in use" in said, said
        assert "already in use" in refused(listen=f"*:{daemon.port}")
        assert "already in use" in refused(listen=f"127.0.0.1:{daemon.port},127.0.0.1:0")


def wait_until_at_most(daemon, name, most):
    until = time.monotonic() + LIMIT_S
    while daemon.counter(name) > most:
        assert time.monotonic() < until, f"{name} is {daemon.counter(name)} after {LIMIT_S} s"


def a_client_that_vanishes_leaves_no_session():
    with Daemon() as daemon:
        for number in range(300):
            client = connect(daemon, number)
            # Before it is answered, after it, and with a close frame.
            if number % 3 == 0:
                client.sendall(upgrade_request(number))
            else:
                upgrade(client, number)
            if number % 3 == 2:
                client.sendall(frame(b"\x03\xe8", 8))
            client.close()
        daemon.wait_for_counter("websocket_upgrades_total", 300)
        wait_until_at_most(daemon, "sessions", 0)
        wait_until_at_most(daemon, "websockets", 0)


def one_user_has_so_many_sessions_and_no_alert_tells_of_more():
    with Daemon() as daemon:
        clients = []
        for _ in range(64):
            clients.append(connect(daemon, 0))
            upgrade(clients[-1], 7)
        one_more = connect(daemon, 0)
        one_more.sendall(upgrade_request(7))
        assert one_more.recv(4096).startswith(b"HTTP/1.1 429 ")
        upgrade(connect(daemon, 0), 8)
        assert daemon.counter("sessions_refused_total") == 0
        assert daemon.counter("sessions_of_one_user_refused_total") == 1
        clients.pop().close()
        wait_until_at_most(daemon, "sessions", 64)
        upgrade(connect(daemon, 0), 7)


def frames_that_come_with_the_upgrade_are_heard_on_any_core():
    where = frame(b'{"type":"location","lat":37.7,"lon":-122.4}')
    with Daemon() as daemon:
        for user in range(20):
            with connect(daemon, 0) as client:
                client.sendall(upgrade_request(user) + where + frame(b'{"type":"nearby"}'))
                heard = b""
                while heard.count(b'"type":"nearby"') < 2:
                    piece = client.recv(65536)
                    assert piece, heard
                    heard += piece
                assert heard.startswith(b"HTTP/1.1 101 ") and b'"type":"welcome"' in heard, heard
        assert daemon.counter("handovers_total") > 0


async def a_client_that_floods_is_told_closed_and_alone():
    with Daemon(messages_per_s=1) as daemon:
        daemon.befriend((1, 2))
        async with daemon.session(1) as ann, daemon.session(2) as bob:
            await bob.begin(37.7, -122.4)
            for step in range(29):
                await ann.locate(37.7 + step / 1e6, -122.4)
            await ann.expect("nearby")
            # Half a minute's worth was heard; what the flood itself takes may bring one or two more.
            for _ in range(60):
                await ann.locate(37.71, -122.4)
            for _ in range(21):
                assert (await ann.expect("error", skipping=["update"]))["code"] == "too_fast"
            assert await ann.closed() == 1008
            await bob.ask(limit=1)


def a_backup_that_cannot_be_says_why():
    with Daemon() as daemon:
        for directory, status, why in (("/proc/nothing", 422, "No such file"), ("/dev/null/x", 422, "Not a directory"),
                                       ("/" + "a" * 300, 422, "too long"), ("relative", 400, "absolute"),
                                       (daemon.folder + "/data", 409, "already")):
            answer = daemon.admin("POST", "/v1/backup", {"directory": directory})
            assert answer.status == status and why in answer.json()["detail"], answer.text
        assert daemon.admin("GET", "/v1/export").status == 200


def a_limit_on_the_size_of_files_is_a_full_disk():
    dice = random.Random(1)
    with Daemon(history_commit_ms=20) as daemon, connect(daemon, 0) as client:
        upgrade(client, 1)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (400 * 1024, resource.RLIM_INFINITY))
        while daemon.counter("history_commit_failures_total") == 0:
            client.sendall(b"".join(frame(b'{"type":"location","lat":%.7f,"lon":%.7f}' % (
                dice.uniform(-80, 80), dice.uniform(-179, 179))) for _ in range(2000)))
        daemon.wait_for_counter('alert_history_failing{level="high"}', 1)
        with connect(daemon, 0) as other:
            upgrade(other, 2)
        # There is room again.
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        wait_until_at_most(daemon, "history_pending", 0)
        assert daemon.counter("history_dropped_total") == 0
        assert daemon.admin("GET", "/v1/users/1/history").text.count("\n") == daemon.counter("history_locations_total")


run(a_port_belongs_to_one_daemon,
    a_client_that_vanishes_leaves_no_session,
    one_user_has_so_many_sessions_and_no_alert_tells_of_more,
    frames_that_come_with_the_upgrade_are_heard_on_any_core,
    a_client_that_floods_is_told_closed_and_alone,
    a_backup_that_cannot_be_says_why,
    a_limit_on_the_size_of_files_is_a_full_disk)
