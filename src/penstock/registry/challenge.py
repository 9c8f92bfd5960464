"""Compare versions of a registered model, and make the better one champion."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from penstock.config.params import Config
from penstock.core.errors import PenstockError, first_line
from penstock.core.model_files import ONNX
from penstock.core.paths import Project
from penstock.registry.download import download_version
from penstock.registry.local_models import INT8_SUFFIX, LocalModel
from penstock.registry.mlflow_registry import MlflowRegistry
from penstock.registry.moves import Kind, Move
from penstock.registry.promotion import FIRST, Verdict, candidate_of, judge
from penstock.tracking.client import UNREACHABLE, connect
from penstock.tracking.tags import EVIDENCE, ONNX_SHA256, PROMOTION

AGAINST, RULES = "champion_version", "rules"


class Challenge:
    """Decide between the champion and another version.

    Args:
        project: The project, which has the data.
        config: Its settings.
        registry: Its part of the registry.
    """

    def __init__(self, project: Project, config: Config, registry: MlflowRegistry) -> None:
        self._project = project
        self._config = config
        self._registry = registry

    def verdict_on(self, name: str, version: str, champion: str) -> Verdict | None:
        """Return what was decided about a version and this champion by the present rules; None if nothing was."""
        tags = self._registry.tags(name, version)
        evidence = json.loads(tags.get(EVIDENCE, "{}"))
        if (evidence.get(AGAINST), evidence.get(RULES)) != (champion, self._rules(name)):
            return None
        text = tags.get(PROMOTION, "")
        return Verdict(text.startswith("champion"), text.partition(": ")[2], evidence)

    def hold(self, local: LocalModel, version: str, champion: str) -> str:
        """Decide whether a version becomes champion; move the alias, or say in its tags why it stays challenger.

        Args:
            local: The file of the version.
            version: The version, whose gates have passed.
            champion: The champion's version; empty if there is none.

        Returns:
            What was decided, for readers.

        Raises:
            ChampionMovedError: Another process has moved the alias meanwhile.
        """
        name = local.name
        verdict = self.judge(name, version, champion, local.path) if champion else self._first(local)
        if not verdict.promoted:
            self._registry.explain(name, version, f"stays challenger: {verdict.reason}", verdict.evidence)
            return f"champion stays version {champion}: {verdict.reason}"
        self._registry.move(
            name,
            Move(
                number=0,
                kind=Kind.REGISTER,
                version=version,
                previous=champion,
                sha256=local.sha256,
                reason=verdict.reason,
                evidence=verdict.evidence,
            ),
        )
        moved = f"champion moved from version {champion} to {version}" if champion else f"champion is version {version}"
        return f"{moved}: {verdict.reason}"

    def _first(self, local: LocalModel) -> Verdict:
        metrics = local.test_metrics() if not local.name.endswith(INT8_SUFFIX) else {}
        return Verdict(True, FIRST, {**metrics, AGAINST: "", RULES: self._rules(local.name)})

    def judge(self, name: str, version: str, champion: str, path: Path | None = None) -> Verdict:
        """Compare a version with the champion.

        Args:
            name: The registered model.
            version: The version.
            champion: The champion's version.
            path: Its ONNX file; None downloads it.
        """
        with TemporaryDirectory(prefix="penstock-") as folder:
            try:
                first = candidate_of(name, champion, self.download(name, champion, Path(folder)))
                second = candidate_of(name, version, path or self.download(name, version, Path(folder)))
            except PenstockError as error:
                found = Verdict(False, f"cannot be compared: {error}", {})
            else:
                rules = self._config.promotion.of_model(name.removesuffix(INT8_SUFFIX))
                found = judge(self._project, self._config, rules, first, second)
        return replace(found, evidence={**found.evidence, AGAINST: champion, RULES: self._rules(name)})

    def download(self, name: str, version: str, folder: Path) -> Path:
        """Download the ONNX file of a version, and check that it is the one that was validated.

        Raises:
            PenstockError: MLflow does not have it.
        """
        client = self._registry.client
        try:
            return download_version(client.get_model_version(name, version), folder) / ONNX
        except UNREACHABLE as error:
            connect(client.tracking_uri)  # raises where MLflow cannot be used; otherwise only this file is concerned
            raise PenstockError(
                f"the file of version {version} is not in MLflow's storage: {first_line(error)}"
            ) from None

    def sha256_of(self, name: str, version: str) -> str:
        """Return the sha256 of the file of a version; empty if Penstock did not register it."""
        return self._registry.tags(name, version).get(ONNX_SHA256, "")

    def _rules(self, name: str) -> Mapping[str, Any]:
        return self._config.promotion.of_model(name.removesuffix(INT8_SUFFIX)).model_dump(exclude={"models"})
