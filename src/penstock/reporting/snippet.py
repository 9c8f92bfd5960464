"""Write Python code that runs an exported file, for its model card."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime

from penstock.core.paths import ModelFiles


def snippet(session: onnxruntime.InferenceSession, files: ModelFiles) -> str:
    """Return Python code that runs the file on one input, beside the file."""
    source = session.get_inputs()[0]
    outputs = [output.name for output in session.get_outputs()]
    lines = [
        *(["import json", ""] if "label" in outputs else []),
        "import numpy as np",
        "import onnxruntime",
        "",
        'session = onnxruntime.InferenceSession("model.onnx")',
        f"{source.name} = {_example(source, files)}",
        f'{_unpacked(outputs)} = session.run(None, {{"{source.name}": {source.name}}})',
    ]
    if "label" in outputs:
        lines.append('classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])')
        lines.append("print(classes[label[0]], probabilities[0].max())")
    else:
        lines.append(f"print({outputs[-1]}.shape)")
    return "\n".join(lines) + "\n"


def _unpacked(names: Sequence[str]) -> str:
    return f"({names[0]},)" if len(names) == 1 else ", ".join(names)


def _example(source: Any, files: ModelFiles) -> str:  # noqa: ANN401  (onnxruntime's NodeArg, without types)
    """Return an expression of one input row."""
    if source.type == "tensor(string)":
        return 'np.array(["A wonderful film with a terrible title."], dtype=object)'
    shape = tuple(source.shape[1:])
    if source.type == "tensor(uint8)":
        return f"np.zeros({(1, *shape)}, dtype=np.uint8)  # an image: {shape[0]} rows of {shape[1]} grey pixels"
    row = _stored_row(files)
    if source.name != "noise" and row is not None:
        return f"np.array([{[round(float(number), 4) for number in row]}], dtype=np.float32)"
    return f"np.random.default_rng().standard_normal({(1, *shape)}, dtype=np.float32)"


def _stored_row(files: ModelFiles) -> Any:  # noqa: ANN401  (an array of any shape, or None)
    if not files.examples.is_file():
        return None
    with np.load(files.examples, allow_pickle=False) as arrays:
        return arrays["example_inputs"][0]
