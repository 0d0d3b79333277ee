"""The SVG figure is XML, shows every value, and is the same for the same values."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from bench.svg import Row, duration, figure

SVG = "{http://www.w3.org/2000/svg}"
ROWS = [
    Row("server killed", [3.0, 4.0, 21.0], "BIRD"),
    Row("cron <&> co", [30_000.0], quiet=True),
    Row("a thousand at once", [400.0] * 1000),
]


def test_every_value_is_a_dot_inside_the_figure() -> None:
    tree = ET.fromstring(figure("Failover", "of a < b", ROWS))  # noqa: S314 - text from the function under test
    dots = list(tree.iter(f"{SVG}circle"))
    assert len(dots) == 1004
    width, height = float(tree.attrib["width"]), float(tree.attrib["height"])
    assert all(0 < float(dot.attrib["cx"]) < width for dot in dots)
    assert all(0 < float(dot.attrib["cy"]) < height for dot in dots)
    texts = [text.text for text in tree.iter(f"{SVG}text")]
    assert {"Failover", "of a < b", "cron <&> co", "4 ms", "21 ms", "30 s"} <= set(texts)
    described = tree.findtext(f"{SVG}desc") or ""
    assert described.startswith("server killed (BIRD): median 4 ms, worst 21 ms, of 3; cron <&>")


def test_the_figure_does_not_depend_on_the_order_of_the_values() -> None:
    reversed_rows = [Row(r.label, list(reversed(r.milliseconds)), r.note, r.quiet) for r in ROWS]
    assert figure("t", "s", ROWS) == figure("t", "s", reversed_rows)


@pytest.mark.parametrize("values", [[], [0.0], [-1.0], [float("inf")], [float("nan")]])
def test_values_that_a_logarithmic_axis_cannot_show_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="a row without|a time that is not"):
        figure("t", "s", [*ROWS, Row("odd", values)])
    with pytest.raises(ValueError, match="a row without"):
        figure("t", "s", [])


@pytest.mark.parametrize("value", [1e-6, 0.999, 1.0, 2.0, 5.0, 10.0, 99.99, 1e9])
def test_a_single_value_is_inside_the_axis(value: float) -> None:
    tree = ET.fromstring(figure("t", "s", [Row("one", [value])]))  # noqa: S314 - text from the function under test
    (dot,) = tree.iter(f"{SVG}circle")
    assert 236 <= float(dot.attrib["cx"]) <= 648


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (0.81, "0.81 ms"),
        (4.04, "4 ms"),
        (21.4, "21 ms"),
        (344, "340 ms"),
        (999, "1 s"),
        (1234, "1.2 s"),
        (30_000, "30 s"),
        (344_000, "340 s"),
    ],
)
def test_a_time_is_shown_with_two_digits(milliseconds: float, shown: str) -> None:
    assert duration(milliseconds) == shown
