"""What there is to compute with, and how much of it one stage takes."""

from __future__ import annotations

import os
import sys
from itertools import takewhile
from pathlib import Path

from threadpoolctl import threadpool_limits

from penstock.config.params import TrainerConfig
from penstock.core.cpu import usable_cores


def use_threads(count: int) -> None:
    """Lets torch, and what numpy and SciPy do their sums with, have `count` threads in this process.

    A fixed number, not what the machine has: it moves the last bits of a sum, and with them everything trained.
    """
    os.environ |= {f"{library}_NUM_THREADS": str(count) for library in ("OMP", "OPENBLAS", "MKL")}  # not yet loaded
    threadpool_limits(count)
    torch = sys.modules.get("torch")  # seconds that a stage without networks need not wait for
    if torch is not None:
        torch.set_num_threads(count)


def stages_at_once(settings: TrainerConfig) -> int:
    """One for each share of the GPUs; without any, as many as have cores for their threads, and at least one."""
    return len(shares_of_gpus(settings)) or max(1, usable_cores() // (settings.threads * _processes(settings)))


def shares_of_gpus(settings: TrainerConfig) -> list[str]:
    """What a stage may see, as CUDA_VISIBLE_DEVICES has it: as many GPUs as `devices` says, one where it is auto. Of
    fewer GPUs than one share, all; on the CPU, none."""
    gpus = visible_gpus()
    if settings.accelerator == "cpu" or not gpus:
        return []
    size = min(len(gpus), _processes(settings))
    return [",".join(gpus[first : first + size]) for first in range(0, len(gpus) - size + 1, size)]


def _processes(settings: TrainerConfig) -> int:
    """Of one stage that runs beside others."""
    return 1 if settings.devices == "auto" else settings.devices


def visible_gpus() -> list[str]:
    """As CUDA_VISIBLE_DEVICES names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return [str(number) for number, _ in enumerate(Path("/dev").glob("nvidia[0-9]*"))]
    # CUDA itself stops at the first that is none: -1 hides all of them.
    return list(takewhile(lambda device: device and not device.startswith("-"), named.split(",")))
