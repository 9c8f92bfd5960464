"""Compare the tokenizer of an exported graph with preprocessing, also on edge cases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from penstock.data.preprocessing.text import TextEncoder, restricted
from penstock.data.sources.rows import RawSplit, part_for
from penstock.evaluation.parity import max_abs_diff, network_outputs
from penstock.evaluation.session import onnx_outputs, open_session
from penstock.export.graph import TEXT, TOKEN_IDS
from penstock.io.dataset_info import FIRST_WORD
from penstock.io.processed_dataset import SPLITS, ProcessedDataset
from penstock.models.common.base import ExportableModel

BATCH_SIZE = 256
# Edge cases: no words, longer than the input of any network, no known words, only markup, non-ASCII characters.
EXTREMES = ("", " ", "good", "good " * 5000, "qwxzj " * 300, "<br /><br/>", "\u00e9\u4e2d\U0001f600!?", "It's\n10/10\t")
# For any script: case, combining marks and joiners, no spaces, marks without a letter, emoji sequences.
OTHER_SCRIPTS = (
    "Sch\u00f6NE Stra\u00dfe \u0130stanbul \u03a3\u038a\u03a3\u03a5\u03a6\u039f\u03a3",
    "\u0936\u094d\u0930\u0940 \u0dc1\u0dca\u200d\u0dbb\u0dd3 \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "\u6211\u559c\u6b22\u30e9\u30fc\u30e1\u30f3\u0e07\u0e48\u0e32\u0e22good",
    "\u0301\u200dgood \u2764\ufe0f\U0001f468\u200d\U0001f469 1\ufe0f\u20e3",
)


def difference_at_extremes(
    session: onnxruntime.InferenceSession, network: ExportableModel, processed: ProcessedDataset
) -> float:
    """Return the largest difference of the outputs for the edge cases, one at a time and in one batch."""
    texts = np.array([*EXTREMES, *(OTHER_SCRIPTS if processed.info.word_rule == "unicode" else ())], dtype=object)
    trained = network_outputs(network, _encoder(network, processed).encode(texts))
    return max(max_abs_diff(onnx_outputs(session, texts, size), trained) for size in (1, len(texts)))


def equal_token_ids(
    path: Path, network: ExportableModel, processed: ProcessedDataset, parts: Mapping[str, RawSplit]
) -> float:
    """Return the share of texts, over all splits, whose token ids in the graph equal those on disk.

    Rows of the official files outside the splits are duplicates of rows in the splits.
    """
    session = open_session(_up_to(path, TOKEN_IDS))
    (max_length,), vocab_size = network.input_spec.shape, network.input_spec.vocab_size
    equal = texts = 0
    for split in SPLITS:
        part = part_for(parts, split)[processed.rows(split)]
        ids = onnx_outputs(session, part.inputs, BATCH_SIZE)[TOKEN_IDS]
        on_disk = restricted(processed.split(split).inputs, vocab_size, max_length)
        equal += int((ids == on_disk).all(axis=1).sum())
        texts += len(ids)
    return equal / texts


def _encoder(network: ExportableModel, processed: ProcessedDataset) -> TextEncoder:
    """Return the preprocessing encoder with the vocabulary and `max_length` of the network."""
    (max_length,), vocab_size = network.input_spec.shape, network.input_spec.vocab_size
    vocabulary = processed.vocabulary()[: vocab_size - FIRST_WORD]
    return TextEncoder(vocabulary, max_length, vocab_size, processed.info.word_rule)


def _up_to(path: Path, output: str) -> bytes:
    """Extract the subgraph that computes one intermediate value, as serialized bytes."""
    proto = onnx.shape_inference.infer_shapes(onnx.load(path))
    part: onnx.ModelProto = onnx.utils.Extractor(proto).extract_model([TEXT], [output])
    content: bytes = part.SerializeToString()
    return content
