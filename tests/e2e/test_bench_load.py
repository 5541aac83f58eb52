"""
nearby-bench load sends what it planned, counts what arrives of it, and says what does not.
"""
import os

from daemon import LIMIT_S, Daemon, run
from test_bench import bench, report

LOAD = ["--sessions", "60", "--friends", "30", "--active", "20", "--rate", "120"]


def a_load_is_sent_as_planned_and_all_of_it_arrives():
    with Daemon() as daemon:
        found = report(daemon, "load", *LOAD, "--for", "2s", "--linger", "10s", "--idle", "5", "--workers", "3",
                       "--storm", "40", "--server-pid", str(daemon.process.pid))
        step = found["steps"][0]
        assert found["right"] and found["join"]["sessions"] == 65, found
        # One of each of the 60 in each of the four periods of the window, whenever it was sent.
        assert step["rate"] == 120 and step["lateness_us"]["count"] == 240 and step["not_sent"] == 0, step
        assert step["due"] > 500 and step["missing"] == 0, step
        assert step["covered"] == step["latency_us"]["count"] > 0.9 * step["due"], step
        assert step["server_processes"] == 1 and step["server_resident_bytes"][1] > 0, step
        assert found["storm"]["dropped"] == found["storm"]["sessions"] == 40, found
        assert found["storm"]["given_up"] == found["storm"]["timed_out"] == 0, found


def a_load_with_the_oracle_finds_nothing_wrong_and_nothing_missing():
    with Daemon() as daemon:
        found = report(daemon, "load", *LOAD, "--for", "2s", "--judge")
        assert found["right"] and found["sessions"] == 60 and found["checks"] == 1, found
        assert found["last_check"]["pairs"] == found["last_check"]["listed"] > 0, found


def a_load_finds_who_is_told_of_strangers_and_who_is_not_let_in():
    with Daemon() as daemon:
        # 1 and 2 are near each other in a city where all are, and strangers to the load.
        alone = ["--sessions", "5", "--friends", "2", "--active", "2", "--near", "2", "--for", "1s",
                 "--rate", "10"]
        daemon.befriend(*((a, b) for a in range(1, 5) for b in range(a + 1, 6)))
        found = report(daemon, "load", *alone, status=1)
        assert found["findings"]["not_friend"] > 0 and not found["right"], found
        with open(os.path.join(daemon.folder, "other"), "w", encoding="ascii") as file:
            file.write("a secret that this daemon does not know of")
        found = report(daemon, "load", *alone, "--no-setup", "--timeout", "3s", "--token-key", file.name,
                       status=1)
        assert found["findings"]["given_up"] == 5 and "401" in found["example"], found


def a_load_counts_those_for_whom_there_is_no_room():
    with Daemon(sessions_max=40) as daemon:
        found = report(daemon, "load", *LOAD, "--for", "1s", "--timeout", "6s", status=1)
        assert found["join"]["sessions"] == 40 and found["join"]["given_up"] == 20, found
        assert found["join"]["refused"] >= 20 and found["join"]["timed_out"] == 0, found
        # What those who are out would have sent is not lost silently.
        step = found["steps"][0]
        assert step["not_sent"] > 0 and step["sent"] > 0, step


def several_rates_are_measured_one_after_the_other():
    with Daemon() as daemon:
        found = report(daemon, "load", *LOAD, "--for", "0.2s", "--warm-up", "0.1s", "--linger", "0.1s",
                       "--step-rates", "60,120")
        assert [step["rate"] for step in found["steps"]] == [60, 120], found


def the_friendships_of_a_load_can_be_had_as_a_file():
    with Daemon() as daemon:
        path = os.path.join(daemon.folder, "friends")
        process = bench(daemon, "load", *LOAD, "--write-friends", path)
        out, err = process.communicate(timeout=LIMIT_S)
        assert process.returncode == 0, out + err
        with open(path, "rb") as file:
            content = file.read()
        assert content[:8] == b"NBFRIEND" and len(content) == 16 + 61 * 4 + 60 * 30 * 4, len(content)


if __name__ == "__main__":
    run(a_load_is_sent_as_planned_and_all_of_it_arrives,
        a_load_with_the_oracle_finds_nothing_wrong_and_nothing_missing,
        a_load_finds_who_is_told_of_strangers_and_who_is_not_let_in,
        a_load_counts_those_for_whom_there_is_no_room,
        several_rates_are_measured_one_after_the_other,
        the_friendships_of_a_load_can_be_had_as_a_file)
