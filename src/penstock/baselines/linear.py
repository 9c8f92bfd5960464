"""Linear models: logistic regression of a class or of each label, ridge regression of numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from penstock.baselines.common import Rows, fit_and_score
from penstock.config.data import DatasetConfig
from penstock.config.models import LinearBaselineConfig
from penstock.data.preprocessing.text import words
from penstock.data.sources.read import read_dataset
from penstock.data.sources.rows import raw_split_for
from penstock.io.dataset_info import DatasetInfo
from penstock.io.processed_dataset import ProcessedDataset

ITERATIONS = 200
# Fitting stops below this gradient. Text needs a lower value: TF-IDF features are small, and so is their gradient.
TOLERANCE = {"table": 1e-3, "columns": 1e-3, "image": 1e-3, "text": 1e-4}


def measure(
    _settings: LinearBaselineConfig, dataset: DatasetConfig, processed: ProcessedDataset, raw: Path
) -> dict[str, Any]:
    """Fit a linear model on the training rows.

    Tables are standardized. Pixels are divided by 255. Words are weighted by TF-IDF with 1 + log(count). Categories of
    mixed tables are one-hot.

    Args:
        dataset: The entry of `datasets`.
        processed: The splits.
        raw: Folder of the official files.

    Returns:
        Metrics of the test rows, as `fit_and_score` describes them.

    Raises:
        WrongSettingError: The training rows cannot be fitted.
    """
    info = processed.info
    train, test = _rows(dataset, processed, raw, "train"), _rows(dataset, processed, raw, "test")
    return fit_and_score(make_pipeline(_features(info), _model(info)), train, test, info)


def _rows(dataset: DatasetConfig, processed: ProcessedDataset, raw: Path, split: Literal["train", "test"]) -> Rows:
    """Return the rows of a split: raw inputs, or the processed columns of a mixed table."""
    if processed.info.kind == "columns":
        encoded = processed.split(split)
        return np.asarray(encoded.inputs), encoded.labels
    rows = raw_split_for(read_dataset(dataset, raw), split)[processed.rows(split)]
    return rows.inputs, rows.labels


def _model(info: DatasetInfo) -> Any:  # noqa: ANN401  (scikit-learn is untyped)
    logistic = LogisticRegression(max_iter=ITERATIONS, tol=TOLERANCE[info.kind])
    match info.target:
        case "class":
            return logistic
        case "labels":
            return OneVsRestClassifier(logistic)
        case "number":
            return Ridge()


def _features(info: DatasetInfo) -> Any:  # noqa: ANN401  (scikit-learn is untyped)
    match info.kind:
        case "text":
            weights = TfidfVectorizer(analyzer=list, sublinear_tf=True, min_df=2, dtype=np.float32)
            return make_pipeline(FunctionTransformer(words, kw_args={"rule": info.word_rule}), weights)
        case "image":
            return FunctionTransformer(_flat_shares)
        case "columns":
            return _columns(info)
        case "table":
            return StandardScaler()


def _columns(info: DatasetInfo) -> Any:  # noqa: ANN401
    """Standardize numbers, with the mean and a flag for missing ones; encode categories one-hot, a missing one too."""
    numbers = [place for place, column in enumerate(info.columns) if column.kind in ("number", "date")]
    others = [place for place in range(len(info.columns)) if place not in numbers]
    filled = SimpleImputer(add_indicator=True, keep_empty_features=True)
    return ColumnTransformer(
        [
            ("numbers", make_pipeline(filled, StandardScaler()), numbers),
            ("categories", OneHotEncoder(handle_unknown="ignore"), others),
        ]
    )


def _flat_shares(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    shares: NDArray[np.float32] = np.divide(images.reshape(len(images), -1), 255, dtype=np.float32)
    return shares
