"""`penstock results`: print the table of results."""

from __future__ import annotations

import argparse

from penstock.core.paths import Project


def add_results_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line; its libraries are imported when it runs."""
    results = commands.add_parser("results", help="print the table of results")
    results.set_defaults(run=_results)


def _results(_chosen: argparse.Namespace) -> None:
    from penstock.config.loading import load_config
    from penstock.reporting.results import gather, show
    from penstock.tracking.queries import training_seconds

    project = Project.find()
    config = load_config(project.params)
    show(gather(project, config, training_seconds(project, config)))
