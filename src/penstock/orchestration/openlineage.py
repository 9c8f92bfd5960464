"""Send OpenLineage events of stages to the server that the variable OPENLINEAGE_URL names.

Each stage is a run of the job STAGE@NAME: START, then COMPLETE, FAIL, or ABORT after a signal
(https://openlineage.io/docs/spec/object-model). The datasets are the files of dvc.yaml, with DVC's hash as version.
`penstock repro` is a run of the job `repro`, and the parent of the runs of its stages.

No stage fails because of it: a thread sends the events, and the end of a stage waits a few seconds at most.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from penstock.config.own_code import KEY, code_of
from penstock.config.params import Config
from penstock.core import console
from penstock.core.credentials import without_credentials
from penstock.core.digests import file_digest
from penstock.core.distributed import is_rank_zero
from penstock.core.errors import MissingFileError, PenstockError, explain, first_line
from penstock.core.paths import Project
from penstock.core.signals import Interrupted
from penstock.io.dataset_info import DatasetInfo
from penstock.io.files import dvc_directory_hash

if TYPE_CHECKING:
    from openlineage.client import OpenLineageClient
    from openlineage.client.event_v2 import InputDataset, OutputDataset, RunEvent

URL, ENDPOINT, API_KEY = "OPENLINEAGE_URL", "OPENLINEAGE_ENDPOINT", "OPENLINEAGE_API_KEY"
NAMESPACE, PARENT, ROOT = "OPENLINEAGE_NAMESPACE", "OPENLINEAGE_PARENT_ID", "OPENLINEAGE_ROOT_PARENT_ID"
DEFAULT_NAMESPACE = "penstock"
PRODUCER = "urn:penstock:stage-runner:1"
SECONDS = 2.0  # to connect, to be answered, and to wait at the end of a stage
CODE = ("src/", "pipelines/")  # dependencies that are no data
_PLACEHOLDER = re.compile(r"\$\{(key|item(?:\.\w+)+)\}")


@dataclass(frozen=True)
class StageFiles:
    """A stage and its files, as dvc.yaml has them."""

    job: str
    """Such as `train@mnist_cnn`."""
    inputs: tuple[str, ...]
    """Paths relative to the project."""
    outputs: tuple[str, ...]


@contextmanager
def stage_events(project: Project, config: Config, stage: str, block: str, name: str) -> Iterator[None]:
    """Send the events of a stage around a block, if OPENLINEAGE_URL is set; on rank zero only.

    Args:
        project: The project.
        config: Its settings.
        stage: Name of the stage in dvc.yaml.
        block: Block of params.yaml that contains the name; empty for a stage without a name.
        name: The dataset, baseline, FID reference or model; empty for a stage without a name.
    """
    if not os.environ.get(URL) or not is_rank_zero():
        yield
        return
    with _sent(_Sender(project, stage_files(project, config, stage, block, name), "STAGE")):
        yield


@contextmanager
def repro_events(project: Project) -> Iterator[None]:
    """Send the events of `penstock repro` around a block, if OPENLINEAGE_URL is set; its stages name it as parent."""
    if not os.environ.get(URL):
        yield
        return
    sender = _Sender(project, StageFiles("repro", (), ()), "PIPELINE")
    former = {name: os.environ.get(name) for name in (PARENT, ROOT)}
    os.environ |= {PARENT: sender.identity, ROOT: former[ROOT] or former[PARENT] or sender.identity}
    try:
        with _sent(sender):
            yield
    finally:
        for name, value in former.items():
            os.environ.pop(name)
            os.environ |= {name: value} if value is not None else {}


@contextmanager
def _sent(sender: _Sender) -> Iterator[None]:
    """Send the first event, and the last one after the block."""
    sender.start("START")
    try:
        yield
    except (Interrupted, KeyboardInterrupt):
        sender.finish("ABORT")
        raise
    except BaseException as error:
        sender.finish("FAIL", error)
        raise
    sender.finish("COMPLETE")


def stage_files(project: Project, config: Config, stage: str, block: str, name: str) -> StageFiles:
    """Return the files of a stage from the dvc.yaml that has it."""
    from ruamel.yaml import YAML

    is_tuned = block == "models" and config.block_of_model(name) == "tuned"
    pipelines = (project.tuned_pipeline, project.seeds_pipeline) if is_tuned else (project.pipeline,)
    found: dict[str, Any] = {}
    for path in pipelines:
        if path.is_file():
            found |= YAML(typ="safe").load(path.read_text(encoding="utf-8"))["stages"]
    definition = found.get(stage, {})
    definition = definition.get("do", definition)
    kept = _Values(config, block, name)
    deps = [path for path in kept.paths(definition, "deps") if not path.startswith(CODE)]
    outs = [path for kind in ("outs", "metrics", "plots") for path in kept.paths(definition, kind)]
    job = f"{stage}@{name}" if name else stage
    return StageFiles(f"tuned/{job}" if is_tuned else job, tuple(deps), tuple(outs))


@dataclass(frozen=True)
class _Values:
    """What placeholders of dvc.yaml stand for."""

    config: Config
    block: str
    name: str

    def paths(self, definition: Mapping[str, Any], kind: str) -> list[str]:
        """Return the paths of a stage; an entry with options is a mapping of one key."""
        entries = definition.get(kind, [])
        return [_PLACEHOLDER.sub(self._value, next(iter(one)) if isinstance(one, dict) else one) for one in entries]

    def _value(self, match: re.Match[str]) -> str:
        if match[1] == "key":
            return self.name
        is_model = self.block == "models"  # or a tuned one
        if match[1] == f"item.{KEY}":
            return code_of(self.config.model(self.name))
        value: Any = self.config.model(self.name) if is_model else getattr(self.config, self.block)[self.name]
        for key in match[1].split(".")[1:]:
            value = getattr(value, key)
        return str(value)


class _Sender:
    """Send the events of one run, each in a thread.

    Args:
        project: The project.
        files: The job with its files.
        job_type: Type of the job.
    """

    def __init__(self, project: Project, files: StageFiles, job_type: str) -> None:
        self._project = project
        self._files = files
        self._job_type = job_type
        self._namespace = os.environ.get(NAMESPACE) or DEFAULT_NAMESPACE
        self._parents = os.environ.get(PARENT, ""), os.environ.get(ROOT, "")
        self._run_id = str(uuid4())
        self._thread: threading.Thread | None = None
        self._problem = ""

    @property
    def identity(self) -> str:
        """The run as the parent of others."""
        return str(_NamedRun(self._namespace, self._files.job, self._run_id))

    def start(self, state: str, error: BaseException | None = None) -> None:
        """Begin to send an event."""
        now = datetime.now(UTC)
        send = _Quiet(lambda: self._send(state, now, error), self._note)
        self._thread = threading.Thread(target=send, name="openlineage", daemon=True)
        self._thread.start()

    def finish(self, state: str, error: BaseException | None = None) -> None:
        """Send the last event, after the first one, and warn once if one of them was not received."""
        if self._was_sent():
            self.start(state, error)
            self._was_sent()
        if self._problem:
            address = without_credentials(os.environ[URL])
            console.warn(f"OpenLineage: {address} did not receive the events of {self._files.job} ({self._problem})")

    def _was_sent(self) -> bool:
        """Wait for the event that is being sent."""
        assert self._thread
        self._thread.join(SECONDS)
        if self._thread.is_alive():
            self._note(f"no answer within {SECONDS:g} s")
        return not self._thread.is_alive()

    def _note(self, problem: str) -> None:
        self._problem = self._problem or problem

    def _send(self, state: str, now: datetime, error: BaseException | None) -> None:
        client = _client()
        client.emit(self._event(state, now, error))

    def _event(self, state: str, now: datetime, error: BaseException | None) -> RunEvent:
        from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
        from openlineage.client.facet_v2 import job_type_job

        job_type = job_type_job.JobTypeJobFacet("BATCH", integration="PENSTOCK", jobType=self._job_type)
        return RunEvent(
            eventType=RunState[state],
            eventTime=now.isoformat(timespec="milliseconds"),
            run=Run(self._run_id, facets=_run_facets(self._parents, error)),
            job=Job(self._namespace, self._files.job, facets={"jobType": job_type}),
            producer=PRODUCER,
            inputs=[self._input(path) for path in self._files.inputs],
            outputs=[self._output(path, is_written=state == "COMPLETE") for path in self._files.outputs],
        )

    def _input(self, path: str) -> InputDataset:
        from openlineage.client.event_v2 import InputDataset

        return InputDataset(self._namespace, path, facets=_dataset_facets(self._project.root / path))

    def _output(self, path: str, *, is_written: bool) -> OutputDataset:
        from openlineage.client.event_v2 import OutputDataset

        facets = _dataset_facets(self._project.root / path) if is_written else {}
        return OutputDataset(self._namespace, path, facets=facets)


@dataclass(frozen=True)
class _Quiet:
    """Call a function; note the first line of any error."""

    function: Callable[[], None]
    note: Callable[[str], None]

    def __call__(self) -> None:
        try:
            self.function()
        except Exception as error:  # noqa: BLE001  (no stage fails because of it)
            self.note(first_line(error))


def _client() -> OpenLineageClient:
    """Return a client that tries once; that of the environment would try five times."""
    import logging

    from openlineage.client import OpenLineageClient
    from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport, TokenProvider

    logging.getLogger("openlineage").setLevel(logging.CRITICAL)
    key = os.environ.get(API_KEY)
    http = HttpConfig(
        url=os.environ[URL],
        endpoint=os.environ.get(ENDPOINT) or "api/v1/lineage",
        timeout=SECONDS,
        auth=ApiKeyTokenProvider({"api_key": key}) if key else TokenProvider({}),
        retry={"total": 0},
    )
    return OpenLineageClient(transport=HttpTransport(http))


def _run_facets(parents: tuple[str, str], error: BaseException | None) -> dict[str, Any]:
    """Return the parent and the root of the run, if the environment names them, and the error of a failed run."""
    from openlineage.client.facet_v2 import error_message_run, parent_run

    facets: dict[str, Any] = {}
    if parent := _NamedRun.parse(parents[0]):
        root = _NamedRun.parse(parents[1]) or parent
        facets["parent"] = parent_run.ParentRunFacet(
            parent_run.Run(parent.run_id),
            parent_run.Job(parent.namespace, parent.job),
            parent_run.Root(parent_run.RootRun(root.run_id), parent_run.RootJob(root.namespace, root.job)),
        )
    if error is not None:
        facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(_message(error), programmingLanguage="Python")
    return facets


class _NamedRun(NamedTuple):
    """A run as the value of a variable: NAMESPACE/JOB/RUN_ID."""

    namespace: str
    job: str
    run_id: str

    @classmethod
    def parse(cls, text: str) -> _NamedRun | None:
        """Return the run; None if the text names none. A namespace may contain slashes."""
        rest, _, run_id = text.rpartition("/")
        namespace, _, job = rest.rpartition("/")
        return cls(namespace, job, run_id) if namespace and job and run_id else None

    def __str__(self) -> str:
        return "/".join(self)


def _message(error: BaseException) -> str:
    if isinstance(error, PenstockError | OSError):
        return explain(error)[0]
    return without_credentials(f"{type(error).__name__}: {error}")


def _dataset_facets(path: Path) -> dict[str, Any]:
    """Return DVC's hash as the version of a file or folder, and the arrays of a processed dataset as its schema."""
    from openlineage.client.facet_v2 import dataset_version_dataset

    if not path.exists():
        return {}
    version = dvc_directory_hash(path) if path.is_dir() else file_digest(path, "md5")
    return {"version": dataset_version_dataset.DatasetVersionDatasetFacet(version)} | _schema(path)


def _schema(path: Path) -> dict[str, Any]:
    from openlineage.client.facet_v2 import schema_dataset

    try:
        info = DatasetInfo.load(path)
    except (MissingFileError, OSError):
        return {}
    shape = ", ".join(map(str, info.shape))
    fields = [
        schema_dataset.SchemaDatasetFacetFields("inputs", f"array [rows, {shape}]", info.description),
        schema_dataset.SchemaDatasetFacetFields("labels", "int64 [rows]", ", ".join(info.classes)),
    ]
    return {"schema": schema_dataset.SchemaDatasetFacet(fields)}
