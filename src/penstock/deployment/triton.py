"""Write a model repository for NVIDIA Triton Inference Server.

    REPOSITORY/<model>/config.pbtxt     inputs, outputs, batching
    REPOSITORY/<model>/labels.txt       class names, for classifiers
    REPOSITORY/<model>/1/model.onnx     the validated file

Triton numbers versions. A file that differs from the newest version becomes the next version, and Triton loads it.
Text models need com.microsoft.Tokenizer, a contrib operator of onnxruntime. Triton's onnxruntime backend has it, unless
it was built with --disable_contrib_ops.
https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/user_guide/model_configuration.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from penstock.core.errors import PenstockError
from penstock.deployment.deployable_model import DeployableModel
from penstock.deployment.folders import FileDigests, atomic_folder, is_own_output, read_marker, write_marker
from penstock.deployment.template import fill_in, quoted
from penstock.io.files import write_text
from penstock.serving.codecs.tensors import TensorSpec
from penstock.serving.runtime.model import ServedModel
from penstock.serving.runtime.onnx_file import digest_of_file

KIND = "triton"
# The largest batch size of the parity check, and a batch size above which throughput hardly increases.
MAX_BATCH_SIZE, PREFERRED_BATCH_SIZE = 256, 8


def write_triton(models: Sequence[DeployableModel], repository: Path) -> FileDigests:
    """Add models to a repository; create it if it is missing.

    Args:
        models: The models to add.
        repository: The folder to write.

    Returns:
        SHA-256 of the files of each model in the repository.

    Raises:
        ConfigError: The folder has other content.
        PenstockError: A model has outputs that Triton does not serve.
    """
    for model in models:
        if maps := ", ".join(model.model.map_outputs):
            remedy = "export the model with options={'zipmap': False}"
            raise PenstockError(f"{model.file.path}: Triton serves no maps ({maps}); {remedy}")
    if is_own_output(repository, KIND):
        return _add(models, repository)
    with atomic_folder(repository) as folder:
        return _add(models, folder)


def _add(models: Sequence[DeployableModel], repository: Path) -> FileDigests:
    files = read_marker(repository)
    for model in models:
        known = files.setdefault(model.name, {})
        if not _is_newest(model, repository / model.name, known):
            file = f"{len(known) + 1}/model.onnx"
            _add_version(model, repository / model.name, file)
            known[file] = model.model.digest
    write_marker(repository, KIND, files)
    return files


def _is_newest(model: DeployableModel, folder: Path, known: Mapping[str, str]) -> bool:
    """Return whether the newest version, on disk and in the marker, is this file."""
    *_, (file, digest) = known.items() or [("", "")]
    path = folder / file
    with suppress(PenstockError):
        return digest == model.model.digest and path.is_file() and digest_of_file(path) == digest
    return False


def _add_version(model: DeployableModel, folder: Path, file: str) -> None:
    """Write a version. The configuration is first, since a polling server must not find a version without one."""
    if model.model.classes:
        write_text(folder / "labels.txt", "".join(f"{name}\n" for name in model.model.classes))
    write_text(folder / "config.pbtxt", config(model.model))
    with atomic_folder((folder / file).parent) as version:
        model.copy_to(version / "model.onnx")


def config(model: ServedModel) -> str:
    """Return the content of config.pbtxt, a ModelConfig in protobuf's text format."""
    whole = model.runs_whole
    tensors = [_tensor("input", spec, whole=whole) for spec in model.inputs]
    tensors += [_tensor("output", spec, whole=whole, labelled=bool(model.classes)) for spec in model.outputs]
    provenance = {"sha256": model.digest, **{key: str(value) for key, value in model.metadata.items()}}
    parameters = [
        f"parameters {{ key: {quoted(key)} value {{ string_value: {quoted(value)} }} }}"
        for key, value in provenance.items()
    ]
    return fill_in(
        "config.pbtxt",
        name=quoted(model.name),
        max_batch_size=_max_batch_size(model),
        tensors="\n".join(tensors),
        batching=_batching(model),
        parameters="\n".join(parameters),
    )


def _max_batch_size(model: ServedModel) -> int:
    """Return 0, Triton's value for a model whose first dimension is not the rows of a batch."""
    if model.runs_whole:
        return 0
    return 1 if model.single_row_only else MAX_BATCH_SIZE


def _batching(model: ServedModel) -> str:
    if model.runs_whole:
        return "# No batching: outputs have not one row per input row."
    if model.single_row_only:
        return "# No batching: rows of one batch would change each other's outputs."
    return (
        "# Without a queue delay: requests that arrive while the model is busy form its next batch.\n"
        f"dynamic_batching {{ preferred_batch_size: [ {PREFERRED_BATCH_SIZE} ] }}"
    )


def _tensor(kind: str, spec: TensorSpec, *, whole: bool, labelled: bool = False) -> str:
    """Describe a tensor, without its rows unless it is `whole`; Triton requires at least one dimension."""
    sizes = spec.shape if whole else spec.shape[1:]
    data_type = "TYPE_STRING" if spec.datatype == "BYTES" else f"TYPE_{spec.datatype}"
    dims = f"dims: [ {', '.join(map(str, sizes))} ]" if sizes else "dims: [ 1 ] reshape { shape: [ ] }"
    labels = ' label_filename: "labels.txt"' if labelled and spec.name == "probabilities" else ""
    return f"{kind} [ {{ name: {quoted(spec.name)} data_type: {data_type} {dims}{labels} }} ]"
