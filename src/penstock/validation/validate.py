"""Validate an ONNX file that this pipeline did not make, as the server will run it."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from penstock.core.errors import PenstockError
from penstock.core.listed_models import is_of_project
from penstock.core.model_files import validation_of
from penstock.io.files import sha256
from penstock.serving.codecs.tensors import TensorSpec
from penstock.serving.errors import ModelFailedError
from penstock.serving.runtime.model import ServedModel, load_model
from penstock.serving.runtime.onnx_file import read_external_data
from penstock.serving.runtime.row_check import generated_inputs
from penstock.validation.records import remove_record
from penstock.validation.reference import Tolerance, compare

# Sizes of open dimensions besides the rows; the first with which the model runs is used. Convolutions need large ones.
SIZES = (1, 2, 8, 32, 224)


class Validation(NamedTuple):
    """What was found out about a file that is valid."""

    digest: str
    """sha256 of the file, and of its external data."""
    checks: dict[str, Any]
    """What was checked, for the record."""
    lines: list[str]
    """What was checked, for the terminal."""


def validate_onnx(file: Path, reference: Path | None, tolerance: Tolerance, batch_size: int) -> Validation:
    """Check a file, run it on made inputs, and compare it with a reference. If it fails, its record is removed.

    Args:
        file: The ONNX file.
        reference: File of inputs and expected outputs, or None.
        tolerance: How far outputs may be from the reference.
        batch_size: Largest number of made rows.

    Raises:
        PenstockError: The file is not valid, or does not agree with the reference.
    """
    if is_of_project(file.parent):
        raise PenstockError(f"{file}: the pipeline validates the models of its project; run `dvc repro`")
    try:
        return _validate(file, reference, tolerance, batch_size)
    except PenstockError:
        remove_record(file)
        raise


def _validate(file: Path, reference: Path | None, tolerance: Tolerance, batch_size: int) -> Validation:
    opsets = _check(file)
    model = load_model(file.stem, file, validation_of(file), allow_unvalidated=True)
    lines = [f"{file}: onnx.checker and onnxruntime {version('onnxruntime')} accept it ({opsets})"]
    lines += [f"  input      {_shown(spec)}" for spec in model.inputs]
    lines += [f"  optional   {_shown(spec)}" for spec in model.optional.values()]
    lines += [f"  output     {_shown(spec)}" for spec in model.outputs]
    checks: dict[str, Any] = {"validated_by": f"penstock {version('penstock')} validate-onnx"}
    checks["made_rows"], line = _run_made_inputs(model, file, batch_size, is_optional=reference is not None)
    lines.append(f"  made rows  {line}")
    checks["batched"] = not model.runs_whole
    lines.append(f"  batching   {_batching(model)}")
    if reference is not None:
        lines += [f"  reference  {line}" for line in compare(model, reference, tolerance)]
        checks["reference"] = {"sha256": sha256(reference), "rtol": tolerance.relative, "atol": tolerance.absolute}
    return Validation(model.digest, checks, lines)


def _check(file: Path) -> str:
    """Check a file by onnx; return its opsets.

    Raises:
        PenstockError: It is not valid, or onnx is not installed.
    """
    try:
        import onnx
    except ImportError:
        raise PenstockError("validate-onnx: needs onnx; install it by `pip install 'penstock[validate]'`") from None
    read_external_data(file, file.read_bytes())
    try:
        model = onnx.load(file, load_external_data=False)
        _require_shapes(file, model.graph)
        onnx.checker.check_model(file, full_check=True)
    except PenstockError:
        raise
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise PenstockError(f"{file}: onnx.checker: {' '.join(str(error).split())}") from None
    except Exception as error:  # noqa: BLE001  (each protobuf implementation has its own error)
        raise PenstockError(f"{file}: not an ONNX file ({' '.join(str(error).split())})") from None
    return ", ".join(dict.fromkeys(f"{opset.domain or 'opset'} {opset.version}" for opset in model.opset_import))


def _require_shapes(file: Path, graph: Any) -> None:  # noqa: ANN401  (onnx.GraphProto)
    constants = {tensor.name for tensor in graph.initializer}
    for tensor in graph.input:
        if tensor.name not in constants and not tensor.type.tensor_type.HasField("shape"):
            raise PenstockError(f"{file}: the input '{tensor.name}' has no shape; export it with one")


def _run_made_inputs(model: ServedModel, file: Path, batch_size: int, *, is_optional: bool) -> tuple[list[int], str]:
    """Run made inputs of each number of rows; return those, and a line about them."""
    size, reason = _runnable_size(model)
    if size is None:
        if is_optional:
            return [], f"not run: {reason}"
        raise PenstockError(f"{file}: made inputs fail; give some that it takes by --reference: {reason}")
    if not any(spec.shape[:1] == (-1,) for spec in model.inputs):
        return [1], "run, by the fixed shapes" if model.inputs else "run, without inputs"
    all_rows = sorted({1, 3, batch_size})
    for rows in all_rows:
        try:
            model.run(generated_inputs(model.inputs, rows, size))
        except ModelFailedError as error:
            raise PenstockError(
                f"{file}: takes any number of rows, but fails with {rows}; export it with a dynamic batch, or with a "
                f"fixed one: {error}"
            ) from None
    return all_rows, f"run at batch {', '.join(map(str, all_rows))}"


def _runnable_size(model: ServedModel) -> tuple[int | None, str]:
    """Return the first size of open dimensions with which one made row runs, or None and the reason."""
    reason = ""
    for size in SIZES if any(-1 in spec.shape[1:] for spec in model.inputs) else SIZES[:1]:
        try:
            model.run(generated_inputs(model.inputs, 1, size))
        except ModelFailedError as error:
            reason = reason or str(error)
        else:
            return size, ""
    return None, reason


def _batching(model: ServedModel) -> str:
    if model.runs_whole:
        return f"one request at a time, since {model.why_whole}"
    return "rows are independent: requests share runs"


def _shown(spec: TensorSpec) -> str:
    return f"{spec.name}: {spec.datatype} {list(spec.shape)}"
