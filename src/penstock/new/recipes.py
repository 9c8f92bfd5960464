"""Sensible networks and trainings by kind of inputs and number of rows.

They are starting points that `penstock sweep` improves. docs/your-own-data.md has their scores beside scikit-learn's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

FEW_ROWS, SOME_ROWS = 2_000, 20_000
FEW_TEXTS = 5_000
SMALL_IMAGE = 12  # pixels of an edge that a second pooling would leave too few of

Settings = dict[str, Any]


def network_of(kind: str, *, image_edge: int = 28, vocab_size: int = 0, max_length: int = 0) -> Settings:
    """Return a network for a kind of inputs.

    Args:
        kind: Kind of inputs.
        image_edge: Shorter edge of the images, in pixels.
        vocab_size: Word ids of the dataset, for texts.
        max_length: Words of each text.
    """
    match kind:
        case "image":
            pools = [2, 2] if image_edge > SMALL_IMAGE else [2]
            blocks = [{"filters": 32 * 2**number, "pool": pool} for number, pool in enumerate(pools)]
            return {"kind": "convolutional", "padding": "same", "blocks": blocks, "dropout": 0.2}
        case "text":
            tokens = {"vocab_size": vocab_size, "max_length": max_length, "embedding_dim": 32, "word_dropout": 0.3}
            return {"kind": "attention", "tokens": tokens, "dropout": 0.3, "output_dropout": 0.3}
        case _:
            return {"kind": "tabular"}


def training_of(kind: str, rows: int) -> Settings:
    """Return a training.

    Args:
        kind: Kind of inputs.
        rows: Rows of the whole dataset.
    """
    if kind in ("table", "columns"):
        return _of_table(rows)
    if kind == "text":
        return _of_texts(rows)
    epochs = 30 if rows < FEW_ROWS else 10
    return {
        "epochs": epochs,
        "batch_size": 16 if rows < FEW_ROWS else 64,
        "optimizer": {"kind": "adam", "learning_rate": 0.003},
        "ema_decay": 0.99 if rows < SOME_ROWS else 0.998,
        "gradient_clip_norm": 1.0,
        "early_stopping": 5,
    }


def _of_texts(rows: int) -> Settings:
    few = rows < FEW_TEXTS
    return {
        "epochs": 20 if few else 10,
        "batch_size": 32 if few else 64,
        # Few texts are few steps, and word vectors begin small.
        "optimizer": {"kind": "adam", "learning_rate": 0.01 if few else 0.003},
        "ema_decay": 0.99 if rows < SOME_ROWS else 0.998,
        "gradient_clip_norm": 1.0,
        "early_stopping": 5,
    }


def _of_table(rows: int) -> Settings:
    small = rows < FEW_ROWS
    return {
        "epochs": 60 if small else 40,
        "batch_size": 32 if small else 256,
        "optimizer": {"kind": "adam", "learning_rate": 0.002, "weight_decay": 0.01},
        "schedule": {"kind": "constant"},
        "ema_decay": 0.98,
        "early_stopping": 12,
    }


def gates_of(task: str, shares: Sequence[float]) -> Settings:
    """Return gates that a model passes which is better than a constant answer.

    Args:
        task: Task of the model.
        shares: Share of the rows of each class or label.
    """
    match task:
        case "classification":
            return {"accuracy": round(max(shares), 3)}
        case "multilabel":
            return {"macro_f1": round(sum(2 * share / (1 + share) for share in shares) / len(shares), 3)}
        case _:
            return {"r2": 0.0}
