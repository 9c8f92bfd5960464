"""Measure training on a GPU: `python -m benchmarks.gpu`, after `make repro`.

Each documented model is trained in fp32 and in bf16. The table has seconds, test score, and the largest difference
between outputs of GPU and CPU for the same weights. A second table has the seconds until mnist_cnn reaches 99 % on
test. Imports and loading are not timed, and the rows are in GPU memory. The results are also written to
benchmarks/gpu.json.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.seconds_to_score import NAME, RECIPES, SEEDS, changed, train
from penstock.config.loading import load_config
from penstock.config.models import AdversarialConfig, ModelConfig
from penstock.config.params import Config, TrainerConfig
from penstock.core.paths import Project
from penstock.io.dataset_info import DatasetInfo
from penstock.io.files import write_json
from penstock.io.processed_dataset import ProcessedDataset
from penstock.orchestration.resources import use_threads
from penstock.tasks.build import build_module
from penstock.training.fit import FitResult, TrainingSetup, fit, score_split
from penstock.training.malloc import tune_glibc_malloc

FILE = Path(__file__).with_suffix(".json")
PRECISIONS = ("32-true", "bf16-mixed")
SCORE = 0.99
ROWS = 256  # of the comparison of GPU and CPU


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--accelerator", default="gpu", help="gpu; cpu tries the script where there is none")
    parser.add_argument("--model", help="only this one")
    chosen = parser.parse_args()
    project = Project.find()
    config = load_config(project.params)
    use_threads(config.trainer.threads)
    tune_glibc_malloc()
    names = [chosen.model] if chosen.model else list(config.models)
    trainings = [row for name in names for row in _trainings(project, config, name, chosen.accelerator)]
    seconds = _seconds_to_score(project, config, chosen.accelerator)
    write_json(FILE, {"device": _device(), "trainings": trainings, f"seconds to {SCORE:.0%} of MNIST": seconds})
    _show(trainings)
    _show(seconds)


def _trainings(project: Project, config: Config, name: str, accelerator: str) -> list[dict[str, Any]]:
    model = config.model(name)
    processed = ProcessedDataset(project.processed(model.dataset))
    rows = []
    for precision in PRECISIONS:
        trainer = _trainer(config, accelerator, precision)
        setup = TrainingSetup(build_module, model, trainer, processed.info)
        fitted = fit(setup, processed.split("train"), processed.split("validation"))
        rows.append(
            {
                "model": name,
                "precision": precision,
                "device": fitted.device,
                "seconds": round(fitted.seconds, 2),
                "samples_per_second": round(fitted.samples_per_second),
                **_score(setup, processed, fitted),
                "difference_from_cpu": _difference(model, processed, fitted),
            }
        )
    return rows


def _trainer(config: Config, accelerator: str, precision: str) -> TrainerConfig:
    return config.trainer.model_copy(update={"accelerator": accelerator, "precision": precision, "devices": 1})


def _score(setup: TrainingSetup, processed: ProcessedDataset, fitted: FitResult) -> Mapping[str, float]:
    if isinstance(setup.model, AdversarialConfig):
        return {}  # the validate stage evaluates a GAN with another network
    return score_split(setup, fitted.weights, processed.split("test"))


def _difference(model: ModelConfig, processed: ProcessedDataset, fitted: FitResult) -> float:
    """Return the largest difference between fp32 outputs of GPU and CPU, for test rows, or for noise of a GAN."""
    if isinstance(model, AdversarialConfig):
        inputs = torch.randn(ROWS, model.network.latent_dim, generator=torch.Generator().manual_seed(0))
    else:
        test = processed.split("test")
        inputs = torch.from_numpy(test[np.arange(min(ROWS, len(test)))].inputs)
    here, there = (_answers(model, processed.info, fitted, inputs, device) for device in ("cpu", fitted.device))
    return max(float((a.double() - b.double()).abs().max()) for a, b in zip(here, there, strict=True))


@torch.inference_mode()
def _answers(model: ModelConfig, info: DatasetInfo, fitted: FitResult, inputs: Tensor, device: str) -> list[Tensor]:
    network = build_module(model, info).network
    network.load_state_dict(fitted.weights)
    network.to(device).eval()
    return [answer.cpu() for answer in network.predict(inputs.to(device))]


def _seconds_to_score(project: Project, config: Config, accelerator: str) -> list[dict[str, Any]]:
    processed = ProcessedDataset(project.processed("mnist"))
    rows = []
    for precision in PRECISIONS:
        trainer = _trainer(config, accelerator, precision)
        for seed in range(1, SEEDS + 1):
            model = changed(config.model(NAME), {**RECIPES[SCORE], "seed": seed})
            seconds, reached = train(model, trainer, processed)
            rows.append({"precision": precision, "seed": seed, "seconds": round(seconds, 2), "accuracy": reached})
    return rows


def _device() -> dict[str, str]:
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return {"gpu": gpu, "cpu": platform.processor() or platform.machine(), "torch": torch.__version__}


def _show(rows: list[dict[str, Any]]) -> None:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    table = Table(*columns, box=None)
    for row in rows:
        table.add_row(*(str(row.get(column, "")) for column in columns))
    Console().print(table)


if __name__ == "__main__":
    main()
