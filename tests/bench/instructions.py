#!/usr/bin/python3
"""
Owns: how many instructions the engine's hot path takes, counted by callgrind, and whether that is
  still what instructions.tsv says.
Invariant: the same program, compiler and seed give the same counts, whatever else the machine does;
  counts of another compiler or other flags are compared with nothing.
Does not know: time.

  instructions.py            counts, and fails when a figure is more than a tenth above the file's
  instructions.py --write    counts, and writes the file (`make instructions`)
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

SOURCE = os.environ.get("TEST_SOURCE", os.path.dirname(__file__) + "/../..")
BUILD = os.environ.get("TEST_BUILD", ".")
KEPT = f"{SOURCE}/tests/bench/instructions.tsv"
CROWD = ["--users=8000", "--sessions=4000", "--friends=80", "--active=40", "--runs=2", "--seed=1"]
MOVES = 2 * 4000
CHECKS = MOVES * 40
TOLERANCE = 1.1
SKIPPED = 77


def compiled_with():
    """The compiler and its flags, as counts depend on them; not on ccache before it."""
    with open(f"{BUILD}/Makefile", encoding="utf-8") as file:
        made = dict(re.findall(r"^(CC|CFLAGS|NEARBY_CFLAGS) = (.*)$", file.read(), re.MULTILINE))
    words = f"{made['CFLAGS']} {made['NEARBY_CFLAGS']}".split()
    flags = [word for word in words if not word.startswith(("-W", "-D", "-std"))]
    version = subprocess.run([*made["CC"].split(), "-dumpfullversion", "-dumpversion"], check=True,
                             capture_output=True, text=True).stdout.strip()
    compiler = [word for word in made["CC"].split() if word != "ccache"]
    return " ".join([compiler[0], version, *flags])


def run(placement, function, folder):
    """The instructions inside a function of the benchmark, and what the benchmark itself said."""
    counts = f"{folder}/counts"
    program = f"{BUILD}/tests/bench/.libs/bench_engine"
    if not os.path.exists(program):
        program = f"{BUILD}/tests/bench/bench_engine"
    subprocess.run(["valgrind", "--tool=callgrind", "--collect-atstart=no",
                    f"--toggle-collect={function}*", f"--callgrind-out-file={counts}", program,
                    *CROWD, f"--placement={placement}", f"--out={folder}"],
                   check=True, capture_output=True, timeout=300,
                   env=dict(os.environ, LD_LIBRARY_PATH=f"{BUILD}/.libs"))
    with open(counts, encoding="utf-8") as file:
        total = int(re.search(r"^(?:totals|summary): (\d+)", file.read(), re.MULTILINE).group(1))
    with open(f"{folder}/engine.tsv", encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file if not line.startswith("#")]
    deliveries = sum(float(row[4]) * MOVES / 2 for row in rows if row[2] == "deliveries an update")
    return total, deliveries


def count():
    with tempfile.TemporaryDirectory() as folder:
        uniform, few = run("uniform", "run_path", folder)
        city, many = run("city", "run_path", folder)
        still, _ = run("uniform", "run_evaluation", folder)
        near, _ = run("city", "run_evaluation", folder)
    return {
        "path, an update that nobody hears of": uniform / MOVES,
        "path, a check": uniform / CHECKS,
        "path, a delivery": (city - uniform) / (many - few),
        "evaluation, a mover far from all": still / MOVES,
        "evaluation, a mover in a city": near / MOVES,
    }


def write(figures):
    with open(KEPT, "w", encoding="utf-8") as file:
        file.write("# Instructions, counted by callgrind; written by `make instructions`.\n")
        file.write(f"# {compiled_with()}\n# bench_engine {' '.join(CROWD)}\n")
        for name, value in figures.items():
            file.write(f"{name}\t{value:.1f}\n")


def read():
    with open(KEPT, encoding="utf-8") as file:
        lines = file.read().splitlines()
    return lines[1][2:], {name: float(value) for name, value in
                          (line.split("\t") for line in lines if not line.startswith("#"))}


def main():
    if shutil.which("valgrind") is None:
        print("skipped: no valgrind")
        return SKIPPED
    compiler = compiled_with()
    if sys.argv[1:] == ["--write"]:
        write(count())
        return 0
    kept_compiler, kept = read()
    if compiler != kept_compiler:
        print(f"skipped: counts are of {kept_compiler}, this is {compiler}")
        return SKIPPED
    figures = count()
    assert figures.keys() == kept.keys(), "the figures are others: make instructions"
    worse = 0
    for name, value in figures.items():
        is_worse = value > kept[name] * TOLERANCE
        worse += is_worse
        print(f"{name}: {value:.1f}, was {kept[name]:.1f}{': too many' if is_worse else ''}")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
