"""
Owns: tools/quickstart as a newcomer uses it: it shows friends, ends by itself or by Ctrl-C, and
  leaves nothing running.
Invariant: runs in the build folder it is given, on ports of its own; tools/test starts it, not make
  check, as it builds by itself.
Does not know: what a right push is; nearby-bench judges that, and its verdict is the exit status.
"""
import glob
import os
import pty
import select
import socket
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
QUICKSTART = os.path.join(ROOT, "tools", "quickstart")
LIMIT_S = 120


def two_free_ports():
    """Neighbours, as quickstart takes the next one for operators."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
                return port
            except OSError:
                continue


def running(port):
    """Command lines of all processes that name this quickstart's daemon."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                line = file.read().replace("\0", " ")
        except OSError:
            continue
        if f"quickstart-{port}" in line or f"--connect 127.0.0.1:{port}" in line:
            found.append(line)
    return found


def command(port, *options):
    return [QUICKSTART, "--build", sys.argv[1], "--port", str(port), "--users", "300", *options]


def it_ends_by_itself_after_the_time_it_is_given():
    port = two_free_ports()
    done = subprocess.run(command(port, "--for", "2s"), capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"map: http://127.0.0.1:{port}/#at=" in done.stdout
    assert " came: " in done.stdout and "0 wrong, 0 duplicate, 0 to the wrong person, 0 missing" in done.stdout
    assert running(port) == []


def ctrl_c_ends_it_and_all_that_it_started():
    port = two_free_ports()
    child, terminal = pty.fork()
    if child == 0:
        os.execv(QUICKSTART, command(port))
    seen, until, is_sent = b"", time.monotonic() + LIMIT_S, False
    while time.monotonic() < until:
        if select.select([terminal], [], [], 1)[0]:
            try:
                seen += os.read(terminal, 65536)
            except OSError:
                break
        if not is_sent and b" came: " in seen:
            assert len(running(port)) >= 2
            os.write(terminal, b"\x03")
            is_sent = True
    assert is_sent, seen.decode(errors="replace")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert running(port) == []


def a_port_that_is_taken_is_said_and_nothing_started():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(command(port), capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 1 and f"port {port} is taken" in done.stderr, done.stderr
    assert running(port) == []


if __name__ == "__main__":
    for test in (it_ends_by_itself_after_the_time_it_is_given,
                 ctrl_c_ends_it_and_all_that_it_started,
                 a_port_that_is_taken_is_said_and_nothing_started):
        test()
        print(f"ok   {test.__name__}")
