"""Show all results in the terminal and on one page: python pipelines/report.py"""

import workspace  # noqa: F401

from penstock.config.params import Config
from penstock.core.console import output, stage_line
from penstock.core.paths import Project
from penstock.core.plurals import counted
from penstock.orchestration.resources import use_threads
from penstock.orchestration.stage_runner import run_whole_stage
from penstock.reporting.page import write_model_page, write_page
from penstock.reporting.results import gather, show
from penstock.tracking.queries import training_seconds


def main(project: Project, config: Config) -> None:
    use_threads(config.trainer.threads)  # those of the validate stage
    results = gather(project, config, training_seconds(project, config))
    page = write_page(project, config, results)
    write_model_page(project, config, results)
    stage_line("report", "all", f"{counted(len(results), 'model')} -> {project.shown(page)}")
    output.print()
    show(results)
    output.print()
    output.print(f"Look at {project.shown(page)}; compare runs with `make ui`; serve the models with `make serve`.")


if __name__ == "__main__":
    run_whole_stage(main)
