"""
The report says what the tables say: ratios are computed run by run, goals are judged right, and what
was not measured is said to be missing, never met.
"""
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import chart
import goals
import publish
import results
import summary
from raw import Raw, ratios

DELIVERIES = "deliveries", "1/CPU-s"
P99 = "p99", "ms"


class Report(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="nearby-report-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, bench, figures, *said):
        table = results.Results(self.folder, bench, [f"tests/bench/{bench}.py", "--out=elsewhere"])
        for line in said:
            table.say(line)
        for (part, figure, unit), values in figures.items():
            table.figure(part, figure, unit, values)
        table.text.close()
        table.table.close()

    def write_server(self, **deliveries):
        self.write("server", {("interval 0", f"{name.replace('_', '+')}, deliveries", "1/CPU-s"): values
                              for name, values in deliveries.items()})

    def judged(self, key):
        return next(j for j in goals.judge(Raw(self.folder)) if j.goal.key == key)

    def report(self, bounds="nowhere"):
        summary.write(self.folder, bounds)
        with open(os.path.join(self.folder, "report.md"), encoding="utf-8") as file:
            return file.read()

    # ---- tables ----

    def test_what_is_written_is_read(self):
        self.write("table", {("a", "b", "1/s"): [1.5, 2e9], ("c", "b", "1/s"): [3]}, "a word")
        said, figures = results.read(os.path.join(self.folder, "table.tsv"))
        self.assertEqual(figures, {("a", "b", "1/s"): [1.5, 2e9], ("c", "b", "1/s"): [3]})
        self.assertIn("a word", said)
        self.assertTrue(any(line.startswith("kernel") for line in said))

    def test_series_go_by_number(self):
        self.write("growth", {("server, sessions", f"{n} sessions", "us"): [n] for n in (200, 30, 9)})
        self.assertEqual(Raw(self.folder).series("growth", "server, sessions", "us"),
                         [(9, [9]), (30, [30]), (200, [200])])

    # ---- goals ----

    def test_ratios_go_run_by_run(self):
        self.assertEqual(ratios([10, 20, 30], [5, 4, 3]), [2, 5, 10])
        self.assertEqual(ratios([10, 20, 30], [5]), [2])
        self.assertEqual(ratios([10], [0]), [])

    def test_a_goal_is_met_by_the_median(self):
        self.write_server(nearbyd=[90, 100, 130], node_redis=[10, 10, 10])
        judgement = self.judged("usual")
        self.assertEqual((judgement.verdict, judgement.value), (goals.MET, 10))

    def test_a_goal_is_missed_by_a_factor(self):
        self.write_server(nearbyd=[50, 50, 50], node_redis=[10, 10, 10])
        judgement = self.judged("usual")
        self.assertEqual((judgement.verdict, judgement.factor), (goals.MISSED, 2))
        self.assertIn("**missed** by 2 x", self.report())

    def test_at_most_is_missed_above_and_met_at_the_limit(self):
        for rate, verdict in ((9, goals.MISSED), (8, goals.MET), (7, goals.MET)):
            self.write("history", {(part, "all, merged, kept", "bytes/location"): [rate]
                                   for part in ("peak", "day")})
            self.assertEqual(self.judged("history-bytes").verdict, verdict, rate)

    def test_below_is_missed_at_the_limit(self):
        for p99, verdict in ((10, goals.MISSED), (9, goals.MET)):
            self.write("server", {("best peer's highest load", "nearbyd, p99", "ms"): [p99],
                                  ("best peer's highest load", "best peer, p50", "ms"): [10]})
            self.assertEqual(self.judged("p99").verdict, verdict, p99)

    def test_the_worst_of_several_figures_decides(self):
        self.write("engine", {("uniform", "path", "checks/CPU-s"): [90e6],
                              ("city", "path", "checks/CPU-s"): [13e6]})
        judgement = self.judged("engine-least")
        self.assertEqual((judgement.verdict, judgement.which), (goals.MISSED, "city, path"))

    def test_the_worst_run_decides_what_must_never_be(self):
        self.write("engine", {(part, "path", "checks/CPU-s"): [90e6, 13e6, 80e6]
                              for part in ("uniform", "city")})
        self.assertEqual(self.judged("engine").verdict, goals.MET)
        self.assertEqual(self.judged("engine-least").verdict, goals.MISSED)

    def test_growth_is_held_against_the_least_size(self):
        def costs(**by_size):
            self.write("growth", {("server, sessions", f"{size[1:]} sessions", "CPU-us/delivery"): values
                                  for size, values in by_size.items()})
            return self.judged("growth-sessions")
        self.assertEqual(costs(n10000=[4, 5, 6], n200000=[5, 6, 7]).verdict, goals.MET)
        judgement = costs(n10000=[4, 5, 6], n50000=[7, 8, 9], n200000=[5, 6, 7])
        self.assertEqual((judgement.verdict, judgement.value), (goals.MISSED, 1.6))
        self.assertEqual(costs(n10000=[4]).verdict, goals.UNMEASURED)
        self.assertEqual(costs(n10000=[0, 0, 0], n200000=[5, 6, 7]).verdict, goals.UNMEASURED)

    def test_what_is_missing_is_not_met(self):
        for judgement in goals.judge(Raw(self.folder)):
            self.assertEqual(judgement.verdict, goals.UNMEASURED, judgement.goal.what)
        self.write_server(nearbyd=[100, 100, 100])
        self.assertEqual(self.judged("usual").verdict, goals.UNMEASURED)

    def test_half_of_what_a_goal_asks_for_is_not_enough(self):
        self.write("engine", {("uniform", "path", "checks/CPU-s"): [90e6]})
        self.assertEqual(self.judged("engine-least").verdict, goals.UNMEASURED)

    # ---- the report ----

    def test_missing_benchmarks_are_named(self):
        self.write_server(nearbyd=[100])
        report = self.report()
        self.assertIn("**Not measured**: engine, table, sessions, history, start, growth.", report)
        self.assertIn(f"0 of {len(goals.GOALS)} met", report)

    def test_ratios_and_figures_are_shown(self):
        self.write_server(nearbyd=[120, 100, 110], node_redis=[10, 10, 10], bun=[50, 50, 50])
        report = self.report()
        self.assertIn("| node+redis | **11** (10–12) |", report)
        self.assertIn("| bun | **2.2** (2–2.4) |", report)
        self.assertIn("| nearbyd, deliveries | 1/CPU-s | 100 | 110 | 120 | 3 |", report)
        self.assertIn("`tests/bench/server.py`", report)

    def test_a_small_run_decides_nothing_and_says_so(self):
        self.write_server(nearbyd=[1000], node_redis=[1])
        self.write("run", {}, "server: quick, ok, 9 s", "start: full, skipped, 0 s, no lmdb")
        self.assertEqual(self.judged("usual").verdict, goals.SMALL)
        report = self.report()
        self.assertIn("small populations, which decides no goal: server.", report)
        self.assertIn(f"0 of {len(goals.GOALS)} met", report)
        self.assertIn("- start: full, skipped, 0 s, no lmdb", report)

    def test_a_full_run_decides(self):
        self.write_server(nearbyd=[1000], node_redis=[1])
        self.write("run", {}, "server: full, ok, 900 s")
        self.assertEqual(self.judged("usual").verdict, goals.MET)
        self.assertNotIn("decides no goal", self.report())

    def test_bounds_stand_beside_their_goal_with_their_date(self):
        path = os.path.join(self.folder, "bounds.md")
        with open(path, "w", encoding="utf-8") as file:
            file.write("# Bounds\n\nWords.\n\n## usual, 2026-11-22\nThe kernel's send. Half of\nall.\n")
        report = self.report(path)
        self.assertIn("| The kernel's send |", report)
        self.assertIn("**usual** (2026-11-22): The kernel's send. Half of all.", report)
        self.assertIn("not profiled", report)

    def test_the_bounds_in_the_sources_are_of_goals(self):
        keys = {goal.key for goal in goals.GOALS}
        self.assertEqual(len(keys), len(goals.GOALS))
        self.assertLessEqual(set(summary.read_bounds(summary.BOUNDS)), keys)

    def test_numbers_have_three_digits(self):
        for value, text in ((0, "0"), (0.00123456, "0.00123"), (1.5, "1.5"), (12.34, "12.3"),
                            (123.4, "123"), (1234567, "1,230,000"), (100, "100"), (0.5, "0.5")):
            self.assertEqual(summary.number(value), text)

    # ---- charts ----

    def test_a_name_has_one_colour(self):
        self.assertEqual(chart.colour("nearbyd", 0), chart.colour("nearbyd, with a hint", 3))
        self.assertNotEqual(chart.colour("nearbyd", 0), chart.colour("bun", 0))

    def test_tics_are_round_and_within(self):
        self.assertEqual(chart.tics_between(0, 7, False), [0, 1, 2, 3, 4, 5, 6, 7])
        self.assertEqual(chart.tics_between(0, 900, False), [0, 200, 400, 600, 800])
        self.assertEqual(chart.tics_between(0.5, 2000, True), [1, 10, 100, 1000])

    # ---- the sources ----

    def test_figures_stand_between_their_marks(self):
        path = os.path.join(self.folder, "README.md")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"before\n{publish.BEGIN}\nold\n{publish.END}\nafter\n")
        publish.update_readme(path, ["new"])
        with open(path, encoding="utf-8") as file:
            self.assertEqual(file.read(), f"before\n{publish.BEGIN}\n\nnew\n\n{publish.END}\nafter\n")

    def test_the_first_figures_bring_their_section(self):
        path = os.path.join(self.folder, "README.md")
        for lines, count in (([], 0), (["| 10 x |"], 1), (["| 11 x |"], 1)):
            if not lines:
                with open(path, "w", encoding="utf-8") as file:
                    file.write(f"before\n{publish.BEFORE}\nafter\n")
            publish.update_readme(path, lines)
            with open(path, encoding="utf-8") as file:
                text = file.read()
            self.assertEqual(text.count("## How fast"), count)
            self.assertTrue(all(line in text for line in lines))

    def test_nothing_to_publish_leaves_the_sources_as_they_are(self):
        kept = os.path.join(self.folder, "tests", "bench", "results", "report.md")
        os.makedirs(os.path.dirname(kept))
        with open(kept, "w", encoding="utf-8"):
            pass
        with self.assertRaises(SystemExit):
            publish.publish(os.path.join(self.folder, "empty"), self.folder)
        self.assertTrue(os.path.exists(kept))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
