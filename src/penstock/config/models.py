"""One entry of `models` or `tuned`, of one of three tasks, and what its score is compared with: `baselines`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from penstock.config.base import BaseConfig, Name, NotNegative, Positive, PositiveFloat, Share, mistake, not_empty
from penstock.config.networks import AutoencoderConfig, ClassifierNetworkConfig, GanConfig
from penstock.config.training import AdversarialTrainingConfig, TrainingConfig

Reference = Annotated[tuple[str, ...], AfterValidator(not_empty)]
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

    task: str = Field(description="classification, reconstruction or adversarial.")
    dataset: str = Field(description=DATASET)
    baseline: str = Field(description="What the score is compared with.")
    reference: Reference = Field(description=REFERENCE)
    int8: Int8Config = Field(description="Whether the int8 copy is served.")

    @property
    def reference_text(self) -> str:
        """The reference as one paragraph."""
        return ". ".join(line.rstrip(".") for line in self.reference) + "."


class ClassificationConfig(_ModelConfig):
    """A classifier."""

    task: Literal["classification"] = Field(description="Classification.")
    baseline: str = Field(description="One of `baselines` of kind linear, of the same dataset.")
    network: ClassifierNetworkConfig = Field(description="Architecture.")
    training: TrainingConfig = Field(description="Training.")
    gates: ClassificationGatesConfig = Field(description="Thresholds of registration and serving.")

    @model_validator(mode="after")
    def _gate_of_cross_validation(self) -> Self:
        if self.gates.cross_validation is not None and not self.training.cross_validation:
            raise mistake("needs training.cross_validation: true", at=["gates", "cross_validation"])
        return self


class ReconstructionConfig(_ModelConfig):
    """An autoencoder."""

    task: Literal["reconstruction"] = Field(description="Reconstruction.")
    baseline: str = Field(description="One of `baselines` of kind pca, of the same dataset.")
    network: AutoencoderConfig = Field(description="Architecture.")
    training: TrainingConfig = Field(description="Training.")
    gates: ReconstructionGatesConfig = Field(description="Thresholds of registration and serving.")


class AdversarialConfig(_ModelConfig):
    """A generative adversarial network."""

    task: Literal["adversarial"] = Field(description="Generator and discriminator.")
    baseline: str = Field(description="One of `fid_references`, of the same dataset.")
    network: GanConfig = Field(description="Architecture.")
    training: AdversarialTrainingConfig = Field(description="Training.")
    gates: AdversarialGatesConfig = Field(description="Thresholds of registration and serving.")


SupervisedModelConfig = ClassificationConfig | ReconstructionConfig
ModelConfig = SupervisedModelConfig | AdversarialConfig
ModelConfigs = dict[Name, Annotated[ModelConfig, Field(discriminator="task")]]


class LinearBaselineConfig(BaseConfig):
    """Logistic regression on the raw inputs: standardised numbers, pixels / 255, TF-IDF of words."""

    kind: Literal["linear"] = Field(description="Logistic regression on the raw inputs.")
    dataset: str = Field(description=DATASET)


class PcaBaselineConfig(BaseConfig):
    """Principal components of the training rows: the best linear encoding of that size."""

    kind: Literal["pca"] = Field(description="Principal component analysis.")
    dataset: str = Field(description=DATASET)
    components: Positive = Field(description="Number of principal components.")


# The kind of baseline that each task's score is compared with.
BASELINE_KINDS = {"classification": "linear", "reconstruction": "pca", "adversarial": "fid_reference"}
BaselineConfig = LinearBaselineConfig | PcaBaselineConfig
BaselineConfigs = dict[Name, Annotated[BaselineConfig, Field(discriminator="kind")]]


class FidReferenceConfig(BaseConfig):
    """Statistics of real images, as a trained classifier sees them, for the Frechet distance of generated ones."""

    dataset: str = Field(description=DATASET)
    classifier: str = Field(description="One of `models`, a classifier of the same dataset.")
