"""Check the effect of each training setting."""

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter

from penstock.config.training import AugmentationConfig, OptimizerConfig, ScheduleConfig
from penstock.core.errors import WrongSettingError
from penstock.data.datamodule import Batch
from penstock.io.processed_dataset import ArraySplit
from penstock.models.common.build import build_network
from penstock.tasks.build import build_module
from penstock.tasks.classification import module as classification
from penstock.training import module as training_module
from penstock.training.augmentation import augment
from penstock.training.fit import TrainingSetup, fit
from penstock.training.module import SupervisedModule
from penstock.training.optimizers import build_optimizer, build_schedule
from penstock.training.steps import PlannedSteps
from tests.models.documented import DATA
from tests.training.golden import rows_of

OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"momentum": 0.9},
    "adagrad": {},
    "rmsprop": {"alpha": 0.9},
    "adam": {"betas": [0.9, 0.999], "weight_decay": 0.01},
}


def optimizer(kind, rate, **changes):
    options = {"kind": kind, "learning_rate": rate} | OPTIMIZERS[kind] | changes
    return TypeAdapter(OptimizerConfig).validate_python(options)


def schedule(**options):
    return TypeAdapter(ScheduleConfig).validate_python(options)


@pytest.fixture
def train(config):
    """Train a model for a few epochs of four steps on 16 rows, with changed settings."""

    def train(name="iris_mlp", network=None, precision="32-true", **changes):
        model = config.model(name)
        defaults = {"epochs": 5, "batch_size": 4, "schedule": schedule(kind="constant"), "cross_validation": False}
        training = model.training.model_copy(update=defaults | changes)
        changed = model.model_copy(update={"training": training, "network": network or model.network})
        rows = rows_of(model.dataset)
        trainer = config.trainer.model_copy(update={"precision": precision})
        return fit(TrainingSetup(build_module, changed, trainer, DATA[model.dataset]), rows, rows)

    return train


def size(fitted):
    weights = [weight for name, weight in fitted.weights.items() if name.endswith("weight")]
    return sum(weight.abs().sum().item() for weight in weights) / sum(weight.numel() for weight in weights)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_every_optimizer_learns(train, kind):
    rate = {"sgd": 0.1, "adagrad": 0.3, "rmsprop": 0.03, "adam": 0.03}[kind]
    epochs = train(epochs=15, optimizer=optimizer(kind, rate)).epochs
    assert epochs[-1].metrics["train/loss"] < 0.6 * epochs[0].metrics["train/loss"]


def test_momentum_updates_weights_without_a_gradient():
    weight = torch.nn.Parameter(torch.zeros(1))
    stepper = build_optimizer(optimizer("sgd", 1.0, momentum=0.5), [weight], fused=False)
    weight.grad = torch.ones(1)
    stepper.step()
    weight.grad = torch.zeros(1)
    stepper.step()
    assert weight.item() == -1.5


def test_l1_drives_weights_to_zero(config):
    """Uses its own loop, because `fit` keeps the weights of the lowest validation loss."""
    model = config.model("iris_mlp")
    rows = rows_of("iris")
    batch = Batch(torch.from_numpy(rows.inputs), torch.from_numpy(rows.labels), len(rows), 1)
    zeros: dict[float, float] = {}
    for l1 in (0, 0.1):
        torch.manual_seed(0)
        training = model.training.model_copy(update={"l1": l1})
        task = build_module(model.model_copy(update={"training": training}), DATA["iris"])
        assert isinstance(task, SupervisedModule)
        task.train()
        stepper = torch.optim.SGD(task.parameters(), lr=0.01)
        for _ in range(1000):
            stepper.zero_grad()
            task.objective(batch, task.loss_and_score(batch)[0]).backward()
            stepper.step()
        weights = task.network.state_dict()
        zeros[l1] = (weights["network.1.weight"].abs() < 0.01).float().mean().item()
        assert weights["network.3.bias"].abs().max() > 0.01, "biases are not penalized"
    assert zeros[0] < 0.2
    assert zeros[0.1] > 0.5


def test_l2_shrinks_weights(train):
    assert size(train(epochs=50, l2=0.1)) < 0.7 * size(train(epochs=50, l2=0))


