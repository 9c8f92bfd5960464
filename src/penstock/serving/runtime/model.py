"""One served ONNX file, loaded only if validation.json names its very bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from math import ceil, isfinite, prod
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
import onnxruntime
import orjson
from numpy.typing import NDArray

from penstock.core.errors import PenstockError
from penstock.core.listed_models import is_of_project, missing_step
from penstock.core.model_files import DIGESTS, INT8, ORIGIN, digest_key
from penstock.serving.codecs.tensors import MAP_TYPES, Tensors, TensorSpec, tensor_of_maps
from penstock.serving.errors import InputError, ModelFailedError
from penstock.serving.runtime.attested import require_attested
from penstock.serving.runtime.batch_policy import UNTUNED
from penstock.serving.runtime.columns import columns_of, is_image, targets_of
from penstock.serving.runtime.memory_budget import LARGE_BODY
from penstock.serving.runtime.onnx_file import digest, external_files, find_tokenizer, read_external_data
from penstock.serving.runtime.onnxruntime_errors import ONNXRUNTIME_ERRORS, message_without_folders, why_not_loaded
from penstock.serving.runtime.row_check import generated_inputs, takes_rows, why_whole
from penstock.serving.runtime.signature import Signature
from penstock.serving.runtime.text_cut import text_cut

LARGE_RUN_BYTES = 2**20
# A transformer takes the square of a sequence's length: 4000 tokens take 250 MB.
LARGE_OPEN_RUN_BYTES = 4 * 2**10
GREY_DIMENSIONS = 3  # rows, height and width


class ServedModel:
    """An ONNX file in memory.

    Args:
        name: Name under which it is served.
        content: The bytes of the file.
        external_data: The bytes of the files that hold its weights, by their location.

    Raises:
        PenstockError: A tensor has a type that is not served or a size of 0, or external data are missing.
    """

    def __init__(self, name: str, content: bytes, external_data: Mapping[str, bytes] | None = None) -> None:
        self.name = name
        self.digest = digest(content, external_data or {})
        """sha256 of the file, and of its external data."""
        self.version = self.digest[:12]
        options = _session_options()
        _add_external_data(options, content, external_data or {})
        self.session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self.inputs = [TensorSpec.of(node) for node in self.session.get_inputs()]
        """Required inputs; the first dimension is the rows, unless `runs_whole`."""
        self.optional = {node.name: TensorSpec.of(node) for node in self.session.get_overridable_initializers()}
        """Inputs with a default value, by name."""
        self.specs = {spec.name: spec for spec in self.inputs} | self.optional
        """All inputs by name."""
        self.outputs = [TensorSpec.of(node) for node in self.session.get_outputs()]
        for spec in (*self.inputs, *self.outputs):  # optional inputs may be empty, as `roi` of Resize is
            spec.require_values()
        self.map_outputs = [node.name for node in self.session.get_outputs() if node.type in MAP_TYPES]
        """Outputs of ZipMap, which are served as tensors [rows, classes]."""
        self.output_names = [spec.name for spec in self.outputs]
        self.default_outputs = dict.fromkeys(self.output_names, False)
        """Outputs of a request that names none: all of them, as JSON."""
        self._float_outputs = [spec.name for spec in self.outputs if spec.datatype == "FP32"]
        self.metadata: dict[str, Any] = dict(self.session.get_modelmeta().custom_metadata_map)
        """What the file says of itself: its input, and the hashes of the data, parameters and code."""
        self._name_columns()
        self.classes: list[str] = self._read_classes()
        """Class names; empty if the model is not a classifier with the outputs `label` and `probabilities`."""
        self.label_names: list[str] = self._read_classes(multi_label=True)
        """Names of the labels of a multi-label classifier, with the outputs `labels` and `probabilities`."""
        self.columns = columns_of(self.inputs, self.metadata)
        """The columns of a row."""
        self.targets = targets_of(self.outputs, self.metadata)
        """Names and units of the numbers of the output `prediction`; empty if the file has none."""
        self.is_exported = "parameters" in self.metadata
        """Whether Penstock exported the file, so that its outputs are finite for all valid inputs."""
        cuts = self.takes_texts and self.is_exported  # another file may read other words with such a tokenizer
        self._text_cut = text_cut(find_tokenizer(content, self.input.name)) if cuts else None
        self._text_inputs = [spec.name for spec in self.specs.values() if spec.datatype == "BYTES"]
        self.takes_any_text = bool(self._text_inputs)
        """Whether an input is text."""
        self.fixed_row_bytes = sum(map(_row_bytes, self.inputs)) if all(map(_has_fixed_rows, self.inputs)) else None
        """Bytes of each row, without optional inputs; None if rows may differ."""
        self.is_validated = True
        """Whether a validation record names its bytes; such a file is served by --allow-unvalidated only."""
        self.output_row_bytes = sum(map(_row_bytes, self.outputs))
        """Bytes of the outputs for a row, without the sizes that only a run tells."""
        self.large_request_rows = self._large_request_rows()
        """A request of fewer rows has less than `LARGE_BODY` of inputs and outputs."""
        self.policy = UNTUNED
        """How it is batched; set when the model is tuned."""
        self._large_run_bytes = LARGE_RUN_BYTES

    @property
    def single_row_only(self) -> bool:
        """Whether rows of one run would change each other's outputs: int8 is scaled by all values of a run."""
        return self.metadata.get("precision") == "int8"

    def _large_request_rows(self) -> int:
        if self.fixed_row_bytes is None:
            return 0
        return ceil(LARGE_BODY / max(1, self.fixed_row_bytes + self.output_row_bytes))

    @cached_property
    def runs_whole(self) -> bool:
        """Whether each request runs alone and whole, since its outputs cannot be split into or joined from rows."""
        return bool(self.why_whole)

    @cached_property
    def why_whole(self) -> str:
        """Why each request runs alone and whole; empty if it does not."""
        reason = self._find_why_whole()
        if reason and any(-1 in spec.shape for spec in self.inputs):
            self._large_run_bytes = LARGE_OPEN_RUN_BYTES
        return reason

    def _find_why_whole(self) -> str:
        if self._names_other_rows():
            return "the file names the rows of an output otherwise than those of its inputs"
        return why_whole(self.inputs, self.run, may_differ=self.single_row_only)

    @cached_property
    def signature(self) -> Signature:
        """What requests are parsed by."""
        description = str(self.metadata.get("input", ""))
        return Signature(
            self.inputs, self.specs, self.default_outputs, description, self._text_cut, self._text_inputs, self.columns
        )

    @property
    def input(self) -> TensorSpec:
        """The first input; none of our models has another required one, but other files may have no input at all."""
        return self.inputs[0]

    @property
    def input_names(self) -> str:
        """Names of all inputs, for messages."""
        return ", ".join(self.specs) or "none"

    @property
    def takes_images(self) -> bool:
        """Whether a row of the only input is an image: uint8, grey [height, width] or RGB [height, width, 3]."""
        return len(self.inputs) == 1 and is_image(self.input)

    @property
    def takes_grey_images(self) -> bool:
        """Whether a row of the only input is a grey image."""
        return self.takes_images and len(self.input.shape) == GREY_DIMENSIONS

    @property
    def takes_texts(self) -> bool:
        """Whether a row of the only input is a text."""
        return len(self.inputs) == 1 and self.input.datatype == "BYTES" and self.input.shape == (-1,)

    def _names_other_rows(self) -> bool:
        """Return whether the file names the rows of an output otherwise than those of its inputs, as detectors do."""
        of_inputs = set(_row_names(self.session.get_inputs()))
        return bool(of_inputs) and not of_inputs.issuperset(_row_names(self.session.get_outputs()))

    def _name_columns(self) -> None:
        """Note in the metadata which class each column of a map is; only the model's answers tell."""
        answers = self.session.run(self.map_outputs, generated_inputs(self.inputs, 1)) if self.map_outputs else []
        for name, (row, *_) in zip(self.map_outputs, answers, strict=True):
            self.metadata[f"{name}.classes"] = json.dumps(list(row), ensure_ascii=False)
            place = self.output_names.index(name)
            self.outputs[place] = TensorSpec(name, "FP32", (-1, len(row)))

    def _read_classes(self, *, multi_label: bool = False) -> list[str]:
        """Take the class names from the metadata, if they are those of the outputs."""
        with suppress(ValueError):
            classes = json.loads(self.metadata.get("classes", "[]"))
            fits = self._is_multi_label if multi_label else self._is_classifier
            if isinstance(classes, list) and fits(len(classes)):
                del self.metadata["classes"]
                return list(map(str, classes))
        return []

    def _is_classifier(self, num_classes: int) -> bool:
        expected = {"label": ("INT64", (-1,)), "probabilities": ("FP32", (-1, num_classes))}
        return self._output_types.items() >= expected.items()

    def _is_multi_label(self, num_classes: int) -> bool:
        types = self._output_types
        shape = (-1, num_classes)
        return types.get("probabilities") == ("FP32", shape) and types.get("labels") in (
            ("INT64", shape),
            ("BOOL", shape),
        )

    @property
    def _output_types(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        return {spec.name: (spec.datatype, spec.shape) for spec in self.outputs}

    def rows(self, inputs: Tensors) -> int:
        """Check inputs, and return their number of rows.

        Raises:
            InputError: An input is missing or unknown, or has the wrong dtype or shape.
        """
        if self.runs_whole:
            return self._whole_rows(inputs)
        rows = _num_rows(self.inputs[0], inputs)
        for spec in self.inputs[1:]:
            if _num_rows(spec, inputs) != rows:
                raise InputError(f"{spec.name}: expected as many rows as {self.inputs[0].name}, {rows}")
        if len(inputs) > len(self.inputs):
            self._check_optional(inputs, rows)
        return rows

    def row_bytes(self, inputs: Tensors, rows: int) -> int:
        """Return the bytes of the longest row; the tokenizer pads all texts of a run to the longest one."""
        size = 0
        for name, array in inputs.items():
            if name in self._text_inputs:
                size += max(map(len, array.flat), default=0) * (array.size // rows or 1)
            else:
                size += array.nbytes // rows
        return size

    def _whole_rows(self, inputs: Tensors) -> int:
        """Check the inputs of a run that is not split; return the size of the first dimension of the first input."""
        for name in inputs.keys() - self.specs.keys():
            raise InputError(f"no input '{name}'; the inputs are {self.input_names}")
        for spec in (*self.inputs, *(self.optional[name] for name in inputs if name in self.optional)):
            _check_shape(spec, inputs)
        shape = inputs[self.inputs[0].name].shape if self.inputs else ()
        return shape[0] if shape else 1

    def _check_optional(self, inputs: Tensors, rows: int) -> None:
        """An optional input has one row for all rows, or one for each."""
        for name in inputs.keys() - {spec.name for spec in self.inputs}:
            spec = self.optional.get(name)
            if spec is None:
                raise InputError(f"no input '{name}'; the inputs are {self.input_names}")
            _check_dtype(spec, inputs[name])
            if inputs[name].shape not in [(count, *spec.shape[1:]) for count in (1, rows)]:
                raise InputError(f"{spec.expected}, not {list(inputs[name].shape)}")

    def run(self, inputs: Tensors) -> dict[str, NDArray[Any]]:
        """Run the model; may be called from several threads at once.

        Args:
            inputs: Arrays by name, as `rows` has checked them.

        Returns:
            All outputs by name.

        Raises:
            ModelFailedError: onnxruntime could not compute them.
        """
        try:
            outputs = self.session.run(self.output_names, inputs, _run_options(inputs, self._large_run_bytes))
        except ONNXRUNTIME_ERRORS as error:
            reason = message_without_folders(error)
            raise ModelFailedError(f"{self.name}: onnxruntime could not compute these inputs: {reason}") from None
        by_name = dict(zip(self.output_names, outputs, strict=True))
        for name in self.map_outputs:
            by_name[name] = tensor_of_maps(by_name[name])
        return by_name

    def non_finite_rows(self, outputs: Tensors) -> NDArray[np.bool_] | None:
        """Return which rows have an infinity or NaN in an output, bool [rows]; None if there are none."""
        if not self.is_exported:
            return None
        arrays = [outputs[name] for name in self._float_outputs]
        # The fast path: an infinity or NaN anywhere makes the sum of squares one. Large values may do so as well.
        for array in arrays:
            if not isfinite(np.vdot(array, array)):
                break
        else:
            return None
        if self.runs_whole:
            return np.array([not all(np.isfinite(array).all() for array in arrays)])
        finite = [np.isfinite(array).reshape(len(array), -1).all(axis=1) for array in arrays]
        failed: NDArray[np.bool_] = ~np.all(finite, axis=0)
        return failed if failed.any() else None

    def check_json(self, name: str, output: NDArray[Any]) -> None:
        """Check that JSON can hold an output.

        Raises:
            InputError: It has an infinity or NaN.
        """
        if output.dtype.kind == "f" and not np.isfinite(output).all():
            raise InputError(f"{name}: has an infinity or NaN, which JSON has not; request binary data, or use gRPC")

    def non_finite_error(self, inputs: Tensors) -> InputError:
        """Return the error of rows whose outputs are not finite."""
        for name, array in inputs.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                return InputError(f"{name}: expected finite values, not an infinity or NaN")
        return InputError(f"{self.input.name}: the values are so large that the model's output is not finite")

    def prediction(self, outputs: Tensors, row: int) -> dict[str, Any]:
        """Return the label or labels and the probability of every class for a row, or all outputs as lists."""
        for name, output in outputs.items():
            self.check_json(name, output)
        if self.runs_whole:
            return {name: output.tolist() for name, output in outputs.items()}
        if not self.classes:
            if self.label_names:
                return self._named({name: outputs[name][row].tolist() for name in ("labels", "probabilities")})
            # A slice, since an element of an array of texts is no array.
            return {name: output[row : row + 1].tolist()[0] for name, output in outputs.items()}
        probabilities = outputs["probabilities"][row].tolist()
        return {
            "label": self.classes[outputs["label"][row]],
            "probabilities": dict(zip(self.classes, probabilities, strict=True)),
        }

    def predictions(self, outputs: Tensors) -> list[dict[str, Any]]:
        """Return the `prediction` of every row of a model that does not run requests whole."""
        for name, output in outputs.items():
            self.check_json(name, output)
        lists = [output.tolist() for output in outputs.values()]
        return [self._named(dict(zip(outputs, row, strict=True))) for row in zip(*lists, strict=True)]

    def _named(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return the outputs of a row, those of a classifier by the names of its classes."""
        names = self.classes or self.label_names
        if not names:
            return row
        probabilities = dict(zip(names, row["probabilities"], strict=True))
        if self.classes:
            return {"label": self.classes[row["label"]], "probabilities": probabilities}
        labels = [name for name, has in zip(names, row["labels"], strict=True) if has]
        return {"labels": labels, "probabilities": probabilities}


def _session_options() -> onnxruntime.SessionOptions:
    """Use one thread: the workers run in parallel, and onnxruntime's spinning threads would take their cores."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors are raised anyway; it warns about every optional input
    return options


def _add_external_data(options: onnxruntime.SessionOptions, content: bytes, external_data: Mapping[str, bytes]) -> None:
    """Give onnxruntime the bytes that were hashed; it would read files of these names in the working directory."""
    if missing := set(external_files(content)) - external_data.keys():
        raise PenstockError(f"external data {min(missing)}: missing; put the file beside the model")
    names, contents = list(external_data), list(external_data.values())
    if names:
        options.add_external_initializers_from_files_in_memory(names, contents, list(map(len, contents)))


def _run_options(inputs: Tensors, large: int) -> onnxruntime.RunOptions | None:
    """Give memory back to the system after a large run; onnxruntime keeps that of small ones for the next run."""
    size = 0
    for array in inputs.values():  # faster than `sum`, in the path of every run
        size += array.nbytes
    if size < large:
        return None
    options = onnxruntime.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


def _row_names(nodes: list[Any]) -> Iterator[str]:
    """Yield the names that the file gives to the rows; onnxruntime's own names start with `unk__`."""
    for node in nodes:
        name = node.shape[0] if node.shape else None
        if isinstance(name, str) and not name.startswith("unk__"):
            yield name


def _has_fixed_rows(spec: TensorSpec) -> bool:
    return spec.datatype != "BYTES" and takes_rows(spec)


def _row_bytes(spec: TensorSpec) -> int:
    """Return the bytes of a row; an open size counts as 1."""
    return spec.dtype.itemsize * prod(max(1, size) for size in spec.shape[1:])


def _num_rows(spec: TensorSpec, inputs: Tensors) -> int:
    array = inputs.get(spec.name)
    # The fast path: all sizes but the rows are fixed.
    if array is not None and array.dtype == spec.dtype and array.ndim and array.shape[1:] == spec.shape[1:]:
        return len(array) or len(_check_shape(spec, inputs))
    return len(_check_shape(spec, inputs))


def _check_shape(spec: TensorSpec, inputs: Tensors) -> NDArray[Any]:
    array = inputs.get(spec.name)
    if array is None:
        raise InputError(f"{spec.expected}; it is missing")
    _check_dtype(spec, array)
    if not spec.fits(array.shape):
        raise InputError(f"{spec.expected}, not {list(array.shape)}")
    return array


def _check_dtype(spec: TensorSpec, array: NDArray[Any]) -> None:
    if array.dtype != spec.dtype:
        raise InputError(f"{spec.expected}, not {array.dtype}")


def load_model(
    name: str,
    path: Path,
    validation: Path,
    *,
    allow_unvalidated: bool = False,
    attestation_key: Path | None = None,
) -> ServedModel:
    """Load an ONNX file, if its validation record names its very bytes.

    Args:
        name: Name under which it is served.
        path: The file.
        validation: Its validation record.
        allow_unvalidated: Load it without such a record as well; its metadata say which.
        attestation_key: File of the public key that must have signed an attestation of it; None requires none.

    Raises:
        AttestationError: There is no such attestation.
        PenstockError: It is not validated, has changed since, or is not a valid ONNX file.
    """
    if path.exists() and not path.is_file():  # to read a pipe would take forever
        raise PenstockError(f"{path}: not a file")
    content = path.read_bytes()
    external_data = read_external_data(path, content)
    reason = _why_unvalidated(path, validation, digest(content, external_data))
    if reason and not allow_unvalidated:
        raise PenstockError(reason)
    if attestation_key is not None:
        require_attested(path, content, external_data, attestation_key)
    try:
        model = ServedModel(name, content, external_data)
    except ONNXRUNTIME_ERRORS as error:
        raise PenstockError(f"{path}: onnxruntime cannot load it: {why_not_loaded(error)}") from None
    except PenstockError as error:
        raise PenstockError(f"{path}: {error}") from None
    model.is_validated = not reason
    model.metadata |= {"validated": str(model.is_validated).lower(), "sha256": model.digest}
    if (origin := path.with_name(ORIGIN)).is_file():
        model.metadata |= _read_json(origin)
    return model


def _why_unvalidated(path: Path, validation: Path, sha256: str) -> str:
    """Return why a file is not validated, and what to do; empty if it is."""
    validate = f"penstock validate-onnx {quote(str(path))}"
    if not validation.is_file():
        if step := missing_step(path.parent):
            return f"{path.parent.name}: {step}"
        return f"{path}: not validated; run `{validate}`, or serve it by --allow-unvalidated"
    try:
        if sha256 == _read_json(validation).get(digest_key(path)):
            return ""
    except PenstockError as error:
        return str(error)
    return f"{path}: not the file that was validated; run `{'dvc repro' if is_of_project(path.parent) else validate}`"


def serves_int8(validation: Path) -> bool | None:
    """Return whether the int8 candidate is served as well; None if validation.json cannot be read."""
    with suppress(PenstockError, OSError):
        return DIGESTS[INT8] in _read_json(validation)
    return None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise PenstockError(f"{path}: not valid JSON ({error}); delete it, and validate the model again") from None
    if not isinstance(content, dict):
        raise PenstockError(f"{path}: not a JSON object; delete it, and validate the model again")
    return content
