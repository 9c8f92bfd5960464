"""Which of the processes of one training this is: only the first writes files, tells MLflow, and talks."""

from __future__ import annotations

import os


def is_rank_zero() -> bool:
    """Whether this is the only process, or the one of rank 0, by what torchrun, srun or Lightning put into the
    environment of those that they begin."""
    rank = os.environ.get("RANK")  # torchrun's, which may give rank 0 to any node
    if rank is not None:
        return rank == "0"
    return all(os.environ.get(name, "0") == "0" for name in ("SLURM_PROCID", "NODE_RANK", "LOCAL_RANK"))


def is_launched_by_rank_zero() -> bool:
    """Whether Lightning began this process from the first one, which it kills as soon as one of these fails."""
    environment = os.environ
    return environment.get("LOCAL_RANK", "0") != "0" and not {"RANK", "SLURM_PROCID"} & environment.keys()
