"""Run the trials of a study, and then its winner from other seeds, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

import optuna
from optuna.trial import FrozenTrial, TrialState
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from penstock.config.params import Config
from penstock.core.errors import PenstockError, first_line
from penstock.io.provenance import Provenance, training_relevant_settings
from penstock.search import studies
from penstock.search.claims import Claim, HeldClaims, LostClaimError
from penstock.search.progress import SearchProgress
from penstock.search.samplers import make_sampler
from penstock.search.search_job import SearchJob
from penstock.search.storage import UNREACHABLE
from penstock.search.studies import Study, training_item, trial_item, trial_items
from penstock.search.trainings import SearchTraining
from penstock.tracking.metric_names import VAL_LOSS
from penstock.tracking.run import ChildRun, track_model
from penstock.tracking.study_run import study_key
from penstock.tracking.tags import KEY, KNOWN_RUN, STUDY, TRIAL
from penstock.tracking.training_result import TrainingResult

Returned = TypeVar("Returned")
SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_WITHOUT_DATABASE = 120.0
# More than a machine that ends workers at random reaches: a trial of more than 30 s has a checkpoint.
MOST_DEATHS = 10
# Of settings that do not work; torch and numpy raise them, such as RuntimeError and MemoryError out of memory.
FAILURES = (PenstockError, RuntimeError, ValueError, ArithmeticError, MemoryError)


@retry(
    retry=retry_if_exception_type(UNREACHABLE),
    stop=stop_after_delay(SECONDS_WITHOUT_DATABASE),
    wait=wait_fixed(1),
    reraise=True,
)
def patiently(action: Callable[[], Returned]) -> Returned:
    """Do something with the database, again if it is out of reach for a moment."""
    return action()


@dataclass(frozen=True)
class TrialRunner:
    """Runs what is left of a search in this process."""

    progress: SearchProgress
    held: HeldClaims

    @property
    def job(self) -> SearchJob:
        return self.progress.job

    @property
    def study(self) -> Study:
        return self.progress.study

    def run_all(self) -> None:
        """Run trials and seeds until all are finished, also by others.

        Raises:
            Interrupted: A signal came; what was begun can be continued by any worker.
        """
        while not patiently(self.progress.is_done):
            try:
                ran = self._run_trial() or self._run_seed()
            except LostClaimError:
                patiently(self.held.forget)
                continue
            if not ran:
                time.sleep(SECONDS_BETWEEN_LOOKS)  # others work on the rest

    # Trials

    def _run_trial(self) -> bool:
        """Run one trial; return whether there was one to run."""
        with self._claimed_trial() as trial:
            if trial is not None:
                self._run(trial)
            return trial is not None

    @contextmanager
    def _claimed_trial(self) -> Iterator[optuna.Trial | None]:
        """Take a trial without a live worker; if the block does not finish it, others may."""
        taken = patiently(self._take_trial)
        if taken is None:
            yield None
            return
        claim, found = taken
        trial_id = found._trial_id
        try:
            self.study.optuna.sampler = make_sampler(self.job.points, self.job.settings.seed, found.number)
            yield optuna.Trial(self.study.optuna, trial_id)
        except LostClaimError:
            raise
        except BaseException:
            patiently(lambda: self._let_wait(trial_id))
            raise
        finally:
            patiently(lambda: self.held.release(claim))

    def _take_trial(self) -> tuple[Claim, FrozenTrial] | None:
        left = [trial for trial in self.study.trials(self.job.count) if not trial.state.is_finished()]
        holders = self.held.claims.holders(trial_items(self.study.name))
        for trial in sorted(left, key=_interrupted_first):
            item = trial_item(self.study.name, trial.number)
            holder = holders.get(item)
            claim = None if holder and holder.is_live else self.held.take(item)
            if claim is None:
                continue
            if self._is_to_run(trial._trial_id):
                if trial.state is TrialState.RUNNING:
                    self.study.count_death(trial)
                return claim, trial
            self.held.release(claim)
        return None

    def _is_to_run(self, trial_id: int) -> bool:
        """Set a trial that this worker has taken to `RUNNING`; return False if it has been finished meanwhile."""
        state = self.study.storage.get_trial(trial_id).state
        if state is TrialState.WAITING:
            self.study.storage.set_trial_state_values(trial_id, TrialState.RUNNING)
        return not state.is_finished()

    def _let_wait(self, trial_id: int) -> None:
        with suppress(LostClaimError, optuna.exceptions.UpdateFinishedTrialError):
            self.held.require()
            self.study.storage.set_trial_state_values(trial_id, TrialState.WAITING)

    def _run(self, trial: optuna.Trial) -> None:
        try:
            values = patiently(lambda: self.job.space.suggest(trial))
            config = self.job.config_with(values)
        except PenstockError as error:
            self._finish(trial, TrainingResult(None, reason=first_line(error)))
            return
        provenance = self.job.provenance_of(config)
        patiently(lambda: trial.set_user_attr(studies.VALUES, values))
        patiently(lambda: trial.set_user_attr(studies.KEY, provenance.key))
        child = ChildRun(study_key(self.study.name), self.study.name, f"trial {trial.number}", {STUDY: self.study.name})
        try:
            result = self._train(config, provenance, child, trial)
        except optuna.TrialPruned:
            self._tell(trial, TrialState.PRUNED)
            return
        self._finish(trial, result)

    def _train(self, config: Config, provenance: Provenance, child: ChildRun, trial: optuna.Trial) -> TrainingResult:
        """Return the result of a trial, which may be known."""
        if result := self.progress.found(provenance.key):
            self._log_known(config, provenance, child, trial, result)
            return result
        while (trained := self._train_here(config, provenance, child, trial)) is None:
            self.held.raise_if_lost()  # another worker has the same settings
            time.sleep(SECONDS_BETWEEN_LOOKS)
        return trained

    def _train_here(
        self, config: Config, provenance: Provenance, child: ChildRun, trial: optuna.Trial | None
    ) -> TrainingResult | None:
        """Train unless another worker does; return the result, or None if another worker trains."""
        key = provenance.key
        claim = patiently(lambda: self.held.take(training_item(key)))
        if claim is None:
            return None
        training = SearchTraining(self.job.project, config, provenance, child)
        try:
            if found := patiently(lambda: self.progress.found(key)):
                return found
            if trial is not None:
                patiently(lambda: trial.set_user_attr(studies.BEGUN, True))
            result = self._killer(training, trial) or self._result_of(training, claim, trial)
            patiently(lambda: self.progress.results.put(key, result))
            training.remove_checkpoints()
        except optuna.TrialPruned:
            training.remove_checkpoints()
            raise
        except LostClaimError:
            training.remove_own_checkpoints(claim)
            raise
        else:
            return result
        finally:
            patiently(lambda: self.held.release(claim))

    def _killer(self, training: SearchTraining, trial: optuna.Trial | None) -> TrainingResult | None:
        """Return a failure if each worker of a trial was killed before it could write a checkpoint."""
        deaths = trial.user_attrs.get(studies.DEATHS, 0) if trial else 0
        if deaths < MOST_DEATHS or training.has_checkpoint:
            return None
        reason = f"{deaths} workers were killed before the first checkpoint; is the memory too small?"
        return TrainingResult(None, reason=reason)

    def _result_of(self, training: SearchTraining, claim: Claim, trial: optuna.Trial | None) -> TrainingResult:
        try:
            return training.run(self.held, claim, self.job.objective.validation, trial)
        except optuna.TrialPruned:
            raise
        except FAILURES as error:
            return TrainingResult(None, reason=first_line(error))

    def _log_known(
        self, config: Config, provenance: Provenance, child: ChildRun, trial: optuna.Trial, result: TrainingResult
    ) -> None:
        """Record in the trial where its result comes from; copy the result of a run that is no trial of this study."""
        if trial.user_attrs.get(studies.BEGUN):  # its worker was killed between the result and the end of the trial
            return
        patiently(lambda: trial.set_user_attr(studies.KNOWN, result.run or "this storage"))
        others = [one for one in self.study.trials() if one.number != trial.number]
        if result.score is None or result.study == self.study.name:
            return
        if any(one.user_attrs.get(studies.KEY) == provenance.key for one in others):
            return
        tags = {**child.tags, KEY: f"{provenance.key}/{self.study.name}", TRIAL: "known", KNOWN_RUN: result.run}
        copy = ChildRun(child.parent_key, child.parent_name, child.name, tags)
        with track_model(self.job.project, self.job.config, provenance, copy) as run:
            run.log_parameters(training_relevant_settings(config, self.job.model))
            loss = {} if result.loss is None else {VAL_LOSS: result.loss}
            run.log_metrics({self.job.objective.validation: result.score} | loss, step=result.epoch)

    def _finish(self, trial: optuna.Trial, result: TrainingResult) -> None:
        attributes = {
            studies.LOSS: result.loss,
            studies.EPOCH: result.epoch,
            studies.EPOCHS: result.epochs,
            studies.SECONDS: round(result.seconds, 3),
            studies.REASON: result.reason,
        }
        for name, value in attributes.items():
            if value is not None:
                patiently(lambda name=name, value=value: trial.set_user_attr(name, value))  # type: ignore[misc]
        if result.score is None:
            self._tell(trial, TrialState.FAIL)
        else:
            self._tell(trial, TrialState.COMPLETE, result.score)

    def _tell(self, trial: optuna.Trial, state: TrialState, value: float | None = None) -> None:
        """Finish a trial, once: the database refuses a second end.

        Raises:
            LostClaimError: Another worker has taken or finished the trial.
        """
        patiently(self.held.require)
        try:
            patiently(lambda: self._is_to_run(trial._trial_id))
            patiently(lambda: self.study.optuna.tell(trial, value, state))
        except (optuna.exceptions.UpdateFinishedTrialError, ValueError):
            raise LostClaimError from None

    # Seeds of the winner

    def _run_seed(self) -> bool:
        """Train the winner from one further seed; return whether there was one to train."""
        if not self.progress.has_all_trials():
            return False
        best = self.study.best(self.job.count)
        for config, provenance in self.progress.seeds():
            if best is not None and not patiently(lambda key=provenance.key: self.progress.found(key)):  # type: ignore[misc]
                seed = config.model(self.job.model).training.seed
                child = ChildRun(best.user_attrs[studies.KEY], f"trial {best.number}", f"seed {seed}")
                if self._train_here(config, provenance, child, None) is not None:
                    return True
        return False


def _interrupted_first(trial: FrozenTrial) -> tuple[bool, int]:
    """Order trials: first those that have begun, which have a checkpoint."""
    return trial.state is TrialState.WAITING and not trial.params, trial.number
