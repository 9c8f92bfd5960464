"""Compare MLflow's model registry with the files of a project."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from penstock.config.params import Config
from penstock.core.paths import Project
from penstock.registry.challenge import Challenge
from penstock.registry.local_models import INT8_SUFFIX, LocalModel
from penstock.registry.mlflow_registry import MlflowRegistry
from penstock.registry.moves import Kind, Move


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One registered model that is not what the files say."""

    name: str
    text: str
    mend: Callable[[], str] | None = None
    """Change the registry, and return what has changed; None where a person must decide."""
    is_error: bool = False
    """Whether the file here cannot become champion."""

    def failed(self) -> Difference:
        return replace(self, is_error=True)


class Comparison:
    """Find the differences between a registry and files.

    Args:
        project: The project.
        config: Its settings.
        registry: Its part of the registry.
        models: Files to compare.
        names: Models of params.yaml to compare; empty for all, and for those that are no longer there.
    """

    def __init__(
        self,
        project: Project,
        config: Config,
        registry: MlflowRegistry,
        models: Sequence[LocalModel],
        names: Sequence[str],
    ) -> None:
        self._project = project
        self._challenge = Challenge(project, config, registry)
        self._registry = registry
        self._models = models
        self._names = names

    def differences(self) -> list[Difference]:
        """Return what differs, in the order of params.yaml, then what it no longer has."""
        found = (self._unvalidated(one) if one.provenance is None else self._validated(one) for one in self._models)
        return [*filter(None, found), *self._no_longer_served()]

    def claim(self) -> bool:
        """Tag the registered models of validated files with the project, and their versions as validated.

        Returns:
            Whether a tag was missing.
        """
        validated = [one for one in self._models if one.provenance]
        ours = [
            one for one in validated if self._registry.champion(one.name) and not self._registry.other_owner(one.name)
        ]
        were_untagged = [self._registry.claim(one.name) for one in ours]
        were_unconfirmed = [self._registry.confirm(one) for one in ours]
        return any(were_untagged) or any(were_unconfirmed)

    def _validated(self, local: LocalModel) -> Difference | None:
        name, champion = local.name, self._registry.champion(local.name)
        if owner := self._registry.other_owner(name):
            hint = "rename the model, or set tracking.project or tracking.uri in params.yaml"
            return Difference(name=name, text=f"this name was registered by {owner}; {hint}", is_error=True)
        version = self._registry.version_of(local)
        if not version:
            text = f"{self._shown(local)} is not registered; {_champion_is(champion)}"
            return Difference(name=name, text=text, mend=lambda: self._register(local, champion))
        if version == champion:
            return None
        if not champion:
            text = f"{_champion_is(champion)}; {self._shown(local)} is version {version}"
            return Difference(name=name, text=text, mend=lambda: self._challenge.hold(local, version, champion))
        if version == self._registry.challenger(name):
            return self._challenged(local, version, champion)
        hint = f"`penstock promote {name} --version {version} --reason TEXT` makes it champion"
        text = f"champion stays version {champion}: {self._shown(local)} is version {version}, no new one; {hint}"
        return Difference(name=name, text=text)

    def _challenged(self, local: LocalModel, version: str, champion: str) -> Difference:
        """A decision holds until there is another champion, or another rule."""
        verdict = self._challenge.verdict_on(local.name, version, champion)
        if verdict is not None:
            text = f"champion stays version {champion}; challenger version {version}: {verdict.reason}"
            return Difference(name=local.name, text=text)
        text = f"challenger version {version} was not compared with champion version {champion} by the present rules"
        return Difference(name=local.name, text=text, mend=lambda: self._challenge.hold(local, version, champion))

    def _unvalidated(self, local: LocalModel) -> Difference | None:
        """A champion stays while its successor is missing or fails; only a version of this very file is withdrawn."""
        name, champion = local.name, self._registry.champion(local.name)
        if self._registry.other_owner(name):
            return None
        version = self._registry.version_of(local) if local.sha256 else ""
        if version and version == champion:
            return self._withdrawal(name, champion, f"{self._shown(local)} is no longer validated", rejects=True)
        if version and version == self._registry.challenger(name):
            return self._rejection(local, version)
        if not champion:
            return None
        problem = "is not validated; `dvc repro` says why" if local.sha256 else "is not here; `dvc pull` may have it"
        return Difference(name=local.name, text=f"champion stays version {champion}: {self._shown(local)} {problem}")

    def _no_longer_served(self) -> Iterator[Difference]:
        known = {one.name for one in self._models}
        for name, champion in self._registry.champions().items():
            is_wanted = not self._names or name.removesuffix(INT8_SUFFIX) in self._names
            if name not in known and is_wanted:
                yield self._withdrawal(name, champion, "params.yaml has no such model, or no longer serves it")

    def _withdrawal(self, name: str, champion: str, reason: str, *, rejects: bool = False) -> Difference:
        def mend() -> str:
            self._registry.move(name, Move(number=0, kind=Kind.WITHDRAW, version="", previous=champion, reason=reason))
            if rejects:
                self._registry.reject(name, champion)
            return f"champion withdrawn from version {champion}: {reason}"

        return Difference(name=name, text=f"{_champion_is(champion)}; {reason}", mend=mend)

    def _rejection(self, local: LocalModel, version: str) -> Difference:
        reason = f"{self._shown(local)} is no longer validated"

        def mend() -> str:
            self._registry.reject(local.name, version)
            return f"version {version} is no challenger any more: {reason}"

        return Difference(name=local.name, text=f"challenger is version {version}; {reason}", mend=mend)

    def _register(self, local: LocalModel, champion: str) -> str:
        version = self._registry.register(local)
        return f"version {version} registered; {self._challenge.hold(local, version, champion)}"

    def _shown(self, local: LocalModel) -> str:
        return self._project.shown(local.path)


def _champion_is(version: str) -> str:
    return f"champion is version {version}" if version else "there is no champion"
