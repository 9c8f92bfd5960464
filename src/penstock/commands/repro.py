"""`penstock repro`: run the stages that are not up to date, in parallel."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.core.arguments import positive_int
from penstock.core.errors import StageError
from penstock.core.paths import Project

if TYPE_CHECKING:
    from penstock.config.params import Config


def add_repro_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line; its libraries are imported when it runs."""
    repro = commands.add_parser("repro", help="run the stages that are not up to date, in parallel")
    repro.add_argument(
        "target", nargs="*", help="stages or dvc.yaml files to run, with all that they depend on (default: dvc.yaml)"
    )
    repro.add_argument(
        "--jobs",
        type=positive_int,
        help="number of stages that run at once (default: one per GPU, or one per `trainer.threads` CPU cores); a "
        "stage that fails stops only the stages that depend on it",
    )
    repro.set_defaults(run=_repro)


def _repro(chosen: argparse.Namespace) -> None:
    from penstock.config.loading import load_config
    from penstock.config.own_code import write_own_code
    from penstock.core.console import warn
    from penstock.data.declared_files import changed_files
    from penstock.orchestration.dvc_patches import repair_locks
    from penstock.orchestration.openlineage import repro_events
    from penstock.orchestration.resources import stages_at_once
    from penstock.registry.register import register_if_possible
    from penstock.reporting.plots_page import ensure_plots_page
    from penstock.tracking.shared_uploader import shared_uploader

    # Stages start `python`: that of this environment, even if it is not activated.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    project = Project.find()
    repair_locks(project)
    ensure_plots_page(project)
    config = load_config(project.params)
    for changed in changed_files(config.datasets, project.root):
        warn(changed)
    write_own_code(project, config)
    try:
        with shared_uploader(project, config), repro_events(project):
            _run_stages(project, config, chosen.target, chosen.jobs or stages_at_once(config.trainer))
    except StageError:
        register_if_possible(project, config)  # the models that did not fail
        raise
    register_if_possible(project, config)


def _run_stages(project: Project, config: Config, targets: Sequence[str], jobs: int) -> None:
    """Run the stages that are not up to date.

    Args:
        project: The project.
        config: Its settings.
        targets: Stages or dvc.yaml files; empty for dvc.yaml.
        jobs: Number of stages that run at once.

    Raises:
        StageError: A stage failed.
    """
    if jobs == 1:
        _repro_by_dvc(project, targets)
        return
    from penstock.orchestration.resources import shares_of_gpus
    from penstock.orchestration.scheduler import repro

    epochs = {f"train@{name}": model.training.epochs for name, model in config.models.items()}
    epochs |= {f"tuned/dvc.yaml:train@{name}": model.training.epochs for name, model in config.tuned.items()}
    repro(project.root, targets, jobs, shares_of_gpus(config.trainer), epochs)


def _repro_by_dvc(project: Project, targets: Sequence[str]) -> None:
    """Run one stage after the other.

    Raises:
        StageError: A stage failed; DVC has said why.
    """
    from penstock.orchestration.dvc_patches import run

    if exit_code := run(["repro", *targets], project.root):
        raise StageError(f"`dvc repro` ended with exit code {exit_code}")
