"""Write the winner of a study into params.yaml, and show that only its model changes."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from optuna.trial import TrialState
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from penstock.config.base import NAME_PATTERN
from penstock.config.edits import edited, with_copy
from penstock.config.loading import load_config
from penstock.config.model_keys import changed_entry
from penstock.config.params import Config
from penstock.core import console
from penstock.core.errors import ConfigError
from penstock.core.paths import Project
from penstock.core.plurals import counted
from penstock.io.processed_dataset import ProcessedDataset
from penstock.io.provenance import training_provenance
from penstock.orchestration.params_file import Change
from penstock.search import studies
from penstock.search.consequences import Stage, stale_stages
from penstock.search.space import apply, require_valid_spaces
from penstock.search.status import settings_text
from penstock.search.studies import Study
from penstock.tracking.known_results import known_results


@dataclass(frozen=True)
class Winner:
    """The best trial of a study."""

    model: str
    number: int
    values: Mapping[str, Any]
    """Its settings by dotted key."""
    key: str
    """Key of its training."""
    score: float
    seeds: tuple[float, ...]
    """Scores over further seeds."""

    @property
    def expected(self) -> float:
        """The score to expect: the mean over further seeds, which did not choose the winner, if there are any."""
        return mean(self.seeds) if self.seeds else self.score

    @property
    def text(self) -> str:
        seeds = f", {mean(self.seeds):.4f} over {counted(len(self.seeds), 'more seed')}" if self.seeds else ""
        return f"{self.score:.4f}{seeds}"


def adopt(project: Project, study: Study, name: str | None, *, force: bool) -> None:
    """Write the best settings of a study into params.yaml; print the difference and its consequences.

    Args:
        project: The project.
        study: The study.
        name: Name of a new model; None changes the model of the study.
        force: Whether to adopt settings that are no better than the present ones, or of other data or code.

    Raises:
        ConfigError: There is nothing to adopt, or it would be no improvement; params.yaml is as it was.
    """
    text = project.params.read_text(encoding="utf-8")
    config = load_config(project.params)
    winner = _winner(study)
    _require_names(config, winner, study.name, name)
    if not force:
        _require_same_training(project, config, winner)
        _require_improvement(project, config, study, winner)
    change = _change(project.params, text, config, winner, name)
    _require_only(config, change.config, winner, name)
    change.write()
    _report(project, config, change, winner, name)


def _winner(study: Study) -> Winner:
    best = study.best()
    if best is None:
        raise ConfigError(f"{study.name}: {study.no_winner()}")
    plan, stored = study.optuna.user_attrs[studies.PLAN], study.optuna.user_attrs.get(studies.WINNER) or {}
    seeds = stored.get("seeds", ()) if stored.get("number") == best.number else ()
    attributes = best.user_attrs
    assert best.values is not None
    values, key = attributes[studies.VALUES], attributes[studies.KEY]
    return Winner(plan["model"], best.number, values, key, best.values[0], tuple(seeds))


def _require_names(config: Config, winner: Winner, study: str, name: str | None) -> None:
    if winner.model not in config.every_model:
        raise ConfigError(f"{study}: its model '{winner.model}' is no longer in params.yaml")
    if name is None:
        return
    if not re.match(NAME_PATTERN, name):
        raise ConfigError(f"--as {name}: use lower-case letters, digits and _, such as {winner.model}_tuned")
    if name in config.every_model:
        raise ConfigError(f"--as {name}: there is another '{name}' already; call it something else")


def _require_same_training(project: Project, config: Config, winner: Winner) -> None:
    """Require that the settings here, with the winner's values, are exactly those that were trained."""
    ProcessedDataset(project.processed(config.model(winner.model).dataset))  # says what to run without it
    changed = apply(config, winner.model, winner.values)
    if training_provenance(project, changed, winner.model).key != winner.key:
        raise ConfigError(
            f"{winner.model}: other settings, data or code than those of the study; run `penstock sweep` again, or add "
            "--force"
        )


