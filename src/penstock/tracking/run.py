"""What a stage tells MLflow: one run per model and computation.

MLflow takes seconds to import, and a server may be slow, dead or only away for a while. So a stage writes down what it
has to say (`outbox`), and a process of its own tells MLflow meanwhile (`sender`): no stage waits before its end, and
none fails for it. What could not be delivered stays on disk for a later stage.

The run is found again by the provenance's key: a stage that was killed and started anew, and the later stages of the
same model, go on with the run that the first one began, and nothing is said twice (`delivery`).
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any

from penstock.config.params import Config
from penstock.core import console
from penstock.core.distributed import is_rank_zero
from penstock.core.paths import Project
from penstock.core.signals import Interrupted
from penstock.io.dataset_info import DatasetInfo
from penstock.io.provenance import Provenance
from penstock.tracking import environment
from penstock.tracking.environment import KEY
from penstock.tracking.metric_names import slashed
from penstock.tracking.model_version import ModelVersionContent
from penstock.tracking.spool import EventLog, spool_dir
from penstock.tracking.uri import URI, tracking_uri

SECONDS_TO_FINISH = 180.0

Say = Callable[[str, dict[str, Any]], None]


@contextmanager
def track_model(project: Project, config: Config, provenance: Provenance) -> Iterator[TrackedRun]:
    """The run of this provenance, found or begun. It ends as finished, as failed after an error, or as killed after a
    signal. Of several processes the first one speaks."""
    with _sender(project, tracking_uri(project, config)) as say:
        run = TrackedRun(say)
        run.begin(project, config.model(provenance.model).dataset, provenance)
        try:
            yield run
        except Interrupted:
            run.end("KILLED")
            raise
        except BaseException:
            run.end("FAILED")
            raise
        run.end("FINISHED")


@contextmanager
def _sender(project: Project, uri: str) -> Iterator[Say]:
    """A letter, and the process that delivers it; in the end it is delivered, or waits for a later stage."""
    with ExitStack() as ending:
        say: Say = _to_nobody
        if not is_rank_zero():
            yield say
            return
        try:
            letter = ending.enter_context(closing(EventLog(spool_dir(project), uri)))
            command = [sys.executable, "-m", "penstock.tracking.uploader_process", str(letter.path)]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, env=os.environ | {URI: uri})
        except OSError as error:
            _warn(error)
        else:
            ending.callback(_let_it_finish, process)
            say = _Writer(letter, process)
        yield say


def _to_nobody(_what: str, _content: dict[str, Any]) -> None:
    """Where nothing can be written down."""


def _let_it_finish(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin
    with suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(SECONDS_TO_FINISH)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class _Writer:
    """Writes into the letter until that fails, and tells the process about it."""

    def __init__(self, letter: EventLog, process: subprocess.Popen[bytes]) -> None:
        self.letter = letter
        self.process = process
        self.lost = False

    def __call__(self, what: str, content: dict[str, Any]) -> None:
        if self.lost:
            return
        try:
            self.letter.add(what, content)
        except OSError as error:
            self.lost = True
            _warn(error)
            return
        assert self.process.stdin
        with suppress(BrokenPipeError):  # where the process has died, the letter waits for a later stage
            self.process.stdin.write(b"\n")
            self.process.stdin.flush()


def _warn(error: OSError) -> None:
    console.warn(f"nothing can be written down for MLflow; going on without it ({error})")


class TrackedRun:
    """What can be said of a run; made by `track_model`."""

    def __init__(self, say: Say) -> None:
        self._say = say

    def begin(self, project: Project, experiment: str, provenance: Provenance) -> None:
        identity = {
            KEY: provenance.key,
            "model": provenance.model,
            "dvc.data": provenance.data,
            "parameters": provenance.parameters,
            "code": provenance.code,
        }
        content = {
            "experiment": experiment,
            "artifacts": (project.root / "mlruns" / experiment).as_uri(),
            "name": provenance.model,
            "identity": identity,
            "environment": environment.describe(project.root),
        }
        self._say("begin", content)

    def end(self, status: str) -> None:
        self._say("end", {"status": status})

    def log_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Nested settings under dotted keys; a list of plain values stays one value."""
        self._say("parameters", {key: str(value) for key, value in _flatten(parameters)})

    def log_dataset(self, info: DatasetInfo, provenance: Provenance, source: str) -> None:
        """The processed dataset as the run's input, under DVC's hash."""
        content = {
            "name": info.dataset,
            "digest": provenance.data,
            "source_type": "local",
            "source": f'{{"uri": "{source}"}}',
            "profile": f'{{"shape": {list(info.shape)}, "classes": {len(info.classes)}}}',
        }
        self._say("dataset", content)

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Figures at a step; what the run has there already is not said twice."""
        self._say("metrics", {"metrics": _plain(metrics), "step": step})

    def log_repeat(self, name: str, metrics: Mapping[str, float]) -> None:
        """The figures of one fold or seed, as a child run of its own; what is there already is not said twice."""
        self._say("repeat", {"name": name, "metrics": _plain(metrics)})

    def log_validation(self, metrics: Mapping[str, float], tags: Mapping[str, str], sha256: str) -> None:
        """Log the metrics of an ONNX file; those of another file replace them."""
        self._say("validation", {"metrics": _plain(metrics), "tags": dict(tags), "sha256": sha256})

    def set_tags(self, tags: Mapping[str, str]) -> None:
        self._say("tags", dict(tags))

    def log_file(self, name: str, content: bytes) -> None:
        self._say("file", {"name": name, "base64": base64.b64encode(content).decode()})

    def register(self, model: ModelVersionContent) -> None:
        """Puts a model that passed its gates into the registry, once, and makes it the champion."""
        self._say("register", model.content())


def _plain(metrics: Mapping[str, float]) -> dict[str, float]:
    """As JSON has them, which knows none of numpy's numbers."""
    return {slashed(key): float(value) for key, value in metrics.items()}


def _flatten(nested: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in nested.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            yield from _flatten({str(number): one for number, one in enumerate(value)}, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
