"""`penstock sweep`: search for better settings of a model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.core.arguments import positive_int, seconds
from penstock.core.errors import ConfigError
from penstock.core.paths import Project

if TYPE_CHECKING:
    from penstock.config.params import Config
    from penstock.search.search_job import SearchJob
    from penstock.search.space import SearchSpace

LEASE_SECONDS = 60.0


def add_sweep_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line; its libraries are imported when it runs."""
    command = commands.add_parser("sweep", help="search for better settings of a model, with Optuna")
    command.description = (
        "Search for better settings of a model by its validation score. The same command continues a search, on this "
        "machine or another; Ctrl-C writes checkpoints. A training that MLflow knows is not repeated."
    )
    add = command.add_argument
    add("model", help="name of the model")
    add(
        "--trials",
        type=positive_int,
        metavar="N",
        help="finished trials in the end, over all workers (default: `search`)",
    )
    add(
        "--jobs",
        type=positive_int,
        metavar="K",
        help="workers here (default: one per GPU, or per `trainer.threads` cores)",
    )
    values = command.add_mutually_exclusive_group()
    values.add_argument(
        "--space", type=Path, metavar="FILE", help="YAML file of the space (default: `search` in params.yaml)"
    )
    values.add_argument("--grid", action="append", metavar="KEY=a,b,c", help="try all combinations; may be repeated")
    add("--pruner", choices=("median", "hyperband", "none"), help="what ends poor trials early (default: `search`)")
    add("--seeds", type=_seeds, metavar="K", help="further seeds to train the winner from (default: `search`)")
    add("--study", metavar="NAME", help="name of the study (default: from model, space, data, code and other settings)")
    add(
        "--storage",
        metavar="URL",
        help="database of the studies: postgresql://USER@HOST/DATABASE for many machines (default: $OPTUNA_STORAGE, or "
        "the file .penstock/studies.db)",
    )
    add(
        "--lease",
        type=seconds,
        default=LEASE_SECONDS,
        metavar="SECONDS",
        help=f"silence after which another machine's worker is taken for dead (default: {LEASE_SECONDS:g})",
    )
    form = command.add_mutually_exclusive_group()
    form.add_argument("--dry-run", action="store_true", help="say what would be trained and what is known")
    form.add_argument("--status", action="store_true", help="show the trials of the study")
    command.set_defaults(run=_run)


def _seeds(text: str) -> int:
    return 0 if text == "0" else positive_int(text)


def _run(chosen: argparse.Namespace) -> None:
    from penstock.config.loading import load_config
    from penstock.orchestration.resources import stages_at_once, use_threads
    from penstock.search.storage import storage_url

    project = Project.find()
    config = load_config(project.params)
    use_threads(config.trainer.threads)
    storage = storage_url(project, chosen.storage)
    job = _job(project, config, chosen)
    if chosen.status:
        from penstock.search.status import show_status

        show_status(job, storage)
    elif chosen.dry_run:
        from penstock.search.dry_run import show_plan

        show_plan(job, storage)
    else:
        from penstock.search.sweep import Sweep

        Sweep(job, storage, chosen.jobs or stages_at_once(config.trainer)).run()


def _job(project: Project, config: Config, chosen: argparse.Namespace) -> SearchJob:
    """Put what the command line says about the search into the settings."""
    from penstock.config.search import SearchConfig
    from penstock.search.search_job import SearchJob

    if chosen.study is not None:
        require_study_name(chosen.study)
    space = _space(project, config, chosen)
    settings = config.search.get(chosen.model) or SearchConfig(space=dict(space.dimensions))
    options = {"trials": chosen.trials, "pruner": chosen.pruner, "winner_seeds": chosen.seeds}
    given = {name: value for name, value in options.items() if value is not None}
    if chosen.grid and chosen.trials is None:
        given["trials"] = len(space.grid())
    settings = settings.model_copy(update={"space": dict(space.dimensions), **given})
    return SearchJob(
        project=project,
        config=config.model_copy(update={"search": config.search | {chosen.model: settings}}),
        model=chosen.model,
        is_grid=bool(chosen.grid),
        chosen_name=chosen.study,
        lease_seconds=chosen.lease,
    )


def _space(project: Project, config: Config, chosen: argparse.Namespace) -> SearchSpace:
    from penstock.search.space import SearchSpace

    config.model(chosen.model)
    if chosen.grid:
        return SearchSpace.of_grid(chosen.grid, config, chosen.model)
    if chosen.space:
        return SearchSpace.of_file(chosen.space, config, chosen.model)
    return SearchSpace.of_params(project.params, config, chosen.model)


def require_study_name(name: str) -> None:
    """Check a name that was chosen for a study.

    Raises:
        ConfigError: It is empty, or has characters that MLflow's filters do not take.
    """
    if not name or set(name) & set("'\"`\\"):
        raise ConfigError(f"--study {name!r}: use letters, digits, - and _")
