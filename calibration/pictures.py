"""Pictures written to a file by matplotlib, which comes with the extra `plots`."""

from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from advisor.answer import REGIMES
from advisor.charts import COLOURS
from advisor.errors import InputError
from advisor.files import new_file
from calibration.accuracy.accuracy import Comparison, grouped
from calibration.accuracy.page import KINDS
from calibration.machine.findings import Findings, Series
from calibration.machine.report import SPEEDS, machine_name

FORMATS = (".png", ".svg", ".html")
DPI = 90
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<img alt="{title}" style="max-width:100%" src="data:image/svg+xml;base64,{picture}"></html>
"""


class Picture:
    """An empty figure for a file, whose ending decides the format. Size in inches.

    Raises `InputError` for another ending or without matplotlib, before anything is drawn.
    """

    def __init__(self, target: str, width: float, height: float) -> None:
        self._path = Path(target)
        if self._path.suffix not in FORMATS:
            raise InputError(f"--plot {target!r} must end in {', '.join(FORMATS)}")
        try:
            from matplotlib.figure import Figure
        except ImportError:
            raise InputError("--plot needs matplotlib: pip install 'llm-hardware-advisor[plots]'") from None
        self.figure: Any = Figure(figsize=(width, height), dpi=DPI, layout="constrained")

    def save(self, title: str) -> None:
        """Write it; `title` is its alternative text in a page. Raises `InputError` where it cannot be written."""
        drawn = BytesIO()
        html = self._path.suffix == ".html"
        self.figure.savefig(drawn, format="svg" if html else self._path.suffix[1:])
        page = PAGE.format(title=title, picture=b64encode(drawn.getvalue()).decode()).encode()
        with new_file(self._path, f"--plot {str(self._path)!r}", make_folder=True) as file:
            file.write(page if html else drawn.getvalue())


# What a calibration found as one picture: the charts of its page, for where no browser is.

COLUMNS = 2
WIDTH_IN, ROW_IN = 12.0, 4.5
Panel = Callable[[Any], None]


def draw_report(found: Findings, target: str) -> None:
    """Draw to a file, whose ending decides the format. Raises as `Picture`."""
    panels = list(_panels(found))
    rows = max(1, -(-len(panels) // COLUMNS))
    picture = Picture(target, WIDTH_IN, ROW_IN * rows)
    title = f"Calibration of {machine_name(found.profile)}"
    picture.figure.suptitle(title)
    for place, panel in enumerate(panels, start=1):
        panel(picture.figure.add_subplot(rows, COLUMNS, place))
    picture.save(title)


def _panels(found: Findings) -> Iterator[Panel]:
    """One for each chart that there is something to draw for."""
    if found.comparisons:
        yield lambda axes: _errors(axes, found)
    if found.bandwidth:
        yield lambda axes: _bandwidth(axes, found)
    if found.over_depth:
        yield lambda axes: _over(axes, found.over_depth, "tokens in the context")
    if found.over_experts:
        yield lambda axes: _over(axes, found.over_experts, "layers with experts in RAM")


def _errors(axes: Any, found: Findings) -> None:
    """Points of each kind of speed, and the line on which a prediction is right."""
    speeds = [speed for row in found.comparisons for speed in (row.measured.tok_s, row.predicted)]
    ends = [min(speeds) * 0.8, max(speeds) * 1.25]
    axes.plot(ends, ends, color="black", linewidth=0.8)
    for place, kind in enumerate(found.errors):
        rows = [row for row in found.comparisons if row.kind == kind]
        label = f"{SPEEDS[kind]}: median error {found.errors[kind].median:.1%}"
        measured, predicted = [row.measured.tok_s for row in rows], [row.predicted for row in rows]
        axes.scatter(measured, predicted, s=16, color=COLOURS[place], label=label)
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends, title="Runs predicted without having seen them",
             xlabel="measured, tok/s", ylabel="predicted, tok/s")  # fmt: skip
    axes.legend(fontsize=8, frameon=False)


def _bandwidth(axes: Any, found: Findings) -> None:
    threads = [count for count, _ in found.bandwidth]
    axes.plot(threads, [row.value for _, row in found.bandwidth], "o-", color=COLOURS[0])
    axes.set(title="RAM read", xlabel="threads", ylabel="GB/s", ylim=(0, None))
    axes.set_xticks(threads)


def _over(axes: Any, found: Sequence[Series], unit: str) -> None:
    """Measured points, and dashed what was predicted without them; as many series as there are colours."""
    for place, series in enumerate(found[: len(COLOURS)]):
        colour = COLOURS[place]
        axes.plot(*_coordinates([(point.at, point.measured) for point in series.points]), "o", color=colour,
                  label=series.label)  # fmt: skip
        told = [(point.at, point.predicted) for point in series.points if point.predicted]
        axes.plot(*_coordinates(told), "--", color=colour)
    axes.set(title=f"Writing, by {unit} (dashed: predicted)", xlabel=unit, ylabel="tok/s", ylim=(0, None))
    axes.legend(fontsize=7, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.15))


def _coordinates(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [at for at, _ in points], [value for _, value in points]


# A picture of predicted against measured speeds, by where the weights lie. Needs the extra `plots`.


def draw_scatter(rows: Sequence[Comparison], target: str) -> None:
    """Draw to a file, whose ending decides the format. Raises as `Picture`."""
    picture = Picture(target, 12, 6)
    for place, kind in enumerate(KINDS, start=1):
        _panel(picture.figure.add_subplot(1, 2, place), kind, [row for row in rows if row.kind == kind])
    picture.save("Predicted against measured speeds")


def _panel(axes: Any, kind: str, rows: Sequence[Comparison]) -> None:
    """One kind of speed: points, the line of agreement and a factor 2 either way."""
    for regime, group in grouped(rows, "regime").items():
        axes.scatter(
            [row.measured for row in group], [row.predicted for row in group],
            s=9, alpha=0.6, linewidths=0, color=REGIMES[regime].colour, label=f"{REGIMES[regime].group} ({len(group)})",
        )  # fmt: skip
    speeds = [speed for row in rows for speed in (row.measured, row.predicted)]
    ends = [min(speeds) * 0.8, max(speeds) * 1.25]
    axes.plot(ends, ends, color="black", linewidth=0.8)
    for factor in (0.5, 2.0):
        axes.plot(ends, [end * factor for end in ends], color="black", linewidth=0.5, linestyle=":")
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends, title=kind,
             xlabel="measured, tok/s", ylabel="predicted without that machine, tok/s")  # fmt: skip
    axes.legend(fontsize=8, frameon=False)
