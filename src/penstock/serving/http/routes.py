"""Find the handler of a path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from penstock.serving.errors import MethodNotAllowedError, NotFoundError
from penstock.serving.http.messages import Request, Response

CACHED_PATHS = 64  # each at most as long as the headers

Handler = Callable[[Request], Awaitable[Response]]


@dataclass
class _Node:
    """A node of the tree of path segments: its children, and the handlers of the path that ends here."""

    children: dict[str, _Node] = field(default_factory=dict)
    parameter: str = ""
    parameter_child: _Node | None = None
    handlers: dict[str, Handler] = field(default_factory=dict)


class Routes:
    """Match patterns such as /v2/models/{name}/infer; a literal segment wins over a {parameter}."""

    def __init__(self) -> None:
        self._root = _Node()
        self.find = lru_cache(CACHED_PATHS)(self._find)
        """Return the handler and the values of the pattern's parameters, as `_find` does."""

    def add(self, method: str, pattern: str, handler: Handler) -> None:
        """Register a handler; one for GET also answers HEAD."""
        node = self._root
        for segment in pattern.split("/")[1:]:
            if segment.startswith("{"):
                node.parameter_child = node.parameter_child or _Node()
                node.parameter = segment[1:-1]
                node = node.parameter_child
            else:
                node = node.children.setdefault(segment, _Node())
        node.handlers[method] = handler
        if method == "GET":
            node.handlers["HEAD"] = handler

    def _find(self, method: str, path: str) -> tuple[Handler, Mapping[str, str]]:
        """Return the handler and the values of the pattern's parameters.

        Raises:
            NotFoundError: No route has this path.
            MethodNotAllowedError: The path has routes for other methods only.
        """
        node, parameters = self._root, {}
        for segment in path.split("/")[1:]:
            if segment in node.children:
                node = node.children[segment]
            elif node.parameter_child and segment:
                parameters[node.parameter] = segment
                node = node.parameter_child
            else:
                raise NotFoundError(f"Not Found: {path}")
        if method not in node.handlers:
            if not node.handlers:
                raise NotFoundError(f"Not Found: {path}")
            raise MethodNotAllowedError(f"{path} does not support {method}", sorted(node.handlers))
        return node.handlers[method], parameters
