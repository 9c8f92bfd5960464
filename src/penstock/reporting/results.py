"""Collect the results of every model from reports/, and print them as a table."""

from __future__ import annotations

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
    """Results of one model."""

    name: str
    """Name of the model."""
    model: ModelConfig
    """Settings of the model."""
    files: ModelFiles
    """Paths of the model's files."""
    training: dict[str, Any]
    """Content of the training report."""
    validation: dict[str, Any]
    """Content of the validation report."""
    seeds: dict[str, Any] | None
    """Content of seeds.json; None if it does not exist."""
    latency: dict[str, float]
    """Median latency in milliseconds by batch size; empty if that file was not measured on this machine."""
    seconds: float | None
    """Training time in seconds; None if not measured on this machine."""

    @property
    def primary_metric(self) -> str:
        """Name of the first test metric."""
        return str(next(iter(self.validation["test"])))

    @property
    def score(self) -> float:
        """Test value of the primary metric."""
        return float(self.validation["test"][self.primary_metric])

    @property
    def score_text(self) -> str:
        """Score, with the name of its metric if that is not accuracy."""
        return f"{SHORT.get(self.primary_metric, '')}{self.score:.4f}"

    @property
    def baseline_text(self) -> str:
        """Primary metric of the baseline; empty if the baseline has none."""
        value = self.validation["baseline"].get(self.primary_metric)
        return "" if value is None else f"{value:.4f}"

    @property
    def repeated_text(self) -> str:
        """Mean and standard deviation over seeds, or else over folds; empty if there are none."""
        for kind, found in (("seeds", self.seeds), ("folds", self.training.get("cv"))):
            if found:
                return f"{found['mean']:.4f} ± {found['std']:.4f} ({len(found['scores'])} {kind})"
        return ""

    @property
    def checks(self) -> Checks:
        """Measured values with the current limits of params.yaml."""
        return registration_checks(self.model, self.training, self.validation)

    @property
    def passed(self) -> bool:
        """Whether all checks pass."""
        return all(check.passed for check in self.checks.values())


SHORT = {"r2": "R\N{SUPERSCRIPT TWO} ", "macro_f1": "F1 ", "mean_squared_error": "mse ", "frechet_distance": "fd "}


def gather(project: Project, config: Config, seconds: dict[str, float]) -> list[Result]:
    """Collect the results of every validated model of params.yaml.

    A model is skipped while its training is restarted and not finished.

    Args:
        project: Paths of the project.
        config: Content of params.yaml.
        seconds: Training time in seconds by model.

    Returns:
        Results in the order of params.yaml, tuned models last.
    """
    results = []
    for name, model in config.every_model.items():
        files = project.model(name, config.block_of_model(name))
        if files.training_report.is_file() and files.validation_report.is_file():
            results.append(read_result(name, model, files, seconds.get(name)))
    return results


def read_result(name: str, model: ModelConfig, files: ModelFiles, seconds: float | None = None) -> Result:
    """Read the reports of a validated model.

    Args:
        name: The model.
        model: Its settings.
        files: Its files.
        seconds: Training time in seconds; None if it is not known.
    """
    validation = read_json(files.validation_report)
    return Result(
        name=name,
        model=model,
        files=files,
        training=read_json(files.training_report),
        validation=validation,
        seeds=read_json(files.seeds_report) if files.seeds_report.is_file() else None,
        latency=_latency(files, validation),
        seconds=seconds,
    )


def _latency(files: ModelFiles, validation: dict[str, Any]) -> dict[str, float]:
    """Return the latency of the validated file. Git has no latency.json, so that of another file may lie there."""
    if not files.latency_report.is_file():
        return {}
    measured = read_json(files.latency_report).get("onnx", {})
    return measured["median_milliseconds"] if measured.get("sha256") == validation["onnx"]["sha256"] else {}


def show(results: Iterable[Result]) -> None:
    """Print the table of results."""
    print_table(table(results))


def table(results: Iterable[Result]) -> Table:
    """Build the table of test scores, baselines, sizes and training times.

    For mse (mean squared error) and fd (Frechet distance), lower is better.
    """
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
            "[green]passed[/]" if result.passed else "[red]failed[/]",
        )
    return view
