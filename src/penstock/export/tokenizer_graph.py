"""Build the tokenizer of `penstock.data.preprocessing.text` as an ONNX graph for stock onnxruntime.

`com.microsoft.Tokenizer` splits the text with RE2, which interprets these expressions as Python's `re` does. By the
rule ascii it splits at separators. By the rule unicode it finds words, since some have no separator between them. The
graph gathers the last words of each row, and lowercases and looks up only those. So the cost of this step does not
depend on the longest text of a batch. Each row starts with an empty token to support empty texts, also if all texts of
a batch are empty.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from penstock.io.dataset_info import FIRST_WORD, PADDING, UNKNOWN
from penstock.io.text_rules import ASCII_NOT_WORD, LINE_BREAK, UNICODE_WORD, WordRule

OPSETS = {"": 20, "ai.onnx.ml": 4, "com.microsoft": 1}
IR_VERSION = 10


def text_graph(vocabulary: list[str], length: int, text: str, ids: str, rule: WordRule) -> onnx.ModelProto:
    """Build the graph from texts to word ids, padded on the left.

    Args:
        vocabulary: Words in the order of their ids.
        length: Number of words kept from the end of each text.
        text: Name of the input, string [batch].
        ids: Name of the output, int64 [batch, length].
        rule: What a word is.
    """
    last_tokens = _last_tokens() if rule == "ascii" else _last_words()
    graph = helper.make_graph(
        [*_tokens(text, rule), *last_tokens, *_ids(vocabulary, ids)],
        "text",
        [helper.make_tensor_value_info(text, TensorProto.STRING, ["batch"])],
        [helper.make_tensor_value_info(ids, TensorProto.INT64, ["batch", length])],
        [numpy_helper.from_array(value, name) for name, value in _constants(length, rule).items()],
    )
    opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def _constants(length: int, rule: WordRule) -> dict[str, NDArray[Any]]:
    """Return the constants of the graph; onnxruntime warns of those that no node takes."""
    of_rule: dict[str, NDArray[Any]] = {"positions": np.arange(-length, 0, dtype=np.int64)[None, :]}
    if rule == "unicode":
        of_rule = {
            "one": np.array(1, dtype=np.int64),
            "length": np.array([length], dtype=np.int64),
            "before_first": np.array([-length - 1], dtype=np.int64),
        }
    return {
        "empty": np.array([[""]], dtype=object),
        "column": np.array([1], dtype=np.int64),
        **of_rule,
        "zero": np.array(0, dtype=np.int64),
        "flat": np.array([-1], dtype=np.int64),
        "rows": np.array([-1, length], dtype=np.int64),
        "padding": np.array(PADDING, dtype=np.int64),
    }


def _tokens(text: str, rule: WordRule) -> list[onnx.NodeProto]:
    """Split each text, and prepend empty tokens to each row, so that tokens to gather always exist."""
    words: dict[str, Any] = {"separators": [LINE_BREAK, ASCII_NOT_WORD]}
    if rule == "unicode":
        words = {"tokenexp": f"{LINE_BREAK}|{UNICODE_WORD}"}
    return [
        helper.make_node(
            "Tokenizer",
            [text],
            ["tokens"],
            domain="com.microsoft",
            mark=0,
            mincharnum=1,
            pad_value="",
            **words,
        ),
        helper.make_node("Shape", [text], ["batch"]),
        helper.make_node("Concat", ["batch", "column" if rule == "ascii" else "length"], ["one_column"], axis=0),
        helper.make_node("Expand", ["empty", "one_column"], ["empties"]),
        helper.make_node("Concat", ["empties", "tokens"], ["padded"], axis=1),
    ]


def _last_tokens() -> list[onnx.NodeProto]:
    """Gather the last tokens of each row."""
    return [
        # The length of a row is its number of non-empty tokens.
        helper.make_node(
            "LabelEncoder",
            ["padded"],
            ["is_word"],
            domain="ai.onnx.ml",
            keys_strings=[""],
            values_int64s=[0],
            default_int64=1,
        ),
        helper.make_node("ReduceSum", ["is_word", "column"], ["length"], keepdims=1),
        # Positions -length..-1 count from the end of the words of a row. Positions before the first word are padding.
        helper.make_node("Add", ["length", "positions"], ["source"]),
        helper.make_node("GreaterOrEqual", ["source", "zero"], ["is_there"]),
        helper.make_node("Add", ["source", "column"], ["shifted"]),
        helper.make_node("Max", ["shifted", "zero"], ["index"]),
        helper.make_node("GatherElements", ["padded", "index"], ["last_tokens"], axis=1),
    ]


def _last_words() -> list[onnx.NodeProto]:
    """Gather the last words of each row, which may have line breaks between them: the largest positions of words."""
    return [
        helper.make_node("RegexFullMatch", ["padded"], ["is_no_word"], pattern=f"({LINE_BREAK})?"),
        helper.make_node("Shape", ["padded"], ["columns"], start=1),
        helper.make_node("Squeeze", ["columns"], ["number"]),
        helper.make_node("Range", ["zero", "number", "one"], ["places"]),
        helper.make_node("Where", ["is_no_word", "padding", "places"], ["places_of_words"]),
        helper.make_node("TopK", ["places_of_words", "length"], ["descending", "order"], axis=1),
        helper.make_node("Slice", ["descending", "flat", "before_first", "column", "flat"], ["index"]),
        helper.make_node("Greater", ["index", "zero"], ["is_there"]),
        helper.make_node("GatherElements", ["padded", "index"], ["last_tokens"], axis=1),
    ]


def _ids(vocabulary: list[str], ids: str) -> list[onnx.NodeProto]:
    """Lowercase the gathered tokens and look up their ids."""
    return [
        helper.make_node("Reshape", ["last_tokens", "flat"], ["flat_tokens"]),
        helper.make_node("StringNormalizer", ["flat_tokens"], ["lower"], case_change_action="LOWER", locale="C.UTF-8"),
        helper.make_node(
            "LabelEncoder",
            ["lower"],
            ["flat_ids"],
            domain="ai.onnx.ml",
            keys_strings=vocabulary,
            values_int64s=range(FIRST_WORD, FIRST_WORD + len(vocabulary)),
            default_int64=UNKNOWN,
        ),
        helper.make_node("Reshape", ["flat_ids", "rows"], ["last_ids"]),
        helper.make_node("Where", ["is_there", "last_ids", "padding"], [ids]),
    ]
