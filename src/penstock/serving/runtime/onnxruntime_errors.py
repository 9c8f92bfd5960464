"""What onnxruntime raises, and its messages without the folders that they name."""

from __future__ import annotations

import re

from onnxruntime.capi import onnxruntime_pybind11_state

# All that onnxruntime raises; its exceptions have no base class of their own.
ONNXRUNTIME_ERRORS: tuple[type[Exception], ...] = (
    RuntimeError,
    *(
        kind
        for kind in vars(onnxruntime_pybind11_state).values()
        if isinstance(kind, type) and issubclass(kind, Exception)
    ),
)
# Of onnxruntime's own source, of the model's file, and of the machine that named the nodes of the graph.
_NODE_FOLDER = re.compile(r"(?<=Name:')[^'\n]*[/\\](?=[^'\n]*')")
_FOLDER = re.compile(r"(?<![\w.])(?:[A-Za-z]:)?[/\\](?:[^\s/\\'\":]+[/\\])+")


def message_without_folders(error: Exception) -> str:
    """Return the message of an error as clients may read it: a path is reduced to its last part."""
    return _FOLDER.sub("", _NODE_FOLDER.sub("", str(error))).strip()
