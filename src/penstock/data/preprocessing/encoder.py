"""Encode raw inputs. Each kind of input has one file in this folder.

Tables and images are encoded batch by batch while they are read. Texts are encoded after the split, since their
vocabulary is that of the training rows; until then a file has their words (`text_store.py`).

The first layer of a network scales its inputs, for example pixels by 1/255 (`penstock.models.common.inputs`). Therefore
scaling is part of the exported graph, and each fold fits its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from numpy.typing import NDArray

from penstock.config.data import ColumnsConfig, ImageConfig, InputsConfig, TableConfig, TextConfig
from penstock.data.preprocessing import columns, image, table

BatchEncoder = Callable[[NDArray[Any]], NDArray[Any]]


def batch_encoder(settings: InputsConfig) -> BatchEncoder:
    """Return the function that encodes raw inputs [rows, ...] as an array [rows, *shape]; texts remain as they are."""
    match settings:
        case TableConfig():
            return table.encode
        case ColumnsConfig():
            return partial(columns.encode, settings)
        case ImageConfig():
            return image.encode
        case TextConfig():
            return _as_they_are


def _as_they_are(texts: NDArray[Any]) -> NDArray[Any]:
    return texts


def described(settings: InputsConfig, training: NDArray[Any]) -> dict[str, Any]:
    """Return statistics of the encoded training rows of a table or of images, for data.json."""
    match settings:
        case TableConfig():
            return table.describe(training)
        case ColumnsConfig():
            return columns.describe(settings, training)
        case _:
            return image.describe(training)
