"""Preprocess raw files into the arrays of `penstock.io.processed_dataset`, and report data.json."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.config.data import ColumnsConfig, DatasetConfig
from penstock.config.targets import NumberTargetConfig, class_names
from penstock.data.preprocessing import checks
from penstock.data.preprocessing.encoder import Encoder, fit_encoder
from penstock.data.preprocessing.fingerprints import count_duplicates, count_leaked
from penstock.data.preprocessing.split import Rows, fold_numbers, split_rows
from penstock.data.sources.read import read_dataset
from penstock.data.sources.rows import RawSplit, raw_split_for
from penstock.io.column_info import ColumnInfo, TargetInfo
from penstock.io.dataset_info import DatasetInfo
from penstock.io.processed_dataset import SPLITS, ArraySplit, save_array


def preprocess(name: str, settings: DatasetConfig, *, raw: Path, folder: Path) -> dict[str, Any]:
    """Write the processed dataset and return the content of data.json.

    Args:
        name: Name of the dataset.
        settings: Entry of the dataset in params.yaml.
        raw: Folder of the official files.
        folder: Output folder of the processed dataset.

    Raises:
        DataFileError: A file is not as declared.
        DataCheckError: The data fail `datasets.<name>.checks`.
        WrongSettingError: `split` does not match the parts, or `split.max_rows` leaves too few rows.
    """
    parts = read_dataset(settings, raw)
    checks.require_same_shape(name, parts)
    checks.require(name, checks.of_raw(settings, parts))
    found = split_rows(parts, settings)
    rows = found.rows

    of_split = {split: raw_split_for(parts, split)[rows[split]] for split in SPLITS}
    encoder, encoded_training = fit_encoder(settings.inputs, of_split["train"].inputs)
    encoded = {
        split: ArraySplit(
            inputs=encoded_training if split == "train" else encoder.encode(part.inputs), labels=part.labels
        )
        for split, part in of_split.items()
    }
    leaked = count_leaked(of_split)
    checks.require(name, checks.of_processed(settings.checks, encoded, leaked))

    info = _info(name, settings, encoder)
    folds = _folds(found.rows, parts, settings)
    report = {
        "dataset": name,
        "kind": info.kind,
        "shape": list(info.shape),
        "vocab_size": info.vocab_size,
        "splits": {split: _describe(encoded[split], info) for split in SPLITS},
        "training_inputs": encoder.describe(of_split["train"].inputs),
        "duplicates": {
            "official": count_duplicates(parts),
            "splits": count_duplicates(of_split),
            "dropped_from_training": found.dropped,
            "leaked": leaked,
        },
    }
    # Nothing is written before all checks have passed.
    for split in SPLITS:
        save_array(folder, f"{split}/inputs", encoded[split].inputs)
        save_array(folder, f"{split}/labels", encoded[split].labels)
        save_array(folder, f"{split}/rows", rows[split])
    save_array(folder, "folds", folds)
    encoder.save(folder)
    info.save(folder)
    return report


def _folds(rows: Rows, parts: Mapping[str, RawSplit], settings: DatasetConfig) -> NDArray[np.int8]:
    """Return the fold of each training and validation row; with given validation rows, each part has its own folds."""
    if "validation" in parts:
        found = [fold_numbers(rows[split], parts[split], settings) for split in ("train", "validation")]
        return np.concatenate(found, axis=1)
    return fold_numbers(np.concatenate([rows["train"], rows["validation"]]), raw_split_for(parts, "train"), settings)


def _info(name: str, settings: DatasetConfig, encoder: Encoder) -> DatasetInfo:
    inputs, target = settings.inputs, settings.target
    return DatasetInfo(
        dataset=name,
        kind=inputs.kind,
        shape=encoder.shape,
        vocab_size=encoder.vocab_size,
        classes=class_names(target),
        description=settings.description,
        word_rule=inputs.word_rule if inputs.kind == "text" else "ascii",
        target=target.kind,
        columns=_columns(inputs) if isinstance(inputs, ColumnsConfig) else (),
        targets=_targets(target) if isinstance(target, NumberTargetConfig) else (),
    )


def _columns(inputs: ColumnsConfig) -> tuple[ColumnInfo, ...]:
    return tuple(
        ColumnInfo(
            name=name,
            kind=column.kind,
            categories=column.values if column.kind == "category" else (),
            required=column.required,
            unit=column.unit if column.kind == "number" else "",
            description=column.description,
        )
        for name, column in inputs.columns.items()
    )


def _targets(target: NumberTargetConfig) -> tuple[TargetInfo, ...]:
    return tuple(TargetInfo(name=column, unit=target.unit) for column in target.columns)


def _describe(split: ArraySplit, info: DatasetInfo) -> dict[str, Any]:
    """Describe a split: rows, labels, and the range of the inputs; NaN, a missing value, has no part in the range."""
    low, high = np.nanmin(split.inputs).item(), np.nanmax(split.inputs).item()
    return {
        "rows": len(split),
        **_describe_labels(split.labels, info),
        "values": [round(low, 4), round(high, 4)],
    }


def _describe_labels(labels: NDArray[Any], info: DatasetInfo) -> dict[str, Any]:
    match info.target:
        case "class":
            counts = np.bincount(labels, minlength=len(info.classes))
            return {"classes": {name: int(count) for name, count in zip(info.classes, counts, strict=True)}}
        case "labels":
            sums = labels.sum(axis=0)
            return {"classes": {name: int(count) for name, count in zip(info.classes, sums, strict=True)}}
        case "number":
            return {
                "targets": {
                    target.name: {
                        "mean": round(float(values.mean(dtype=np.float64)), 4),
                        "standard_deviation": round(float(values.std(dtype=np.float64)), 4),
                        "range": [round(float(values.min()), 4), round(float(values.max()), 4)],
                    }
                    for target, values in zip(info.targets, labels.T, strict=True)
                }
            }
