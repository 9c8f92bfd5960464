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
from penstock.data.preprocessing.text import TextEncoder, blocks_of, fit, words
from penstock.data.preprocessing.text_store import TextStore
from penstock.export.tokenizer_graph import text_graph
from penstock.io.dataset_info import UNKNOWN
from penstock.io.text_rules import LINE_BREAK, UNICODE_WORD

VOCABULARY = ["the", "a", "it's", "good", "10", "br", "k", "i"]
ENCODER = TextEncoder(VOCABULARY, max_length=6, vocab_size=10, rule="ascii")
TEXTS = st.text(st.sampled_from("ab 'K1é\u212a\u0130\u00df<br/>B\n\x00😀.-") | st.characters(exclude_categories=["Cs"]))
REVIEWS = st.lists(st.sampled_from([*VOCABULARY, "GOOD", "unknown", "<br />", "<BR>", "...", "café"])).map(" ".join)


@pytest.fixture(scope="module")
def graph():
    return ids_of(ENCODER)


def ids_of(encoder):
    """Return the exported tokenizer of an encoder, as a function from texts to ids."""
    proto = text_graph(encoder.words, encoder.max_length, "text", "ids", encoder.rule)
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
        assert list(words(rows, "ascii")) == expected
        encoder = fitted(rows, vocab_size=1000)
        assert encoder.words == sorted(counts, key=lambda word: (-counts[word], word))


def fitted(texts, vocab_size):
    settings = TextConfig(kind="text", vocab_size=vocab_size, max_length=3, word_rule="ascii")
    return fit(settings, blocks_of(np.array(texts, dtype=object), "ascii"))


@settings(max_examples=40, deadline=None)
@given(data=st.data(), texts=st.lists(TEXTS | REVIEWS, min_size=1, max_size=9), block_size=st.integers(1, 4))
def test_texts_kept_in_a_file_are_counted_and_encoded_as_those_in_memory(tmp_path_factory, data, texts, block_size):
    """Appended in two batches, and of all rows only some, as a split has them."""
    texts = np.array([*texts, "good a good"], dtype=object)
    middle = data.draw(st.integers(1, len(texts) - 1))
    chosen = [*data.draw(st.sets(st.integers(0, len(texts) - 2))), len(texts) - 1]
    rows = np.array(sorted(chosen), dtype=np.int64)
    with patch.object(text_inputs, "ROWS_AT_ONCE", block_size), patch.object(text_inputs, "WORDS_AT_ONCE", 2):
        store = TextStore(tmp_path_factory.mktemp("store") / "texts", "ascii")
        lengths = [store.append(batch) for batch in (texts[:middle], texts[middle:])]
        assert np.concatenate(lengths).tolist() == [len(found) for found in words(texts, "ascii")]
        encoder = fit(TextConfig(kind="text", vocab_size=9, max_length=3, word_rule="ascii"), store.blocks(rows))
        assert encoder == fitted(texts[rows], vocab_size=9)
        encoded = np.concatenate(list(encoder.encode_blocks(store.blocks(rows))))
    assert np.array_equal(encoded, encoder.encode(texts[rows]))


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
    assert list(words(np.array([text], dtype=object), "ascii")) == [expected]


def test_vocabulary_is_most_frequent_words_with_ties_in_alphabetical_order():
    encoder = fitted(["b a c", "b a", "b d"], vocab_size=5)
    assert encoder.words == ["b", "a", "c"]
    assert encoder.vocab_size == 5


def test_vocab_size_is_the_declared_one_with_few_words():
    encoder = fitted(["b a", "b"], vocab_size=50)
    assert (encoder.vocab_size, len(encoder.words)) == (50, 2)


def test_texts_without_a_word_are_an_error_about_the_inputs():
    with pytest.raises(WrongSettingError, match=r"^inputs\.word_rule: no training text has a word by the rule"):
        fitted(["", "..."], vocab_size=50)


