"""Describe a processed dataset. Training, export and evaluation read this description."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from penstock.io.column_info import ColumnInfo, TargetInfo
from penstock.io.files import read_json, write_json
from penstock.io.text_rules import WordRule

FILE = "dataset_info.json"
TargetKind = Literal["class", "labels", "number"]
# Word ids: left padding of a short text, a word outside the vocabulary, the first word of the vocabulary.
PADDING, UNKNOWN, FIRST_WORD = 0, 1, 2


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """Description of one processed dataset, stored as dataset_info.json."""

    dataset: str
    """Name of the dataset."""
    kind: Literal["table", "columns", "image", "text"]
    """Kind of inputs. It selects the first layer of a network and the first nodes of an exported graph."""
    shape: tuple[int, ...]
    """Shape of one processed input, without the row dimension."""
    vocab_size: int
    """Number of word ids for texts, 0 otherwise."""
    classes: tuple[str, ...]
    """Class names, in the order of the labels; empty if the target is numbers."""
    description: str
    """Description of one raw input, for users."""
    word_rule: WordRule = "ascii"
    """What a word of a text is. Only another rule than ascii is in the file."""
    target: TargetKind = "class"
    """What is predicted: a class, several labels, or numbers. Only another target than a class is in the file."""
    columns: tuple[ColumnInfo, ...] = ()
    """Columns of a mixed table, in the order of the processed inputs. Only in the file if there are any."""
    targets: tuple[TargetInfo, ...] = ()
    """Numbers that are predicted, in the order of the labels. Only in the file if there are any."""

    def save(self, folder: Path) -> None:
        """Write dataset_info.json."""
        content = asdict(self)
        for name, default in (("word_rule", "ascii"), ("target", "class"), ("columns", ()), ("targets", ())):
            if content[name] == default:
                del content[name]
        write_json(folder / FILE, content)

    @classmethod
    def load(cls, folder: Path) -> DatasetInfo:
        """Read dataset_info.json.

        Raises:
            MissingFileError: The file is missing or damaged.
        """
        content = read_json(folder / FILE)
        converted: dict[str, Any] = {
            "shape": tuple(content["shape"]),
            "classes": tuple(content["classes"]),
            "columns": tuple(ColumnInfo.parse(column) for column in content.get("columns", ())),
            "targets": tuple(TargetInfo(**target) for target in content.get("targets", ())),
        }
        return cls(**content | converted)
