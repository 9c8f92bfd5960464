"""Try a model in seconds, before hours are spent: overfit a few rows, export, and compare with onnxruntime."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException

from penstock.config.models import ModelConfig, SupervisedModelConfig
from penstock.config.networks import ModuleConfig
from penstock.config.params import Config
from penstock.config.training import ConstantScheduleConfig
from penstock.core.console import format_metrics, stage_line
from penstock.core.errors import GateError, MissingFileError, OwnCodeError, WrongSettingError, first_line
from penstock.core.own_code import own_errors
from penstock.core.paths import Project
from penstock.core.plurals import counted
from penstock.data.sources.read import read_batches
from penstock.evaluation.parity import in_deviations, max_abs_diff, network_outputs
from penstock.evaluation.session import Outputs, onnx_outputs, open_model
from penstock.export.graph import export
from penstock.io.processed_dataset import ArraySplit, ProcessedDataset
from penstock.io.provenance import Provenance
from penstock.models.common.base import ExportableModel
from penstock.models.common.build import build_network
from penstock.tasks.build import build_module
from penstock.training.fit import FitResult, TrainingSetup, fit

ROWS, EPOCHS = 32, 150
BATCH_SIZES = (1, 3, ROWS)
# What a training that learns anything reaches on the few rows that it was trained on.
LEARNED = {"accuracy": 0.9, "macro_f1": 0.9, "r2": 0.9}
LOSS_RATIO = 0.7  # of the last to the first loss, for other scores
# Settings that keep a training from remembering its rows.
PLAIN = {"label_smoothing": 0.0, "augmentation": None, "early_stopping": None, "ema_decay": None, "l1": 0.0, "l2": 0.0}
UNKNOWN = Provenance(model="", data="", parameters="", code="")


@dataclass(frozen=True)
class _Sample:
    """A few training rows, as the network and as the exported file take them."""

    processed: ArraySplit
    raw: NDArray[Any]


def check_model(project: Project, config: Config, name: str) -> None:
    """Train a model on 32 rows, export it, and compare the file with the network at several batch sizes.

    Raises:
        MissingFileError: Its dataset is not downloaded or not preprocessed.
        WrongSettingError: Network, loss and dataset do not go together.
        GateError: It learns nothing, or the file answers otherwise than the network; one line for each.
    """
    model = config.model(name)
    if not isinstance(model, SupervisedModelConfig):
        raise WrongSettingError(f"{name}.task", f"{model.task} is not checked: it has no labels to remember")
    processed = ProcessedDataset(project.processed(model.dataset))
    for folder in (project.raw(model.dataset), processed.folder):
        if not folder.is_dir():
            command = f"dvc repro preprocess@{model.dataset}"
            raise MissingFileError(f"{project.shown(folder)}: no such folder; run `{command}` first")
    sample = _sample(project, config, model, processed)
    setup = TrainingSetup(build_module, model, config.trainer, processed.info)
    fitted = fit(_plain(setup), sample.processed, sample.processed)
    network = build_network(model, processed.info)
    network.load_state_dict(fitted.weights)
    problems = [*_not_learned(fitted), *_differences(name, model, network, processed, sample)]
    if problems:
        raise GateError("\n".join(f"{name}: {problem}" for problem in problems))
    score = format_metrics({fitted.score: _score(fitted)})
    sizes = ", ".join(map(str, BATCH_SIZES))
    rows = counted(len(sample.raw), "training row")
    stage_line("check", name, f"{score} on {rows}; the exported file agrees at batch {sizes}")


def _plain(setup: TrainingSetup) -> TrainingSetup:
    """Return the training without what keeps it from remembering its rows."""
    known = type(setup.model.training).model_fields
    settings = {name: value for name, value in PLAIN.items() if name in known}
    schedule = ConstantScheduleConfig(kind="constant")
    return setup.changed(epochs=EPOCHS, batch_size=ROWS, schedule=schedule, **settings)


def _sample(project: Project, config: Config, model: ModelConfig, processed: ProcessedDataset) -> _Sample:
    """Return training rows of the first batch of the files."""
    settings = config.dataset(model.dataset)
    part = "train" if "train" in settings.source.parts else "all"
    first = next(read_batches(settings, project.raw(model.dataset), part))
    rows = processed.rows("train")
    places = np.flatnonzero(rows < len(first))
    places = np.sort(np.random.default_rng(0).permutation(places)[:ROWS])
    return _Sample(processed.split("train")[places], first.inputs[rows[places]])


def _score(fitted: FitResult) -> float:
    """Return the score of the last epoch; a LightningModule of one's own need not log it, and the rows are the same."""
    last = fitted.epochs[-1].metrics
    return last.get(f"train/{fitted.score}", last[f"val/{fitted.score}"])


def _not_learned(fitted: FitResult) -> Iterator[str]:
    last, score = fitted.epochs[-1].metrics, _score(fitted)
    if fitted.score in LEARNED:
        if score < LEARNED[fitted.score]:
            yield (
                f"does not learn {ROWS} rows by heart: {fitted.score} {score:.4f} after {EPOCHS} epochs, expected at "
                f"least {LEARNED[fitted.score]}; look at the learning rate, the loss and the network"
            )
    elif last["train/loss"] > LOSS_RATIO * fitted.epochs[0].metrics["train/loss"]:
        yield f"does not learn {ROWS} rows: the loss falls to {last['train/loss']:.4f} only; look at the learning rate"


def _differences(
    name: str, model: ModelConfig, network: ExportableModel, processed: ProcessedDataset, sample: _Sample
) -> Iterator[str]:
    """Yield what the network, or the exported file, does not do alike at all batch sizes."""
    with own_errors(Project.find().root):
        trained = in_deviations(network_outputs(network, sample.processed.inputs), network)
    if problem := _unlike_itself(model, network, sample, trained):
        yield problem
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        try:
            export(name, model, network, processed, UNKNOWN, path)
        except OwnCodeError as error:
            yield str(error)
            return
        session = open_model(path)
        for size in BATCH_SIZES:
            try:
                outputs = onnx_outputs(session, sample.raw, size)
            except (Fail, InvalidArgument, RuntimeException) as error:
                yield f"the exported file takes no batch of {size}: {first_line(error)}"
                continue
            found = max_abs_diff(in_deviations(outputs, network), trained)
            if found > model.gates.parity:
                yield f"the exported file differs from the network by {found:g} at batch {size}, more than gates.parity"


def _unlike_itself(model: ModelConfig, network: ExportableModel, sample: _Sample, trained: Outputs) -> str:
    """Return how the answers of a network of one's own depend on more than the row; empty if they do not."""
    if not isinstance(model.network, ModuleConfig):
        return ""
    for size in reversed(BATCH_SIZES):
        with own_errors(Project.find().root):
            outputs = in_deviations(network_outputs(network, sample.processed.inputs, size), network)
        if (found := max_abs_diff(outputs, trained)) <= model.gates.parity:
            continue
        if size == ROWS:
            return (
                f"the same rows give other answers each time, by up to {found:g}: is there dropout while not training?"
            )
        return f"a row in a batch of {size} gives another answer than in one of {ROWS}, by up to {found:g}"
    return ""
