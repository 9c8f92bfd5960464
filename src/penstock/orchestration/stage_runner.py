"""How a script in pipelines/ runs: its one argument, the checked configuration, errors as one line and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Literal

from penstock.config.loading import load_config, place_of
from penstock.config.params import Config
from penstock.core import console
from penstock.core.distributed import is_launched_by_rank_zero
from penstock.core.errors import ConfigError, PenstockError, WrongSettingError, explain
from penstock.core.paths import Project
from penstock.core.signals import Interrupted, interrupt_at_once
from penstock.orchestration.resources import use_threads


def run_stage(
    stage: Callable[[Project, Config, str], None], block: Literal["datasets", "baselines", "fid_references", "models"]
) -> None:
    """Runs a stage for the dataset, baseline, FID reference or model that the command line names, and ends the process.

    Args:
        block: of params.yaml that the name stands in; tuned models count as models.

    Exit codes: 0; 1 for what went wrong; 2 for a wrong configuration or command line (see `penstock.core.errors`);
    128 plus the number of the signal that ended it.
    """

    def run() -> None:
        project, config = _project_and_config()
        name = _only_argument()
        use_threads(config.trainer.threads)
        try:
            stage(project, config, name)
        except WrongSettingError as error:
            where = config.block_of_model(name) if block == "models" else block
            place = place_of(project.params, f"{where}.{name}.{error.key}")
            raise ConfigError(f"{place}: {error.problem}") from None

    _end(run)


def run_whole_stage(stage: Callable[[Project, Config], None]) -> None:
    """The same for the stage that is about everything at once."""
    _end(lambda: stage(*_project_and_config()))


def _project_and_config() -> tuple[Project, Config]:
    project = Project.find()
    return project, load_config(project.params)


def _only_argument() -> str:
    if len(sys.argv) != 2:
        raise ConfigError(f"usage: python {sys.argv[0]} NAME, with a name from params.yaml")
    return sys.argv[1]


def _end(body: Callable[[], None]) -> None:
    interrupt_at_once()
    try:
        body()
    except (PenstockError, OSError) as error:
        message, exit_code = explain(error)
        console.fail(message)
        sys.exit(exit_code)
    except Interrupted as interruption:
        # The first process answers for all; it needs its time to put away what it has.
        sys.exit(0 if is_launched_by_rank_zero() else interruption.exit_code)
