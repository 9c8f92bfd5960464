"""An interrupted training that resumes ends with the same numbers as an uninterrupted one."""

import signal
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from filelock import FileLock

from penstock.config.training import AdamConfig
from penstock.core.errors import TrainingError
from penstock.core.signals import Interrupted
from penstock.data.datamodule import ShardedBatchSampler
from penstock.tasks.build import build_module
from penstock.training.checkpoint_files import LAST, NEW, PREVIOUS, Checkpoints
from penstock.training.fit import TrainingSetup, fit
from tests.models.documented import DATA
from tests.training.golden import rows_of

EPOCHS, STEPS_OF_EPOCH = 3, 4


@pytest.fixture
def checkpoints(config, tmp_path):
    return Checkpoints(tmp_path / "train" / "model", "key", config.checkpoints)


@pytest.fixture
def files(checkpoints):
    return checkpoints.of("whole")


@pytest.fixture
def train(config, files):
    """Train for three epochs of four steps."""

    def train(name, files=files, reported=None, **changes):
        model = config.model(name)
        training = model.training.model_copy(update={"epochs": EPOCHS, "batch_size": 4} | changes)
        rows = rows_of(model.dataset)
        short = model.model_copy(update={"training": training})
        reported = [] if reported is None else reported
        return fit(
            TrainingSetup(build_module, short, config.trainer, DATA[model.dataset]),
            rows,
            rows,
            lambda epoch, _: reported.append(epoch.epoch),
            checkpoints=files,
        )

    return train


@pytest.fixture
def signal_at(monkeypatch):
    """Send a signal to this process while it prepares the batch of a step; steps count from 1 over all epochs."""
    plain = ShardedBatchSampler.__iter__

    def signal_at(step, number=signal.SIGTERM):
        steps = iter(range(1, 1000))

        def batches(self):
            for batch in plain(self):
                if self.sampler and next(steps) == step:
                    signal.raise_signal(number)
                yield batch

        monkeypatch.setattr(ShardedBatchSampler, "__iter__", batches)

    yield signal_at
    monkeypatch.undo()


def every_step(files):
    return replace(files, settings=files.settings.model_copy(update={"seconds": 0}))


def same(one, other):
    tensors = [(one.weights, other.weights), (one.shown, other.shown)]
    return one.epochs == other.epochs and all(
        a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a) for a, b in tensors
    )


@pytest.mark.parametrize("step", [1, 3, 4, 5, 8, 12])
@pytest.mark.parametrize("name", ["iris_mlp", "mnist_cnn_tuned", "mnist_autoencoder", "mnist_gan", "imdb_lstm"])
def test_resumed_training_equals_uninterrupted_training(train, signal_at, name, step):
    """Covers dropout, augmentation, running means, two optimizers and clipping, within an epoch and at its end."""
    uninterrupted = train(name, files=None)
    reported: list[int] = []
    signal_at(step)
    with pytest.raises(Interrupted, match="SIGTERM"):
        train(name, reported=reported)
    signal_at(0)
    assert same(train(name, reported=reported), uninterrupted)
    assert reported == [1, 2, 3]


def test_training_interrupted_at_every_step_equals_uninterrupted_training(train, signal_at):
    uninterrupted = train("iris_mlp", files=None)
    for _ in range(EPOCHS * STEPS_OF_EPOCH):
        signal_at(1)
        with pytest.raises(Interrupted):
            train("iris_mlp")
    signal_at(0)
    assert same(train("iris_mlp"), uninterrupted)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGUSR1])
def test_other_signals_also_write_a_checkpoint(train, signal_at, files, number):
    signal_at(2, number)
    with pytest.raises(Interrupted) as interruption:
        train("iris_mlp")
    assert interruption.value.exit_code == 128 + number
    assert (files.folder / LAST).is_file()


def test_signal_during_the_last_checkpoint_interrupts(train, files, monkeypatch):
    uninterrupted = train("iris_mlp", files=None)
    plain = type(files).save

    def save(self, trainer):
        signal.raise_signal(signal.SIGTERM)
        plain(self, trainer)

    monkeypatch.setattr(type(files), "save", save)
    with pytest.raises(Interrupted, match="SIGTERM"):
        train("iris_mlp")
    monkeypatch.delattr("pytorch_lightning.Trainer.fit")  # the training was finished
    assert same(train("iris_mlp"), uninterrupted)


def test_resumed_training_prints_its_position(train, signal_at, capsys):
    signal_at(STEPS_OF_EPOCH + 2)
    with pytest.raises(Interrupted):
        train("iris_mlp")
    signal_at(0)
    train("iris_mlp")
    assert capsys.readouterr().out.count("resuming after batch 2 of epoch 2") == 1


@pytest.mark.parametrize("before_the_end", [0, 2])
def test_resume_keeps_early_stopping(train, signal_at, before_the_end):
    fast = AdamConfig(kind="adam", learning_rate=0.3, betas=(0.9, 0.999), weight_decay=0)
    settings = {"epochs": 200, "early_stopping": 2, "optimizer": fast}
    uninterrupted = train("iris_mlp", files=None, **settings)
    signal_at(STEPS_OF_EPOCH * len(uninterrupted.epochs) - before_the_end)
    with pytest.raises(Interrupted):
        train("iris_mlp", **settings)
    signal_at(0)
    assert same(train("iris_mlp", **settings), uninterrupted)


