"""Run Penstock's server with one change, to measure the effect of a design decision.

    python -m benchmarks.serving.variant WHAT MODELS PORT LOG

The environment has granian, uvicorn and msgspec in addition to the requirements of Penstock. The ASGI servers write no
access log.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from penstock.cli import main
from penstock.serving import server
from penstock.serving.asgi import AsgiApplication
from penstock.serving.http import messages
from penstock.serving.rest import v2_response
from penstock.serving.runtime import batch_tuning
from penstock.serving.runtime.engine import Engine
from penstock.serving.settings import ServerConfig

WAIT_SECONDS = 0.001


def application() -> AsgiApplication:
    """Return the application for the ASGI servers."""
    return AsgiApplication(lambda: [Path(sys.argv[2])], ServerConfig)


def serve_by_uvicorn(port: int) -> None:
    import uvicorn

    uvicorn.run(application(), port=port, log_level="warning", access_log=False, lifespan="off", ws="none")


def serve_by_granian(port: int) -> None:
    from granian import Granian
    from granian.constants import Interfaces, Loops

    target = "benchmarks.serving.variant:application"
    granian = Granian(
        target, port=port, interface=Interfaces.ASGINL, loop=Loops.uvloop, factory=True, log_enabled=False
    )
    granian.serve()


def take_json() -> None:
    def dumps(content: object, option: int) -> bytes:  # noqa: ARG001  (signature of orjson)
        return json.dumps(content, default=_listed, separators=(",", ":")).encode()

    _exchange_orjson(json.loads, dumps, json.JSONDecodeError)


def take_msgspec() -> None:
    import msgspec

    encoder = msgspec.json.Encoder(enc_hook=_listed)
    _exchange_orjson(msgspec.json.decode, lambda content, option: encoder.encode(content), msgspec.DecodeError)


def _exchange_orjson(loads: Callable[[bytes], Any], dumps: Callable[[object, int], bytes], error: type) -> None:
    other = SimpleNamespace(loads=loads, dumps=dumps, JSONDecodeError=error, OPT_SERIALIZE_NUMPY=0)
    for module in (messages, v2_response):
        setattr(module, "orjson", other)  # noqa: B010  (mypy rejects a plain assignment)


def _listed(value: Any) -> object:  # noqa: ANN401  (arrays and scalars of numpy)
    return value.tolist()


def run_in_workers_only() -> None:
    batch_tuning.MAX_INLINE_SECONDS = 0.0


def wait_for_more() -> None:
    """Collect batches with a timer, as most servers do."""

    class Waits(Engine):
        def _dispatch(self) -> None:
            self._loop.call_later(WAIT_SECONDS, super()._dispatch)

    setattr(server, "Engine", Waits)  # noqa: B010


SERVERS = {"uvicorn": serve_by_uvicorn, "granian": serve_by_granian}
CHANGES = {"json": take_json, "msgspec": take_msgspec, "workers": run_in_workers_only, "timer": wait_for_more}

if __name__ == "__main__":
    what, models, listening, access_log = sys.argv[1:]
    if what in SERVERS:
        SERVERS[what](int(listening))
    else:
        CHANGES[what]()
        main(["serve", models, "--port", listening, "--access-log", access_log])
