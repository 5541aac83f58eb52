"""
Owns: what a benchmark in Python says, in the form of report.c: NAME.txt for people, with minimum,
  median and maximum of each figure, and NAME.tsv with every single value; and reading such tables.
Invariant: both files begin with the machine, the kernel, the versions and the command line; a table
  that was not closed is read as what it has.
Does not know: what the figures mean.

    results = Results(out, "server", sys.argv)
    results.say("Redis: skipped, no redis-server")
    results.figure("interval 0", "nearbyd, deliveries", "1/CPU-s", [101e3, 99e3, 100e3])
    results.close()
"""
import os
import platform
import re
import shlex
import statistics
import subprocess

HEADER = "part\tfigure\tunit\trun\tvalue"


class Results:
    def __init__(self, out, name, argv):
        os.makedirs(out, exist_ok=True)
        self.text = open(os.path.join(out, f"{name}.txt"), "w+", encoding="utf-8")
        self.table = open(os.path.join(out, f"{name}.tsv"), "w", encoding="utf-8")
        self.title = None
        for line in machine() + [f"{'command':10} {shlex.join(argv)}"]:
            self.say(line)
        print(HEADER, file=self.table, flush=True)

    def say(self, text):
        """A line for people, kept in the table as a comment."""
        for line in text.splitlines() or [""]:
            print(line, file=self.text, flush=True)
            print(f"# {line}", file=self.table, flush=True)

    def figure(self, part, figure, unit, values):
        """The values of all runs; of a figure that could not be measured there are none, say why.
        Both files hold it when this returns, so that what ran is kept if a later part fails."""
        for word in (part, figure, unit):
            assert "\t" not in word and "\n" not in word, word
        if not values:
            return
        if part != self.title:
            self.title = part
            print(f"\n{part:44} {'minimum':>12} {'median':>12} {'maximum':>12}", file=self.text)
        print(f"  {figure + ', ' + unit:42} {min(values):12.4g} {statistics.median(values):12.4g}"
              f" {max(values):12.4g}", file=self.text, flush=True)
        for run, value in enumerate(values, 1):
            print(f"{part}\t{figure}\t{unit}\t{run}\t{value:.9g}", file=self.table, flush=True)

    def close(self):
        """Says on stdout what the text says."""
        self.text.seek(0)
        print(self.text.read(), end="", flush=True)
        self.text.close()
        self.table.close()


def read(path):
    """(lines of comment without their #, {(part, figure, unit): [values]} in the file's order)."""
    said, figures = [], {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            line = line.rstrip("\n")
            if line.startswith("#"):
                said.append(line[1:].removeprefix(" "))
            elif line and line != HEADER:
                part, figure, unit, _, value = line.split("\t")
                figures.setdefault((part, figure, unit), []).append(float(value))
    return said, figures


# ---- the machine ---------------------------------------------------------------------------------

def machine():
    """The same lines as report.c's."""
    return [f"{label:10} {value}" for label, value in (
        ("processor", line_of("/proc/cpuinfo", "model name")),
        ("cores", os.cpu_count()),
        ("memory", line_of("/proc/meminfo", "MemTotal")),
        ("huge pages", line_of("/sys/kernel/mm/transparent_hugepage/enabled")),
        ("kernel", f"{platform.system()} {platform.release()} {platform.machine()}"),
        ("load", line_of("/proc/loadavg")),
        ("versions", f"nearby {version()}, {compiler()}, Python {platform.python_version()}"),
    )]


def line_of(path, key=""):
    """What stands behind the colon of the first line that begins with `key`; or the first line."""
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                if line.startswith(key):
                    return (line.partition(":")[2] if key else line).strip()
    except OSError:
        pass
    return "unknown"


def build():
    return os.environ.get("TEST_BUILD", os.getcwd())


def version():
    return found_in("config.h", r'#define PACKAGE_VERSION "(.*)"')


def compiler():
    """First line of what the compiler says of itself, of the one that built what is measured."""
    command = found_in("Makefile", r"CC = (.*)").split()
    try:
        said = subprocess.run(command + ["--version"], capture_output=True, text=True, timeout=10)
        return said.stdout.partition("\n")[0] or "unknown"
    except (OSError, subprocess.TimeoutExpired):
        return "unknown compiler"


def found_in(name, pattern):
    try:
        with open(os.path.join(build(), name), encoding="utf-8") as file:
            match = re.search(f"^{pattern}$", file.read(), re.M)
            return match.group(1) if match else "unknown"
    except OSError:
        return "unknown"
