"""
Owns: nearbyctl against a real daemon: what it prints, and how it exits.
Invariant: status and locate are asked of daemons that run, that hang (SIGSTOP) and that are gone.
Does not know: the HTTP API; test_http.py asks that.
"""
import csv
import io
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import types

from daemon import Daemon, program, run, token

OK, FAILED, USAGE, NOT_RUNNING, NOT_FOUND, NOT_WELL = range(6)


def ctl(daemon, *arguments, exits=OK, text=None):
    """What nearbyctl prints, once it has exited as it should."""
    done = subprocess.run(
        [program("nearbyctl"), "-i", daemon.instance, *map(str, arguments)], input=text,
        env={**os.environ, "RUNTIME_DIRECTORY": daemon.folder}, cwd=daemon.folder,
        capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == exits, (arguments, done.returncode, done.stdout, done.stderr)
    return done.stdout if exits in (OK, NOT_WELL) else done.stdout + done.stderr


def ctl_json(daemon, *arguments, **options):
    return json.loads(ctl(daemon, "--json", *arguments, **options))


def profiles_are_made_changed_shown_and_deleted():
    with Daemon() as daemon:
        assert ctl(daemon, "user", "put", 7, "--name", "Ann") == "user 7 made\n"
        assert ctl(daemon, "user", "put", 7, "--picture", "https://example.org/7") == "user 7 changed\n"
        assert ctl_json(daemon, "user", "get", 7) == {
            "user": "7", "name": "Ann", "picture": "https://example.org/7"}
        assert "name     Ann\n" in ctl(daemon, "user", "get", 7)
        assert ctl_json(daemon, "user", "put", 8) == {"user": "8", "created": True}
        ctl(daemon, "user", "delete", 7)
        ctl(daemon, "user", "get", 7, exits=NOT_FOUND)
        assert json.loads(ctl(daemon, "--json", "user", "get", 7, exits=NOT_FOUND))["status"] == 404


async def who_is_kicked_loses_all_sessions_and_may_come_back():
    with Daemon() as daemon:
        async with daemon.session(7) as phone, daemon.session(7) as watch, daemon.session(8) as other:
            assert ctl(daemon, "kick", 7) == "user 7 has no sessions now\n"
            assert [await phone.closed(), await watch.closed()] == [4401, 4401]
            await other.begin(37.5, 127)
            async with daemon.session(7, bearer=token(7, iat=int(time.time()))) as again:
                await again.begin(37.5, 127)
        assert ctl_json(daemon, "kick", 99) == {"user": "99", "kicked": True}
        ctl(daemon, "kick", "x", exits=USAGE)


def a_name_cannot_drive_the_terminal():
    name = "A\x1b[31mnn\u009b0m"
    with Daemon() as daemon:
        assert "control characters" in ctl(daemon, "user", "put", 7, "--name", name, exits=FAILED)
    # A daemon of before took such names, so its database may have them.
    with tempfile.TemporaryDirectory(prefix="nearby-e2e-") as folder, \
            socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.join(folder, "old.sock"))
        listener.listen()
        profile = json.dumps({"user": "7", "name": name, "picture": ""}).encode()

        def answer():
            with listener.accept()[0] as client:
                client.recv(65536)
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                               % (len(profile), profile))
        server = threading.Thread(target=answer, daemon=True)
        server.start()
        old = types.SimpleNamespace(instance="old", folder=folder)
        assert "A?[31mnn?0m" in ctl(old, "user", "get", 7)
        server.join()


def friends_are_added_listed_over_pages_and_removed():
    with Daemon() as daemon:
        pairs = "".join(f"1\t{friend}\n" for friend in range(100, 350))
        assert ctl(daemon, "import", "friends", "-", text=pairs) == "accepted 250, rejected 0\n"
        lines = ctl(daemon, "friends", "list", 1).splitlines()
        assert [int(line.split()[0]) for line in lines[:-1]] == list(range(100, 350))
        assert lines[-1] == "250 of 250"
        assert ctl(daemon, "friends", "list", 1, "--limit", 101).splitlines()[-1] == "101 of 250"
        found = ctl_json(daemon, "friends", "list", 1)
        assert len(found["friends"]) == found["total"] == 250
        ctl(daemon, "friends", "add", 1, 2)
        assert ctl_json(daemon, "friends", "list", 2) == {
            "friends": [{"user": "1", "name": ""}], "total": 1}
        ctl(daemon, "friends", "remove", 2, 1)
        assert ctl_json(daemon, "friends", "list", 2) == {"friends": [], "total": 0}
        assert "themselves" in ctl(daemon, "friends", "add", 3, 3, exits=FAILED)


