"""Read from the bytes of an ONNX file what onnxruntime does not tell.

The fields are numbered as in https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, and encoded as in
https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from penstock.core.errors import PenstockError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
GRAPH = 7  # of ModelProto
NODE, INITIALIZER = 1, 5  # of GraphProto
NODE_INPUT, OP_TYPE, ATTRIBUTE, DOMAIN = 1, 4, 5, 7  # of NodeProto
ATTRIBUTE_NAME, STRING, TENSOR, SUBGRAPH, STRINGS, TENSORS, SUBGRAPHS = 1, 4, 5, 6, 9, 10, 11  # of AttributeProto
DIMS, INT64_DATA, TENSOR_NAME, RAW_DATA, EXTERNAL_DATA = 1, 7, 8, 9, 13  # of TensorProto
KEY, VALUE = 1, 2  # of StringStringEntryProto
INT64_SIZE = 8  # bytes

Value = int | memoryview


class Tokenizer(NamedTuple):
    """How the text of a model is split, and how many words it reads."""

    separators: tuple[str, ...]
    """Regular expressions of what is between words."""
    tokens: str | None
    """Regular expression of words, where they are found and not split."""
    max_length: int
    """Words that the model reads, from the end of the text."""


def fields(message: memoryview) -> Iterator[tuple[int, Value]]:
    """Yield number and value of each field of a message.

    Raises:
        ValueError: The bytes are not such a message.
    """
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        kind = key & 7
        if kind == VARINT:
            value, position = _varint(message, position)
            yield key >> 3, value
            continue
        if kind == BYTES:
            size, position = _varint(message, position)
        elif kind in (FIXED64, FIXED32):
            size = 8 if kind == FIXED64 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if position + size > len(message):
            raise ValueError("a field ends too early")
        yield key >> 3, message[position : position + size]
        position += size


def find_tokenizer(content: bytes, text: str) -> Tokenizer | None:
    """Return the tokenizer that the exported text models begin with; None for any other graph.

    Args:
        content: The ONNX file.
        text: Name of the model's input.
    """
    graph = _first(memoryview(content), GRAPH)
    if graph is None:
        return None
    readers = [node for node in _messages(graph, NODE) if text in _texts(node, NODE_INPUT)]
    kinds = sorted(_text(node, OP_TYPE) for node in readers)
    if kinds != ["Shape", "Tokenizer"]:
        return None
    tokenizer = next(node for node in readers if _text(node, OP_TYPE) == "Tokenizer")
    attributes = {_text(one, ATTRIBUTE_NAME): one for one in _messages(tokenizer, ATTRIBUTE)}
    separators = tuple(_texts(attributes["separators"], STRINGS)) if "separators" in attributes else ()
    tokens = _text(attributes["tokenexp"], STRING) if "tokenexp" in attributes else None
    max_length = _max_length(graph)
    return Tokenizer(separators, tokens, max_length) if max_length else None


def external_files(content: bytes) -> list[str]:
    """Return the locations of the files beside an ONNX file that hold its weights, sorted.

    A file that is no protobuf has none; onnxruntime says what is wrong with it.
    """
    with suppress(ValueError):
        graph = _first(memoryview(content), GRAPH)
        return sorted(set(_locations(graph))) if graph is not None else []
    return []


def read_external_data(path: Path, content: bytes) -> dict[str, bytes]:
    """Read the external data of an ONNX file from its own folder.

    Args:
        path: The ONNX file.
        content: Its bytes.

    Returns:
        Bytes by location.

    Raises:
        PenstockError: A file is in another folder, or missing.
    """
    return {location: _read_beside(path, location) for location in external_files(content)}


def digest(content: bytes, external_data: Mapping[str, bytes]) -> str:
    """Return the sha256 of an ONNX file; with external data, that of the digests of all files, one a line."""
    digests = [hashlib.sha256(content).hexdigest()]
    if not external_data:
        return digests[0]
    digests += [f"{hashlib.sha256(data).hexdigest()}  {name}" for name, data in sorted(external_data.items())]
    return hashlib.sha256("".join(f"{line}\n" for line in digests).encode()).hexdigest()


def _read_beside(path: Path, location: str) -> bytes:
    file = path.with_name(Path(location).name)
    if location != file.name or file.is_symlink():
        raise PenstockError(f"{path}: external data '{location}' must be a file beside the model; save the model anew")
    try:
        return file.read_bytes()
    except OSError as error:
        raise PenstockError(f"{path}: external data {file}: {error.strerror}") from None


def _locations(graph: memoryview) -> Iterator[str]:
    for tensor in _tensors(graph):
        for entry in _messages(tensor, EXTERNAL_DATA):
            if _text(entry, KEY) == "location":
                yield _text(entry, VALUE)


def _tensors(graph: memoryview) -> Iterator[memoryview]:
    """Yield the tensors of a graph, of its nodes, and of the graphs in those."""
    yield from _messages(graph, INITIALIZER)
    for node in _messages(graph, NODE):
        for attribute in _messages(node, ATTRIBUTE):
            for number in (TENSOR, TENSORS):
                yield from _messages(attribute, number)
            for number in (SUBGRAPH, SUBGRAPHS):
                for subgraph in _messages(attribute, number):
                    yield from _tensors(subgraph)


def _max_length(graph: memoryview) -> int | None:
    """Return the number of words that an exported text model reads, from a constant of its tokenizer.

    `positions` has the shape [1, max_length] (word rule ascii); `length` has the value [max_length] (unicode).
    """
    for tensor in _messages(graph, INITIALIZER):
        name = _text(tensor, TENSOR_NAME)
        if name == "positions":
            dims = list(_sizes(tensor))
            return dims[-1] if len(dims) == 2 and dims[0] == 1 else None
    return next((_int64(one) for one in _messages(graph, INITIALIZER) if _text(one, TENSOR_NAME) == "length"), None)


def _sizes(tensor: memoryview) -> Iterator[int]:
    for number, value in fields(tensor):
        if number == DIMS and isinstance(value, int):
            yield value
        elif number == DIMS and isinstance(value, memoryview):  # packed
            position = 0
            while position < len(value):
                size, position = _varint(value, position)
                yield size


def _int64(tensor: memoryview) -> int | None:
    """Return the value of a tensor of one int64."""
    raw = _first(tensor, RAW_DATA)
    if raw is not None:
        return int.from_bytes(raw, "little", signed=True) if len(raw) == INT64_SIZE else None
    packed = _first(tensor, INT64_DATA)
    return None if packed is None else _varint(packed, 0)[0]


def _messages(message: memoryview, number: int) -> Iterator[memoryview]:
    return (value for field, value in fields(message) if field == number and isinstance(value, memoryview))


def _first(message: memoryview, number: int) -> memoryview | None:
    return next(_messages(message, number), None)


def _texts(message: memoryview, number: int) -> list[str]:
    return [str(value, "utf-8") for value in _messages(message, number)]


def _text(message: memoryview, number: int) -> str:
    return next(iter(_texts(message, number)), "")


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(message):
            raise ValueError("a number ends too early")
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
