"""Define the compared servers and their commands, as in their documentation, each in its own virtual environment.

Access logs of the other servers are disabled where possible. Penstock's server has all features enabled, including the
access log in a file.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import benchmarks
import penstock
from benchmarks.competitors import environment
from benchmarks.serving import schemas
from benchmarks.serving.schemas import Schema
from penstock.core.paths import Project

PEERS = Path(__file__).with_name("peers")
MODELS = ("iris_mlp", "mnist_cnn", "imdb_lstm")
CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"


def _as_ours(*names: str) -> tuple[str, ...]:
    """Return requirements with the versions of constraints.txt, which Penstock is tested with."""
    versions = dict(line.split("==") for line in CONSTRAINTS.read_text().splitlines() if "==" in line)
    return tuple(f"{name}=={versions[name]}" for name in names)


RUNTIME = _as_ours("numpy", "onnxruntime")


@dataclass(frozen=True)
class Place:
    """Folders of a benchmark."""

    project: Project
    models: Path
    """Folder of <model>/model.onnx and validation.json."""
    scratch: Path
    """Folder for temporary files of the servers."""

    def file(self, model: str) -> Path:
        return self.models / model / "model.onnx"


@dataclass(frozen=True)
class Command:
    arguments: Sequence[object]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Server:
    """A server to compare."""

    name: str
    schema: Schema
    command: Callable[[Place, Path, str, int], Command]
    """Returns the command, from a place, the bin folder of the environment, a model and a port."""
    packages: tuple[str, ...] = ()
    """Requirements of its virtual environment; empty for the current environment."""
    alone: bool = False
    """Whether it serves only one model, the one that `command` is called with."""

    def bin(self, project: Project) -> Path:
        """Return the bin folder of its environment, which is created if it is missing."""
        if not self.packages:
            return Path(sys.executable).parent
        return environment(project, self.packages[0].partition("=")[0].partition("[")[0], self.packages).parent


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def _penstock(*options: str) -> Callable[[Place, Path, str, int], Command]:
    def command(place: Place, programs: Path, _model: str, port: int) -> Command:
        serve = [programs / "python", "-m", "penstock.cli", "serve", place.models, "--port", str(port)]
        return Command([*serve, "--access-log", _access_log(place, port), *options])

    return command


def _access_log(place: Place, port: int) -> Path:
    return place.scratch / f"{port}.access.log"


def _variant(what: str) -> Callable[[Place, Path, str, int], Command]:
    def command(place: Place, programs: Path, _model: str, port: int) -> Command:
        sources = [str(Path(str(module.__file__)).parents[1]) for module in (penstock, benchmarks)]
        run = [programs / "python", "-m", "benchmarks.serving.variant", what, place.models, str(port)]
        return Command([*run, _access_log(place, port)], {"PYTHONPATH": os.pathsep.join(sources)})

    return command


def _fastapi(workers: int, threads: int) -> Callable[[Place, Path, str, int], Command]:
    def command(place: Place, programs: Path, _model: str, port: int) -> Command:
        app = [programs / "uvicorn", "fastapi_server:app", "--app-dir", PEERS, "--no-access-log"]
        return Command(
            [*app, "--port", str(port), "--workers", str(workers)],
            {"MODELS": str(place.models), "THREADS": str(threads)},
        )

    return command


def _mlserver(batching: Mapping[str, float]) -> Callable[[Place, Path, str, int], Command]:
    """Return the command of MLServer without parallel workers, which would make it slower."""

    def command(place: Place, programs: Path, _model: str, port: int) -> Command:
        folder = place.scratch / f"mlserver-{port}"
        settings = {
            "host": "127.0.0.1",
            "http_port": port,
            "grpc_port": free_port(),
            "metrics_port": free_port(),
            "parallel_workers": 0,
            "debug": False,
        }
        _write(folder / "settings.json", settings)
        for name in MODELS:
            parameters = {"uri": str(place.file(name))}
            model = {"name": name, "implementation": "mlserver_runtime.OnnxRuntime", "parameters": parameters}
            _write(folder / name / "model-settings.json", {**model, **batching})
        return Command([programs / "mlserver", "start", folder], {"PYTHONPATH": str(PEERS)})

    return command


def _bentoml(place: Place, programs: Path, _model: str, port: int) -> Command:
    serve = [programs / "bentoml", "serve", "bentoml_service:Models", "--working-dir", PEERS]
    home = place.scratch / "bentoml"
    home.mkdir(exist_ok=True)
    return Command(
        [*serve, "--host", "127.0.0.1", "--port", str(port)],
        {"MODELS": str(place.models), "BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": str(home)},
    )


def _litserve(place: Place, programs: Path, model: str, port: int) -> Command:
    return Command([programs / "python", PEERS / "litserve_server.py", place.file(model), str(port)])


def _mlflow(place: Place, programs: Path, model: str, port: int) -> Command:
    folder = place.scratch / "mlflow" / model
    if not folder.is_dir():
        make = [programs / "python", PEERS / "mlflow_model.py", place.file(model), folder]
        subprocess.run(make, check=True, cwd=place.scratch, capture_output=True)
    serve = [programs / "mlflow", "models", "serve", "--env-manager", "local", "--model-uri", folder]
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"  # it starts uvicorn by name
    return Command([*serve, "--host", "127.0.0.1", "--port", str(port)], {"PATH": path})


def _write(path: Path, content: Mapping[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


FASTAPI_PACKAGES = ("fastapi==0.165.0", "uvicorn[standard]==0.54.0", *RUNTIME)
# MLServer 1.7.1 does not start with uvloop 0.22 or newer.
MLSERVER_PACKAGES = ("mlserver==1.7.1", "uvloop==0.21.0", *RUNTIME)
ADAPTIVE = {"max_batch_size": 32, "max_batch_time": 0.002}

VARIANT_PACKAGES = (
    "granian[uvloop]==2.8.7",
    "uvicorn==0.54.0",
    "msgspec==0.22.0",
    *_as_ours("httptools", "orjson", "pillow", "uvloop"),
    *RUNTIME,
)

OURS, UNBATCHED, BARE = "penstock", "unbatched", "bare"
SERVERS = {
    OURS: Server("penstock", schemas.V2, _penstock()),
    "fastapi": Server("FastAPI", schemas.FASTAPI, _fastapi(workers=1, threads=0), FASTAPI_PACKAGES),
    "fastapi2": Server("FastAPI with two workers", schemas.FASTAPI, _fastapi(workers=2, threads=1), FASTAPI_PACKAGES),
    "mlserver": Server("MLServer", schemas.V2, _mlserver({}), MLSERVER_PACKAGES),
    "adaptive": Server("MLServer with adaptive batching", schemas.V2, _mlserver(ADAPTIVE), MLSERVER_PACKAGES),
    "mlflow": Server(
        "mlflow models serve", schemas.MLFLOW, _mlflow, ("mlflow==3.17.2", "onnx==1.23.2", *RUNTIME), alone=True
    ),
    "bentoml": Server("BentoML", schemas.BENTOML, _bentoml, ("bentoml==1.4.39", *RUNTIME)),
    "litserve": Server("LitServe", schemas.LITSERVE, _litserve, ("litserve==0.2.19", *RUNTIME), alone=True),
    UNBATCHED: Server("penstock without batching", schemas.V2, _penstock("--max-batch-size", "1")),
}
# Alternatives to the design decisions of Penstock's server.
CHOICES = {
    "uvicorn": Server("penstock on uvicorn", schemas.V2, _variant("uvicorn"), VARIANT_PACKAGES),
    "granian": Server("penstock on granian", schemas.V2, _variant("granian"), VARIANT_PACKAGES),
    "json": Server("penstock with Python's json", schemas.V2, _variant("json"), VARIANT_PACKAGES),
    "msgspec": Server("penstock with msgspec", schemas.V2, _variant("msgspec"), VARIANT_PACKAGES),
    "workers": Server("penstock with nothing on the event loop", schemas.V2, _variant("workers"), VARIANT_PACKAGES),
    "timer": Server("penstock with batches that wait 1 ms", schemas.V2, _variant("timer"), VARIANT_PACKAGES),
    "one-worker": Server("penstock with one worker", schemas.V2, _penstock("--workers", "1")),
    "rows32": Server("penstock with batches of up to 32", schemas.V2, _penstock("--max-batch-size", "32")),
}
KNOWN = SERVERS | CHOICES
