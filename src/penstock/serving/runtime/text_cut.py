"""Cut long texts to the words that a model reads, from the end; the model's answer stays the same, bit for bit.

The tokenizer in the ONNX file pads each row of a run to the longest one. So one text of millions of words beside
others takes gigabytes, though the model reads only its last words.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.serving.errors import PayloadTooLargeError
from penstock.serving.runtime.onnx_file import Tokenizer

MAX_CHARACTERS = 2**20
"""A text must be shorter, or have as many words as the model reads in its last so many characters."""
MAX_UNCUT = 8192  # characters; a text of so many takes little memory, and almost all texts are shorter
CHARACTERS_PER_WORD = 16
NOT_WORD = re.compile(r"\[\^(.*)\]\+", re.DOTALL)


class TextCut:
    """Cut texts to their last words.

    Args:
        tokenizer: The tokenizer of the model. RE2, which it uses, and `re` interpret its expressions identically.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._max_length = tokenizer.max_length
        line_break, word = _expressions(tokenizer)
        self._pattern = re.compile(f"{line_break}|({word})", re.DOTALL)

    def cut_all(self, texts: NDArray[Any]) -> NDArray[Any]:
        """Return texts [rows], with the long ones cut."""
        if all(len(text) <= MAX_UNCUT for text in texts):
            return texts
        return np.array([self.cut(text) for text in texts], dtype=object)

    def cut(self, text: str) -> str:
        """Return the last words of a text.

        Raises:
            PayloadTooLargeError: They are not in its last `MAX_CHARACTERS` characters.
        """
        window = max(MAX_UNCUT, self._max_length * CHARACTERS_PER_WORD)
        while window < len(text) and window <= MAX_CHARACTERS:
            # The tail may start within a word or line break, which makes its first word another one.
            words = self._words(text[-window:])[1:]
            if len(words) >= self._max_length:
                return " ".join(words[-self._max_length :])
            window *= 4
        check_length(text)
        return " ".join(self._words(text)[-self._max_length :])

    def _words(self, text: str) -> list[str]:
        return [word for word in self._pattern.findall(text) if word]


def check_length(text: str) -> None:
    """Check a text that is not cut.

    Raises:
        PayloadTooLargeError: It has more than `MAX_CHARACTERS` characters.
    """
    if len(text) > MAX_CHARACTERS:
        raise PayloadTooLargeError(
            f"a text has {len(text)} characters, and the words that the model reads are not among its last "
            f"{MAX_CHARACTERS}; send a shorter text"
        )


def text_cut(tokenizer: Tokenizer | None) -> TextCut | None:
    """Return how the texts of a model are cut; None if its words are not known."""
    return TextCut(tokenizer) if tokenizer is not None and _expressions(tokenizer) != ("", "") else None


def _expressions(tokenizer: Tokenizer) -> tuple[str, str]:
    """Return the expressions of a line break, and of a word; ("", "") if they are not those of an exported model."""
    if tokenizer.tokens is not None:
        line_break, bar, word = tokenizer.tokens.partition("|")
        return (line_break, word) if bar and line_break.startswith("<") else ("", "")
    if len(tokenizer.separators) != 2:
        return "", ""
    line_break, not_word = tokenizer.separators
    characters = NOT_WORD.fullmatch(not_word)
    return (line_break, f"[{characters[1]}]+") if characters else ("", "")
