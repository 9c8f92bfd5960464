"""The moves of the alias `champion`, and the champions that they make."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from penstock.core.errors import PenstockError


class Kind(StrEnum):
    """What moved the alias."""

    REGISTER = "register"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    WITHDRAW = "withdraw"
    OTHER = "not Penstock"
    """Another program, such as the MLflow UI; the record shows it by the champion that the next move found."""


@dataclass(frozen=True, kw_only=True)
class Move:
    """A move of the alias from one version to another; an empty version is no champion."""

    number: int
    """Position in the record, from 1; 0 if the move is not in the record."""
    kind: Kind
    version: str
    previous: str
    sha256: str = ""
    """Of the ONNX file of `version`; empty if it is not known."""
    time: datetime | None = None
    """None if it is not known."""
    user: str = ""
    reason: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """Figures of both versions."""
    key: str = field(default_factory=lambda: secrets.token_hex(8))
    """Random, so that the moves of two processes are never equal."""

    def text(self) -> str:
        """Return the move as JSON; its number is the key of the record."""
        content = asdict(self) | {"time": self.time.isoformat() if self.time else None}
        del content["number"]
        return json.dumps(content, ensure_ascii=False)

    @classmethod
    def parse(cls, number: int, text: str) -> Move:
        """Parse what `text` returned.

        Raises:
            PenstockError: The text is something else.
        """
        try:
            content = json.loads(text)
            time = datetime.fromisoformat(content["time"]) if content["time"] else None
            return cls(**content | {"number": number, "time": time, "kind": Kind(content["kind"])})
        except (KeyError, TypeError, ValueError):
            remedy = "a new record begins when you delete the tag penstock.record of the registered model"
            raise PenstockError(f"move {number} of the record of champions in MLflow is damaged; {remedy}") from None


def with_other_moves(moves: Sequence[Move], champion: str) -> list[Move]:
    """Insert the moves that Penstock did not make.

    Args:
        moves: The record.
        champion: The version that has the alias now.
    """
    found: list[Move] = []
    for move in moves:
        found += [*_other(found, move.previous), move]
    return [*found, *_other(found, champion)]


def _other(before: Sequence[Move], champion: str) -> Iterator[Move]:
    expected = before[-1].version if before else ""
    if champion != expected:
        reason = "moved by another program, such as the MLflow UI" if before else "champion before the record begins"
        yield Move(number=0, kind=Kind.OTHER, version=champion, previous=expected, reason=reason)


def former_champions(moves: Sequence[Move]) -> list[str]:
    """Return the versions that a rollback goes back to, the nearest first.

    A rollback removes the champions that it goes back over, and a withdrawal the champion that it withdraws, so a
    repeated rollback goes further back.

    Args:
        moves: All moves, those of other programs included.
    """
    champions: list[str] = []
    for move in moves:
        if move.kind is Kind.ROLLBACK and move.version in champions:
            del champions[champions.index(move.version) + 1 :]
        elif move.version:
            champions = [one for one in champions if one != move.version] + [move.version]
        elif champions:
            champions.pop()
    current = moves[-1].version if moves else ""
    return [version for version in reversed(champions) if version != current]


def champion_at(moves: Sequence[Move], time: datetime, now: datetime) -> tuple[Move | None, Move | None]:
    """Find the champion of a time.

    A move of another program has no time. It counts from the next move on, or else from now on.

    Args:
        moves: All moves, those of other programs included.
        time: The time.
        now: The present time.

    Returns:
        The move that made the champion, None if there was none; and a move of another program that may have been made
        before this time already, or None.
    """
    count = sum(1 for position in range(len(moves)) if _known_time(moves, position, now) <= time)
    found = moves[count - 1] if count else None
    unsure = moves[count] if count < len(moves) and moves[count].time is None else None
    return found if found and found.version else None, unsure


def _known_time(moves: Sequence[Move], position: int, now: datetime) -> datetime:
    """Return the time from which a move counts; the champion before the record begins has always been it."""
    if position == 0 and moves[0].time is None:
        return datetime.min.replace(tzinfo=UTC)
    return next((move.time for move in moves[position:] if move.time), now)


def end_of(text: str) -> datetime:
    """Parse a date, which means its last moment, or a date with a time; without a zone it is local time.

    Raises:
        ValueError: The text is neither, or no time that the calendar of Python has.
    """
    try:
        time = datetime.fromisoformat(text).astimezone()
        is_date = len(text) <= len("2026-11-28")
        return time + timedelta(days=1) - timedelta(microseconds=1) if is_date else time
    except OverflowError as error:
        raise ValueError(str(error)) from None
