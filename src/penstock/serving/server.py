"""The server as a process: one event loop for all protocols, from the first model loaded to the last answer sent."""

from __future__ import annotations

import asyncio
import signal
import sys

import uvicorn

from penstock.serving.app import create_app
from penstock.serving.engine import Engine
from penstock.serving.repository import Repository

WATCH_SECONDS = 1.0


def serve(repository: Repository, *, host: str, port: int, grpc_port: int | None = None) -> None:
    """Loads the models, says what is served, and answers until SIGTERM or Ctrl-C.

    Raises:
        ConfigError: there is no model to serve.
    """
    repository.load()
    for reason in repository.refused.values():
        print(f"warning: {reason}", file=sys.stderr)
    for name, model in repository.models.items():
        print(f"{name:<16} version {model.version}  POST /v2/models/{name}/infer  or  /predict/{name}")
    print(f"listening on http://{host}:{port}", flush=True)
    engine = Engine(repository)
    config = uvicorn.Config(create_app(engine), host=host, port=port, log_level="warning", lifespan="off", ws="none")
    config.load()
    loop_factory = config.get_loop_factory()
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_serve(engine, config, grpc_port))


async def _serve(engine: Engine, config: uvicorn.Config, grpc_port: int | None) -> None:
    server = _Server(config)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        engine.repository.ready = False
        server.should_exit = True
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    watching = loop.create_task(engine.repository.watch(WATCH_SECONDS))
    protocols = [_answer_http(server, stopping)]
    if grpc_port is not None:
        # Here, because it costs a tenth of a second and 11 MB.
        from penstock.serving.rpc.server import answer_calls

        protocols.append(answer_calls(engine, config.host, grpc_port, stopping))
    await asyncio.gather(*protocols)
    watching.cancel()


async def _answer_http(server: uvicorn.Server, stopping: asyncio.Event) -> None:
    await server._serve()
    stopping.set()


class _Server(uvicorn.Server):
    """Signals are handled by us: an asked-for end is no failure, and its exit code is 0."""
