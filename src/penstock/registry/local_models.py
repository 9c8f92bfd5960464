"""Find the model files of a project, and which of them are validated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from penstock.config.params import Config
from penstock.core.errors import MissingFileError
from penstock.core.model_files import DIGESTS, INT8
from penstock.core.paths import ModelFiles, Project
from penstock.evaluation.example_inputs import read_example_inputs
from penstock.io.files import read_json, sha256
from penstock.io.provenance import Provenance

INT8_SUFFIX = ".int8"


@dataclass(frozen=True, kw_only=True)
class LocalModel:
    """A file that is registered, and served, under a name of its own if it is validated."""

    name: str
    """Name of the registered model: that of the model, with `.int8` for its int8 file."""
    model: str
    """Name of the model in params.yaml."""
    files: ModelFiles
    path: Path
    """The ONNX file."""
    sha256: str
    """Of the file; empty if there is none."""
    provenance: Provenance | None
    """None if the file is not validated."""

    def example(self) -> NDArray[Any]:
        """Return a few raw input rows, [rows, ...]."""
        return read_example_inputs(self.files.examples)

    def test_metrics(self) -> dict[str, float]:
        """Return the metrics of the file by their names in MLflow; empty if the report is of another file."""
        if not self.is_int8:
            return self.exact_metrics()
        report = _read_json(self.files.validation_report)
        is_of_file = report.get("int8", {}).get("sha256") == self.sha256
        return self._int8_metrics(report) if is_of_file else {}

    def exact_metrics(self) -> dict[str, float]:
        """Return the test metrics of model.onnx, which are those of its run; empty if the report is of another file."""
        report = _read_json(self.files.validation_report)
        if report.get("onnx", {}).get("sha256") != sha256(self.files.onnx):
            return {}
        return _named("test/{}", report["test"])

    @property
    def is_int8(self) -> bool:
        return self.path == self.files.int8

    def _int8_metrics(self, report: dict[str, Any]) -> dict[str, float]:
        """Return the metrics of the int8 file, named as those of an exact file where that has them too."""
        names = {name: f"test/{name}" for name in report["test"]} | {"bytes": "model/onnx_bytes"}
        numbers = {name: value for name, value in report["int8"].items() if type(value) in (int, float)}
        latency = _read_json(self.files.latency_report).get("int8", {})
        of_file = latency["median_milliseconds"] if latency.get("sha256") == self.sha256 else {}
        metrics = {names.get(name, f"int8/{name}"): float(value) for name, value in numbers.items()}
        return metrics | _named("latency/{}_ms", of_file)


def local_models(project: Project, config: Config, names: Iterable[str]) -> list[LocalModel]:
    """Return the files of models of params.yaml, whether they exist or not."""
    return [local for name in names for local in _local_models(project, config, name)]


def _local_models(project: Project, config: Config, name: str) -> Iterator[LocalModel]:
    files = project.model(name, config.block_of_model(name))
    validation = _read_json(files.validation)
    yield _local_model(name, name, files, files.onnx, validation)
    if config.model(name).int8.serve or DIGESTS[INT8] in validation:
        yield _local_model(f"{name}{INT8_SUFFIX}", name, files, files.int8, validation)


def _local_model(name: str, model: str, files: ModelFiles, path: Path, validation: dict[str, Any]) -> LocalModel:
    digest = sha256(path) if path.is_file() else ""
    is_validated = digest and validation.get(DIGESTS[path.name]) == digest
    provenance = _provenance(validation) if is_validated else None
    return LocalModel(name=name, model=model, files=files, path=path, sha256=digest, provenance=provenance)


def _named(pattern: str, values: dict[str, Any]) -> dict[str, float]:
    return {pattern.format(name): float(value) for name, value in values.items()}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except MissingFileError:
        return {}


def _provenance(validation: dict[str, Any]) -> Provenance | None:
    keys = {field.name for field in fields(Provenance)}
    return Provenance(**{key: validation[key] for key in keys}) if keys <= validation.keys() else None
