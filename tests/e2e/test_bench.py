"""
nearby-bench walk and replay find a right daemon right and a wrong one wrong, on generated and on recorded
movement.
"""
import asyncio
import json
import os
import signal
import subprocess
import sys

from daemon import DATA, LIMIT_S, Daemon, clean_environment, program, run


def bench(daemon, command, *options, **popen):
    return subprocess.Popen(
        [program("nearby-bench"), command, "--connect", f"127.0.0.1:{daemon.port}",
         "--admin", f"127.0.0.1:{daemon.admin_port}",
         "--token-key", os.path.join(daemon.folder, "key"), *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_environment(), **popen)


def report(daemon, command, *options, status=0):
    """The report of a run that ends with this status."""
    process = bench(daemon, command, "--json", *options)
    out, err = process.communicate(timeout=4 * LIMIT_S)
    assert process.returncode == status, f"ended with {process.returncode}:\n{out}{err}"
    return json.loads(out)


def friends_who_walk_see_each_other_and_nothing_else():
    with Daemon() as daemon:
        found = report(daemon, "walk", "--users", "200", "--speed", "60", "--for", "3s")
        assert found["right"] and found["sessions"] == 200 and found["checks"] == 1, found
        assert found["sent"] > 200 and found["pushed"]["moved"] > 0, found
        assert found["last_check"]["pairs"] == found["last_check"]["listed"] > 0, found
        # The daemon had time, so nothing made it hold pushes back.
        assert daemon.counter("push_interval_microseconds") == 0
        assert daemon.counter("locations_total") == found["sent"]
        # A second run on the same daemon finds the places that this one left, and is right too.
        again = report(daemon, "walk", "--users", "200", "--speed", "60", "--for", "1s",
                       "--workers", "3")
        assert again["right"], again


def moves_that_wait_for_their_interval_are_merged_and_none_is_lost():
    with Daemon(push_interval_ms=500) as daemon:
        found = report(daemon, "walk", "--users", "200", "--speed", "120", "--for", "3s")
        assert found["right"], found
        # A friend who moved twice within the interval was told of once, with others in one frame.
        assert 0 < found["pushed"]["moved"] < found["in_range_at_sending"] * 3 / 4, found
        assert found["frames"] < found["pushed"]["moved"] / 2, found
        assert daemon.counter("push_interval_microseconds") == 2 * 500000


def a_friendship_that_should_not_be_is_found():
    with Daemon() as daemon:
        # In a city of 1 km all are in range: 1 and 2 are strangers there, but not to the daemon.
        city = ["--users", "2", "--friends", "0", "--city-km", "1", "--speed", "60", "--for", "2s",
                "--settle", "1s"]
        daemon.befriend((1, 2))
        found = report(daemon, "walk", *city, status=1)
        assert not found["right"] and found["findings"]["not_friend"] > 0, found


async def a_guest_walks_among_them_and_is_not_judged():
    with Daemon() as daemon:
        daemon.befriend((1, 1000), (2, 1000))
        walk = ["--users", "2", "--friends", "1", "--city-km", "1", "--speed", "60", "--for", "2s", "--settle", "1s"]
        async with daemon.session(1000) as guest:
            await guest.begin(37.5667, 126.978)
            unknown = await asyncio.to_thread(report, daemon, "walk", *walk, status=1)
            assert unknown["findings"]["not_friend"] > 0, unknown
            found = await asyncio.to_thread(report, daemon, "walk", *walk, "--guest", "1000")
            assert found["right"], found


def a_friendship_that_is_missing_is_found():
    with Daemon() as daemon:
        found = report(daemon, "walk", "--no-setup", "--users", "10", "--friends", "6", "--city-km", "1",
                       "--speed", "60", "--for", "2s", "--settle", "1s", status=1)
        assert found["findings"]["view_missing"] > 0 and found["findings"]["list_missing"] > 0, found
        assert found["findings"]["not_friend"] == 0, found


def an_interrupted_run_says_goodbye_and_reports():
    with Daemon() as daemon:
        process = bench(daemon, "walk", "--users", "20", "--for", "1h", "--watch", "--speed", "60")
        # The table, here as lines, is there once sessions are.
        process.stdout.readline()
        daemon.wait_for_counter("locations_total", 20)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=LIMIT_S)
        assert process.returncode == 0, f"ended with {process.returncode}:\n{out}{err}"
        assert "20 sessions" in out and "ended early: interrupted" in out, out


def what_cannot_begin_says_why():
    with Daemon() as daemon:
        for options, status, text in ((["--speed", "slow"], 2, "--speed"),
                                      (["--edges", "x"], 2, "no option --edges"),
                                      (["--token-key", "/nowhere"], 3, "/nowhere"),
                                      (["--admin", "127.0.0.1:1"], 3, "refused"),
                                      (["--connect", "here"], 3, "here")):
            process = bench(daemon, "walk", *options)
            out, err = process.communicate(timeout=LIMIT_S)
            assert process.returncode == status and text in err, f"{process.returncode}: {out}{err}"
        with open(os.path.join(daemon.folder, "other"), "w", encoding="ascii") as file:
            file.write("a secret that this daemon does not know of")
        found = report(daemon, "walk", "--no-setup", "--users", "3", "--token-key", file.name, status=1)
        assert found["findings"]["lost"] == 3 and found["cut_off"] and found["checks"] == 0, found


def recorded_check_ins_are_told_as_brute_force_says():
    edges = os.path.join(DATA, "gowalla-1k-edges.tsv")
    check_ins = os.path.join(DATA, "gowalla-1k-checkins.tsv.gz")
    if not os.path.exists(edges):
        print(f"skipped: no {edges}", file=sys.stderr)
        return
    with Daemon() as daemon:
        found = report(daemon, "replay", "--edges", edges, "--locations", check_ins,
                       "--events", "20000")
        assert found["right"] and found["sent"] == 20000, found
        assert found["in_range_at_sending"] == 26307, found
        assert found["last_check"]["pairs"] == found["last_check"]["listed"] == 2 * 93, found


if __name__ == "__main__":
    run(friends_who_walk_see_each_other_and_nothing_else,
        moves_that_wait_for_their_interval_are_merged_and_none_is_lost,
        a_friendship_that_should_not_be_is_found,
        a_friendship_that_is_missing_is_found,
        a_guest_walks_among_them_and_is_not_judged,
        an_interrupted_run_says_goodbye_and_reports,
        what_cannot_begin_says_why,
        recorded_check_ins_are_told_as_brute_force_says)
