"""One entry of `models` or `tuned`, of one of three tasks, and what it is held against: `baselines`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from penstock.config.base import BaseConfig, Name, NotNegative, Positive, PositiveFloat, Share, mistake
from penstock.config.networks import AutoencoderConfig, ClassifierNetworkConfig, GanConfig
from penstock.config.training import AdversarialTrainingConfig, TrainingConfig

# What is made of a model's int8 candidate: it is served, or why it is not.
ADOPTED = "adopted"
Int8 = Literal["adopted", "slower", "larger", "worse"]


class ClassificationGatesConfig(BaseConfig):
    accuracy: Share
    cross_validation: Share | None
    parity: PositiveFloat
    int8: NotNegative


class ReconstructionGatesConfig(BaseConfig):
    mean_squared_error: PositiveFloat
    parity: PositiveFloat
    int8: NotNegative


class AdversarialGatesConfig(BaseConfig):
    """`frechet_ratio`: largest Frechet distance, as a share of the untrained generator's."""

    frechet_ratio: PositiveFloat
    class_share: Share
    parity: PositiveFloat
    int8: NotNegative


class ClassificationConfig(BaseConfig):
    task: Literal["classification"]
    documented: str
    dataset: str
    baseline: str
    network: ClassifierNetworkConfig
    training: TrainingConfig
    gates: ClassificationGatesConfig
    int8: Int8

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        if self.gates.cross_validation is not None and not self.training.cross_validation:
            raise mistake("needs training.cross_validation: true", at=["gates", "cross_validation"])
        return self


class ReconstructionConfig(BaseConfig):
    task: Literal["reconstruction"]
    documented: str
    dataset: str
    baseline: str
    network: AutoencoderConfig
    training: TrainingConfig
    gates: ReconstructionGatesConfig
    int8: Int8


class AdversarialConfig(BaseConfig):
    task: Literal["adversarial"]
    documented: str
    dataset: str
    baseline: str
    network: GanConfig
    training: AdversarialTrainingConfig
    gates: AdversarialGatesConfig
    int8: Int8


SupervisedModelConfig = ClassificationConfig | ReconstructionConfig
ModelConfig = SupervisedModelConfig | AdversarialConfig
ModelConfigs = dict[Name, Annotated[ModelConfig, Field(discriminator="task")]]


class LinearBaselineConfig(BaseConfig):
    """Logistic regression on the raw inputs: numbers standardised, pixels / 255, TF-IDF of words."""

    kind: Literal["linear"]
    dataset: str


class PcaBaselineConfig(BaseConfig):
    """Principal components: the best that so many linear codes can do (PCA)."""

    kind: Literal["pca"]
    dataset: str
    components: Positive


# What a model of each task is held against.
YARDSTICKS = {"classification": "linear", "reconstruction": "pca", "adversarial": "judge"}
BaselineConfig = LinearBaselineConfig | PcaBaselineConfig
BaselineConfigs = dict[Name, Annotated[BaselineConfig, Field(discriminator="kind")]]


class FidReferenceConfig(BaseConfig):
    """`classifier`: the tuned model whose features of real test images generated ones are held against."""

    dataset: str
    classifier: str