def asks_and_blocks_are_listed_and_a_list_of_friends_is_made_so():
    with Daemon() as daemon:
        ctl(daemon, "user", "put", 2, "--name", "Bob")
        ctl(daemon, "user", "put", 3)
        assert daemon.request("PUT", "/v1/me/friends/2", user=1).status == 200
        assert daemon.request("PUT", "/v1/me/friends/3", user=1).status == 200
        assert daemon.request("PUT", "/v1/me/blocked/3", user=2).status == 204
        assert ctl(daemon, "friends", "asked", 1, "--limit", 1).splitlines()[1] == "1 of 2"
        assert ctl_json(daemon, "friends", "asked", 1) == {
            "friends": [{"user": "2", "name": "Bob"}, {"user": "3", "name": ""}], "total": 2}
        assert ctl_json(daemon, "friends", "asking", 2)["friends"] == [{"user": "1", "name": ""}]
        assert ctl_json(daemon, "friends", "blocked", 2) == {"people": [{"user": "3", "name": ""}], "total": 1}
        assert ctl_json(daemon, "friends", "blocked", 1) == {"people": [], "total": 0}
        assert ctl(daemon, "friends", "sync", 1, "-", text="2\n7\n") == "added 2, removed 0\n"
        assert ctl_json(daemon, "friends", "sync", 1, "-", text="7\n") == {"added": 0, "removed": 1}
        assert "line 1" in ctl(daemon, "friends", "sync", 1, "-", text="x\n", exits=FAILED)


async def what_a_user_shows_is_shown_and_set():
    with Daemon() as daemon:
        daemon.befriend((1, 2))
        assert ctl(daemon, "sharing", "get", 1) == "friends              precise\n"
        async with daemon.session(1) as ann, daemon.session(2) as bob:
            await ann.begin(37.5, 127.0)
            assert (await bob.begin(37.51, 127.0))["total"] == 1
            assert ctl_json(daemon, "sharing", "set", 1, "off") == {"mode": "off", "until": None, "friends": []}
            assert (await bob.expect("gone", skipping=["update"]))["friends"] == [{"user": "1", "why": "off"}]
            # A place that nobody may see is not kept.
            ctl(daemon, "locate", 1, exits=NOT_FOUND)
            assert ctl(daemon, "sharing", "set", 1, "approximate") == "friends              approximate\n"
            # The operator sees the place as it is, and how friends see it.
            place = ctl_json(daemon, "locate", 1)
            assert (place["lat"], place["lon"], place["mode"]) == (37.5, 127.0, "approximate")
            assert ", shared: approximate\n" in ctl(daemon, "locate", 1)
            assert daemon.request("PUT", "/v1/me/sharing/2", user=1, body={"mode": "approximate"}).status == 200
            before = int(time.time() * 1000)
            shown = ctl(daemon, "sharing", "set", 1, "precise", "--for", "1h")
            assert re.fullmatch(r"friends +precise, off from \d{4}-\d\d-\d\dT[\d:.]+Z\n2 +approximate\n", shown), shown
            assert before + 3600000 <= ctl_json(daemon, "sharing", "get", 1)["until"] <= time.time() * 1000 + 3600000
        assert "mode" in ctl(daemon, "sharing", "set", 1, "vague", exits=FAILED)
        ctl(daemon, "sharing", "set", 1, "x" * 300, exits=USAGE)
        ctl(daemon, "sharing", "set", 1, "precise", "--for", "soon", exits=USAGE)


def an_import_tells_what_was_refused_and_why():
    with Daemon() as daemon:
        out = ctl(daemon, "import", "friends", "-", text="1\t2\nnonsense\n2\t3\n4\t4\nmore\n", exits=FAILED)
        assert "accepted 2, rejected 3" in out
        assert re.search(r"bad_line +2, first in line 2", out) and re.search(r"self +1, first in line 4", out)
        users = '{"user":"7","name":"Ann"}\n{"user":"8","name":"Bob"}\n'
        assert ctl_json(daemon, "import", "users", "-", text=users)["accepted"] == 2
        assert "No such file" in ctl(daemon, "import", "users", "absent", exits=FAILED)