# Letters, marks and joiners of many scripts, and what separates them; İ, ß, Σ and the Kelvin sign change with case.
SCRIPTS = (
    "aZ9'\u2019\u0130\u00df\u1e9e\u03a3\u03c2\u01c5\u212a\u0416\u044f\u0587\u05d0\u05b0\u0627\u064b\u0905\u094d"
    "\u0e01\u0e48\u0e33\u1780\u17d2\u1000\u1039\u0dca\u6211\u3042\u30fc\uff76\uff9e\uac00\U0001e900\U00010400\U00020000"
    "\u0301\u200c\u200d\ufe0f\u20e3\U000e0100 _.<br/>\n\x00\xa0\u2028\U0001f600\u00b2\u00bd\u2167\u0661"
)
CHARACTERS = st.sampled_from(SCRIPTS) | st.characters(exclude_categories=["Cs"])
ANY_SCRIPT = st.lists(CHARACTERS | st.sampled_from(["<br />", "<BR>", " "]), max_size=30).map("".join)


def unicode_reference(text):
    """Return the words by a second implementation of the rule, of Python's own tables for single characters."""
    return [
        "".join(_simple_lower(character) for character in word)
        for word in re.findall(UNICODE_WORD, re.sub(LINE_BREAK, " ", text))
    ]


def _simple_lower(character):
    return "i" if character == "\u0130" else character.lower()


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(ANY_SCRIPT, min_size=1, max_size=5), block_size=st.integers(1, 6))
def test_graph_equals_preprocessing_for_any_script(texts, block_size):
    """Every second word is unknown, so that ids show which word stands where."""
    with patch.object(text_inputs, "ROWS_AT_ONCE", block_size):
        rows = np.array([*texts, "good"], dtype=object)
        expected = [unicode_reference(text) for text in rows]
        assert list(words(rows, "unicode")) == expected
        known = sorted(set(chain.from_iterable(expected)))[::2]
        encoder = TextEncoder(known, max_length=4, vocab_size=100, rule="unicode")
        assert np.array_equal(ids_of(encoder)(rows), encoder.encode(rows))


def test_every_character_of_a_word_has_the_same_lower_case_in_graph_and_preprocessing():
    """All 136,000 of them: a case pair that only one side knows would show here."""
    characters = re.findall(
        UNICODE_WORD, " ".join(chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    )
    rows = np.array(characters, dtype=object)
    assert [word for (word,) in words(rows, "unicode")] == [_simple_lower(character) for character in characters]
    cased = rows[[character != _simple_lower(character) for character in characters]]
    encoder = TextEncoder(sorted({_simple_lower(one) for one in cased}), max_length=1, vocab_size=9999, rule="unicode")
    assert (encoder.encode(cased) > UNKNOWN).all()
    assert np.array_equal(ids_of(encoder)(rows), encoder.encode(rows))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Gro\u00df<br /><br />in <BR<br/>/> < br >", ["gro\u00df", "in", "br", "br"]),
        ("Der SCHN\u00c4BEL l\u00e4uft; Stra\u00dfe", ["der", "schn\u00e4bel", "l\u00e4uft", "stra\u00dfe"]),
        ("\u041d\u0435 \u0441\u0442\u043e\u0438\u0442!", ["\u043d\u0435", "\u0441\u0442\u043e\u0438\u0442"]),
        ("\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2", ["\u03c3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2"]),
        ("\u0939\u093f\u0928\u094d\u0926\u0940 film", ["\u0939\u093f\u0928\u094d\u0926\u0940", "film"]),
        ("\u0dc1\u0dca\u200d\u0dbb\u0dd3", ["\u0dc1\u0dca\u200d\u0dbb\u0dd3"]),
        ("\u6211\u559c\u6b22\u3002", ["\u6211", "\u559c", "\u6b22"]),
        ("\u0e07\u0e48\u0e32\u0e22", ["\u0e07\u0e48", "\u0e32", "\u0e22"]),
        ("\ud55c\uad6d\uc5b4 \ud14d\uc2a4\ud2b8", ["\ud55c\uad6d\uc5b4", "\ud14d\uc2a4\ud2b8"]),
        ("don\u2019t it's", ["don\u2019t", "it's"]),
        ("\u2764\ufe0f \U0001f468\u200d\U0001f469 #1_\u0301", ["1"]),
    ],
)
def test_words_of_any_script(text, expected):
    assert list(words(np.array([text], dtype=object), "unicode")) == [expected]
