"""
Owns: the examples of the manual pages, run against a real daemon.
Invariant: a page's example is marked by a line `.\\" test: KIND ...` before its .Bd, and one that is
  marked does what it shows; in what is shown, "..." stands for anything.
Does not know: what the examples are about.

Kinds: `shell` (commands after "$ ", below each what it prints), `shell daemon` (the same with a
daemon already running), `config` (a file), `metrics` (names that /metrics must have), and `session
USER friends USER@LAT,LON=NAME` (what goes over a WebSocket, ">" to the server and "<" back).
"""
import contextlib
import glob
import json
import os
import re
import subprocess
import tempfile

from daemon import Daemon, program, run

SOURCE, BUILD = os.environ["TEST_SOURCE"], os.environ["TEST_BUILD"]


class Example:
    def __init__(self, page, words, lines):
        self.page, self.kind, self.words = page, words[0], words[1:]
        self.lines = [line.replace("\\&", "").replace("\\e", "\\") for line in lines]


def examples(kind):
    """All examples of a kind. A page in the build folder is newer than its template."""
    found = []
    pages = glob.glob(os.path.join(SOURCE, "man", "*.[0-9].in")) + glob.glob(os.path.join(SOURCE, "man", "*.[0-9]"))
    for page in sorted(pages):
        with open(page, encoding="utf-8") as file:
            text = file.read()
        for words, block in re.findall(r'^\.\\" test: ([^\n]*)\n\.Bd -literal[^\n]*\n(.*?)\n\.Ed$', text, re.M | re.S):
            found.append(Example(os.path.basename(page), words.split(), block.split("\n")))
    return [example for example in found if example.kind == kind]


def commands(example):
    """(command, the lines that it shows) of a shell example."""
    steps = []
    for line in example.lines:
        if line.startswith("$ "):
            steps.append((line[2:], []))
        else:
            steps[-1][1].append(line)
    return steps


def pattern(shown):
    """What a command shows as a regular expression; a line "..." stands for any number of lines."""
    parts = []
    for line in shown:
        parts.append(r"(?:.*\n)*" if line == "..." else ".*".join(map(re.escape, line.split("..."))) + r"\n")
    return "".join(parts)


def run_shell(example, folder, environment, prelude=""):
    steps = commands(example)
    # Between the commands their numbers, each after a byte that none of them prints.
    script = "".join(f"printf '\\001{number}\\n'\n{command}{' 2>log' if command.endswith('&') else ''}\n"
                     for number, (command, _) in enumerate(steps))
    script = re.sub(r"& 2>log$", "2>log &", script, flags=re.M)
    done = subprocess.run(["bash", "-c", prelude + script], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=120, check=False,
                          env={**os.environ, **environment, "PATH": BUILD + ":" + os.environ["PATH"]})
    said = re.split(r"\x01\d+\n", done.stdout)[1:]
    assert len(said) == len(steps), done.stdout
    for (command, shown), output in zip(steps, said):
        shown = [line.replace('"nearby"', f'"{environment["NEARBY_INSTANCE"]}"') for line in shown]
        assert re.fullmatch(pattern(shown), output), f"{example.page}: $ {command}\nshows:\n{shown}\nprinted:\n{output}"


def shell_examples_print_what_they_show():
    checked = 0
    for example in examples("shell"):
        if example.words == ["daemon"]:
            continue
        with tempfile.TemporaryDirectory(prefix="nearby-e2e-") as folder:
            instance = os.path.basename(folder).replace("_", "-")
            try:
                run_shell(example, folder, {
                    "RUNTIME_DIRECTORY": folder, "NEARBY_INSTANCE": instance,
                    "NEARBY_LISTEN": "127.0.0.1:0", "NEARBY_ADMIN_LISTEN": "127.0.0.1:0",
                    "NEARBY_USERS_MAX": "1000", "NEARBY_CORES": "2", "NEARBY_DRAIN_TIME_S": "0"})
            finally:
                # A segment outlives its daemon, for the next one to adopt; here none comes.
                with contextlib.suppress(FileNotFoundError):
                    os.unlink("/dev/shm/nearby." + instance)
        checked += 1
    assert checked > 0


