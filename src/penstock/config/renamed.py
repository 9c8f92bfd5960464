"""Keys of params.yaml before 0.2 and what they are called now: the only place for old names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from penstock.config.base import Document

MODEL = r"(models|tuned)\.\w+"
# A pattern of the dotted key, and what to say.
RENAMED: dict[str, str] = {
    r"judges": "renamed to fid_references; its classifier is a documented model",
    r"seeds": "renamed to num_seeds",
    r"common": "removed: an entry says what differs from the defaults, which `penstock config` shows",
    r"datasets\.\w+\.official": "renamed to urls",
    r"datasets\.\w+\.limit": "renamed to max_rows",
    r"datasets\.\w+\.expect": "renamed to checks; class_share and values are {min: ..., max: ...}",
    r"datasets\.\w+\.split\.block": "renamed to group_size",
    r"datasets\.\w+\.inputs\.vocabulary": "renamed to vocab_size",
    r"datasets\.\w+\.inputs\.length": "renamed to max_length",
    rf"{MODEL}\.documented": "renamed to reference, a list of lines",
    rf"{MODEL}\.network\.words": "renamed to tokens",
    rf"{MODEL}\.network\.words\.vocabulary": "renamed to vocab_size",
    rf"{MODEL}\.network\.words\.length": "renamed to max_length",
    rf"{MODEL}\.network\.words\.width": "renamed to embedding_dim",
    rf"{MODEL}\.network\.words\.begin": "renamed to init; neighbours is ppmi",
    rf"{MODEL}\.network\.words\.dropout": "renamed to word_dropout",
    rf"{MODEL}\.network\.hidden": "renamed to hidden_sizes, or hidden_size of a recurrent network",
    rf"{MODEL}\.network\.layers": "renamed to num_layers",
    rf"{MODEL}\.network\.heads": "renamed to num_heads",
    rf"{MODEL}\.network\.(code|noise)": "renamed to latent_dim",
    rf"{MODEL}\.network\.slope": "renamed to negative_slope",
    rf"{MODEL}\.network\.order": "renamed to max_n",
    rf"{MODEL}\.network\.runs": "renamed to max_features",
    rf"{MODEL}\.network\.places": "renamed to num_buckets",
    rf"{MODEL}\.network\.rows_per_vote": "renamed to group_size",
    rf"{MODEL}\.network\.least_votes": "renamed to min_df",
    rf"{MODEL}\.training\.weight_average": "renamed to ema_decay",
    rf"{MODEL}\.training\.\w+\.smoothing": "renamed to alpha",
    rf"{MODEL}\.training\.schedule\.warm_up": "renamed to warmup_fraction",
    rf"{MODEL}\.training\.schedule\.decay": "renamed to gamma",
}
# Values that were one word and are a block now.
BLOCKS = {rf"{MODEL}\.int8": "is a block: {serve: true}, or {serve: false, reason: slower}"}


def renamed_keys(document: Document) -> Iterator[tuple[list[str | int], str]]:
    """Find old keys; yield the keys that lead to each, and what to do about it."""
    for keys, value in _walk(document, []):
        dotted = ".".join(str(key) for key in keys)
        message = _message(RENAMED, dotted)
        if message is None and not isinstance(value, dict):
            message = _message(BLOCKS, dotted)
        if message is not None:
            yield keys, message


def _walk(document: Document, keys: list[str | int]) -> Iterator[tuple[list[str | int], Document]]:
    if isinstance(document, dict):
        for key, value in document.items():
            yield [*keys, key], value
            yield from _walk(value, [*keys, key])


def _message(table: dict[str, str], dotted: str) -> str | None:
    return next((message for pattern, message in table.items() if re.fullmatch(pattern, dotted)), None)
