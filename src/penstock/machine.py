"""What there is to compute with, and how much of it one stage takes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from threadpoolctl import threadpool_limits

from penstock.config import Trainer


def use_threads(count: int) -> None:
    """Lets torch, and what numpy and SciPy do their sums with, have `count` threads in this process.

    A fixed number, not what the machine has: it moves the last bits of a sum, and with them everything trained.
    """
    threadpool_limits(count)
    torch = sys.modules.get("torch")  # seconds that a stage without networks need not wait for
    if torch is not None:
        torch.set_num_threads(count)


def stages_at_once(settings: Trainer) -> int:
    """One for each GPU; without any, as many as have `settings.threads` cores each, and at least one."""
    gpus = 0 if settings.accelerator == "cpu" else len(visible_gpus())
    return gpus or max(1, _usable_cores() // settings.threads)


def visible_gpus() -> list[str]:
    """As CUDA_VISIBLE_DEVICES names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return [str(number) for number, _ in enumerate(Path("/dev").glob("nvidia[0-9]*"))]
    return [device for device in named.split(",") if device]


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
