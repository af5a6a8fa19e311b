"""One table of all figures that benches have left in a folder, and plots of how they grow, on one page.

    python3 tests/benches/report.py target/bench docs/plots

Each bench leaves a file `NAME.json`:

    {"rows": [{"figure": "what", "aim": "text", "unit": "µs", "ours": 1.0,
               "floor": {"name": "native", "value": 0.5}, "peers": [{"name": "Extism", "value": 3.0}]}],
     "growth": {"size": [{"at": 1024, "ours": 10.0, "floor": 5.0}]}}

Nothing but Python's standard library is needed.
"""

import json
import math
import pathlib
import sys

#: What a plot of each name shows: title, what grows, what ours is, what the other line is.
PLOTS = {
    "size": ("One run of a plugin", "bytes of the object", "sandbox", "the same code native"),
    "entries": ("One run of a plugin that yields so many entries", "entries", "sandbox", None),
    "plugins": ("A warm event, by the plugins in the bucket", "plugins", "event", None),
    "objects": ("A full sync, by the objects in the bucket", "objects", "all written", "none changed"),
    "functions": ("2,000 changed objects, by the functions that share them, on two processors", "functions", "all", None),
}

#: Above the table of the page.
PAGE = """# Figures

Written by `make bench`: what Redis Sync takes, and what else takes in the same run, on a machine that it shares with S3 (a stand-in)
and Redis. Ratios count; times are of whatever machine it was. What a figure is compared with is said beside it; [speed.md](../speed.md) says what
they are spent on, and what stops those that miss their aim.

"""


def shown(value, unit):
    for smaller, larger in ("µs", "ms"), ("ms", "s"):
        if unit == smaller and value >= 1000:
            unit, value = larger, value / 1000
    digits = max(0, 2 - math.floor(math.log10(value))) if value > 0 else 0
    return f"{value:.{digits}f}{unit if unit.startswith('/') else ' ' + unit}".strip()


def lines(row):
    """Cells of a row: one line for the floor, one for each peer."""
    ours, unit = row["ours"], row["unit"]
    floor = row.get("floor")
    others = [floor] if floor else []
    others += row.get("peers", [])
    name, aim, own = row["figure"], row["aim"], shown(ours, unit)
    if not others:
        yield ["", name, own, "", aim]
    for other in others:
        ratio = f"{ours / other['value']:.2f}"
        yield [ratio, name, own, f"{other['name']}: {shown(other['value'], unit)}", aim]
        name = own = aim = ""


def cells_of(rows):
    cells = [["ratio", "figure", "ours", "beside it", "aim"]]
    for row in rows:
        cells += list(lines(row))
    return cells


def page(rows, plots):
    """The table and the plots, for readers of the repository."""
    head, *body = cells_of(rows)
    out = [head, ["---"] * len(head), *body]
    out = ["| " + " | ".join(line) + " |" for line in out]
    return PAGE + "\n".join(out) + "\n\n" + "\n\n".join(f"![{PLOTS[name][0]}]({name}.svg)" for name in plots) + "\n"


def table(rows):
    cells = cells_of(rows)
    widths = [max(len(line[column]) for line in cells) for column in range(5)]
    for number, line in enumerate(cells):
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))


WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 640, 360, 70, 50, 40, 40


def decades(values):
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def power(exponent, unit=""):
    names = {"": ["1", "10", "100", "1 000", "10 000", "100 000", "1 000 000", "10 000 000", "100 000 000"]}
    if unit == "µs":
        names = {"µs": ["1 µs", "10 µs", "100 µs", "1 ms", "10 ms", "100 ms", "1 s", "10 s", "100 s"]}
    known = names[unit]
    return known[exponent] if 0 <= exponent < len(known) else f"1e{exponent}"


def plot(name, points):
    """Both axes are logarithmic: a straight line of the same slope as the grid's is proportional."""
    title, across, own, other = PLOTS[name]
    series = {own: [(p["at"], p["ours"]) for p in points]}
    if all(p.get("floor") for p in points):
        series[other] = [(p["at"], p["floor"]) for p in points]
    xs, ys = ([value[axis] for line in series.values() for value in line] for axis in (0, 1))
    (x0, x1), (y0, y1) = decades(xs), decades(ys)

    def place(x, y):
        return (
            LEFT + (math.log10(x) - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - (math.log10(y) - y0) / (y1 - y0) * (HEIGHT - BOTTOM - TOP),
        )

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="22" font-size="14">{title}</text>',
    ]
    for exponent in range(x0, x1 + 1):
        x, _ = place(10**exponent, 10**y0)
        out.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM}" stroke="#ddd"/>')
        out.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{power(exponent)}</text>')
    for exponent in range(y0, y1 + 1):
        _, y = place(10**x0, 10**exponent)
        out.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{power(exponent, "µs")}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">{across}</text>')
    for (name, line), colour in zip(series.items(), ("#0b62a4", "#999")):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in line))
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        x, y = place(*line[-1])
        out.append(f'<text x="{x - 4:.1f}" y="{y - 8:.1f}" text-anchor="end" fill="{colour}">{name}</text>')
    return "\n".join(out + ["</svg>", ""])


def main():
    figures, plots = map(pathlib.Path, sys.argv[1:3])
    plots.mkdir(parents=True, exist_ok=True)
    rows, drawn = [], []
    for file in sorted(figures.glob("*.json")):
        left = json.loads(file.read_text())
        rows += left.get("rows", [])
        for name, points in left.get("growth", {}).items():
            (plots / f"{name}.svg").write_text(plot(name, points))
            drawn.append(name)
    (plots / "README.md").write_text(page(rows, drawn))
    table(rows)


main()
