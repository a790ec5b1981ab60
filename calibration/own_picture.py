"""What a calibration found as one picture: the charts of its page, for where no browser is."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from calibration.line_chart import COLOURS
from calibration.own_findings import Findings, Series
from calibration.own_report import SPEEDS, machine_name
from calibration.picture import Picture

COLUMNS = 2
WIDTH_IN, ROW_IN = 12.0, 4.5
Panel = Callable[[Any], None]


def draw(found: Findings, target: str) -> None:
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
