"""Each version lacks exactly one part, and the number of versions is limited."""

from itertools import chain

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from penstock.data.preprocessing.text import words
from penstock.serving.errors import InputError
from penstock.serving.rest.occlusion import MAX_TEXT_LENGTH, MAX_TEXT_PARTS, ImageParts, TextParts, log_odds_drops

MOST_PATCHES = 169
# The first text waits for pyarrow.
UNHURRIED = settings(deadline=None)
SIZES = st.tuples(st.integers(1, 90), st.integers(1, 90))
IMAGES = SIZES.flatmap(lambda size: arrays.arrays(np.uint8, size))
TEXTS = st.lists(
    st.sampled_from(
        ["a", "b'", "Z9", "<", "br", ">", "<br />", "<BR/>", " ", ".", "é", "🎬", "\n", "映", "ไ", "่", "\u200d"]
    )
).map("".join)
REVIEWS = st.lists(st.sampled_from(["good", "bad", "film", "don't"]), max_size=700)


@UNHURRIED
@given(IMAGES)
def test_patches_cover_everything_but_the_background_evenly(image):
    parts = ImageParts.of(image)
    background = np.uint8(np.median(image))
    assert len(parts.patches) <= MOST_PATCHES
    covered = np.zeros(image.shape, dtype=bool)
    for row, patch in zip(parts.rows[1:], parts.patches, strict=True):
        covered[patch] = True
        assert (row[patch] == background).all()
        row[patch] = image[patch]
        assert (row == image).all(), "nothing changed outside of the patch"
    assert covered[image != background].all()


@UNHURRIED
@given(IMAGES)
def test_pixel_weights_are_the_mean_of_their_patches(image):
    parts = ImageParts.of(image)
    assert np.allclose(parts.weights(np.zeros(len(parts.patches))), 0)
    if parts.patches:
        weights = parts.weights(np.arange(1.0, 1 + len(parts.patches)))
        assert weights.shape == image.shape
        assert 0 < weights.max() <= len(parts.patches)
    if len(parts.patches) == MOST_PATCHES:
        assert np.allclose(parts.weights(np.full(MOST_PATCHES, 2.0)), 2)


def read(*texts, rule="ascii"):
    """Compare with the words that the models are trained on."""
    return list(words(np.array(texts, dtype=object), rule))


@UNHURRIED
@given(TEXTS, st.sampled_from(["ascii", "unicode"]))
def test_spans_are_the_words_of_the_tokenizer(text, rule):
    parts = TextParts.of(text, rule)
    assert [text[span.start : span.end].lower() for span in parts.spans] == read(text, rule=rule)[0]


@UNHURRIED
@given(TEXTS)
@example("<br映>")
@example("<br映/>")
@example("<映br>")
def test_each_version_lacks_one_word_of_any_script(text):
    whole, *versions = read(*TextParts.of(text, "unicode").rows, rule="unicode")
    assert versions == [whole[:left_out] + whole[left_out + 1 :] for left_out in range(len(whole))]


@UNHURRIED
@given(REVIEWS, st.sampled_from([" ", ", ", "<br />"]))
def test_each_version_lacks_exactly_the_words_of_its_span(chosen, between):
    parts = TextParts.of(between.join(chosen), "ascii")
    whole, versions = parts.rows[0], parts.rows[1:]
    assert len(versions) == len(parts.spans) <= MAX_TEXT_PARTS
    left_out = read(*(whole[span.start : span.end] for span in parts.spans))
    assert list(chain.from_iterable(left_out)) == chosen
    before: list[str] = []
    for version, missing in zip(read(*versions), left_out, strict=True):
        assert version == before + chosen[len(before) + len(missing) :]
        before += missing


def test_the_length_of_texts_is_limited():
    assert len(TextParts.of("x " * (MAX_TEXT_LENGTH // 2), "unicode").spans) <= MAX_TEXT_PARTS
    with pytest.raises(InputError, match="at most 20000 can be explained"):
        TextParts.of("x" * (MAX_TEXT_LENGTH + 1), "unicode")


def test_weights_are_drops_of_log_odds():
    likely = np.array([[0.2, 0.8], [0.5, 0.5], [0.2, 0.8], [1, 0]], dtype=np.float32)
    assert log_odds_drops(likely, 1)[:2] == pytest.approx([np.log(4), 0])
    assert np.isfinite(log_odds_drops(likely, 1)).all()
    assert log_odds_drops(likely, 0)[0] == pytest.approx(-np.log(4))
