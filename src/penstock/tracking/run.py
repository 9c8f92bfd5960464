"""Log a stage to MLflow, with one run per model and provenance.

MLflow takes seconds to import, and its server may be slow or unreachable. So a stage writes events to its log in the
spool, and a separate process uploads them (`uploader_process`). No stage waits for MLflow before its end, and none
fails because of it. Events that could not be uploaded stay on disk for a later stage.

Runs are found by the key of the provenance. A restarted stage and the later stages of the same model continue the run
that the first stage created, and nothing is logged twice (`run_writer`).
"""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from penstock.config.params import Config
from penstock.core import console
from penstock.core.distributed import is_rank_zero
from penstock.core.paths import Project
from penstock.core.signals import Interrupted
from penstock.io.dataset_info import DatasetInfo
from penstock.io.processed_dataset import SplitName
from penstock.io.provenance import Provenance
from penstock.tracking import environment
from penstock.tracking.child_process import finish_uploader, start_uploader
from penstock.tracking.dataset_splits import describe_split, split_name
from penstock.tracking.description import RunDescription, experiment_description
from penstock.tracking.shared_uploader import has_shared_uploader
from penstock.tracking.spool import EventLog, spool_dir
from penstock.tracking.system_metrics import system_metrics
from penstock.tracking.tags import DVC_EXPERIMENT, KEY, identity_tags
from penstock.tracking.uri import local_artifacts, tracking_uri

SEED = "training.seed"  # the parameter that differs between seeds

Emit = Callable[[str, dict[str, Any]], None]


class AbandonedRunError(Exception):
    """Another process has taken over the run of this one, which leaves it as it is."""


