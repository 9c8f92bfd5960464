"""Send a share of a model's requests to a challenger after they are answered, and count how the answers agree.

The event loop only puts samples into a bounded queue. A thread of its own exchanges them with the challenger's process,
so a challenger that is slow, broken, absent or crashes costs the caller nothing: samples are dropped, and counted.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, NamedTuple

from numpy.typing import NDArray

from penstock.core.errors import PenstockError
from penstock.serving.codecs.tensors import Tensors
from penstock.serving.runtime.memory_budget import LARGE_BODY, MemoryBudget
from penstock.serving.runtime.model import ServedModel
from penstock.serving.settings import ServerConfig
from penstock.serving.shadow.challenger_process import ChallengerProcess
from penstock.serving.shadow.messages import Challenger, Failure, Form, Found, Look, Result, Sample, Source
from penstock.serving.shadow.metrics import Dropped, Pair, ShadowMetrics

MAX_WAITING = 64
"""Samples in the queue."""
MAX_SAMPLE = LARGE_BODY
"""Bytes of a sample; to send a larger one would hold Python's lock for milliseconds."""
BYTES_PER_TEXT = 64
"""Bytes of a text in addition to its characters."""
MEMORY_SHARE = 4
"""A sample is dropped where requests and samples would fill more than 1/4 of the memory of all requests."""
LOAD_SECONDS = 300.0
"""Time to load a challenger."""
MAX_BACKOFF = 60.0
"""Seconds until the process of a challenger that crashes again and again is restarted."""

logger = logging.getLogger(__name__)


class _Job(NamedTuple):
    sample: Sample
    pair: Pair
    champion_seconds: float
    size: int


