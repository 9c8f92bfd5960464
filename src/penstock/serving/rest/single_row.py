"""Read the rows of a short request: JSON by the names of the inputs, or an image."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import parse_qs

from numpy.typing import NDArray

from penstock.core.file_kinds import IMAGE_TYPES, image_type
from penstock.serving.codecs.json import array_from_rows
from penstock.serving.codecs.tensors import TensorSpec
from penstock.serving.errors import InputError, NotJsonError, UnsupportedMediaTypeError
from penstock.serving.http.messages import Request, json_object
from penstock.serving.runtime.columns import is_single_value
from penstock.serving.runtime.engine import Engine
from penstock.serving.runtime.model import ServedModel
from penstock.serving.runtime.parser_process import MAX_INLINE_BODY
from penstock.serving.runtime.signature import Signature

IMAGE_CONTENT_TYPES = (b"image/", b"multipart/form-data")
IMAGE_FIRST_BYTES = tuple(IMAGE_TYPES)
BACKGROUNDS = ("dark", "light")
INSTANCES = "instances"
"""Key of a list of rows."""
HINT = f'send several rows as {{"{INSTANCES}": [{{...}}, ...]}}'


def is_image(request: Request) -> bool:
    """Return whether the body is an image, of whatever Content-Type, or a form with one."""
    return _content_type(request).lower().startswith(IMAGE_CONTENT_TYPES) or request.body.startswith(IMAGE_FIRST_BYTES)


def _content_type(request: Request) -> bytes:
    return request.headers.get(b"content-type", b"")


def _image_type(request: Request) -> str:
    """Return the media type by the first bytes, else the Content-Type: `curl --data-binary` sends another one."""
    return image_type(request.body) or _content_type(request).decode("latin-1")


async def read_row(engine: Engine, request: Request, model: ServedModel) -> dict[str, NDArray[Any]]:
    """Read the row of a request.

    Args:
        engine: The engine.
        request: The request.
        model: The model that the row is for.

    Returns:
        Array [1, ...] for each input of the model.

    Raises:
        InputError: The body has no such row.
        UnsupportedMediaTypeError: It is an image, and the model takes none.
        PayloadTooLargeError: The image has too many pixels.
        OverloadedError: The queue of the image decoder is full.
        DeadlineExceededError: The image was not decoded within the request's timeout.
    """
    background = _background(request)
    if is_image(request):
        return await _read_image(engine, request, model, background)
    if len(request.body) <= MAX_INLINE_BODY:
        return parse_row(request.body, model.signature)
    return await engine.parser.run(engine.seconds_left(request.arrived), parse_row, request.body, model.signature)


async def read_rows(engine: Engine, request: Request, model: ServedModel) -> tuple[dict[str, NDArray[Any]], bool]:
    """Read the row of a request, or a list of rows; long texts are cut to the words that the model reads.

    Returns:
        Array [rows, ...] for each input of the model, and whether the rows are in a list.

    Raises:
        InputError: The body has no such rows.
        RequestError: As `read_row` raises it.
    """
    background = _background(request)
    if is_image(request):
        return await _read_image(engine, request, model, background), False
    if len(request.body) <= MAX_INLINE_BODY:
        return parse_rows(request.body, model.signature)
    return await engine.parser.run(engine.seconds_left(request.arrived), parse_cut_rows, request.body, model.signature)


async def _read_image(engine: Engine, request: Request, model: ServedModel, background: str) -> dict[str, NDArray[Any]]:
    if not model.takes_images:
        raise UnsupportedMediaTypeError(f"{model.name} takes no images; send {model.signature.expected_row}, as JSON")
    decode = partial(_decode, request, model, background)
    return {model.input.name: await engine.decode_image(decode, request.arrived)}


def parse_row(body: bytes, signature: Signature) -> dict[str, NDArray[Any]]:
    """Parse a body in JSON.

    Raises:
        InputError: It has no row that fits the model.
    """
    return signature.arrays_from_row(_object(body, signature))


def parse_rows(body: bytes, signature: Signature) -> tuple[dict[str, NDArray[Any]], bool]:
    """Parse a body in JSON that has a row, or a list of rows as `INSTANCES`; return whether it is a list.

    Raises:
        InputError: It has no rows that fit the model.
    """
    content = _object(body, signature, HINT)
    if INSTANCES not in content or INSTANCES in signature.specs:
        return _arrays_from_row(content, signature), False
    for other in content.keys() - {INSTANCES}:
        raise InputError(f"'{other}': not beside {INSTANCES}, whose rows have all columns")
    return signature.arrays_from_rows(content[INSTANCES], INSTANCES), True


def _object(body: bytes, signature: Signature, hint: str = "") -> dict[str, Any]:
    try:
        return json_object(body, hint)
    except NotJsonError as error:
        raise InputError(f"{error}; expected {signature.expected_row}") from None


def _arrays_from_row(content: dict[str, Any], signature: Signature) -> dict[str, NDArray[Any]]:
    try:
        return signature.arrays_from_row(content)
    except InputError as error:
        if any(_are_rows(content.get(spec.name), spec) for spec in signature.inputs):
            raise InputError(f"{error}; {HINT}") from None
        raise


def _are_rows(value: object, spec: TensorSpec) -> bool:
    """Return whether a value is a list of what one row of a tensor has."""
    if not isinstance(value, list) or spec.shape[:1] != (-1,):
        return False
    if is_single_value(spec):
        return True
    try:
        array_from_rows(value, spec)
    except InputError:
        return False
    return True


def parse_cut_rows(body: bytes, signature: Signature) -> tuple[dict[str, NDArray[Any]], bool]:
    """Parse a body in JSON as `parse_rows` does, and cut long texts."""
    inputs, is_list = parse_rows(body, signature)
    return dict(signature.cut_texts(inputs)), is_list


def _background(request: Request) -> str:
    """Return the query parameter; a wrong one is an error for models without images as well."""
    background = parse_qs(request.query, keep_blank_values=True).get("background", [BACKGROUNDS[0]])[-1]
    if background not in BACKGROUNDS:
        raise InputError(f"background: expected {' or '.join(BACKGROUNDS)}, not '{background}'")
    return background


def _decode(request: Request, model: ServedModel, background: str) -> NDArray[Any]:
    from penstock.serving.codecs.images import decode_image, read_upload

    content, image_format = read_upload(request.body, _image_type(request))
    _, height, width, *channels = model.input.shape
    light = background == "light"
    return decode_image(content, (width, height), [image_format], light_background=light, rgb=bool(channels))[None]
