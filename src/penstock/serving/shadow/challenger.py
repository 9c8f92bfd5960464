"""Load a challenger, and run samples of requests with it; in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from penstock.core.errors import PenstockError, first_line
from penstock.serving.codecs.tensors import Tensors
from penstock.serving.runtime.batch_tuning import autotune
from penstock.serving.runtime.batching import MAX_RUN_BYTES
from penstock.serving.runtime.model import ServedModel
from penstock.serving.runtime.sources import FileStates, ModelFile, model_files
from penstock.serving.shadow.agreement import compare
from penstock.serving.shadow.messages import Challenger, Failure, Form, Found, Result, Sample, Source


class LoadedChallenger:
    """The model of a source, as its file is at present."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._model: ServedModel | None = None
        self._found = Found(None)
        self._seen: tuple[ModelFile, FileStates] | None = None

    def look(self) -> Found:
        """Load the file if it has changed, and return what is loaded."""
        file = self._find()
        seen = (file, file.state) if file else None
        if file is None or seen is None:
            self._model, self._found = None, Found(None, f"{self._source.path}: there is no such model")
        elif seen != self._seen:
            self._model = None
            self._found = self._load(file)
        self._seen = seen
        return self._found

    def answer(self, sample: Sample) -> Result | Failure:
        """Run a sample, and compare the outputs with the champion's."""
        assert self._model is not None
        try:
            started = time.thread_time()  # that of the server does not count what others do meanwhile either
            outputs = _run(self._model, sample.inputs)
            seconds = time.thread_time() - started
            return Result(seconds, compare(sample.outputs, outputs, whole=sample.whole))
        except Exception as error:  # noqa: BLE001  (whatever fails, the next sample may not)
            return Failure(first_line(error))

    def _find(self) -> ModelFile | None:
        """Return the model of the served name, or else the only one of the source."""
        files = model_files([self._source.path]) if self._source.path.exists() else {}
        chosen = files.get(self._source.model)
        return chosen or (next(iter(files.values())) if len(files) == 1 else None)

    def _load(self, file: ModelFile) -> Found:
        try:
            source = self._source
            model = file.load(allow_unvalidated=source.allow_unvalidated, attestation_key=source.attestation_key)
            model.policy = autotune(model)
        except PenstockError as error:
            return Found(None, first_line(error))
        except Exception as error:  # noqa: BLE001  (a broken file)
            return Found(None, f"{file.path}: {first_line(error)}")
        self._model = model
        return Found(Challenger(model.version, Form.of(model)))


def _run(model: ServedModel, inputs: Tensors) -> Tensors:
    """Run all rows in batches, as the server would.

    Raises:
        RequestError: The model cannot compute them.
    """
    rows = model.rows(inputs)
    if model.takes_any_text and model.signature.needs_cut(inputs):
        inputs = model.signature.cut_texts(inputs)
    runs = [_checked_run(model, batch) for batch in _batches(model, inputs, rows)]
    return runs[0] if len(runs) == 1 else {name: np.concatenate([one[name] for one in runs]) for name in runs[0]}


def _checked_run(model: ServedModel, inputs: Tensors) -> Tensors:
    outputs = model.run(inputs)
    if model.non_finite_rows(outputs) is not None:
        raise model.non_finite_error(inputs)
    return outputs


def _batches(model: ServedModel, inputs: Tensors, rows: int) -> Iterator[Tensors]:
    if model.runs_whole:
        yield inputs
        return
    size = min(model.policy.max_batch_size, max(1, MAX_RUN_BYTES // max(1, model.row_bytes(inputs, rows))))
    for first in range(0, rows, size):
        yield {name: array if len(array) == 1 else array[first : first + size] for name, array in inputs.items()}
