"""One entry of `models` or `tuned`, of one of five tasks, and what its score is compared with: `baselines`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, model_validator

from penstock.config.base import (
    BaseConfig,
    Document,
    Name,
    NotNegative,
    Positive,
    PositiveFloat,
    Share,
    mistake,
    not_empty,
)
from penstock.config.networks import AutoencoderConfig, GanConfig, PredictorNetworkConfig
from penstock.config.training import (
    AdversarialTrainingConfig,
    MultilabelTrainingConfig,
    RegressionTrainingConfig,
    TrainingConfig,
)

Reference = Annotated[tuple[str, ...], AfterValidator(not_empty)]
_Model = TypeVar("_Model", bound="ClassificationConfig | RegressionConfig | MultilabelConfig")
PARITY = "Largest difference between outputs of the trained network and of the exported file."
DATASET = "One of `datasets`."
REFERENCE = "What the source of the model documents: architecture, training and score. Shown in reports; has no effect."


class ClassificationGatesConfig(BaseConfig):
    """What a classifier must reach on the whole test set to be registered and served. None has no such gate."""

    accuracy: Share = Field(description="Lowest share of correct labels, 0..1.")
    macro_f1: Share | None = Field(default=None, description="Lowest mean of the F1 scores of all classes, 0..1.")
    auroc: Share | None = Field(
        default=None, description="Lowest area under the ROC curve, the mean of each class against the others, 0..1."
    )
    loss: PositiveFloat | None = Field(default=None, description="Largest mean cross-entropy (log loss).")
    expected_calibration_error: Share | None = Field(
        default=None, description="Largest mean difference between confidence and accuracy, over 15 bins, 0..1."
    )
    smallest_class_precision: Share | None = Field(default=None, description="Lowest precision of any class, 0..1.")
    smallest_class_recall: Share | None = Field(default=None, description="Lowest recall of any class, 0..1.")
    behaviour: dict[Name, Share] = Field(
        default={},
        description="Lowest share of rows that pass a behaviour test, 0..1, by name (`datasets.<name>.behaviour`).",
    )
    cross_validation: Share | None = Field(
        default=None, description="Lowest mean accuracy over the folds, 0..1. None has no such gate."
    )
    parity: PositiveFloat = Field(default=1.0e-4, description=f"{PARITY} Unit: probability.")
    int8: NotNegative = Field(default=0.002, description="Most accuracy that the int8 file may lose, 0..1.")


class ReconstructionGatesConfig(BaseConfig):
    """What an autoencoder must reach on the whole test set to be registered and served. None has no such gate."""

    mean_squared_error: PositiveFloat = Field(description="Largest mean squared error of pixels scaled to 0..1.")
    ssim: Share | None = Field(default=None, description="Lowest mean structural similarity of images, 0..1.")
    parity: PositiveFloat = Field(default=1.0e-4, description=f"{PARITY} Unit: pixels scaled to 0..1.")
    int8: NotNegative = Field(default=0.0003, description="Most mean squared error that the int8 file may add.")


class RegressionGatesConfig(BaseConfig):
    """What a regression must reach on the whole test set to be registered and served. None has no such gate."""

    r2: float = Field(description="Lowest coefficient of determination (R^2), the mean over the targets; at most 1.")
    mean_squared_error: PositiveFloat | None = Field(
        default=None, description="Largest mean squared error, in the unit of the target, squared."
    )
    mean_absolute_error: PositiveFloat | None = Field(
        default=None, description="Largest mean absolute error, in the unit of the target."
    )
    cross_validation: float | None = Field(
        default=None, description="Lowest mean R^2 over the folds. None has no such gate."
    )
    parity: PositiveFloat = Field(
        default=1.0e-4, description=f"{PARITY} Unit: standard deviation of the target in the training rows."
    )
    int8: NotNegative = Field(default=0.02, description="Most R^2 that the int8 file may lose.")


class MultilabelGatesConfig(BaseConfig):
    """What a multi-label classifier must reach on the whole test set to be registered and served."""

    macro_f1: Share = Field(description="Lowest mean of the F1 scores of all labels, 0..1.")
    micro_f1: Share | None = Field(default=None, description="Lowest F1 score over all labels of all rows, 0..1.")
    exact_match: Share | None = Field(default=None, description="Lowest share of rows with all labels correct, 0..1.")
    auroc: Share | None = Field(default=None, description="Lowest area under the ROC curve, mean over labels, 0..1.")
    loss: PositiveFloat | None = Field(default=None, description="Largest mean binary cross-entropy.")
    cross_validation: Share | None = Field(
        default=None, description="Lowest mean macro F1 over the folds, 0..1. None has no such gate."
    )
    parity: PositiveFloat = Field(default=1.0e-4, description=f"{PARITY} Unit: probability.")
    int8: NotNegative = Field(default=0.01, description="Most macro F1 that the int8 file may lose, 0..1.")


class AdversarialGatesConfig(BaseConfig):
    """What a generator must reach to be registered and served. None has no such gate."""

    frechet_ratio: PositiveFloat = Field(
        description="Largest Frechet distance from real images, as a share of the untrained generator's distance."
    )
    class_share: Share = Field(description="Lowest share of any class among generated images, 0..1.")
    frechet_distance: PositiveFloat | None = Field(
        default=None, description="Largest Frechet distance from real images; comparable for one FID reference only."
    )
    mean_confidence: Share | None = Field(
        default=None, description="Lowest mean of the reference classifier's highest probability, 0..1."
    )
    sample_precision: Share | None = Field(
        default=None, description="Lowest share of generated images inside the manifold of real ones, 0..1."
    )
    sample_recall: Share | None = Field(
        default=None, description="Lowest share of real images inside the manifold of generated ones, 0..1."
    )
    parity: PositiveFloat = Field(default=1.0, description=f"{PARITY} Unit: grey levels of 0..255.")
    int8: NotNegative = Field(default=1.0, description="Most Frechet distance that the int8 file may add.")


class Int8Config(BaseConfig):
    """The quantised copy of the model, model.int8.onnx, for small devices."""

    serve: bool = Field(
        description="Serve it as <model>.int8. It must then pass the int8 gate and be smaller than model.onnx."
    )
    reason: Literal["slower", "larger", "worse"] | None = Field(
        default=None,
        description="Why it is not served: slower (`make bench-serve` measures it), larger, or worse than the gate.",
    )

    @model_validator(mode="after")
    def _reason_of_what_is_not_served(self) -> Self:
        if self.serve and self.reason is not None:
            raise mistake("only with serve: false", at=["reason"])
        if not self.serve and self.reason is None:
            raise mistake("missing key: why it is not served (slower, larger or worse)", at=["reason"])
        return self


class _ModelConfig(BaseConfig):
    """What every model has, whatever its task."""

    task: str = Field(description="classification, regression, multilabel, reconstruction or adversarial.")
    dataset: str = Field(description=DATASET)
    baseline: str = Field(description="What the score is compared with.")
    reference: Reference = Field(description=REFERENCE)
    int8: Int8Config = Field(description="Whether the int8 copy is served.")

    @property
    def reference_text(self) -> str:
        """The reference as one paragraph."""
        return ". ".join(line.rstrip(".") for line in self.reference) + "."


def _require_cross_validation(model: _Model) -> _Model:
    """Require cross-validation where a gate is on it."""
    if model.gates.cross_validation is not None and not model.training.cross_validation:
        raise mistake("needs training.cross_validation: true", at=["gates", "cross_validation"])
    return model


def _no_own_network(model: Document) -> Document:
    """Refuse a network of one's own where the task needs more of it than outputs for a batch."""
    network = model.get("network") if isinstance(model, Mapping) else None
    if isinstance(network, Mapping) and network.get("kind") == "module":
        raise mistake("module is for classification, regression and multilabel", at=["network", "kind"])
    return model


