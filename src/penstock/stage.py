"""How a script in pipelines/ runs: its one argument, the checked configuration, errors as one line and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable

from penstock import console
from penstock.config import Config, load_config
from penstock.errors import ConfigError, PenstockError
from penstock.project import Project


def run_stage(stage: Callable[[Project, Config, str], None]) -> None:
    """Runs a stage for the dataset or model that the command line names, and ends the process.

    Exit codes: 0; 1 for what went wrong; 2 for a wrong configuration or command line (see `penstock.errors`).
    """
    _end(lambda: stage(*_project_and_config(), _only_argument()))


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
    try:
        body()
    except PenstockError as error:
        console.fail(str(error))
        sys.exit(error.exit_code)
    except OSError as error:
        if error.filename is None:
            raise
        console.fail(f"{error.filename}: {error.strerror}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
