"""Charts as SVG and as files: places computed by hand, files whole or not at all."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.charts import COLOURS, Axis, Chart, Curve, axis_of, draw, svg
from advisor.errors import InputError

AXIS = Axis("x", 0.0, 108.0)
ONE = Chart("t", (Curve("c", ((54.0, 54.0),), line=False),), AXIS, AXIS)


def test_an_axis_holds_its_values_and_a_chart_places_them() -> None:
    """By hand: of an axis to 108, 54 lies in the middle: 62 + (560 - 62 - 14) / 2 = 304 across, and so on down."""
    axis = axis_of("x", [0.0, 100.0])
    assert (axis.low, axis.high) == (0.0, 108.0)
    assert 'cx="304.0" cy="144.0"' in svg(Chart("t", ONE.curves, axis, axis))
    assert Axis("", 1, 100, logarithmic=True).share(10) == pytest.approx(0.5, rel=1e-12)


@given(st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=9), st.booleans())
def test_every_value_lies_within_its_axis(values: list[float], logarithmic: bool) -> None:
    axis = axis_of("", values, logarithmic=logarithmic)
    assert all(0 <= axis.share(value) <= 1 for value in values)
    assert all(0 <= axis.share(mark) <= 1 for mark in axis.ticks())


def test_colours_are_explained_of_what_has_dots() -> None:
    curves = (Curve("seen", ((1, 1),)), Curve("told", ((1, 1), (2, 2)), dots=False, dashed=True, colour=1))
    assert Chart("", curves, AXIS, AXIS).legend() == {"seen": COLOURS[0]}
    assert Chart("", curves, AXIS, AXIS, keys=False).legend() == {}
    drawn = svg(Chart("<t>", curves, AXIS, AXIS))
    assert drawn.count("<circle") == 1
    assert f'stroke="{COLOURS[1]}" stroke-width="2" stroke-dasharray="5 4"' in drawn
    assert "<title>&lt;t&gt;</title>" in drawn


def test_a_picture_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "new" / "speeds.png"
    many = Curve("many", tuple((float(at), float(at)) for at in range(1, 109)))
    draw([ONE, Chart("u", (many,), AXIS, axis_of("y", [1.0, 108.0], logarithmic=True))], str(target), "Speeds")
    assert target.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    draw([ONE, ONE, ONE], str(tmp_path / "speeds.svg"), "Speeds", headed=False)
    assert (tmp_path / "speeds.svg").read_text(encoding="utf-8").count('<g id="axes_') == 3
    draw([], str(tmp_path / "none.html"), "Speeds of <all>")
    assert 'alt="Speeds of &lt;all&gt;"' in (tmp_path / "none.html").read_text(encoding="utf-8")
    for wrong, told in (("speeds.gif", "must end in .png, .svg, .html"), ("speeds.svg/x.svg", "cannot be written")):
        with pytest.raises(InputError, match=told):
            draw([ONE], str(tmp_path / wrong), "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "none.html", "speeds.svg"]
