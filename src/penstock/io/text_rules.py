"""Define a word of a text model, with regular expressions that RE2 and Python's `re` interpret identically.

`datasets.<name>.inputs.word_rule` in params.yaml selects the rule:

unicode: A word is a run of letters, digits, combining marks and apostrophes of any script. In scripts without spaces
    between words, each letter is a word.
ascii: A word is a run of ASCII letters, digits and apostrophes.

HTML line breaks separate words. Words are lowercased character by character: the Turkish dotted capital I becomes i,
and the sharp s stays. Equal texts in different Unicode normalization forms have different words.
"""

from __future__ import annotations

from typing import Literal

from penstock.io import unicode_words

WordRule = Literal["ascii", "unicode"]

LINE_BREAK = "<[bB][rR] */?>"
ASCII_WORD = "[A-Za-z0-9']+"
ASCII_NOT_WORD = "[^A-Za-z0-9']+"


def _characters(ranges: str) -> str:
    """Convert hexadecimal ranges such as `41-5A AA` to the content of a character class."""
    return "".join("-".join(chr(int(end, 16)) for end in part.split("-")) for part in ranges.split())


_unspaced, _letters, _marks = map(_characters, (unicode_words.UNSPACED, unicode_words.LETTERS, unicode_words.MARKS))

UNSPACED_WORD = f"[{_unspaced}][{_marks}]*"
UNICODE_WORD = f"{UNSPACED_WORD}|[{_letters}][{_letters}{_marks}]*"
# Marks without a letter before them, such as the joiners of emoji, belong to no word.
UNICODE_NOT_WORD = f"[^{_unspaced}{_letters}{_marks}][^{_unspaced}{_letters}]*"
