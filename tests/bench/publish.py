"""
Owns: bringing a report into the sources: tests/bench/results, and the figures in README.md.
Invariant: what is there afterwards comes from the one directory; it stays small.
Does not know: what the figures are.
"""
import glob
import os
import shutil

import summary
from raw import Raw

KINDS = ("report.md", "*.svg", "*.tsv", "*.hist")
BYTES_MAX = 1000 * 1000
# The section that README.md gets with the first figures, before this one.
BEFORE = "## The way of a location"
SECTION = """## How fast

One CPU for the server with all its processes, another for the load, both ends on one machine: up to half
of what a server then spends is the kernel's work on a loopback connection, the same for all. nearbyd
keeps a history and verifies tokens, which the others do not; under load it lets moves merge, which
is where most of the difference comes from. A million sessions fit into 16 GB with both ends, but two
CPUs do not keep up with all of them moving: pushes come seconds late, and some sessions are lost. Repeat
it on yours with `make bench`; all figures, what bounds them and what was missed:
[tests/bench/results](tests/bench/results/report.md).

{begin}
{end}

"""
BEGIN, END = "<!-- figures of tests/bench/results -->", "<!-- end of figures -->"


def publish(folder, source):
    files = [path for kind in KINDS for path in sorted(glob.glob(os.path.join(folder, kind)))]
    size = sum(os.path.getsize(path) for path in files)
    if not files or size > BYTES_MAX:
        raise SystemExit(f"{folder}: {len(files)} files of {size} bytes; wanted are some, of at most "
                         f"{BYTES_MAX}")
    target = os.path.join(source, "tests", "bench", "results")
    shutil.rmtree(target, ignore_errors=True)
    os.makedirs(target)
    for path in files:
        shutil.copy(path, target)
    print(f"{len(files)} files, {size} bytes, in {target}")
    update_readme(os.path.join(source, "README.md"), summary.for_readme(Raw(folder)))


def update_readme(path, lines):
    """Between the two marks; a file without them gets the section that has them."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if BEGIN not in text and lines:
        text = text.replace(BEFORE, SECTION.format(begin=BEGIN, end=END) + BEFORE, 1)
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or not lines:
        return
    with open(path, "w", encoding="utf-8") as file:
        file.write(before + begin + "\n\n" + "\n".join(lines) + "\n\n" + end + after)
    print(f"figures in {path}")
