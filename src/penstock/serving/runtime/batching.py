"""Combine rows of many requests into one run of a model, and return each row's outputs to its request."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.serving.codecs.tensors import Tensors
from penstock.serving.errors import ModelFailedError, OverloadedError, RequestError
from penstock.serving.runtime.model import ServedModel
from penstock.serving.runtime.row_check import has_rows

Outputs = dict[str, NDArray[Any]]

# Rows of a run, each counted with the bytes of the longest one; a run has at least one row.
MAX_RUN_BYTES = 4 * 2**20

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class PendingRequest:
    """The rows of one request, until `answer` is set."""

    inputs: Tensors
    rows: int
    queue_weight: int
    """Rows that count towards the limit of the queue."""
    exclusive: bool
    """Its rows share no run with others."""
    arrived: float
    """Time of arrival, by `time.monotonic`."""
    answer: asyncio.Future[Outputs]
    row_bytes: int = 0
    """Bytes of its longest row."""
    started: int = 0
    """Rows that were given to runs."""
    finished: int = 0
    """Rows whose run has ended."""
    slices: list[tuple[int, Outputs]] = field(default_factory=list)
    """First row and outputs of each finished run, where there are several, for `join_outputs`."""

    def resolve(self, part: RowSlice, outputs: Outputs | RequestError) -> None:
        """Take the outputs of some rows; the last of them, or an error, sets the answer."""
        if self.answer.done():
            return
        if isinstance(outputs, RequestError):
            self.answer.set_exception(outputs)
            return
        self.finished += part.stop - part.start
        if self.finished < self.rows or self.slices:
            self.slices.append((part.start, outputs))
        if self.finished == self.rows:
            self.answer.set_result(outputs)


class RowSlice(NamedTuple):
    """Rows `start` to `stop` of a request, in one run."""

    request: PendingRequest
    start: int
    stop: int


class RequestQueue:
    """Requests that wait for one model: first come, first served; a long request takes turns with the others."""

    def __init__(self) -> None:
        self.bytes = 0
        """Bytes of the waiting rows."""
        self.rows = 0
        """Waiting rows."""
        self.weight = 0
        """Waiting rows that count towards the limit: a long request counts for only some of its rows."""
        self._requests: deque[PendingRequest] = deque()

    def add(self, request: PendingRequest) -> None:
        self._requests.append(request)
        self.rows += request.rows
        self.bytes += request.rows * request.row_bytes
        self.weight += request.queue_weight

    def remove(self, request: PendingRequest) -> None:
        """Drop the waiting rows of a request that was cancelled or answered."""
        self._requests.remove(request)
        self.rows -= request.rows - request.started
        self.bytes -= (request.rows - request.started) * request.row_bytes
        self.weight -= request.queue_weight

    def take(self, max_rows: int, *, whole: bool = False) -> list[RowSlice]:
        """Remove and return the rows of the next run.

        Args:
            max_rows: Limit of the rows.
            whole: Return one whole request, however many rows it has.
        """
        slices: list[RowSlice] = []
        requests = self._requests
        taken = longest = 0
        while requests:
            request = requests[0]
            alone = whole or request.exclusive
            if request.row_bytes > longest:
                longest = request.row_bytes
                if longest * max_rows > MAX_RUN_BYTES:
                    max_rows = max(1, MAX_RUN_BYTES // longest)
            if slices and (alone or taken >= max_rows):
                break
            start = request.started
            stop = request.started = request.rows if whole else min(request.rows, start + max_rows - taken)
            self.rows -= stop - start
            self.bytes -= (stop - start) * request.row_bytes
            taken += stop - start
            slices.append(RowSlice(request, start, stop))
            if stop < request.rows:
                # To the end of the queue, so that short requests behind it do not wait for all its rows.
                requests.rotate(-1)
            else:
                requests.popleft()
                self.weight -= request.queue_weight
            if alone:
                break
        return slices


def run(model: ServedModel, slices: Sequence[RowSlice]) -> list[Outputs | RequestError]:
    """Run the model once for all slices.

    Returns:
        Outputs or error of each slice. Rows without a finite result fail only their own request.
    """
    try:
        outputs = model.run(_join_inputs(slices))
    except ModelFailedError as error:
        return [error] if len(slices) == 1 else [result for part in slices for result in run(model, [part])]
    if not model.runs_whole and not has_rows(outputs, num_rows(slices)):
        return _run_whole(model, slices)
    failed = model.non_finite_rows(outputs)
    if len(slices) == 1:
        return [outputs if failed is None else model.non_finite_error(_join_inputs(slices))]
    results: list[Outputs | RequestError] = []
    first = 0
    for part in slices:
        last = first + part.stop - part.start
        if failed is not None and failed[first:last].any():
            results.append(model.non_finite_error(_join_inputs([part])))
        else:
            results.append({name: rows[first:last] for name, rows in outputs.items()})
        first = last
    return results


def num_rows(slices: Sequence[RowSlice]) -> int:
    """Return the number of rows of a run."""
    _, start, stop = slices[0]
    return stop - start if len(slices) == 1 else sum(part.stop - part.start for part in slices)


def _run_whole(model: ServedModel, slices: Sequence[RowSlice]) -> list[Outputs | RequestError]:
    """Run each request by itself, now and from now on: outputs did not have one row per input row."""
    logger.warning("%s: an output has not one row per input row; from now on, requests run one by one", model.name)
    model.runs_whole = True
    return [
        run(model, [part])[0]
        if part.stop - part.start == part.request.rows
        else OverloadedError(f"{model.name}: this request was split, and the model cannot answer parts; try again")
        for part in slices
    ]


def _join_inputs(slices: Sequence[RowSlice]) -> Tensors:
    if len(slices) == 1:
        request, start, stop = slices[0]
        return request.inputs if stop - start == request.rows else _slice_inputs(request.inputs, start, stop)
    return {
        name: np.concatenate([request.inputs[name][start:stop] for request, start, stop in slices])
        for name in slices[0].request.inputs
    }


def _slice_inputs(inputs: Tensors, start: int, stop: int) -> Tensors:
    """Take some rows; an input of one row for all of them goes with each slice."""
    return {name: rows if len(rows) == 1 else rows[start:stop] for name, rows in inputs.items()}


def join_outputs(slices: list[tuple[int, Outputs]]) -> Outputs:
    """Return the outputs of all rows of a request, in their order."""
    slices.sort(key=lambda part: part[0])
    return {name: np.concatenate([outputs[name] for _, outputs in slices]) for name in slices[0][1]}
