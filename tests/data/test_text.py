"""Test that the exported graph and preprocessing give the same ids for any text."""

import re
from collections import Counter
from itertools import chain
from unittest.mock import patch

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.config.data import TextConfig
from penstock.core.errors import WrongSettingError
from penstock.data.preprocessing import text as text_inputs
from penstock.data.preprocessing.text import TextEncoder, fit, words
from penstock.export.tokenizer_graph import text_graph
from penstock.io.text_rules import LINE_BREAK

VOCABULARY = ["the", "a", "it's", "good", "10", "br", "k", "i"]
ENCODER = TextEncoder(VOCABULARY, max_length=6, vocab_size=10)
TEXTS = st.text(st.sampled_from("ab 'K1é\u212a\u0130\u00df<br/>B\n\x00😀.-") | st.characters(exclude_categories=["Cs"]))
REVIEWS = st.lists(st.sampled_from([*VOCABULARY, "GOOD", "unknown", "<br />", "<BR>", "...", "café"])).map(" ".join)


@pytest.fixture(scope="module")
def graph():
    proto = text_graph(VOCABULARY, ENCODER.max_length, "text", "ids")
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    return lambda texts: session.run(["ids"], {"text": np.array(texts, dtype=object)})[0]


@settings(max_examples=300, deadline=None)
@given(texts=st.lists(TEXTS | REVIEWS, min_size=1, max_size=5), block_size=st.integers(1, 6))
def test_graph_equals_preprocessing_for_any_text_and_block_size(graph, texts, block_size):
    with patch.object(text_inputs, "ROWS_AT_ONCE", block_size):
        assert np.array_equal(graph(texts), ENCODER.encode(np.array(texts, dtype=object)))


@settings(deadline=None)
@given(texts=st.lists(TEXTS | REVIEWS, min_size=1, max_size=5), block_size=st.integers(1, 6))
def test_words_and_counts_equal_regex_reference(texts, block_size):
    texts = [*texts, "good"]  # at least one word
    expected = [re.findall("[a-z0-9']+", _ascii_lower(re.sub(LINE_BREAK, " ", text))) for text in texts]
    counts = Counter(chain.from_iterable(expected))
    with patch.object(text_inputs, "ROWS_AT_ONCE", block_size):
        rows = np.array(texts, dtype=object)
        assert list(words(rows)) == expected
        encoder, encoded = fit(TextConfig(kind="text", vocab_size=1000, max_length=3), rows)
        assert encoder.words == sorted(counts, key=lambda word: (-counts[word], word))
        assert np.array_equal(encoded, encoder.encode(rows))


def _ascii_lower(text):
    return text.encode().lower().decode()


@pytest.mark.parametrize("texts", [[""], ["", ""], ["...", ""], ["good", ""]])
def test_empty_text_is_all_padding(graph, texts):
    ids = graph(texts)
    assert ids.shape == (len(texts), 6)
    assert not ids[-1].any()


def test_last_words_are_kept_and_padded_on_the_left(graph):
    assert graph(["a good 10"]).tolist() == [[0, 0, 0, 3, 5, 6]]
    assert graph(["the the the the the a good unknown 10"]).tolist() == [[2, 2, 3, 5, 1, 6]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Great<br /><br />film!", ["great", "film"]),
        ("It's 10/10 <BR>", ["it's", "10", "10"]),
        ("in <br<br />/> two", ["in", "br", "two"]),
        ("brilliant < br > <b>", ["brilliant", "br", "b"]),
        ("café", ["caf"]),
    ],
)
def test_words_splits_text(text, expected):
    assert list(words(np.array([text], dtype=object))) == [expected]


def test_vocabulary_is_most_frequent_words_with_ties_in_alphabetical_order():
    texts = np.array(["b a c", "b a", "b d"], dtype=object)
    encoder, _ = fit(TextConfig(kind="text", vocab_size=5, max_length=3), texts)
    assert encoder.words == ["b", "a", "c"]
    assert encoder.vocab_size == 5


def test_vocab_size_is_the_declared_one_with_few_words():
    encoder, _ = fit(TextConfig(kind="text", vocab_size=50, max_length=3), np.array(["b a", "b"], dtype=object))
    assert (encoder.vocab_size, len(encoder.words)) == (50, 2)


def test_texts_without_a_word_are_an_error_about_the_inputs():
    with pytest.raises(WrongSettingError, match=r"^inputs: no training text has a word"):
        fit(TextConfig(kind="text", vocab_size=50, max_length=3), np.array(["", "..."], dtype=object))
