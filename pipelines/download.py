"""Download the official files of one dataset: python pipelines/download.py mnist"""

import workspace  # noqa: F401

from penstock.config.params import Config
from penstock.core.console import file_size, note, stage_line
from penstock.core.paths import Project
from penstock.data.download import download
from penstock.orchestration.stage_runner import run_stage


def main(project: Project, config: Config, name: str) -> None:
    dataset = config.dataset(name)
    folder = project.raw(name)
    scratch = project.scratch / "downloads"
    for file in download(name, dataset, config.download, folder=folder, scratch=scratch, root=project.root):
        note(f"{file.name} from {file.source}")
    size = file_size(sum(file.bytes for file in dataset.files.values()))
    files = "1 file" if len(dataset.files) == 1 else f"{len(dataset.files)} files"
    stage_line("download", name, f"{files}, {size} -> {project.shown(folder)}")


if __name__ == "__main__":
    run_stage(main, "datasets")
