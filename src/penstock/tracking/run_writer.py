"""Write the events of one run to MLflow. Writes are idempotent."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence

from mlflow import MlflowClient
from mlflow.entities import LifecycleStage, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException

from penstock.tracking.client import creation_lock, experiment_of, find_run, is_rejection
from penstock.tracking.dataset_inputs import dataset_input
from penstock.tracking.logged_models import OnnxModel, find_model
from penstock.tracking.metric_names import SYSTEM, is_timed
from penstock.tracking.run_artifacts import RunArtifacts
from penstock.tracking.saved_views import save_views
from penstock.tracking.spool import Event
from penstock.tracking.tags import DESCRIPTION, EXPERIMENT_KIND, GATE, KEY, ONNX_SHA256, PARENT, RESTORED, WORKED
from penstock.tracking.uri import SQLITE
from penstock.tracking.worked_time import WorkedTime


class RunWriter:
    """Write events to one run; the first event, `begin`, finds or creates it.

    Args:
        client: Client of the MLflow at `uri`.
        uri: Tracking URI.
    """

    def __init__(self, client: MlflowClient, uri: str) -> None:
        self.uri = uri
        self._client = client
        self._experiment_id = ""
        self._run_id = ""
        self._identity: dict[str, str] = {}
        self._environment: dict[str, str] = {}
        self._created = 0
        self._began = 0
        self._last_event = 0
        self._ended = False
        self._logged: dict[tuple[str, int], float] = {}
        self._images: dict[str, int] = {}
        self._viewed: tuple[set[str], dict[str, int]] = (set(), {})
        self._handlers: dict[str, Callable[[Event], None]] = {
            "begin": self._begin,
            "description": self._description,
            "parameters": self._parameters,
            "dataset": self._dataset,
            "metrics": self._metrics,
            "system_metrics": self._system_metrics,
            "repeat": self._repeat,
            "validation": self._validation,
            "tags": self._tags,
            "file": self._file,
            "image": self._image,
            "table": self._table,
            "end": self._end,
        }

    def write(self, event: Event) -> None:
        """Write one event.

        Raises:
            KeyError, TypeError: The event is malformed, or the event `begin` was rejected.
            MlflowException: MLflow rejects the event.
            any of UNREACHABLE: MLflow cannot be used.
        """
        if event.kind != "begin" and not self._run_id:
            raise KeyError("begin")  # without a run, MLflow would write to a new one of its own
        self._handlers[event.kind](event)
        self._last_event = event.at

    def write_metrics(self, events: Sequence[Event]) -> None:
        """Write several events `metrics` with one call of MLflow; errors are those of `write`."""
        if not self._run_id:
            raise KeyError("begin")
        new: dict[tuple[str, int, float | None], Metric] = {}
        for event in events:
            step = event.content["step"]
            for key, value in event.content["metrics"].items():
                if not self._has(key, step, value):
                    new.setdefault((key, step, None if is_timed(key) else value), Metric(key, value, event.at, step))
        self._log(list(new.values()))
        self._last_event = events[-1].at

    def run_is_deleted(self) -> bool:
        """Return whether somebody deleted the run, or its experiment, since the event `begin`."""
        if not self._run_id:
            return False
        try:
            run = self._client.get_run(self._run_id)
        except MlflowException as error:
            if not is_rejection(error):
                raise
            return True  # by `mlflow gc`
        return run.info.lifecycle_stage == LifecycleStage.DELETED

    def close(self) -> None:
        """End the run as `KILLED` at the time of its last event, unless an end event was written."""
        if self._run_id and not self._ended:
            self._terminate("KILLED", self._last_event)

    def _begin(self, event: Event) -> None:
        content = event.content
        self._identity, self._environment = content["identity"], content["environment"]
        with creation_lock(self.uri):
            local = content["artifacts"] if self.uri.startswith(SQLITE) else None
            self._experiment_id = experiment_of(self._client, content["experiment"], local)
        deleted = find_run(self._client, self._experiment_id, self._identity[KEY], deleted=True)
        run = find_run(self._client, self._experiment_id, self._identity[KEY]) or self._create(event, deleted)
        if deleted is not None and not run.data.params:
            parameters = [Param(key, value) for key, value in deleted.data.params.items()]
            self._client.log_batch(run.info.run_id, params=parameters)
        self._run_id, self._created = run.info.run_id, run.info.start_time
        if "parent" in content:
            self._set_tags({PARENT: self._find_parent(content["parent"], event.at)})
        self._began, self._ended = event.at, False
        self._logged = self._history(run)
        self._client.update_run(self._run_id, status="RUNNING")

    def _find_parent(self, parent: Mapping[str, str], at: int) -> str:
        """Return the ID of the parent run, which is created if there is none."""
        found = find_run(self._client, self._experiment_id, parent["key"]) or self._client.create_run(
            self._experiment_id, start_time=at, run_name=parent["name"], tags={KEY: parent["key"]}
        )
        run_id: str = found.info.run_id
        return run_id

    def _create(self, event: Event, deleted: Run | None) -> Run:
        """Create the run; if it replaces a deleted one, with the description that an earlier stage gave it."""
        tags = event.content["environment"] | self._identity
        if deleted is not None:
            tags |= {name: value for name, value in deleted.data.tags.items() if name == DESCRIPTION}
        return self._client.create_run(
            self._experiment_id, start_time=event.at, run_name=event.content["name"], tags=tags
        )

    def _history(self, run: Run) -> dict[tuple[str, int], float]:
        return {
            (metric.key, metric.step): metric.value
            for key in run.data.metrics
            for metric in self._client.get_metric_history(run.info.run_id, key)
        }

    def _end(self, event: Event) -> None:
        if event.content["status"] is None:  # another process has taken over the run
            self._ended = True
        else:
            self._terminate(event.content["status"], event.at)

    def _terminate(self, status: str, at: int) -> None:
        """End the run. Its end time is its start plus the time worked, so MLflow's Duration is the time worked.

        Args:
            status: Status of MLflow.
            at: Time of the end, in milliseconds since 1970.
        """
        worked = WorkedTime.parse(self._tags_of_run().get(WORKED, ""))
        worked = worked.add(self._began - self._created, at - self._created)
        self._set_tags({WORKED: str(worked)})
        self._client.set_terminated(self._run_id, status, end_time=self._created + worked.total)
        self._save_views()  # once for all images
        self._ended = True

    def _description(self, event: Event) -> None:
        """Set the descriptions of the run, if it has one, and of its experiment.

        Descriptions that are there already stay, unless the run is a restored one.
        """
        if "run" in event.content:
            self._describe_run(event.content["run"])
        known = self._client.get_experiment(self._experiment_id).tags
        for tag, value in (EXPERIMENT_KIND | {DESCRIPTION: event.content["experiment"]}).items():
            if tag not in known:
                self._client.set_experiment_tag(self._experiment_id, tag, value)

    def _describe_run(self, description: str) -> None:
        tags = self._tags_of_run()
        if DESCRIPTION not in tags or RESTORED in tags:
            self._set_tags({DESCRIPTION: description})
        if RESTORED in tags:
            self._client.delete_tag(self._run_id, RESTORED)

    def _parameters(self, event: Event) -> None:
        self._client.log_batch(self._run_id, params=[Param(key, value) for key, value in event.content.items()])

    def _dataset(self, event: Event) -> None:
        self._client.log_inputs(self._run_id, [dataset_input(split) for split in event.content["inputs"]])

    def _metrics(self, event: Event) -> None:
        self._log_metrics(event.content["metrics"], event.content["step"], event.at)

    def _system_metrics(self, event: Event) -> None:
        """Log system metrics. Their step is the second since the run began: no stage knows those of the others."""
        self._log_metrics(event.content["metrics"], (event.at - self._created) // 1000, event.at)

    def _log_metrics(self, metrics: Mapping[str, float], step: int, at: int) -> None:
        self._log([Metric(key, value, at, step) for key, value in metrics.items() if not self._has(key, step, value)])

    def _log(self, metrics: Sequence[Metric]) -> None:
        self._client.log_batch(self._run_id, metrics)
        self._logged |= {(metric.key, metric.step): metric.value for metric in metrics}
        self._save_views()

    def _save_views(self) -> None:
        """Save the views of the experiment if they lack metrics or images of the run."""
        names = {name for name, _ in self._logged if not name.startswith(SYSTEM)}
        if (names, self._images) != self._viewed:
            save_views(self._client, self._experiment_id, names, self._images)
            self._viewed = (names, dict(self._images))

    def _has(self, key: str, step: int, value: float) -> bool:
        """Return whether the run has the metric at this step with this value; a timing matches any value."""
        logged = self._logged.get((key, step))
        return logged is not None and (is_timed(key) or logged == value)

    def _repeat(self, event: Event) -> None:
        """Log a fold or seed as a finished child run, which started at the time of the previous event."""
        name, metrics = event.content["name"], event.content["metrics"]
        key = f"{self._identity[KEY]}/{name}"
        begun = find_run(self._client, self._experiment_id, key)
        if begun is not None and begun.info.status == "FINISHED":
            if begun.data.tags.get(PARENT) != self._run_id:  # that run was deleted, which leaves its children
                self._client.set_tag(begun.info.run_id, PARENT, self._run_id)
            return
        tags = {**self._environment, **self._identity, KEY: key, PARENT: self._run_id}
        run = begun or self._client.create_run(
            self._experiment_id, start_time=self._last_event, run_name=name, tags=tags
        )
        child = run.info.run_id
        parameters = self._client.get_run(self._run_id).data.params | event.content["parameters"]
        self._client.log_batch(
            child,
            [Metric(metric, value, event.at, 0) for metric, value in metrics.items()],
            [Param(key, value) for key, value in parameters.items()],
        )
        self._client.set_terminated(child, end_time=event.at)

    def _validation(self, event: Event) -> None:
        """Log the metrics of the ONNX file to the run, and to its logged model; the test split is an input."""
        self._client.log_inputs(self._run_id, [dataset_input(event.content["input"])])
        metrics, run = event.content["metrics"], self._client.get_run(self._run_id)
        model = OnnxModel(**event.content["model"], tags=self._identity)
        logged = find_model(self._client, run, model.sha256)
        if logged is None or run.data.tags.get(ONNX_SHA256) != model.sha256:
            self._logged = {at: value for at, value in self._logged.items() if at[0] not in metrics}
        logged = logged or model.create(self._client, run)
        new = [
            model.metric(logged, key, value, event.at) for key, value in metrics.items() if not self._has(key, 0, value)
        ]
        self._log(new)
        model.link(self._client, run, logged)
        # The tag is written last: without it, a repeated event logs the metrics again.
        self._set_tags({ONNX_SHA256: model.sha256})

    def _tags(self, event: Event) -> None:
        self._set_tags(event.content)
        if GATE in event.content:
            self._tag_model({GATE: event.content[GATE]})

    def _tag_model(self, tags: Mapping[str, str]) -> None:
        """Set tags of the logged model of the run's newest file, if it has one."""
        run = self._client.get_run(self._run_id)
        model = find_model(self._client, run, run.data.tags.get(ONNX_SHA256, ""))
        if model:
            self._client.set_logged_model_tags(model.model_id, dict(tags))

    def _tags_of_run(self) -> dict[str, str]:
        tags: dict[str, str] = self._client.get_run(self._run_id).data.tags
        return tags

    def _set_tags(self, tags: Mapping[str, str]) -> None:
        self._client.log_batch(self._run_id, tags=[RunTag(tag, value) for tag, value in tags.items()])

    def _file(self, event: Event) -> None:
        self._artifacts.write_file(event.content["name"], base64.b64decode(event.content["base64"]))

    def _image(self, event: Event) -> None:
        """Write an image. One of the finished model has step 0, since MLflow compares images at one step only."""
        key, step = event.content["key"], event.content["step"] or 0
        self._artifacts.write_image(key, base64.b64decode(event.content["base64"]), step=step, at=event.at)
        self._images[key] = max(step, self._images.get(key, 0))

    def _table(self, event: Event) -> None:
        self._artifacts.write_table(**event.content)

    @property
    def _artifacts(self) -> RunArtifacts:
        return RunArtifacts(self._client, self._run_id)
