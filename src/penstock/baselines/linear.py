"""Linear models on raw inputs: logistic regression, and ridge regression for numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from penstock.baselines.features import columns_transformer, scores
from penstock.config.data import DatasetConfig
from penstock.config.models import LinearBaselineConfig
from penstock.core.errors import WrongSettingError
from penstock.data.preprocessing.text import words
from penstock.data.sources.read import read_dataset
from penstock.data.sources.rows import RawSplit, part_for
from penstock.io.dataset_info import DatasetInfo
from penstock.io.processed_dataset import ArraySplit, ProcessedDataset

ITERATIONS = 200
# Fitting stops below this gradient. Text needs a lower value: TF-IDF features are small, and so is their gradient.
TOLERANCE = {"table": 1e-3, "columns": 1e-3, "image": 1e-3, "text": 1e-4}


def measure(
    settings: LinearBaselineConfig, dataset: DatasetConfig, processed: ProcessedDataset, raw: Path
) -> dict[str, Any]:
    """Fit a linear model on the training rows.

    Tables are standardized. Pixels are divided by 255. Words are weighted by TF-IDF with 1 + log(count).

    Args:
        settings: The entry of `baselines`.
        dataset: The entry of `datasets`.
        processed: The splits.
        raw: Folder of the official files.

    Returns:
        The primary metric of the target on the test rows: `accuracy`, `macro_f1`, or `r2` with the errors.

    Raises:
        WrongSettingError: The training rows cannot be fitted.
    """
    info = processed.info
    train, test = _rows(dataset, processed, raw, "train"), _rows(dataset, processed, raw, "test")
    model = make_pipeline(_features(info), _linear(info))
    try:
        model.fit(train.inputs, train.labels)
    except ValueError as error:  # such as texts without a common word
        raise WrongSettingError("dataset", f"scikit-learn cannot fit {settings.dataset}: {error}") from None
    return scores(info, model.predict(test.inputs), test.labels)


def _rows(
    dataset: DatasetConfig, processed: ProcessedDataset, raw: Path, split: Literal["train", "test"]
) -> RawSplit | ArraySplit:
    """Return the raw rows of a split; those of a mixed table are processed, in which categories are numbers."""
    if processed.info.kind == "columns":
        return processed.split(split)
    return part_for(read_dataset(dataset, raw), split)[processed.rows(split)]


def _linear(info: DatasetInfo) -> Any:  # noqa: ANN401  (scikit-learn is untyped)
    if info.target == "number":
        return Ridge()
    logistic = LogisticRegression(max_iter=ITERATIONS, tol=TOLERANCE[info.kind])
    return logistic if info.target == "class" else OneVsRestClassifier(logistic)


def _features(info: DatasetInfo) -> Any:  # noqa: ANN401  (scikit-learn is untyped)
    match info.kind:
        case "text":
            weights = TfidfVectorizer(analyzer=list, sublinear_tf=True, min_df=2, dtype=np.float32)
            return make_pipeline(FunctionTransformer(words, kw_args={"rule": info.word_rule}), weights)
        case "image":
            return FunctionTransformer(_flat_shares)
        case "columns":
            return columns_transformer(info)
        case _:
            return StandardScaler()


def _flat_shares(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    shares: NDArray[np.float32] = np.divide(images.reshape(len(images), -1), 255, dtype=np.float32)
    return shares
