"""Build the tokenizer of `penstock.data.preprocessing.text` as an ONNX graph for stock onnxruntime.

`com.microsoft.Tokenizer` splits the text with RE2, which interprets these expressions as Python's `re` does. By the
rule ascii it splits at separators. By the rule unicode it finds words, since some have no separator between them. The
graph gathers the last words of each row, and lowercases and looks up only those. So the cost of this step does not
depend on the longest text of a batch. Each row starts with an empty token to support empty texts, also if all texts of
a batch are empty.
"""

from __future__ import annotations

import numpy as np
import onnx
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
    constants = {
        "empty": np.array([[""]], dtype=object),
        "column": np.array([1], dtype=np.int64),
        "positions": np.arange(-length, 0, dtype=np.int64)[None, :],
        "zero": np.array(0, dtype=np.int64),
        "flat": np.array([-1], dtype=np.int64),
        "rows": np.array([-1, length], dtype=np.int64),
        "padding": np.array(PADDING, dtype=np.int64),
    }
    graph = helper.make_graph(
        [*_tokens(text, rule), *_last_tokens(), *_ids(vocabulary, ids)],
        "text",
        [helper.make_tensor_value_info(text, TensorProto.STRING, ["batch"])],
        [helper.make_tensor_value_info(ids, TensorProto.INT64, ["batch", length])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def _tokens(text: str, rule: WordRule) -> list[onnx.NodeProto]:
    """Split each text, and prepend one empty token to each row, so that a token to gather always exists."""
    words = {"separators": [LINE_BREAK, ASCII_NOT_WORD]} if rule == "ascii" else {"tokenexp": UNICODE_WORD}
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
        helper.make_node("Concat", ["batch", "column"], ["one_column"], axis=0),
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
