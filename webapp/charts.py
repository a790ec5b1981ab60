"""Charts of the pages, drawn or said: Vega-Lite specifications with their data, and short bars as HTML. All pure.

Bars of a few lines are HTML, which the browser draws at once, where a chart needs a library. Colours: see
`advisor.charts`.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from html import escape
from typing import Any

from advisor.charts import BLUE, GREEN, GREY, PURPLE, VERMILLION
from webapp.explorer import OVERFULL

Spec = dict[str, Any]
Row = Mapping[str, Any]

KINDS = {"desktop": BLUE, "laptop": PURPLE, "unified": GREEN}
SHAPES = {"desktop": "circle", "laptop": "square", "unified": "triangle-up"}
SERIES = (BLUE, VERMILLION, GREEN, PURPLE)
PRICES = tuple(step * 10**power for power in range(2, 7) for step in (1, 1.5, 2, 3, 5, 7))
SPEEDS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000)
WIDE_SPAN = 3.0
"""Prices that differ by more are shown on a logarithmic axis."""
NARROW_PX, WIDE_PX, PLOT_PX = 560, 1000.0, 250.0
"""Below the first a chart is on a phone; the others are what a wide page leaves to the points."""
LETTER_PX, LINE_PX, EDGE_PX, NAME_PX = 7.0, 16.0, 24.0, 230.0
"""Of a name at 12 px, of the room beside the points, and the longest name."""
POINT_PX = 5.0
"""Of a point, from its middle to its edge."""
NAME_PLACES: tuple[tuple[str, int, Spec], ...] = (
    ("above", -18, {}), ("below", 18, {}),
    ("above left", -18, {"align": "left"}), ("below left", 18, {"align": "left"}),
    ("above right", -18, {"align": "right"}), ("below right", 18, {"align": "right"}),
)
"""What they are called, pixels below the point, and how the text is aligned to it."""
LABEL = "#767676"
"""Of names in a chart: 4.5 to 1 on white, nearly that on the dark page."""
OF_SPEED = (("speed", "tok/s", ".1f"), ("low", "at least", ".1f"), ("high", "at most", ".1f"))
"""Fields, titles and formats of a speed with its range, as the pointer is told."""


def price_speed(rows: Sequence[Row], currency: str = "USD") -> Spec:
    """Price in a currency against speed of builds: the Pareto front as a line with its names and
    90 % ranges, the picks ringed.

    Rows: name, model, price, speed, low, high, kind, front, open (whether it is a pick).
    """
    named = [{"filter": "datum.front || datum.open"}]
    prices = [row["price"] for row in rows]
    shown = [kind for kind in KINDS if any(row["kind"] == kind for row in rows)]
    x: Spec = {"field": "price", "type": "quantitative", "title": f"Price of the whole computer ({currency})"}
    written = "$,.0f" if currency == "USD" else ",.0f"
    if prices and max(prices) > WIDE_SPAN * min(prices):
        x["scale"] = {"type": "log", "nice": False, "padding": 24}
        x["axis"] = {"values": list(PRICES), "format": written}
    else:  # ticks of a short logarithmic axis are too few
        x["scale"] = {"zero": False, "nice": False, "padding": 24}
        x["axis"] = {"format": written, "tickCount": 6}
    y: Spec = {
        "field": "speed", "type": "quantitative", "title": "Writing speed (tok/s) and 90 % range",
        "scale": {"type": "log", "nice": False, "padding": 12}, "axis": {"values": list(SPEEDS)},
    }
    ranges = {
        "transform": named,
        "mark": {"type": "rule", "strokeWidth": 1.5, "opacity": 0.45, "color": GREY},
        "encoding": {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}},
    }
    front = {
        "transform": [{"filter": "datum.front"}],
        "mark": {"type": "line", "strokeDash": [5, 3], "color": VERMILLION, "strokeWidth": 2},
        "encoding": {"x": x, "y": y, "order": {"field": "price"}},
    }
    ring = {
        "transform": [{"filter": "datum.open"}],
        "mark": {"type": "point", "size": 420, "strokeWidth": 3, "color": VERMILLION},
        "encoding": {"x": x, "y": y},
    }
    names = [
        {
            "transform": [{"filter": f"(width > {NARROW_PX} ? datum.wide : datum.narrow) == '{place}'"}],
            "mark": {"type": "text", "dy": dy, "fontSize": 12, "fontWeight": 600, "color": LABEL, "limit": NAME_PX}
            | side,
            "encoding": {"x": x, "y": y, "text": {"field": "name"}},
        }
        for place, dy, side in NAME_PLACES
    ]
    points = {
        "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
        "encoding": {
            "x": x, "y": y,
            "color": _kinds("kind", {kind: KINDS[kind] for kind in shown}),
            "shape": _kinds("kind", {kind: SHAPES[kind] for kind in shown}),
            "tooltip": _tips(
                ("name", "Build", ""), ("model", "Model", ""), ("price", f"Price, {currency}", ",.0f"), *OF_SPEED
            ),
        },
    }
    wide, narrow = (room_for_names(rows, width) for width in (WIDE_PX, NARROW_PX / 2))
    values = [{**row, "wide": wide.get(at, ""), "narrow": narrow.get(at, "")} for at, row in enumerate(rows)]
    return {"data": {"values": values}, "height": 400, "layer": [ranges, front, ring, *names, points]}


def along(prices: Sequence[float]) -> list[float]:
    """Where prices lie along their axis, which is logarithmic for those that differ much."""
    wide = bool(prices) and max(prices) > WIDE_SPAN * min(prices)
    return [math.log(price) if wide else price for price in prices]


def room_for_names(rows: Sequence[Row], width_px: float) -> dict[int, str]:
    """Where the names of picks and of the front find room in a chart of this width without lying over each other: one
    of `NAME_PLACES` by place in the rows. Picks are named first, then the fastest; only the name of a pick may lie over
    a point.
    """
    wanted = [at for at, row in enumerate(rows) if row["front"] or row["open"]]
    wanted.sort(key=lambda at: (not rows[at]["open"], -rows[at]["speed"]))
    if not wanted:
        return {}
    prices, speeds = along([row["price"] for row in rows]), [math.log(row["speed"]) for row in rows]
    lowest = min(speeds + [math.log(rows[at]["low"]) for at in wanted])
    highest = max(speeds + [math.log(rows[at]["high"]) for at in wanted])
    across, up = max(prices) - min(prices) or 1.0, highest - lowest or 1.0
    points = [((price - min(prices)) / across * width_px, (highest - speed) / up * PLOT_PX)
              for price, speed in zip(prices, speeds, strict=True)]
    taken: list[tuple[float, float, float]] = []
    found: dict[int, str] = {}
    for at in wanted:
        x, y = points[at]
        half = min(NAME_PX, LETTER_PX * len(rows[at]["name"])) / 2
        for place, dy, side in NAME_PLACES:
            middle = x + {"left": half, "right": -half}.get(side.get("align", ""), 0.0)
            inside = middle - half >= -EDGE_PX and middle + half <= width_px + EDGE_PX
            free = all(abs(middle - other) > half + reach or abs(y + dy - line) > LINE_PX
                       for other, line, reach in taken)
            clear = rows[at]["open"] or all(
                abs(middle - left) > half + POINT_PX or abs(y + dy - top) > LINE_PX / 2 + POINT_PX
                for other, (left, top) in enumerate(points) if other != at
            )
            if free and inside and clear:
                taken += [(middle, y + dy, half), (x, y, 14.0)]
                found[at] = place
                break
    return found


def speeds(rows: Sequence[Row], title: str) -> Spec:
    """Speeds side by side as bars with their 90 % ranges. Rows: name, speed, low, high."""
    y = {"field": "name", "type": "nominal", "title": None, "sort": None, "axis": {"labelLimit": 150}}
    x = {"type": "quantitative", "title": title}
    tip = _tips(("name", "Build", ""), *OF_SPEED)
    speeds = {
        "mark": {"type": "bar", "color": BLUE, "height": {"band": 0.5}},
        "encoding": {"y": y, "x": x | {"field": "speed"}, "tooltip": tip},
    }
    ranges = {
        "mark": {"type": "rule", "color": VERMILLION, "strokeWidth": 3},
        "encoding": {"y": y, "x": x | {"field": "low"}, "x2": {"field": "high"}, "tooltip": tip},
    }
    return {"data": {"values": list(rows)}, "height": 44 * len(rows) + 50, "layer": [speeds, ranges]}


def losses(rows: Sequence[Row], named: Collection[str]) -> Spec:
    """Size of a quantisation against the quality it loses; those measured on another model are grey, those of `named`
    have their names.

    Rows: Quantisation, Size GiB, Perplexity, tok/s, own.
    """
    values = [
        {"name": row["Quantisation"], "size": row["Size GiB"], "lost": max(row["Perplexity"], 0.05),
         "speed": row["tok/s"], "of": "this model" if row["own"] else "another model",
         "named": row["Quantisation"] in named}
        for row in rows
    ]
    x: Spec = {"field": "size", "type": "quantitative", "title": "Size (GiB)",
               "scale": {"zero": False, "padding": 40},
               "axis": {"tickCount": 8, "labelExpr": "datum.value < 0 ? '' : datum.label"}}
    y: Spec = {"field": "lost", "type": "quantitative", "title": "Quality lost: perplexity (%)",
               "scale": {"type": "log"}, "axis": {"values": [0.1, 1, 10, 100, 1000]}}
    points = {
        "mark": {"type": "point", "filled": True, "size": 80, "opacity": 1},
        "encoding": {
            "x": x, "y": y, "color": _kinds("of", {"this model": BLUE, "another model": GREY}),
            "tooltip": _tips(("name", "Compression", ""), ("size", "GiB", ".1f"), ("lost", "lost, %", ".2f"),
                             ("speed", "tok/s", ".1f")),
        },
    }
    sizes = [row["Size GiB"] for row in rows if row["Quantisation"] in named]
    least, most = min(sizes, default=0.0), max(sizes, default=0.0)
    names = [  # below the curve, where no points are
        {
            "transform": [{"filter": f"datum.named && {which}"}],
            "mark": {"type": "text", "dy": dy, "dx": dx, "align": align, "fontSize": 13, "fontWeight": 600,
                     "color": LABEL},
            "encoding": {"x": x, "y": y, "text": {"field": "name"}},
        }
        for which, dy, dx, align in (
            (f"datum.size <= {least}", 13, -4, "right"),
            (f"datum.size > {least} && datum.size < {most}", 30, -4, "right"),
            (f"datum.size >= {most} && datum.size > {least}", 22, 4, "left"),
        )
    ]
    return {"data": {"values": values}, "height": 300, "layer": [points, *names]}


def sweep(rows: Sequence[Row], x_title: str, *, log_x: bool = False, ticks: Sequence[float] = ()) -> Spec:
    """Speed along one quantity as lines with their 90 % ranges as bands. Rows: x, speed, low, high, line."""
    lines = sorted({row["line"] for row in rows}, key=lambda line: (line == OVERFULL, line))
    x: Spec = {
        "field": "x", "type": "quantitative", "title": x_title,
        "scale": {"type": "log", "base": 2, "nice": False} if log_x else {"zero": False, "nice": False},
        "axis": {"values": list(ticks), "labelOverlap": True} if ticks else {},
    }
    y: Spec = {"type": "quantitative", "title": "tok/s", "scale": {"zero": True}}
    colour = _kinds("line", dict(zip(lines, SERIES, strict=False)))
    if len(lines) < 2:
        colour["legend"] = None
    band = {
        "mark": {"type": "area", "opacity": 0.18},
        "encoding": {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}, "color": colour},
    }
    tip = _tips(("line", "What", ""), ("x", x_title, ",.0f"), *OF_SPEED)
    line = {
        "mark": {"type": "line", "point": {"size": 50, "filled": True}, "strokeWidth": 2},
        "encoding": {"x": x, "y": y | {"field": "speed"}, "color": colour, "tooltip": tip},
    }
    return {"data": {"values": list(rows)}, "height": 260, "layer": [band, line]}


def agreement(rows: Sequence[Row]) -> Spec:
    """Predicted against measured speeds, both logarithmic, with the line of agreement and those of a factor two.

    Rows: measured, predicted, regime, machine, model, inside.
    """
    known = [row[name] for row in rows for name in ("measured", "predicted")] or [1.0, 100.0]
    low, high = min(known) * 0.8, max(known) * 1.25
    axis = {"type": "quantitative", "scale": {"type": "log", "domain": [low, high], "nice": False, "clamp": True}}
    lines = [
        {
            # From one edge of the chart to the other, so that the line is straight.
            "data": {"values": [{"a": end, "b": end * factor} for end in (low * max(1, 1 / factor),
                                                                         high * min(1, 1 / factor))]},
            "mark": {"type": "line", "color": GREY, "strokeDash": [] if factor == 1 else [4, 4]},
            "encoding": {"x": axis | {"field": "a"}, "y": axis | {"field": "b"}},
        }
        for factor in (0.5, 1, 2)
    ]
    points = {
        "mark": {"type": "point", "filled": True, "size": 34, "opacity": 0.65},
        "encoding": {
            "x": axis | {"field": "measured", "title": "Measured (tok/s)"},
            "y": axis | {"field": "predicted", "title": "Predicted (tok/s)"},
            "color": _kinds("inside", {"inside the range": BLUE, "outside": VERMILLION}),
            "shape": _kinds("inside", {"inside the range": "circle", "outside": "cross"}),
            "tooltip": _tips(
                ("machine", "Machine", ""), ("model", "Model", ""), ("measured", "Measured", ".3g"),
                ("predicted", "Predicted", ".3g"), ("regime", "Where", ""),
            ),
        },
    }
    return {"data": {"values": list(rows)}, "height": 440, "layer": [*lines, points]}


def _kinds(field: str, look: Mapping[str, str]) -> Spec:
    """Colours or shapes by the values of a field, with a legend above."""
    scale = {"domain": list(look), "range": list(look.values())}
    words = {"labelExpr": "datum.value == 'unified' ? 'Mac or mini PC' : datum.value"}
    return {"field": field, "scale": scale, "legend": {"title": None, "orient": "top"} | words}


def _tips(*fields: tuple[str, str, str]) -> list[Spec]:
    """What the pointer is told: field, title, and the format of a number or "" for a text."""
    return [
        {"field": field, "title": title, "type": "quantitative", "format": form} if form
        else {"field": field, "title": title, "type": "nominal"}
        for field, title, form in fields
    ]


def waterfall(rows: Sequence[Row], colours: Mapping[str, str], label: str) -> str:
    """Parts of a whole one after the other, each on a line of its own, as HTML. Rows: part, start, end, said."""
    whole = max((row["end"] for row in rows), default=0.0) or 1.0
    lines = []
    for row in rows:
        bar = _bar(row["start"] / whole, row["end"] / whole, colours.get(row["part"], GREY))
        lines.append((row["part"], bar, f"{row['said']} ({(row['end'] - row['start']) / whole:.0%})"))
    return _lines(label, lines)


def memory(rows: Sequence[Row], label: str) -> str:
    """How full each memory is, as HTML; the track is as long as the memory is large. Rows: bar, need, there, said."""
    longest = max((max(row["need"], row["there"]) for row in rows), default=0.0) or 1.0
    bars = [_bar(0.0, row["need"] / longest, BLUE, row["there"] / longest) for row in rows]
    return _lines(label, [(row["bar"], bar, row["said"]) for row, bar in zip(rows, bars, strict=True)])


def stacked(rows: Sequence[Row], colours: Mapping[str, str], label: str) -> str:
    """One bar of milliseconds per `bar`, made of `part`s in their order, and a key, as HTML.

    Rows: bar, part, size, said. Each part tells its time to the pointer.
    """
    bars: dict[str, list[Row]] = {}
    for row in rows:
        bars.setdefault(row["bar"], []).append(row)
    totals = {name: sum(row["size"] for row in of) for name, of in bars.items()}
    longest = max(totals.values(), default=0.0) or 1.0
    lines = []
    for name, of in bars.items():
        parts = "".join(
            f'<span title="{escape(row["part"])}: {escape(row["said"])}" style="width:{row["size"] / longest:.2%};'
            f'background:{colours.get(row["part"], GREY)}"></span>'
            for row in of
        )
        lines.append((name, f'<span style="display:flex;height:1.4rem">{parts}</span>', f"{totals[name]:.3g} ms"))
    key = "".join(
        f'<span style="white-space:nowrap"><span style="display:inline-block;width:0.8rem;height:0.8rem;'
        f'background:{colours.get(part, GREY)}"></span> {escape(part)}</span>'
        for part in dict.fromkeys(row["part"] for row in rows)
    )
    style = "display:flex;flex-wrap:wrap;gap:0.25rem 0.9rem;font-size:0.875rem;margin-bottom:0.75rem"
    return f'<div style="{style}">{key}</div>{_lines(label, lines)}'


def _bar(start: float, end: float, colour: str, track: float = 1.0) -> str:
    """A bar from one share of the width to another, on a track that takes a share of it."""
    place = "position:absolute;top:0;bottom:0;min-width:2px;border-radius:3px;"
    fill = f"{place}left:{start:.2%};width:{end - start:.2%};background:{colour}"
    back = f"{place}left:0;width:{track:.2%};background:rgba(127,127,127,0.16)"
    parts = f'<span style="{back}"></span><span style="{fill}"></span>'
    return f'<span style="position:relative;height:1.1rem">{parts}</span>'


def _lines(label: str, lines: Sequence[tuple[str, str, str]]) -> str:
    cells = "".join(f"<span>{escape(name)}</span>{bar}<span>{escape(said)}</span>" for name, bar, said in lines)
    columns = "fit-content(10rem) minmax(3rem,1fr) minmax(5rem,max-content)"  # on a phone what is said takes two lines
    style = f"display:grid;grid-template-columns:{columns};gap:0.4rem 0.75rem;align-items:center;font-size:0.875rem"
    return f'<div role="group" aria-label="{escape(label)}" style="{style};margin-bottom:0.5rem">{cells}</div>'
