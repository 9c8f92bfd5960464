"""`penstock check`: check params.yaml, and try models in seconds."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from penstock.core.paths import Project
from penstock.core.plurals import counted

if TYPE_CHECKING:
    from penstock.config.params import Config


def add_check_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line; its libraries are imported when it runs."""
    check = commands.add_parser("check", help="check params.yaml, and name each mistake by line and key")
    check.add_argument(
        "model", nargs="*", help="models to try as well: overfit 32 rows, export, compare with onnxruntime"
    )
    check.set_defaults(run=_check)


def _check(chosen: argparse.Namespace) -> None:
    from penstock.config.loading import load_config
    from penstock.config.own_code import require_current_own_code
    from penstock.core.errors import ConfigError
    from penstock.data.declared_files import changed_files
    from penstock.orchestration.conflicts import require_no_conflicts
    from penstock.search.space import require_valid_spaces

    project = Project.find()
    require_no_conflicts(project)
    config = load_config(project.params)
    require_valid_spaces(project.params, config)
    require_current_own_code(project, config)
    wanted = {config.model(name).dataset for name in chosen.model} or {*config.datasets}
    datasets = {name: dataset for name, dataset in config.datasets.items() if name in wanted}
    if changed := [*changed_files(datasets, project.root)]:
        raise ConfigError("\n".join(changed))
    models = f"{counted(len(config.models), 'model')} and {counted(len(config.tuned), 'tuned model')}"
    counts = f"{counted(len(config.datasets), 'dataset')}, {models}"
    print(f"{project.params.name}: {counts}, no mistakes", flush=True)
    for name in chosen.model:
        _check_model(project, config, name)


def _check_model(project: Project, config: Config, name: str) -> None:
    from penstock.new.check_model import check_model
    from penstock.orchestration.resources import use_threads

    use_threads(config.trainer.threads)
    check_model(project, config, name)
