"""
Owns: all tables and histograms of one run of the benchmarks, as they lie in a directory.
Invariant: what was not measured has no values; nothing is made up for it.
Does not know: what is good.
"""
import glob
import os
import re
import statistics

import results


class Raw:
    def __init__(self, folder):
        self.folder = folder
        self.said, self.figures = {}, {}
        for path in sorted(glob.glob(os.path.join(folder, "*.tsv"))):
            name = os.path.basename(path)[:-len(".tsv")]
            self.said[name], self.figures[name] = results.read(path)
        # Those whose populations were smaller than the goals ask for, as tests/bench/run notes it.
        self.small = [line.partition(":")[0] for line in self.said.get("run", [])
                      if re.match(r"\w+: (quick|smoke), ok", line)]

    def values(self, bench, part, figure, unit):
        """Of all runs, in their order; none: not measured."""
        return self.figures.get(bench, {}).get((part, figure, unit), [])

    def parts(self, bench):
        """{part: {(figure, unit): values}} in the table's order."""
        parts = {}
        for (part, figure, unit), values in self.figures.get(bench, {}).items():
            parts.setdefault(part, {})[figure, unit] = values
        return parts

    def series(self, bench, part, unit):
        """(number, values) of the figures of a part that are named by a number, such as
        "200000 sessions", by that number."""
        found = [(float(figure.split()[0]), values)
                 for (figure, of), values in self.parts(bench).get(part, {}).items()
                 if of == unit and figure[:1].isdigit()]
        return sorted(found)

    def histogram(self, name):
        """[(upper bound in us, count)] of NAME.hist, ascending."""
        rows = []
        with open(os.path.join(self.folder, f"{name}.hist"), encoding="utf-8") as file:
            for line in file:
                if not line.startswith("#") and line.strip():
                    bound, count = line.split()
                    rows.append((float(bound), int(count)))
        return rows

    def histograms(self):
        return sorted(os.path.basename(path)[:-len(".hist")]
                      for path in glob.glob(os.path.join(self.folder, "*.hist")))


def ratios(ours, theirs):
    """Run by run, as far as both have runs."""
    return [a / b for a, b in zip(ours, theirs) if b > 0]


def spread(values):
    return min(values), statistics.median(values), max(values)
