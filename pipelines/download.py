"""Download one dataset's official files: python pipelines/download.py mnist"""

from penstock.config import Config
from penstock.console import file_size, note, stage_line
from penstock.data.download import download
from penstock.project import Project
from penstock.stage import run_stage


def main(project: Project, config: Config, name: str) -> None:
    dataset = config.dataset(name)
    folder = project.raw(name)
    fetched = download(
        name,
        dataset,
        config.download,
        folder=folder,
        scratch=project.scratch / "downloads",
        root=project.root,
    )
    size = file_size(sum(file.bytes for file in dataset.files.values()))
    files = "1 file" if len(fetched) == 1 else f"{len(fetched)} files"
    stage_line("download", name, f"{files}, {size} -> {project.shown(folder)}")
    for file in fetched:
        note(f"{file.name} from {file.source}")


if __name__ == "__main__":
    run_stage(main, "datasets")
