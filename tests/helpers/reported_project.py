"""A project with the repository's reports, in which nothing has run."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from penstock.config.loading import load_config
from penstock.core.paths import Project
from penstock.io.files import read_json, write_arrays, write_json
from penstock.reporting.page import write_page
from penstock.reporting.results import Result, gather


def reported_project(repository: Path, root: Path) -> Project:
    """Copy the settings and the reports, as a fresh clone has them, to a folder."""
    root.mkdir(exist_ok=True)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(repository / name, root)
    for name in ("reports", "tuned/reports"):
        shutil.copytree(repository / name, root / name)
    return Project(root)


def results_of(project: Project) -> list[Result]:
    return gather(project, load_config(project.params), {})


def page_of(project: Project) -> Path:
    """Write results/index.html."""
    return write_page(project, load_config(project.params), results_of(project))


def add_sections(project: Project, model: str, sections: Mapping[str, Any], **arrays: Any) -> None:
    """Add sections to the validation report of a documented model, and write its examples."""
    files = project.model(model, "models")
    write_json(files.validation_report, {**read_json(files.validation_report), **sections})
    write_arrays(files.examples, arrays)


def gray_images(count: int, seed: int = 0) -> np.ndarray[Any, Any]:
    """Draw images of noise, uint8 [count, 28, 28]."""
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28), dtype=np.uint8)
