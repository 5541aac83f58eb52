"""
Owns: report.md: the goals and whether they are met, ratios to the peers, every figure of every
  benchmark, and the plots, written from the tables and histograms in a directory.
Invariant: all of it comes from the files; what is not there is said to be missing.
Does not know: how anything is measured.
"""
import os
import re

import goals
import plots
from contender import NAMES as SERVERS
from raw import Raw, ratios, spread

LOADS = ("interval 0", "interval 0, same rate", "interval 1000 ms", "interval 10000 ms")
# What each benchmark is, in the order of the report.
BENCHES = {
    "server": "Whole server, beside what people use today",
    "engine": "Engine",
    "table": "Table of locations, beside Redis",
    "sessions": "Sessions",
    "history": "History",
    "start": "Start",
    "growth": "Growth",
}
# Choices that a reader should know of.
HOW_JUDGED = [
    "- Interval 0 is measured at half of each server's own highest rate, and all at one same rate too. What",
    "  counts is deliveries, entries in frames; pairs, which count an overtaken location as well, stand beside",
    "  them. A server that merges more has fewer deliveries and as many pairs.",
    "- Intervals of 1 and 10 s are measured at one rate for all, half of the highest that the slowest keeps at",
    "  interval 0: at rates far beyond life walkers cross the radius between two pushes, and the pairs that this",
    "  ends would count as missed. The worse of deliveries and pairs decides.",
    "- The runs of one rate are windows of one load that goes on, not restarts.",
    "- The table's goals are decided by the worse of with and without a hint; the history's rate by the peak hour",
    "  of 33,333 locations a second alone, filled once.",
    "",
]
BOUNDS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bounds.md")


def write(folder, bounds_path=BOUNDS):
    """report.md and the plots beside the raw data; returns the judgements."""
    raw = Raw(folder)
    bounds = read_bounds(bounds_path)
    judgements = goals.judge(raw)
    drawn, undrawn = plots.draw_all(raw)
    lines = (["# Benchmarks of nearby", ""] + about(raw) + ratios_section(raw)
             + goals_section(judgements, bounds) + plots_section(drawn, undrawn)
             + [line for bench in BENCHES for line in bench_section(raw, bench)]
             + bounds_section(bounds))
    with open(os.path.join(folder, "report.md"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines).rstrip("\n") + "\n")
    return judgements


# ---- numbers -------------------------------------------------------------------------------------

def number(value):
    """Three digits, large ones in groups: 0.00123, 1.23, 12.3, 123, 1,230, 1,230,000."""
    if value == 0:
        return "0"
    text = f"{float(f'{value:.3g}'):,.10f}".rstrip("0").rstrip(".")
    if abs(value) < 1e-6:
        return f"{value:.3g}"
    whole, _, fraction = text.partition(".")
    return whole if not fraction or abs(value) >= 100 else f"{whole}.{fraction}"


def table(head, rows):
    """Numbers stand on the right: every column but the first."""
    if not rows:
        return []
    return ["| " + " | ".join(head) + " |",
            "|---|" + "--:|" * (len(head) - 1)] + [
                "| " + " | ".join(str(cell) for cell in row) + " |" for row in rows] + [""]


def median_and_range(values):
    if not values:
        return "–"
    least, median, most = spread(values)
    return f"**{number(median)}** ({number(least)}–{number(most)})"


# ---- sections ------------------------------------------------------------------------------------

def about(raw):
    """The machine once, if all ran on one; the commands of all."""
    machine = {}
    for said in raw.said.values():
        for line in said:
            label, value = line[:10].strip(), line[11:]
            if label in ("processor", "cores", "memory", "huge pages", "kernel", "versions"):
                machine.setdefault(label, []).append(value)
    rows = [(label, "<br>".join(dict.fromkeys(values))) for label, values in machine.items()]
    lines = [
        "Written by `tests/bench/run` from the tables beside it. Figures are per CPU-second of the "
        "server, user and system as the kernel counts them, of all its processes; **median** (least–"
        "most) of all runs. Ratios are taken run by run between things measured in the same run of "
        "the benchmark. Absolute figures mean little beyond this machine.", ""]
    lines += table(("machine", ""), rows)
    found = [(bench, command(raw.said.get(bench, []))) for bench in BENCHES if bench in raw.said]
    lines += table(("benchmark", "command"), [(bench, f"`{line}`") for bench, line in found])
    missing = [bench for bench in BENCHES if bench not in raw.figures]
    if missing:
        lines += [f"**Not measured**: {', '.join(missing)}.", ""]
    if raw.small:
        lines += [f"**Run with small populations, which decides no goal: {', '.join(raw.small)}.**", ""]
    lines += [f"- {line}" for line in raw.said.get("run", []) if re.search(r"\b(skipped|failed)\b", line)]
    return lines + ([""] if lines[-1] else [])


def command(said):
    for line in said:
        if line.startswith("command"):
            words = line[11:].split(" ")
            # Where it was built and written to is of no use elsewhere.
            words = [re.sub(r"^/\S*/(tests/bench/)(\.libs/)?", r"\1", word) for word in words]
            return " ".join(word for word in words if not word.startswith("--out="))
    return "unknown"


