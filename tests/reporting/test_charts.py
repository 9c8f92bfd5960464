"""Charts of the results page."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from penstock.reporting.charts import Series, interval_plot, line_chart, reliability_diagram, ticks
from penstock.reporting.pixels import tiled


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 1.0], [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        ([0.963, 0.991], [0.96, 0.97, 0.98, 0.99, 1.0]),
        ([5.0, 5.0], [4.5, 4.75, 5.0, 5.25, 5.5]),
        ([0.0, 0.0], None),
    ],
)
def test_ticks_are_round_and_enclose_the_values(values, expected):
    found = ticks(values)
    assert found[0] <= min(values)
    assert found[-1] >= max(values)
    assert np.allclose(np.diff(found), found[1] - found[0])
    assert 3 <= len(found) <= 8
    if expected and values[0] != 5:
        assert found == pytest.approx(expected)


def test_curves_lie_inside_and_larger_values_are_higher():
    chart = ET.fromstring(line_chart("loss", "epoch", [Series("training", [(1, 2.0), (2, 1.0), (3, 0.5)], "train")]))
    (line,) = chart.iter("polyline")
    points = np.array([list(map(float, pair.split(","))) for pair in line.attrib["points"].split()])
    _, _, width, height = map(float, chart.attrib["viewBox"].split())
    assert (points >= 0).all()
    assert (points <= [width, height]).all()
    assert (np.diff(points[:, 0]) > 0).all()
    assert (np.diff(points[:, 1]) > 0).all()  # SVG counts from above
    assert chart.attrib["aria-label"] == "loss: training from 2 to 0.5"


def test_a_single_epoch_is_a_dot():
    chart = ET.fromstring(line_chart("loss", "epoch", [Series("training", [(1, 2.0)], "train")]))
    assert len(list(chart.iter("circle"))) == 1


def test_labels_are_escaped():
    chart = ET.fromstring(line_chart('<"loss">', "epoch", [Series("a & b", [(1, 2.0), (2, 1.0)], "val")]))
    assert chart.attrib["aria-label"] == '<"loss">: a & b from 2 to 1'


def test_the_diagonal_of_a_reliability_diagram_is_where_both_are_equal():
    chart = ET.fromstring(reliability_diagram([(0.5, 0.5, 10), (0.9, 0.7, 90)]))
    ends = next(one for one in chart.iter("line") if one.get("class") == "diagonal")
    x1, y1, x2, y2 = (float(ends.attrib[key]) for key in ("x1", "y1", "x2", "y2"))
    equal, below = [(float(dot.attrib["cx"]), float(dot.attrib["cy"])) for dot in chart.iter("circle")]
    assert equal == pytest.approx(((x1 + x2) / 2, (y1 + y2) / 2), abs=0.1)
    assert below[1] > y1 + (y2 - y1) * 0.9
    heights = [float(bar.attrib["height"]) for bar in chart.iter("rect")]
    assert heights[1] == pytest.approx(9 * heights[0], abs=0.5)


def test_an_interval_has_its_ends_and_the_line_at_zero():
    plot = ET.fromstring(interval_plot(-0.5, 0.25, 1.0, 1.0))
    zero, bar = plot.iter("line")
    assert float(zero.attrib["x1"]) == 60
    assert (float(bar.attrib["x1"]), float(bar.attrib["x2"])) == (31, 118)


def test_tiles_keep_their_place():
    images = np.arange(6, dtype=np.uint8).reshape(2, 3, 1, 1)
    sheet = tiled(images)
    assert sheet.shape == (4, 7)
    assert sheet[::3, ::3].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert sheet[1, 1] == 255
