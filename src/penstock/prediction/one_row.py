"""Predict one row from the words of a command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from penstock.core.errors import ConfigError, nearest
from penstock.core.plurals import counted
from penstock.prediction.cells import CellError, arrays_of
from penstock.serving.errors import RequestError
from penstock.serving.runtime.columns import has_names
from penstock.serving.runtime.model import ServedModel


def predict_words(model: ServedModel, words: Sequence[str]) -> dict[str, Any]:
    """Predict one row.

    Args:
        model: The model.
        words: A value for each column in their order, or COLUMN=VALUE; for a single text, its words.

    Returns:
        The answer of `ServedModel.prediction`.

    Raises:
        ConfigError: The words are no row of the model.
    """
    described = model.metadata.get("input", "")
    where = f" ({described})" if described else ""
    try:
        inputs = arrays_of(model, [value if value is None else [value] for value in _values(model, words)], 1, Path())
        inputs = dict(model.signature.cut_texts(inputs))
        outputs = model.run(inputs)
        if model.non_finite_rows(outputs) is not None:
            raise model.non_finite_error(inputs)
        return model.prediction(outputs, 0)
    except (CellError, RequestError) as error:
        raise ConfigError(f"{model.name}: {error}{where}") from None


def _values(model: ServedModel, words: Sequence[str]) -> list[str | None]:
    """Return the text of each column; None for one that is not given."""
    names = [column.name for column in model.columns]
    if len(names) == 1 and model.columns[0].kind != "image":
        return [" ".join(words)]
    if all("=" in word for word in words):
        return _by_name(model, dict(word.split("=", 1) for word in words))
    if len(names) == 1 and len(words) > 1:
        path = f"a CSV file with the column `{names[0]}`, their paths"
        raise ConfigError(f"{model.name}: expected one image, not {len(words)}; --csv FILE takes many: {path}")
    if len(words) != len(names):
        shown = f": {', '.join(names)}" if has_names(model.columns) else ""
        raise ConfigError(f"{model.name}: expected {counted(len(names), 'value')}, not {len(words)}{shown}")
    return list(words)


def _by_name(model: ServedModel, given: dict[str, str]) -> list[str | None]:
    names = [column.name for column in model.columns]
    for name in given.keys() - set(names):
        raise ConfigError(f"{model.name}: no column '{name}'{nearest(name, names)}")
    required = [one.name for one in model.columns if one.missing is None and one.name not in given]
    if required:
        raise ConfigError(f"{model.name}: missing: {', '.join(required)}; write COLUMN=VALUE")
    return [given.get(name) for name in names]
