"""Determine the CPU cores and GPUs of the machine, and the share that one stage uses."""

from __future__ import annotations

import os
import sys
from itertools import takewhile
from pathlib import Path

from threadpoolctl import threadpool_limits

from penstock.config.params import TrainerConfig
from penstock.core.cpu import usable_cores


def use_threads(count: int) -> None:
    """Set the number of threads of torch and of the BLAS and OpenMP libraries in this process.

    The number is fixed, not auto-detected: it changes the order of floating-point sums, and so every trained weight.

    Args:
        count: Number of threads.
    """
    os.environ |= {f"{library}_NUM_THREADS": str(count) for library in ("OMP", "OPENBLAS", "MKL")}  # not yet loaded
    threadpool_limits(count)
    torch = sys.modules.get("torch")  # importing torch takes seconds, and not every stage needs it
    if torch is not None:
        torch.set_num_threads(count)


def stages_at_once(settings: TrainerConfig) -> int:
    """Return the number of stages to run in parallel.

    It is one per share of the GPUs. Without a GPU, it is the number of stages whose threads fit the CPU cores, at
    least 1.
    """
    return len(shares_of_gpus(settings)) or max(1, usable_cores() // (settings.threads * _processes(settings)))


def shares_of_gpus(settings: TrainerConfig) -> list[str]:
    """Split the visible GPUs into shares of `settings.devices` GPUs, or of one GPU if it is `auto`.

    Returns:
        A value of CUDA_VISIBLE_DEVICES per share. If there are fewer GPUs than one share needs, one share has them all.
        The list is empty on the CPU.
    """
    gpus = visible_gpus()
    if settings.accelerator == "cpu" or not gpus:
        return []
    size = min(len(gpus), _processes(settings))
    return [",".join(gpus[first : first + size]) for first in range(0, len(gpus) - size + 1, size)]


def _processes(settings: TrainerConfig) -> int:
    """Return the number of processes of a stage that runs in parallel with others."""
    return 1 if settings.devices == "auto" else settings.devices


def visible_gpus() -> list[str]:
    """Return the names of the visible GPUs, as in CUDA_VISIBLE_DEVICES."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return [str(number) for number, _ in enumerate(Path("/dev").glob("nvidia[0-9]*"))]
    # CUDA ignores every device from the first invalid one on: -1 hides all of them.
    return list(takewhile(lambda device: device and not device.startswith("-"), named.split(",")))
