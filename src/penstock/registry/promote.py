"""Move champions by hand, and show their history: `penstock promote`, `rollback`, `history` and `champion`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow.exceptions import MlflowException

from penstock.config.params import Config
from penstock.core import console
from penstock.core.errors import ConfigError, PenstockError, nearest
from penstock.core.paths import Project
from penstock.registry.challenge import Challenge
from penstock.registry.champion_record import ChampionRecord
from penstock.registry.mlflow_registry import FAILED, PASSED, MlflowRegistry
from penstock.registry.moves import Kind, Move, former_champions, with_other_moves
from penstock.registry.promotion import Verdict
from penstock.tracking.client import UNREACHABLE, connect
from penstock.tracking.errors import reason_of
from penstock.tracking.tags import GATE, ONNX_SHA256
from penstock.tracking.uri import SQLITE, tracking_uri

OVERRIDES, COMPARISON = "overrides_comparison", "comparison"


@contextmanager
def open_champions(project: Project, config: Config, name: str) -> Iterator[Champions]:
    """Open the registry of a project for one registered model.

    Raises:
        ConfigError: There is no such model.
        PenstockError: MLflow cannot be used, or the model is registered by another project.
    """
    uri = tracking_uri(project, config)
    if uri.startswith(SQLITE) and not Path(uri.removeprefix(SQLITE)).is_file():
        raise PenstockError(f"{name}: there is no MLflow database yet; `penstock register` makes it")
    try:
        registry = MlflowRegistry(connect(uri), project, config)
        if name not in registry.names:
            raise ConfigError(f"{name}: no such registered model{nearest(name, registry.names)}")
        if owner := registry.other_owner(name):
            raise PenstockError(f"{name}: was registered by {owner}; change its champion there")
        yield Champions(name, registry, Challenge(project, config, registry))
    except UNREACHABLE as error:
        raise PenstockError(f"cannot use MLflow at {uri} ({reason_of(error)})") from None


class Champions:
    """The champions of one registered model.

    Args:
        name: The registered model.
        registry: The registry.
        challenge: Decides between two versions.
    """

    def __init__(self, name: str, registry: MlflowRegistry, challenge: Challenge) -> None:
        self._name = name
        self._registry = registry
        self._challenge = challenge

    @property
    def champion(self) -> str:
        """The version that has the alias, or an empty text."""
        return self._registry.champion(self._name)

    def history(self) -> list[Move]:
        """Return all moves, oldest first, those of other programs included."""
        record = ChampionRecord.of(self._registry.client, self._registry.client.get_registered_model(self._name))
        moves = record.moves()
        # Otherwise another process is about to set the alias.
        return with_other_moves(moves, self.champion if record.is_applied() else moves[-1].version)

    def promote(self, version: str, reason: str) -> None:
        """Make a version champion, whatever the comparison says; print what has changed.

        Args:
            version: The version; empty is the challenger.
            reason: Why; it is recorded.

        Raises:
            PenstockError: There is no such version, it has not passed its gates, or MLflow does not have its file.
            ChampionMovedError: Another process has moved the alias meanwhile.
        """
        version = version or self._registry.challenger(self._name)
        if not version:
            raise PenstockError(f"{self._name}: there is no challenger; name a version by --version")
        if version == self.champion:
            console.stage_line("promote", self._name, f"version {version} is the champion already; nothing changed")
            return
        if self._is_same_file(version):
            same = f"version {version} is the same file as the champion, version {self.champion}; nothing changed"
            console.stage_line("promote", self._name, same)
            return
        self._require_passed(version)
        self._require_file(version)
        verdict = self._verdict(version)
        self._move(Kind.PROMOTE, version, reason, _evidence(verdict) if verdict else {})
        if verdict:
            console.note(comparison_text(_evidence(verdict)))

    def _is_same_file(self, version: str) -> bool:
        digest = self._tags(version).get(ONNX_SHA256)
        return bool(self.champion and digest) and digest == self._challenge.sha256_of(self._name, self.champion)

    def _require_passed(self, version: str) -> None:
        if self._tags(version).get(GATE) != PASSED:
            raise PenstockError(
                f"{self._name}: version {version} has not passed its gates, so it cannot become champion; "
                "`penstock register` says that it has, with its validated file in the project"
            )

    def _tags(self, version: str) -> Mapping[str, str]:
        try:
            return self._registry.tags(self._name, version)
        except MlflowException as error:
            raise PenstockError(f"{self._name}: version {version}: {reason_of(error)}") from None

    def _require_file(self, version: str) -> None:
        with TemporaryDirectory(prefix="penstock-") as folder:
            try:
                self._challenge.download(self._name, version, Path(folder))
            except PenstockError as error:
                raise PenstockError(f"{self._name}: {error}") from None

    def _verdict(self, version: str) -> Verdict | None:
        """Return what the comparison with the champion says; None without a champion."""
        if not self.champion:
            return None
        known = self._challenge.verdict_on(self._name, version, self.champion)
        return known or self._challenge.judge(self._name, version, self.champion)

    def rollback(self, reason: str) -> None:
        """Make the champion before the present one champion again; print what has changed.

        Args:
            reason: Why; it is recorded.

        Raises:
            PenstockError: There is no earlier champion whose file MLflow still has.
            ChampionMovedError: Another process has moved the alias meanwhile.
        """
        former = former_champions(self.history())
        for version in former:
            if problem := self._problem_of(version):
                console.warn(f"{self._name}: version {version} is left out: {problem}")
                continue
            left = self.champion
            self._move(Kind.ROLLBACK, version, reason, {})
            if left:
                self._registry.explain(self._name, left, f"rolled back to version {version}: {reason}", {})
            return
        raise PenstockError(f"{self._name}: no champion before {self._shown()}; `penstock history {self._name}`")

    def _problem_of(self, version: str) -> str:
        """Return why a version cannot become champion again; empty if it can."""
        try:
            if self._tags(version).get(GATE) == FAILED:
                return "it does not pass its gates any more"
            self._require_file(version)
        except PenstockError as error:
            return str(error)
        return ""

    def _shown(self) -> str:
        return f"version {self.champion}" if self.champion else "now"

    def _move(self, kind: Kind, version: str, reason: str, evidence: Mapping[str, Any]) -> None:
        previous = self.champion
        move = Move(
            number=0,
            kind=kind,
            version=version,
            previous=previous,
            sha256=self._challenge.sha256_of(self._name, version),
            reason=reason,
            evidence=evidence,
        )
        self._registry.move(self._name, move)
        text = f"champion moved from version {previous} to {version}" if previous else f"champion is version {version}"
        console.stage_line(kind, self._name, f"{text}: {reason}")


def _evidence(verdict: Verdict) -> dict[str, Any]:
    """Return the figures, and whether a person overrides what they say."""
    return {OVERRIDES: not verdict.promoted, COMPARISON: verdict.reason, **verdict.evidence}


def comparison_text(evidence: Mapping[str, Any]) -> str:
    """Return what the comparison said about a version that was promoted by hand; empty if there was none."""
    if COMPARISON not in evidence:
        return ""
    return f"{'against' if evidence[OVERRIDES] else 'as'} the comparison: {evidence[COMPARISON]}"


def document(moves: Sequence[Move]) -> list[dict[str, Any]]:
    """Return moves as JSON."""
    return [
        {
            "number": move.number or None,
            "time": move.time.isoformat() if move.time else None,
            "by": move.kind,
            "user": move.user or None,
            "previous": move.previous or None,
            "version": move.version or None,
            "sha256": move.sha256 or None,
            "reason": move.reason,
            "evidence": dict(move.evidence),
        }
        for move in moves
    ]