class ClassificationConfig(_ModelConfig):
    """A classifier."""

    task: Literal["classification"] = Field(description="Classification.")
    baseline: str = Field(description="One of `baselines` of kind linear or boosting, of the same dataset.")
    network: PredictorNetworkConfig = Field(description="Architecture.")
    training: TrainingConfig = Field(description="Training.")
    gates: ClassificationGatesConfig = Field(description="Thresholds of registration and serving.")

    _gate = model_validator(mode="after")(_require_cross_validation)


class ReconstructionConfig(_ModelConfig):
    """An autoencoder."""

    task: Literal["reconstruction"] = Field(description="Reconstruction.")
    baseline: str = Field(description="One of `baselines` of kind pca, of the same dataset.")
    network: AutoencoderConfig = Field(description="Architecture.")
    training: TrainingConfig = Field(description="Training.")
    gates: ReconstructionGatesConfig = Field(description="Thresholds of registration and serving.")

    _own = model_validator(mode="before")(_no_own_network)


class RegressionConfig(_ModelConfig):
    """A network that predicts one or several numbers."""

    task: Literal["regression"] = Field(description="Regression.")
    baseline: str = Field(description="One of `baselines` of kind linear or boosting, of the same dataset.")
    network: PredictorNetworkConfig = Field(description="Architecture.")
    training: RegressionTrainingConfig = Field(description="Training.")
    gates: RegressionGatesConfig = Field(description="Thresholds of registration and serving.")

    _gate = model_validator(mode="after")(_require_cross_validation)


