"""Links of a chain, and the checks of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

SHOWN = 12  # digits of a hash
Status = Literal["ok", "broken", "not checked"]
LinkStatus = Literal["ok", "broken", "partly checked", "not checked"]


@dataclass(frozen=True)
class Check:
    """One value that was computed again."""

    status: Status
    text: str
    """What was computed and what it was compared with; for "not checked", why not."""
    found: str = ""
    """The computed value of a broken link."""
    expected: str = ""
    """The value that it must have."""
    remedy: str = ""
    """What to do about a broken link."""


@dataclass(frozen=True)
class Link:
    """A link of the chain."""

    name: str
    what: str
    """What the link is, such as a path with its hash."""
    checks: Sequence[Check]
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Values for --json."""
    notes: Sequence[str] = ()
    """Lines for readers."""

    @property
    def status(self) -> LinkStatus:
        """Broken if any check is; "ok" if every check was made and passed."""
        found = {check.status for check in self.checks}
        if "broken" in found:
            return "broken"
        if "ok" not in found:
            return "not checked"
        return "partly checked" if "not checked" in found else "ok"

    @property
    def broken(self) -> list[Check]:
        return [check for check in self.checks if check.status == "broken"]


def unchecked(reason: str) -> Check:
    """Return a check that could not be made."""
    return Check("not checked", reason)


def compared(text: str, found: str, expected: str, remedy: str) -> Check:
    """Return the check that two values are the same.

    Args:
        text: What was computed.
        found: Its value.
        expected: The value that it must have.
        remedy: What to do if they differ.
    """
    if found == expected:
        return Check("ok", text)
    return Check("broken", text, found, expected, remedy)


def short(digest: str) -> str:
    """Return the first digits of a hash, for readers."""
    return digest[:SHOWN]


def is_intact(links: Iterable[Link]) -> bool:
    """Return whether no link is broken."""
    return all(link.status != "broken" for link in links)
