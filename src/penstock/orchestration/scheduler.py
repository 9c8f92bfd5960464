"""`penstock repro`: DVC's stages side by side.

DVC runs one stage after the other, but gives up its lock while a stage's command runs, and merges what each process
writes into dvc.lock. So every stage here is a `dvc repro --single-item` of its own, begun when all that it needs is
done; what it reads, writes and remembers is DVC's business, as ever.
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
from dvc.repo.reproduce import get_active_graph, plan_repro
from dvc.stage import PipelineStage, Stage
from dvc.utils.serialize import modify_yaml, parse_yaml

from penstock.core import console
from penstock.core.errors import StageError
from penstock.core.paths import Project
from penstock.core.signals import children_interrupted_with_us
from penstock.orchestration.dvc_patches import DVC, change_dvc
from penstock.orchestration.last_look import NOTHING_TO_DO, LastLook
from penstock.orchestration.looked_at import lock_of, looked_at
from penstock.orchestration.stage_timings import Durations


def repro(root: Path, targets: Sequence[str], jobs: int, gpus: Sequence[str] = ()) -> None:
    """Runs the stages that are not up to date, up to `jobs` at once: what `dvc repro` would write, times apart.

    A stage that fails stops only what depends on it. An interruption is passed on to the stages that run, and nothing
    new is begun.

    Args:
        root: of the project, which the targets are relative to.
        targets: stages or files of stages, with all that they need; none is dvc.yaml.
        gpus: what each stage may see of them, as CUDA_VISIBLE_DEVICES has it; dealt out in turn. None is whatever there
            is.

    Raises:
        StageError: stages failed, with their names and those that could not run without them; or DVC cannot make out
            what to run.
    """
    change_dvc()
    project, begun = Project(root), time.time_ns()
    last = LastLook(project, targets)
    try:
        with chdir(root), Repo(_wait_for_lock=True) as repo:
            plan = _plan(repo, targets)
            paths = looked_at(repo, [planned.stage for planned in plan.values()])
            seen = None if paths is None else last.see(paths)
            runner = _Runner(repo, plan, jobs, gpus, Durations(project.durations))
            with _in_the_order_of(plan, repo):
                went_well = runner.run()
    except DvcException as error:
        raise StageError(str(error)) from None
    failed = [name for name, well in went_well.items() if not well]
    left = [name for name in plan if name not in went_well]
    if failed:
        without = f"; not run without {'it' if len(failed) == 1 else 'them'}: {', '.join(left)}" if left else ""
        raise StageError(f"{', '.join(failed)} failed{without}")
    if not runner.has_begun_any:
        if seen is not None:
            last.keep(seen, begun)
        console.output.print(NOTHING_TO_DO)


@dataclass(frozen=True)
class _Planned:
    stage: Stage
    needs: frozenset[str]


def _plan(repo: Repo, targets: Sequence[str]) -> dict[str, _Planned]:
    """Stages by address, in the order in which DVC would run them."""
    graph = get_active_graph(repo.index.graph)
    wanted = [stage for target in targets or ["dvc.yaml"] for stage in _stages(repo, target)]
    steps: list[Stage] = plan_repro(graph, wanted)
    return {
        stage.addressing: _Planned(stage, frozenset(needed.addressing for needed in graph.successors(stage)))
        for stage in steps
    }


def _stages(repo: Repo, target: str) -> list[Stage]:
    """What DVC would collect; of a file that it has read already it would read every stage again."""
    known = [stage for stage in repo.index.stages if stage.path_in_repo == target]
    return known or list(repo.stage.collect(target))


class _Runner:
    """Begins each stage of a plan when all that it needs is done.

    has_begun_any: whether there was one that was not up to date.
    """

    def __init__(
        self, repo: Repo, plan: Mapping[str, _Planned], jobs: int, gpus: Sequence[str], durations: Durations
    ) -> None:
        self.repo = repo
        self.plan = plan
        self.jobs = jobs
        self._places = _places(jobs, gpus)
        self._durations = durations
        self._order = _longest_chain_first(plan, durations)
        self._sorter = TopologicalSorter({name: planned.needs for name, planned in plan.items()})
        self._ready: list[str] = []
        self._running: dict[Future[float | None], str] = {}
        self._went_well: dict[str, bool] = {}
        self._beginning = Lock()
        self._is_over = False
        self.has_begun_any = False

    def run(self) -> dict[str, bool]:
        """Whether each stage that had all it needs went well; one that is up to date did, before."""
        self._sorter.prepare()
        with ThreadPoolExecutor(self.jobs) as pool, children_interrupted_with_us(), self._nothing_begun_afterwards():
            while True:
                while len(self._running) < self.jobs and (name := self._next_stale()):
                    self.has_begun_any = True
                    self._running[pool.submit(self._run_one, name)] = name
                if not self._running:
                    return self._went_well
                for future in wait(self._running, return_when=FIRST_COMPLETED).done:
                    name, seconds = self._running.pop(future), future.result()
                    if seconds is not None:
                        self._durations.keep(name, seconds)
                    self._done(name, went_well=seconds is not None)

    @contextmanager
    def _nothing_begun_afterwards(self) -> Iterator[None]:
        """Whoever then looks at the children of this process sees all that there will be."""
        try:
            yield
        finally:
            with self._beginning:
                self._is_over = True

    def _next_stale(self) -> str | None:
        """The first of those that are ready and not up to date; with those that are up to date it is done at once."""
        while self._ready or self._sorter.is_active():
            self._ready = sorted([*self._ready, *self._sorter.get_ready()], key=self._order.__getitem__)
            if not self._ready:
                break
            name = self._ready.pop(0)
            with self.repo.lock:
                if self.plan[name].stage.changed():
                    return name
            self._done(name, went_well=True)
        return None

    def _done(self, name: str, *, went_well: bool) -> None:
        self._went_well[name] = went_well
        if went_well:
            self._sorter.done(name)

    def _run_one(self, name: str) -> float | None:
        """One stage in a process of its own; its lines carry its name. Returns the seconds it took, if it went well."""
        begun = time.monotonic()
        place = self._places.get()
        last = len(self._went_well) == len(self.plan) - 1
        title = "" if last else f"{name:<{max(map(len, self.plan))}} | "
        command = [*DVC, "--wait-for-lock", "repro", "--single-item", name]
        try:
            with self._beginning:
                if self._is_over:
                    return None
                process = subprocess.Popen(
                    command, env=os.environ | place, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
                )
            with process:
                assert process.stdout is not None
                for line in process.stdout:
                    text = line.decode(errors="replace").rstrip()
                    console.output.print(f"{title}{text}", markup=False, emoji=False)
            return time.monotonic() - begun if process.returncode == 0 else None
        finally:
            self._places.put(place)


def _longest_chain_first(plan: Mapping[str, _Planned], durations: Durations) -> dict[str, int]:
    """The place of each stage: first what takes longest with all that waits for it, one behind the other; among equals
    in DVC's order."""
    epochs = {name: int((planned.stage.meta or {}).get("epochs", 1)) for name, planned in plan.items()}
    seconds = durations.expected(epochs)
    lengths: dict[str, float] = {}
    for name in reversed(list(plan)):
        behind = max((lengths[other] for other in lengths if name in plan[other].needs), default=0)
        lengths[name] = behind + seconds[name]
    return {name: place for place, name in enumerate(sorted(plan, key=lambda name: -lengths[name]))}


def _places(jobs: int, gpus: Sequence[str]) -> SimpleQueue[dict[str, str]]:
    """The environment of each job."""
    places: SimpleQueue[dict[str, str]] = SimpleQueue()
    for job in range(jobs):
        places.put({"CUDA_VISIBLE_DEVICES": gpus[job % len(gpus)]} if gpus else {})
    return places


@contextmanager
def _in_the_order_of(plan: Mapping[str, _Planned], repo: Repo) -> Iterator[None]:
    """Afterwards, what is new in a dvc.lock stands in the order of the plan, whichever stage was done first."""
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
