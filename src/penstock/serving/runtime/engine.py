"""Run models for many clients: rows of requests become runs of onnxruntime, for HTTP and gRPC alike.

Batching adds no delay. At the end of each turn of the event loop, waiting rows are run: a few rows of a fast model on
the event loop itself, all others in free workers. Requests that arrive while all workers are busy form the next batch.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from typing import NamedTuple, TypeVar

from penstock.core.plurals import counted
from penstock.serving.codecs.tensors import Tensors
from penstock.serving.errors import (
    INTERNAL_ERROR,
    DeadlineExceededError,
    ModelFailedError,
    OverloadedError,
    PayloadTooLargeError,
    RequestError,
)
from penstock.serving.metrics import Metrics, ModelMetrics
from penstock.serving.runtime.batching import (
    Outputs,
    PendingRequest,
    RequestQueue,
    RowSlice,
    join_outputs,
    num_rows,
    run,
)
from penstock.serving.runtime.image_decoder import ImageDecoder
from penstock.serving.runtime.memory_budget import LARGE_BODY, MemoryBudget, release_freed_memory
from penstock.serving.runtime.model import ServedModel
from penstock.serving.runtime.parser_process import ParserProcess
from penstock.serving.runtime.repository import Repository
from penstock.serving.runtime.timeouts import NO_ANSWER_IN_TIME, with_timeout
from penstock.serving.runtime.worker_pool import WorkerPool
from penstock.serving.settings import ServerConfig

SWEEP_SECONDS = 0.05
RELEASE_SECONDS = 0.5  # until memory is given back to the system: the response is then sent
MAX_RETRY_AFTER = 60
# Longer inputs do not run on the event loop, however few rows they are.
MAX_INLINE_BYTES = 64 * 2**10
# One request counts for at most this share of the queue, so that a long one gets in and does not shut out others.
MIN_REQUESTS_PER_QUEUE = 32

T = TypeVar("T")

logger = logging.getLogger(__name__)


class BatchResult(NamedTuple):
    """A finished run: outputs or error of each slice, and its duration."""

    slices: list[RowSlice]
    outputs: list[Outputs | RequestError]
    seconds: float


class ModelQueue:
    """The waiting requests of a model, and the number of its runs in workers."""

    def __init__(self, model: ServedModel, metrics: ModelMetrics) -> None:
        self.model = model
        self.metrics = metrics
        self.requests = RequestQueue()
        self.running = 0

    def take(self, max_rows: int) -> list[RowSlice]:
        """Take the rows of a run that starts now."""
        slices = self.requests.take(max_rows, whole=self.model.runs_whole)
        now = time.monotonic()
        for part in slices:
            if not part.start:
                self.metrics.queue_duration_seconds.observe(now - part.request.arrived)
        return slices

    def run(self, slices: list[RowSlice]) -> BatchResult:
        started = time.monotonic()
        try:
            outputs = run(self.model, slices)
        except Exception:  # whatever fails, the worker must be free for the next run
            logger.exception("%s: a run of %d requests failed", self.model.name, len(slices))
            outputs = [ModelFailedError(f"{self.model.name}: {INTERNAL_ERROR}") for _ in slices]
        return BatchResult(slices, outputs, time.monotonic() - started)

    def resolve(self, result: BatchResult) -> None:
        self.metrics.count_run(num_rows(result.slices), result.seconds)
        for part, outputs in zip(result.slices, result.outputs, strict=True):
            part.request.resolve(part, outputs)


class Engine:
    """Run the models of a repository, in the event loop of the first request."""

    queue_type = ModelQueue

    def __init__(self, repository: Repository, config: ServerConfig | None = None) -> None:
        self.repository = repository
        self.config = config or ServerConfig()
        self.metrics = Metrics()
        self.memory = MemoryBudget(self.config.max_total_body_size)
        """Memory of the request bodies of all protocols."""
        self.parser = ParserProcess()
        self._encoder = ThreadPoolExecutor(1, "encoder")
        self._image_decoder = ImageDecoder(self.config.max_queue_size)
        self._max_weight = max(1, self.config.max_queue_size // MIN_REQUESTS_PER_QUEUE)
        self._queues: dict[ServedModel, ModelQueue] = {}
        self._turns: dict[ModelQueue, None] = {}  # queues with waiting rows, in the order of their turns
        self._open: set[PendingRequest] = set()
        self._dispatching = False

    async def decode_image(self, decode: Callable[[], T], arrived: float) -> T:
        """Run a function that decodes an image beside the event loop.

        Raises:
            OverloadedError: The queue of the image decoder is full.
            DeadlineExceededError: The image was not decoded within the timeout of a request that arrived at `arrived`.
        """
        try:
            return await self._image_decoder.run(decode, self.seconds_left(arrived))
        except RequestError as error:
            raise error.with_traceback(None) from None  # its frames would keep the body in memory
        finally:
            self.memory.freed += LARGE_BODY

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        loop.call_later(SWEEP_SECONDS, self._sweep)
        return loop

    @cached_property
    def _workers(self) -> WorkerPool:
        return WorkerPool(self.config.num_workers, self._loop)

    @property
    def queue_sizes(self) -> dict[str, int]:
        """Waiting rows by model name."""
        return {queue.model.name: queue.requests.rows for queue in self._queues.values()}

    def seconds_left(self, arrived: float) -> float:
        """Return the time left for a request that arrived at `arrived`, by `time.monotonic`."""
        return arrived + self.config.timeout - time.monotonic()

    async def infer(self, model: ServedModel, inputs: Tensors, timeout: float | None = None) -> Outputs:
        """Run a model on the rows of a request.

        Args:
            model: The model.
            inputs: Arrays [rows, ...] by input name.
            timeout: Seconds; None for the limit of the configuration.

        Returns:
            Arrays [rows, ...] by output name, in the order of the input rows.

        Raises:
            InputError: The inputs do not fit the model, or their values are too large for it.
            PayloadTooLargeError: There are more rows than one request may have.
            OverloadedError: The queue is full, other requests fill the memory, or the rows waited too long in it.
            DeadlineExceededError: There was no answer within the timeout.
            ModelFailedError: onnxruntime could not compute these rows.
        """
        rows = model.rows(inputs)
        weight = self._queue_weight(rows)
        if model.takes_any_text and model.signature.needs_cut(inputs):
            inputs = await asyncio.to_thread(model.signature.cut_texts, inputs)
        queue = self._queues.get(model) or self._open_queue(model)
        exclusive = len(inputs) > len(model.inputs)
        answer = self._loop.create_future()
        row_bytes = model.fixed_row_bytes or model.row_bytes(inputs, rows)
        request = PendingRequest(inputs, rows, weight, exclusive, time.monotonic(), answer, row_bytes)
        self._enqueue(queue, request)
        reserved = 0
        try:
            if rows >= model.large_request_rows:
                reserved = self._reserve(model, request)
            outputs: Outputs = await (answer if timeout is None else with_timeout(timeout, answer))
        finally:
            if reserved:
                self.memory.release(reserved)
            self._open.discard(request)
            if request.started < rows:
                queue.requests.remove(request)
        if not request.slices:
            return outputs
        if sum(array.nbytes for array in outputs.values()) * len(request.slices) < LARGE_BODY:
            return join_outputs(request.slices)
        return await asyncio.wrap_future(self._encoder.submit(join_outputs, request.slices))

    async def infer_parts(self, model: ServedModel, inputs: Tensors, timeout: float) -> Outputs:
        """Run a model as `infer` does, on rows that no client sent: parts of a request that is explained."""
        return await self.infer(model, inputs, timeout)

    def _reserve(self, model: ServedModel, request: PendingRequest) -> int:
        """Reserve memory for the inputs and outputs of a large request, and return its bytes."""
        size = request.rows * ((model.fixed_row_bytes or 0) + model.output_row_bytes)
        if model.fixed_row_bytes is None:
            size += sum(array.nbytes for array in request.inputs.values())
        if size < LARGE_BODY:
            return 0
        self._check_memory(size)
        return self.memory.take(size)

    def _check_memory(self, size: int) -> None:
        if size > self.memory.limit:
            limit = self.memory.limit
            raise PayloadTooLargeError(f"the request or its answer takes {size} bytes; the limit is {limit}; send less")

    async def encode(self, size: int, encode: Callable[[], T]) -> T:
        """Encode large outputs beside the event loop, one response at a time.

        Args:
            size: Bytes that it takes.
            encode: Function that encodes them.

        Raises:
            PayloadTooLargeError: They take more than the memory of all requests.
            OverloadedError: Other requests fill the memory.
        """
        self._check_memory(size)
        with self.memory.reserve(size):
            return await asyncio.wrap_future(self._encoder.submit(encode))

    def start(self) -> None:
        """Watch timeouts and memory in the running event loop; the first inference does so otherwise."""
        _ = self._loop

    def close(self) -> None:
        """End all threads and processes; no further request may come."""
        self.parser.close()
        self._encoder.shutdown(cancel_futures=True)
        self._image_decoder.close()
        self._workers.close()

    def _open_queue(self, model: ServedModel) -> ModelQueue:
        for retired in [queue.model for queue in self._queues.values() if self._is_retired(queue)]:
            del self._queues[retired]
        queue = self._queues[model] = self.queue_type(model, self.metrics.of(model.name))
        return queue

    def _is_retired(self, queue: ModelQueue) -> bool:
        served = self.repository.models.get(queue.model.name) is queue.model
        return not (served or queue.requests.rows or queue.running)

    def _queue_weight(self, rows: int) -> int:
        """Return for how many rows a request counts: those behind it get their turn after some of its rows."""
        if rows > self.config.max_request_rows:
            raise PayloadTooLargeError(f"{rows} rows in one request; the limit is {self.config.max_request_rows}")
        return rows if rows < self._max_weight else self._max_weight

    def _enqueue(self, queue: ModelQueue, request: PendingRequest) -> None:
        before = queue.requests.weight
        if before + request.queue_weight > self.config.max_queue_size:
            seconds = math.ceil(before * queue.model.policy.seconds_per_row / self._workers.count)
            raise OverloadedError(
                f"{queue.model.name}: {counted(queue.requests.rows, 'row is', 'rows are')} in the queue already",
                min(seconds, MAX_RETRY_AFTER),
            )
        queue.requests.add(request)
        self._open.add(request)
        self._turns[queue] = None
        if not self._dispatching:
            self._dispatching = True
            self._loop.call_soon(self._dispatch)

    def _dispatch(self) -> None:
        """Start what can be run now; the models with waiting rows take turns."""
        self._dispatching = False
        blocked = 0
        while self._turns and blocked < len(self._turns):
            queue = next(iter(self._turns))
            del self._turns[queue]
            blocked = 0 if self._start_run(queue) else blocked + 1
            if queue.requests.rows:
                self._turns[queue] = None

    def _start_run(self, queue: ModelQueue) -> bool:
        rows, policy = queue.requests.rows, queue.model.policy
        if not rows:
            return False
        is_small = rows <= policy.max_inline_rows and queue.requests.bytes <= MAX_INLINE_BYTES
        if is_small and not queue.running:
            queue.resolve(queue.run(queue.take(policy.max_batch_size)))
            return True
        if not self._workers.free:
            return False
        slices = queue.take(min(policy.max_batch_size, math.ceil(rows / self._workers.free)))
        queue.running += 1
        self._workers.run(partial(queue.run, slices), partial(self._finish_run, queue))
        return True

    def _finish_run(self, queue: ModelQueue, result: BatchResult) -> None:
        """Start the next run before the answers go out: a worker is free."""
        queue.running -= 1
        self._dispatch()
        queue.resolve(result)

    def _sweep(self) -> None:
        """Fail the requests that have waited too long."""
        now = time.monotonic()
        late, stale = now - self.config.timeout, now - self.config.queue_timeout
        for request in self._open:
            if request.answer.done():
                continue
            if request.arrived < late:
                request.answer.set_exception(DeadlineExceededError(NO_ANSWER_IN_TIME))
            elif not request.started and request.arrived < stale:
                request.answer.set_exception(OverloadedError("the request waited too long in the queue"))
        if self.memory.take_freed():
            self._loop.call_later(RELEASE_SECONDS, self._loop.run_in_executor, None, release_freed_memory)
        self._loop.call_later(SWEEP_SECONDS, self._sweep)
