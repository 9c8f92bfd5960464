"""Network and training of a first model, by the kind of its inputs, its target and the number of its rows."""

from __future__ import annotations

from typing import Any, Literal

from penstock.io.dataset_info import TargetKind

Settings = dict[str, Any]
LOSSES: dict[TargetKind, str] = {
    "class": "cross_entropy",
    "labels": "binary_cross_entropy",
    "number": "mean_squared_error",
}
SMALLEST_EDGE = 8
"""Images are pooled until their shorter edge is below this, in pixels."""


def first_model(
    kind: Literal["table", "columns", "image", "text"],
    target: TargetKind,
    rows: int,
    *,
    shape: tuple[int, ...] = (),
    vocab_size: int = 0,
) -> Settings:
    """Return `network` and `training` of an entry of `models`.

    Args:
        kind: Kind of the inputs.
        target: What is predicted.
        rows: Training rows.
        shape: Shape of a processed input: height and width of images first; words of a text.
        vocab_size: Word ids of texts.
    """
    match kind:
        case "table" | "columns":
            network: Settings = {"kind": "tabular"}
            training = _training(rows, epochs=100, learning_rate=0.002, weight_decay=0.0003, early_stopping=20)
        case "image":
            network = _convolutional(shape[0], shape[1])
            training = _training(rows, epochs=20, learning_rate=0.002, weight_decay=0.01, early_stopping=5)
        case "text":
            network = _attention(shape[0], vocab_size)
            training = _training(rows, epochs=20, learning_rate=0.002, weight_decay=0.01, early_stopping=3)
    return {"network": network, "training": training | {"loss": LOSSES[target]}}


def _training(rows: int, *, epochs: int, learning_rate: float, weight_decay: float, early_stopping: int) -> Settings:
    return {
        "epochs": epochs,
        "batch_size": _batch_size(rows),
        "optimizer": {"kind": "adam", "learning_rate": learning_rate, "weight_decay": weight_decay},
        "schedule": {"kind": "one_cycle"},
        "early_stopping": early_stopping,
        "gradient_clip_norm": 1.0,
    }


def _batch_size(rows: int) -> int:
    """Return a power of two, 16..256, of which an epoch has about 16 batches."""
    return max(16, min(256, 1 << max(rows // 16, 1).bit_length() - 1))


def _convolutional(height: int, width: int) -> Settings:
    edge, filters, blocks = min(height, width), 32, []
    while True:
        pool = 2 if edge >= 2 else 1
        blocks.append({"filters": filters, "pool": pool})
        edge, filters = edge // pool, min(2 * filters, 128)
        if edge < SMALLEST_EDGE:
            break
    return {"kind": "convolutional", "padding": "same", "blocks": blocks, "dense": [128], "dropout": 0.3}


def _attention(words: int, vocab_size: int) -> Settings:
    tokens = {"vocab_size": min(vocab_size, 20_000), "max_length": min(words, 256), "embedding_dim": 32}
    return {"kind": "attention", "tokens": tokens, "dropout": 0.2, "output_dropout": 0.2}
