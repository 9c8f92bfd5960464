"""Run a script of pipelines/: parse its argument, validate the configuration, and turn errors into an exit code.

Each error is printed as one line.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from penstock.config.loading import load_config, place_of
from penstock.config.own_code import require_current_own_code
from penstock.config.params import Config
from penstock.core import console
from penstock.core.distributed import is_launched_by_rank_zero, is_rank_zero, require_launcher
from penstock.core.errors import ConfigError, PenstockError, WrongSettingError, explain
from penstock.core.paths import Project
from penstock.core.signals import Interrupted, interrupt_at_once
from penstock.orchestration.openlineage import stage_events
from penstock.orchestration.project_code import require_project_code
from penstock.orchestration.resources import use_threads
from penstock.reporting.plots_page import ensure_plots_page


def run_stage(
    stage: Callable[[Project, Config, str], None], block: Literal["datasets", "baselines", "fid_references", "models"]
) -> None:
    """Run a stage for the dataset, baseline, FID reference or model that is named on the command line.

    The process exits with 0, with 1 after an error, with 2 if the configuration or the command line is wrong (see
    `penstock.core.errors`), or with 128 plus the number of the signal that ended it.

    Args:
        stage: Called with the project, the configuration and the name.
        block: The block of params.yaml that contains the name; "models" includes tuned models.
    """

    def run() -> Project:
        project, config = _project_and_config()
        name = _only_argument()
        if block == "models":
            require_current_own_code(project, config, name)
        use_threads(config.trainer.threads)
        try:
            with stage_events(project, config, Path(sys.argv[0]).stem, block, name):
                stage(project, config, name)
        except WrongSettingError as error:
            where = config.block_of_model(name) if block == "models" else block
            place = place_of(project.params, f"{where}.{name}.{error.key}")
            raise ConfigError(f"{place}: {error.problem}") from None
        return project

    _end(run)


def run_whole_stage(stage: Callable[[Project, Config], None]) -> None:
    """Run a stage that has no name as its argument; exit codes are those of `run_stage`."""

    def run() -> Project:
        project, config = _project_and_config()
        with stage_events(project, config, Path(sys.argv[0]).stem, "", ""):
            stage(project, config)
        return project

    _end(run)


def _project_and_config() -> tuple[Project, Config]:
    require_launcher()
    project = Project.find()
    require_project_code(project, f": start {project.root / 'pipelines' / Path(sys.argv[0]).name}")
    return project, load_config(project.params)


def _only_argument() -> str:
    if len(sys.argv) != 2:
        raise ConfigError(f"usage: python {sys.argv[0]} NAME, with a name from params.yaml")
    return sys.argv[1]


def _end(body: Callable[[], Project]) -> None:
    interrupt_at_once()
    try:
        project = body()
        if is_rank_zero():
            ensure_plots_page(project)
    except (PenstockError, OSError) as error:
        message, exit_code = explain(error)
        console.fail(message)
        sys.exit(exit_code)
    except Interrupted as interruption:
        # The other ranks exit with 0: Lightning kills rank zero once another process fails, and it still has to write
        # its checkpoint.
        sys.exit(0 if is_launched_by_rank_zero() else interruption.exit_code)
