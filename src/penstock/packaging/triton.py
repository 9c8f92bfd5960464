"""A model repository for NVIDIA's Triton Inference Server.

    REPOSITORY/<model>/config.pbtxt     inputs, outputs, batching
    REPOSITORY/<model>/labels.txt       the classes, where there are any
    REPOSITORY/<model>/1/model.onnx     the validated file

Triton counts versions, so a file that is not the newest there is added as the next one, and Triton takes it up. Its
onnxruntime backend needs no custom library for our graphs: com.microsoft.Tokenizer is one of the contrib operators that
every onnxruntime is built with, unless somebody leaves them out (--disable_contrib_ops).
https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/user_guide/model_configuration.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from penstock.io.files import sha256, write_text
from penstock.packaging.folders import Recorded, folder_written_whole, is_ours, mark, recorded
from penstock.packaging.validated import ValidatedModel
from penstock.serving.models import ServedModel
from penstock.serving.tensors import TensorSpec

KIND = "triton"
# The largest batch at which files are proven, and the one from which on more rows bring least.
LARGEST_BATCH, PREFERRED_BATCH = 256, 8


def write_triton(models: Sequence[ValidatedModel], repository: Path) -> Recorded:
    """Adds the models to a repository of ours, or makes one; returns the files that are in it.

    Raises:
        ConfigError: the folder is there, and is somebody else's.
    """
    if is_ours(repository, KIND):
        return _add(models, repository)
    with folder_written_whole(repository) as folder:
        return _add(models, folder)


def _add(models: Sequence[ValidatedModel], repository: Path) -> Recorded:
    files = recorded(repository)
    for model in models:
        known = files.setdefault(model.name, {})
        if not _is_newest(model, repository / model.name, known):
            file = f"{len(known) + 1}/model.onnx"
            _add_version(model, repository / model.name, file)
            known[file] = model.model.digest
    mark(repository, KIND, files)
    return files


def _is_newest(model: ValidatedModel, folder: Path, known: Mapping[str, str]) -> bool:
    """Whether the newest version is this very file, on the disk as in our record."""
    *_, (file, digest) = known.items() or [("", "")]
    path = folder / file
    return digest == model.model.digest and path.is_file() and sha256(path) == digest


def _add_version(model: ValidatedModel, folder: Path, file: str) -> None:
    """The configuration goes first: a server that looks in between sees no version that it could not read."""
    if model.model.classes:
        write_text(folder / "labels.txt", "".join(f"{name}\n" for name in model.model.classes))
    write_text(folder / "config.pbtxt", config(model.model))
    with folder_written_whole((folder / file).parent) as version:
        model.copy_to(version / "model.onnx")


def config(model: ServedModel) -> str:
    """config.pbtxt, a ModelConfig in protobuf's text format."""
    chain = {"sha256": model.digest, **{key: str(value) for key, value in model.metadata.items()}}
    parts = [
        f"name: {_quoted(model.name)}",
        'backend: "onnxruntime"',
        f"max_batch_size: {1 if model.row_by_row else LARGEST_BATCH}",
        *(_tensor("input", spec) for spec in model.inputs),
        *(_tensor("output", spec, labelled=bool(model.classes)) for spec in model.outputs),
        *_batching(model),
        "# Files are proven on the processor.",
        "instance_group [ { count: 1 kind: KIND_CPU } ]",
        "version_policy { latest { num_versions: 1 } }",
        *(
            f"parameters {{ key: {_quoted(key)} value {{ string_value: {_quoted(value)} }} }}"
            for key, value in chain.items()
        ),
    ]
    return "\n".join(parts) + "\n"


def _batching(model: ServedModel) -> list[str]:
    if model.row_by_row:
        return ["# Rows of one batch would change each other's answers."]
    return [
        "# What waits while the model works is the next batch; nothing waits for a clock.",
        f"dynamic_batching {{ preferred_batch_size: [ {PREFERRED_BATCH} ] }}",
    ]


def _tensor(kind: str, spec: TensorSpec, *, labelled: bool = False) -> str:
    """Triton adds the rows itself; where they are all that there is to a shape, it wants a 1 in their place."""
    sizes = spec.shape[1:]
    data_type = "TYPE_STRING" if spec.datatype == "BYTES" else f"TYPE_{spec.datatype}"
    dims = f"dims: [ {', '.join(map(str, sizes))} ]" if sizes else "dims: [ 1 ] reshape { shape: [ ] }"
    labels = ' label_filename: "labels.txt"' if labelled and spec.name == "probabilities" else ""
    return f"{kind} [ {{ name: {_quoted(spec.name)} data_type: {data_type} {dims}{labels} }} ]"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