def _require_improvement(project: Project, config: Config, study: Study, winner: Winner) -> None:
    score, present = study.objective, _present_score(project, config, study, winner.model)
    if present is None:
        raise ConfigError(
            f"{winner.model}: the present settings have no validation score to compare with; run `dvc repro "
            f"train@{winner.model}`, or add --force"
        )
    is_better = winner.expected > present if score.higher_is_better else winner.expected < present
    if not is_better:
        raise ConfigError(
            f"{winner.model}: trial {winner.number} is no better than the present settings: validation {score.name} "
            f"{winner.text}, present {present:.4f}; add --force to adopt it anyway"
        )
    console.note(f"validation {score.name} {winner.text}; present settings {present:.4f}")


def _present_score(project: Project, config: Config, study: Study, model: str) -> float | None:
    """Return the validation score of the present settings, from a trial or a run in MLflow."""
    provenance = training_provenance(project, config, model)
    for trial in study.finished():
        if trial.state is TrialState.COMPLETE and trial.user_attrs.get(studies.KEY) == provenance.key:
            assert trial.values is not None
            return float(trial.values[0])
    known = known_results(project, config, model, provenance.data, study.objective.validation)
    return known[provenance.key].score if provenance.key in known else None


def _change(path: Path, text: str, config: Config, winner: Winner, name: str | None) -> Change:
    model, block = config.model(winner.model), config.block_of_model(winner.model)
    old_entry = model.model_dump(mode="json", exclude_unset=True)
    try:
        new = with_copy(text, [block, winner.model], name) if name else text
        new = edited(new, [block, name or winner.model], old_entry, changed_entry(model, _needed(config, winner)))
        return Change.checked(path, text, new)
    except (YAMLError, ConfigError, KeyError):
        raise _not_editable(winner) from None


def _needed(config: Config, winner: Winner) -> dict[str, Any]:
    """Return the winner's values without those that the model has already, such as defaults."""
    wanted, needed = apply(config, winner.model, winner.values), dict(winner.values)
    for key in winner.values:
        rest = {one: value for one, value in needed.items() if one != key}
        if apply(config, winner.model, rest) == wanted:
            needed = rest
    return needed


def _require_only(old: Config, new: Config, winner: Winner, name: str | None) -> None:
    """Require that the model has the winner's settings, and all else is as it was.

    Raises:
        ConfigError: The text of params.yaml is too unusual for such a change.
    """
    block = old.block_of_model(winner.model)
    expected = apply(old, winner.model, winner.values).model(winner.model)
    models = {**getattr(old, block), name or winner.model: expected}
    if new != old.model_copy(update={block: models}):
        raise _not_editable(winner)


def _not_editable(winner: Winner) -> ConfigError:
    return ConfigError(f"params.yaml: cannot be edited line by line; set by hand: {settings_text(winner.values)}")


def _report(project: Project, old: Config, change: Change, winner: Winner, name: str | None) -> None:
    model = name or winner.model
    if change.after == change.before:
        console.note(f"{model} has these settings already: {settings_text(winner.values)}")
        return
    lines = difflib.unified_diff(
        change.before.splitlines(), change.after.splitlines(), "params.yaml", f"params.yaml ({model})", n=1, lineterm=""
    )
    print("\n".join(lines))
    others = len(old.every_model) - (name is None)
    print(
        f"\nunchanged: {counted(others, 'other model')}, {counted(len(old.datasets), 'dataset')} and all other settings"
    )
    before, after = (YAML(typ="safe").load(text) for text in (change.before, change.after))
    _print_stages(stale_stages(project, before, after), model)
    _note_unfit_space(project, change.config)


def _print_stages(stale: list[Stage], model: str) -> None:
    own = [stage.name for stage in stale if stage.entry == model]
    others = [stage.name for stage in stale if stage.entry not in (model, "")]
    print(f"to run: {', '.join(own)}, and the report")
    print(f"of other models: {', '.join(others) or 'none'}")


def _note_unfit_space(project: Project, config: Config) -> None:
    """Say so if the search space of a model does not fit its new settings."""
    try:
        require_valid_spaces(project.params, config)
    except ConfigError as error:
        console.note(f"the search space needs a change, too: {error}")
