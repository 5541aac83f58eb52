"""
What goes wrong around the daemon: ports that are taken, disks that are full, starts that cannot be.
Each is told in words, and what could go on does.
"""
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


def wait_until_none(daemon, name):
    until = time.monotonic() + LIMIT_S
    while daemon.counter(name) > 0:
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
        wait_until_none(daemon, "sessions")
        wait_until_none(daemon, "websockets")


run(a_port_belongs_to_one_daemon,
    a_client_that_vanishes_leaves_no_session)
