"""The one raw row of a short request: in JSON by the input's name, or a picture."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import parse_qs

from numpy.typing import NDArray

from penstock.serving.engine import Engine
from penstock.serving.http import Request
from penstock.serving.json_values import rows_of
from penstock.serving.models import ServedModel
from penstock.serving.refusals import InputError, WrongKindError

PICTURES = (b"image/", b"multipart/form-data")
BACKGROUNDS = ("dark", "light")


def is_picture(request: Request) -> bool:
    return request.headers.get(b"content-type", b"").lower().startswith(PICTURES)


async def one_row(engine: Engine, request: Request, model: ServedModel) -> NDArray[Any]:
    """[1, ...], as the model's input wants it.

    Raises:
        InputError: the body holds no such row.
        WrongKindError: it is a picture, and the model takes none.
        TooLargeError: it is a picture of more pixels than are decoded.
        OverloadedError: as many pictures are waiting as may wait.
        TimedOutError: a picture was not decoded in the time of its request.
    """
    spec, background = model.input, _background(request)
    if is_picture(request):
        if spec.datatype != "UINT8":
            raise WrongKindError(f'{model.name} takes no pictures: wants {{"{spec.name}": ...}}, as JSON')
        decode = partial(_decoded, request, model, background)
        return await engine.decoding.run(decode, engine.seconds_left(request.arrived))
    body = request.json()
    if set(body) != {spec.name}:
        raise InputError(f'wants {{"{spec.name}": ...}}: {model.metadata["input"]}')
    return rows_of([body[spec.name]], spec)


def _background(request: Request) -> str:
    """Refused for any model, if it is none: who asks for one believes that it is a picture's."""
    background = parse_qs(request.query, keep_blank_values=True).get("background", [BACKGROUNDS[0]])[-1]
    if background not in BACKGROUNDS:
        raise InputError(f"background: wants {' or '.join(BACKGROUNDS)}, not '{background}'")
    return background


def _decoded(request: Request, model: ServedModel, background: str) -> NDArray[Any]:
    from penstock.serving.images import pixels, upload

    content, picture_format = upload(request.body, request.headers[b"content-type"].decode("latin-1"))
    _, height, width = model.input.shape
    return pixels(content, (width, height), [picture_format], light_background=background == "light")[None]
