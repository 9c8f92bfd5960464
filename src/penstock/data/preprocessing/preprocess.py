"""Preprocess raw files into the arrays of `penstock.io.processed_dataset`, and report data.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.config.data import ColumnsConfig, DatasetConfig, TextConfig
from penstock.config.targets import NumberTargetConfig, class_names
from penstock.data.preprocessing import checks, text
from penstock.data.preprocessing.encoder import described
from penstock.data.preprocessing.findings.report import findings
from penstock.data.preprocessing.fingerprints import count_duplicates, count_leaked
from penstock.data.preprocessing.parts import PartRows, read_parts
from penstock.data.preprocessing.split import Rows, fold_numbers, split_rows
from penstock.data.preprocessing.statistics import value_range
from penstock.data.sources.read import places_of
from penstock.data.sources.rows import part_for
from penstock.io.column_info import ColumnInfo, TargetInfo
from penstock.io.dataset_info import DatasetInfo
from penstock.io.files import atomic_folder
from penstock.io.processed_dataset import SPLITS, ProcessedDataset, SplitName, save_array, save_chunks, save_rows


def preprocess(name: str, settings: DatasetConfig, *, raw: Path, folder: Path) -> dict[str, Any]:
    """Write the processed dataset and return the content of data.json.

    Rows are read and written by batches; memory holds a few numbers of every row, and the distinct words of the
    training texts. `folder` is replaced once all checks have passed and all arrays are written.

    Args:
        name: Name of the dataset.
        settings: Entry of the dataset in params.yaml.
        raw: Folder of the official files.
        folder: Output folder of the processed dataset.

    Raises:
        DataFileError: A file is not as declared.
        DataCheckError: The data fail `datasets.<name>.checks`.
        WrongSettingError: `split` does not match the parts or the data, or `split.max_rows` leaves too few rows.
    """
    with atomic_folder(folder) as unfinished, TemporaryDirectory(dir=unfinished) as scratch:
        parts = read_parts(name, settings, raw, Path(scratch))
        checks.require(name, checks.of_raw(settings, parts))
        found = split_rows(parts, settings)
        folds = fold_numbers(found.rows, parts, settings)
        for split in SPLITS:
            save_array(unfinished, f"{split}/labels", part_for(parts, split).labels[found.rows[split]])
            save_array(unfinished, f"{split}/rows", found.rows[split])
        save_array(unfinished, "folds", folds)
        info, training_inputs = _save_inputs(name, settings, parts, found.rows, unfinished)
        info.save(unfinished)

        of_split = {split: part_for(parts, split).fingerprints[found.rows[split]] for split in SPLITS}
        leaked = count_leaked(of_split)
        processed = {split: ProcessedDataset(unfinished).split(split) for split in SPLITS}
        ranges = {split: value_range(ProcessedDataset(unfinished).input_chunks(split)) for split in SPLITS}
        checks.require(name, checks.of_processed(settings.checks, ranges, leaked))
        return {
            "dataset": name,
            "kind": info.kind,
            "shape": list(info.shape),
            "vocab_size": info.vocab_size,
            "splits": {split: _describe(processed[split].labels, ranges[split], info) for split in SPLITS},
            "training_inputs": training_inputs,
            "duplicates": {
                "official": count_duplicates({part: rows.fingerprints for part, rows in parts.items()}),
                "splits": count_duplicates(of_split),
                "dropped_from_training": found.dropped,
                "leaked": leaked,
            },
            "findings": _findings(settings, raw, parts, unfinished),
        }


def _findings(settings: DatasetConfig, raw: Path, parts: Mapping[str, PartRows], folder: Path) -> dict[str, Any]:
    def places(split: SplitName, rows: Sequence[int]) -> list[str]:
        return places_of(settings, raw, part_for({part: part for part in parts}, split), rows)

    return findings(ProcessedDataset(folder), settings.input_columns, places)


def _save_inputs(
    name: str, settings: DatasetConfig, parts: Mapping[str, PartRows], rows: Rows, folder: Path
) -> tuple[DatasetInfo, dict[str, Any]]:
    """Write the inputs of each split; return the description of the dataset, and statistics of the training inputs."""
    if isinstance(settings.inputs, TextConfig):
        encoder = text.fit(settings.inputs, _text_blocks(parts, rows, "train"))
        for split in SPLITS:
            encoded = encoder.encode_blocks(_text_blocks(parts, rows, split))
            save_chunks(folder, f"{split}/inputs", encoded, (len(rows[split]), *encoder.shape), np.dtype(np.int32))
        encoder.save(folder)
        lengths = part_for(parts, "train").inputs[rows["train"]]
        described_texts = encoder.describe(lengths, ProcessedDataset(folder).input_chunks("train"))
        return _info(name, settings, encoder.shape, encoder.vocab_size), described_texts
    for split in SPLITS:
        save_rows(folder, f"{split}/inputs", part_for(parts, split).inputs, rows[split])
    training = ProcessedDataset(folder).split("train").inputs
    return _info(name, settings, training.shape[1:], 0), described(settings.inputs, training)


def _text_blocks(parts: Mapping[str, PartRows], rows: Rows, split: SplitName) -> Iterator[text.Block]:
    store = part_for(parts, split).texts
    assert store is not None
    return store.blocks(rows[split])


def _info(name: str, settings: DatasetConfig, shape: tuple[int, ...], vocab_size: int) -> DatasetInfo:
    inputs, target = settings.inputs, settings.target
    return DatasetInfo(
        dataset=name,
        kind=inputs.kind,
        shape=shape,
        vocab_size=vocab_size,
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


def _describe(labels: NDArray[Any], values: tuple[float, float], info: DatasetInfo) -> dict[str, Any]:
    """Describe a split: rows, labels, and the range of the inputs, which is None where every value is missing."""
    return {
        "rows": len(labels),
        **_describe_labels(labels, info),
        "values": [None if np.isnan(end) else round(end, 4) for end in values],
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
