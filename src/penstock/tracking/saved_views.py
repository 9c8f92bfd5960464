"""Write the saved views of an experiment to MLflow."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from penstock.tracking.client import is_rejection
from penstock.tracking.metric_names import SYSTEM
from penstock.tracking.tags import STUDY
from penstock.tracking.view_state import State, decode, encode, images_of, metrics_of
from penstock.tracking.views import TRAINED, VIEWS, Content, Study

NEWEST_RUNS = 100


@dataclass(frozen=True)
class SavedView:
    """The content of a view's tag."""

    name: str
    state: State
    changed: bool = False
    """Whether it was changed since, by another program or a later page of MLflow."""

    @classmethod
    def parse(cls, text: str) -> SavedView | None:
        """Return the content of a tag's value; None if it is not that of a view."""
        with suppress(ValueError, TypeError, KeyError):
            content = json.loads(text)
            state = decode(content["state"])
            return cls(content["name"], state, content["updatedAt"] != content["createdAt"])
        return None

    def encode(self) -> str:
        """Return the value of the tag."""
        now = int(time.time() * 1000)
        return json.dumps({"name": self.name, "createdAt": now, "updatedAt": now, "state": encode(self.state)})


def save_views(client: MlflowClient, experiment_id: str, metrics: Collection[str], images: Mapping[str, int]) -> None:
    """Save the views of an experiment whose runs have these metrics and images, or others.

    A view that was changed since stays as it is. Nothing happens if MLflow rejects a view.

    Args:
        client: Client of MLflow.
        experiment_id: ID of the experiment.
        metrics: Names of metrics.
        images: The last step of each image, by its key.
    """
    tags = client.get_experiment(experiment_id).tags
    saved = {view: SavedView.parse(tags[view.tag]) for view in VIEWS if view.tag in tags}
    known = {name for one in saved.values() if one for name in metrics_of(one.state)}
    if not known.issuperset(metrics):
        known = {*metrics, *_metrics_of_runs(client, experiment_id)}
    shown = [images_of(one.state.get("compareRunCharts", [])) for one in saved.values() if one]
    content = Content(known, _newest_study(client, experiment_id), _last_steps([*shown, images]))
    for view in VIEWS:
        state = view.state_of(content)
        if state is not None and _is_outdated(saved.get(view), state):
            with _without_rejection():
                client.set_experiment_tag(experiment_id, view.tag, SavedView(view.name, state).encode())


def _last_steps(found: Iterable[Mapping[str, int]]) -> dict[str, int]:
    steps: dict[str, int] = {}
    for key, step in (item for one in found for item in one.items()):
        steps[key] = max(step, steps.get(key, 0))
    return steps


def _is_outdated(saved: SavedView | None, state: State) -> bool:
    return saved is None or not (saved.changed or saved.state == state)


def _metrics_of_runs(client: MlflowClient, experiment_id: str) -> set[str]:
    runs = client.search_runs([experiment_id], TRAINED, max_results=NEWEST_RUNS)
    return {name for run in runs for name in run.data.metrics if not name.startswith(SYSTEM)}


def _newest_study(client: MlflowClient, experiment_id: str) -> Study | None:
    trials = client.search_runs([experiment_id], f"tags.`{STUDY}` != ''", max_results=NEWEST_RUNS)
    if not trials:
        return None
    newest = trials[0].data.tags[STUDY]
    of_study = [trial.data for trial in trials if trial.data.tags[STUDY] == newest]
    parameters = sorted({name for trial in of_study for name in trial.params})
    differing = [name for name in parameters if len({trial.params.get(name) for trial in of_study}) > 1]
    shared = [name for name in differing if all(name in trial.params for trial in of_study)]
    return Study(newest, differing, shared, {metric for trial in of_study for metric in trial.metrics})


@contextmanager
def _without_rejection() -> Iterator[None]:
    """Ignore that MLflow rejects a request, as an older version does with longer tags."""
    try:
        yield
    except MlflowException as error:
        if not is_rejection(error):
            raise
