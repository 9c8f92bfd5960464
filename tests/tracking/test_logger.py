"""Tests of SpoolLogger in a stock Lightning Trainer, together with Lightning's own loggers."""

import csv

import pytest
import torch
from mlflow import MlflowClient
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import LearningRateMonitor
from pytorch_lightning.loggers import CSVLogger, MLFlowLogger
from torch.utils.data import DataLoader, TensorDataset

from penstock.core.paths import Project
from penstock.io.provenance import Provenance
from penstock.tracking.logger import SpoolLogger
from penstock.tracking.run import track_model
from penstock.tracking.uri import tracking_uri

PROVENANCE = Provenance(model="iris_mlp", data="d.dir", parameters="p", code="c")
STEPS = 3  # of each epoch
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*", "ignore:.*does not have many workers.*")


class Line(LightningModule):
    def __init__(self):
        super().__init__()
        self.save_hyperparameters({"optimizer": {"learning_rate": 0.1}})
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch, batch_idx):
        loss = (self.layer(batch[0]) - batch[0]).square().mean()
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        self.log("train/seen", loss, on_step=True, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", (self.layer(batch[0]) - batch[0]).square().mean())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.fixture
def train(tmp_path, config, monkeypatch):
    """Return a function that trains with SpoolLogger and other loggers, and returns a client and the run."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    project = Project(tmp_path)

    def train(epochs, *others):
        rows = DataLoader(TensorDataset(torch.ones(STEPS, 1)))
        with track_model(project, config, PROVENANCE) as run:
            trainer = Trainer(
                max_epochs=epochs,
                accelerator="cpu",
                logger=[SpoolLogger(run), *others],
                callbacks=[LearningRateMonitor(logging_interval="step")],
                log_every_n_steps=1,
                default_root_dir=tmp_path,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
            trainer.fit(Line(), rows, rows)
        client = MlflowClient(tracking_uri(project, config))
        (found,) = client.search_runs([one.experiment_id for one in client.search_experiments()])
        return client, found

    return train


def steps(client, run, metric):
    return [one.step for one in client.get_metric_history(run.info.run_id, metric)]


def test_epoch_metrics_are_logged_per_epoch_and_step_metrics_per_step(train):
    client, run = train(2)
    assert steps(client, run, "train/loss") == [1, 2]
    assert steps(client, run, "val/loss") == [1, 2]
    assert steps(client, run, "train/seen_epoch") == [1, 2]
    assert steps(client, run, "train/seen_step") == list(range(2 * STEPS))
    assert steps(client, run, "lr-SGD") == list(range(2 * STEPS))
    assert run.data.params["optimizer.learning_rate"] == "0.1"
    assert "epoch" not in run.data.metrics


def test_lightning_loggers_work_together_with_spool_logger(train, tmp_path):
    stock = MLFlowLogger("stock", tracking_uri=f"sqlite:///{tmp_path}/stock.db")
    table = CSVLogger(tmp_path, name="table", version="one")
    _, run = train(1, stock, table)
    loss = run.data.metrics["train/loss"]
    assert MlflowClient(f"sqlite:///{tmp_path}/stock.db").get_run(str(stock.run_id)).data.metrics["train/loss"] == loss
    with (tmp_path / "table/one/metrics.csv").open() as file:
        logged = [float(row["train/loss"]) for row in csv.DictReader(file) if row["train/loss"]]
    assert logged == pytest.approx([loss])