def test_clipping_bounds_the_gradient_norm(train, monkeypatch):
    norms = []
    plain = torch.optim.SGD.step

    def watched(stepper, closure):
        closure()
        gradients = [weight.grad for group in stepper.param_groups for weight in group["params"]]
        norms.append(torch.cat([gradient.flatten() for gradient in gradients]).norm().item())
        return plain(stepper)

    monkeypatch.setattr(torch.optim.SGD, "step", watched)
    train(optimizer=optimizer("sgd", 0.1), gradient_clip_norm=0.05)
    assert max(norms) <= 0.0501
    norms.clear()
    train(optimizer=optimizer("sgd", 0.1), gradient_clip_norm=None)
    assert max(norms) > 0.1


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"kind": "constant"}, [1, 1, 1, 1]),
        ({"kind": "exponential", "gamma": 0.5}, [0.5, 0.25, 0.125, 0.0625]),
        ({"kind": "step", "epochs": 2, "gamma": 0.1}, [1, 0.1, 0.1, 0.01]),
        # Of 16 steps, the first 7 are warmup.
        ({"kind": "one_cycle", "warmup_fraction": 0.5}, [0.62681, 0.96194, 0.308661, 0.0380641]),
    ],
)
def test_schedule_sets_the_recorded_learning_rate(train, options, expected):
    fitted = train(epochs=4, schedule=schedule(**options), optimizer=optimizer("adam", 0.02))
    assert [epoch.metrics["learning_rate"] / 0.02 for epoch in fitted.epochs] == pytest.approx(expected, rel=1e-5)


def test_one_cycle_keeps_the_betas():
    stepper = build_optimizer(optimizer("adam", 0.1), [torch.nn.Parameter(torch.zeros(1))], fused=True)
    plan = build_schedule(schedule(kind="one_cycle", warmup_fraction=0.3), stepper, PlannedSteps(10, 20, limited=False))
    for _ in range(10):
        stepper.step()
        plan.step()
    assert stepper.param_groups[0]["betas"] == (0.9, 0.999)


@pytest.mark.parametrize("loss", ["cross_entropy", "mean_squared_error"])
def test_every_loss_learns(train, loss):
    epochs = train(epochs=20, loss=loss, optimizer=optimizer("adam", 0.02)).epochs
    assert epochs[-1].metrics["val/accuracy"] >= 0.8


def test_label_smoothing_affects_training_only(train):
    smooth, plain = (train(epochs=1, label_smoothing=share).epochs[0].metrics for share in (0.3, 0.0))
    assert smooth["train/loss"] != plain["train/loss"]
    task_loss = classification.loss_of("cross_entropy", torch.tensor([[9.0, 0.0]]), torch.tensor([0]))
    assert task_loss < 0.01


@pytest.mark.parametrize("activation", ["step", "sigmoid", "tanh", "relu", "leaky_relu"])
def test_every_activation_learns(config, train, activation):
    network = config.model("iris_mlp").network.model_copy(update={"activation": activation})
    epochs = train(epochs=40, network=network, optimizer=optimizer("adam", 0.03)).epochs
    assert epochs[-1].metrics["train/loss"] < 0.7 * epochs[0].metrics["train/loss"]


def test_dropout_affects_training_only(config, train):
    network = config.model("iris_mlp").network.model_copy(update={"dropout": 0.9})
    dropped, plain = (train(epochs=1, network=one).epochs[0].metrics for one in (network, None))
    assert dropped["train/loss"] > plain["train/loss"]


def test_ema_weights_are_kept(train):
    """With a large decay, the average stays near the first step; the last weights move away from it."""
    averaged = train(epochs=1, ema_decay=0.999, optimizer=optimizer("sgd", 0.1, momentum=0))
    last = train(epochs=1, ema_decay=None, optimizer=optimizer("sgd", 0.1, momentum=0))
    first_step = train(epochs=1, batch_size=16, ema_decay=None, optimizer=optimizer("sgd", 0.1, momentum=0))
    name = "network.3.weight"
    moved = [(fitted.weights[name] - first_step.weights[name]).norm() for fitted in (averaged, last)]
    assert moved[0] < moved[1]
    assert averaged.best.metrics["val/loss"] != last.best.metrics["val/loss"]


