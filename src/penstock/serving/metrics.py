"""Counters and histograms of each model, exported for Prometheus by prometheus_client.

The event loop counts in plain numbers, which costs 1 microsecond per request; prometheus_client's own locked counters
cost 3. The library reads them when /metrics is scraped.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4.encode()
SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Histogram:
    """Count how many values are in each bucket, and sum them.

    Args:
        bounds: Upper bounds of the buckets, ascending; one more bucket holds larger values.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        self.counts[bisect_left(self.bounds, value)] += times
        self.sum += value * times

    def add(self, counts: Sequence[int], total: float) -> None:
        """Add values that are counted already: how many are in each bucket, and their sum."""
        self.counts = [one + more for one, more in zip(self.counts, counts, strict=True)]
        self.sum += total

    @property
    def count(self) -> int:
        """Number of all values."""
        return sum(self.counts)

    @property
    def buckets(self) -> list[tuple[str, float]]:
        """Upper bound and cumulative count of each bucket."""
        return list(zip([*map(str, self.bounds), "+Inf"], accumulate(self.counts), strict=True))


@dataclass(slots=True)
class Total:
    """Number and summed duration of some requests or runs."""

    count: int = 0
    seconds: float = 0.0


class ModelMetrics:
    """Metrics of one model."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, str | int], int] = {}
        """Number of requests by protocol and status."""
        self.request_duration_seconds = Histogram(SECONDS)
        self.queue_duration_seconds = Histogram(SECONDS)
        self.inference_duration_seconds = Histogram(SECONDS)
        self.batches: dict[int, Total] = {}
        """Runs of each number of rows."""
        self.successes = Total()
        """Requests for a prediction that were answered."""
        self.failures = Total()
        """Requests for a prediction that were rejected, or failed."""
        self.last_inference = 0.0
        """Time of the last answered request for a prediction, in seconds since 1970; 0 for none."""

    def count_request(self, protocol: str, status: str | int, seconds: float) -> None:
        """Count one finished request.

        Args:
            protocol: "http" or "grpc".
            status: The protocol's code, such as 200 or "OK".
            seconds: Time from the complete request to its response.
        """
        key = (protocol, status)
        self.requests[key] = self.requests.get(key, 0) + 1
        self.request_duration_seconds.observe(seconds)

    @property
    def batch_size_rows(self) -> Histogram:
        """Numbers of rows of the runs."""
        histogram = Histogram(ROWS)
        for rows, runs in self.batches.items():
            histogram.observe(rows, runs.count)
        return histogram

    def count_run(self, rows: int, seconds: float) -> None:
        """Count one run of the model."""
        self.inference_duration_seconds.observe(seconds)
        batches = self.batches.get(rows) or self.batches.setdefault(rows, Total())
        batches.count += 1
        batches.seconds += seconds

    def count_inference(self, seconds: float, *, success: bool) -> None:
        """Count one finished request for a prediction, in addition to `count_request`."""
        if success:
            total = self.successes
            self.last_inference = time.time()
        else:
            total = self.failures
        total.count += 1
        total.seconds += seconds


HISTOGRAMS = {
    "request_duration_seconds": "Time from a complete request to its response.",
    "queue_duration_seconds": "Time a request waits in the queue of its model.",
    "inference_duration_seconds": "Time a run of the model takes.",
    "batch_size_rows": "Rows per run of the model.",
}


class Metrics:
    """Metrics by model name; requests that name no served model are under ""."""

    def __init__(self) -> None:
        self.models: dict[str, ModelMetrics] = {}
        self.collectors: list[Collector] = []
        """Further metrics to export."""

    def of(self, model: str) -> ModelMetrics:
        return self.models.get(model) or self.models.setdefault(model, ModelMetrics())

    def export(self, versions: Mapping[str, str], queue_sizes: Mapping[str, int]) -> bytes:
        """Return all metrics in Prometheus' text format 0.0.4.

        Args:
            versions: Version of each served model.
            queue_sizes: Rows in the queue of each model.
        """
        registry = CollectorRegistry()
        for collector in (_Snapshot(self.models, versions, queue_sizes), *self.collectors):
            registry.register(collector)
        return generate_latest(registry)


class _Snapshot(Collector):
    """The metrics at one moment, as prometheus_client collects them."""

    def __init__(
        self, models: Mapping[str, ModelMetrics], versions: Mapping[str, str], queue_sizes: Mapping[str, int]
    ) -> None:
        self._models = models
        self._versions = versions
        self._queue_sizes = queue_sizes

    def collect(self) -> Iterator[Metric]:
        yield self._requests()
        for name, help_text in HISTOGRAMS.items():
            yield self._histogram(name, help_text)
        info = GaugeMetricFamily("penstock_model_info", "Version of each served model.", labels=["model", "version"])
        for labels in self._versions.items():
            info.add_metric(labels, 1)
        yield info
        queues = GaugeMetricFamily("penstock_queue_size_rows", "Rows in the queue of a model.", labels=["model"])
        for model, rows in self._queue_sizes.items():
            queues.add_metric([model], rows)
        yield queues

    def _requests(self) -> Metric:
        help_text = "Requests by status. 499 and CANCELLED: the client closed the connection before the response."
        family = CounterMetricFamily("penstock_requests", help_text, labels=["model", "protocol", "status"])
        for model, metrics in self._models.items():
            for (protocol, status), count in metrics.requests.items():
                family.add_metric([model, protocol, str(status)], count)
        return family

    def _histogram(self, name: str, help_text: str) -> Metric:
        family = HistogramMetricFamily(f"penstock_{name}", help_text, labels=["model"])
        for model, metrics in self._models.items():
            histogram: Histogram = getattr(metrics, name)
            family.add_metric([model], histogram.buckets, histogram.sum)
        return family
