"""Match the header of a CSV file with the columns of a model."""

from __future__ import annotations

import re
from collections.abc import Sequence

from penstock.core.errors import nearest
from penstock.core.plurals import counted
from penstock.prediction.csv_file import CsvFile
from penstock.serving.runtime.columns import Column, has_names
from penstock.serving.runtime.model import ServedModel

MAX_SHOWN = 60  # characters of a line that is no header


def places_of(model: ServedModel, file: CsvFile, *, extra_columns: bool) -> list[int | None]:
    """Return where each column of a model is in the file; None for one whose values are all missing.

    Names may differ in case, spaces and underscores, and may end in the unit. Numbers without names are matched by
    their order.

    Args:
        model: The model.
        file: The file.
        extra_columns: Whether the file may have other columns.

    Raises:
        ConfigError: A column is missing or unknown.
    """
    columns = model.columns
    if all(map(_is_number, file.header)):
        raise file.error(1, f"expected a header, not numbers; the columns are {_names(columns)}")
    # A header that is the name of one column stands for no other, such as `X` for `x`.
    names = {column.name for column in columns}
    by_name = {_key(name): place for place, name in enumerate(file.header) if name not in names}
    found = [_find(column, file.header, by_name) for column in columns]
    if not has_names(columns) and None in found:
        if len(file.header) != len(columns):
            count = len(file.header)
            raise file.error(
                1, f"{model.name} takes {counted(len(columns), 'number')} in their order, and the header has {count}"
            )
        return list(range(len(columns)))
    if found and not any(place is not None for place in found):
        shown = ", ".join(file.header)[:MAX_SHOWN]
        raise file.error(1, f"expected a header with the columns of {model.name} ({_names(columns)}), not '{shown}'")
    unknown = [name for place, name in enumerate(file.header) if place not in found]
    if unknown and not extra_columns:
        hint = nearest(unknown[0], [column.name for column in columns])
        raise file.error(1, f"{model.name} has no column '{unknown[0]}'{hint} (--extra-columns copies other columns)")
    absent = [column for column, place in zip(columns, found, strict=True) if place is None and column.missing is None]
    if absent:
        raise file.error(1, f"missing: {_names(absent)}; the header has {', '.join(file.header)}")
    return found


def _find(column: Column, header: Sequence[str], by_name: dict[str, int]) -> int | None:
    if column.name in header:
        return header.index(column.name)
    key = _key(column.name)
    return by_name.get(key, by_name.get(f"{key} {_key(column.unit)}"))


def _key(name: str) -> str:
    return re.sub(r"[\W_]+", " ", name).strip().casefold()


def _names(columns: Sequence[Column]) -> str:
    return ", ".join(column.name for column in columns)


def _is_number(name: str) -> bool:
    return bool(re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", name, re.IGNORECASE))
