"""Draw charts as SVG for the results page. Colors are CSS classes, so that a chart follows the page's color scheme."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from penstock.core.plurals import counted

WIDTH, HEIGHT = 340, 210
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 10, 38  # room for the numbers of the axes and their titles
TICKS = 5
MARKED = 4  # radius in pixels


@dataclass(frozen=True)
class Series:
    """A curve."""

    label: str
    points: Sequence[tuple[float, float]]
    style: str
    """CSS class of its color."""
    marked: tuple[float, float] | None = None
    """A point to mark."""


@dataclass(frozen=True)
class Axis:
    """An axis from `low` to `high`, on `pixels` that begin at `start` and may run backwards."""

    low: float
    high: float
    start: float
    pixels: float

    def at(self, value: float) -> float:
        """Return the pixel of a value."""
        return round(self.start + self.pixels * (value - self.low) / (self.high - self.low), 1)


def line_chart(title: str, x_title: str, series: Sequence[Series]) -> Markup:
    """Draw curves over a common axis.

    Args:
        title: What the curves show; title of the vertical axis, and text for screen readers.
        x_title: Title of the horizontal axis.
        series: At least one curve with at least one point.
    """
    x = _axis([point[0] for one in series for point in one.points], LEFT, WIDTH - LEFT - RIGHT)
    y_values = ticks([point[1] for one in series for point in one.points])
    y = Axis(y_values[0], y_values[-1], HEIGHT - BOTTOM, TOP + BOTTOM - HEIGHT)
    x_ticks = [tick for tick in ticks([x.low, x.high]) if x.low <= tick <= x.high and tick == int(tick)]
    parts = [*_grid(y, y_values), *_labels_below(x, x_ticks), *_titles(x_title, title)]
    for one in series:
        line = " ".join(f"{x.at(across)},{y.at(up)}" for across, up in one.points)
        parts.append(f'<polyline class="curve {one.style}" points="{line}"/>')
        if one.marked or len(one.points) == 1:
            across, up = one.marked or one.points[0]
            parts.append(f'<circle class="dot {one.style}" cx="{x.at(across)}" cy="{y.at(up)}" r="{MARKED}"/>')
    return _svg(f"{title}: {_ends(series)}", parts)


def _ends(series: Sequence[Series]) -> str:
    """Describe the curves by their first and last values."""
    return "; ".join(f"{one.label} from {one.points[0][1]:.4g} to {one.points[-1][1]:.4g}" for one in series)


def reliability_diagram(bins: Sequence[tuple[float, float, int]]) -> Markup:
    """Draw the accuracy of rows by their confidence. On the diagonal, both are equal.

    Args:
        bins: Mean confidence, accuracy and number of rows of each bin that has rows.
    """
    x = Axis(0, 1, LEFT, WIDTH - LEFT - RIGHT)
    y = Axis(0, 1, HEIGHT - BOTTOM, TOP + BOTTOM - HEIGHT)
    quarters = [0, 0.25, 0.5, 0.75, 1]
    most = max(rows for _, _, rows in bins)
    parts = [*_grid(y, quarters), *_labels_below(x, quarters), *_titles("confidence", "accuracy")]
    for confidence, _, rows in bins:
        height = round((HEIGHT - TOP - BOTTOM) * rows / most, 1)
        place = f'x="{x.at(confidence) - 4}" y="{HEIGHT - BOTTOM - height}"'
        parts.append(f'<rect class="count" {place} width="8" height="{height}"/>')
    parts.append(f'<line class="diagonal" x1="{x.at(0)}" y1="{y.at(0)}" x2="{x.at(1)}" y2="{y.at(1)}"/>')
    line = " ".join(f"{x.at(confidence)},{y.at(accuracy)}" for confidence, accuracy, _ in bins)
    parts.append(f'<polyline class="curve val" points="{line}"/>')
    for confidence, accuracy, rows in bins:
        point = f'cx="{x.at(confidence)}" cy="{y.at(accuracy)}" r="3.5"'
        told = f"confidence {confidence:.3f}, accuracy {accuracy:.3f}, {counted(rows, 'row')}"
        parts.append(f'<circle class="dot val" {point}><title>{told}</title></circle>')
    worst = max(bins, key=lambda one: abs(one[0] - one[1]))
    return _svg(f"Reliability diagram; largest gap: confidence {worst[0]:.3f}, accuracy {worst[1]:.3f}", parts)


def scatter_plot(x_title: str, y_title: str, points: Sequence[tuple[float, float]], line: str) -> Markup:
    """Draw points.

    Args:
        x_title: Title of the horizontal axis.
        y_title: Title of the vertical axis.
        points: At least one point.
        line: Where a dashed line is drawn: `equal` through equal values of both axes, `zero` at the height 0.
    """
    across, up = [point[0] for point in points], [point[1] for point in points]
    if line == "equal":
        across = up = across + up
    x_values, y_values = ticks(across), ticks([*up, 0.0] if line == "zero" else up)
    x = Axis(x_values[0], x_values[-1], LEFT, WIDTH - LEFT - RIGHT)
    y = Axis(y_values[0], y_values[-1], HEIGHT - BOTTOM, TOP + BOTTOM - HEIGHT)
    parts = [*_grid(y, y_values), *_labels_below(x, x_values), *_titles(x_title, y_title)]
    low, high = (x.low, x.high) if line == "equal" else (0.0, 0.0)
    ends = f'x1="{x.at(x.low)}" y1="{y.at(low)}" x2="{x.at(x.high)}" y2="{y.at(high)}"'
    parts.append(f'<line class="diagonal" {ends}/>')
    parts += [f'<circle class="point" cx="{x.at(one)}" cy="{y.at(other)}" r="2"/>' for one, other in points]
    return _svg(f"{y_title} by {x_title}, {counted(len(points), 'point')}", parts)


def bar_chart(title: str, groups: Sequence[tuple[str, Sequence[float]]], styles: Sequence[str]) -> Markup:
    """Draw groups of bars from 0 to 1.

    Args:
        title: Title of the vertical axis, and text for screen readers.
        groups: Name, and the value of each bar.
        styles: CSS class of each bar of a group.
    """
    y = Axis(0, 1, HEIGHT - BOTTOM, TOP + BOTTOM - HEIGHT)
    step = (WIDTH - LEFT - RIGHT) / len(groups)
    width = round(0.8 * step / len(styles), 1)
    parts = [*_grid(y, [0, 0.25, 0.5, 0.75, 1]), *_titles("", title)]
    for number, (name, values) in enumerate(groups):
        start = LEFT + step * (number + 0.1)
        for place, (value, style) in enumerate(zip(values, styles, strict=True)):
            left, top = round(start + place * width, 1), y.at(value)
            size = f'width="{width}" height="{round(HEIGHT - BOTTOM - top, 1)}"'
            told = f"<title>{escape(name)}: {value:.4f}</title>"
            parts.append(f'<rect class="bar {style}" x="{left}" y="{top}" {size}>{told}</rect>')
        middle, below = round(start + 0.4 * step, 1), HEIGHT - BOTTOM + 15
        parts.append(f'<text x="{middle}" y="{below}" text-anchor="middle">{escape(_fitting(name, step))}</text>')
    return _svg(f"{title}: {', '.join(name for name, _ in groups)}", parts)


def _fitting(name: str, pixels: float) -> str:
    """Cut a name to a width, at seven pixels for each character."""
    most = max(1, int(pixels / 7))
    return name if len(name) <= most else f"{name[: most - 1]}…"


def interval_plot(low: float, middle: float, high: float, reach: float) -> Markup:
    """Draw the confidence interval of a difference, around a line at 0.

    Args:
        low: Lower end.
        middle: The difference.
        high: Upper end.
        reach: The value at both ends of the drawing is plus or minus this.
    """
    x = Axis(-reach, reach, 2, 116)
    parts = [
        '<line class="grid" x1="60" y1="1" x2="60" y2="19"/>',
        f'<line class="curve val" x1="{x.at(low)}" y1="10" x2="{x.at(high)}" y2="10"/>',
        f'<circle class="dot val" cx="{x.at(middle)}" cy="10" r="{MARKED}"/>',
    ]
    return Markup('<svg class="interval" viewBox="0 0 120 20" aria-hidden="true">{}</svg>').format(
        Markup("".join(parts))
    )


def ticks(values: Sequence[float]) -> list[float]:
    """Return round numbers, evenly spaced, that enclose the values."""
    low, high = min(values), max(values)
    if low == high:
        low, high = low - abs(low or 1) / 10, high + abs(high or 1) / 10
    rough = (high - low) / TICKS
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(step * number, 12) for number in range(first, last + 1)]


def _axis(values: Sequence[float], start: float, pixels: float) -> Axis:
    low, high = min(values), max(values)
    return Axis(low, high, start, pixels) if low < high else Axis(low - 1, high + 1, start, pixels)


def _grid(y: Axis, values: Sequence[float]) -> list[str]:
    lines = [
        f'<line class="grid" x1="{LEFT}" y1="{y.at(value)}" x2="{WIDTH - RIGHT}" y2="{y.at(value)}"/>'
        for value in values
    ]
    texts = [f'<text x="{LEFT - 6}" y="{y.at(value) + 4}" text-anchor="end">{value:.6g}</text>' for value in values]
    return lines + texts


def _labels_below(x: Axis, values: Sequence[float]) -> list[str]:
    height = HEIGHT - BOTTOM + 15
    return [f'<text x="{x.at(value)}" y="{height}" text-anchor="middle">{value:.6g}</text>' for value in values]


def _titles(x_title: str, y_title: str) -> list[str]:
    across, up = (LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2
    return [
        f'<text x="{across}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x_title)}</text>',
        f'<text x="11" y="{up}" text-anchor="middle" transform="rotate(-90 11 {up})">{escape(y_title)}</text>',
    ]


def _svg(description: str, parts: Sequence[str]) -> Markup:
    inside = Markup("".join(parts))
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, HEIGHT, description, inside
    )
