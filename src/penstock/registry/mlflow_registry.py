"""The part of MLflow's model registry that belongs to a project."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion, RegisteredModel

from penstock.config.params import Config
from penstock.core.paths import Project
from penstock.registry.champion_record import CHAMPION, ChampionRecord, open_record
from penstock.registry.local_models import LocalModel
from penstock.registry.moves import Move
from penstock.registry.registration import VersionContent, register_version
from penstock.registry.training_run import run_of
from penstock.tracking.environment import UNKNOWN, project_name
from penstock.tracking.tags import EVIDENCE, GATE, ONNX_SHA256, PROJECT, PROMOTION

CHALLENGER = "challenger"
PASSED, FAILED = "passed", "failed"
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
        self._versions_of: dict[str, list[ModelVersion]] = {}

    @property
    def client(self) -> MlflowClient:
        assert self._optional_client
        return self._optional_client

    @property
    def names(self) -> list[str]:
        """The registered models, whoever has registered them."""
        return list(self._models)

    def champions(self) -> dict[str, str]:
        """Return the versions that have the alias, by name, of all models that carry the project's tag."""
        mine = (name for name, model in self._models.items() if model.tags.get(PROJECT) in (self.owner, UNKNOWN))
        return {name: version for name in mine if (version := self.champion(name))}

    def champion(self, name: str) -> str:
        """Return the version that has the alias, or an empty text."""
        return self._aliased(name, CHAMPION)

    def challenger(self, name: str) -> str:
        """Return the version that has the alias, or an empty text."""
        return self._aliased(name, CHALLENGER)

    def _aliased(self, name: str, alias: str) -> str:
        model = self._models.get(name)
        return str(model.aliases.get(alias, "")) if model else ""

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
        """Return the version of this very file; of several, the champion, the challenger, or the newest; or none."""
        same = [str(one.version) for one in self._versions(local.name) if one.tags.get(ONNX_SHA256) == local.sha256]
        for aliased in (self.champion(local.name), self.challenger(local.name)):
            if aliased in same:
                return aliased
        return max(same, key=int, default="")

    def _versions(self, name: str) -> list[ModelVersion]:
        if name not in self._versions_of:
            found = self.client.search_model_versions(f"name = '{name}'") if name in self._models else []
            self._versions_of[name] = list(found)
        return self._versions_of[name]

    def tags(self, name: str, version: str) -> Mapping[str, str]:
        """Return the tags of a version."""
        tags: Mapping[str, str] = self.client.get_model_version(name, version).tags
        return tags

    def register(self, local: LocalModel) -> str:
        """Register a validated file on the run of its training, as challenger, and return its version.

        Raises:
            PenstockError: The file has changed meanwhile.
            any of UNREACHABLE: MLflow cannot be used, or a file of the model is missing.
        """
        assert local.provenance
        dataset = self._config.model(local.model).dataset
        run_id = run_of(self.client, self._project, dataset, local, local.provenance)
        content = VersionContent(
            name=local.name,
            path=local.path,
            sha256=local.sha256,
            example=local.example(),
            provenance=local.provenance,
            metrics=local.test_metrics(),
            is_int8=local.is_int8,
        )
        self.record(local.name)  # in one request with the registered model
        version = str(register_version(self.client, run_id, content).version)
        self.client.set_registered_model_alias(local.name, CHALLENGER, version)
        return version

    def claim(self, name: str) -> bool:
        """Tag a registered model with the project; return whether it was not tagged before."""
        if name in self._models and self._models[name].tags.get(PROJECT) == self.owner:
            return False
        self.client.set_registered_model_tag(name, PROJECT, self.owner)
        return True

    def confirm(self, local: LocalModel) -> bool:
        """Tag the version of a validated file as such; return whether the tag was missing."""
        version = self.version_of(local)
        unmarked = [str(one.version) for one in self._versions(local.name) if one.tags.get(GATE) != PASSED]
        if version not in unmarked:
            return False
        self.client.set_model_version_tag(local.name, version, GATE, PASSED)
        return True

    def reject(self, name: str, version: str) -> None:
        """Say that a version does not pass its gates any more; it is no challenger, and cannot be promoted."""
        self.client.set_model_version_tag(name, version, GATE, FAILED)
        self.drop_challenger(name, version)

    def drop_challenger(self, name: str, version: str) -> None:
        """Delete the alias `challenger` if a version has it."""
        aliases = self.client.get_registered_model(name).aliases
        if str(aliases.get(CHALLENGER, "")) == version:
            self.client.delete_registered_model_alias(name, CHALLENGER)

    def explain(self, name: str, version: str, text: str, evidence: Mapping[str, Any]) -> None:
        """Tag a version with what was decided about it."""
        self.client.set_model_version_tag(name, version, PROMOTION, text)
        self.client.set_model_version_tag(name, version, EVIDENCE, json.dumps(evidence))

    def record(self, name: str) -> ChampionRecord:
        """Return the record of a registered model's champions; create it if there is none."""
        return open_record(self.client, self._project, self.owner, name)

    def move(self, name: str, move: Move) -> Move:
        """Move the champion, and say so in the tags of its version.

        Raises:
            ChampionMovedError: Another process, or a person, has moved it meanwhile.
        """
        done = self.record(name).move(move)
        if done.version:
            self.drop_challenger(name, done.version)
            self.explain(name, done.version, f"champion: {done.reason}", done.evidence)
        return done


def _registered_models(client: MlflowClient) -> Iterator[RegisteredModel]:
    page = client.search_registered_models(max_results=PAGE)
    yield from page
    while page.token:
        page = client.search_registered_models(max_results=PAGE, page_token=page.token)
        yield from page