def test_finished_training_is_not_repeated(train, files, monkeypatch):
    finished = train("mnist_gan")
    monkeypatch.delattr("pytorch_lightning.Trainer.fit")
    assert same(train("mnist_gan"), finished)


def test_checkpoints_are_written_at_the_interval(train, files, monkeypatch):
    saved = []
    monkeypatch.setattr(
        type(files), "save", lambda self, trainer: saved.append(trainer.train_dataloader.batches_served)
    )
    train("iris_mlp", files=every_step(files))
    # The end of an epoch is saved after its validation, and the end of training is saved again.
    assert saved == [*range(1, STEPS_OF_EPOCH + 1)] * EPOCHS + [STEPS_OF_EPOCH]


@pytest.mark.parametrize("damaged", [[LAST], [LAST, PREVIOUS]])
def test_damaged_checkpoint_is_skipped(train, files, signal_at, capfd, damaged):
    uninterrupted = train("iris_mlp", files=None)
    signal_at(6)
    with pytest.raises(Interrupted):
        train("iris_mlp", files=every_step(files))
    for name in damaged:
        whole = (files.folder / name).read_bytes()
        (files.folder / name).write_bytes(whole[: len(whole) // 2])
    signal_at(0)
    assert same(train("iris_mlp"), uninterrupted)
    warnings = capfd.readouterr().err
    assert all(f"{name}: skipped, since it is not a readable checkpoint" in warnings for name in damaged)


def test_checkpoint_of_another_world_size_is_not_resumed(train, files, capfd):
    train("iris_mlp")
    assert files.latest(1)
    assert files.latest(2) is None
    assert "written by 1 processes, and now there are 2" in capfd.readouterr().err


def test_two_processes_cannot_train_the_same_model(checkpoints, monkeypatch, tmp_path):
    monkeypatch.setattr("penstock.training.checkpoint_files.SECONDS_TO_END", 0.1)
    checkpoints.home.parent.mkdir(parents=True)
    with FileLock(checkpoints.home.with_suffix(".lock")), pytest.raises(TrainingError, match="another process trains"):
        checkpoints.begin()


def test_partially_written_checkpoint_is_ignored(train, files, signal_at):
    signal_at(2)
    with pytest.raises(Interrupted):
        train("iris_mlp")
    (files.folder / LAST).rename(files.folder / NEW)
    assert files.latest(1) is None


def test_changed_key_starts_over_with_a_message(checkpoints, train, signal_at, capsys):
    signal_at(2)
    with pytest.raises(Interrupted):
        train("iris_mlp")
    checkpoints.begin()
    assert checkpoints.of("whole").latest(1)
    changed = replace(checkpoints, key="other")
    changed.begin()
    assert "starts over" in capsys.readouterr().out
    assert changed.of("whole").latest(1) is None
    assert not list(checkpoints.home.iterdir())


def test_resume_never_starts_over(checkpoints, train, signal_at):
    signal_at(2)
    with pytest.raises(Interrupted):
        train("iris_mlp")
    replace(checkpoints, settings=checkpoints.settings.model_copy(update={"resume": "never"})).begin()
    assert checkpoints.of("whole").latest(1) is None


TRAIN_ON_ANOTHER_DISK = """
import pathlib, sys
from penstock.config.loading import load_config
from penstock.tasks.build import build_module
from penstock.training.checkpoint_files import CheckpointFiles
from penstock.training.fit import TrainingSetup, fit
from tests.models.documented import DATA
from tests.training.golden import rows_of
config, rows = load_config(pathlib.Path("params.yaml")), rows_of("mnist")
model = config.model("mnist_autoencoder")
model = model.model_copy(update={"training": model.training.model_copy(update={"epochs": 2, "batch_size": 4})})
files = CheckpointFiles(pathlib.Path(sys.argv[1]), config.checkpoints.model_copy(update={"seconds": 0}))
setup = TrainingSetup(build_module, model, config.trainer, DATA["mnist"])
fitted = fit(setup, rows, rows, checkpoints=files)
print(len(fitted.epochs), *files.folder.glob("*"))
"""


@pytest.mark.parametrize(
    ("options", "reason"), [("size=512k", "No space left on device"), ("ro", "Read-only file system")]
)
def test_training_continues_when_the_disk_is_full_or_read_only(repository, tmp_path, options, reason):
    """The disk is a real tmpfs in a mount namespace."""
    within = f"mount -t tmpfs -o {options} none {tmp_path} && {sys.executable} - {tmp_path}/checkpoints"
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", within],
        input=TRAIN_ON_ANOTHER_DISK,
        cwd=repository,
        env={"PYTHONPATH": f"{repository}:{repository}/src", "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["2"], done.stderr
    assert done.stderr.count("cannot write a checkpoint; training continues without one") == 1
    assert reason in done.stderr
