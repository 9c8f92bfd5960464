"""`penstock update`: record the edited files of a dataset."""

from __future__ import annotations

import argparse

from penstock.core.paths import Project


def add_update_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line; its libraries are imported when it runs."""
    update = commands.add_parser("update", help="record the edited files of a dataset in params.yaml")
    update.description = (
        "Read the files of a dataset, and write their sizes, hashes and numbers of rows into params.yaml, so that the "
        "next `dvc repro` runs on them. It writes nothing if a row is not as declared. For an upgrade of penstock, see "
        "`penstock init --update`."
    )
    update.add_argument("dataset", metavar="DATASET", help="a dataset of params.yaml")
    update.add_argument(
        "--from",
        dest="source",
        metavar="FOLDER",
        help="the folder with a folder of images or texts per class, to pack again",
    )
    update.set_defaults(run=_run)


def _run(chosen: argparse.Namespace) -> None:
    from penstock.new.update import update_dataset

    update_dataset(Project.find(), chosen.dataset, chosen.source)
