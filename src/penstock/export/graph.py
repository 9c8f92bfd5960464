"""Export a trained network as one ONNX file that takes raw input.

Input by kind of dataset:
    table: `features` float32 [batch, features]
    image: `pixels` uint8 [batch, height, width]
    text: `text` string [batch]
    columns: one input per column, [batch]: float32 for numbers, string for categories, booleans and dates
    A generator takes `noise` float32 [batch, latent dimension] instead.

Outputs by task:
    Classifier: `probabilities` float32 [batch, classes] and `label` int64 [batch]
    Multi-label classifier: `probabilities` float32 [batch, labels] and `labels` int64 [batch, labels] of 0 and 1
    Regression: `prediction` float32 [batch, targets]
    Autoencoder: `latent` and `reconstruction`
    Generator: `image`

An autoencoder also has an optional input `latent_shift` (`penstock.export.latent_shift`).
"""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import onnx
import torch
from onnx import helper
from torch import Tensor, nn

from penstock.config.models import ModelConfig
from penstock.config.networks import ModuleConfig
from penstock.core.errors import OwnCodeError, PenstockError
from penstock.core.own_code import named_place
from penstock.core.paths import Project
from penstock.export.columns_graph import columns_graph, free_prefix
from penstock.export.description import described
from penstock.export.latent_shift import LATENT, with_latent_shift
from penstock.export.onnx_file import write_model
from penstock.export.tokenizer_graph import IR_VERSION, OPSETS, text_graph
from penstock.io.column_info import ColumnInfo
from penstock.io.dataset_info import FIRST_WORD, DatasetInfo
from penstock.io.processed_dataset import ProcessedDataset
from penstock.io.provenance import Provenance
from penstock.models.common.base import ExportableModel, InputSpec
from penstock.models.common.columns import ROW

TEXT, TOKEN_IDS = "text", "token_ids"


class Served(nn.Module):
    """Wrapper whose `forward` calls the network's `predict`. The exporters trace `forward`."""

    def __init__(self, network: ExportableModel) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        return self.network.predict(inputs)