class Shadow:
    """The shadow of one model.

    Args:
        source: The challenger.
        config: Settings of the server.
        memory: Memory of all requests.
    """

    def __init__(self, source: Source, config: ServerConfig, memory: MemoryBudget) -> None:
        self.metrics = ShadowMetrics()
        self._source = source
        self._config = config
        self._memory = memory
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._waiting = 0
        self._challenger: Challenger | None = None
        self._compared: tuple[ServedModel | None, Challenger | None] = (None, None)
        self._warned = ""
        self._process: ChallengerProcess | None = None
        self._loaded = ""
        self._crashes = 0
        self._restart_at = 0.0
        self._closed = False
        self._thread = Thread(target=self._work, name=f"shadow-{source.model}", daemon=True)

    def start(self, loop: asyncio.AbstractEventLoop, champion: Callable[[], ServedModel | None]) -> None:
        """Start the challenger's process.

        Args:
            loop: Event loop of the server.
            champion: Returns the served model.
        """
        self._loop = loop
        self._champion = champion
        self._thread.start()

    def close(self) -> None:
        """End the process and the thread; samples that wait are discarded."""
        self._closed = True
        self._jobs.put(None)
        if process := self._process:
            process.kill()
        if self._thread.is_alive():
            self._thread.join()

    # In the event loop.

    def takes(self) -> bool:
        """Return whether the next request is sampled."""
        return random.random() < self._config.shadow_share

    def add(self, model: ServedModel, inputs: Tensors, outputs: Tensors, seconds: float) -> None:
        """Run the challenger on a request that was answered.

        Args:
            model: The champion that answered it.
            inputs: Arrays by input name.
            outputs: Arrays by output name.
            seconds: Time of its run; 0 if it is not known.
        """
        size = _size(inputs) + _size(outputs)
        if reason := self._why_dropped(model, size):
            self.metrics.dropped[reason] += 1
            return
        assert self._challenger is not None
        self._waiting += 1
        self._memory.take(size)
        pair = Pair(model.version, self._challenger.version)
        self._jobs.put(_Job(Sample(inputs, outputs, model.runs_whole), pair, seconds, size))

    def _why_dropped(self, model: ServedModel, size: int) -> Dropped | None:
        if (model, self._challenger) != self._compared:
            self._compare_forms(model)
        if not self.metrics.is_up:
            return Dropped.NO_CHALLENGER
        if self._waiting >= MAX_WAITING:
            return Dropped.QUEUE_FULL
        if size > MAX_SAMPLE:
            return Dropped.TOO_LARGE
        is_full = (self._memory.used + size) * MEMORY_SHARE > self._memory.limit
        return Dropped.MEMORY_FULL if is_full else None

    def _found(self, found: Found) -> None:
        """Take note of the present challenger."""
        self._challenger = found.challenger
        if found.problem:
            self._warn(found.problem)
        self._compare_forms(self._champion())

    def _compare_forms(self, model: ServedModel | None) -> None:
        challenger = self._challenger
        self._compared = (model, challenger)
        problem = _difference(Form.of(model), challenger.form) if model and challenger else ""
        self.metrics.is_up = bool(model and challenger and not problem)
        if problem:
            self._warn(f"{self._source.path}: {problem}")
        elif challenger:
            self._warned = ""

    def _warn(self, problem: str) -> None:
        """Log a reason once."""
        if problem != self._warned:
            logger.warning("%s has no shadow: %s", self._source.model, problem)
        self._warned = problem

    def _count(self, job: _Job, answer: Result | Failure | Dropped) -> None:
        """Count what became of a sample."""
        self._waiting -= 1
        self._memory.release(job.size)
        if isinstance(answer, Dropped):
            self.metrics.dropped[answer] += 1
            return
        metrics = self.metrics.of(job.pair)
        if isinstance(answer, Result):
            metrics.count(answer, job.champion_seconds)
            return
        if not metrics.failures:
            logger.warning("%s: the challenger failed: %s", self._source.model, answer.reason)
        metrics.failures += 1

    # In the thread.

    def _work(self) -> None:
        looked = -self._config.poll_seconds
        while not self._closed:
            if time.monotonic() >= looked + self._config.poll_seconds:
                self._look()
                looked = time.monotonic()
            try:
                job = self._jobs.get(timeout=self._config.poll_seconds)
            except Empty:
                continue
            if job is not None:
                self._post(partial(self._count, job, self._run(job)))
        self._end_process()

    def _look(self) -> None:
        """Have the challenger loaded if its file has changed, and tell the event loop which one there is."""
        if self._process is None and time.monotonic() < self._restart_at:
            return
        try:
            found = self._running().ask(Look(), LOAD_SECONDS)
        except (PenstockError, OSError) as error:
            self._crashed(error)
            return
        self._loaded = found.challenger.version if found.challenger else ""
        self._post(partial(self._found, found))

    def _run(self, job: _Job) -> Result | Failure | Dropped:
        if self._process is None or job.pair.challenger != self._loaded:
            return Dropped.NO_CHALLENGER
        try:
            answer: Result | Failure = self._process.ask(job.sample, self._config.timeout)
        except (PenstockError, OSError) as error:
            self._crashed(error)
            return Failure(str(error))
        self._crashes = 0
        return answer

    def _running(self) -> ChallengerProcess:
        """Return the process; start it if it does not run."""
        if self._process is None:
            self._process = ChallengerProcess(self._source)
            if self._closed:  # `close` may not have seen it
                self._process.kill()
        return self._process

    def _crashed(self, error: Exception) -> None:
        self._end_process()
        self._loaded = ""
        self._restart_at = time.monotonic() + min(MAX_BACKOFF, 2.0**self._crashes)
        self._crashes += 1
        if not self._closed:
            self._post(partial(self._found, Found(None, f"{self._source.path}: {error}")))

    def _end_process(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None

    def _post(self, function: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(function)


def _size(arrays: Tensors) -> int:
    """Return the bytes of arrays, with those of texts."""
    return sum(array.nbytes if array.dtype.kind != "O" else _text_size(array) for array in arrays.values())


def _text_size(texts: NDArray[Any]) -> int:
    """Return the bytes of texts; of very many texts, which are too large anyway, only those of the objects."""
    size = BYTES_PER_TEXT * texts.size
    return size if size > MAX_SAMPLE else size + sum(map(len, texts.flat))


def _difference(champion: Form, challenger: Form) -> str:
    """Return what two models do not have in common; empty if they can be compared."""
    for what in ("inputs", "outputs", "classes"):
        one, other = getattr(champion, what), getattr(challenger, what)
        if one != other:
            return f"its {what} are {_listed(other)}; those of the served model are {_listed(one)}"
    return ""


def _listed(values: Any) -> str:  # noqa: ANN401  (specs or names)
    named = (one if isinstance(one, str) else f"{one.name} {one.datatype} {list(one.shape)}" for one in values)
    return ", ".join(named) or "none"
