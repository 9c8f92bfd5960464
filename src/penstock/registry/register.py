"""Make MLflow's model registry say what the files of a project say: `penstock register`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from penstock.config.params import Config
from penstock.core import console
from penstock.core.errors import PenstockError
from penstock.core.listed_models import unlisted_models
from penstock.core.paths import Project
from penstock.registry.agreed_state import AgreedState
from penstock.registry.local_models import local_models
from penstock.registry.summary import show, summarize
from penstock.tracking.uri import SQLITE, tracking_uri


def register_models(project: Project, config: Config, names: Sequence[str] = (), *, check: bool = False) -> bool:
    """Register validated files that are not registered, and decide whether they become champions; print what changes.

    Args:
        project: The project.
        config: Its settings.
        names: Models of params.yaml; empty for all.
        check: Print the differences and change nothing.

    Returns:
        Whether nothing differs; without `check`, whether every validated file is registered now.

    Raises:
        ConfigError: There is no such model.
        PenstockError: MLflow cannot be used.
    """
    for name in names:
        config.model(name)
    every = local_models(project, config, config.every_model)
    models = [one for one in every if not names or one.model in names]
    _show_unlisted(project)
    state = AgreedState(project, config, every)
    uri = tracking_uri(project, config)
    has_registry = not uri.startswith(SQLITE) or Path(uri.removeprefix(SQLITE)).is_file()
    if not (has_registry or any(one.provenance for one in models)):
        summarize(models)
        return True
    notes = state.agreed()
    if notes is not None and not (notes and names):  # who names a model wants it to be looked at again
        show(notes, models)
        return not (check and notes)
    from penstock.registry.reconciliation import Reconciliation  # imports MLflow

    reconciliation = Reconciliation(project, config, models, names)
    return reconciliation.check(has_registry) if check else reconciliation.apply(state)


def register_if_possible(project: Project, config: Config) -> None:
    """Register the models of a project; only warn if MLflow cannot be used, since no stage fails because of it."""
    try:
        register_models(project, config)
    except PenstockError as error:
        console.warn(f"{error}; `penstock register` repeats this")


def _show_unlisted(project: Project) -> None:
    for folder in unlisted_models(project.served):
        shown = project.shown(folder)
        problem = f"{shown} is not served, since params.yaml has no such model; `rm -r {shown}` deletes it"
        console.stage_line("register", folder.name, problem)