def test_ema_averages_running_means_and_copies_batch_counts(config, train):
    network = config.model("iris_mlp").network.model_copy(update={"normalization": "batch"})
    averaged, last = (train(epochs=3, network=network, batch_size=8, ema_decay=decay).weights for decay in (0.9, None))
    seen = "network.2.running_mean"
    assert averaged[seen].norm() < 0.9 * last[seen].norm()  # both start at zero
    assert averaged["network.2.num_batches_tracked"] == last["network.2.num_batches_tracked"] == 6


@pytest.mark.parametrize(("batch_size", "rows"), [(1, 16), (16, 1)])
def test_batches_of_one_row_with_batch_normalization_are_an_error_about_batch_size(config, batch_size, rows):
    model, split = config.model("iris_mlp"), rows_of("iris")[np.arange(rows)]
    network = model.network.model_copy(update={"normalization": "batch"})
    training = model.training.model_copy(update={"batch_size": batch_size})
    changed = model.model_copy(update={"network": network, "training": training})
    with pytest.raises(WrongSettingError, match=r"^training\.batch_size: normalization: batch needs 2 rows in each"):
        fit(TrainingSetup(build_module, changed, config.trainer, DATA["iris"]), split, split)


def test_clipping_works_with_mixed_precision(train):
    first, *_, last = train(epochs=20, precision="bf16-mixed", gradient_clip_norm=1).epochs
    assert last.metrics["train/loss"] < first.metrics["train/loss"]


class TestAugmentation:
    def settings(self, **changes):
        return AugmentationConfig.model_validate(
            {"rotation": 0, "scale": 0, "shear": 0, "shift": 0, "elastic": 0} | changes
        )

    def test_zero_settings_keep_the_images(self):
        images = torch.randint(0, 256, (3, 28, 28), dtype=torch.uint8)
        assert torch.allclose(augment(images, self.settings()), images.float(), atol=1e-2)

    @pytest.mark.parametrize("change", [{"rotation": 20}, {"scale": 0.3}, {"shear": 0.3}, {"shift": 3}, {"elastic": 3}])
    def test_each_image_is_augmented_differently(self, change):
        image = torch.zeros(1, 28, 28)
        image[:, 6:22, 12:14] = 255
        first, second = augment(image.expand(2, -1, -1), self.settings(**change))
        assert (first - second).abs().max() > 10
        assert 0 <= first.min() <= first.max() <= 255.01

    def test_shift_is_in_pixels(self):
        image = torch.zeros(200, 28, 28)
        image[:, 14, 14] = 255
        shifted = augment(image, self.settings(shift=2))
        rows = torch.arange(28.0)
        centres = (shifted.sum(dim=2) * rows).sum(dim=1) / shifted.sum(dim=(1, 2))
        assert 1.5 < (centres - 14).abs().max() <= 2.01

    def test_elastic_displacement_varies_over_the_image(self):
        columns = torch.arange(28.0).expand(200, 28, 28)
        moves = (augment(columns, self.settings(elastic=2)) - columns)[:, 4:24, 4:24]
        assert moves.abs().max() < 3
        assert moves.std(dim=(1, 2)).mean() > 0.3

    @pytest.mark.parametrize("change", [{"rotation": 20, "shift": 2}, {"elastic": 3}])
    def test_colours_of_an_image_move_together(self, change):
        images = torch.randint(0, 256, (3, 20, 28, 3), dtype=torch.uint8)
        coloured = self.seeded(images, change)
        assert coloured.shape == images.shape
        for colour in range(3):
            assert torch.equal(coloured[..., colour], self.seeded(images[..., colour], change))

    def seeded(self, images, change):
        torch.manual_seed(0)
        return augment(images, self.settings(**change))

    def test_validation_images_are_not_augmented(self, config, monkeypatch):
        seen = []

        def watched(images, settings):
            seen.append(len(images))
            return images

        monkeypatch.setattr(training_module, "augment", watched)
        model = config.model("mnist_cnn_tuned")
        changes = {"epochs": 1, "batch_size": 8, "schedule": schedule(kind="constant")}
        training = model.training.model_copy(update=changes)
        rows = rows_of("mnist")
        fit(
            TrainingSetup(build_module, model.model_copy(update={"training": training}), config.trainer, DATA["mnist"]),
            rows,
            rows,
        )
        assert seen == [8, 8]

    def test_augmentation_of_a_table_is_rejected(self, config):
        model = config.model("iris_mlp")
        training = model.training.model_copy(update={"augmentation": self.settings(shift=1)})
        with pytest.raises(WrongSettingError, match=r"training\.augmentation: is for images"):
            build_module(model.model_copy(update={"training": training}), DATA["iris"])


