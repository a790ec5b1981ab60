"""Charts of the pages as Vega-Lite specifications with their data; nothing here draws, reads or keeps anything."""

from collections.abc import Mapping, Sequence
from typing import Any

from webapp import bars
from webapp.explorer import OVERFULL

Spec = dict[str, Any]
Row = Mapping[str, Any]
PRICES = (200, 300, 500, 700, 1000, 1500, 2000, 3000, 5000, 7000, 10000, 15000)
SPEEDS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000)
WIDE_SPAN = 3.0
"""Prices that differ by more are shown on a logarithmic axis."""
PICK = "pick"
"""Name of the selection of a point."""


def price_speed(rows: Sequence[Row]) -> Spec:
    """Price against speed of builds with their 90 % ranges, the Pareto front as a line, the open build ringed.

    Rows: name, price, speed, low, high, kind, front, open.
    """
    x = {"field": "price", "type": "quantitative", "title": "Price of the whole computer (USD)"} | _price_axis(rows)
    y = {"field": "speed", "type": "quantitative", "title": "Writing speed (tok/s) and 90 % range",
         "scale": {"type": "log", "nice": False, "padding": 12}, "axis": {"values": list(SPEEDS)}}  # fmt: skip
    return {
        "data": {"values": list(rows)},
        "height": 400,
        "layer": [_ranges(x, y), _front(x, y), _open(x, y), _points(x, y)],
    }


def _price_axis(rows: Sequence[Row]) -> Spec:
    """Logarithmic where prices differ much, else linear: ticks of a short logarithmic axis are too few."""
    prices = [row["price"] for row in rows]
    if prices and max(prices) > WIDE_SPAN * min(prices):
        return {"scale": {"type": "log", "nice": False, "padding": 24},
                "axis": {"values": list(PRICES), "format": "$,.0f"}}  # fmt: skip
    return {"scale": {"zero": False, "nice": False, "padding": 24}, "axis": {"format": "$,.0f", "tickCount": 6}}


def _ranges(x: Spec, y: Spec) -> Spec:
    return {
        "mark": {"type": "rule", "strokeWidth": 1.5, "opacity": 0.45, "color": bars.GREY},
        "encoding": {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}},
    }


def _front(x: Spec, y: Spec) -> Spec:
    return {
        "transform": [{"filter": "datum.front"}],
        "mark": {"type": "line", "strokeDash": [5, 3], "color": bars.VERMILLION, "strokeWidth": 2},
        "encoding": {"x": x, "y": y, "order": {"field": "price"}},
    }


def _open(x: Spec, y: Spec) -> Spec:
    return {
        "transform": [{"filter": "datum.open"}],
        "mark": {"type": "point", "size": 420, "strokeWidth": 3, "color": bars.VERMILLION},
        "encoding": {"x": x, "y": y},
    }


def _points(x: Spec, y: Spec) -> Spec:
    kinds = list(bars.KINDS)
    tip = [("name", "Build", None), ("price", "Price", "$,.0f"), ("speed", "tok/s", ".1f"), ("low", "at least", ".1f"),
           ("high", "at most", ".1f")]  # fmt: skip
    return {
        "params": [{"name": PICK, "select": {"type": "point", "fields": ["name"], "clear": False, "nearest": True}}],
        "mark": {"type": "point", "filled": True, "size": 110, "opacity": 1, "cursor": "pointer"},
        "encoding": {
            "x": x, "y": y,
            "color": {"field": "kind", "scale": {"domain": kinds, "range": list(bars.KINDS.values())},
                      "legend": {"title": None, "orient": "top"}},
            "shape": {"field": "kind", "scale": {"domain": kinds, "range": list(bars.SHAPES.values())},
                      "legend": {"title": None, "orient": "top"}},
            "tooltip": [_tip(*item) for item in tip],
        },
    }  # fmt: skip


def _tip(field: str, title: str, form: str | None) -> Spec:
    plain: Spec = {"field": field, "title": title}
    return plain | {"type": "quantitative", "format": form} if form else plain | {"type": "nominal"}


