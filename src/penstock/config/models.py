"""One entry of `models` or `tuned`, of one of three tasks, and what it is held against: `baselines`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from penstock.config.networks import Autoencoder, ClassifierNetwork, Gan
from penstock.config.settings import Name, NotNegative, Positive, PositiveFloat, Settings, Share, mistake
from penstock.config.training import AdversarialTraining, Training

# What is made of a model's int8 candidate: it is served, or why it is not.
ADOPTED = "adopted"
Int8 = Literal["adopted", "slower", "larger", "worse"]


class ClassificationGates(Settings):
    accuracy: Share
    cross_validation: Share | None
    parity: PositiveFloat
    int8: NotNegative


class ReconstructionGates(Settings):
    mean_squared_error: PositiveFloat
    parity: PositiveFloat
    int8: NotNegative


class AdversarialGates(Settings):
    """`frechet_ratio`: largest Frechet distance, as a share of the untrained generator's."""

    frechet_ratio: PositiveFloat
    class_share: Share
    parity: PositiveFloat
    int8: NotNegative


class Classification(Settings):
    task: Literal["classification"]
    documented: str
    dataset: str
    baseline: str
    network: ClassifierNetwork
    training: Training
    gates: ClassificationGates
    int8: Int8

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        if self.gates.cross_validation is not None and not self.training.cross_validation:
            raise mistake("needs training.cross_validation: true", at=["gates", "cross_validation"])
        return self


class Reconstruction(Settings):
    task: Literal["reconstruction"]
    documented: str
    dataset: str
    baseline: str
    network: Autoencoder
    training: Training
    gates: ReconstructionGates
    int8: Int8


class Adversarial(Settings):
    task: Literal["adversarial"]
    documented: str
    dataset: str
    baseline: str
    network: Gan
    training: AdversarialTraining
    gates: AdversarialGates
    int8: Int8


SupervisedModel = Classification | Reconstruction
Model = SupervisedModel | Adversarial
Models = dict[Name, Annotated[Model, Field(discriminator="task")]]


class LinearBaseline(Settings):
    """Logistic regression on the raw inputs: numbers standardised, pixels / 255, TF-IDF of words."""

    kind: Literal["linear"]
    dataset: str


class ComponentsBaseline(Settings):
    """Principal components: the best that so many linear codes can do (PCA)."""

    kind: Literal["components"]
    dataset: str
    components: Positive


# What a model of each task is held against.
YARDSTICKS = {"classification": "linear", "reconstruction": "components", "adversarial": "judge"}
Baseline = LinearBaseline | ComponentsBaseline
Baselines = dict[Name, Annotated[Baseline, Field(discriminator="kind")]]


class Judge(Settings):
    """`classifier`: the tuned model whose features of real test images generated ones are held against."""

    dataset: str
    classifier: str
