"""A project whose iris_mlp is trained in a second, and searches in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Run
from ruamel.yaml import YAML

from penstock.config.loading import load_config
from penstock.config.search import SearchConfig
from penstock.core.paths import Project
from penstock.io.processed_dataset import save_array
from penstock.search.search_job import SearchJob, WorkerOrder
from penstock.search.space import SearchSpace
from penstock.search.storage import open_storage
from penstock.search.studies import Study, open_study
from penstock.search.worker import work
from penstock.tracking.known_results import known_results
from penstock.tracking.shared_uploader import LABEL
from penstock.tracking.spool import log_label, spool_dir
from penstock.tracking.tags import STUDY
from penstock.tracking.tail import SpoolUploader
from tests.helpers.lookups import without_variables_of_tests
from tests.models.documented import DATA

MODEL = "iris_mlp"
ROWS = {"train": 48, "validation": 30, "test": 12}
GRID = ("training.optimizer.learning_rate=0.003,0.01,0.03",)


@dataclass(frozen=True)
class SearchProject:
    """A project with processed data of Iris's shape."""

    root: Path
    ending: ExitStack
    """Closes the storages of the studies."""

    @property
    def project(self) -> Project:
        return Project(self.root)

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.root}/mlflow.db"

    @property
    def storage(self) -> str:
        return f"sqlite:///{self.root}/.penstock/studies.db"

    def write_data(self, epochs: int = 3) -> None:
        """Write three overlapping classes of points, and shorten the training."""
        generator, folder = np.random.default_rng(0), self.project.processed("iris")
        DATA["iris"].save(folder)
        for split, rows in ROWS.items():
            labels = np.arange(rows) % 3
            save_array(folder / split, "inputs", (generator.normal(size=(rows, 4)) + labels[:, None]).astype("float32"))
            save_array(folder / split, "labels", labels.astype("int64"))
        self.edit(epochs=epochs)

    def edit(self, **training: Any) -> None:
        """Change settings of the training."""
        yaml, path = YAML(), self.root / "params.yaml"
        document = yaml.load(path.read_text())
        document["models"][MODEL]["training"] |= training
        document["checkpoints"]["seconds"] = 0.05
        yaml.dump(document, path)

    def share_uploader(self, monkeypatch: Any) -> None:
        """Let trainings of this process write events only; `upload` uploads them."""
        monkeypatch.setenv(LABEL, log_label(spool_dir(self.project), self.uri))

    def job(self, grid: Sequence[str] = GRID, *, is_grid: bool = True, **changes: Any) -> SearchJob:
        """Return a search of a grid, or by TPE from the same values."""
        config = load_config(self.project.params)
        space = SearchSpace.of_grid(grid, config, MODEL)
        settings: dict[str, Any] = {"trials": len(space.grid()), "winner_seeds": 0, "pruner": "none"} | changes
        name, lease = settings.pop("study", None), settings.pop("lease", 60.0)
        search = SearchConfig(space=dict(space.dimensions)).model_copy(update=settings)
        return SearchJob(
            project=self.project,
            config=config.model_copy(update={"search": {MODEL: search}}),
            model=MODEL,
            is_grid=is_grid,
            chosen_name=name,
            lease_seconds=lease,
        )

    def search(self, job: SearchJob, storage: str | None = None) -> Study:
        """Run what is left of a search in this process, as a worker does, and upload its events."""
        study = self.study(job, storage)
        study.fill(job.count)
        known = known_results(self.project, job.config, MODEL, job.provenance.data, job.objective.validation)
        order = WorkerOrder(job=job, storage=storage or self.storage, known=known, number=0)
        try:
            work(WorkerOrder.decode(order.encode()))
        finally:
            self.upload()
        return self.study(job, storage)

    def study(self, job: SearchJob, storage: str | None = None) -> Study:
        opened = self.ending.enter_context(open_storage(storage or self.storage))
        return open_study(opened, job.study, objective=job.objective)

    def upload(self) -> None:
        SpoolUploader(spool_dir(self.project), self.uri).finish()

    def trials_in_mlflow(self, study: str) -> list[Run]:
        """Return the runs of the trials of a study."""
        client = MlflowClient(self.uri)
        experiment = client.get_experiment_by_name("iris")
        assert experiment is not None
        return list(client.search_runs([experiment.experiment_id], f"tags.`{STUDY}` = '{study}'"))

    def sweep(self, *options: str) -> subprocess.Popen[str]:
        """Start `penstock sweep` with the sources of this project."""
        environment = without_variables_of_tests() | {"PYTHONPATH": str(self.root / "src"), "PATH": os.environ["PATH"]}
        environment.pop(LABEL, None)
        command = [sys.executable, "-m", "penstock.cli", "sweep", MODEL, *options]
        return subprocess.Popen(
            command, cwd=self.root, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
