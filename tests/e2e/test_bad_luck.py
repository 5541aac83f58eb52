"""
What goes wrong around the daemon: ports that are taken, disks that are full, starts that cannot be.
Each is told in words, and what could go on does.
"""
import subprocess

from daemon import Daemon, LIMIT_S, run


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


run(a_port_belongs_to_one_daemon)
