"""Print a chain: as a table, or as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.markup import escape

from penstock.core.console import output
from penstock.core.credentials import without_credentials
from penstock.core.plurals import counted
from penstock.lineage.chain import Chain
from penstock.lineage.links import Check, Link

COLORS = {"ok": "green", "broken": "bold red", "partly checked": "yellow", "not checked": "yellow"}
STATUS, NAME = 16, 16  # widths of the columns
INDENT = "  "


def print_chain(chain: Chain, *, every_check: bool) -> None:
    """Print one line for each link, and below it what is broken or not checked.

    Args:
        chain: The chain.
        every_check: Whether to print the checks that passed as well.
    """
    subject = chain.subject
    source = "" if subject.shown == subject.reference else f"  {_plain(subject.shown)}"
    output.print(f"[bold]{_plain(subject.reference)}[/]{source}\nsha256 {_plain(subject.sha256)}\n")
    for link in chain.links:
        color = COLORS[link.status]
        output.print(f"[{color}]{link.status:<{STATUS}}[/]{link.name:<{NAME}}{_plain(link.what)}")
        for line, style in _lines(link, every_check):
            output.print(f"{'':<{STATUS + NAME}}{_plain(line)}", style=style)
    output.print(f"\n{_plain(summary(chain))}", style="bold red" if _count(chain)["broken"] else None)


def summary(chain: Chain) -> str:
    """Return one line: how many links are intact, and the names of those that are broken."""
    count = _count(chain)
    broken = [link.name for link in chain.links if link.status == "broken"]
    named = f": {', '.join(broken)}" if broken else ""
    others = [f"{count[status]} {status}" for status in ("partly checked", "not checked") if count[status]]
    return ", ".join([f"{counted(count['ok'], 'link')} ok", *others, f"{count['broken']} broken{named}"])


def _count(chain: Chain) -> Counter[str]:
    return Counter(link.status for link in chain.links)


def _lines(link: Link, every_check: bool) -> Iterator[tuple[str, str]]:
    """Yield lines below a link, with their styles."""
    yield from ((note, "dim") for note in link.notes)
    for check in link.checks:
        if check.status == "broken":
            yield from ((line, "red") for line in _broken(check))
        elif check.status == "not checked":
            yield f"not checked: {check.text}", "dim"
        elif every_check:
            yield f"ok: {check.text}", "dim"


def _broken(check: Check) -> Iterator[str]:
    yield f"broken: {check.text}"
    if check.expected:
        yield f"{INDENT}found     {check.found or 'nothing'}"
        yield f"{INDENT}expected  {check.expected}"
    if check.remedy:
        yield f"{INDENT}{check.remedy}"


def _plain(text: str) -> str:
    """Return a text without credentials, control characters and rich's markup."""
    shown = "".join(one if one.isprintable() else "?" for one in without_credentials(text))
    return escape(shown)


def document(chain: Chain) -> dict[str, Any]:
    """Return the whole chain as JSON values."""
    subject = chain.subject
    return {
        "reference": without_credentials(subject.reference),
        "source": subject.shown,
        "sha256": subject.sha256,
        "intact": not _count(chain)["broken"],
        "links": [
            {
                "name": link.name,
                "status": link.status,
                "what": without_credentials(link.what),
                **link.facts,
                "checks": [asdict(check) for check in link.checks],
            }
            for link in chain.links
        ],
    }
