"""Determine the rank of this process in a distributed training.

Only rank zero writes files, logs to MLflow and prints.
"""

from __future__ import annotations

import os

from penstock.core.errors import ConfigError


def is_rank_zero() -> bool:
    """Return whether this process has rank 0, or is the only one.

    torchrun, srun and Lightning set environment variables in the processes that they start.
    """
    rank = os.environ.get("RANK")  # set by torchrun, which may give rank 0 to any node
    if rank is not None:
        return rank == "0"
    return all(os.environ.get(name, "0") == "0" for name in ("SLURM_PROCID", "NODE_RANK", "LOCAL_RANK"))


def require_launcher() -> None:
    """Check that a launcher has set the rank, if there is one: a rank above zero makes a stage write nothing.

    Raises:
        ConfigError: A rank is set, but not what every launcher sets with it.
    """
    environment = os.environ
    if {"MASTER_ADDR", "SLURM_PROCID"} & environment.keys():
        return
    for name in ("RANK", "NODE_RANK", "LOCAL_RANK"):
        if environment.get(name, "0") != "0":
            raise ConfigError(
                f"{name}={environment[name]} is set, but MASTER_ADDR is not, so no launcher has started "
                f"this process: `unset {name}`, or set MASTER_ADDR"
            )


def is_launched_by_rank_zero() -> bool:
    """Return whether Lightning started this process from rank zero, which it kills as soon as one process fails."""
    environment = os.environ
    return environment.get("LOCAL_RANK", "0") != "0" and not {"RANK", "SLURM_PROCID"} & environment.keys()
