"""Predict the rows of a CSV file, batch by batch: memory does not grow with the file."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from penstock.core.errors import ConfigError
from penstock.io.files import atomic_write
from penstock.prediction.answers import answer_columns, answer_names
from penstock.prediction.cells import CellError, arrays_of
from penstock.prediction.csv_file import STDIN, CsvFile, CsvFormat, open_csv
from penstock.prediction.header import places_of
from penstock.serving.codecs.tensors import Tensors
from penstock.serving.errors import RequestError
from penstock.serving.runtime.model import ServedModel
from penstock.serving.runtime.row_check import has_rows

BATCH_SIZE = 1024
LARGE_BATCH_SIZE = 32  # of texts, images and lists

Rows = Sequence[tuple[int, list[str]]]


def predict_csv(
    model: ServedModel, path: str, output: Path | None, form: CsvFormat, *, extra_columns: bool = False
) -> None:
    """Write every row of a CSV file with the model's answer.

    Args:
        model: The model.
        path: The file; `-` is standard input.
        output: The file to write, which appears when all rows are answered; None is standard output.
        form: How the file is written; the output has the same separator, in UTF-8.
        extra_columns: Whether the file may have columns that the model does not take.

    Raises:
        ConfigError: The file cannot be read, or a row is not one of the model; the message has its line and column.
    """
    with open_csv(path, form) as file, _open_output(output) as out:
        folder = Path() if path == STDIN else Path(path).parent
        table = _Table(model, file, places_of(model, file, extra_columns=extra_columns), folder)
        writer = csv.writer(out, delimiter=form.separator, lineterminator="\n")
        writer.writerow([*file.header, *answer_names(model, file.header)])
        rows = file.rows()
        while batch := list(islice(rows, _batch_size(model))):
            answers = zip(*answer_columns(model, table.outputs(batch)), strict=True)
            writer.writerows([*fields, *answer] for (_, fields), answer in zip(batch, answers, strict=True))


@contextmanager
def _open_output(path: Path | None) -> Iterator[TextIO]:
    if path is None:
        yield sys.stdout
        return
    with atomic_write(path) as unfinished, unfinished.open("w", encoding="utf-8", newline="") as file:
        yield file


def _batch_size(model: ServedModel) -> int:
    is_large = any(column.kind in ("text", "image", "tensor") for column in model.columns)
    return LARGE_BATCH_SIZE if is_large else BATCH_SIZE


class _Table:
    """Rows of a file, and how they become inputs of a model."""

    def __init__(self, model: ServedModel, file: CsvFile, places: Sequence[int | None], folder: Path) -> None:
        self._model = model
        self._file = file
        self._places = places
        self._folder = folder

    def outputs(self, rows: Rows) -> dict[str, NDArray[Any]]:
        """Run the model on rows.

        Raises:
            ConfigError: A row does not fit the model.
        """
        inputs = self._inputs(rows)
        try:
            if self._model.runs_whole or self._model.single_row_only:
                return self._one_by_one(inputs, rows)
            return self._run(inputs, rows)
        except RequestError:
            for row in rows:
                self._alone(row)
        raise ConfigError(f"{self._model.name}: these rows cannot be computed together")

    def _inputs(self, rows: Rows) -> dict[str, NDArray[Any]]:
        cells = [place if place is None else [fields[place] for _, fields in rows] for place in self._places]
        try:
            return arrays_of(self._model, cells, len(rows), self._folder)
        except CellError as error:
            raise self._file.error(rows[error.row][0], str(error)) from None

    def _run(self, inputs: Tensors, rows: Rows) -> dict[str, NDArray[Any]]:
        outputs = self._model.run(self._model.signature.cut_texts(inputs))
        failed = self._model.non_finite_rows(outputs)
        if failed is not None:
            place = int(failed.argmax())
            one = {name: array[place : place + 1] for name, array in inputs.items()}
            raise self._file.error(rows[place][0], str(self._model.non_finite_error(one)))
        return outputs

    def _one_by_one(self, inputs: Tensors, rows: Rows) -> dict[str, NDArray[Any]]:
        answers = []
        for place, row in enumerate(rows):
            one = {name: array[place : place + 1] if array.shape else array for name, array in inputs.items()}
            answers.append(self._run(one, [row]))
            if not has_rows(answers[-1], 1):
                raise ConfigError(f"{self._model.name}: its outputs have not one row per input row; ask it by /predict")
        return {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}

    def _alone(self, row: tuple[int, list[str]]) -> None:
        """Run one row of a batch that failed.

        Raises:
            ConfigError: It is this row that fails.
        """
        try:
            self._run(self._inputs([row]), [row])
        except RequestError as error:
            raise self._file.error(row[0], str(error)) from None