async def who_is_near_and_where_users_were_is_shown():
    with Daemon(history_commit_ms=10) as daemon:
        daemon.befriend((1, 2))
        ctl(daemon, "user", "put", 2, "--name", "Bob")
        now = int(time.time() * 1000)
        async with daemon.session(1) as ann, daemon.session(2) as bob:
            await ann.begin(37.5, 127.0)
            await bob.begin(37.51, 127.0000001, ts=now - 5000)
            await bob.locate(37.52, 126.99, ts=now)
            await bob.locate(37.51, 127.0000001, ts=now + 1)
            await bob.quiet()
            entry = ctl_json(daemon, "nearby", 1)["friends"][0]
            assert (entry["user"], entry["name"], entry["lat"], entry["lon"]) == ("2", "Bob", 37.51, 127.0000001)
            assert abs(entry["distance_m"] - 1111.95) < 1
            assert re.match(r" *111[12]\.\d m .* Bob\n1 of 1\n", ctl(daemon, "nearby", 1))
            place = ctl_json(daemon, "locate", 2)
            assert (place["lat"], place["lon"], place["running"]) == (37.51, 127.0000001, True)
            assert place["mode"] == "precise"
            ctl(daemon, "locate", 3, exits=NOT_FOUND)
        daemon.wait_for_counter("history_locations_total", 4)

        points = [json.loads(line) for line in ctl(daemon, "history", 2).splitlines()]
        assert [point["ts"] for point in points] == [now - 5000, now, now + 1]
        rows = list(csv.DictReader(io.StringIO(ctl(daemon, "history", 2, "--format", "csv"))))
        assert [float(row["lat"]) for row in rows] == [37.51, 37.52, 37.51]
        features = json.loads(ctl(daemon, "history", 2, "--from", now, "--format", "geojson"))["features"]
        assert [f["geometry"]["coordinates"] for f in features] == [[126.99, 37.52], [127.0000001, 37.51]]
        assert json.loads(ctl(daemon, "history", 9, "--format", "geojson")) == {
            "type": "FeatureCollection", "features": []}
        everyone = [json.loads(line)["user"] for line in ctl(daemon, "export").splitlines()]
        assert sorted(everyone) == ["1", "2", "2", "2"]
        assert "--format is" in ctl(daemon, "export", "--format", "xml", exits=USAGE)
        ctl(daemon, "export", "--from", "yesterday", exits=FAILED)


async def a_token_it_makes_opens_a_session():
    with Daemon() as daemon:
        made = ctl(daemon, "token", 42, "--ttl", "5m", "--key", "key").strip()
        async with daemon.session(42, bearer=made) as session:
            assert session.welcome["user"] == "42"
        assert daemon.request("GET", "/v1/me", bearer=made).status == 200
        service = ctl(daemon, "token", 0, "--admin", "--key", "key").strip()
        ctl(daemon, "token", 42, "--ttl", "5x", "--key", "key", exits=USAGE)
        ctl(daemon, "keygen", "fresh")
        assert os.stat(os.path.join(daemon.folder, "fresh")).st_mode & 0o777 == 0o600
        ctl(daemon, "keygen", "fresh", exits=FAILED)
        other = ctl(daemon, "token", 42, "--key", "fresh").strip()
        assert daemon.request("GET", "/v1/me", bearer=other).status == 401
        assert service != other


