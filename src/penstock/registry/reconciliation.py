"""Remove the differences between MLflow's model registry and the files of a project."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mlflow import MlflowClient

from penstock.config.params import Config
from penstock.core import console
from penstock.core.errors import PenstockError
from penstock.core.paths import Project
from penstock.registry.agreed_state import AgreedState, Note
from penstock.registry.comparison import Comparison, Difference
from penstock.registry.local_models import LocalModel
from penstock.registry.mlflow_registry import MlflowRegistry
from penstock.registry.summary import summarize
from penstock.tracking.client import UNREACHABLE, connect
from penstock.tracking.errors import reason_of
from penstock.tracking.spool import spool_dir, uploader_lock
from penstock.tracking.uploader import upload_pending_logs
from penstock.tracking.uri import tracking_uri


class Reconciliation:
    """A comparison of some files with the registry, and its outcome.

    Args:
        project: The project.
        config: Its settings.
        models: The files.
        names: Models of params.yaml that the files are limited to; empty for all.
    """

    def __init__(self, project: Project, config: Config, models: Sequence[LocalModel], names: Sequence[str]) -> None:
        self._project = project
        self._config = config
        self._models = models
        self._names = names
        self._uri = tracking_uri(project, config)

    def check(self, has_registry: bool) -> bool:
        """Print the differences; return whether there are none.

        Args:
            has_registry: Whether MLflow has a database; it is not created.

        Raises:
            PenstockError: MLflow cannot be used.
        """
        with self._mlflow_required():
            differences = self._compare(connect(self._uri) if has_registry else None).differences()
        for difference in differences:
            console.stage_line("register", difference.name, difference.text)
        if not differences:
            summarize(self._models)
        return not differences

    def apply(self, state: AgreedState) -> bool:
        """Change the registry, and print each change; return whether every validated file is registered now.

        Raises:
            PenstockError: MLflow cannot be used.
        """
        spool = spool_dir(self._project)
        spool.mkdir(parents=True, exist_ok=True)
        with self._mlflow_required(), uploader_lock(spool, self._uri):
            upload_pending_logs(spool, self._uri)  # they may have the runs that files belong to
            client = connect(self._uri)
            before, comparison = state.now(), self._compare(client)
            differences = comparison.differences()
            succeeded = [self._mend(one) for one in differences]
            has_changed = comparison.claim() or any(one.mend for one in differences)
            if all(succeeded) and not self._names:
                self._keep(state, client, differences, None if has_changed else before)
        if not differences:
            summarize(self._models)
        return all(succeeded)

    def _compare(self, client: MlflowClient | None) -> Comparison:
        registry = MlflowRegistry(client, self._project, self._config)
        return Comparison(self._project, self._config, registry, self._models, self._names)

    def _mend(self, difference: Difference) -> bool:
        """Remove a difference, and print what has changed; return False if it could not be removed."""
        try:
            text = difference.mend() if difference.mend else difference.text
        except PenstockError as error:
            difference, text = difference.failed(), str(error)
        except UNREACHABLE as error:
            connect(self._uri)  # raises where MLflow cannot be used; otherwise only this model is concerned
            difference, text = difference.failed(), reason_of(error)
        if difference.is_error:
            console.warn(f"{difference.name}: not registered: {text}")
        else:
            console.stage_line("register", difference.name, text)
        return not difference.is_error

    def _keep(
        self, state: AgreedState, client: MlflowClient, differences: Sequence[Difference], agreed: str | None
    ) -> None:
        """Remember the state in which nothing is left to do, and what a person must decide.

        Args:
            state: Where it is remembered.
            client: Client of MLflow.
            differences: What differs.
            agreed: The state; None after a change, which is compared once more: others may change the registry too.
        """
        if agreed is None:
            agreed = state.now()
            differences = self._compare(client).differences()
        if not any(one.mend or one.is_error for one in differences):
            state.keep(agreed, [Note(one.name, one.text) for one in differences])

    @contextmanager
    def _mlflow_required(self) -> Iterator[None]:
        try:
            yield
        except UNREACHABLE as error:
            reason = f"cannot use MLflow at {self._uri} ({reason_of(error)})"
            raise PenstockError(f"the registry was not compared with the files: {reason}") from None
