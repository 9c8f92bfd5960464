"""Read the one row of a short request: JSON by the input's name, or an image."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import parse_qs

from numpy.typing import NDArray

from penstock.serving.errors import InputError, UnsupportedMediaTypeError
from penstock.serving.http.messages import Request, json_object
from penstock.serving.runtime.engine import Engine
from penstock.serving.runtime.model import ServedModel
from penstock.serving.runtime.parser_process import MAX_INLINE_BODY
from penstock.serving.runtime.signature import Signature

IMAGE_TYPES = (b"image/", b"multipart/form-data")
BACKGROUNDS = ("dark", "light")


def is_image(request: Request) -> bool:
    """Return whether the body is an image or a form with one."""
    return request.headers.get(b"content-type", b"").lower().startswith(IMAGE_TYPES)


async def read_row(
    engine: Engine, request: Request, model: ServedModel, *, cut_texts: bool = False
) -> dict[str, NDArray[Any]]:
    """Read the row of a request.

    Args:
        engine: The engine.
        request: The request.
        model: The model that the row is for.
        cut_texts: Whether a long text may be cut to the words that the model reads.

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
        if not model.takes_images:
            raise UnsupportedMediaTypeError(
                f"{model.name} takes no images; send {model.signature.expected_row}, as JSON"
            )
        decode = partial(_decode, request, model, background)
        return {model.input.name: await engine.decode_image(decode, request.arrived)}
    if len(request.body) <= MAX_INLINE_BODY:
        return parse_row(request.body, model.signature)
    parse = parse_cut_row if cut_texts else parse_row
    return await engine.parser.run(engine.seconds_left(request.arrived), parse, request.body, model.signature)


def parse_row(body: bytes, signature: Signature) -> dict[str, NDArray[Any]]:
    """Parse a body in JSON.

    Raises:
        InputError: It has no row that fits the model.
    """
    return signature.arrays_from_row(json_object(body))


def parse_cut_row(body: bytes, signature: Signature) -> dict[str, NDArray[Any]]:
    """Parse a body in JSON, and cut long texts."""
    return dict(signature.cut_texts(parse_row(body, signature)))


def _background(request: Request) -> str:
    """Return the query parameter; a wrong one is an error for models without images as well."""
    background = parse_qs(request.query, keep_blank_values=True).get("background", [BACKGROUNDS[0]])[-1]
    if background not in BACKGROUNDS:
        raise InputError(f"background: expected {' or '.join(BACKGROUNDS)}, not '{background}'")
    return background


def _decode(request: Request, model: ServedModel, background: str) -> NDArray[Any]:
    from penstock.serving.codecs.images import decode_image, read_upload

    content, image_format = read_upload(request.body, request.headers[b"content-type"].decode("latin-1"))
    _, height, width = model.input.shape
    return decode_image(content, (width, height), [image_format], light_background=background == "light")[None]
