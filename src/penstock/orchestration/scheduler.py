"""Run the stages of a DVC pipeline in parallel: `penstock repro`.

DVC runs stages one after another. But it releases its lock while the command of a stage runs, and merges what each
process writes into dvc.lock. So every stage here is a process of its own, `dvc repro --single-item STAGE`, started when
all that it depends on is done. What a stage reads, writes and caches is up to DVC.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from queue import SimpleQueue
from threading import Lock

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.stage import PipelineStage, Stage
from dvc.utils.serialize import modify_yaml, parse_yaml

from penstock.core import console
from penstock.core.errors import StageError
from penstock.core.paths import Project
from penstock.core.signals import children_interrupted_with_us
from penstock.orchestration.dvc_patches import DVC, get_active_graph, patch_dvc, plan_repro
from penstock.orchestration.stage_timings import StageTimings

LAST = "report"  # prints the table of results, which belongs at the end of the output
UP_TO_DATE = "nothing to do: all stages are up to date"


def repro(
    root: Path, targets: Sequence[str], jobs: int, gpus: Sequence[str] = (), epochs: Mapping[str, int] | None = None
) -> None:
    """Run the stages that are not up to date, up to `jobs` at once; the outcome is that of `dvc repro`.

    A stage that fails stops only the stages that depend on it. An interruption is passed on to the running stages, and
    no other stage is started.

    Args:
        root: Folder of the project, which the targets are relative to.
        targets: Stages, or files of stages, with all that they need; dvc.yaml if empty.
        gpus: Values of CUDA_VISIBLE_DEVICES, assigned to the jobs in turn; every stage sees all GPUs if empty.
        epochs: Of stages by address; stages that have not run here are scheduled by them. 1 if not given.

    Raises:
        StageError: Stages failed (the message names them, and those that could not run without them), or DVC cannot
            read the pipeline.
    """
    patch_dvc()
    try:
        with chdir(root), Repo(_wait_for_lock=True) as repo:
            plan = _plan(repo, targets)
            runner = _Runner(repo, plan, jobs, gpus, StageTimings(Project(root).stage_timings), epochs or {})
            with _locks_in_plan_order(plan, repo):
                succeeded = runner.run()
    except DvcException as error:
        raise StageError(str(error)) from None
    failed = [name for name, success in succeeded.items() if not success]
    left = [name for name in plan if name not in succeeded]
    if failed:
        without = f"; not run without {'it' if len(failed) == 1 else 'them'}: {', '.join(left)}" if left else ""
        raise StageError(f"{', '.join(failed)} failed{without}")
    if not runner.started_any:
        console.output.print(UP_TO_DATE)


@dataclass(frozen=True)
class _Planned:
    stage: Stage
    needs: frozenset[str]


def _plan(repo: Repo, targets: Sequence[str]) -> dict[str, _Planned]:
    """Return the stages by address, in the order in which DVC would run them."""
    graph = get_active_graph(repo.index.graph)
    wanted = [stage for target in targets or ["dvc.yaml"] for stage in _stages(repo, target)]
    steps: list[Stage] = plan_repro(graph, wanted)
    return {
        stage.addressing: _Planned(stage, frozenset(needed.addressing for needed in graph.successors(stage)))
        for stage in steps
    }


def _stages(repo: Repo, target: str) -> list[Stage]:
    """Return the stages of a target; DVC itself would parse a whole file of stages again."""
    known = [stage for stage in repo.index.stages if stage.path_in_repo == target]
    return known or list(repo.stage.collect(target))


class _Runner:
    """Start each stage of a plan when all that it depends on is done."""

    def __init__(
        self,
        repo: Repo,
        plan: Mapping[str, _Planned],
        jobs: int,
        gpus: Sequence[str],
        timings: StageTimings,
        epochs: Mapping[str, int],
    ) -> None:
        self.repo = repo
        self.plan = plan
        self.jobs = jobs
        self._environments = _environments(jobs, gpus)
        self._timings = timings
        self._order = _longest_chain_first(plan, timings, epochs)
        self._sorter = TopologicalSorter({name: planned.needs for name, planned in plan.items()})
        self._ready: list[str] = []
        self._running: dict[Future[float | None], str] = {}
        self._succeeded: dict[str, bool] = {}
        self._starting = Lock()
        self._stopped = False
        self.started_any = False

    def run(self) -> dict[str, bool]:
        """Run the plan; return whether each stage that could run succeeded. A stage that is up to date did."""
        self._sorter.prepare()
        with ThreadPoolExecutor(self.jobs) as pool, children_interrupted_with_us(), self._no_later_start():
            while True:
                while len(self._running) < self.jobs and (name := self._next_stale()):
                    self.started_any = True
                    self._running[pool.submit(self._run_one, name)] = name
                if not self._running:
                    return self._succeeded
                for future in wait(self._running, return_when=FIRST_COMPLETED).done:
                    name, seconds = self._running.pop(future), future.result()
                    if seconds is not None:
                        self._timings.keep(name, seconds)
                    self._done(name, success=seconds is not None)

    @contextmanager
    def _no_later_start(self) -> Iterator[None]:
        """Start no process after the block, so that an interruption reaches every child of this process."""
        try:
            yield
        finally:
            with self._starting:
                self._stopped = True

    def _next_stale(self) -> str | None:
        """Return the next stage that is ready and not up to date; mark those that are up to date as done."""
        while self._ready or self._sorter.is_active():
            self._ready = sorted([*self._ready, *self._sorter.get_ready()], key=self._order.__getitem__)
            if not self._ready or (self._ready == [LAST] and self._running):
                break
            name = self._ready.pop(0)
            with self.repo.lock:
                if self.plan[name].stage.changed():
                    return name
            self._done(name, success=True)
        return None

    def _done(self, name: str, *, success: bool) -> None:
        self._succeeded[name] = success
        if success:
            self._sorter.done(name)

    def _run_one(self, name: str) -> float | None:
        """Run one stage in its own process, its name before each line; return its seconds, or None if it failed."""
        begun = time.monotonic()
        environment = self._environments.get()
        last = len(self._succeeded) == len(self.plan) - 1
        title = "" if last else f"{name:<{max(map(len, self.plan))}} | "
        command = [*DVC, "--wait-for-lock", "repro", "--single-item", name]
        try:
            with self._starting:
                if self._stopped:
                    return None
                process = subprocess.Popen(
                    command, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
                )
            with process:
                assert process.stdout is not None
                for line in process.stdout:
                    text = line.decode(errors="replace").rstrip()
                    console.output.print(f"{title}{text}", markup=False, emoji=False)
            return time.monotonic() - begun if process.returncode == 0 else None
        finally:
            self._environments.put(environment)


def _longest_chain_first(
    plan: Mapping[str, _Planned], timings: StageTimings, epochs: Mapping[str, int]
) -> dict[str, int]:
    """Rank the stages by the expected seconds of the longest chain that each one starts, longest first.

    Stages of equal length stay in DVC's order; LAST comes at the end.
    """
    seconds = timings.expected({name: epochs.get(name, 1) for name in plan})
    lengths: dict[str, float] = {}
    for name in reversed(list(plan)):
        behind = max((lengths[other] for other in lengths if name in plan[other].needs), default=0)
        lengths[name] = behind + seconds[name]
    return {name: place for place, name in enumerate(sorted(plan, key=lambda name: (name == LAST, -lengths[name])))}


def _environments(jobs: int, gpus: Sequence[str]) -> SimpleQueue[dict[str, str]]:
    """Return the environment variables of each job."""
    environments: SimpleQueue[dict[str, str]] = SimpleQueue()
    for job in range(jobs):
        environments.put({"CUDA_VISIBLE_DEVICES": gpus[job % len(gpus)]} if gpus else {})
    return environments


@contextmanager
def _locks_in_plan_order(plan: Mapping[str, _Planned], repo: Repo) -> Iterator[None]:
    """Sort what the block adds to a dvc.lock by the plan, whichever stage finished first."""
    files: dict[Path, list[str]] = {}
    for stage in (planned.stage for planned in plan.values()):
        if isinstance(stage, PipelineStage):
            files.setdefault(lock_of(stage), []).append(stage.name)
    before = {lock: _text(lock) for lock in files}
    try:
        yield
    finally:
        for lock, names in files.items():
            if _text(lock) != before[lock]:
                known = _names(before[lock], lock)
                _put_in_order(repo, lock, [*known, *(name for name in names if name not in known)])


def lock_of(stage: PipelineStage) -> Path:
    return Path(stage.dvcfile._lockfile.path)  # DVC has no public way to it


def _put_in_order(repo: Repo, lock: Path, order: Sequence[str]) -> None:
    now = _names(_text(lock), lock)
    wanted = [name for name in order if name in now]
    if now != wanted:
        with repo.lock, repo.scm_context as git, modify_yaml(str(lock)) as content:
            for name in wanted:
                content["stages"].move_to_end(name)
            git.track_file(str(lock))


def _text(lock: Path) -> str:
    return lock.read_text(encoding="utf-8") if lock.is_file() else ""


def _names(text: str, lock: Path) -> list[str]:
    return list(parse_yaml(text, str(lock)).get("stages", {}))
