"""Write Python code that runs an exported file, for its model card."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime

from penstock.core.paths import ModelFiles

ROWS = "example_inputs"  # in examples.npz; a column of a mixed table is `example_inputs/NAME`
# Lines that print the answer, by an output that only models of one task have.
ANSWERS = {
    "label": (
        'classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])',
        "print(classes[label[0]], probabilities[0].max())",
    ),
    "labels": (
        'classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])',
        "print([name for name, is_there in zip(classes, labels[0]) if is_there], probabilities[0])",
    ),
    "prediction": ("print(prediction[0])",),
}


def snippet(session: onnxruntime.InferenceSession, files: ModelFiles) -> str:
    """Return Python code that runs the file on one input, beside the file."""
    outputs = [output.name for output in session.get_outputs()]
    answer = next((ANSWERS[name] for name in outputs if name in ANSWERS), (f"print({outputs[-1]}.shape)",))
    lines = [
        *(["import json", ""] if "json" in answer[0] else []),
        "import numpy as np",
        "import onnxruntime",
        "",
        'session = onnxruntime.InferenceSession("model.onnx")',
        *_run(session.get_inputs(), outputs, _stored_rows(files)),
        *answer,
    ]
    return "\n".join(lines) + "\n"


def _run(sources: Sequence[Any], outputs: Sequence[str], stored: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines that run the session on one row; that of a mixed table has a value for each column."""
    columns = {source.name: stored[key] for source in sources if (key := f"{ROWS}/{source.name}") in stored}
    if not columns:
        (source,) = sources
        yield f"{source.name} = {_example(source, stored.get(ROWS))}"
        yield f'{_unpacked(outputs)} = session.run(None, {{"{source.name}": {source.name}}})'
        return
    yield "row = {"
    for source in sources:
        yield f"    {json.dumps(source.name)}: {_cell(columns.get(source.name), source.type)},"
    yield "}"
    yield f"{_unpacked(outputs)} = session.run(None, row)"


def _cell(values: Any, kind: str) -> str:  # noqa: ANN401  (an array, or None)
    """Return an expression of the value of one column, [1]; the missing value without a stored one."""
    if kind == "tensor(string)":
        text = "" if values is None else str(values[0])
        return f"np.array([{json.dumps(text, ensure_ascii=False)}], dtype=object)"
    number = np.nan if values is None else float(values[0])
    return f"np.array([{'np.nan' if np.isnan(number) else f'{number:g}'}], dtype=np.float32)"


def _unpacked(names: Sequence[str]) -> str:
    return f"({names[0]},)" if len(names) == 1 else ", ".join(names)


def _example(source: Any, stored: Any) -> str:  # noqa: ANN401  (onnxruntime's NodeArg; an array, or None)
    """Return an expression of one input row."""
    if source.type == "tensor(string)":
        return 'np.array(["A wonderful film with a terrible title."], dtype=object)'
    shape = tuple(source.shape[1:])
    if source.type == "tensor(uint8)":
        pixels = "colors" if len(shape) > 2 else "grey pixels"
        return f"np.zeros({(1, *shape)}, dtype=np.uint8)  # an image: {shape[0]} rows of {shape[1]} {pixels}"
    if source.name != "noise" and stored is not None:
        return f"np.array([{[round(float(number), 4) for number in stored[0]]}], dtype=np.float32)"
    return f"np.random.default_rng().standard_normal({(1, *shape)}, dtype=np.float32)"


def _stored_rows(files: ModelFiles) -> dict[str, Any]:
    """Return the example inputs of examples.npz by name; empty if the file is not here."""
    if not files.examples.is_file():
        return {}
    with np.load(files.examples, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files if name.startswith(ROWS)}
