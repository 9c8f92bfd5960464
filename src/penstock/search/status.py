"""Show a study as a table, and let the trials of dead workers wait for others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from rich.table import Table

from penstock.core import console
from penstock.core.errors import ConfigError
from penstock.core.plurals import counted
from penstock.search import studies
from penstock.search.claims import Claims, Holder, worker_name
from penstock.search.search_job import SearchJob
from penstock.search.storage import open_storage
from penstock.search.studies import Study, load_study, studies_of, trial_item, trial_items

NAMES = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}
STYLES = {"running": "cyan", "failed": "red", "interrupted": "yellow", "pruned": "dim", "waiting": "dim"}


@dataclass(frozen=True)
class StudyStatus:
    """The trials of a study, and who works on them.

    Args:
        study: The study.
        claims: Claims of its storage.
        count: Trials that it is to have; None is all there are.
    """

    study: Study
    claims: Claims
    count: int | None = None

    def settle(self) -> None:
        """Set the trials of dead workers from `RUNNING` to `WAITING`; their claims and checkpoints stay.

        A worker that was only paused still finishes its trial if no other one has taken it up.
        """
        self.claims.expire_dead()
        for trial, state in self.states():
            if state == "interrupted" and trial.state is TrialState.RUNNING:
                with suppress(optuna.exceptions.UpdateFinishedTrialError):
                    self.study.count_death(trial)
                    self.study.storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)

    def states(self) -> list[tuple[FrozenTrial, str]]:
        """Return each trial with its state: complete, pruned, failed, running, interrupted or waiting."""
        holders = self.claims.holders(trial_items(self.study.name))
        return [
            (trial, _state(trial, holders.get(trial_item(self.study.name, trial.number))))
            for trial in self.study.trials(self.count)
        ]

    def print(self) -> None:
        """Print the table, the counts and the winner."""
        states = self.states()
        console.print_table(self._table(states))
        counts = Counter(state for _, state in states)
        known = sum(studies.KNOWN in trial.user_attrs for trial, _ in states)
        listed = ", ".join(f"{number} {state}" for state, number in counts.items())
        console.output.print(f"{listed}{f'; {known} known without training' if known else ''}", markup=False)
        print_winner(self.study)

    def _table(self, states: Sequence[tuple[FrozenTrial, str]]) -> Table:
        keys = list(dict.fromkeys(key for trial, _ in states for key in _settings(trial)))
        columns = ["trial", "state", self.study.objective.name, "epoch", "seconds", *map(_short, keys), ""]
        table = Table(*columns, box=None, pad_edge=False, header_style="bold", title=self.study.name)
        table.title_justify = "left"
        best = self.study.best(self.count)
        for trial, state in states:
            style = "bold green" if best is not None and trial.number == best.number else STYLES.get(state, "")
            settings = _settings(trial)
            cells = [str(trial.number), state, *_measured(trial), *(_text(settings.get(key, "")) for key in keys)]
            table.add_row(*cells, _remark(trial, is_best=style == "bold green"), style=style)
        return table


def _state(trial: FrozenTrial, holder: Holder | None) -> str:
    if trial.state.is_finished():
        return NAMES[trial.state]
    if holder is not None and holder.is_live:
        return "running"
    has_begun = trial.state is TrialState.RUNNING or bool(trial.params)
    return "interrupted" if has_begun else "waiting"


def _settings(trial: FrozenTrial) -> dict[str, Any]:
    return dict(trial.user_attrs.get(studies.VALUES, trial.params))


def _measured(trial: FrozenTrial) -> list[str]:
    steps = trial.intermediate_values
    attributes = trial.user_attrs
    if trial.state is TrialState.COMPLETE:
        epochs = f"{attributes.get(studies.EPOCH, '')}/{attributes.get(studies.EPOCHS, '')}"
        return [f"{trial.values[0]:.4f}", epochs, f"{attributes.get(studies.SECONDS, 0):.1f}"]
    return [f"{steps[max(steps)]:.4f}" if steps else "", str(max(steps, default="")), ""]


def _remark(trial: FrozenTrial, *, is_best: bool) -> str:
    if reason := trial.user_attrs.get(studies.REASON):
        return str(reason)
    remarks = ["best"] if is_best else []
    if known := trial.user_attrs.get(studies.KNOWN):
        remarks.append(f"known: run {known[:8]}" if "-" not in known and " " not in known else f"known: {known}")
    return ", ".join(remarks)


def _short(key: str) -> str:
    """Return a key without what it can be told without; `kind` alone would say nothing."""
    short = key.removeprefix("training.")
    return short if short.endswith(".kind") else short.removeprefix("optimizer.")


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def settings_text(values: Mapping[str, Any]) -> str:
    """Format settings on one line, such as `batch_size 16, learning_rate 0.0123`."""
    return ", ".join(f"{_short(key)} {_text(value)}" for key, value in values.items())


def trial_text(study: Study, trial: FrozenTrial) -> str:
    """Describe a finished trial on one line."""
    settings = settings_text(_settings(trial))
    score, epoch, seconds = _measured(trial)
    if trial.state is TrialState.FAIL:
        return f"failed: {trial.user_attrs.get(studies.REASON, 'unknown reason')}  ({settings})"
    if trial.state is TrialState.PRUNED:
        return f"pruned after epoch {epoch}, {study.objective.name} {score}  ({settings})"
    if studies.KNOWN in trial.user_attrs:
        return f"{study.objective.name} {score}, known without training  ({settings})"
    return f"{study.objective.name} {score} after epoch {epoch.replace('/', ' of ')}, {seconds} s  ({settings})"


def print_winner(study: Study) -> None:
    """Print the best trial, and its mean and standard deviation over further seeds."""
    winner = study.optuna.user_attrs.get(studies.WINNER)
    best = study.best()
    if winner is None or best is None or winner["number"] != best.number:
        return
    name = study.objective.name
    settings = settings_text(winner["values"])
    console.stage_line("best", study.name, f"trial {best.number}: validation {name} {best.values[0]:.4f}  ({settings})")
    scores = winner["seeds"]
    if len(scores) > 1:
        text = f"{mean(scores):.4f} ± {stdev(scores):.4f} over {counted(len(scores), 'more seed')}"
        console.note(f"validation {name} {text}, from {min(scores):.4f} to {max(scores):.4f}")


def show_status(job: SearchJob, storage: str) -> None:
    """Print the study of a search, or which studies of the model there are.

    Raises:
        ConfigError: The storage has no study of the model.
    """
    with open_storage(storage) as opened:
        names = studies_of(opened, job.model)
        if job.study in names or job.chosen_name:
            study = load_study(opened, job.study)
            status = StudyStatus(study, Claims(opened.engine, worker_name(), job.lease_seconds))
            status.settle()
            status.print()
            return
    others = f"; there are {', '.join(names)}: `--study NAME` shows one" if names else ""
    raise ConfigError(f"{job.model}: no study of this space, data, code and other settings yet{others}")
