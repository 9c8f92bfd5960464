"""What a processed dataset says of itself: the one description that training, export and serving share."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from penstock.io.files import read_json, write_json

FILE = "dataset_info.json"
# Word ids: nothing (in front of a short text), a word that is not in the vocabulary, and the first word of it.
PADDING, UNKNOWN, FIRST_WORD = 0, 1, 2


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """One processed dataset.

    kind: of the inputs; it decides the first layer of a network and the front of an exported graph.
    shape: of one processed input, without the rows.
    vocabulary: number of different word ids for texts, 0 otherwise.
    classes: names, in the order of the labels.
    description: of one raw input, for people.
    """

    dataset: str
    kind: Literal["table", "image", "text"]
    shape: tuple[int, ...]
    vocabulary: int
    classes: tuple[str, ...]
    description: str

    def save(self, folder: Path) -> None:
        write_json(folder / FILE, asdict(self))

    @classmethod
    def load(cls, folder: Path) -> DatasetInfo:
        content = read_json(folder / FILE)
        return cls(**content | {"shape": tuple(content["shape"]), "classes": tuple(content["classes"])})
