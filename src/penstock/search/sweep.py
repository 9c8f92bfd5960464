"""Run a search on this machine: its workers, its run in MLflow, and what it has found."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from optuna.trial import TrialState

from penstock.core import console
from penstock.core.errors import ConfigError, SearchError
from penstock.core.plurals import counted
from penstock.core.signals import Interrupted, interrupt_at_once
from penstock.io.processed_dataset import ProcessedDataset
from penstock.orchestration.resources import shares_of_gpus
from penstock.search import studies
from penstock.search.claims import Claims, worker_name
from penstock.search.progress import SearchProgress
from penstock.search.results import Results
from penstock.search.search_job import SearchJob, WorkerOrder
from penstock.search.status import StudyStatus, print_winner, settings_text, trial_text
from penstock.search.storage import locked_storage, open_storage
from penstock.search.studies import Study, open_study
from penstock.search.worker_processes import WorkerProcess, worker_processes
from penstock.tracking.known_results import finish_runs, known_results
from penstock.tracking.run import track_model
from penstock.tracking.shared_uploader import shared_uploader
from penstock.tracking.study_run import StudyRun, track_study
from penstock.tracking.training_result import TrainingResult

SECONDS_BETWEEN_LOOKS = 0.5
FINISHED_RUNS = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True)
class Sweep:
    """A search on this machine.

    Args:
        job: The search.
        storage: URL of the database of the study.
        jobs: Number of workers.
    """

    job: SearchJob
    storage: str
    jobs: int

    def run(self) -> None:
        """Start or continue the search until its trials and the seeds of the winner are finished.

        Raises:
            SearchError: The workers ended before.
            Interrupted: A signal came; the same command continues.
            PenstockError: The search cannot begin.
        """
        job = self.job
        ProcessedDataset(job.project.processed(job.config.model(job.model).dataset))  # says what to run without it
        with open_storage(self.storage) as opened:
            study = open_study(opened, job.study, objective=job.objective)
            self._run(study, Claims(opened.engine, worker_name(), job.lease_seconds))

    def _run(self, study: Study, claims: Claims) -> None:
        job = self.job
        with locked_storage(self.storage):
            _require_same_search(study, job)
            study.fill(job.count)
        StudyStatus(study, claims, job.count).settle()
        console.note(_plan_text(job, study, self.jobs))
        interrupt_at_once()
        with ExitStack() as ending, _said_how_to_go_on():
            ending.callback(self._finish_runs, study)
            ending.enter_context(shared_uploader(job.project, job.config))
            run = ending.enter_context(track_study(job.project, job.config, job.model, job.study))
            self._work(study, claims, run)
        if study.best(job.count) is None:
            raise SearchError(f"study {study.name}: {study.no_winner(job.count)}")
        print_winner(study)

    def _work(self, study: Study, claims: Claims, run: StudyRun) -> None:
        """Let workers finish the search, unless it is finished; then log what it has found."""
        left = self.job.count - len(study.finished(self.job.count))
        progress = None if left else self._progress(study, claims)
        if progress is None or not progress.is_done():
            progress = self._let_workers_finish(study, claims, min(self.jobs, left or self.job.settings.winner_seeds))
        self._summarize(progress, run)

    def _let_workers_finish(self, study: Study, claims: Claims, count: int) -> SearchProgress:
        job = self.job
        begun = {trial.number for trial in study.finished(job.count)}
        with worker_processes(job.project, count, shares_of_gpus(job.config.trainer)) as workers:
            progress = self._progress(study, claims)  # while the workers import their libraries
            for worker in workers:
                order = WorkerOrder(job=job, storage=self.storage, known=progress.known, number=worker.number)
                worker.give(order)
            self._wait(workers, study, claims, begun)
        if not progress.is_done():
            raise SearchError(f"no worker is left, but {_left_text(progress)}; the same command goes on")
        return progress

    def _progress(self, study: Study, claims: Claims) -> SearchProgress:
        return SearchProgress(self.job, study, Results(claims.engine), self._known())

    def _known(self) -> dict[str, TrainingResult]:
        job = self.job
        return known_results(job.project, job.config, job.model, job.provenance.data, job.objective.validation)

    def _wait(self, workers: list[WorkerProcess], study: Study, claims: Claims, shown: set[int]) -> None:
        """Print each trial that finishes, here or elsewhere, until all workers have ended."""
        while True:
            ended = [worker for worker in workers if worker.has_ended]
            for trial in study.finished(self.job.count):
                if trial.number not in shown:
                    console.stage_line("trial", f"{self.job.model} {trial.number}", trial_text(study, trial))
                    shown.add(trial.number)
            for worker in ended:
                worker.report_end()
            if any(worker.process.returncode for worker in ended):
                claims.expire_dead()
            if len(ended) == len(workers):
                return
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def _summarize(self, progress: SearchProgress, run: StudyRun) -> None:
        """Store the winner in the study, and log the search to MLflow."""
        job, study = self.job, progress.study
        finished = study.finished(job.count)
        states = Counter(trial.state for trial in finished)
        known = sum(studies.KNOWN in trial.user_attrs for trial in finished)
        metrics = {
            "search/trials": len(finished),
            "search/pruned": states[TrialState.PRUNED],
            "search/failed": states[TrialState.FAIL],
            "search/known": known,
        }
        best = study.best(job.count)
        if best is not None:
            values, scores = best.user_attrs[studies.VALUES], progress.seed_scores()
            winner = {"number": best.number, "values": values, "score": best.values[0], "seeds": scores}
            study.optuna.set_user_attr(studies.WINNER, winner)
            metrics |= {"search/best": best.values[0]} | _seed_metrics(scores)
            run.set_tags({"penstock.best_trial": str(best.number), "penstock.best": settings_text(values)})
            self._log_seeds(values, scores)
        run.log_metrics(metrics, step=len(finished))

    def _log_seeds(self, values: dict[str, Any], scores: list[float]) -> None:
        config = self.job.config_with(values)
        if scores:
            with track_model(self.job.project, config, self.job.provenance_of(config)) as run:
                run.log_metrics(_seed_metrics(scores))

    def _finish_runs(self, study: Study) -> None:
        finished = [trial for trial in study.finished(self.job.count) if trial.state in FINISHED_RUNS]
        keys = {trial.user_attrs[studies.KEY] for trial in finished if studies.KEY in trial.user_attrs}
        finish_runs(self.job.project, self.job.config, self.job.model, study.name, keys)


def _seed_metrics(scores: list[float]) -> dict[str, float]:
    return {"seeds/val_mean": mean(scores), "seeds/val_std": stdev(scores)} if len(scores) > 1 else {}


def _left_text(progress: SearchProgress) -> str:
    left = progress.job.count - len(progress.study.finished(progress.job.count))
    return (
        f"{counted(left, 'trial is', 'trials are')} to be finished" if left else "seeds of the winner are to be trained"
    )


@contextmanager
def _said_how_to_go_on() -> Iterator[None]:
    try:
        yield
    except Interrupted:
        console.note("interrupted; the same command goes on from the last checkpoints")
        raise


def _plan_text(job: SearchJob, study: Study, jobs: int) -> str:
    finished = len(study.finished(job.count))
    kind = "grid" if job.is_grid else f"TPE, pruner {job.settings.pruner}"
    done = f", {finished} of them finished" if finished else ""
    return f"study {study.name}: {counted(job.count, 'trial')}{done} ({kind}), {counted(jobs, 'worker')}"


def _require_same_search(study: Study, job: SearchJob) -> None:
    """Store what a study searches, or compare it with what it did before.

    Raises:
        ConfigError: The study of this name searches something else, or another program made it.
    """
    before = study.optuna.user_attrs.get(studies.PLAN)
    if before is None and study.trials():
        raise ConfigError(f"--study {study.name}: was not made by `penstock sweep`; choose another name")
    if before is None:
        study.optuna.set_user_attr(studies.PLAN, job.plan)
        return
    different = [name for name, value in job.plan.items() if before.get(name) != value]
    if different:
        raise ConfigError(
            f"--study {study.name}: searches something else (other {', '.join(different)}); choose another name"
        )
