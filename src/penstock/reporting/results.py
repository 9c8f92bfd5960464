"""The figures of every model, gathered from reports/, and the table that ends a pipeline."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from penstock.config.models import ModelConfig
from penstock.config.params import Config
from penstock.core.console import file_size, print_table
from penstock.core.paths import ModelFiles, Project
from penstock.evaluation.gates import Checks, registration_checks
from penstock.io.files import read_json


@dataclass(frozen=True, kw_only=True)
class Result:
    """One model. `training` and `validation` are the two reports as they lie on disk; `latency` is in milliseconds
    per batch size, `seconds` of training: both empty where nobody measured them here, and so is `seeds`, seeds.json."""

    name: str
    model: ModelConfig
    files: ModelFiles
    training: dict[str, Any]
    validation: dict[str, Any]
    seeds: dict[str, Any] | None
    latency: dict[str, float]
    seconds: float | None

    @property
    def figure(self) -> str:
        """What the model is judged by: the first figure on test data."""
        return str(next(iter(self.validation["test"])))

    @property
    def score(self) -> float:
        return float(self.validation["test"][self.figure])

    @property
    def score_text(self) -> str:
        """The score with its unit, where it is no share of right answers."""
        return f"{SHORT.get(self.figure, '')}{self.score:.4f}"

    @property
    def baseline_text(self) -> str:
        """The same figure of what the score is held against, if that has one."""
        figure = self.validation["baseline"].get(self.figure)
        return "" if figure is None else f"{figure:.4f}"

    @property
    def repeated_text(self) -> str:
        """Mean and standard deviation over seeds, or over folds, where there are any."""
        for kind, found in (("seeds", self.seeds), ("folds", self.training.get("cv"))):
            if found:
                return f"{found['mean']:.4f} ± {found['std']:.4f} ({len(found['scores'])} {kind})"
        return ""

    @property
    def checks(self) -> Checks:
        """The measured values and the present limits of params.yaml."""
        return registration_checks(self.model, self.training, self.validation)

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks.values())


SHORT = {"mean_squared_error": "mse ", "frechet_distance": "fd "}


def gather(project: Project, config: Config, seconds: dict[str, float]) -> list[Result]:
    """Every model of params.yaml that has been validated, in its order there, the tuned ones last; one whose training
    was begun anew, and not finished, is left out."""
    results = []
    for name, model in config.every_model.items():
        files = project.model(name, config.block_of_model(name))
        if files.training_report.is_file() and files.validation_report.is_file():
            results.append(
                Result(
                    name=name,
                    model=model,
                    files=files,
                    training=read_json(files.training_report),
                    validation=read_json(files.validation_report),
                    seeds=read_json(files.seeds_report) if files.seeds_report.is_file() else None,
                    latency=_latency(files),
                    seconds=seconds.get(name),
                )
            )
    return results


def _latency(files: ModelFiles) -> dict[str, float]:
    path = files.latency_report
    return json.loads(path.read_text(encoding="utf-8"))["median_milliseconds"] if path.is_file() else {}


def show(results: Iterable[Result]) -> None:
    """Print the table of results."""
    print_table(table(results))


def table(results: Iterable[Result]) -> Table:
    """Model, test score and what it is held against, sizes and times; mse and fd (Frechet distance) are better the
    lower they are."""
    view = Table(box=None, pad_edge=False, header_style="bold")
    view.add_column("model", style="bold", no_wrap=True)
    for column in ("test", "baseline", "parameters", "ONNX", "train s", "gates"):
        view.add_column(column, justify="right", no_wrap=True)
    for result in results:
        view.add_row(
            result.name,
            result.score_text,
            result.baseline_text,
            f"{result.training['parameters']:,}",
            file_size(result.validation["onnx"]["bytes"]),
            f"{result.seconds:.1f}" if result.seconds is not None else "",
            "[green]passed[/]" if result.passed else "[red]missed[/]",
        )
    return view
