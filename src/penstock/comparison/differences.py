"""Find the keys whose values differ between several mappings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

Value = TypeVar("Value")


def differing(mappings: Sequence[Mapping[str, Value]]) -> dict[str, list[Value | None]]:
    """Return the values of each key that are not the same in all mappings, None where a mapping has no such key.

    The keys are in the order in which they first appear.
    """
    keys = dict.fromkeys(key for one in mappings for key in one)
    values = {key: [one.get(key) for one in mappings] for key in keys}
    return {key: found for key, found in values.items() if any(one != found[0] for one in found)}
