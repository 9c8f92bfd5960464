"""Log the use of processor, memory, disk, network and GPUs, as MLflow does with `log_system_metrics`.

MLflow's own monitors measure, under the names that its page knows. The spool stores what they measure, so nothing is
lost while MLflow is unreachable.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from penstock.config.params import TrackingConfig
from penstock.core import console
from penstock.core.distributed import is_rank_zero
from penstock.tracking.metric_names import SYSTEM

ENABLED = "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING"
INTERVAL = "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL"
SAMPLES = "MLFLOW_SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING"
NODE = "MLFLOW_SYSTEM_METRICS_NODE_ID"
DEFAULT_INTERVAL_SECONDS = 10.0
TRUE = ("true", "1")

Log = Callable[[Mapping[str, float]], None]


@contextmanager
def system_metrics(config: TrackingConfig, log: Log) -> Iterator[None]:
    """Measure within the block, in a thread, if params.yaml or MLflow's variable asks for it. A failure is a warning.

    Args:
        config: Settings; MLflow's environment variables take precedence.
        log: Called with the metrics of each interval.
    """
    if not (is_enabled(config) and is_rank_zero()):
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(target=_measure_until, args=(ended, log), name="system metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=DEFAULT_INTERVAL_SECONDS)


def is_enabled(config: TrackingConfig) -> bool:
    """Return whether system metrics are logged."""
    variable = os.environ.get(ENABLED)
    return variable.lower() in TRUE if variable else config.system_metrics


def _measure_until(ended: threading.Event, log: Log) -> None:
    try:
        _measure(ended, log)
    except Exception as error:  # noqa: BLE001  (whatever fails in a monitor or a driver, the stage goes on)
        console.warn(f"cannot measure system metrics; continuing without them ({error})")


def _measure(ended: threading.Event, log: Log) -> None:
    """Log the metrics of each interval, and those of the last one when the stage has ended."""
    monitors = _monitors()
    interval = float(os.environ.get(INTERVAL) or DEFAULT_INTERVAL_SECONDS)
    samples = int(os.environ.get(SAMPLES) or 1)
    prefix = f"{SYSTEM}{node}/" if (node := os.environ.get(NODE)) else SYSTEM
    while True:
        for _ in range(samples):
            for monitor in monitors:
                monitor.collect_metrics()
            ended.wait(interval)
        log({f"{prefix}{name}": value for name, value in _aggregated(monitors)})
        if ended.is_set():
            return


def _monitors() -> list[Any]:
    from mlflow.system_metrics.metrics import cpu_monitor, disk_monitor, network_monitor  # takes seconds

    kinds: list[Any] = [cpu_monitor.CPUMonitor, disk_monitor.DiskMonitor, network_monitor.NetworkMonitor]
    return [*(kind() for kind in kinds), *_gpu_monitors()]


def _gpu_monitors() -> list[Any]:
    """Return the monitor of the first kind of GPU whose library answers."""
    from mlflow.system_metrics.metrics import gpu_monitor, rocm_monitor

    kinds: list[Any] = [gpu_monitor.GPUMonitor, rocm_monitor.ROCMMonitor]
    for kind in kinds:
        with suppress(Exception):  # of MLflow, or of a driver
            return [kind()]
    return []


def _aggregated(monitors: list[Any]) -> Iterator[tuple[str, float]]:
    for monitor in monitors:
        yield from monitor.aggregate_metrics().items()
        monitor.clear_metrics()
