"""Write the model card of a model, in the format of the Hugging Face Hub: YAML front matter and Markdown."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML

from penstock.config.params import Config
from penstock.core.errors import MissingFileError
from penstock.core.paths import ModelFiles, Project
from penstock.evaluation.session import open_model
from penstock.io.files import read_json, sha256
from penstock.reporting.limitations import limitations_of
from penstock.reporting.measures import UP, measure, numbers
from penstock.reporting.results import Result, read_result
from penstock.reporting.snippet import snippet
from penstock.reporting.template import environment
from penstock.reporting.views import view_of

LICENSE = "mit"  # of the project, whose license file says so
# Names on the Hub of the datasets that it has.
HUB_DATASETS = {"iris": "scikit-learn/iris", "mnist": "ylecun/mnist", "imdb": "stanfordnlp/imdb"}
# Tasks of the Hub by task and kind of input.
HUB_TASKS = {
    ("classification", "table"): "tabular-classification",
    ("classification", "image"): "image-classification",
    ("classification", "text"): "text-classification",
    ("classification", "columns"): "tabular-classification",
    ("regression", "table"): "tabular-regression",
    ("regression", "columns"): "tabular-regression",
    ("multilabel", "table"): "tabular-classification",
    ("multilabel", "columns"): "tabular-classification",
    ("multilabel", "image"): "image-classification",
    ("multilabel", "text"): "text-classification",
    ("reconstruction", "image"): "image-to-image",
    ("adversarial", "image"): "unconditional-image-generation",
}
# Metrics of the Hub; all others keep their names.
HUB_METRICS = {
    "macro_f1": "f1",
    "auroc": "roc_auc",
    "mean_squared_error": "mse",
    "mean_absolute_error": "mae",
    "r2": "r_squared",
}
INTENDED = {
    "classification": "It names the class of an input, with a probability for each class.",
    "regression": "It predicts numbers, in their units.",
    "multilabel": "It names the labels of an input, any number of them, with a probability for each label.",
    "reconstruction": "It encodes an image as a short vector, and decodes it.",
    "adversarial": "It generates images from noise.",
}


def model_card(project: Project, config: Config, name: str, commit: str | None) -> str:
    """Return the card of a model.

    Args:
        project: The project, with the reports and the ONNX file of the model.
        config: Content of params.yaml.
        name: The model.
        commit: The commit that is checked out; None outside git.

    Raises:
        ConfigError: There is no such model.
        MissingFileError: A report or the ONNX file is missing, or they do not belong together.
    """
    model = config.model(name)
    files = project.model(name, config.block_of_model(name))
    _require(project, config, name, files)
    data, result = read_json(project.data_report(model.dataset)), read_result(name, model, files)
    session = open_model(files.onnx)
    view = view_of(result, list(data["splits"]["test"].get("classes", ())))
    metadata = session.get_modelmeta().custom_metadata_map
    values = {
        "name": name,
        "model": model,
        "dataset": config.dataset(model.dataset),
        "data": data,
        "training": result.training,
        "validation": result.validation,
        "checks": result.checks,
        "primary": result.primary_metric,
        "repeated": result.repeated_text,
        "view": view,
        "inputs": session.get_inputs(),
        "outputs": session.get_outputs(),
        "metadata": metadata,
        "classes": json.loads(metadata.get("classes", "[]")),
        "targets": json.loads(metadata.get("targets", "[]")),
        "commit": commit,
        "path": project.shown(files.onnx),
        "reproduce": _command(config, "register", name),
        "front_matter": _yaml(_front_matter(result, data)),
        "hyperparameters": _yaml(model.model_dump(mode="json", include={"network", "training"}, exclude_none=True)),
        "snippet": snippet(session, files),
        "limitations": list(limitations_of(result, view, data)),
        "INTENDED": INTENDED,
        "UP": UP,
    }
    return environment().get_template("card.md").render(values) + "\n"


def _command(config: Config, stage: str, name: str) -> str:
    """Return the command that runs a stage of a model."""
    pipeline = "" if config.block_of_model(name) == "models" else "tuned/dvc.yaml:"
    return f"dvc repro {pipeline}{stage}@{name}"


def _require(project: Project, config: Config, name: str, files: ModelFiles) -> None:
    """Raise a MissingFileError, with the command that makes the file, unless all files of a card are here."""
    needed = [
        (project.data_report(config.model(name).dataset), f"dvc repro preprocess@{config.model(name).dataset}"),
        (files.training_report, _command(config, "train", name)),
        (files.history, _command(config, "train", name)),
        (files.onnx, _command(config, "export", name)),
        (files.validation_report, _command(config, "validate", name)),
        (files.per_class, _command(config, "validate", name)),
    ]
    for path, command in needed:
        if not path.is_file():
            raise MissingFileError(f"{project.shown(path)}: no such file; `{command}` makes it")
    if sha256(files.onnx) != read_json(files.validation_report)["onnx"]["sha256"]:
        shown = project.shown(files.validation_report)
        raise MissingFileError(
            f"{shown}: is about another file than {project.shown(files.onnx)}; "
            f"`{_command(config, 'validate', name)}` measures the present one"
        )


def _front_matter(result: Result, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of the card, as the Hub defines them."""
    model, validation = result.model, result.validation
    dataset = HUB_DATASETS.get(model.dataset, model.dataset)
    task = HUB_TASKS.get((model.task, data["kind"]), "other")
    metrics = numbers(validation["test"])
    measured = [
        {"type": _hub_metric(name), "value": value, "name": measure(name).label} for name, value in metrics.items()
    ]
    evaluated = {"type": dataset, "name": model.dataset, "split": "test"}
    language = {"language": ["en"]} if model.dataset == "imdb" else {}
    license_ = {"license": LICENSE} if model.dataset in HUB_DATASETS else {}  # that of others' data is theirs
    return {
        **language,
        **license_,
        "library_name": "onnx",
        "pipeline_tag": task,
        "tags": ["onnx", "onnxruntime", "penstock", model.network.kind],
        "datasets": [dataset],
        "metrics": [_hub_metric(name) for name in metrics],
        "model-index": [
            {"name": result.name, "results": [{"task": {"type": task}, "dataset": evaluated, "metrics": measured}]}
        ],
    }


def _hub_metric(name: str) -> str:
    return HUB_METRICS.get(name, name)


def _yaml(content: Mapping[str, Any]) -> str:
    text = io.StringIO()
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump(content, text)
    return text.getvalue()
