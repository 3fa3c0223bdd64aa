"""How the cost of a start grows, capwrap's beside the floor's."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from world import Case, World, say, table

FLAT = 0.1  # as a part of the first time: growth that is not told from noise
LINEAR = 1.15  # an exponent below is, give or take noise


@dataclass
class Series:
    name: str
    unit: str
    scale: int  # how many of the axis a unit is
    points: list[int]
    share: int  # of all rounds, one in so many
    logarithmic: bool
    case: Callable[[str, Path, int], Case]  # name, wrapper, point

    @property
    def axis(self) -> str:
        return f"{self.unit}s" if self.scale == 1 else "bytes"


def series(world: World) -> list[Series]:
    room = min(os.sysconf("SC_ARG_MAX"), 6 << 20) - (16 << 10)
    variables, arguments = room // 18, room // 10  # both with their pointers

    def script(name: str, wrapper: Path, path: str, length: int = 0) -> list[str]:
        caps = "cap_net_raw=i" if wrapper == world.wrapper else ""
        return [world.script(f"{path}/{name}.script", f"{wrapper} {world.target}", caps, length)]

    def deep(depth: int) -> str:
        return "d/" * (depth - len(world.top.parts) + 1)

    return [
        Series("environment", "variable", 1,
               [n for n in (10, 100, 1000, 5000, 10_000, 25_000, 50_000, 75_000, 100_000) if n <= variables], 30, True,
               lambda name, wrapper, n: Case(name, script(name, wrapper, "."), variables=n)),
        Series("arguments", "argument", 1,
               [n for n in (10, 100, 1000, 10_000, 50_000, 100_000, 150_000) if n < arguments] + [arguments], 40, True,
               lambda name, wrapper, n: Case(name, script(name, wrapper, "."), arguments=n)),
        Series("depth", "folder", 1, [2, 4, 6, 10, 20, 30, 40, 50, 60], 6, False,
               lambda name, wrapper, n: Case(name, script(name, wrapper, deep(n)))),
        Series("size", "MB", 1 << 20, [1 << n for n in (10, 14, 18, 22, 26, 28, 30)], 6, True,
               lambda name, wrapper, n: Case(name, script(name, wrapper, f"size-{n}", n))),
        Series("parallel", "start", 1, [1, 2, 4, 8, 16, 32, 48, 64], 30, False,
               lambda name, wrapper, n: Case(name, script(name, wrapper, "."), jobs=n)),
    ]


def slope(xs: list[float], ys: list[float]) -> float:
    """Of the line through them, by least squares."""
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / sum((a - x) ** 2 for a in xs)


def exponent(xs: list[float], ys: list[float]) -> float | None:
    """Of the growth over the first point, in the upper half, by logarithms; None where noise hides it."""
    upper = [(x - xs[0], y - ys[0]) for x, y in zip(xs, ys, strict=True) if y > ys[0]][-(len(xs) // 2 + 1):]
    if ys[-1] - ys[0] < FLAT * ys[0] or len(upper) < 3:
        return None
    return slope([math.log(x) for x, _ in upper], [math.log(y) for _, y in upper])


def remark(power: float | None) -> str:
    if power is None:
        return "does not grow"
    return f"exponent {power:.2f}, {'at most linear' if power < LINEAR else 'MORE THAN LINEAR'}"


def plot_gnuplot(gnuplot: str, data: Path, one: Series, names: list[str], image: Path) -> None:
    lines = []
    for i, name in enumerate(names):
        lines += [f'"{data}" using 1:{2 + 2 * i} with linespoints linewidth 2 title "{name}, median"',
                  f'"{data}" using 1:{3 + 2 * i} with lines dashtype 2 title "{name}, minimum"']
    script = f"""
        set terminal svg size 800, 500 background "white"
        set output "{image}"
        set title "Starts by {one.name}"
        set xlabel "{one.axis}"
        set ylabel "microseconds"
        set key left top
        set grid
        {'set logscale xy' if one.logarithmic else 'set yrange [0:*]'}
        plot {', '.join(lines)}
        """
    subprocess.run([gnuplot], input=script, text=True, check=True)


def plot_matplotlib(one: Series, columns: dict[str, list[Case]], image: Path) -> None:
    import matplotlib  # type: ignore[import]
    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 5))
    for name, cases in columns.items():
        line, = axes.plot(one.points, [case.median for case in cases], marker="o", label=f"{name}, median")
        axes.plot(one.points, [case.minimum for case in cases], "--", color=line.get_color(), label=f"{name}, minimum")
    axes.set(title=f"Starts by {one.name}", xlabel=one.axis, ylabel="microseconds")
    if one.logarithmic:
        axes.set(xscale="log", yscale="log")
    else:
        axes.set_ylim(bottom=0)
    axes.grid(True)
    axes.legend()
    figure.savefig(image)
    pyplot.close(figure)


def plot(world: World, one: Series, columns: dict[str, list[Case]]) -> None:
    """A table for programs, and an image where something here draws one."""
    data, image = (world.folder / f"growth-{one.name}.{end}" for end in ("tsv", "svg"))
    with data.open("w") as file:
        kinds = [f"{name} {kind}" for name in columns for kind in ("median", "minimum")]
        file.write("\t".join(["# " + one.axis, *kinds]))
        for i, point in enumerate(one.points):
            times = [time for cases in columns.values() for time in (cases[i].median, cases[i].minimum)]
            file.write("\n" + "\t".join(map(str, [point, *times])))
        file.write("\n")
    if gnuplot := shutil.which("gnuplot"):
        plot_gnuplot(gnuplot, data, one, list(columns), image)
        return
    try:
        plot_matplotlib(one, columns, image)
    except ImportError:
        say(f"no plots: neither gnuplot nor matplotlib is installed; the data is {data}")


def report(one: Series, columns: dict[str, list[Case]], rounds: int) -> None:
    say(f"\nBy {one.name}, in microseconds; {rounds} rounds.\n")
    head = [one.axis, *(f"{name}{kind}" for name in columns for kind in ("", ", minimum")), ""]
    table(head, [[point, *(time for cases in columns.values() for time in (cases[i].median, cases[i].minimum)), ""]
                 for i, point in enumerate(one.points)])
    say()
    xs = [point / one.scale for point in one.points]
    factor, unit = (1, "us") if one.name == "parallel" else (1000, "ns")
    for name, cases in columns.items():
        medians, minima = [case.median for case in cases], [case.minimum for case in cases]
        constants = [factor * slope(xs, times) for times in (medians, minima)]
        say(f"{name}: {constants[0]:.1f} {unit} per {one.unit}, by minima {constants[1]:.1f}; "
            f"{remark(exponent(xs, medians))}, by minima {remark(exponent(xs, minima))}")


def growth(world: World, rounds: int) -> None:
    for one in series(world):
        wrappers = {"floor": world.floor, "capwrap": world.wrapper}
        columns = {name: [one.case(name, wrapper, point) for point in one.points]
                   for name, wrapper in wrappers.items() if wrapper}
        taken = max(3, rounds // one.share)
        world.measure([case for cases in columns.values() for case in cases], taken)
        report(one, columns, taken)
        plot(world, one, columns)
    say(f"\nThe tables and plots are {world.folder}/growth-*")
