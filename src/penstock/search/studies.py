"""A study: its name, its trials in Optuna's storage, and what has been found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.storages import BaseStorage, RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from penstock.config.params import Config
from penstock.core.errors import ConfigError, nearest
from penstock.core.plurals import counted
from penstock.io.files import canonical_hash
from penstock.io.provenance import Provenance, training_relevant_settings
from penstock.tracking.metric_names import SCORES, Score

# User attributes of a study and of a trial.
PLAN, WINNER = "penstock", "winner"
KEY, VALUES, KNOWN, REASON = "key", "values", "known", "reason"
BEGUN = "begun"  # whether the trial itself was trained, also by a worker that was killed
LOSS, EPOCH, EPOCHS, SECONDS = "loss", "epoch", "epochs", "seconds"
DEATHS = "deaths"
MOST_REASONS = 3


def trial_items(study: str) -> str:
    """Return how the claims of all trials of a study begin."""
    return f"trial {study} "


def trial_item(study: str, number: int) -> str:
    """Return the claim of a trial."""
    return f"{trial_items(study)}{number}"


def training_item(key: str) -> str:
    """Return the claim of a training, by the key of its provenance."""
    return f"training {key}"


def study_name(config: Config, provenance: Provenance, space: Mapping[str, Any], objective: Score) -> str:
    """Return the name that the same search of the same data, code and other settings always has.

    Args:
        config: Settings of the project.
        provenance: That of the model as it is in params.yaml.
        space: Space of the search, by dotted key.
        objective: What is searched for.
    """
    others = other_settings(training_relevant_settings(config, provenance.model), space)
    parts = [provenance.model, objective.validation, dict(space), others, provenance.data, provenance.code]
    return f"{provenance.model}-{canonical_hash(parts)[:8]}"


def other_settings(settings: Mapping[str, Any], keys: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return settings without those that a space varies, so that adopting the winner does not rename the study.

    A `kind` selects which other keys its block has, so the whole block is left out.
    """
    left = {}
    for key, value in settings.items():
        dotted = f"{prefix}{key}"
        if dotted in keys or f"{dotted}.kind" in keys:
            continue
        left[key] = other_settings(value, keys, f"{dotted}.") if isinstance(value, dict) else value
    return left


@dataclass(frozen=True)
class Study:
    """A study in a storage.

    Args:
        optuna: Optuna's study.
        objective: What is searched for.
    """

    optuna: optuna.Study
    objective: Score

    @property
    def name(self) -> str:
        return self.optuna.study_name

    @property
    def storage(self) -> BaseStorage:
        return self.optuna._storage

    def trials(self, count: int | None = None) -> list[FrozenTrial]:
        """Return the trials, or the first `count` of them, which alone are run."""
        return self.optuna.get_trials(deepcopy=False)[:count]

    def finished(self, count: int | None = None) -> list[FrozenTrial]:
        """Return those of the trials that are complete, pruned or failed."""
        return [trial for trial in self.trials(count) if trial.state.is_finished()]

    def fill(self, count: int) -> None:
        """Add trials that wait for a worker until there are `count`; of one process at a time."""
        for _ in range(count - len(self.trials())):
            self.optuna.enqueue_trial({})

    def count_death(self, trial: FrozenTrial) -> None:
        """Record that the worker of a trial has died."""
        self.storage.set_trial_user_attr(trial._trial_id, DEATHS, trial.user_attrs.get(DEATHS, 0) + 1)

    def best(self, count: int | None = None) -> FrozenTrial | None:
        """Return the trial with the best score; among equal scores that with the lowest loss, then the first one."""
        complete = [trial for trial in self.finished(count) if trial.state is TrialState.COMPLETE]
        return min(complete, key=self._rank, default=None)

    def no_winner(self, count: int | None = None) -> str:
        """Say why there is no best trial, and what to do."""
        finished = self.finished(count)
        if not finished:
            return "no trial has finished; run `penstock sweep` again"
        reasons = Counter(trial.user_attrs.get(REASON, "pruned") for trial in finished)
        listed = "; ".join(f"{number}: {reason}" for reason, number in reasons.most_common(MOST_REASONS))
        trials = counted(len(finished), "trial")
        return f"none of {trials} has a score ({listed}); change the space, the pruner or the settings"

    def _rank(self, trial: FrozenTrial) -> tuple[float, float, int]:
        score = trial.values[0]
        loss = trial.user_attrs.get(LOSS)
        infinite = float("inf")
        return -score if self.objective.higher_is_better else score, infinite if loss is None else loss, trial.number


def open_study(
    storage: RDBStorage,
    name: str,
    *,
    objective: Score,
    sampler: optuna.samplers.BaseSampler | None = None,
    pruner: optuna.pruners.BasePruner | None = None,
) -> Study:
    """Create a study, or open it if it exists."""
    direction = StudyDirection.MAXIMIZE if objective.higher_is_better else StudyDirection.MINIMIZE
    found = optuna.create_study(
        storage=storage, study_name=name, direction=direction, sampler=sampler, pruner=pruner, load_if_exists=True
    )
    return Study(found, objective)


def load_study(storage: RDBStorage, name: str) -> Study:
    """Open a study that exists.

    Raises:
        ConfigError: There is none of this name, or it is none of Penstock's.
    """
    names = optuna.get_all_study_names(storage)
    if name not in names:
        hint = nearest(name, names) if names else "; there is none: run `penstock sweep MODEL` first"
        raise ConfigError(f"unknown study '{name}'{hint}")
    found = optuna.load_study(study_name=name, storage=storage)
    if PLAN not in found.user_attrs:
        raise ConfigError(f"the study '{name}' was not made by `penstock sweep`; choose another name")
    metric = found.user_attrs[PLAN]["objective"]
    return Study(found, next(score for score in SCORES if score.validation == metric))


def studies_of(storage: RDBStorage, model: str) -> list[str]:
    """Return the names of the studies of a model, the newest last."""
    summaries = optuna.get_all_study_summaries(storage, include_best_trial=False)
    return [one.study_name for one in summaries if one.user_attrs.get(PLAN, {}).get("model") == model]
