"""Preprocess the raw files of one dataset into memory-mapped arrays: python pipelines/preprocess.py mnist"""

import workspace  # noqa: F401

from penstock.config.params import Config
from penstock.core.console import note, stage_line
from penstock.core.paths import Project
from penstock.core.plurals import counted
from penstock.data.preprocessing.findings.report import lines
from penstock.data.preprocessing.preprocess import preprocess
from penstock.io.files import write_json
from penstock.orchestration.stage_runner import run_stage


def main(project: Project, config: Config, name: str) -> None:
    folder = project.processed(name)
    report = preprocess(name, config.dataset(name), raw=project.raw(name), folder=folder)
    write_json(project.data_report(name), report)
    rows = " + ".join(f"{split['rows']:,} {part}" for part, split in report["splits"].items())
    stage_line("preprocess", name, f"{rows} rows of {report['shape']} -> {project.shown(folder)}")
    dropped = report["duplicates"]["dropped_from_training"]
    if dropped:
        note(f"{counted(dropped, 'training row')} dropped: seen before, or in test")
    for line in lines(report["findings"]):
        note(line)


if __name__ == "__main__":
    run_stage(main, "datasets")