async def status_and_locate_tell_of_a_daemon_that_hangs_and_of_one_that_is_gone():
    with Daemon(cores=3) as daemon:
        async with daemon.session(7) as ann:
            await ann.begin(1.5, -2.25)
            out = ctl(daemon, "status")
            assert out.startswith(f'nearby "{daemon.instance}": all is well\n')
            assert re.search(r"cores +3, each alive", out) and re.search(r"sessions +1\n", out)
            assert len(out.splitlines()) <= 24
            assert ctl_json(daemon, "status")["well"] is True

            daemon.process.send_signal(signal.SIGSTOP)
            until = time.monotonic() + 60
            # How long a core may be silent is part of what is asked here, so this does take that long.
            while ctl_status(daemon)["stalled"] != 3:
                assert time.monotonic() < until
            out = ctl(daemon, "status", exits=NOT_WELL)
            assert "the daemon hangs" in out and re.search(r"! core 2 +no sign of life for", out)
            assert "1.5 -2.25" in ctl(daemon, "locate", 7)

            daemon.process.send_signal(signal.SIGKILL)
            daemon.process.wait()
            assert "NOT RUNNING" in ctl(daemon, "status", exits=NOT_RUNNING)
            assert "not running" in ctl(daemon, "locate", 7)
            for command in (["stop"], ["reload"], ["drain"], ["nearby", 7], ["user", "get", 7]):
                ctl(daemon, *command, exits=NOT_RUNNING)
        daemon.stop()
        daemon.start()


def ctl_status(daemon):
    done = subprocess.run([program("nearbyctl"), "-i", daemon.instance, "--json", "status"],
                          capture_output=True, text=True, timeout=60, check=False)
    return json.loads(done.stdout)


def an_instance_that_never_ran_is_not_running():
    with tempfile.TemporaryDirectory(prefix="nearby-e2e-") as folder:
        daemon = Daemon(folder=folder)
        for command in (["status"], ["stop"], ["locate", 7], ["user", "get", 7]):
            ctl(daemon, *command, exits=NOT_RUNNING)


def what_is_no_command_line_is_refused_before_anything_is_done():
    with tempfile.TemporaryDirectory(prefix="nearby-e2e-") as folder:
        daemon = Daemon(folder=folder)
        for wrong in ([], ["users"], ["user"], ["user", "get"], ["user", "get", "x"], ["user", "get", "-1"],
                      ["user", "get", 7, 8], ["status", "--name", "x"], ["status", "--watch", "soon"],
                      ["friends", "list", 7, "--limit", 0], ["--nonsense", "status"]):
            ctl(daemon, *wrong, exits=USAGE)
        ctl(daemon, "--help")
        ctl(daemon, "user", "put", "--help")


def a_backup_is_made_while_it_runs_and_stop_waits_until_it_is_gone():
    with tempfile.TemporaryDirectory(prefix="nearby-e2e-") as folder:
        copy = os.path.join(folder, "copy")
        with Daemon(folder=folder) as daemon:
            daemon.befriend((1, 2))
            ctl(daemon, "backup", "copy")
            assert sorted(os.listdir(copy)) == ["history.mdb", "users.mdb"]
            ctl(daemon, "reload")
            assert ctl(daemon, "stop") == "stopped\n"
            assert daemon.process.poll() == 0
        with Daemon(folder=folder, data_dir=copy) as restored:
            assert ctl_json(restored, "friends", "list", 1)["total"] == 1


def status_goes_on_and_shows_rates():
    with Daemon() as daemon:
        watching = subprocess.Popen([program("nearbyctl"), "-i", daemon.instance, "status", "--watch", "0.1"],
                                    stdout=subprocess.PIPE, text=True)
        try:
            seen = 0
            for line in watching.stdout:
                seen += bool(re.search(r"updates +0, 0 a second", line))
                if seen == 2:
                    break
            assert seen == 2
        finally:
            watching.kill()
            watching.wait()


if __name__ == "__main__":
    run(profiles_are_made_changed_shown_and_deleted,
        who_is_kicked_loses_all_sessions_and_may_come_back,
        a_name_cannot_drive_the_terminal,
        friends_are_added_listed_over_pages_and_removed,
        asks_and_blocks_are_listed_and_a_list_of_friends_is_made_so,
        what_a_user_shows_is_shown_and_set,
        an_import_tells_what_was_refused_and_why,
        who_is_near_and_where_users_were_is_shown,
        a_token_it_makes_opens_a_session,
        status_and_locate_tell_of_a_daemon_that_hangs_and_of_one_that_is_gone,
        an_instance_that_never_ran_is_not_running,
        what_is_no_command_line_is_refused_before_anything_is_done,
        a_backup_is_made_while_it_runs_and_stop_waits_until_it_is_gone,
        status_goes_on_and_shows_rates)
