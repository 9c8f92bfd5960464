"""`penstock init`: a project in a folder of one's own, without a clone of Penstock."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_init_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line; its libraries are imported when it runs."""
    command = commands.add_parser("init", help="make a folder a Penstock project: params.yaml, dvc.yaml, pipelines/")
    command.add_argument("folder", nargs="?", type=Path, default=Path(), help="default: the working directory")
    command.add_argument(
        "--update",
        action="store_true",
        help="after an upgrade of penstock: write dvc.yaml and pipelines/ anew, so that exactly the stages whose code "
        "differs run again; params.yaml stays",
    )
    command.set_defaults(run=_run)


def _run(chosen: argparse.Namespace) -> None:
    from penstock.new.project import init_project, update_project

    root = chosen.folder.resolve()
    for line in update_project(root) if chosen.update else init_project(root):
        print(line)
