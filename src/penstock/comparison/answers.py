"""Run model files on test rows."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.comparison.candidate import Candidate
from penstock.core.console import count_progress
from penstock.core.cpu import usable_cores
from penstock.core.errors import ComparisonError, first_line
from penstock.evaluation.session import BATCH_SIZES, Outputs, onnx_outputs

# The batches of the validate stage, so that the answers are the same to the last bit.
BATCH_SIZE = BATCH_SIZES[-1]
NOISE_SEED = 0  # of the validate stage


def answers(candidates: Sequence[Candidate], inputs: NDArray[Any]) -> list[Outputs]:
    """Return the outputs of each model for the same rows, in batches on all CPU cores.

    Args:
        candidates: The models.
        inputs: Raw inputs [rows, ...].

    Raises:
        ComparisonError: A model does not take the rows.
    """
    starts = range(0, len(inputs), BATCH_SIZE)
    with ThreadPoolExecutor(usable_cores()) as pool, count_progress() as progress:
        task = progress.add_task("test rows", total=len(candidates) * len(inputs))

        def run(candidate: Candidate, start: int) -> Outputs:
            batch = inputs[start : start + BATCH_SIZE]
            found = _run(candidate, batch)
            progress.advance(task, len(batch))
            return found

        waiting = [[pool.submit(run, candidate, start) for start in starts] for candidate in candidates]
        try:
            return [_joined([future.result() for future in futures]) for futures in waiting]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _run(candidate: Candidate, batch: NDArray[Any]) -> Outputs:
    try:
        return onnx_outputs(candidate.session, batch, BATCH_SIZE)
    except Exception as error:  # noqa: BLE001  (onnxruntime's errors have no common class)
        reason = first_line(error)
        raise ComparisonError(f"{candidate.reference}: cannot answer the test rows: {reason}") from None


def _joined(batches: Sequence[Outputs]) -> Outputs:
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def noise(candidate: Candidate, rows: int) -> NDArray[np.float32]:
    """Return the noise that the validate stage gives to a generator, float32 [rows, latent dimension]."""
    shape = candidate.session.get_inputs()[0].shape[1:]
    return np.random.default_rng(NOISE_SEED).standard_normal((rows, *shape), dtype=np.float32)