class MultilabelConfig(_ModelConfig):
    """A network that predicts any number of labels."""

    task: Literal["multilabel"] = Field(description="Multi-label classification.")
    baseline: str = Field(description="One of `baselines` of kind linear or boosting, of the same dataset.")
    network: PredictorNetworkConfig = Field(description="Architecture.")
    training: MultilabelTrainingConfig = Field(description="Training.")
    gates: MultilabelGatesConfig = Field(description="Thresholds of registration and serving.")

    _gate = model_validator(mode="after")(_require_cross_validation)


class AdversarialConfig(_ModelConfig):
    """A generative adversarial network."""

    task: Literal["adversarial"] = Field(description="Generator and discriminator.")
    baseline: str = Field(description="One of `fid_references`, of the same dataset.")
    network: GanConfig = Field(description="Architecture.")
    training: AdversarialTrainingConfig = Field(description="Training.")
    gates: AdversarialGatesConfig = Field(description="Thresholds of registration and serving.")

    _own = model_validator(mode="before")(_no_own_network)


PredictorConfig = ClassificationConfig | RegressionConfig | MultilabelConfig
SupervisedModelConfig = PredictorConfig | ReconstructionConfig
ModelConfig = SupervisedModelConfig | AdversarialConfig
ModelConfigs = dict[Name, Annotated[ModelConfig, Field(discriminator="task")]]


class LinearBaselineConfig(BaseConfig):
    """Logistic regression (numbers: ridge regression) on standardised numbers, pixels / 255, TF-IDF of words."""

    kind: Literal["linear"] = Field(description="Logistic or ridge regression on the raw inputs.")
    dataset: str = Field(description=DATASET)


class BoostingBaselineConfig(BaseConfig):
    """scikit-learn's gradient boosting (HistGradientBoosting) with its defaults, on tables."""

    kind: Literal["boosting"] = Field(description="Gradient boosting of decision trees.")
    dataset: str = Field(description=DATASET)


class PcaBaselineConfig(BaseConfig):
    """Principal components of the training rows: the best linear encoding of that size."""

    kind: Literal["pca"] = Field(description="Principal component analysis.")
    dataset: str = Field(description=DATASET)
    components: Positive = Field(description="Number of principal components.")


# The kind of baseline that each task's score is compared with.
BASELINE_KINDS = {
    "classification": ("linear", "boosting"),
    "regression": ("linear", "boosting"),
    "multilabel": ("linear", "boosting"),
    "reconstruction": ("pca",),
    "adversarial": ("fid_reference",),
}
# The kind of target that each task predicts; the others predict none.
TARGET_KINDS = {"classification": "class", "regression": "number", "multilabel": "labels"}
BaselineConfig = LinearBaselineConfig | BoostingBaselineConfig | PcaBaselineConfig
BaselineConfigs = dict[Name, Annotated[BaselineConfig, Field(discriminator="kind")]]


class FidReferenceConfig(BaseConfig):
    """Statistics of real images, as a trained classifier sees them, for the Frechet distance of generated ones."""

    dataset: str = Field(description=DATASET)
    classifier: str = Field(description="One of `models`, a classifier of the same dataset.")
