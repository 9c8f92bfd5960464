"""How a model is trained: `models.<name>.training`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from penstock.config.base import BaseConfig, Dropout, NotNegative, Positive, PositiveFloat, ProperShare, Seed


class SgdConfig(BaseConfig):
    """Stochastic gradient descent, torch.optim.SGD."""

    kind: Literal["sgd"] = Field(description="torch.optim.SGD.")
    learning_rate: PositiveFloat = Field(default=0.001, description="Step size; PyTorch's default.")
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(default=0.0, description="Momentum factor, 0..1.")


class AdagradConfig(BaseConfig):
    """Adagrad (Duchi et al., 2011), torch.optim.Adagrad."""

    kind: Literal["adagrad"] = Field(description="torch.optim.Adagrad.")
    learning_rate: PositiveFloat = Field(default=0.01, description="Step size; PyTorch's default.")


class RmsPropConfig(BaseConfig):
    """RMSprop (Hinton, 2012), torch.optim.RMSprop."""

    kind: Literal["rmsprop"] = Field(description="torch.optim.RMSprop.")
    learning_rate: PositiveFloat = Field(default=0.01, description="Step size; PyTorch's default.")
    alpha: ProperShare = Field(
        default=0.99, description="Decay of the moving average of squared gradients, 0..1; PyTorch's default."
    )


class AdamConfig(BaseConfig):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019), torch.optim.AdamW."""

    kind: Literal["adam"] = Field(description="torch.optim.AdamW.")
    learning_rate: PositiveFloat = Field(default=0.001, description="Step size; PyTorch's and Keras's default.")
    betas: tuple[Dropout, Dropout] = Field(
        default=(0.9, 0.999),
        description="Decays of the moving averages of gradients and of squared gradients; PyTorch's defaults.",
    )
    weight_decay: NotNegative = Field(default=0.0, description="Decoupled weight decay (AdamW); 0 is plain Adam.")


OptimizerConfig = Annotated[SgdConfig | AdagradConfig | RmsPropConfig | AdamConfig, Field(discriminator="kind")]


class ConstantScheduleConfig(BaseConfig):
    """The learning rate stays as it is."""

    kind: Literal["constant"] = Field(description="The learning rate stays as it is.")


class ExponentialScheduleConfig(BaseConfig):
    """The learning rate decays a little at every step."""

    kind: Literal["exponential"] = Field(description="The learning rate decays a little at every step.")
    gamma: ProperShare = Field(default=0.9, description="Factor of the learning rate over one epoch, 0..1.")


class StepScheduleConfig(BaseConfig):
    """The learning rate drops every few epochs, like torch's StepLR."""

    kind: Literal["step"] = Field(description="The learning rate drops every few epochs.")
    epochs: Positive = Field(description="Epochs between two drops.")
    gamma: ProperShare = Field(default=0.1, description="Factor of the learning rate at each drop, 0..1.")


class OneCycleScheduleConfig(BaseConfig):
    """One cycle (Smith and Topin, 2018): the rate rises, then falls to 0 along a cosine, like torch's OneCycleLR."""

    kind: Literal["one_cycle"] = Field(
        description="torch.optim.lr_scheduler.OneCycleLR; its peak is the learning rate."
    )
    warmup_fraction: ProperShare = Field(
        default=0.2, description="Share of all steps in which the learning rate rises, 0..1 (OneCycleLR's pct_start)."
    )


ScheduleConfig = Annotated[
    ConstantScheduleConfig | ExponentialScheduleConfig | StepScheduleConfig | OneCycleScheduleConfig,
    Field(discriminator="kind"),
]


class AugmentationConfig(BaseConfig):
    """Random changes of training images, drawn anew for every image of every batch."""

    rotation: Annotated[float, Field(ge=0, le=180)] = Field(
        default=0.0, description="Largest rotation either way, in degrees, 0..180."
    )
    scale: Dropout = Field(default=0.0, description="Largest change of size, as a share, 0..1.")
    shear: Dropout = Field(default=0.0, description="Largest shear: pixels sideways for each pixel down, 0..1.")
    shift: NotNegative = Field(default=0.0, description="Largest shift along each axis, in pixels.")
    elastic: NotNegative = Field(
        default=0.0, description="Elastic deformation: largest move of the points of a coarse grid, in pixels."
    )