@pytest.mark.parametrize(("key", "value"), [("loss", "cross_entropy"), ("label_smoothing", 0.1)])
def test_classification_settings_are_rejected_for_a_reconstruction(config, key, value):
    model = config.model("mnist_autoencoder")
    changed = model.model_copy(update={"training": model.training.model_copy(update={key: value})})
    with pytest.raises(WrongSettingError, match=rf"training\.{key}"):
        build_module(changed, DATA["mnist"])


def test_autoencoder_learns_its_inputs(train):
    epochs = train("mnist_autoencoder", epochs=20, optimizer=optimizer("adam", 0.01)).epochs
    first, last = epochs[0].metrics, epochs[-1].metrics
    assert last["val/mean_squared_error"] < first["val/mean_squared_error"]
    assert last["train/loss"] < first["train/loss"]


class TestAdversarial:
    @pytest.fixture
    def trained(self, config):
        """Train for few epochs, so that the discriminator does not become perfect."""
        model = config.model("mnist_gan")
        training = model.training.model_copy(update={"epochs": 3, "batch_size": 8})
        rows = rows_of("mnist")
        return fit(
            TrainingSetup(build_module, model.model_copy(update={"training": training}), config.trainer, DATA["mnist"]),
            rows,
            rows,
        )

    def test_generator_and_discriminator_are_trained(self, config, trained):
        torch.manual_seed(config.model("mnist_gan").training.seed)
        task = build_module(config.model("mnist_gan"), DATA["mnist"])
        before = task.network.state_dict()
        moved = {name.split(".")[0] for name in before if not torch.equal(before[name], trained.weights[name])}
        assert moved == {"generator", "discriminator"}

    def test_last_samples_come_from_the_kept_weights(self, config, trained):
        network = build_network(config.model("mnist_gan"), DATA["mnist"]).eval()
        network.load_state_dict(trained.weights)
        noise = torch.randn(64, 100, generator=torch.Generator().manual_seed(0))
        assert torch.equal(trained.shown["samples"][-1], network.predict(noise)[0])

    def test_samples_of_each_epoch_use_the_same_noise(self, trained):
        assert trained.shown["samples"].shape == (3, 64, 28, 28)
        assert trained.shown["samples"].dtype == torch.uint8
        assert not torch.equal(trained.shown["samples"][0], trained.shown["samples"][2])

    def test_metrics_cover_generator_and_discriminator(self, trained):
        assert trained.best.split_metrics("train").keys() == {"loss", "generator_loss", "discriminator_loss"}
        assert trained.best.split_metrics("val").keys() == {"d_real", "d_fake"}
        losses = trained.best.split_metrics("train")
        assert losses["loss"] == pytest.approx(losses["generator_loss"] + losses["discriminator_loss"], abs=1e-5)

    def test_last_weights_are_kept(self, trained):
        assert trained.best.epoch == 3


def test_discriminator_separates_real_and_generated_images(config):
    """The learning rate of the generator is almost 0."""
    model = config.model("mnist_gan")
    still = optimizer("sgd", 1e-12, momentum=0)
    training = model.training.model_copy(update={"epochs": 15, "batch_size": 16, "generator": still})
    rows = ArraySplit(inputs=np.repeat(rows_of("mnist").inputs[:1], 64, axis=0), labels=np.zeros(64, dtype=np.int64))
    fitted = fit(
        TrainingSetup(build_module, model.model_copy(update={"training": training}), config.trainer, DATA["mnist"]),
        rows,
        rows,
    )
    assert fitted.best.split_metrics("val")["d_real"] > fitted.best.split_metrics("val")["d_fake"] + 0.2
