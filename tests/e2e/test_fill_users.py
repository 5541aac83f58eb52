"""
A users.mdb that fill_users made: what the daemon says of it, and what a walk over all of it finds.
"""
import os
import subprocess
import tempfile

from daemon import Daemon, program, run


def fill(directory, **options):
    subprocess.run([program("tests/bench/fill_users"), f"--data-dir={directory}"] +
                   [f"--{name.replace('_', '-')}={value}" for name, value in options.items()],
                   check=True, timeout=60, stdout=subprocess.DEVNULL)


def check(directory):
    return subprocess.run([program("tests/e2e/store_check"), directory], timeout=60, check=False,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode


def friends_of(daemon, user):
    """All of them, page by page."""
    friends, cursor = [], ""
    while cursor is not None:
        page = daemon.request("GET", "/v1/me/friends?limit=100" + cursor, user=user).json()
        friends += page["friends"]
        assert page["total"] == len(set(friend["user"] for friend in friends)) or page["next"]
        cursor = page["next"] and "&cursor=" + page["next"]
    return friends


def everybody_has_as_many_friends_and_is_a_friend_of_each():
    with Daemon() as daemon:
        daemon.stop()
        directory = os.path.join(daemon.folder, "filled")
        fill(directory, users=3000, friends=600, first_user=1000)
        daemon.options["data_dir"] = directory
        daemon.start()
        for user in (1000, 1001, 2500, 3999):
            friends = friends_of(daemon, user)
            assert len(friends) == 600
            assert friends == sorted(friends, key=lambda friend: int(friend["user"]))
            assert all(friend["name"] == "user " + friend["user"] for friend in friends)
            assert all(1000 <= int(friend["user"]) < 4000 for friend in friends)
            for friend in friends[::97]:
                assert str(user) in [one["user"] for one in friends_of(daemon, friend["user"])]
        # It can be changed as any other.
        daemon.befriend((5, 1000))
        assert daemon.admin("DELETE", f"/v1/users/1000/friends/{friends_of(daemon, 1000)[7]['user']}").status == 204
        assert len(friends_of(daemon, 1000)) == 600
        daemon.stop()
        assert check(directory) == 0


def of_those_who_never_connect_only_the_profiles_are_there():
    with Daemon() as daemon:
        daemon.stop()
        directory = os.path.join(daemon.folder, "filled")
        fill(directory, users=20000, friends=400, listed=2000, active=40)
        daemon.options["data_dir"] = directory
        daemon.start()
        for user in (1, 2, 1000, 1999, 2000):
            ids = [int(friend["user"]) for friend in friends_of(daemon, user)]
            listed = [other for other in ids if other <= 2000]
            assert len(ids) == 400 and len(listed) == 40 and max(ids) <= 20000
            for other in listed[::7]:
                assert str(user) in [friend["user"] for friend in friends_of(daemon, other)]
        assert friends_of(daemon, 2001) == []
        assert daemon.request("GET", "/v1/me", user=20000).json()["name"] == "user 20000"


def differing(a, b):
    return sum(x != y for x, y in zip(a, b))


def the_same_seed_makes_the_same_file_and_an_old_file_is_left_alone():
    with tempfile.TemporaryDirectory(prefix="nearby-fill-") as folder:
        texts = []
        for name, seed in (("a", 7), ("b", 7), ("c", 8)):
            fill(os.path.join(folder, name), users=3000, friends=20, seed=seed)
            with open(os.path.join(folder, name, "users.mdb"), "rb") as file:
                texts.append(file.read()[8192:])
        # Save for the secret that each database has of its own: 16 bytes, and what of them is left in
        # the unused part of another page.
        assert len(texts[0]) == len(texts[1]) and differing(texts[0], texts[1]) <= 64
        assert len(texts[0]) != len(texts[2]) or differing(texts[0], texts[2]) > 1000
        try:
            fill(os.path.join(folder, "a"), users=3000, friends=20)
        except subprocess.CalledProcessError as error:
            assert error.returncode == 1
        else:
            raise AssertionError("it wrote over a database")


if __name__ == "__main__":
    run(everybody_has_as_many_friends_and_is_a_friend_of_each,
        of_those_who_never_connect_only_the_profiles_are_there,
        the_same_seed_makes_the_same_file_and_an_old_file_is_left_alone)
