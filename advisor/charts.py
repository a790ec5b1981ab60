"""Charts of lines and points: declared once, drawn as SVG text into a page and by matplotlib into a file.

The SVG needs nothing else: no script, no font, no library. Files need matplotlib, which comes with the extra `plots`.
"""

import math
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

from advisor.errors import InputError
from advisor.extras import require
from advisor.files import new_file

WIDTH, HEIGHT = 560, 320
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 14, 46
BLUE, VERMILLION, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
ORANGE, SKY, YELLOW, GREY, DARK = "#e69f00", "#56b4e9", "#f0e442", "#7f7f7f", "#505050"
TEAL, WINE, SAND = "#44aa99", "#882255", "#ddcc77"
"""Colours that colour-blind readers tell apart. Source: Okabe and Ito, "Color Universal Design",
https://jfly.uni-koeln.de/color/ (read 2026-11-24); teal, wine and sand: Paul Tol, "Colour Schemes", 2021.
The first four and grey reach 3:1 on a light and on a dark page
(WCAG 2.2, 1.4.11) and may be marks; the others only fill labelled bars.
"""
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, GREY)
TICKS = 5


@dataclass(frozen=True, slots=True)
class Curve:
    """Points (x, y) of one kind; `line` joins them, `dots` marks them; `colour` counts through `COLOURS`."""

    label: str
    points: tuple[tuple[float, float], ...]
    line: bool = True
    dots: bool = True
    dashed: bool = False
    colour: int = 0

    @property
    def hue(self) -> str:
        """Its colour as #rrggbb."""
        return COLOURS[self.colour % len(COLOURS)]


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis: what it shows, and whether by powers of ten."""

    title: str
    low: float
    high: float
    logarithmic: bool = False

    def share(self, value: float) -> float:
        """Where a value lies: 0 at the low end, 1 at the high one."""
        low, high, at = (self._scaled(number) for number in (self.low, self.high, value))
        return (at - low) / (high - low)

    def ticks(self) -> list[float]:
        """Round values to mark.

        >>> Axis("", 0, 43).ticks()
        [0.0, 10.0, 20.0, 30.0, 40.0]
        >>> Axis("", 3, 700, logarithmic=True).ticks()
        [5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0]
        """
        if self.logarithmic:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            marks = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
        else:
            raw = (self.high - self.low) / TICKS
            power = 10.0 ** math.floor(math.log10(raw))
            step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)
            marks = [step * count for count in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]
        return [float(mark) for mark in marks if self.low <= mark <= self.high]

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.logarithmic else value


def axis_of(title: str, values: Sequence[float], *, logarithmic: bool = False) -> Axis:
    """An axis with room for all values: from zero, or by powers of ten a little beyond both ends."""
    high, low = max(values), min(values)
    if logarithmic:
        return Axis(title, low / 1.2, high * 1.2, logarithmic=True)
    return Axis(title, 0.0, high * 1.08 or 1.0)


@dataclass(frozen=True, slots=True)
class Chart:
    """Curves between two axes. `keys`: whether colours are explained, by the labels of the curves that have dots."""

    title: str
    curves: tuple[Curve, ...]
    x: Axis
    y: Axis
    keys: bool = True

    def legend(self) -> dict[str, str]:
        """Colours by label, of what is marked by dots; empty where they are not explained."""
        return {curve.label: curve.hue for curve in self.curves if curve.dots} if self.keys else {}


def svg(chart: Chart) -> str:
    """The chart as an <svg> element; its title is read by programs that read aloud. Its keys stand outside of it."""
    parts = [*_grid(chart.x, chart.y), *(mark for curve in chart.curves for mark in _curve(curve, chart.x, chart.y))]
    body = "\n".join(parts)
    return (
        f'<svg role="img" viewBox="0 0 {WIDTH} {HEIGHT}" xmlns="http://www.w3.org/2000/svg">\n'
        f"<title>{escape(chart.title)}</title>\n{body}\n</svg>"
    )


def _at(x: Axis, y: Axis, point: tuple[float, float]) -> tuple[float, float]:
    across, up = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    return LEFT + across * x.share(point[0]), HEIGHT - BOTTOM - up * y.share(point[1])


def _grid(x: Axis, y: Axis) -> list[str]:
    bottom, right, middle = HEIGHT - BOTTOM, WIDTH - RIGHT, (HEIGHT - BOTTOM + TOP) / 2
    found = []
    for value in x.ticks():
        at = _at(x, y, (value, y.low))[0]
        found.append(f'<line class="grid" x1="{at:.1f}" y1="{TOP}" x2="{at:.1f}" y2="{bottom}"/>')
        found.append(f'<text x="{at:.1f}" y="{bottom + 16}" text-anchor="middle">{value:,.6g}</text>')
    for value in y.ticks():
        at = _at(x, y, (x.low, value))[1]
        found.append(f'<line class="grid" x1="{LEFT}" y1="{at:.1f}" x2="{right}" y2="{at:.1f}"/>')
        found.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{value:,.6g}</text>')
    found.append(f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x.title)}</text>')
    found.append(f'<text transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">{escape(y.title)}</text>')
    return found


def _curve(curve: Curve, x: Axis, y: Axis) -> list[str]:
    places = [_at(x, y, point) for point in curve.points]
    found = []
    if curve.line and len(places) > 1:
        dashes = ' stroke-dasharray="5 4"' if curve.dashed else ""
        joined = " ".join(f"{across:.1f},{down:.1f}" for across, down in places)
        found.append(f'<polyline fill="none" stroke="{curve.hue}" stroke-width="2"{dashes} points="{joined}"/>')
    if curve.dots:
        told = escape(curve.label)
        for (across, down), (at, value) in zip(places, curve.points, strict=True):
            says = f"<title>{told}: {at:,.6g}, {value:,.4g}</title>"
            found.append(f'<circle cx="{across:.1f}" cy="{down:.1f}" r="3.5" fill="{curve.hue}">{says}</circle>')
    return found


# Files, whose ending decides the format.

FORMATS = (".png", ".svg", ".html")
DPI = 90
PANEL_IN = (6.0, 4.5)
"""Width and height of one chart of a picture, in inches."""
MANY_POINTS = 100
"""Dots of a curve with more are small and let others shine through."""
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<img alt="{title}" style="max-width:100%" src="data:image/svg+xml;base64,{picture}"></html>
"""