def speeds(rows: Sequence[Row], title: str) -> Spec:
    """Speeds side by side as bars with their 90 % ranges. Rows: name, speed, low, high."""
    y = {"field": "name", "type": "nominal", "title": None, "sort": None, "axis": {"labelLimit": 150}}
    x = {"type": "quantitative", "title": title}
    tip = [_tip("name", "Build", None), _tip("speed", "tok/s", ".1f"), _tip("low", "at least", ".1f"),
           _tip("high", "at most", ".1f")]  # fmt: skip
    speeds = {"mark": {"type": "bar", "color": bars.BLUE, "height": {"band": 0.5}},
            "encoding": {"y": y, "x": x | {"field": "speed"}, "tooltip": tip}}  # fmt: skip
    ranges = {"mark": {"type": "rule", "color": bars.VERMILLION, "strokeWidth": 3},
              "encoding": {"y": y, "x": x | {"field": "low"}, "x2": {"field": "high"}, "tooltip": tip}}  # fmt: skip
    return {"data": {"values": list(rows)}, "height": 44 * len(rows) + 50, "layer": [speeds, ranges]}


def sweep(rows: Sequence[Row], x_title: str, *, log_x: bool = False, ticks: Sequence[float] = ()) -> Spec:
    """Speed along one quantity as lines with their 90 % ranges as bands. Rows: x, speed, low, high, line."""
    lines = sorted({row["line"] for row in rows}, key=lambda line: (line == OVERFULL, line))
    x: Spec = {"field": "x", "type": "quantitative", "title": x_title,
               "scale": {"type": "log", "base": 2, "nice": False} if log_x else {"zero": False, "nice": False},
               "axis": {"values": list(ticks), "labelOverlap": True} if ticks else {}}  # fmt: skip
    y: Spec = {"type": "quantitative", "title": "tok/s", "scale": {"zero": True}}
    colour = {"field": "line", "scale": {"domain": lines, "range": list(bars.SERIES[: len(lines)])},
              "legend": {"title": None, "orient": "top"} if len(lines) > 1 else None}  # fmt: skip
    tip = [_tip("line", "What", None), _tip("x", x_title, ",.0f"), _tip("speed", "tok/s", ".1f"),
           _tip("low", "at least", ".1f"), _tip("high", "at most", ".1f")]  # fmt: skip
    band = {"mark": {"type": "area", "opacity": 0.18},
            "encoding": {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}, "color": colour}}  # fmt: skip
    line = {"mark": {"type": "line", "point": {"size": 50, "filled": True}, "strokeWidth": 2},
            "encoding": {"x": x, "y": y | {"field": "speed"}, "color": colour, "tooltip": tip}}  # fmt: skip
    return {"data": {"values": list(rows)}, "height": 260, "layer": [band, line]}


def agreement(rows: Sequence[Row]) -> Spec:
    """Predicted against measured speeds, both logarithmic, with the line of agreement and those of a factor two.

    Rows: measured, predicted, regime, machine, model, inside.
    """
    ends = _ends(rows)
    axis = {"type": "quantitative", "scale": {"type": "log", "domain": ends, "nice": False, "clamp": True}}
    lines = [{"data": {"values": [{"a": end, "b": min(max(end * factor, ends[0]), ends[1])} for end in ends]},
              "mark": {"type": "line", "color": bars.GREY, "strokeDash": [] if factor == 1 else [4, 4]},
              "encoding": {"x": axis | {"field": "a"}, "y": axis | {"field": "b"}}}
             for factor in (0.5, 1, 2)]  # fmt: skip
    tip = [_tip("machine", "Machine", None), _tip("model", "Model", None), _tip("measured", "Measured", ".3g"),
           _tip("predicted", "Predicted", ".3g"), _tip("regime", "Where", None)]  # fmt: skip
    points = {
        "mark": {"type": "point", "filled": True, "size": 34, "opacity": 0.65},
        "encoding": {
            "x": axis | {"field": "measured", "title": "Measured (tok/s)"},
            "y": axis | {"field": "predicted", "title": "Predicted (tok/s)"},
            "color": {"field": "inside", "scale": {"domain": ["inside the range", "outside"],
                      "range": [bars.BLUE, bars.VERMILLION]}, "legend": {"title": None, "orient": "top"}},
            "shape": {"field": "inside", "scale": {"domain": ["inside the range", "outside"],
                      "range": ["circle", "cross"]}, "legend": {"title": None, "orient": "top"}},
            "tooltip": tip,
        },
    }  # fmt: skip
    return {"data": {"values": list(rows)}, "height": 440, "layer": [*lines, points]}


def _ends(rows: Sequence[Row]) -> list[float]:
    speeds = [row[name] for row in rows for name in ("measured", "predicted")] or [1.0, 100.0]
    return [min(speeds) * 0.8, max(speeds) * 1.25]
