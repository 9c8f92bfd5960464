"""Counts and times of each model, for Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats).

What is counted is plain numbers that only the event loop touches: a few tenths of a microsecond for a request.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Histogram:
    """How often a value was at most each of the bounds, and the sum of all."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def lines(self, name: str, labels: str) -> Iterator[str]:
        count = 0
        for bound, here in zip((*self.bounds, "+Inf"), self.counts, strict=True):
            count += here
            yield f'{name}_bucket{{{labels},le="{bound}"}} {count}'
        yield f"{name}_sum{{{labels}}} {self.sum}"
        yield f"{name}_count{{{labels}}} {count}"


class ModelMetrics:
    """answers: how many, by protocol and status."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], int] = {}
        self.request_seconds = Histogram(SECONDS)
        self.queue_seconds = Histogram(SECONDS)
        self.batch_rows = Histogram(ROWS)
        self.inference_seconds = Histogram(SECONDS)

    def answered(self, protocol: str, status: str, seconds: float) -> None:
        """Counts one request. protocol: "http" or "grpc"; status: its own code, such as "200" or "OK"."""
        key = (protocol, status)
        self.answers[key] = self.answers.get(key, 0) + 1
        self.request_seconds.observe(seconds)


HISTOGRAMS = {
    "request_seconds": "Time from a whole request to its answer.",
    "queue_seconds": "Time that a request waits for its model to run.",
    "batch_rows": "Rows in a run of the model.",
    "inference_seconds": "Time that a run of the model takes.",
}


class Metrics:
    """By model; what is about no model that is served has the name ""."""

    def __init__(self) -> None:
        self.models: dict[str, ModelMetrics] = {}

    def of(self, model: str) -> ModelMetrics:
        return self.models.get(model) or self.models.setdefault(model, ModelMetrics())

    def text(self, versions: Mapping[str, str], waiting: Mapping[str, int]) -> str:
        """versions, waiting: of each model that is served; rows in its queue."""
        return "\n".join([*self._answers(), *self._histograms(), *_gauges(versions, waiting), ""])

    def _answers(self) -> Iterator[str]:
        name = "penstock_requests_total"
        yield from _head(
            name, "counter", "Requests by the status of their answer; 499 and CANCELLED: the caller had gone."
        )
        for model, metrics in self.models.items():
            for (protocol, status), count in metrics.answers.items():
                yield f'{name}{{{_label(model)},protocol="{protocol}",status="{status}"}} {count}'

    def _histograms(self) -> Iterator[str]:
        for attribute, help_text in HISTOGRAMS.items():
            name = f"penstock_{attribute}"
            yield from _head(name, "histogram", help_text)
            for model, metrics in self.models.items():
                yield from getattr(metrics, attribute).lines(name, _label(model))


def _gauges(versions: Mapping[str, str], waiting: Mapping[str, int]) -> Iterator[str]:
    yield from _head("penstock_model_info", "gauge", "The models that are served.")
    for model, version in versions.items():
        yield f'penstock_model_info{{{_label(model)},version="{version}"}} 1'
    yield from _head("penstock_waiting_rows", "gauge", "Rows that wait for their model to run.")
    for model, rows in waiting.items():
        yield f"penstock_waiting_rows{{{_label(model)}}} {rows}"


def _head(name: str, kind: str, help_text: str) -> tuple[str, str]:
    return f"# HELP {name} {help_text}", f"# TYPE {name} {kind}"


def _label(model: str) -> str:
    """A model has the name of a folder, in which anything may stand."""
    escaped = model.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'model="{escaped}"'
