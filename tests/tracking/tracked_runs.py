"""Write runs of an experiment, as the stages of a model do, without a training."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Experiment

from penstock.core.paths import Project
from penstock.io.provenance import Provenance
from penstock.tracking.run import TrackedRun
from penstock.tracking.spool import EventLog, spool_dir
from penstock.tracking.uploader import Uploader

EPOCHS = 4
VALIDATED = {"latency/batch_1_ms": 0.1, "model/onnx_bytes": 140_000, "parity/max_abs_diff": 1e-6, "int8/bytes": 40_000}


class TrackedRuns:
    """Upload runs to the database of a project.

    Args:
        root: Folder of the project.
        experiment: Name of the experiment.
    """

    def __init__(self, root: Path, experiment: str = "mnist") -> None:
        self.uri = f"sqlite:///{root}/mlflow.db"
        self._project = Project(root)
        self._experiment = experiment

    def find_experiment(self) -> Experiment:
        found = MlflowClient(self.uri).get_experiment_by_name(self._experiment)
        assert found is not None
        return found

    def train(self, model: str, score: str, value: float, study: str = "", rate: float = 0.1) -> None:
        """Log a run with a learning curve, as a trial if a study is given."""
        with closing(EventLog(spool_dir(self._project), self.uri)) as events:
            run = self._run(events, model)
            optimizer = {"kind": "adam", "learning_rate": rate}
            run.log_parameters({"network": {"kind": "mlp"}, "training": {"epochs": EPOCHS, "optimizer": optimizer}})
            run.set_tags({"penstock.study": study} if study else {})
            for epoch in range(1, EPOCHS + 1):
                curve = {f"{split}/{name}": value / epoch for split in ("train", "val") for name in ("loss", score)}
                run.log_metrics(curve | {"learning_rate": rate / epoch}, step=epoch)
            run.log_metrics({"model/parameters": 100, "time/train_seconds": 12.5})
            run.log_repeat("seed 1", {f"test/{score}": 1.0})
            run.end("FINISHED")
        self._upload(events)

    def validate(self, model: str, metrics: dict[str, float]) -> None:
        """Log what the stages after the training of a run log."""
        with closing(EventLog(spool_dir(self._project), self.uri)) as events:
            run = self._run(events, model)
            run.log_validation(VALIDATED | metrics, sha256=model)
            run.set_tags({"gate": "passed"})
            run.end("FINISHED")
        self._upload(events)

    def _run(self, events: EventLog, model: str) -> TrackedRun:
        provenance = Provenance(model=model, data="0123.dir", parameters="p", code="c")
        return TrackedRun(events.add, self._project, self._experiment, provenance)

    def _upload(self, events: EventLog) -> None:
        uploader = Uploader(events.path, self.uri)
        uploader.upload_pending()
        uploader.finish()
