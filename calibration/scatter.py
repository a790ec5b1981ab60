"""A picture of predicted against measured speeds, by where the weights lie. Needs the extra `plots`."""

from collections.abc import Sequence
from typing import Any

from calibration.accuracy import Comparison, grouped
from calibration.accuracy_page import KINDS, REGIMES
from calibration.picture import Picture

COLOURS = {
    "full_gpu": "#0072b2", "unified": "#009e73", "expert_offload": "#d55e00", "cpu_only": "#cc79a7",
    "storage": "#7f7f7f", "multi_gpu": "#56b4e9", "layer_split": "#e69f00",
}  # fmt: skip
"""Okabe and Ito's colours, told apart by colour-blind readers too. Source: https://jfly.uni-koeln.de/color/"""


def draw(rows: Sequence[Comparison], target: str) -> None:
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
            s=9, alpha=0.6, linewidths=0, color=COLOURS[regime], label=f"{REGIMES[regime]} ({len(group)})",
        )  # fmt: skip
    speeds = [speed for row in rows for speed in (row.measured, row.predicted)]
    ends = [min(speeds) * 0.8, max(speeds) * 1.25]
    axes.plot(ends, ends, color="black", linewidth=0.8)
    for factor in (0.5, 2.0):
        axes.plot(ends, [end * factor for end in ends], color="black", linewidth=0.5, linestyle=":")
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends, title=kind,
             xlabel="measured, tok/s", ylabel="predicted without that machine, tok/s")  # fmt: skip
    axes.legend(fontsize=8, frameon=False)
