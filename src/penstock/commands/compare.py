"""`penstock compare`: compare models on the same test rows, by a paired test."""

from __future__ import annotations

import argparse
import json
import sys

from penstock.core.arguments import significance_level
from penstock.core.errors import ComparisonError, PenstockError, explain
from penstock.core.paths import Project


def add_compare_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line; its libraries are imported when it runs."""
    compare = commands.add_parser("compare", help="compare models on the same test rows, by a paired test")
    compare.description = "Compare models on the same test rows, each with the first, by a paired test."
    compare.epilog = (
        "A model is, in this order: the path of an .onnx file; a model of params.yaml, with .int8 its int8 file; "
        "NAME@REVISION, of git or a DVC experiment; models:/NAME@ALIAS or models:/NAME/VERSION; the ID of an MLflow "
        "run; a revision alone where one model is meant. Exit code: 0; 1 if a model is significantly worse than the "
        "first; 2 if they cannot be compared."
    )
    add = compare.add_argument
    add("first", metavar="A", help="the model that the others are compared with")
    add("others", metavar="B", nargs="+", help="other models")
    add("--alpha", type=significance_level, default=0.05, help="significance level (default: 0.05)")
    form = compare.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="print Markdown, as for a pull request")
    form.add_argument("--json", action="store_true", help="print JSON, with every class and row of disagreement")
    compare.set_defaults(run=_compare)


def _compare(chosen: argparse.Namespace) -> None:
    try:
        any_worse = _print_comparison(chosen)
    except (PenstockError, OSError) as error:  # exit code 1 says that a model is worse
        raise ComparisonError(explain(error)[0]) from None
    sys.exit(1 if any_worse else 0)


def _print_comparison(chosen: argparse.Namespace) -> bool:
    """Compare models, and return whether one is significantly worse than the first."""
    from penstock.comparison.compare import compare
    from penstock.comparison.output import document, markdown, print_comparison
    from penstock.config.loading import load_config
    from penstock.lookup.locate import open_locator
    from penstock.orchestration.resources import use_threads

    project = Project.find()
    config = load_config(project.params)
    use_threads(config.trainer.threads)  # those of the validate stage
    with open_locator(project, config) as locator:
        candidates, records = zip(*locator.locate([chosen.first, *chosen.others]), strict=True)
        comparison = compare(project, config, candidates, chosen.alpha)
        if chosen.json:
            print(json.dumps(document(comparison, records), indent=2, ensure_ascii=False))
        elif chosen.markdown:
            print(markdown(comparison, records), end="")
        else:
            print_comparison(comparison, records)
    return comparison.any_worse
