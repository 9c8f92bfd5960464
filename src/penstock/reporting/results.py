"""The figures of every model, gathered from reports/, and the table that ends a pipeline."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from penstock.config import Config
from penstock.console import file_size
from penstock.files import read_json
from penstock.project import Project


@dataclass(frozen=True, kw_only=True)
class Result:
    """One model. `training` and `validation` are the two reports as they lie on disk; `latency` is in milliseconds
    per batch size, `seconds` of training: both empty where nobody measured them here."""

    name: str
    dataset: str
    training: dict[str, Any]
    validation: dict[str, Any]
    latency: dict[str, float]
    seconds: float | None

    @property
    def accuracy(self) -> float:
        return float(self.validation["test"]["accuracy"])

    @property
    def folds(self) -> dict[str, Any] | None:
        return self.training.get("folds")

    @property
    def passed(self) -> bool:
        return bool(self.validation["gate"]["passed"])


def gather(project: Project, config: Config, seconds: dict[str, float]) -> list[Result]:
    """Every model of params.yaml that has been validated, in its order there."""
    return [
        Result(
            name=name,
            dataset=model.dataset,
            training=read_json(project.training_report(name)),
            validation=read_json(project.validation_report(name)),
            latency=_latency(project, name),
            seconds=seconds.get(name),
        )
        for name, model in config.models.items()
        if project.validation_report(name).is_file()
    ]


def _latency(project: Project, name: str) -> dict[str, float]:
    path = project.latency_report(name)
    return json.loads(path.read_text(encoding="utf-8"))["median_milliseconds"] if path.is_file() else {}


def table(results: Iterable[Result]) -> Table:
    """Model, test score, parity, sizes and times, within the 80 columns of a plain terminal."""
    view = Table(box=None, pad_edge=False, header_style="bold")
    view.add_column("model", style="bold", no_wrap=True)
    for column in ("accuracy", "parity", "parameters", "ONNX", "train s", "ms/row", "gates"):
        view.add_column(column, justify="right", no_wrap=True)
    for result in results:
        view.add_row(
            result.name,
            f"{result.accuracy:.4f}",
            f"{result.validation['parity']['max_abs_diff']:.0e}",
            f"{result.training['parameters']:,}",
            file_size(result.validation["onnx"]["bytes"]),
            f"{result.seconds:.1f}" if result.seconds is not None else "",
            f"{result.latency['batch_1']:.2f}" if result.latency else "",
            "[green]passed[/]" if result.passed else "[red]missed[/]",
        )
    return view
