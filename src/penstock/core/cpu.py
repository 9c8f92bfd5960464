"""The cores that this process may use: the one place that asks the system, for the pipeline and the server alike."""

from __future__ import annotations

import os
from pathlib import Path

CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # microseconds of processor time in so many of the clock (man 7 cgroups)


def usable_cores() -> int:
    """Those that this process may run on, or its container may use at once if that is less; at least one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = CPU_QUOTA.read_text().split()
    except OSError:
        return cores
    return cores if quota == "max" else max(1, min(cores, int(quota) // int(period)))
