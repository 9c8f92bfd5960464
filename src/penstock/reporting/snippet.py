"""Write Python code that runs an exported file, for its model card."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from penstock.core.paths import ModelFiles
from penstock.data.sources.rows import by_column
from penstock.evaluation.example_inputs import read_example_inputs

COLUMNS = "columns"
"""Entry of the metadata of a file with an input for each column of a mixed table."""


def snippet(session: onnxruntime.InferenceSession, files: ModelFiles) -> str:
    """Return Python code that runs the file on one input, beside the file."""
    outputs = [output.name for output in session.get_outputs()]
    has_classes = "label" in outputs or "labels" in outputs
    lines = [
        *(["import json", ""] if has_classes else []),
        "import numpy as np",
        "import onnxruntime",
        "",
        'session = onnxruntime.InferenceSession("model.onnx")',
        *_run(session, files, _unpacked(outputs)),
    ]
    if has_classes:
        lines.append('classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])')
    lines.append(_shown(outputs))
    return "\n".join(lines) + "\n"


def _unpacked(names: Sequence[str]) -> str:
    return f"({names[0]},)" if len(names) == 1 else ", ".join(names)


def _shown(outputs: Sequence[str]) -> str:
    """Return the line that prints an answer."""
    if "label" in outputs:
        return "print(classes[label[0]], probabilities[0].max())"
    if "labels" in outputs:
        return "print([name for name, is_there in zip(classes, labels[0]) if is_there], probabilities[0])"
    if "prediction" in outputs:
        return "print(prediction[0])"
    return f"print({outputs[-1]}.shape)"


def _run(session: onnxruntime.InferenceSession, files: ModelFiles, unpacked: str) -> list[str]:
    """Return the lines that make the inputs of one row and run the file."""
    row = _stored_row(files)
    if COLUMNS in session.get_modelmeta().custom_metadata_map:
        values = {source.name: _missing(source) for source in session.get_inputs()}
        values |= {} if row is None else {name: of[0] for name, of in by_column(row).items()}
        columns = [f"    {name!r}: {_column(value)}," for name, value in values.items()]
        return ["inputs = {", *columns, "}", f"{unpacked} = session.run(None, inputs)"]
    source = session.get_inputs()[0]
    return [
        f"{source.name} = {_example(source, row)}",
        f'{unpacked} = session.run(None, {{"{source.name}": {source.name}}})',
    ]


def _missing(source: Any) -> str | float:  # noqa: ANN401  (onnxruntime's NodeArg, without types)
    return "" if source.type == "tensor(string)" else float("nan")


def _column(value: Any) -> str:  # noqa: ANN401  (a text or a number of NumPy)
    """Return an expression of a column's value in one row."""
    if isinstance(value, str):
        return f"np.array([{value!r}], dtype=object)"
    shown = "np.nan" if np.isnan(value) else repr(round(float(value), 4))
    return f"np.array([{shown}], dtype=np.float32)"


def _example(source: Any, row: NDArray[Any] | None) -> str:  # noqa: ANN401  (onnxruntime's NodeArg, without types)
    """Return an expression of one input row."""
    if source.type == "tensor(string)":
        return 'np.array(["A wonderful film with a terrible title."], dtype=object)'
    shape = tuple(source.shape[1:])
    if source.type == "tensor(uint8)":
        pixels = "grey pixels" if len(shape) == 2 else "pixels of red, green and blue"
        return f"np.zeros({(1, *shape)}, dtype=np.uint8)  # an image: {shape[0]} rows of {shape[1]} {pixels}"
    if source.name != "noise" and row is not None:
        return f"np.array([{[round(float(number), 4) for number in row[0]]}], dtype=np.float32)"
    return f"np.random.default_rng().standard_normal({(1, *shape)}, dtype=np.float32)"


def _stored_row(files: ModelFiles) -> NDArray[Any] | None:
    """Return a raw input row, [1, ...]; None if there is no file of examples."""
    return read_example_inputs(files.examples)[:1] if files.examples.is_file() else None
