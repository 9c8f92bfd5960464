"""Read from the bytes of an ONNX file what onnxruntime does not tell."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from google.protobuf.message import DecodeError, Message

from penstock.core.errors import PenstockError
from penstock.serving.runtime.onnx_messages import GraphProto, ModelProto, TensorProto

INT64_SIZE = 8  # bytes


class NotOnnxError(PenstockError):
    """protobuf cannot read the bytes of an ONNX file."""


class Tokenizer(NamedTuple):
    """How the text of a model is split, and how many words it reads."""

    separators: tuple[str, ...]
    """Regular expressions of what is between words."""
    tokens: str | None
    """Regular expression of words, where they are found and not split."""
    max_length: int
    """Words that the model reads, from the end of the text."""


def find_tokenizer(content: bytes, text: str) -> Tokenizer | None:
    """Return the tokenizer that the exported text models begin with; None for any other graph.

    Args:
        content: The ONNX file.
        text: Name of the model's input.

    Raises:
        NotOnnxError: protobuf cannot read it.
    """
    graph = _parse(content).graph
    readers = sorted((node for node in graph.node if text in node.input), key=lambda node: node.op_type)
    if [node.op_type for node in readers] != ["Shape", "Tokenizer"]:
        return None
    attributes = {attribute.name: attribute for attribute in readers[1].attribute}
    separators = [str(one, "utf-8") for one in attributes["separators"].strings] if "separators" in attributes else []
    tokens = str(attributes["tokenexp"].s, "utf-8") if "tokenexp" in attributes else None
    max_length = _max_length(graph)
    return Tokenizer(tuple(separators), tokens, max_length) if max_length else None


def external_files(content: bytes) -> list[str]:
    """Return the locations of the files beside an ONNX file that hold its weights, sorted.

    Raises:
        NotOnnxError: protobuf cannot read it.
    """
    tensors = _tensors(_parse(content))
    return sorted({one.value for tensor in tensors for one in tensor.external_data if one.key == "location"})


def read_external_data(path: Path, content: bytes) -> dict[str, bytes]:
    """Read the external data of an ONNX file from its own folder.

    Args:
        path: The ONNX file.
        content: Its bytes.

    Returns:
        Bytes by location; none for a damaged file, which `ServedModel` rejects.

    Raises:
        PenstockError: A file is in another folder, or missing.
    """
    locations: list[str] = []
    with suppress(NotOnnxError):
        locations = external_files(content)
    return {location: _read_beside(path, location) for location in locations}


def digest(content: bytes, external_data: Mapping[str, bytes]) -> str:
    """Return the sha256 of an ONNX file; with external data, that of the digests of all files, one a line."""
    digests = [hashlib.sha256(content).hexdigest()]
    if not external_data:
        return digests[0]
    digests += [f"{hashlib.sha256(data).hexdigest()}  {name}" for name, data in sorted(external_data.items())]
    return hashlib.sha256("".join(f"{line}\n" for line in digests).encode()).hexdigest()


def digest_of_file(path: Path) -> str:
    """Return the `digest` of an ONNX file on disk.

    Raises:
        PenstockError: Its external data are missing.
    """
    content = path.read_bytes()
    return digest(content, read_external_data(path, content))


def _read_beside(path: Path, location: str) -> bytes:
    file = path.parent / location
    is_other = file.exists() and not file.is_file()  # to read a pipe would take forever
    if location != file.name or "\0" in location or file.is_symlink() or is_other:
        raise PenstockError(f"{path}: external data {location!r} must be a file beside the model; save the model anew")
    try:
        return file.read_bytes()
    except OSError as error:
        raise PenstockError(f"{path}: external data {file}: {error.strerror}") from None


def _parse(content: bytes) -> ModelProto:
    """Parse an ONNX file; keep the result for a short time only, because it holds a copy of all weights."""
    try:
        model: ModelProto = ModelProto.FromString(content)
    except DecodeError as error:
        raise NotOnnxError(f"not an ONNX file, or a damaged one: {error}") from None
    return model


def _tensors(message: Message) -> Iterator[TensorProto]:
    """Yield all tensors in a message, at any depth."""
    if isinstance(message, TensorProto):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for one in [value] if isinstance(value, Message) else value:
                yield from _tensors(one)


def _max_length(graph: GraphProto) -> int | None:
    """Return the number of words that an exported text model reads, from a constant of its tokenizer.

    `positions` has the shape [1, max_length] (word rule ascii); `length` has the value [max_length] (unicode).
    """
    constants = {tensor.name: tensor for tensor in graph.initializer}
    if "positions" in constants:
        dims = constants["positions"].dims
        return dims[1] if len(dims) == 2 and dims[0] == 1 else None
    return _int64(constants["length"]) if "length" in constants else None


def _int64(tensor: TensorProto) -> int | None:
    """Return the value of a tensor of one int64."""
    if len(tensor.raw_data) == INT64_SIZE:
        return int.from_bytes(tensor.raw_data, "little", signed=True)
    return tensor.int64_data[0] if len(tensor.int64_data) == 1 else None
