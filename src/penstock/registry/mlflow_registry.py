"""The part of MLflow's model registry that belongs to a project."""

from __future__ import annotations

from collections.abc import Iterator

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion, RegisteredModel

from penstock.config.params import Config
from penstock.core.paths import Project
from penstock.registry.local_models import LocalModel
from penstock.registry.registration import VersionContent, register_version
from penstock.registry.training_run import run_of
from penstock.tracking.environment import UNKNOWN, project_name
from penstock.tracking.tags import ONNX_SHA256, PROJECT

CHAMPION = "champion"
PAGE = 1000  # MLflow's largest


class MlflowRegistry:
    """Registered models by name, as they were when this was created.

    Args:
        client: Client of MLflow; None is an MLflow without any model.
        project: The project.
        config: Its settings.
    """

    def __init__(self, client: MlflowClient | None, project: Project, config: Config) -> None:
        self._project = project
        self._config = config
        self.owner = project_name(project, config)
        """The value of the tag `penstock.project`."""
        self._models = {model.name: model for model in _registered_models(client)} if client else {}
        self._optional_client = client

    @property
    def _client(self) -> MlflowClient:
        assert self._optional_client
        return self._optional_client

    def champions(self) -> dict[str, str]:
        """Return the versions that have the alias, by name, of all models that carry the project's tag."""
        mine = (name for name, model in self._models.items() if model.tags.get(PROJECT) in (self.owner, UNKNOWN))
        return {name: version for name in mine if (version := self.champion(name))}

    def champion(self, name: str) -> str:
        """Return the version that has the alias, or an empty text."""
        model = self._models.get(name)
        return str(model.aliases.get(CHAMPION, "")) if model else ""

    def other_owner(self, name: str) -> str:
        """Return who else has registered a model of this name; empty if nobody has."""
        if name not in self._models:
            return ""
        tag = self._models[name].tags.get(PROJECT)
        if tag is None:  # registered before there was this tag, or not by Penstock
            versions = self._versions(name)
            return "something else" if versions and not any(ONNX_SHA256 in one.tags for one in versions) else ""
        return "" if tag in (self.owner, UNKNOWN) else f"the project {tag}"

    def version_of(self, local: LocalModel) -> str:
        """Return the version of this very file, the champion if there are several; empty if there is none."""
        same = [str(one.version) for one in self._versions(local.name) if one.tags.get(ONNX_SHA256) == local.sha256]
        champion = self.champion(local.name)
        return champion if champion in same else next(iter(same), "")

    def _versions(self, name: str) -> list[ModelVersion]:
        return list(self._client.search_model_versions(f"name = '{name}'")) if name in self._models else []

    def register(self, local: LocalModel) -> str:
        """Register a validated file on the run of its training, and return its version.

        Raises:
            PenstockError: The file has changed meanwhile.
            any of UNREACHABLE: MLflow cannot be used, or a file of the model is missing.
        """
        assert local.provenance
        dataset = self._config.model(local.model).dataset
        run_id = run_of(self._client, self._project, dataset, local, local.provenance)
        content = VersionContent(
            name=local.name,
            path=local.path,
            sha256=local.sha256,
            example=local.example(),
            provenance=local.provenance,
        )
        return str(register_version(self._client, run_id, content).version)

    def claim(self, name: str) -> bool:
        """Tag a registered model with the project; return whether it was not tagged before."""
        if name in self._models and self._models[name].tags.get(PROJECT) == self.owner:
            return False
        self._client.set_registered_model_tag(name, PROJECT, self.owner)
        return True

    def set_champion(self, name: str, version: str) -> None:
        """Set the alias to a version."""
        self._client.set_registered_model_alias(name, CHAMPION, version)

    def withdraw(self, name: str) -> None:
        """Delete the alias; the versions stay."""
        self._client.delete_registered_model_alias(name, CHAMPION)


def _registered_models(client: MlflowClient) -> Iterator[RegisteredModel]:
    page = client.search_registered_models(max_results=PAGE)
    yield from page
    while page.token:
        page = client.search_registered_models(max_results=PAGE, page_token=page.token)
        yield from page
