"""Metrics of a shadow, exported for Prometheus like those of the models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from penstock.serving.metrics import SECONDS, Histogram
from penstock.serving.shadow.agreement import DIFFERENCES
from penstock.serving.shadow.messages import Result


class Dropped(StrEnum):
    """Why a sampled request was not sent to the challenger."""

    NO_CHALLENGER = "no_challenger"
    QUEUE_FULL = "queue_full"
    TOO_LARGE = "too_large"
    MEMORY_FULL = "memory_full"


class Pair(NamedTuple):
    """Versions of two models that answered the same requests."""

    champion: str
    challenger: str


class PairMetrics:
    """Metrics of two versions."""

    def __init__(self) -> None:
        self.requests = 0
        """Requests that both have answered."""
        self.failures = 0
        """Requests that the challenger could not answer."""
        self.same = 0
        """Rows on which both agree."""
        self.different = 0
        self.differences = Histogram(DIFFERENCES)
        self.champion_seconds = Histogram(SECONDS)
        self.challenger_seconds = Histogram(SECONDS)

    def count(self, result: Result, champion_seconds: float) -> None:
        """Count a request.

        Args:
            result: The challenger's result.
            champion_seconds: Time of the champion's run; 0 if it was not measured, and neither is then counted.
        """
        agreement = result.agreement
        self.requests += 1
        self.same += agreement.same
        self.different += agreement.rows - agreement.same
        self.differences.add(agreement.differences, agreement.sum_of_differences)
        if champion_seconds:
            self.champion_seconds.observe(champion_seconds)
            self.challenger_seconds.observe(result.seconds)


class ShadowMetrics:
    """Metrics of the shadow of one model."""

    def __init__(self) -> None:
        self.is_up = False
        """Whether there is a challenger that can be compared with the champion."""
        self.dropped = dict.fromkeys(Dropped, 0)
        self.pairs: dict[Pair, PairMetrics] = {}

    def of(self, pair: Pair) -> PairMetrics:
        return self.pairs.get(pair) or self.pairs.setdefault(pair, PairMetrics())


PAIR = ["model", "champion", "challenger"]


class ShadowCollector(Collector):
    """The metrics at one moment, as prometheus_client collects them.

    Args:
        shadows: Metrics by model name.
    """

    def __init__(self, shadows: Mapping[str, ShadowMetrics]) -> None:
        self._shadows = shadows

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily(
            "penstock_shadow_up", "1 if there is a challenger that can be compared.", labels=["model"]
        )
        dropped = CounterMetricFamily(
            "penstock_shadow_dropped",
            "Sampled requests that were not sent to the challenger.",
            labels=["model", "reason"],
        )
        for model, metrics in self._shadows.items():
            up.add_metric([model], metrics.is_up)
            for reason, count in metrics.dropped.items():
                dropped.add_metric([model, reason], count)
        yield from (up, dropped, *self._counters(), *self._histograms())

    def _pairs(self) -> Iterator[tuple[list[str], PairMetrics]]:
        for model, metrics in self._shadows.items():
            for pair, of_pair in metrics.pairs.items():
                yield [model, *pair], of_pair

    def _counters(self) -> Iterator[Metric]:
        requests = CounterMetricFamily("penstock_shadow_requests", "Requests that both models answered.", labels=PAIR)
        failures = CounterMetricFamily(
            "penstock_shadow_failures", "Requests that the challenger could not answer.", labels=PAIR
        )
        rows = CounterMetricFamily(
            "penstock_shadow_rows", "Rows that both models answered, by agreement.", labels=[*PAIR, "agreement"]
        )
        for labels, pair in self._pairs():
            requests.add_metric(labels, pair.requests)
            failures.add_metric(labels, pair.failures)
            rows.add_metric([*labels, "same"], pair.same)
            rows.add_metric([*labels, "different"], pair.different)
        yield from (requests, failures, rows)

    def _histograms(self) -> Iterator[Metric]:
        differences = HistogramMetricFamily(
            "penstock_shadow_difference", "Largest absolute difference of a row's numbers.", labels=PAIR
        )
        seconds = HistogramMetricFamily(
            "penstock_shadow_inference_duration_seconds",
            "Time a run of the same requests takes.",
            labels=[*PAIR, "role"],
        )
        for labels, pair in self._pairs():
            differences.add_metric(labels, pair.differences.buckets, pair.differences.sum)
            for role, histogram in (("champion", pair.champion_seconds), ("challenger", pair.challenger_seconds)):
                seconds.add_metric([*labels, role], histogram.buckets, histogram.sum)
        yield from (differences, seconds)
