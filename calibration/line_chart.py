"""A chart of lines and points as SVG text that needs nothing else: no script, no font, no library."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 560, 320
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 14, 46
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f")
"""Okabe and Ito's colours, told apart by colour-blind readers too. Source: https://jfly.uni-koeln.de/color/"""
TICKS = 5


@dataclass(frozen=True, slots=True)
class Curve:
    """Points (x, y) of one kind; `line` joins them, `dots` marks them."""

    label: str
    points: tuple[tuple[float, float], ...]
    line: bool = True
    dots: bool = True
    dashed: bool = False
    colour: int = 0


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


def chart(title: str, curves: Sequence[Curve], x: Axis, y: Axis) -> str:
    """The chart as an <svg> element; its title is read by programs that read aloud."""
    parts = [*_grid(x, y), *(mark for curve in curves for mark in _curve(curve, x, y))]
    body = "\n".join(parts)
    return (
        f'<svg role="img" viewBox="0 0 {WIDTH} {HEIGHT}" xmlns="http://www.w3.org/2000/svg">\n'
        f"<title>{escape(title)}</title>\n{body}\n</svg>"
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
    colour = COLOURS[curve.colour % len(COLOURS)]
    places = [_at(x, y, point) for point in curve.points]
    found = []
    if curve.line and len(places) > 1:
        dashes = ' stroke-dasharray="5 4"' if curve.dashed else ""
        joined = " ".join(f"{across:.1f},{down:.1f}" for across, down in places)
        found.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2"{dashes} points="{joined}"/>')
    if curve.dots:
        told = escape(curve.label)
        for (across, down), (at, value) in zip(places, curve.points, strict=True):
            says = f"<title>{told}: {at:,.6g}, {value:,.4g}</title>"
            found.append(f'<circle cx="{across:.1f}" cy="{down:.1f}" r="3.5" fill="{colour}">{says}</circle>')
    return found