def plot_file(target: str) -> Path:
    """The file that --plot names, to be asked before what is to be drawn is worked out. Raises as `draw`."""
    if Path(target).suffix not in FORMATS:
        raise InputError(f"--plot {target!r} must end in {', '.join(FORMATS)}")
    require("--plot", "plots")
    return Path(target)


def draw(charts: Sequence[Chart], target: str, title: str, *, columns: int = 2, headed: bool = True) -> None:
    """Draw charts side by side into a file, which appears whole or not at all.

    `title` is the alternative text of the picture in a page, and stands above the charts where it is `headed`.
    Raises `InputError` for another ending than those of `FORMATS` or without matplotlib, before anything is drawn, and
    where the file cannot be written.
    """
    path = plot_file(target)
    from matplotlib.figure import Figure

    rows = max(1, -(-len(charts) // columns))
    figure = Figure(figsize=(PANEL_IN[0] * columns, PANEL_IN[1] * rows), dpi=DPI, layout="constrained")
    if headed:
        figure.suptitle(title)
    for place, chart in enumerate(charts, start=1):
        _panel(figure.add_subplot(rows, columns, place), chart)
    drawn, html = BytesIO(), path.suffix == ".html"
    figure.savefig(drawn, format="svg" if html else path.suffix[1:])
    page = PAGE.format(title=escape(title), picture=b64encode(drawn.getvalue()).decode()).encode()
    with new_file(path, f"--plot {str(path)!r}", make_folder=True) as file:
        file.write(page if html else drawn.getvalue())


def _panel(axes: Any, chart: Chart) -> None:
    """One chart on matplotlib's axes."""
    for curve in chart.curves:
        across, up = [at for at, _ in curve.points], [value for _, value in curve.points]
        if curve.line:
            axes.plot(across, up, "--" if curve.dashed else "-", color=curve.hue, linewidth=1)
        if curve.dots:
            few = len(curve.points) <= MANY_POINTS
            look: dict[str, Any] = {"s": 16} if few else {"s": 9, "alpha": 0.6, "linewidths": 0}
            axes.scatter(across, up, color=curve.hue, label=curve.label, **look)
    for name, axis in (("x", chart.x), ("y", chart.y)):
        scale = "log" if axis.logarithmic else "linear"
        axes.set(**{f"{name}scale": scale, f"{name}lim": (axis.low, axis.high), f"{name}label": axis.title})
    axes.set(title=chart.title)
    if chart.legend():
        axes.legend(fontsize=7, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.15))
