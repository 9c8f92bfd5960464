"""What a route is given and gives back, and how a path finds its route."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from penstock.serving.refusals import InputError, NotFoundError, WrongMethodError

# Kinds of bodies.
JSON, BYTES = b"application/json", b"application/octet-stream"
TEXT, HTML = b"text/plain; charset=utf-8", b"text/html; charset=utf-8"

Headers = Mapping[bytes, bytes]


@dataclass(slots=True)
class Request:
    """headers: names in lower case; body: whole, and unpacked where it came compressed; arrived: by `time.monotonic`;
    query: what stands behind the path's question mark; names: what stands for {name} in the route's pattern."""

    method: str
    path: str
    headers: Headers
    body: bytes
    query: str = ""
    arrived: float = field(default_factory=time.monotonic)
    names: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; raises `InputError`."""
        return json_object(self.body)


@dataclass(slots=True)
class Response:
    body: bytes
    status: int = 200
    kind: bytes = JSON
    headers: Sequence[tuple[bytes, bytes]] = ()


def json_object(body: bytes | memoryview) -> dict[str, Any]:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InputError(f"the body is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise InputError("the body must be a JSON object")
    return content


def json_response(content: object, status: int = 200, headers: Sequence[tuple[bytes, bytes]] = ()) -> Response:
    """numpy arrays go as they are, if their values lie side by side."""
    return Response(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), status, JSON, headers)


Handler = Callable[[Request], Awaitable[Response]]


@dataclass
class _Step:
    """One part of paths: what may follow it, by its word or as any name, and the handlers of a path that ends here."""

    words: dict[str, _Step] = field(default_factory=dict)
    name: str = ""
    named: _Step | None = None
    handlers: dict[str, Handler] = field(default_factory=dict)


class Routes:
    """Patterns such as /v2/models/{name}/infer; a word goes before a {name} in the same place."""

    def __init__(self) -> None:
        self._start = _Step()

    def add(self, method: str, pattern: str, handler: Handler) -> None:
        """What is there for GET is there for HEAD."""
        step = self._start
        for part in pattern.split("/")[1:]:
            if part.startswith("{"):
                step.named = step.named or _Step()
                step.name = part[1:-1]
                step = step.named
            else:
                step = step.words.setdefault(part, _Step())
        step.handlers[method] = handler
        if method == "GET":
            step.handlers["HEAD"] = handler

    def find(self, method: str, path: str) -> tuple[Handler, Mapping[str, str]]:
        """The handler, and what stands in its pattern's names.

        Raises:
            NotFoundError: no route has this path.
            WrongMethodError: the path is there for other methods.
        """
        step, names = self._start, {}
        for part in path.split("/")[1:]:
            if part in step.words:
                step = step.words[part]
            elif step.named and part:
                names[step.name] = part
                step = step.named
            else:
                raise NotFoundError(f"Not Found: {path}")
        if method not in step.handlers:
            if not step.handlers:
                raise NotFoundError(f"Not Found: {path}")
            raise WrongMethodError(f"{path} is not there for {method}", sorted(step.handlers))
        return step.handlers[method], names
