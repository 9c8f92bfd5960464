"""What all workers of a search have in common, and its form as JSON for their standard input."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from penstock.config.own_code import code_of
from penstock.config.params import Config
from penstock.config.search import SearchConfig
from penstock.core.paths import Project
from penstock.io.files import canonical_hash
from penstock.io.provenance import Provenance, training_provenance, training_relevant_settings
from penstock.search.objectives import objective_of
from penstock.search.space import SearchSpace, apply
from penstock.search.studies import other_settings, study_name
from penstock.tracking.metric_names import Score
from penstock.tracking.training_result import TrainingResult


@dataclass(frozen=True, kw_only=True)
class SearchJob:
    """A search for better settings of a model."""

    project: Project
    config: Config
    """Settings of the project; `search` has what this search was started with for the model."""
    model: str
    is_grid: bool
    """Whether the trials are the points of the grid of the space, in place of TPE's."""
    chosen_name: str | None
    """Name of the study; None derives it."""
    lease_seconds: float
    """Time after which the trial of a silent worker is taken up by another one."""

    @property
    def settings(self) -> SearchConfig:
        return self.config.search[self.model]

    @cached_property
    def space(self) -> SearchSpace:
        return SearchSpace.of_params(self.project.params, self.config, self.model)

    @cached_property
    def points(self) -> list[dict[str, Any]]:
        """The points of the grid; none for TPE."""
        return self.space.grid() if self.is_grid else []

    @property
    def count(self) -> int:
        """Trials that the study has in the end."""
        return min(self.settings.trials, len(self.points)) if self.is_grid else self.settings.trials

    @cached_property
    def objective(self) -> Score:
        return objective_of(self.config, self.model)

    @cached_property
    def provenance(self) -> Provenance:
        """That of the model with the settings of params.yaml."""
        return training_provenance(self.project, self.config, self.model)

    @cached_property
    def plan(self) -> dict[str, Any]:
        """What all trials of the study have in common."""
        space = self.settings.model_dump(mode="json")["space"]
        return {
            "model": self.model,
            "objective": self.objective.validation,
            "data": self.provenance.data,
            "code": self.provenance.code,
            "settings": canonical_hash(other_settings(training_relevant_settings(self.config, self.model), space)),
            "space": space,
            "grid": self.is_grid,
        }

    @cached_property
    def study(self) -> str:
        """Name of the study."""
        space = self.settings.model_dump(mode="json")["space"] | ({"grid": True} if self.is_grid else {})
        return self.chosen_name or study_name(self.config, self.provenance, space, self.objective)

    @cached_property
    def _provenances(self) -> dict[str, Provenance]:
        return {}

    def config_with(self, values: Mapping[str, Any]) -> Config:
        """Return the settings in which the model has these values.

        Raises:
            ConfigError: They do not go together.
        """
        return apply(self.config, self.model, values)

    def provenance_of(self, config: Config) -> Provenance:
        """Return the provenance of the model with other settings. Data and code are hashed once for each network."""
        model = config.model(self.model)
        network = f"{model.network.kind} {code_of(model)}"
        if network not in self._provenances:
            self._provenances[network] = training_provenance(self.project, config, self.model)
        parameters = canonical_hash(training_relevant_settings(config, self.model))
        return replace(self._provenances[network], parameters=parameters)


@dataclass(frozen=True, kw_only=True)
class WorkerOrder:
    """What one worker is told: the search, where its study is, and which results are known."""

    job: SearchJob
    storage: str
    known: Mapping[str, TrainingResult]
    """Results in MLflow by the key of their provenance."""
    number: int
    """Number of the worker, from 0."""

    def encode(self) -> str:
        """Return the order as one line of JSON."""
        job = vars(self.job) | {
            "project": str(self.job.project.root),
            "config": self.job.config.model_dump(mode="json", exclude_unset=True),
        }
        fields = SearchJob.__dataclass_fields__
        return json.dumps(
            {
                "job": {name: job[name] for name in fields},
                "storage": self.storage,
                "known": {key: asdict(result) for key, result in self.known.items()},
                "number": self.number,
            }
        )

    @classmethod
    def decode(cls, line: str) -> WorkerOrder:
        """Return the order of a line."""
        content = json.loads(line)
        job = content["job"] | {
            "project": Project(Path(content["job"]["project"])),
            "config": Config.model_validate(content["job"]["config"]),
        }
        known = {key: TrainingResult(**result) for key, result in content["known"].items()}
        return cls(job=SearchJob(**job), storage=content["storage"], known=known, number=content["number"])
