"""What a route is given and gives back, and how a path finds its route."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from penstock.serving.refusals import InputError, RefusedError

# Kinds of bodies.
JSON, BYTES = b"application/json", b"application/octet-stream"
TEXT, HTML = b"text/plain; charset=utf-8", b"text/html; charset=utf-8"
Headers = Sequence[tuple[bytes, bytes]]


@dataclass(slots=True)
class Request:
    """names: what stood for {name} in the route's pattern; headers: names in lower case; body: whole, decompressed."""

    method: str
    path: str
    names: Mapping[str, str]
    headers: Headers
    body: bytes

    def header(self, name: bytes) -> bytes | None:
        for key, value in self.headers:
            if key == name:
                return value
        return None

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; raises `InputError`."""
        return json_object(self.body)


@dataclass(slots=True)
class Response:
    body: bytes
    status: int = 200
    kind: bytes = JSON
    headers: Headers = ()


def json_object(body: bytes) -> dict[str, Any]:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InputError(f"the body is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise InputError("the body must be a JSON object")
    return content


def json_response(content: object, status: int = 200, headers: Headers = ()) -> Response:
    return Response(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), status, JSON, headers)


Handler = Callable[[Request], Awaitable[Response]]


class NotFoundError(RefusedError):
    status = 404


class WrongMethodError(RefusedError):
    status = 405

    def __init__(self, message: str, allowed: Sequence[str]) -> None:
        super().__init__(message)
        self.allowed = allowed


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
        step = self._start
        for part in pattern.split("/")[1:]:
            if part.startswith("{"):
                step.named = step.named or _Step()
                step.name = part[1:-1]
                step = step.named
            else:
                step = step.words.setdefault(part, _Step())
        step.handlers[method] = handler

    def find(self, method: str, path: str) -> tuple[Handler, Mapping[str, str]]:
        """The handler, and what stands in its pattern's names.

        Raises:
            NotFoundError, WrongMethodError: no route has this path; it has it for other methods.
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
            raise WrongMethodError(f"{method} is not for {path}", sorted(step.handlers))
        return step.handlers[method], names
