"""
Owns: drawing one SVG of bars or lines, through gnuplot.
Invariant: a name has the same colour in every chart; a chart without data is not drawn.
Does not know: what is drawn.
"""
import math
import re
import shutil
import subprocess

from raw import spread

# Told apart by those who do not see all colours, too (Okabe and Ito).
COLOURS = {
    "nearbyd": "#0072B2", "node+redis": "#D55E00", "bun": "#E69F00", "centrifuge": "#009E73",
    "nats": "#CC79A7", "Redis": "#D55E00", "node": "#D55E00", "SQLite": "#999999",
    "LMDB": "#E69F00",
    "engine": "#56B4E9", "bare": "#999999",
}
OTHERS = ("#0072B2", "#56B4E9", "#999999", "#E69F00", "#009E73", "#CC79A7")
WIDTH, PANEL_HEIGHT = 960, 400
STYLE = """
set terminal svg size {width},{height} dynamic enhanced font "DejaVu Sans,13" background "#ffffff"
set output "{path}"
set encoding utf8
set border 3 lc rgb "#666666"
set tics nomirror textcolor rgb "#333333"
set grid ytics lc rgb "#dddddd" lt 1 lw 1
set style fill solid 0.9 noborder
set key outside bottom center horizontal Left reverse samplen 1.5
set lmargin 12
"""


class Chart:
    def __init__(self, path, title, columns=1, rows=1):
        self.columns, self.rows, self.title = columns, rows, title
        self.script = [STYLE.format(width=WIDTH, height=PANEL_HEIGHT * rows + 40, path=path)]
        self.script.append(f'set multiplot layout {rows},{columns} title {quoted(title)} font ",16"')
        self.blocks = 0

    def block(self, rows):
        """A block of data; its name."""
        name = f"$data{self.blocks}"
        self.blocks += 1
        self.script.append(f"{name} << EOD\n" + "\n".join(" ".join(map(str, row)) for row in rows)
                           + "\nEOD")
        return name

    def bars(self, title, axis, groups, series, log=False):
        """series: [(name, [values of each group])]; each bar is a median, its whisker the range."""
        plots, labels, width = [], [], 0.8 / len(series)
        for i, (name, by_group) in enumerate(series):
            rows = []
            for group, values in enumerate(by_group):
                if values:
                    least, median, most = spread(values)
                    rows.append((group + (i - (len(series) - 1) / 2) * width, median, least, most,
                                 quoted(short(median))))
            if rows:
                data = self.block(rows)
                plots.append(f'{data} using 1:2:({width * 0.92}) with boxes lc rgb "{colour(name, i)}" '
                             f"title {quoted(name)}")
                labels += [f'{data} using 1:3:(0):($4-$3) with vectors nohead lw 1.5 lc rgb "#444444" notitle',
                           f"{data} using 1:4:5 with labels offset 0,0.6 font \",10\" notitle"]
        tops = [max(values) for _, by_group in series for values in by_group if values]
        lows = [min(values) for _, by_group in series for values in by_group if values]
        tics = [(i, group) for i, group in enumerate(groups)]
        low, high = (min(lows) / 3, max(tops) * 3) if log else (0, max(tops) * 1.15)
        self.panel(title, axis, plots + labels, (-0.6, len(groups) - 0.4), tics, False,
                   (low, high), log)

    def lines(self, title, axis, series, log_x=False, log_y=False, tics=None):
        """series: [(name, [(x, values)])]; lines through the medians, whiskers for the range. The
        axis of values begins at 0 or is logarithmic."""
        plots, points = [], []
        for i, (name, all_points) in enumerate(series):
            rows = [(x, spread(values)[1], *spread(values)[::2]) for x, values in all_points if values]
            if not rows:
                continue
            points += rows
            data = self.block(rows)
            if len(rows) > 20:
                plots.append(f'{data} using 1:2 with lines lw 2 lc rgb "{colour(name, i)}" '
                             f"title {quoted(name)}")
            else:
                plots += [f'{data} using 1:2 with linespoints lw 2 pt 7 ps 0.6 '
                          f'lc rgb "{colour(name, i)}" title {quoted(name)}',
                          f'{data} using 1:3:(0):($4-$3) with vectors nohead lw 1.5 '
                          f'lc rgb "{colour(name, i)}" notitle']
        if not points:
            return
        across_of = sorted({x for x, *_ in points})
        low, high = across_of[0], across_of[-1]
        around = (low / 1.15, high * 1.15) if log_x else (low - 0.1, high + 0.1)
        lows, tops = min(row[2] for row in points), max(row[3] for row in points)
        self.panel(title, axis, plots, around, tics or [(x, short(x)) for x in across_of],
                   log_x, (lows / 1.5, tops * 1.5) if log_y else (0, tops * 1.15), log_y)

    def panel(self, title, axis, plots, x_range, x_tics, log_x, y_range, log_y):
        if not plots:
            return
        self.script += [
            "unset logscale", "set logscale x" if log_x else "", "set logscale y" if log_y else "",
            f"set xrange [{x_range[0]}:{x_range[1]}]", f"set yrange [{y_range[0]}:{y_range[1]}]",
            f"set xtics ({tic_list(x_tics)})",
            f"set ytics ({tic_list([(y, short(y)) for y in tics_between(*y_range, log_y)])})",
            f'set title {quoted(title)} font ",13"', f"set ylabel {quoted(axis)}", "plot " + ", \\\n  ".join(plots)]

    def draw(self):
        """None, or the reason why it is not there."""
        if not self.blocks:
            return "nothing to draw was measured"
        if shutil.which("gnuplot") is None:
            return "gnuplot (Debian: gnuplot-nox) is missing"
        done = subprocess.run(["gnuplot"], input="\n".join(self.script + ["unset multiplot"]), text=True,
                              capture_output=True, timeout=60)
        return None if done.returncode == 0 else f"gnuplot: {done.stderr.strip()}"


def colour(name, i):
    """By the first word; of what else is ours by its place."""
    first, *more = re.split(r"[ ,]+", name)
    return COLOURS["engine"] if first == "nearbyd" and "without" in more else COLOURS.get(
        first, OTHERS[i % len(OTHERS)])


def tic_list(tics):
    return ", ".join(f"{quoted(text)} {value}" for value, text in tics)


def tics_between(low, high, is_log):
    """Round numbers: powers of ten, or four to eight steps of 1, 2 or 5."""
    if is_log:
        return [10.0 ** n for n in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)]
    power = 10 ** math.floor(math.log10((high - low) / 4))
    step = max(factor * power for factor in (1, 2, 5) if factor * power <= (high - low) / 4)
    return [step * n for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


def quoted(text):
    """For gnuplot: between double quotes, nothing in it taken for markup."""
    return '"' + re.sub(r'([\\"_^{}@&~])', lambda m: "\\\\" + m[1] if m[1] != '"' else "'", text) + '"'


def short(value):
    """1.23, 12.3, 123, 1.23k, 1.23M."""
    for factor, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{float(f'{value / factor:.3g}'):g}{letter}"
    return f"{float(f'{value:.3g}'):g}"