def shell_examples_with_a_daemon_print_what_they_show():
    """Those of one page follow each other on the same daemon."""
    pages = sorted({e.page for e in examples("shell") if e.words == ["daemon"]})
    assert pages
    for page in pages:
        with Daemon() as daemon:
            os.symlink("key", os.path.join(daemon.folder, "token.key"))
            # Its ports are free ones, and not those that nearby-bench looks for.
            ports = ("nearby-bench() { command nearby-bench \"$@\" --connect 127.0.0.1:%d --admin 127.0.0.1:%d; }\n"
                     % (daemon.port, daemon.admin_port))
            for example in examples("shell"):
                if example.page == page and example.words == ["daemon"]:
                    run_shell(example, daemon.folder, {
                        "RUNTIME_DIRECTORY": daemon.folder, "NEARBY_INSTANCE": daemon.instance,
                        "NEARBY_TOKEN_KEY": os.path.join(daemon.folder, "key")}, ports)


def configurations_are_read_as_they_stand():
    checked = 0
    for example in examples("config"):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write("\n".join(example.lines) + "\n")
            file.flush()
            printed = subprocess.run([program("nearbyd"), "-c", file.name, "--print-config"],
                                     capture_output=True, text=True, check=True).stdout
        settings = [line for line in example.lines if "=" in line and not line.startswith("#")]
        for line in settings:
            assert line in printed.split("\n"), f"{example.page}: {line!r} is not in\n{printed}"
        checked += len(settings)
    assert checked > 0


def metrics_that_are_named_exist():
    with Daemon() as daemon:
        exported = daemon.control("GET", "/metrics").text
    names = [name for example in examples("metrics") for line in example.lines
             for name in re.findall(r"nearby_\w+", line)]
    assert names
    for name in names:
        assert re.search(rf"^{name}\b", exported, re.M), f"{name} is not in /metrics"


def every_metric_is_described_and_none_that_is_not_there():
    with Daemon() as daemon:
        exported = set(re.findall(r"^# TYPE (\w+)", daemon.control("GET", "/metrics").text, re.M))
    with open(os.path.join(BUILD, "man/nearby-metrics.7"), encoding="utf-8") as file:
        described = set(re.findall(r"^\.It Cm (nearby_\w+)|^\.Cm (nearby_\w+)", file.read(), re.M))
    described = {name for pair in described for name in pair if name}
    assert described == exported, (described ^ exported)


def same(shown, got, name=""):
    if isinstance(shown, dict):
        return (isinstance(got, dict) and shown.keys() == got.keys()
                and all(same(shown[key], got[key], key) for key in shown))
    if isinstance(shown, list):
        return isinstance(got, list) and len(shown) == len(got) and all(map(same, shown, got))
    if name == "ts":
        return isinstance(got, int)
    if isinstance(shown, (int, float)) and not isinstance(shown, bool):
        return isinstance(got, (int, float)) and abs(shown - got) <= 0.01
    return isinstance(got, str) and got != "" if shown == "..." else shown == got


async def sessions_go_as_they_are_shown():
    checked = 0
    for example in examples("session"):
        user, _, *friends = example.words
        with Daemon() as daemon:
            others = []
            for friend in friends:
                who, lat, lon, name = re.fullmatch(r"(\d+)@([^,]+),([^=]+)=(.*)", friend).groups()
                assert daemon.admin("PUT", f"/v1/users/{who}", {"name": name}).status == 201
                daemon.befriend((user, who))
                session = await daemon.session(int(who)).__aenter__()
                await session.begin(float(lat), float(lon))
                others.append(session)
            client = await daemon.session(int(user)).__aenter__()
            waiting = [client.welcome]
            for line in example.lines:
                if line.startswith("> "):
                    await client.socket.send(line[2:])
                    continue
                got = waiting.pop() if waiting else await client.receive()
                assert same(json.loads(line[2:]), got), f"{example.page}: {line}\ngot: {json.dumps(got)}"
                checked += 1
            for session in [client, *others]:
                await session.__aexit__()
    assert checked > 0


if __name__ == "__main__":
    run(shell_examples_print_what_they_show,
        shell_examples_with_a_daemon_print_what_they_show,
        configurations_are_read_as_they_stand,
        metrics_that_are_named_exist,
        every_metric_is_described_and_none_that_is_not_there,
        sessions_go_as_they_are_shown)