def ratios_section(raw):
    lines = ["## Ratios", "", "Deliveries per server CPU-second of nearbyd to those of each peer: pushed "
             "at once, each at half of its own highest rate; the others all at the same rate.", ""]
    rows = []
    for peer in SERVERS[1:]:
        row = [peer]
        for part in LOADS:
            row.append(median_and_range(ratios(
                raw.values("server", part, "nearbyd, deliveries", "1/CPU-s"),
                raw.values("server", part, f"{peer}, deliveries", "1/CPU-s"))))
        if any(cell != "–" for cell in row[1:]):
            rows.append(row)
    lines += table(("nearbyd to",) + LOADS, rows) or ["Not measured.", ""]
    other = [(bench, part, name, values) for bench in BENCHES
             for (part, name, unit), values in raw.figures.get(bench, {}).items()
             if unit.startswith("ratio")]
    return lines + table(("others", "ratio"), [
        (f"{bench}, {part}: {name}", median_and_range(values)) for bench, part, name, values in other])


def verdict_text(judgement):
    if judgement.verdict == goals.SMALL:
        return "small run"
    if judgement.verdict == goals.UNMEASURED:
        return "**not measured**"
    if judgement.verdict == goals.MET:
        return "met"
    return f"**missed** by {number(judgement.factor)} x"


def one_line(judgement):
    """For a terminal."""
    text = verdict_text(judgement).replace("*", "")
    values = f" ({number(judgement.value)} {judgement.goal.unit})" if judgement.is_measured else ""
    return f"{text:22} {judgement.goal.what}{values}"


def for_readme(raw):
    """The figures that matter most to who would run it; nothing of what was not measured."""
    lines = []
    for what, values, unit in (
            ("deliveries per server CPU-second, to node `ws` with Redis, each at half of its highest rate", ratios(
                raw.values("server", "interval 0", "nearbyd, deliveries", "1/CPU-s"),
                raw.values("server", "interval 0", "node+redis, deliveries", "1/CPU-s")), "x"),
            ("the same, both at one same rate", ratios(
                raw.values("server", "interval 0, same rate", "nearbyd, deliveries", "1/CPU-s"),
                raw.values("server", "interval 0, same rate", "node+redis, deliveries", "1/CPU-s")), "x"),
            ("deliveries per server CPU-second, to Bun", ratios(
                raw.values("server", "interval 0", "nearbyd, deliveries", "1/CPU-s"),
                raw.values("server", "interval 0", "bun, deliveries", "1/CPU-s")), "x"),
            ("99 of 100 locations reach a friend within, at that load",
             raw.values("server", "interval 0", "nearbyd, p99", "ms"), "ms"),
            ("memory of nearbyd for an idle session",
             raw.values("sessions", "memory", "user memory a session", "bytes"), "bytes")):
        if values:
            lines.append((what, f"{median_and_range(values)} {unit}"))
    return table(("figure", "median (least–most)"), lines)[:-1]


def goals_section(judgements, bounds):
    rows = []
    for judgement in judgements:
        goal = judgement.goal
        wanted = f"{goal.sense} {number(goal.wanted)} {goal.unit}"
        measured = f"{median_and_range(judgement.values)}" if judgement.is_measured else "–"
        if judgement.is_measured and judgement.which:
            measured += f"<br>{judgement.which}"
        rows.append((goal.what, wanted, measured, verdict_text(judgement), bound_of(bounds, goal.key)))
    met = sum(judgement.verdict == goals.MET for judgement in judgements)
    return ["## Goals", "", f"{met} of {len(judgements)} met. Of several figures the worst is shown.", ""
            ] + table(("goal", "wanted", "measured", "", "what bounds it"), rows) + HOW_JUDGED


def plots_section(drawn, undrawn):
    lines = ["## Plots", ""] if drawn or undrawn else []
    for name, title in drawn:
        lines += [f"![{title}]({name})", ""]
    for name, reason in undrawn:
        lines += [f"{name}: not drawn, {reason}.", ""]
    return lines


def bench_section(raw, bench):
    if bench not in raw.figures:
        return []
    lines = [f"## {BENCHES[bench]}", ""]
    notes = [line for line in raw.said[bench] if line and not re.match(
        r"(processor|cores|memory|huge pages|kernel|load|versions|command)\b", line)]
    if notes:
        lines += [f"- {line}" for line in notes] + [""]
    for part, figures in raw.parts(bench).items():
        rows = [(f"{name}", unit, *(number(value) for value in spread(values)), len(values))
                for (name, unit), values in figures.items()]
        lines += [f"### {part}", ""] + table(
            ("figure", "unit", "minimum", "median", "maximum", "runs"), rows)
    return lines


# ---- what bounds the figures ---------------------------------------------------------------------

def read_bounds(path):
    """{key: (date, text)} of a file of `## key, date` and a paragraph for each, written by people
    who looked at profiles."""
    bounds, key = {}, None
    if not os.path.exists(path):
        return bounds
    with open(path, encoding="utf-8") as file:
        for line in file:
            match = re.match(r"## ([\w-]+), (\d{4}-\d\d-\d\d)$", line.rstrip())
            if match:
                key = match.group(1)
                bounds[key] = (match.group(2), "")
            elif key is not None and line.strip():
                date, text = bounds[key]
                bounds[key] = (date, f"{text} {line.strip()}".strip())
    return bounds


def bound_of(bounds, key):
    """The first sentence; all of it stands at the end of the report."""
    if key not in bounds:
        return "not profiled"
    return re.split(r"[.:;]\s", bounds[key][1], maxsplit=1)[0].rstrip(".")


def bounds_section(bounds):
    lines = ["## What bounds each figure", "",
             "From profiles, by people; the date is that of the profile.", ""] if bounds else []
    for key, (date, text) in bounds.items():
        lines += [f"**{key}** ({date}): {text}", ""]
    return lines
