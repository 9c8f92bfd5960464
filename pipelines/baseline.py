"""Measure one baseline without a neural network: python pipelines/baseline.py mnist_linear"""

from importlib import import_module

import workspace  # noqa: F401

from penstock.config.params import Config
from penstock.core.console import format_metrics, stage_line
from penstock.core.paths import Project
from penstock.io.files import write_json
from penstock.io.processed_dataset import ProcessedDataset
from penstock.orchestration.stage_runner import run_stage


def main(project: Project, config: Config, name: str) -> None:
    settings = config.baseline(name)
    measure = import_module(f"penstock.baselines.{settings.kind}").measure
    dataset, processed = config.dataset(settings.dataset), ProcessedDataset(project.processed(settings.dataset))
    found = measure(settings, dataset, processed, project.raw(settings.dataset))
    folder = project.baseline(name)
    write_json(folder / "baseline.json", found)
    stage_line("baseline", name, f"test {format_metrics(found)} -> {project.shown(folder)}")


if __name__ == "__main__":
    run_stage(main, "baselines")
