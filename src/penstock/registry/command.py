"""Define the commands of the model registry: `penstock register`, `promote`, `rollback`, `history` and `champion`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from penstock.core.arguments import positive_int
from penstock.core.errors import PenstockError

if TYPE_CHECKING:  # imports MLflow
    from penstock.registry.moves import Move
    from penstock.registry.promote import Champions

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

MAX_REASON = 1000
NAME_HELP = "name of the registered model: a model of params.yaml, or with .int8 its int8 file"
ROLLED_BACK = "rolled back"
REASON_WIDTH = 46  # so that `penstock history` fits into 100 columns


def add_registry_commands(commands: Commands) -> None:
    """Add the commands to the command line; their libraries are imported when they run."""
    _add_register(commands)
    _add_promote(commands)
    _add_rollback(commands)
    _add_history(commands)
    _add_champion(commands)


def _add_register(commands: Commands) -> None:
    register = commands.add_parser(
        "register", help="register the validated models in MLflow, and make those that are better champions"
    )
    register.description = (
        "Register the validated models as challengers in MLflow. A challenger becomes champion if it is better than "
        "the champion on the same test rows, by the rules of `promotion` in params.yaml."
    )
    register.add_argument("model", nargs="*", help="models to compare (default: all, and those that are gone)")
    register.add_argument(
        "--check", action="store_true", help="show what differs and change nothing; exit with 1 if anything does"
    )
    register.set_defaults(run=_register)


def _add_promote(commands: Commands) -> None:
    promote = commands.add_parser("promote", help="make a registered version champion, whatever the comparison says")
    promote.description = "Make a version that has passed its gates champion. The comparison is recorded with the move."
    promote.add_argument("model", help=NAME_HELP)
    promote.add_argument("--version", type=positive_int, help="version to promote (default: the challenger)")
    promote.add_argument("--reason", type=_reason, required=True, help="why; it is recorded")
    promote.set_defaults(run=_promote)


def _add_rollback(commands: Commands) -> None:
    rollback = commands.add_parser("rollback", help="make the champion before the present one champion again")
    rollback.description = "Make the champion before the present one champion again. Repeated, it goes further back."
    rollback.add_argument("model", help=NAME_HELP)
    rollback.add_argument("--reason", type=_reason, default=ROLLED_BACK, help="why; it is recorded")
    rollback.set_defaults(run=_rollback)


def _add_history(commands: Commands) -> None:
    history = commands.add_parser("history", help="show every move of the champion of a registered model")
    history.add_argument("model", help=NAME_HELP)
    history.add_argument("--json", action="store_true", help="print JSON, with the figures of every move")
    history.set_defaults(run=_history)


def _add_champion(commands: Commands) -> None:
    champion = commands.add_parser("champion", help="show the champion of a registered model, now or at a date")
    champion.description = "Show the champion, and since when. Exit code 1 if there is or was none."
    champion.add_argument("model", help=NAME_HELP)
    champion.add_argument(
        "--at",
        type=_time,
        metavar="DATE",
        help="2026-11-28 (its end), or 2026-11-28T14:30, with a time zone such as +02:00 or in local time",
    )
    champion.add_argument("--json", action="store_true", help="print JSON")
    champion.set_defaults(run=_champion)


def _reason(text: str) -> str:
    reason = " ".join(text.split())
    if not reason or len(reason) > MAX_REASON:
        raise argparse.ArgumentTypeError(f"write a reason of 1 to {MAX_REASON} characters")
    return reason


def _time(text: str) -> datetime:
    from penstock.registry.moves import end_of

    try:
        return end_of(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date such as 2026-11-28 or 2026-11-28T14:30") from None


def _register(chosen: argparse.Namespace) -> None:
    from penstock.config.loading import load_config
    from penstock.core.paths import Project
    from penstock.registry.register import register_models

    project = Project.find()
    if not register_models(project, load_config(project.params), chosen.model, check=chosen.check):
        sys.exit(1)


@contextmanager
def _champions(chosen: argparse.Namespace) -> Iterator[Champions]:
    from penstock.config.loading import load_config
    from penstock.core.paths import Project
    from penstock.registry.promote import open_champions

    project = Project.find()
    with open_champions(project, load_config(project.params), chosen.model) as champions:
        yield champions


def _promote(chosen: argparse.Namespace) -> None:
    with _champions(chosen) as champions:
        champions.promote(str(chosen.version or ""), chosen.reason)


def _rollback(chosen: argparse.Namespace) -> None:
    with _champions(chosen) as champions:
        champions.rollback(chosen.reason)


def _history(chosen: argparse.Namespace) -> None:
    with _champions(chosen) as champions:
        moves, champion = champions.history(), champions.champion
    if chosen.json:
        from penstock.registry.promote import document

        print(json.dumps(document(moves), indent=2, ensure_ascii=False))
    else:
        _print_history(chosen.model, moves, champion)


def _print_history(name: str, moves: Sequence[Move], champion: str) -> None:
    from rich.markup import escape
    from rich.table import Table

    from penstock.core import console
    from penstock.registry.promote import comparison_text

    console.output.print(f"{name}: {f'champion is version {champion}' if champion else 'there is no champion'}")
    if not moves:
        return
    table = Table("#", "time", "champion", "by", "user", "reason", box=None, pad_edge=False, header_style="bold")
    *facts, reason_column = table.columns
    for column in facts:
        column.no_wrap = True
    reason_column.max_width = REASON_WIDTH
    for move in moves:
        reason = "\n".join(filter(None, (move.reason, comparison_text(move.evidence))))
        cells = [str(move.number or ""), _shown_time(move), _versions(move), move.kind, move.user, reason]
        table.add_row(*map(escape, cells))
    console.print_table(table)


def _versions(move: Move) -> str:
    version = move.version or "none"
    return f"{move.previous} -> {version}" if move.previous else version


def _shown_time(move: Move) -> str:
    return f"{move.time.astimezone():%Y-%m-%d %H:%M:%S}" if move.time else "not known"


def _champion(chosen: argparse.Namespace) -> None:
    from penstock.registry.moves import champion_at
    from penstock.registry.promote import document

    with _champions(chosen) as champions:
        now = datetime.now().astimezone()
        move, unsure = champion_at(champions.history(), chosen.at or now, now)
    if move is None:
        when = f"was no champion at {chosen.at:%Y-%m-%d %H:%M:%S %z}" if chosen.at else "is no champion"
        raise PenstockError(f"{chosen.model}: there {when}")
    if chosen.json:
        print(json.dumps(document([move])[0], indent=2, ensure_ascii=False))
        return
    since = _shown_time(move) if move.time else "a time that is not known"
    digest = f", sha256 {move.sha256[:12]}" if move.sha256 else ""
    print(f"{chosen.model}: version {move.version} since {since}{digest}; {move.kind}: {move.reason}")
    if unsure:
        print(f"or already version {unsure.version or 'none'}, by another program at a time that is not known")
