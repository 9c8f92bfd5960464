"""Run the server: load the models, answer HTTP and gRPC in one event loop, shut down on a signal."""

from __future__ import annotations

import asyncio
import gc
import resource
import signal
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from pathlib import Path

from penstock.core.cpu import usable_cores
from penstock.core.plurals import counted
from penstock.serving.access_log import AccessLog
from penstock.serving.app import create_app
from penstock.serving.http.listener import Listener
from penstock.serving.one_line import log_to_stderr, one_line
from penstock.serving.runtime.engine import Engine
from penstock.serving.runtime.repository import Repository
from penstock.serving.settings import ServerConfig
from penstock.serving.shadow.engine import engine_of

# Allocations between two collections of the youngest generation: requests create hardly any reference cycles.
GC_THRESHOLD = 20_000


def serve(sources: Sequence[Path], config: ServerConfig, shadows: Mapping[str, Path] | None = None) -> None:
    """Load the models, print what is served, and answer requests until SIGTERM or Ctrl-C.

    Args:
        sources: ONNX files and folders of them.
        config: Settings of the server.
        shadows: ONNX file, or folder with one, of the challenger of a model.

    Raises:
        ConfigError: There is no model to serve, or none for a challenger, or the access log cannot be written.
        PenstockError: The address is in use.
    """
    log_to_stderr()
    _raise_file_limit()
    access_log = None if config.access_log is None else AccessLog(config.access_log)
    repository = Repository(
        sources,
        config.max_batch_size,
        allow_unvalidated=config.allow_unvalidated,
        attestation_key=config.attestation_key,
    )
    repository.load()
    _freeze_memory()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(engine_of(repository, config, shadows or {}), access_log))


async def _serve(engine: Engine, access_log: AccessLog | None) -> None:
    repository, config = engine.repository, engine.config
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    engine.start()
    listener = Listener(create_app(engine), config, engine.memory, access_log)
    await listener.open()
    watcher = loop.create_task(repository.watch(config.poll_seconds))
    _print_models(repository, config)
    await asyncio.gather(_serve_http(listener, repository, stop), *_other_protocols(engine, access_log, stop))
    watcher.cancel()
    engine.close()
    if access_log is not None:
        access_log.close()


async def _serve_http(listener: Listener, repository: Repository, stop: asyncio.Event) -> None:
    await stop.wait()
    repository.ready = False
    await listener.close()


def _other_protocols(
    engine: Engine, access_log: AccessLog | None, stop: asyncio.Event
) -> Iterator[Coroutine[None, None, None]]:
    if engine.config.grpc_port is not None:
        # Imported on demand: grpcio takes 0.05 s and 16 MB.
        from penstock.serving.grpc.server import serve_grpc

        yield serve_grpc(engine, access_log, engine.config.grpc_port, stop)


def _print_models(repository: Repository, config: ServerConfig) -> None:
    for name, model in repository.models.items():
        unvalidated = "" if model.is_validated else "  NOT VALIDATED"
        shown = one_line(name)
        print(f"{shown:<24} version {model.version}  POST /v2/models/{shown}/infer  or  /predict/{shown}{unvalidated}")
    print(f"{counted(config.num_workers, 'worker')} on {counted(usable_cores(), 'CPU core')}")
    print(f"listening on {config.scheme}://{config.address(config.port)}", flush=True)


def _freeze_memory() -> None:
    """Exclude what is loaded now from garbage collection, and collect less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    """Return uvloop's event loop where uvloop is installed."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.Loop


def _raise_file_limit() -> None:
    """Allow as many open files as the system permits: each connection is one."""
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
