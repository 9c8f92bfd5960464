"""The server as a process: one event loop for all protocols, from the first model loaded to the last answer sent."""

from __future__ import annotations

import asyncio
import gc
import logging
import resource
import signal
import sys
from collections.abc import Coroutine, Iterator, Sequence
from pathlib import Path

from penstock.core.cpu import usable_cores
from penstock.serving.access_log import AccessLog
from penstock.serving.app import create_app
from penstock.serving.engine import Engine
from penstock.serving.listener import Listener
from penstock.serving.repository import Repository
from penstock.serving.settings import Settings

# Objects between two looks of the garbage collector at the youngest; answers make little that it alone can free.
COLLECT_AFTER = 20_000


def serve(folders: Sequence[Path], settings: Settings) -> None:
    """Loads the models, says what is served, and answers until SIGTERM or Ctrl-C.

    Raises:
        ConfigError: there is no model to serve, or the access log cannot be written.
        PenstockError: the address is taken.
    """
    logging.basicConfig(format="%(levelname)s: %(message)s", stream=sys.stderr)
    _allow_open_files()
    access_log = None if settings.access_log is None else AccessLog(settings.access_log)
    repository = Repository(folders, settings.most_rows)
    repository.load()
    # What is there now stays: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(repository, settings, access_log))


async def _serve(repository: Repository, settings: Settings, access_log: AccessLog | None) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    engine = Engine(repository, settings)
    listener = Listener(create_app(engine), settings, access_log)
    await listener.open()
    watching = loop.create_task(repository.watch(settings.watch_seconds))
    _announce(repository, settings)
    await asyncio.gather(_answer_http(listener, stop), *_other_protocols(engine, access_log, stop))
    watching.cancel()
    engine.close()
    if access_log is not None:
        access_log.close()


async def _answer_http(listener: Listener, stop: asyncio.Event) -> None:
    await stop.wait()
    listener.app.engine.repository.ready = False
    await listener.close()


def _other_protocols(
    engine: Engine, access_log: AccessLog | None, stop: asyncio.Event
) -> Iterator[Coroutine[None, None, None]]:
    if engine.settings.grpc_port is not None:
        # Here, because it costs a twentieth of a second and 16 MB.
        from penstock.serving.rpc.server import answer_calls

        yield answer_calls(engine, access_log, engine.settings.grpc_port, stop)


def _announce(repository: Repository, settings: Settings) -> None:
    for name, model in repository.models.items():
        print(f"{name:<24} version {model.version}  POST /v2/models/{name}/infer  or  /predict/{name}")
    print(f"{usable_cores()} cores may be used; {settings.threads} lanes run models")
    print(f"listening on http://{settings.address(settings.port)}", flush=True)


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    """uvloop, where there is one for the system."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.Loop


def _allow_open_files() -> None:
    """As many as the system lets a process have; each connection is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
