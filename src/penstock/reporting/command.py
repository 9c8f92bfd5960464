"""`penstock card`: the model card of a model."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_card_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line; its libraries are imported when it runs."""
    command = commands.add_parser("card", help="write the model card of a model, in the format of Hugging Face")
    command.add_argument("model", help="name of the model")
    command.add_argument("--output", type=Path, metavar="FILE", help="write this file, such as README.md (stdout)")
    command.set_defaults(run=_run)


def _run(chosen: argparse.Namespace) -> None:
    from penstock.config.loading import load_config
    from penstock.core.errors import ConfigError
    from penstock.core.paths import Project
    from penstock.io.files import write_text
    from penstock.reporting.card import model_card
    from penstock.tracking.environment import git_commit

    if chosen.output and chosen.output.is_dir():
        raise ConfigError(f"--output {chosen.output}: a folder; name a file, such as {chosen.output / 'README.md'}")
    project = Project.find()
    commit = git_commit(project)
    card = model_card(project, load_config(project.params), chosen.model, None if commit == "none" else commit)
    if chosen.output is None:
        print(card, end="")
        return
    write_text(chosen.output, card)
    print(f"{chosen.output}: written")
