"""Say what a search would train, and what is known."""

from __future__ import annotations

from rich.table import Table

from penstock.core import console
from penstock.core.errors import ConfigError, first_line
from penstock.core.plurals import counted
from penstock.search.results import Results
from penstock.search.search_job import SearchJob
from penstock.search.status import settings_text
from penstock.search.storage import open_storage
from penstock.search.studies import load_study, studies_of
from penstock.tracking.known_results import known_results
from penstock.tracking.training_result import TrainingResult


def show_plan(job: SearchJob, storage: str) -> None:
    """Print what `penstock sweep` would do; it changes nothing but for the tables of an empty database."""
    known = known_results(job.project, job.config, job.model, job.provenance.data, job.objective.validation)
    with open_storage(storage) as opened:
        study = load_study(opened, job.study) if job.study in studies_of(opened, job.model) else None
        finished = len(study.finished(job.count)) if study else 0
        console.output.print(f"study {job.study}: {finished} of {counted(job.count, 'trial')} finished", markup=False)
        if job.is_grid:
            _show_grid(job, known, Results(opened.engine))
        else:
            _show_search(job, job.count - finished, known)


def _show_grid(job: SearchJob, known: dict[str, TrainingResult], results: Results) -> None:
    table = Table("trial", *job.space.dimensions, "", box=None, pad_edge=False, header_style="bold")
    to_train = 0
    for number, values in enumerate(job.points[: job.count]):
        remark = _remark(job, values, known, results)
        to_train += remark == "to train"
        table.add_row(str(number), *(str(values.get(key, "")) for key in job.space.dimensions), remark)
    console.print_table(table)
    console.output.print(f"{to_train} to train, {job.count - to_train} known", markup=False)


def _remark(job: SearchJob, values: dict[str, object], known: dict[str, TrainingResult], results: Results) -> str:
    try:
        key = job.provenance_of(job.config_with(values)).key
    except ConfigError as error:
        return f"fails: {first_line(error)}"
    found = results.get(key) or known.get(key)
    if found is None:
        return "to train"
    if found.score is None:
        return f"known: failed, {found.reason}"
    return f"known: {job.objective.name} {found.score:.4f}{f', run {found.run}' if found.run else ''}"


def _show_search(job: SearchJob, left: int, known: dict[str, TrainingResult]) -> None:
    ranges = {key: _range(values) for key, values in job.settings.model_dump(mode="json")["space"].items()}
    console.output.print(f"{left} to choose by TPE from: {settings_text(ranges)}", markup=False)
    text = "a trial with the same settings and code as one of them takes its score"
    console.output.print(
        f"known: {counted(len(known), 'training')} of {job.model} on these data in MLflow; {text}", markup=False
    )


def _range(values: object) -> str:
    if isinstance(values, dict):
        return f"{values['low']}..{values['high']}{' (log)' if values['log'] else ''}"
    return str(values)
