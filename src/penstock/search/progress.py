"""What of a search is finished: its trials, and its winner from further seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from penstock.config.params import Config
from penstock.io.provenance import Provenance
from penstock.search import studies
from penstock.search.results import Results
from penstock.search.search_job import SearchJob
from penstock.search.studies import Study
from penstock.tracking.training_result import TrainingResult


@dataclass(frozen=True)
class SearchProgress:
    """A search, its study, and the results of trainings."""

    job: SearchJob
    study: Study
    results: Results
    known: Mapping[str, TrainingResult]
    """Results in MLflow by the key of their provenance."""

    def found(self, key: str) -> TrainingResult | None:
        """Return the result of a training, in this storage or in MLflow; None if it has to be trained."""
        return self.results.get(key) or self.known.get(key)

    def has_all_trials(self) -> bool:
        """Return whether all trials are finished."""
        return len(self.study.finished(self.job.count)) >= self.job.count

    def is_done(self) -> bool:
        """Return whether all trials and all seeds of the winner are finished."""
        return self.has_all_trials() and all(self.found(provenance.key) for _, provenance in self.seeds())

    def seeds(self) -> list[tuple[Config, Provenance]]:
        """Return settings and provenance of the winner with each further seed."""
        best = self.study.best(self.job.count)
        if best is None:
            return []
        values = best.user_attrs[studies.VALUES]
        first = self.job.config_with(values).model(self.job.model).training.seed
        further = range(first + 1, first + 1 + self.job.settings.winner_seeds)
        configs = [self.job.config_with(values | {"training.seed": seed}) for seed in further]
        return [(config, self.job.provenance_of(config)) for config in configs]

    def seed_scores(self) -> list[float]:
        """Return the validation scores of the winner's further seeds that are finished and did not fail."""
        found = [self.found(provenance.key) for _, provenance in self.seeds()]
        return [result.score for result in found if result is not None and result.score is not None]
