"""Write runs of an experiment, as the stages of a model do, without a training."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Experiment
from PIL import Image

from penstock.core.paths import Project
from penstock.io.dataset_info import DatasetInfo
from penstock.io.provenance import Provenance
from penstock.tracking.run import TrackedRun
from penstock.tracking.spool import EventLog, spool_dir
from penstock.tracking.tags import KEY
from penstock.tracking.uploader import Uploader

EPOCHS = 4
DIGEST = "0123456789abcdef0123456789abcdef.dir"
VALIDATED = {"latency/batch_1_ms": 0.1, "model/onnx_bytes": 140_000, "parity/max_abs_diff": 1e-6, "int8/bytes": 40_000}
INFO = DatasetInfo(
    dataset="mnist", kind="image", shape=(28, 28), vocab_size=0, classes=tuple("0123456789"), description="digits"
)


def png(grey: int) -> bytes:
    """Return a PNG image of one grey."""
    file = io.BytesIO()
    Image.new("L", (28, 14), grey).save(file, format="png")
    return file.getvalue()


class TrackedRuns:
    """Upload runs to the database of a project.

    Args:
        root: Folder of the project.
        experiment: Name of the experiment.
        uri: Tracking URI, if it is not that of the project's database.
    """

    def __init__(self, root: Path, experiment: str = "mnist", uri: str = "") -> None:
        self.uri = uri or f"sqlite:///{root}/mlflow.db"
        self._project = Project(root)
        self._experiment = experiment

    @property
    def client(self) -> MlflowClient:
        """A stock client."""
        return MlflowClient(self.uri)

    def find_experiment(self) -> Experiment:
        found = self.client.get_experiment_by_name(self._experiment)
        assert found is not None
        return found

    def train(
        self, model: str, score: str, value: float, study: str = "", rate: float = 0.1, **optimizer: object
    ) -> None:
        """Log a run with a learning curve, as a trial if a study is given."""

        def write(run: TrackedRun) -> None:
            run.log_dataset(INFO, self._provenance(model), "data/processed/mnist")
            settings = {"kind": "adam", "learning_rate": rate} | optimizer
            run.log_parameters({"network": {"kind": "mlp"}, "training": {"epochs": EPOCHS, "optimizer": settings}})
            run.set_tags({"penstock.study": study} if study else {})
            for epoch in range(1, EPOCHS + 1):
                curve = {f"{split}/{name}": value / epoch for split in ("train", "val") for name in ("loss", score)}
                run.log_metrics(curve | {"learning_rate": rate / epoch}, step=epoch)
            run.log_metrics({"model/parameters": 100, "time/train_seconds": 12.5})
            run.log_repeat("seed 1", {f"test/{score}": 1.0})

        self.log(model, write)

    def validate(self, model: str, metrics: dict[str, float]) -> None:
        """Log what the stages after the training of a run log."""

        def write(run: TrackedRun) -> None:
            run.log_validation(VALIDATED | metrics, sha256=model)
            run.set_tags({"gate": "passed"})

        self.log(model, write)

    def draw(self, model: str, key: str, epochs: int | None = None) -> None:
        """Log an image of the finished model, or one after each epoch: grey, and black after the last one."""

        def write(run: TrackedRun) -> None:
            for epoch in range(1, epochs + 1) if epochs else (None,):
                run.log_image(key, png(0 if epoch == epochs else 128), step=epoch)

        self.log(model, write)

    def log(self, model: str, write: Callable[[TrackedRun], None], *, uploads: int = 1) -> str:
        """Call `write` with the run of a model, upload what it logs, and return the ID of the run.

        Args:
            model: Name of the model.
            write: Logs to the run.
            uploads: How often the same events are uploaded, as after a crash of the uploader.
        """
        with closing(EventLog(spool_dir(self._project), self.uri)) as events:
            run = TrackedRun(events.add, self._project, self._experiment, self._provenance(model))
            write(run)
            run.end("FINISHED")
        for _ in range(uploads):
            uploader = Uploader(events.path, self.uri)
            uploader.upload_pending()
        uploader.finish()
        (found,) = self.client.search_runs([self.find_experiment().experiment_id], f"tags.`{KEY}` = '{run.key}'")
        run_id: str = found.info.run_id
        return run_id

    def _provenance(self, model: str) -> Provenance:
        return Provenance(model=model, data=DIGEST, parameters="p", code="c")
