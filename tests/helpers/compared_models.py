"""A project of Iris with hand-made classifiers, in which nothing was trained."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from penstock.config.loading import load_config
from penstock.core.paths import Project
from penstock.data.sources.offline import CLASSES, iris_bytes
from penstock.io.dataset_info import DatasetInfo
from penstock.io.files import canonical_hash, dvc_directory_hash, sha256, write_bytes, write_json
from penstock.io.processed_dataset import save_array
from penstock.io.provenance import training_relevant_settings

FILE = "bezdekIris.data"
# Petal lengths in cm that part the three species; a classifier of Fisher's flowers.
GOOD = (2.5, 4.85)
POOR = (2.5, 5.95)
LENGTH = 2


def threshold_classifier(borders: tuple[float, float], **metadata: str) -> onnx.ModelProto:
    """Build `features` float32 [rows, 4] to `probabilities` and `label`, by the petal length and two borders."""
    low, high = borders
    # Logits 0, 4 (x - low) and 4 (2 x - low - high): the largest changes at the borders.
    weights = np.zeros((4, 3), np.float32)
    weights[LENGTH] = [0, 4, 8]
    constants = {"weights": weights, "bias": np.array([0, -4 * low, -4 * (low + high)], np.float32)}
    nodes = [
        helper.make_node("Gemm", ["features", "weights", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["logits"], ["label"], axis=1, keepdims=0),
    ]
    return model(nodes, ("features", TensorProto.FLOAT, 4), constants, **metadata)


def model(
    nodes: list[onnx.NodeProto], takes: tuple[str, int, int], constants: dict[str, np.ndarray], **metadata: str
) -> onnx.ModelProto:
    """Build a classifier of three classes."""
    name, kind, size = takes
    graph = helper.make_graph(
        nodes,
        "compared",
        [helper.make_tensor_value_info(name, kind, ["rows", size])],
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", 3]),
            helper.make_tensor_value_info("label", TensorProto.INT64, ["rows"]),
        ],
        [numpy_helper.from_array(value, constant) for constant, value in constants.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(proto, metadata)
    onnx.checker.check_model(proto, full_check=True)
    return proto


@dataclass(frozen=True)
class ComparedProject:
    """A project whose test rows are every fourth flower."""

    root: Path

    @classmethod
    def create(cls, repository: Path, root: Path) -> ComparedProject:
        """Write params.yaml, the raw file and the test rows to an empty folder."""
        for name in ("params.yaml", "dvc.yaml"):
            shutil.copy(repository / name, root)
        write_bytes(root / "data/raw/iris" / FILE, iris_bytes())
        project = cls(root)
        project.write_test_rows(np.arange(0, 150, 4))
        return project

    @property
    def project(self) -> Project:
        return Project(self.root)

    def write_test_rows(self, rows: np.ndarray) -> None:
        """Write the processed dataset with these rows of the official file as its test split."""
        folder = self.project.processed("iris")
        save_array(folder, "test/rows", rows.astype(np.int64))
        save_array(folder, "test/labels", (rows // 50).astype(np.int64))
        DatasetInfo(
            dataset="iris", kind="table", shape=(4,), vocab_size=0, classes=CLASSES, description="flowers"
        ).save(folder)

    def write(self, borders: tuple[float, float], path: str = "models/iris_mlp/model.onnx", **metadata: str) -> Path:
        """Write a classifier that was trained on the present data with the present settings, and its report."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        settings = training_relevant_settings(load_config(self.project.params), "iris_mlp")
        known = {
            "model": "iris_mlp",
            "dataset": "iris",
            "data": dvc_directory_hash(self.project.processed("iris")),
            "parameters": canonical_hash(settings),
            "code": "c",
            "classes": json.dumps(CLASSES),
        }
        onnx.save(threshold_classifier(borders, **known | metadata), target)
        report = {"onnx": {"sha256": sha256(target)}, "test": {"accuracy": 0.5}, "parity": {"max_abs_diff": 0.25}}
        report["behaviour"] = {"noise": {"kind": "noise", "passed": 0.75}}
        if path == "models/iris_mlp/model.onnx":
            write_json(self.project.model("iris_mlp", "models").validation_report, report)
        return target
