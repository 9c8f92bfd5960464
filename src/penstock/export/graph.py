"""Trained network to one ONNX file that takes raw input.

Input, by the dataset's kind: `features` float32 [batch, features], `pixels` uint8 [batch, height, width], or `text`
string [batch]; a generator takes `noise` float32 [batch, numbers]. Outputs: a classifier's `probabilities` float32
[batch, classes] and `label` int64 [batch], an autoencoder's `code` and `reconstruction`, a generator's `image`. An
autoencoder has an optional input `code_shift` (`penstock.export.latent_shift`).
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
    """A module whose `forward` is the `predict` of a network, as the exporters require."""

    def __init__(self, network: ExportableModel) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        return self.network.predict(inputs)


@dataclass(frozen=True)
class Exported:
    """Properties of an exported file."""

    bytes: int
    """Size."""
    nodes: int
    """Number of nodes in the graph."""
    input: str
    """Name of the input."""
    outputs: Sequence[str]
    """Names of the outputs."""


def export(
    name: str,
    model: ModelConfig,
    network: ExportableModel,
    processed: ProcessedDataset,
    provenance: Provenance,
    path: Path,
) -> Exported:
    """Write the trained network as one self-contained ONNX file, with its provenance in the metadata.

    Args:
        name: The model.
        model: Its settings.
        network: The network with the trained weights.
        processed: The dataset, for the vocabulary and the ranges of features.
        provenance: Of the weights.
        path: The file.

    Raises:
        PenstockError: The graph does not pass the ONNX checker.
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
    """Export a module of one input as a graph with a dynamic batch size.

    Args:
        module: The module.
        takes: Shape and dtype of the input.
        outputs: Names of the outputs.
        recurrent: Whether the module has recurrent layers.
    """
    # torch's default exporter unrolls recurrent layers or freezes their length without an error. The older one writes
    # ONNX operators, which are correct at every length, but is deprecated (docs/decisions/exporters.md).
    exporter = _by_tracing if recurrent else _by_dynamo
    proto = exporter(module.eval(), takes.example(2), takes.name, list(outputs))
    proto.ir_version = IR_VERSION
    strip(proto)
    return proto


def _with_words(proto: onnx.ModelProto, vocabulary: list[str], network: ExportableModel) -> onnx.ModelProto:
    """Put the tokenizer graph before the graph of a text network."""
    (length,) = network.input_spec.shape
    words = text_graph(vocabulary[: network.input_spec.vocabulary - FIRST_WORD], length, TEXT, TOKEN_IDS)
    merged: onnx.ModelProto = onnx.compose.merge_models(words, proto, io_map=[(TOKEN_IDS, TOKEN_IDS)])
    # Both graphs import the standard operators, and merging keeps both imports.
    del merged.opset_import[:]
    merged.opset_import.extend(words.opset_import)
    return merged


def _by_dynamo(module: nn.Module, example: Tensor, input_name: str, outputs: list[str]) -> onnx.ModelProto:
    # It warns four times that torchvision is missing, which is not needed.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*")  # about torch's own code
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
    assert program is not None, "torch returns no program only if it writes a file"
    return program.model_proto


def _by_tracing(module: nn.Module, example: Tensor, input_name: str, outputs: list[str]) -> onnx.ModelProto:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecation, and batch sizes, which validation checks
        torch.onnx.export(
            module,
            (example,),
            cast(Any, file),  # accepted by the older exporter, but not by its types
            dynamo=False,
            dynamic_axes={name: {0: "batch"} for name in (input_name, *outputs)},
            input_names=[input_name],
            output_names=outputs,
            opset_version=OPSETS[""],
        )
    return onnx.load_from_string(file.getvalue())


def strip(proto: onnx.ModelProto) -> None:
    """Remove the source paths and lines that exporters write, since the same model must give the same bytes."""
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
    """Return the smallest and largest training value of each feature of a table, for sliders in user interfaces."""
    if processed.info.kind != "table":
        return {}
    inputs = processed.split("train").inputs
    ranges = zip(inputs.min(axis=0), inputs.max(axis=0), strict=True)
    return {"ranges": json.dumps([[round(float(low), 4), round(float(high), 4)] for low, high in ranges])}
