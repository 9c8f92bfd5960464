"""`penstock adopt`: write the winner of a study into params.yaml."""

from __future__ import annotations

import argparse

from penstock.core.paths import Project


def add_adopt_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line; its libraries are imported when it runs."""
    command = commands.add_parser("adopt", help="write the best settings of a study into params.yaml")
    command.description = (
        "Write the best settings of a study of `penstock sweep` into params.yaml: only the lines that differ. It shows "
        "them, and which stages will run again."
    )
    add = command.add_argument
    add("study", help="name of the study")
    add("--as", dest="name", metavar="NAME", help="add a new model after the old one, which stays as it is")
    add("--force", action="store_true", help="adopt settings that are no better than the present ones, or outdated")
    add("--storage", metavar="URL", help="database of the studies (default: as for `penstock sweep`)")
    command.set_defaults(run=_run)


def _run(chosen: argparse.Namespace) -> None:
    from penstock.search.adopt import adopt
    from penstock.search.storage import open_storage, storage_url
    from penstock.search.studies import load_study

    project = Project.find()
    with open_storage(storage_url(project, chosen.storage)) as storage:
        adopt(project, load_study(storage, chosen.study), chosen.name, force=chosen.force)
