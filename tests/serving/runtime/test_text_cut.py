"""Cut texts have the same token ids as whole ones, by both word rules."""

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.serving.errors import PayloadTooLargeError
from penstock.serving.runtime import text_cut
from penstock.serving.runtime.model import ServedModel
from penstock.serving.runtime.onnx_file import find_tokenizer
from tests.serving import tiny_models

VOCABULARY = ["a", "br", "r", "film", "it's", "字", "é"]
LENGTH = 3
PIECES = ["a", "film", "it's", "BR", " ", "  ", "<br />", "<br", "/>", "<", ">", "字", "字字", "e\u0301", "\u0301", "é"]
PIECES += ["\u200d", "\0", "\n", "A1", "unknown" * 3, ".", "😀", "Ⅷ", "<bR      />"]
texts = st.lists(st.sampled_from(PIECES), max_size=80).map("".join)


@pytest.fixture(scope="module", params=["ascii", "unicode"])
def graph(request):
    return tiny_models.token_ids(VOCABULARY, LENGTH, request.param).SerializeToString()


@pytest.fixture(scope="module")
def model(graph):
    return ServedModel("ids", graph)


@pytest.fixture(scope="module")
def session(graph):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(graph, options)


def ids(session, *texts):
    return session.run(None, {"text": np.array(texts, dtype=object)})[0]


def test_the_tokenizer_is_found_in_the_file(graph):
    found = find_tokenizer(graph, "text")
    assert found is not None
    assert found.max_length == LENGTH
    assert find_tokenizer(graph, "other") is None
    assert find_tokenizer(tiny_models.echo().SerializeToString(), "text") is None


@settings(deadline=None, max_examples=500)
@given(text=texts)
def test_cut_texts_have_the_same_token_ids(model, session, text):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(text_cut, "MAX_UNCUT", 4)  # so that windows start anywhere in the text
        patched.setattr(text_cut, "CHARACTERS_PER_WORD", 2)
        (short,) = model.signature.cut_texts({"text": np.array([text], dtype=object)})["text"]
    assert np.array_equal(ids(session, text), ids(session, short))


@pytest.mark.parametrize("text", ["film " + "a " * 1_000_000, "it's" + " " * 9000 + "a", "<br />" * 9000 + "film a"])
def test_long_texts_are_cut_to_what_the_model_reads(graph, session, text):
    model = ServedModel("ids", graph)
    (short,) = model.signature.cut_texts({"text": np.array([text], dtype=object)})["text"]
    assert len(short) < 20
    assert np.array_equal(ids(session, text), ids(session, short))


def test_texts_without_enough_words_near_the_end_are_rejected(graph):
    model = ServedModel("ids", graph)
    with pytest.raises(PayloadTooLargeError, match="send a shorter text"):
        model.signature.cut_texts({"text": np.array(["a" + " " * text_cut.MAX_CHARACTERS], dtype=object)})


def test_long_texts_for_an_unknown_graph_are_rejected():
    model = ServedModel("echo", tiny_models.echo().SerializeToString())
    given = {"text": np.array(["short", "a" * (text_cut.MAX_CHARACTERS + 1)], dtype=object)}
    assert model.signature.needs_cut(given)
    with pytest.raises(PayloadTooLargeError, match="has 1048577 characters"):
        model.signature.cut_texts(given)
