"""Write the state of a saved view as the page of MLflow 3 stores it.

MLflow does not document the format. The keys are those of a view that the page itself has saved.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

_COMPRESSED = "deflate;"

State = dict[str, Any]
Chart = dict[str, Any]


def encode(state: Mapping[str, Any]) -> str:
    """Return a state as compressed text, which MLflow's page does as well."""
    content = zlib.compress(json.dumps(state, separators=(",", ":")).encode())
    return f"{_COMPRESSED}{base64.b64encode(content).decode()}"


def decode(text: str) -> State:
    """Return the state of a text, compressed or not.

    Raises:
        ValueError: The text is no state.
    """
    if text.startswith(_COMPRESSED):
        try:
            text = zlib.decompress(base64.b64decode(text.removeprefix(_COMPRESSED))).decode()
        except zlib.error as error:
            raise ValueError(str(error)) from error
    state: State = json.loads(text)
    return state


def rows(columns: Mapping[str, int], order_by: str, *, ascending: bool, only_where: str) -> State:
    """Return the part of a state that selects and sorts runs.

    Args:
        columns: Width in pixels of each column, from left to right, behind the name of the run.
        order_by: Column that sorts the runs.
        ascending: Whether the lowest value comes first. Runs without a value are always last.
        only_where: Filter of MLflow's search.
    """
    return {
        "searchFilter": only_where,
        "orderByKey": order_by,
        "orderByAsc": ascending,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": list(columns),
        "columnOrder": list(columns),
        "columnWidths": dict(columns),
        "runsHiddenMode": "FIRST_20_RUNS",
        "viewMaximized": False,
        "runListHidden": False,
        "groupBy": None,
        "groupsExpanded": {},
    }


def charts(
    sections: Mapping[str, Sequence[Chart]], metrics: Collection[str], images: Collection[str], *, height: int = 400
) -> State:
    """Return the part of a state that shows charts.

    The page adds a chart for each metric and image that has none, so those that are not shown get a deleted one.

    Args:
        sections: Charts by the name of their section.
        metrics: Names of all metrics of the experiment.
        images: Keys of all its images.
        height: Height of a chart, in pixels.
    """
    shown = [chart | {"metricSectionId": name} for name, content in sections.items() for chart in content]
    hidden = [_deleted(metric) for metric in sorted(set(metrics) - {chart.get("metricKey") for chart in shown})]
    hidden += [image(key, 0) | {"deleted": True} for key in sorted(set(images) - images_of(shown).keys())]
    return {
        "compareRunSections": [_section(name, len(content), height) for name, content in sections.items()],
        "compareRunCharts": [*shown, *hidden],
        "isAccordionReordered": True,  # otherwise the page sorts the sections by name
        "hideEmptyCharts": True,
        "useGroupedValuesInCharts": True,
        "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
    }


def metrics_of(state: State) -> set[str]:
    """Return the metrics that `charts` was called with, as far as a chart names them."""
    return {chart["metricKey"] for chart in state.get("compareRunCharts", []) if "metricKey" in chart}


def images_of(charts: Iterable[Chart]) -> dict[str, int]:
    """Return the step of each image that has a chart of its own, by its key."""
    return {chart["imageKeys"][0]: chart["step"] for chart in charts if len(chart.get("imageKeys", [])) == 1}


def bar(title: str, metric: str) -> Chart:
    """Return a chart with one bar for each run."""
    return _chart("BAR", metric, displayName=title, metricKey=metric, runsCountToCompare=20)


def line(metrics: Sequence[str]) -> Chart:
    """Return a chart of metrics of each run by step: the first is a solid line, the second is dashed."""
    content = {"metricKey": metrics[0], "selectedMetricKeys": list(metrics), "yAxisKey": "metric"}
    axes = {"xAxisKey": "step", "xAxisScaleType": "linear", "scaleType": "linear", "range": {}}
    style = {"lineSmoothness": 0, "displayPoints": False, "ignoreOutliers": False}  # without a key, MLflow smooths
    return _chart("LINE", " ".join(metrics), **content, **axes, **style, runsCountToCompare=20)


def scatter(x: str, y: str) -> Chart:
    """Return a chart of two metrics, with one point for each run."""
    axes = {"xaxis": {"key": x, "type": "METRIC"}, "yaxis": {"key": y, "type": "METRIC"}}
    return _chart("SCATTER", f"{x} {y}", **axes, runsCountToCompare=100)


def parallel(parameters: Collection[str], metric: str) -> Chart:
    """Return parallel coordinates: one line for each run through its parameters to a metric, which colours it."""
    axes = {"selectedParams": list(parameters), "selectedMetrics": [metric]}
    return _chart("PARALLEL", metric, **axes, showAllRuns=True)


def image(key: str, step: int) -> Chart:
    """Return a chart of an image of each run, at a step; the page shows no other step until the user moves it."""
    return _chart("IMAGE", key, imageKeys=[key], step=step, showRunParams=False)


def _chart(kind: str, identity: str, **content: object) -> Chart:
    return {"uuid": f"{kind} {identity}", "type": kind, "deleted": False, "isGenerated": False, **content}


def _deleted(metric: str) -> Chart:
    return {"uuid": f"deleted {metric}", "type": "BAR", "metricKey": metric, "deleted": True, "isGenerated": False}


def _section(name: str, charts: int, height: int) -> dict[str, Any]:
    size = {"columns": min(charts, 2), "cardHeight": height}
    return {"uuid": name, "name": name, "display": True, "isReordered": True} | size
