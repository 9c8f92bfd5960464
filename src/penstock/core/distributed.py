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


def require_srun() -> None:
    """Check that srun has started this process, if Lightning takes it for a task of srun.

    Lightning looks at SLURM_NTASKS, which batch scripts and `salloc` have as well.

    Raises:
        ConfigError: There are several tasks, but not what srun sets with them.
    """
    environment = os.environ
    tasks = environment.get("SLURM_NTASKS", "1")
    is_interactive = environment.get("SLURM_JOB_NAME") in ("bash", "interactive")
    if is_interactive or "TORCHELASTIC_RUN_ID" in environment or tasks == "1":
        return
    if "SLURM_NTASKS_PER_NODE" not in environment or not tasks.isdecimal():
        raise ConfigError(not_by_srun("SLURM_NTASKS_PER_NODE"))


def not_by_srun(missing: str) -> str:
    """Return the message where Lightning takes a process for a task of srun that srun has not started."""
    return (
        f"SLURM_NTASKS={os.environ.get('SLURM_NTASKS')} is set without {missing}, so srun has not started this "
        "process: start it by `srun --ntasks-per-node N`, or `unset SLURM_NTASKS`"
    )


def is_launched_by_rank_zero() -> bool:
    """Return whether Lightning started this process from rank zero, which it kills as soon as one process fails."""
    environment = os.environ
    return environment.get("LOCAL_RANK", "0") != "0" and not {"RANK", "SLURM_PROCID"} & environment.keys()
