"""How a model is trained: `models.<name>.training`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from penstock.config.base import BaseConfig, Dropout, NotNegative, Positive, PositiveFloat, ProperShare, Seed


class SgdConfig(BaseConfig):
    kind: Literal["sgd"]
    learning_rate: PositiveFloat
    momentum: Annotated[float, Field(ge=0, lt=1)]


class AdagradConfig(BaseConfig):
    kind: Literal["adagrad"]
    learning_rate: PositiveFloat


class RmsPropConfig(BaseConfig):
    """`smoothing`: share of the old mean of squares that each step keeps."""

    kind: Literal["rmsprop"]
    learning_rate: PositiveFloat
    smoothing: ProperShare


class AdamConfig(BaseConfig):
    """`betas`: shares of the old means of gradients and of their squares that each step keeps.

    `weight_decay` shrinks the weights apart from the gradient (AdamW)."""

    kind: Literal["adam"]
    learning_rate: PositiveFloat
    betas: tuple[Dropout, Dropout]
    weight_decay: NotNegative


OptimizerConfig = Annotated[SgdConfig | AdagradConfig | RmsPropConfig | AdamConfig, Field(discriminator="kind")]


class ConstantScheduleConfig(BaseConfig):
    kind: Literal["constant"]


class ExponentialScheduleConfig(BaseConfig):
    """The rate is multiplied by `decay` over each epoch, a little at every step."""

    kind: Literal["exponential"]
    decay: ProperShare


class StepScheduleConfig(BaseConfig):
    """The rate is multiplied by `decay` after every `epochs` epochs."""

    kind: Literal["step"]
    epochs: Positive
    decay: ProperShare


class OneCycleScheduleConfig(BaseConfig):
    """The rate rises for `warm_up`, a share of all steps, then falls to 0 along a cosine."""

    kind: Literal["one_cycle"]
    warm_up: ProperShare


ScheduleConfig = Annotated[
    ConstantScheduleConfig | ExponentialScheduleConfig | StepScheduleConfig | OneCycleScheduleConfig,
    Field(discriminator="kind"),
]


class AugmentationConfig(BaseConfig):
    """What training images may be changed by, each drawn anew for every image of every batch: up to so many degrees
    either way, shares of the size, pixels sideways for each pixel down (shear), pixels; and `elastic`, pixels that the
    places of a coarse net are moved by, with what lies between them."""

    rotation: Annotated[float, Field(ge=0, le=180)]
    scale: Dropout
    shear: Dropout
    shift: NotNegative
    elastic: NotNegative


class TrainingConfig(BaseConfig):
    """How a network that has a right answer is trained; `weight_average` is the share of the old mean of the weights
    that each step keeps, null trains without such a mean."""

    seed: Seed
    epochs: Positive
    batch_size: Positive
    loss: Literal["cross_entropy", "binary_cross_entropy", "mean_squared_error"]
    optimizer: OptimizerConfig
    schedule: ScheduleConfig
    l1: NotNegative
    l2: NotNegative
    label_smoothing: Dropout
    augmentation: AugmentationConfig | None
    weight_average: ProperShare | None
    gradient_clip_norm: PositiveFloat | None
    early_stopping: Positive | None
    cross_validation: bool


class AdversarialTrainingConfig(BaseConfig):
    """How a generator and a discriminator are trained against each other; `real_label` is what the discriminator is
    told of real images (1, or less for one-sided label smoothing)."""

    seed: Seed
    epochs: Positive
    batch_size: Positive
    generator: OptimizerConfig
    discriminator: OptimizerConfig
    schedule: ScheduleConfig
    real_label: Annotated[float, Field(gt=0.5, le=1)]
    weight_average: ProperShare | None
