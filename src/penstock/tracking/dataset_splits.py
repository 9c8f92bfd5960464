"""Describe the splits of a processed dataset for an event, without MLflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from penstock.core.errors import MissingFileError
from penstock.io.processed_dataset import ProcessedDataset, SplitName

CONTEXTS = {"train": "training", "validation": "validation", "test": "testing"}  # names of MLflow


def split_name(dataset: str, split: SplitName) -> str:
    """Return the name of a split in MLflow, which has one context for each dataset of a run."""
    return f"{dataset}_{split}"


def describe_split(folder: Path, source: str, dataset: str, split: SplitName, digest: str) -> dict[str, Any]:
    """Return what `penstock.tracking.dataset_inputs.dataset_input` makes an input of a run from.

    Args:
        folder: Folder of the processed dataset. Shapes and types of arrays that are not there stay unknown.
        source: Its path relative to the project.
        dataset: Name of the dataset.
        split: Its split.
        digest: DVC's hash of the folder.
    """
    return {
        "name": split_name(dataset, split),
        "digest": digest,
        "source": source,
        "context": CONTEXTS[split],
        "arrays": _arrays(folder, split),
    }


def _arrays(folder: Path, split: SplitName) -> dict[str, Any]:
    """Return type and shape of inputs and labels, by MLflow's names for them."""
    try:
        rows = ProcessedDataset(folder).split(split)
    except (MissingFileError, OSError, ValueError):  # no stage fails because of what it logs
        return {}
    found = {"features": rows.inputs, "targets": rows.labels}
    return {name: {"dtype": array.dtype.name, "shape": list(array.shape)} for name, array in found.items()}
