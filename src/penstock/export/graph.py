"""Weights to one ONNX file that takes raw inputs.

Input, by the dataset's kind: `features` float32 [batch, features], `pixels` uint8 [batch, height, width], or `text`
string [batch]; a generator takes `noise` float32 [batch, numbers]. Outputs: a classifier's `probabilities` float32
[batch, classes] and `label` int64 [batch], an autoencoder's `code` and `reconstruction`, a generator's `image`. An
autoencoder also takes `code_shift`, which nobody needs to give (`penstock.export.latent_shift`).
"""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import onnx
import torch
from torch import Tensor, nn

from penstock.config.models import ModelConfig
from penstock.core.errors import PenstockError
from penstock.export.latent_shift import CODE, with_code_shift
from penstock.export.onnx_file import write_model
from penstock.export.tokenizer_graph import IR_VERSION, OPSETS, text_graph
from penstock.io.dataset_info import FIRST_WORD, DatasetInfo
from penstock.io.processed_dataset import ProcessedDataset
from penstock.io.provenance import Provenance
from penstock.models.common.base import ExportableModel, InputSpec

TEXT, TOKEN_IDS = "text", "token_ids"


class Served(nn.Module):
    """What a served model computes, as the exporters want it: `answers` by the name of forward."""

    def __init__(self, network: ExportableModel) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        return self.network.predict(inputs)


@dataclass(frozen=True)
class Exported:
    bytes: int
    nodes: int
    input: str
    outputs: Sequence[str]


def export(
    name: str,
    model: ModelConfig,
    network: ExportableModel,
    processed: ProcessedDataset,
    provenance: Provenance,
    path: Path,
) -> Exported:
    """Writes the trained network as one self-contained ONNX file, checked, with its provenance in its metadata.

    Raises:
        PenstockError: the graph does not pass the ONNX checker.
    """
    info = processed.info
    proto = network_graph(
        Served(network), network.input_spec, network.outputs, recurrent=model.network.kind == "recurrent"
    )
    if network.input_spec.name == TOKEN_IDS:
        proto = _with_words(proto, processed.vocabulary(), network)
    if CODE in network.outputs:
        proto = with_code_shift(proto)
    onnx.helper.set_model_props(proto, _metadata(name, network, info, provenance) | _ranges(processed))
    try:
        onnx.checker.check_model(proto, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise PenstockError(f"{name}: the exported graph does not pass the ONNX checker: {error}") from None
    write_model(path, proto)
    return Exported(path.stat().st_size, len(proto.graph.node), proto.graph.input[0].name, network.outputs)


def network_graph(module: nn.Module, takes: InputSpec, outputs: Sequence[str], *, recurrent: bool) -> onnx.ModelProto:
    """A module of one input as a graph whose every tensor has any number of rows."""
    # torch's newer exporter unrolls recurrent layers or freezes their length, silently; the older one writes the
    # ONNX operator, right at every length, but is to be removed from torch one day.
    exporter = _by_tracing if recurrent else _by_dynamo
    proto = exporter(module.eval(), takes.example(2), takes.name, list(outputs))
    proto.ir_version = IR_VERSION
    strip(proto)
    return proto


def _with_words(proto: onnx.ModelProto, vocabulary: list[str], network: ExportableModel) -> onnx.ModelProto:
    """The graph behind another one that turns texts into the ids it takes."""
    (length,) = network.input_spec.shape
    words = text_graph(vocabulary[: network.input_spec.vocabulary - FIRST_WORD], length, TEXT, TOKEN_IDS)
    merged: onnx.ModelProto = onnx.compose.merge_models(words, proto, io_map=[(TOKEN_IDS, TOKEN_IDS)])
    # Both bring the standard operators, and merging keeps what both bring.
    del merged.opset_import[:]
    merged.opset_import.extend(words.opset_import)
    return merged


def _by_dynamo(module: nn.Module, example: Tensor, input_name: str, outputs: list[str]) -> onnx.ModelProto:
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
            output_names=outputs,
            opset_version=OPSETS[""],
            verbose=False,
        )
    assert program is not None, "only a program that goes to a file is not returned"
    return program.model_proto


def _by_tracing(module: nn.Module, example: Tensor, input_name: str, outputs: list[str]) -> onnx.ModelProto:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecation, and a doubt about batch sizes that validation settles
        torch.onnx.export(
            module,
            (example,),
            cast(Any, file),  # which the older exporter takes, though the types forget it
            dynamo=False,
            dynamic_axes={name: {0: "batch"} for name in (input_name, *outputs)},
            input_names=[input_name],
            output_names=outputs,
            opset_version=OPSETS[""],
        )
    return onnx.load_from_string(file.getvalue())


def strip(proto: onnx.ModelProto) -> None:
    """Exporters leave the paths and lines of the sources in the file; the same model must be the same bytes."""
    proto.doc_string = ""
    del proto.metadata_props[:]
    del proto.graph.metadata_props[:]
    del proto.graph.value_info[:]
    for part in (*proto.graph.node, *proto.graph.input, *proto.graph.output, *proto.graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]


def _metadata(name: str, network: ExportableModel, info: DatasetInfo, provenance: Provenance) -> dict[str, str]:
    classes = {"classes": json.dumps(info.classes)} if "label" in network.outputs else {}
    return classes | {
        "model": name,
        "dataset": info.dataset,
        "input": network.input_spec.description or info.description,
        "data": provenance.data,
        "parameters": provenance.parameters,
        "code": provenance.code,
    }


def _ranges(processed: ProcessedDataset) -> dict[str, str]:
    """Of numbers, the smallest and the largest of each feature among the training rows, for whoever offers sliders."""
    if processed.info.kind != "table":
        return {}
    inputs = processed.split("train").inputs
    ranges = zip(inputs.min(axis=0), inputs.max(axis=0), strict=True)
    return {"ranges": json.dumps([[round(float(low), 4), round(float(high), 4)] for low, high in ranges])}