class SupervisedTrainingConfig(BaseConfig):
    """What the trainings of all tasks but the adversarial one have in common."""

    seed: Seed = Field(default=1, description="Seed of weights, order of rows, dropout and augmentation; 0 or more.")
    epochs: Positive = Field(description="Most passes over the training rows; at least 1.")
    batch_size: Positive = Field(default=64, description="Rows in each batch.")
    optimizer: OptimizerConfig = Field(default=AdamConfig(kind="adam"), description="Optimiser and learning rate.")
    schedule: ScheduleConfig = Field(
        default=OneCycleScheduleConfig(kind="one_cycle"), description="Learning-rate schedule, stepped every batch."
    )
    l1: NotNegative = Field(
        default=0.0, description="L1 penalty on the weights, not the biases: l1 times the sum of absolute values."
    )
    l2: NotNegative = Field(
        default=0.0, description="L2 penalty on the weights, not the biases: l2 times the sum of squares."
    )
    augmentation: AugmentationConfig | None = Field(
        default=None, description="Random changes of training images; None trains on the images as they are."
    )
    ema_decay: ProperShare | None = Field(
        default=None,
        description="Decay of the exponential moving average of the weights, 0..1. Validation and export use the "
        "average. None trains without one.",
    )
    gradient_clip_norm: PositiveFloat | None = Field(
        default=None, description="Largest norm of the whole gradient. None does not clip."
    )
    early_stopping: Positive | None = Field(
        default=None,
        description="Epochs without a lower validation loss before training stops. None never stops early.",
    )
    cross_validation: bool = Field(
        default=False,
        description="Also train once for each fold, and report mean and standard deviation of the scores.",
    )


class TrainingConfig(SupervisedTrainingConfig):
    """How a classifier or an autoencoder is trained."""

    loss: Literal["cross_entropy", "binary_cross_entropy", "mean_squared_error"] = Field(
        default="cross_entropy",
        description="cross_entropy (softmax), binary_cross_entropy (sigmoids) or mean_squared_error.",
    )
    label_smoothing: Dropout = Field(
        default=0.0, description="Share of the target that is spread over all classes, 0..1 (Szegedy et al., 2016)."
    )
    class_weights: Literal["balanced"] | None = Field(
        default=None,
        description="balanced weights the loss of a row by the inverse of the share of its class in the training rows. "
        "None weights all rows alike.",
    )


class RegressionTrainingConfig(SupervisedTrainingConfig):
    """How a regression is trained. The targets are standardised for the loss."""

    loss: Literal["mean_squared_error", "mean_absolute_error", "huber"] = Field(
        default="mean_squared_error", description="mean_squared_error, mean_absolute_error or huber."
    )
    huber_delta: PositiveFloat = Field(
        default=1.0,
        description="Error above which huber is linear, in standard deviations of the target.",
    )


class MultilabelTrainingConfig(SupervisedTrainingConfig):
    """How a multi-label classifier is trained."""

    loss: Literal["binary_cross_entropy"] = Field(
        default="binary_cross_entropy", description="Mean binary cross-entropy over all labels."
    )
    label_smoothing: Dropout = Field(
        default=0.0, description="Share of the target that is spread over all classes, 0..1 (Szegedy et al., 2016)."
    )
    class_weights: Literal["balanced"] | None = Field(
        default=None,
        description="balanced weights the rows with a label as much as those without it. None weights all rows alike.",
    )


class AdversarialTrainingConfig(BaseConfig):
    """How a generator and a discriminator are trained against each other, in alternating steps."""

    seed: Seed = Field(default=1, description="Seed of weights, order of rows, noise and dropout; 0 or more.")
    epochs: Positive = Field(description="Passes over the training rows; at least 1.")
    batch_size: Positive = Field(default=64, description="Rows in each batch.")
    generator: OptimizerConfig = Field(
        default=AdamConfig(kind="adam"), description="Optimiser and learning rate of the generator."
    )
    discriminator: OptimizerConfig = Field(
        default=AdamConfig(kind="adam"), description="Optimiser and learning rate of the discriminator."
    )
    schedule: ScheduleConfig = Field(
        default=ConstantScheduleConfig(kind="constant"), description="Learning-rate schedule of both optimisers."
    )
    real_label: Annotated[float, Field(gt=0.5, le=1)] = Field(
        default=1.0,
        description="Target of the discriminator for real images; below 1 is one-sided label smoothing "
        "(Salimans et al., 2016).",
    )
    ema_decay: ProperShare | None = Field(
        default=None,
        description="Decay of the exponential moving average of the generator's weights, 0..1. None keeps none.",
    )
