"""Describe a processed dataset. Training, export and evaluation read this description."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from penstock.io.files import read_json, write_json
from penstock.io.text_rules import WordRule

FILE = "dataset_info.json"
# Word ids: left padding of a short text, a word outside the vocabulary, the first word of the vocabulary.
PADDING, UNKNOWN, FIRST_WORD = 0, 1, 2


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """Description of one processed dataset, stored as dataset_info.json."""

    dataset: str
    """Name of the dataset."""
    kind: Literal["table", "image", "text"]
    """Kind of inputs. It selects the first layer of a network and the first nodes of an exported graph."""
    shape: tuple[int, ...]
    """Shape of one processed input, without the row dimension."""
    vocab_size: int
    """Number of word ids for texts, 0 otherwise."""
    classes: tuple[str, ...]
    """Class names, in the order of the labels."""
    description: str
    """Description of one raw input, for users."""
    word_rule: WordRule = "ascii"
    """What a word of a text is. Only another rule than ascii is in the file."""

    def save(self, folder: Path) -> None:
        """Write dataset_info.json."""
        content = asdict(self)
        if self.word_rule == "ascii":
            del content["word_rule"]
        write_json(folder / FILE, content)

    @classmethod
    def load(cls, folder: Path) -> DatasetInfo:
        """Read dataset_info.json.

        Raises:
            MissingFileError: The file is missing or damaged.
        """
        content = read_json(folder / FILE)
        return cls(**content | {"shape": tuple(content["shape"]), "classes": tuple(content["classes"])})
