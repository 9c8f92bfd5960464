"""Move the alias `champion`, and append each move to a record.

The record is a run of the experiment `champions`, one for each registered model, which the tag `penstock.record` of the
registered model names. Move n is the parameter `move.n` of that run. MLflow never changes a parameter of a run, and its
database refuses a second one of the same name, so of two processes that append move n one fails. The alias itself has
no such protection. Deleting versions does not change the record.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.entities.model_registry import RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    INVALID_PARAMETER_VALUE,
    RESOURCE_ALREADY_EXISTS,
    RESOURCE_DOES_NOT_EXIST,
    ErrorCode,
)

from penstock.core.errors import PenstockError
from penstock.core.paths import Project
from penstock.registry.moves import Move
from penstock.tracking.client import creation_lock, experiment_of
from penstock.tracking.environment import user_name
from penstock.tracking.errors import reason_of
from penstock.tracking.tags import DESCRIPTION, MODEL, PROJECT, RECORD
from penstock.tracking.uri import SQLITE, local_artifacts

Found = TypeVar("Found")
CHAMPION = "champion"
EXPERIMENT = "champions"
PREFIX = "move."
DIGITS = 4  # so that MLflow sorts the parameters
APPLIED = "penstock.applied"
"""Tag of the record: number of the last move after which the alias was set."""
MAX_CHARACTERS = 6000
"""Of a parameter in MLflow."""
NOTE = (
    "Every move of the alias `champion` of the registered model {name}, as JSON in the parameters. "
    "`penstock history {name}` shows them. MLflow cannot change a parameter; leave this run as it is."
)


class ChampionMovedError(PenstockError):
    """Another process, or a person, has moved the alias meanwhile."""


class ChampionRecord:
    """The moves of the champion of a registered model.

    Args:
        client: Client of MLflow.
        name: The registered model.
        run: The run that has the moves; empty if there is none yet, and no move.
    """

    def __init__(self, client: MlflowClient, name: str, run: str) -> None:
        self._client = client
        self._name = name
        self._run = run

    @classmethod
    def of(cls, client: MlflowClient, model: RegisteredModel) -> ChampionRecord:
        """Return the record of a registered model, to be read."""
        run_id = model.tags.get(RECORD)
        return cls(client, model.name, run_id if run_id and _exists(client, run_id) else "")

    def moves(self) -> list[Move]:
        """Return the record, oldest first."""
        return _moves_of(self._client.get_run(self._run)) if self._run else []

    def is_applied(self) -> bool:
        """Return whether the alias was set after the last move."""
        return not self._run or _is_applied(self._client.get_run(self._run))

    def champion(self) -> str:
        """Return the version that has the alias now, or an empty text."""
        return str(self._client.get_registered_model(self._name).aliases.get(CHAMPION, ""))

    def move(self, move: Move) -> Move:
        """Append a move, and set the alias.

        Args:
            move: Its `previous` is the champion for which the move was decided. Number, time and user are set here.

        Returns:
            The move as it is recorded.

        Raises:
            ChampionMovedError: `previous` is not the champion any more.
        """
        assert self._run, "the record is created with the registered model"
        run = self._client.get_run(self._run)
        if not _is_applied(run):  # by a process that was killed, or that is not done yet
            run = self._apply()
        # Of this one reading: a move of another process that comes later has the same number, and only one can have it.
        number = len(_moves_of(run)) + 1
        if (champion := self.champion()) != move.previous:
            raise self._moved(f"version {champion}" if champion else "no version")
        move = replace(move, number=number, time=datetime.now(UTC), user=user_name())
        self._append(move)
        self._apply()
        return move

    def _append(self, move: Move) -> None:
        text = move.text()
        if len(text) > MAX_CHARACTERS:  # MLflow would cut it
            text = replace(move, evidence={}).text()
        try:
            self._client.log_param(self._run, f"{PREFIX}{move.number:0{DIGITS}}", text)
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(INVALID_PARAMETER_VALUE):
                raise
            others = self.moves()[move.number - 1 :]
            if not others:  # somebody has deleted the run
                restore = f"`mlflow runs restore --run-id {self._run}` may restore the record of its champions"
                raise PenstockError(f"{self._name}: {reason_of(error)}; {restore}") from None
            raise self._moved(f"version {others[0].version or 'none'} by {others[0].user}") from None

    def _apply(self) -> Run:
        """Set the alias to the version of the last move; a move that another process appends meanwhile counts.

        Returns:
            The run, whose last move is applied.
        """
        while True:
            last = self.moves()[-1]
            if last.version:
                self._client.set_registered_model_alias(self._name, CHAMPION, last.version)
            else:
                self._client.delete_registered_model_alias(self._name, CHAMPION)
            self._client.set_tag(self._run, APPLIED, str(last.number))
            run = self._client.get_run(self._run)
            if len(_moves_of(run)) == last.number:
                return run

    def _moved(self, what: str) -> ChampionMovedError:
        return ChampionMovedError(
            f"{self._name}: the champion was moved meanwhile, to {what}; `penstock history {self._name}` shows it"
        )


def open_record(client: MlflowClient, project: Project, owner: str, name: str) -> ChampionRecord:
    """Return the record of a registered model; both are created if they do not exist, and tagged with the project.

    Args:
        client: Client of MLflow.
        project: The project.
        owner: Value of the tag `penstock.project`.
        name: The registered model.
    """
    with creation_lock(client.tracking_uri):
        model = _registered_model(client, name)
        run_id = model.tags.get(RECORD) if model else None
        if run_id is None or not _exists(client, run_id):
            run_id = _create(client, project, owner, name, is_registered=model is not None)
    return ChampionRecord(client, name, run_id)


def _create(client: MlflowClient, project: Project, owner: str, name: str, *, is_registered: bool) -> str:
    """Create the run, and name it in the registered model; return the run that the model names."""
    run_id = _create_run(client, project, name)
    tags = {PROJECT: owner, RECORD: run_id}
    if is_registered:
        for key, value in tags.items():
            client.set_registered_model_tag(name, key, value)
        return run_id
    try:
        client.create_registered_model(name, tags=tags)
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
            raise
        client.delete_run(run_id)  # another process was faster
        run_id = client.get_registered_model(name).tags[RECORD]
    return run_id


def _create_run(client: MlflowClient, project: Project, name: str) -> str:
    artifacts = local_artifacts(project, EXPERIMENT) if client.tracking_uri.startswith(SQLITE) else None
    experiment_id = experiment_of(client, EXPERIMENT, artifacts)
    tags = {MODEL: name, DESCRIPTION: NOTE.format(name=name), APPLIED: "0"}
    run_id: str = client.create_run(experiment_id, run_name=name, tags=tags).info.run_id
    client.set_terminated(run_id)
    return run_id


def _registered_model(client: MlflowClient, name: str) -> RegisteredModel | None:
    return _found(lambda: client.get_registered_model(name))


def _exists(client: MlflowClient, run_id: str) -> bool:
    return _found(lambda: client.get_run(run_id)) is not None


def _found(read: Callable[[], Found]) -> Found | None:
    """Return what a request reads; None if MLflow does not have it."""
    try:
        return read()
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
            raise
        return None


def _moves_of(run: Run) -> list[Move]:
    texts = {int(key.removeprefix(PREFIX)): text for key, text in run.data.params.items() if key.startswith(PREFIX)}
    return [Move.parse(number, texts[number]) for number in sorted(texts)]


def _is_applied(run: Run) -> bool:
    return int(run.data.tags.get(APPLIED, "0")) >= len(_moves_of(run))
