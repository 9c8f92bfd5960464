"""Measure one baseline that needs no network: python pipelines/baseline.py mnist_linear"""

from importlib import import_module

from penstock.config import Config
from penstock.console import figures, stage_line
from penstock.data.processed import Processed
from penstock.files import write_json
from penstock.project import Project
from penstock.stage import run_stage


def main(project: Project, config: Config, name: str) -> None:
    settings = config.baseline(name)
    measure = import_module(f"penstock.baselines.{settings.kind}").measure
    found = measure(settings, Processed(project.processed(settings.dataset)), project.raw(settings.dataset))
    folder = project.baseline(name)
    write_json(folder / "baseline.json", found)
    stage_line("baseline", name, f"test {figures(found)} -> {project.shown(folder)}")


if __name__ == "__main__":
    run_stage(main, "baselines")