@dataclass(frozen=True)
class ChildRun:
    """What makes a run the child of another one."""

    parent_key: str
    """Key of the parent run, which is created if there is none."""
    parent_name: str
    """Name of the parent run if it is created."""
    name: str
    """Name of the child."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """More tags of the child; they take precedence over those of its provenance."""


@contextmanager
def track_model(
    project: Project, config: Config, provenance: Provenance, child: ChildRun | None = None
) -> Iterator[TrackedRun]:
    """Find or create the run of a provenance, and end it with the block.

    The run ends as `FINISHED`, as `FAILED` after an error, or as `KILLED` after a signal. Only rank zero logs.

    Args:
        project: The project.
        config: Its settings.
        provenance: Identity of the run.
        child: The parent of the run; None for a run without parent.
    """
    with spooled(project, tracking_uri(project, config)) as emit:
        run = TrackedRun(emit, project, config.model(provenance.model).dataset, provenance, child)
        with ending(run.end), system_metrics(config.tracking, run.log_system_metrics):
            yield run


@contextmanager
def ending(end: Callable[[str | None], None]) -> Iterator[None]:
    """Call `end` with the status of MLflow that the end of the block means; None leaves the status as it is."""
    try:
        yield
    except AbandonedRunError:
        end(None)
        raise
    except Interrupted:
        end("KILLED")
        raise
    except BaseException:
        end("FAILED")
        raise
    end("FINISHED")


@contextmanager
def spooled(project: Project, uri: str) -> Iterator[Emit]:
    """Open an event log, start the process that uploads it, and wait for the upload at the end.

    In `penstock repro`, one process uploads the logs of all stages.
    """
    with ExitStack() as ending:
        emit: Emit = _emit_nothing
        if not is_rank_zero():
            yield emit
            return
        try:
            spool = spool_dir(project)
            log = ending.enter_context(closing(EventLog(spool, uri)))
            process = None if has_shared_uploader(spool, uri) else start_uploader("uploader_process", log.path, uri)
        except OSError as error:
            _warn(error)
        else:
            if process is not None:
                ending.callback(finish_uploader, process)
            emit = _Emitter(log, process)
        yield emit


def _emit_nothing(_kind: str, _content: dict[str, Any]) -> None:
    """Discard an event, if the spool cannot be written or the rank is not zero."""


class _Emitter:
    """Append events to the log until that fails, and notify the uploader; a shared one looks at the log by itself."""

    def __init__(self, log: EventLog, process: subprocess.Popen[bytes] | None) -> None:
        self.log = log
        self.process = process
        self.failed = False

    def __call__(self, kind: str, content: dict[str, Any]) -> None:
        if self.failed:
            return
        try:
            self.log.add(kind, content)
        except OSError as error:
            self.failed = True
            _warn(error)
            return
        if self.process is None:
            return
        assert self.process.stdin
        with suppress(BrokenPipeError):  # the uploader has crashed: a later stage uploads the log
            self.process.stdin.write(b"\n")
            self.process.stdin.flush()


def _warn(error: OSError) -> None:
    console.warn(f"cannot write to .penstock/spool; continuing without MLflow ({error})")


class TrackedRun:
    """A run of MLflow that a stage logs to; created by `track_model`.

    Args:
        emit: Called with the kind and the content of each event.
        project: The project.
        experiment: Name of the MLflow experiment.
        provenance: Identity of the run.
        child: The parent of the run; None for a run without parent.
    """

    def __init__(
        self, emit: Emit, project: Project, experiment: str, provenance: Provenance, child: ChildRun | None = None
    ) -> None:
        identity = identity_tags(provenance) | dict(child.tags if child else {})
        self.experiment = experiment
        self.key = identity[KEY]
        self.model = provenance.model
        self._data = provenance.data
        self._emit = emit
        self._project = project
        self._environment = environment.describe(project)
        dvc_experiment = self._environment.get(DVC_EXPERIMENT)
        content = {
            "experiment": experiment,
            "artifacts": local_artifacts(project, experiment),
            "name": f"{provenance.model} ({dvc_experiment})" if dvc_experiment else provenance.model,
            "identity": identity,
            "environment": self._environment,
        }
        if child:
            content |= {"name": child.name, "parent": {"key": child.parent_key, "name": child.parent_name}}
        emit("begin", content)

    def end(self, status: str | None) -> None:
        """End the run with a status of MLflow. The next stage of the model continues it.

        Args:
            status: The status; None leaves that of another process, which has taken over the run.
        """
        self._emit("end", {"status": status})

    def log_description(self, description: RunDescription) -> None:
        """Set the descriptions of the run and of its experiment, unless they have one."""
        content = {"run": description.run(self._environment), "experiment": experiment_description(description.info)}
        self._emit("description", content)

    def log_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Log nested settings under dotted keys. A list without nested settings is one value."""
        self._emit("parameters", {key: str(value) for key, value in flatten(parameters)})

    def log_dataset(self, info: DatasetInfo, provenance: Provenance, source: str) -> None:
        """Log the splits of a training as inputs of the run, with DVC's hash of the processed dataset as their digest.

        Args:
            info: Description of the dataset.
            provenance: Identity of the training.
            source: Path of the processed dataset, relative to the project.
        """
        splits: tuple[SplitName, ...] = ("train", "validation")
        folder = self._project.processed(info.dataset)
        inputs = [describe_split(folder, source, info.dataset, split, provenance.data) for split in splits]
        self._emit("dataset", {"inputs": inputs})

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log metrics at a step. Values that the run already has at this step are not logged again."""
        self._emit("metrics", {"metrics": _plain(metrics), "step": step})

    def log_system_metrics(self, metrics: Mapping[str, float]) -> None:
        """Log the load of the machine at this time."""
        self._emit("system_metrics", {"metrics": _plain(metrics)})

    def log_repeat(self, name: str, metrics: Mapping[str, float]) -> None:
        """Log one fold or seed as a child run, with the parameters of this run. A finished child run is not changed.

        Args:
            name: Such as "fold 2.5" or "seed 3".
            metrics: Its metrics.
        """
        kind, number = name.split()
        parameters = {SEED if kind == "seed" else kind: number}
        self._emit("repeat", {"name": name, "metrics": _plain(metrics), "parameters": parameters})

    def log_validation(self, metrics: Mapping[str, float], sha256: str) -> None:
        """Log the ONNX file with this sha256 as a logged model, with its metrics on the test split, which is an input.

        The metrics of the run are those of its newest file.
        """
        folder, dataset = self._project.processed(self.experiment), split_name(self.experiment, "test")
        test = describe_split(folder, self._project.shown(folder), self.experiment, "test", self._data)
        model = {"name": self.model, "sha256": sha256, "dataset": dataset, "digest": self._data}
        self._emit("validation", {"metrics": _plain(metrics), "model": model, "input": test})

    def set_tags(self, tags: Mapping[str, str]) -> None:
        self._emit("tags", dict(tags))

    def log_file(self, name: str, content: bytes) -> None:
        """Log a file as an artifact."""
        self._emit("file", {"name": name, "base64": _base64(content)})

    def log_image(self, key: str, png: bytes, step: int | None = None) -> None:
        """Log a PNG image at a step, as MLflow's `log_image`; by default at step 0, that of the finished model."""
        self._emit("image", {"key": key, "step": step, "base64": _base64(png)})

    def log_table(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Log a table as an artifact, as MLflow's `log_table`; it replaces one of the same name.

        Args:
            name: Name of the file, without its suffix.
            rows: Rows with the same keys, which are the columns. A value of type bytes is a PNG image.
        """
        columns = list(rows[0]) if rows else []
        cells = [[_cell(row[column]) for column in columns] for row in rows]
        self._emit("table", {"name": name, "columns": columns, "rows": cells})


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _cell(value: object) -> object:
    return {"png": _base64(value)} if isinstance(value, bytes) else value


def _plain(metrics: Mapping[str, float]) -> dict[str, float]:
    """Convert the values to Python floats, since JSON cannot encode numpy scalars."""
    return {key: float(value) for key, value in metrics.items()}


def flatten(nested: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield nested settings under dotted keys, as the parameters of a run are named."""
    for key, value in nested.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            yield from flatten({str(number): one for number, one in enumerate(value)}, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
