"""`penstock new`: write a dataset or a model into params.yaml."""

from __future__ import annotations

import argparse

from penstock.core.paths import Project

KINDS = ("table", "image", "text")


def add_new_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line; its libraries are imported when it runs."""
    new = commands.add_parser("new", help="write a dataset of your own, or a model, into params.yaml")
    kinds = new.add_subparsers(required=True, metavar="dataset | model")
    _add_dataset(kinds.add_parser("dataset", help="look at data, and write dataset, baseline and a first model"))
    _add_model(kinds.add_parser("model", help="write a model of a dataset"))


def _add_dataset(dataset: argparse.ArgumentParser) -> None:
    dataset.description = (
        "Look at data, and write into params.yaml: the dataset with all that was seen, a baseline, and a first model. "
        "It shows what it assumed, overwrites nothing, and writes nothing if something is wrong."
    )
    add = dataset.add_argument
    add("name", metavar="NAME", help="name of the dataset")
    add(
        "--from",
        dest="source",
        required=True,
        metavar="PATH_OR_URL",
        help="a table (.csv, .tsv, .parquet, .jsonl), or a folder or .zip with a folder of images or texts per class",
    )
    add("--test", metavar="PATH", help="file of the test rows, beside the other one (default: 20 %% of the rows)")
    add("--target", type=_names, default=(), metavar="COLUMN", help="what is predicted; several with commas between")
    add("--kind", choices=KINDS, help="what is read (default: as the data look)")
    add("--leave-out", type=_names, default=(), metavar="COLUMN,...", help="columns that no model reads")
    add("--group", metavar="COLUMN", help="rows of one value, such as a patient, stay on one side of the split")
    add("--time", metavar="COLUMN", help="the last rows by this column are test")
    dataset.set_defaults(run=_new_dataset)


def _add_model(model: argparse.ArgumentParser) -> None:
    add = model.add_argument
    add("name", metavar="NAME", help="name of the model")
    add("--dataset", required=True, metavar="DATASET", help="a dataset of params.yaml")
    add(
        "--network",
        metavar="KIND",
        help="kind of the network (default: by the kind of data); module: one of your own, in NAME.py",
    )
    model.set_defaults(run=_new_model)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _new_dataset(chosen: argparse.Namespace) -> None:
    from penstock.new.dataset import Request, new_dataset

    new_dataset(
        Project.find(),
        Request(
            name=chosen.name,
            source=chosen.source,
            test=chosen.test,
            target=chosen.target,
            kind=chosen.kind,
            leave_out=chosen.leave_out,
            group=chosen.group,
            time=chosen.time,
        ),
    )


def _new_model(chosen: argparse.Namespace) -> None:
    from penstock.new.model import new_model

    new_model(Project.find(), chosen.name, chosen.dataset, chosen.network)