@dataclass(frozen=True)
class Exported:
    """Properties of an exported file."""

    bytes: int
    """Size of the file in bytes."""
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
    """Export the trained network as one self-contained ONNX file, with the provenance in its metadata.

    Args:
        name: Name of the model.
        model: Settings of the model.
        network: Network with the trained weights.
        processed: Dataset, for the vocabulary and the feature ranges.
        provenance: Provenance of the weights.
        path: Output file.

    Raises:
        PenstockError: The graph fails the ONNX checker.
    """
    info = processed.info
    recurrent = any(isinstance(layer, nn.RNNBase) for layer in network.modules())
    proto = _own_graph(model.network, network, recurrent=recurrent or model.network.kind == "recurrent")
    if network.input_spec.name == TOKEN_IDS:
        proto = _with_words(proto, processed, network)
    if network.input_spec.name == ROW:
        proto = _with_columns(proto, info.columns)
    if LATENT in network.outputs:
        proto = with_latent_shift(proto)
    onnx.helper.set_model_props(proto, _metadata(name, network, info, provenance) | described(processed))
    try:
        onnx.checker.check_model(proto, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise PenstockError(f"{name}: the exported graph does not pass the ONNX checker: {error}") from None
    write_model(path, proto)
    return Exported(path.stat().st_size, len(proto.graph.node), proto.graph.input[0].name, network.outputs)


def _own_graph(settings: object, network: ExportableModel, *, recurrent: bool) -> onnx.ModelProto:
    """Export a network; what keeps one of the user's own from being exported is one line.

    Raises:
        OwnCodeError: A network of one's own cannot be exported.
    """
    arguments = Served(network), network.input_spec, network.outputs
    if not isinstance(settings, ModuleConfig):
        return network_graph(*arguments, recurrent=recurrent)
    disabled = logging.root.manager.disable
    logging.disable()  # torch prints and logs a whole graph before it fails
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            return network_graph(*arguments, recurrent=recurrent)
    except Exception as error:  # noqa: BLE001  (torch's exporters raise errors of many classes)
        place, problem = named_place(Project.find().root, error)
        raise OwnCodeError(f"{place or settings.path}: cannot be exported to ONNX: {problem}") from None
    finally:
        logging.disable(disabled)


def network_graph(module: nn.Module, takes: InputSpec, outputs: Sequence[str], *, recurrent: bool) -> onnx.ModelProto:
    """Export a module with one input as a graph with a dynamic batch size.

    Args:
        module: The module.
        takes: Name, shape and dtype of the input.
        outputs: Names of the outputs.
        recurrent: Whether the module has recurrent layers.
    """
    # torch's default exporter silently unrolls recurrent layers or fixes their length. The deprecated exporter writes
    # ONNX operators, which are correct at every length (docs/decisions/exporters.md).
    exporter = _by_tracing if recurrent else _by_dynamo
    proto = exporter(module.eval(), takes.example(2), takes.name, list(outputs))
    proto.ir_version = IR_VERSION
    strip(proto)
    return proto


def _with_words(proto: onnx.ModelProto, processed: ProcessedDataset, network: ExportableModel) -> onnx.ModelProto:
    """Prepend the tokenizer graph to the graph of a text network."""
    (length,) = network.input_spec.shape
    vocabulary = processed.vocabulary()[: network.input_spec.vocab_size - FIRST_WORD]
    words = text_graph(vocabulary, length, TEXT, TOKEN_IDS, processed.info.word_rule)
    merged: onnx.ModelProto = onnx.compose.merge_models(words, proto, io_map=[(TOKEN_IDS, TOKEN_IDS)])
    _import_standard_operators_once(merged)
    return merged


def _with_columns(proto: onnx.ModelProto, columns: Sequence[ColumnInfo]) -> onnx.ModelProto:
    """Prepend the graph of the columns to the graph of a network, whose names get a prefix."""
    prefix = free_prefix("network", columns)
    onnx.compose.add_prefix(proto, prefix, rename_inputs=True, rename_outputs=False, inplace=True)
    row = prefix + ROW
    merged: onnx.ModelProto = onnx.compose.merge_models(columns_graph(columns, row), proto, io_map=[(row, row)])
    _import_standard_operators_once(merged)
    return merged


def _import_standard_operators_once(merged: onnx.ModelProto) -> None:
    """Drop the second import of the standard operators, which is in both graphs that were merged."""
    del merged.opset_import[:]
    merged.opset_import.extend(helper.make_opsetid(domain, version) for domain, version in OPSETS.items())


def _by_dynamo(module: nn.Module, example: Tensor, input_name: str, outputs: list[str]) -> onnx.ModelProto:
    # The exporter warns four times that torchvision is missing, but it is not needed.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*")  # concerns torch's own code
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
        warnings.simplefilter("ignore")  # about deprecation and batch sizes; the validate stage checks the latter
        torch.onnx.export(
            module,
            (example,),
            cast(Any, file),  # the deprecated exporter accepts a file, but its types do not
            dynamo=False,
            dynamic_axes={name: {0: "batch"} for name in (input_name, *outputs)},
            input_names=[input_name],
            output_names=outputs,
            opset_version=OPSETS[""],
        )
    return onnx.load_from_string(file.getvalue())


def strip(proto: onnx.ModelProto) -> None:
    """Remove the source paths, lines and builds of torch that exporters write, so that the bytes are reproducible."""
    proto.doc_string = ""
    proto.producer_version = proto.producer_version.partition("+")[0]  # 2.13.0 of 2.13.0+cu130
    del proto.metadata_props[:]
    del proto.graph.metadata_props[:]
    del proto.graph.value_info[:]
    for part in (*proto.graph.node, *proto.graph.input, *proto.graph.output, *proto.graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]


def _metadata(name: str, network: ExportableModel, info: DatasetInfo, provenance: Provenance) -> dict[str, str]:
    has_classes = {"label", "labels"} & set(network.outputs)
    classes = {"classes": json.dumps(info.classes)} if has_classes else {}
    # The server splits texts into words to explain a prediction; without this entry, by the rule ascii.
    rule = {"word_rule": info.word_rule} if info.kind == "text" and info.word_rule != "ascii" else {}
    return (
        classes
        | rule
        | {
            "model": name,
            "dataset": info.dataset,
            "input": network.input_spec.description or info.description,
            "data": provenance.data,
            "parameters": provenance.parameters,
            "code": provenance.code,
        }
    )
