"""Weights to one ONNX file that takes raw inputs and gives `probabilities` and `label`.

Input, by the dataset's kind: `features` float32 [batch, features], `pixels` uint8 [batch, height, width], or `text`
string [batch]. Outputs: `probabilities` float32 [batch, classes], `label` int64 [batch].
"""

from __future__ import annotations

import io
import json
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import onnx
import torch
from torch import Tensor, nn

from penstock.config import Model
from penstock.data.processed import Processed
from penstock.errors import PenstockError
from penstock.export.text import IR_VERSION, OPSETS, text_graph
from penstock.files import written_whole
from penstock.lineage import Lineage
from penstock.manifest import Manifest
from penstock.networks.classifier import Classifier, probabilities

INPUTS = {"table": "features", "image": "pixels", "text": "text"}
OUTPUTS = ("probabilities", "label")
TOKEN_IDS = "token_ids"


class Served(nn.Module):
    """What a served model computes: processed inputs to probabilities [N, C] and label int64 [N]."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        likely = probabilities(self.classifier(inputs))
        return likely, likely.argmax(dim=1)


@dataclass(frozen=True)
class Exported:
    bytes: int
    nodes: int
    input: str


def export(
    name: str, model: Model, classifier: Classifier, processed: Processed, lineage: Lineage, path: Path
) -> Exported:
    """Writes the trained classifier as one self-contained ONNX file, checked, with its lineage in its metadata.

    Raises:
        PenstockError: the graph does not pass the ONNX checker.
    """
    manifest = processed.manifest
    proto = _network_graph(classifier, model, manifest)
    proto.ir_version = IR_VERSION
    if manifest.kind == "text":
        words = text_graph(processed.vocabulary(), manifest.shape[0], INPUTS["text"], TOKEN_IDS)
        proto = onnx.compose.merge_models(words, proto, io_map=[(TOKEN_IDS, TOKEN_IDS)])
    _strip(proto)
    onnx.helper.set_model_props(proto, _metadata(name, manifest, lineage))
    try:
        onnx.checker.check_model(proto, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise PenstockError(f"{name}: the exported graph does not pass the ONNX checker: {error}") from None
    with written_whole(path) as temporary:
        temporary.write_bytes(proto.SerializeToString(deterministic=True))
    return Exported(path.stat().st_size, len(proto.graph.node), proto.graph.input[0].name)


def read_model(path: Path) -> onnx.ModelProto:
    return onnx.load(path)


def _network_graph(classifier: Classifier, model: Model, manifest: Manifest) -> onnx.ModelProto:
    served = Served(classifier).eval()
    example = torch.zeros((2, *manifest.shape), dtype=_dtype(manifest))
    input_name = TOKEN_IDS if manifest.kind == "text" else INPUTS[manifest.kind]
    # torch's newer exporter unrolls recurrent layers or freezes their length, silently; the older one writes the
    # ONNX operator, right at every length, but is to be removed from torch one day.
    if model.network.kind == "recurrent":
        return _by_tracing(served, example, input_name)
    return _by_dynamo(served, example, input_name)


def _dtype(manifest: Manifest) -> torch.dtype:
    return {"table": torch.float32, "image": torch.uint8, "text": torch.int64}[manifest.kind]


def _by_dynamo(module: nn.Module, example: Tensor, input_name: str) -> onnx.ModelProto:
    # It would say four times that torchvision is missing, which nothing here needs.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*")  # torch about its own code
        program = torch.onnx.export(
            module,
            (example,),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            input_names=[input_name],
            output_names=list(OUTPUTS),
            opset_version=OPSETS[""],
            verbose=False,
        )
    assert program is not None, "only a program that goes to a file is not returned"
    return program.model_proto


def _by_tracing(module: nn.Module, example: Tensor, input_name: str) -> onnx.ModelProto:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecation, and a doubt about batch sizes that validation settles
        torch.onnx.export(
            module,
            (example,),
            cast(Any, file),  # which the older exporter takes, though the types forget it
            dynamo=False,
            dynamic_axes={name: {0: "batch"} for name in (input_name, *OUTPUTS)},
            input_names=[input_name],
            output_names=list(OUTPUTS),
            opset_version=OPSETS[""],
        )
    return onnx.load_from_string(file.getvalue())


def _strip(proto: onnx.ModelProto) -> None:
    """Exporters leave the paths and lines of the sources in the file; the same model must be the same bytes."""
    proto.doc_string = ""
    del proto.metadata_props[:]
    del proto.graph.metadata_props[:]
    del proto.graph.value_info[:]
    for part in (*proto.graph.node, *proto.graph.input, *proto.graph.output, *proto.graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]


def _metadata(name: str, manifest: Manifest, lineage: Lineage) -> dict[str, str]:
    return {
        "model": name,
        "dataset": manifest.dataset,
        "input": manifest.description,
        "classes": json.dumps(manifest.classes),
        "data": lineage.data,
        "parameters": lineage.parameters,
        "code": lineage.code,
    }
