"""Run benchmarks, print a table, and save the rows in results.json: `python -m benchmarks [NAME...]`."""

from __future__ import annotations

import argparse
from importlib import import_module

from benchmarks import results
from penstock.config.loading import load_config
from penstock.core.paths import Project
from penstock.orchestration.resources import use_threads

ALL = (
    "training_step",
    "keras_epochs",
    "seconds_to_score",
    "preprocessing",
    "memory",
    "noop_repro",
    "search",
    "own_data",
)

OF_EACH_MODEL = {"training_step", "keras_epochs", "search"}

parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
parser.add_argument("name", nargs="*", choices=[*ALL, []], help="what to measure (all of it)")
parser.add_argument("--model", help="of the models only this one")
parser.add_argument("--epochs", type=int, help="of keras_epochs only so many, at least 3, and so no scores")
chosen = parser.parse_args()
if chosen.model and not {*chosen.name} & OF_EACH_MODEL:
    parser.error(f"--model is for {' and '.join(sorted(OF_EACH_MODEL))}; name one of them")
project = Project.find()
config = load_config(project.params)
if chosen.model:
    config = config.model_copy(update={"models": {chosen.model: config.model(chosen.model)}})
use_threads(config.trainer.threads)
rows = []
for name in chosen.name or ALL:
    options = {"epochs": chosen.epochs} if name == "keras_epochs" else {}
    for row in import_module(f"benchmarks.{name}").measure(project, config, **options):
        results.show([row])
        results.keep([row])  # saved at once, since a later benchmark may fail
        rows.append(row)
results.show(rows)
