"""Time `dvc repro` and `penstock repro` of an up-to-date pipeline, against as many empty DVC stages."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from ruamel.yaml import YAML

from benchmarks.pairs import Ratio, times_in_turns
from benchmarks.results import Row
from penstock.config.params import Config
from penstock.core.paths import Project

PAIRS = 7
DVC = [sys.executable, "-m", "dvc"]
REPRO = [*DVC, "repro", "--quiet"]
OURS = [sys.executable, "-m", "penstock.cli", "repro"]
COMMANDS = ("`dvc repro` that has nothing to do", "`penstock repro` that has nothing to do")
TARGET = 2.5


def measure(project: Project, _config: Config) -> Iterator[Row]:
    stages = len(_stages(project.root))
    with TemporaryDirectory() as folder:
        empty = Path(folder)
        _make_empty_pipeline(empty, stages)
        times = times_in_turns(
            PAIRS,
            lambda: _seconds(empty, *REPRO),
            lambda: _seconds(project.root, *REPRO),
            lambda: _seconds(project.root, *OURS),
        )
    against = f"a DVC pipeline of {stages} empty stages"
    for place, command in enumerate(COMMANDS, start=1):
        ratio = Ratio.of([seconds[place] / seconds[0] for seconds in times])
        yield Row(f"time of a {command}", against, ratio.value, ratio.iqr_half, TARGET, True)


def _stages(root: Path) -> list[str]:
    command = [*DVC, "stage", "list", "--name-only"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.split()


def _make_empty_pipeline(root: Path, stages: int) -> None:
    subprocess.run([*DVC, "init", "--quiet", "--no-scm"], cwd=root, check=True)
    entries = {f"s{number}": {"cmd": f"touch {number}", "outs": [f"{number}"]} for number in range(stages)}
    with (root / "dvc.yaml").open("w") as file:
        YAML().dump({"stages": entries}, file)
    _seconds(root, *REPRO)


def _seconds(root: Path, *command: str) -> float:
    begun = time.perf_counter()
    subprocess.run(command, cwd=root, check=True)
    return time.perf_counter() - begun
