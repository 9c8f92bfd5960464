"""Perturb texts, one at a time."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from penstock.config.behaviour import (
    CaseTestConfig,
    NameSwapTestConfig,
    NegationTestConfig,
    SentenceTestConfig,
    TextTestConfig,
    TyposTestConfig,
)

LONG_WORD = re.compile(r"\b[^\W\d_]{4,}\b")
WORD = re.compile(r"\S+")
# A verb, and adverbs between it and the word that is negated.
BEFORE_OPINION = r"\b(is|was|are|were|it's|that's)\s+((?:(?:a|an|very|really|so|quite|truly|just|absolutely)\s+){0,2}"


def perturbed_text(test: TextTestConfig, text: str, label: str, generator: np.random.Generator) -> str:
    """Perturb a text as a behaviour test says.

    Args:
        test: Settings of the test.
        text: The text.
        label: Name of its true class.
        generator: Source of places, names and sentences.

    Returns:
        The changed text; the same text if the test does not apply to it.
    """
    match test:
        case TyposTestConfig():
            return LONG_WORD.sub(lambda word: _misspelled(word[0], test.share, generator), text)
        case CaseTestConfig():
            return text.upper() if test.to == "upper" else text.lower()
        case NameSwapTestConfig():
            return _renamed(text, test.names, generator)
        case NegationTestConfig():
            return _negated(text, test.opinions.get(label, ()), test.last_words)
        case SentenceTestConfig():
            return f"{text} {test.sentences[generator.integers(len(test.sentences))]}"


def _misspelled(word: str, share: float, generator: np.random.Generator) -> str:
    """Swap two neighbouring letters of a share of the words; the first letter stays."""
    if generator.random() >= share:
        return word
    place = int(generator.integers(1, len(word) - 1))
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]


def _renamed(text: str, names: Sequence[str], generator: np.random.Generator) -> str:
    """Replace every name by the next one of a random order, so that a person keeps one name within a text."""
    order = [names[number] for number in generator.permutation(len(names))]
    other = dict(zip(order, [*order[1:], order[0]], strict=True))
    return re.sub(rf"\b({'|'.join(map(re.escape, names))})\b", lambda name: other[name[0]], text)


def _negated(text: str, opinions: Sequence[str], last_words: int) -> str:
    """Insert `not` between a verb and an opinion, within the last words."""
    if not opinions:
        return text
    starts = [word.start() for word in WORD.finditer(text)][-last_words:]
    start = starts[0] if starts else 0
    pattern = rf"{BEFORE_OPINION}(?:{'|'.join(map(re.escape, opinions))})\b)"
    return text[:start] + re.sub(pattern, r"\1 not \2", text[start:], flags=re.IGNORECASE)
