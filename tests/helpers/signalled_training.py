"""Train as one of two processes; rank zero gets a signal while it writes the last checkpoint.

    python -m torch.distributed.run --nproc_per_node 2 -m tests.helpers.signalled_training FOLDER

Each process writes the exit code of the stage to FOLDER/<rank>.txt.
"""

import os
import signal
import sys
from pathlib import Path

from penstock.config.loading import load_config
from penstock.core.signals import Interrupted
from penstock.tasks.build import build_module
from penstock.training.checkpoint_files import CheckpointFiles
from penstock.training.fit import TrainingSetup, fit
from tests.models.documented import DATA
from tests.training.golden import rows_of

RANK = os.environ["RANK"]


class SignalledAtTheEnd(CheckpointFiles):
    def save(self, trainer):
        if RANK == "0":
            signal.raise_signal(signal.SIGTERM)
        super().save(trainer)


def main(folder):
    config = load_config(Path("params.yaml"))
    model = config.model("iris_mlp")
    short = model.model_copy(update={"training": model.training.model_copy(update={"epochs": 2, "batch_size": 4})})
    settings = config.trainer.model_copy(update={"accelerator": "cpu", "devices": 2})
    rows = rows_of(model.dataset)
    files = SignalledAtTheEnd(folder / "checkpoints", config.checkpoints)
    try:
        fit(TrainingSetup(build_module, short, settings, DATA[model.dataset]), rows, rows, checkpoints=files)
        code = 0
    except Interrupted as interruption:
        code = interruption.exit_code
    (folder / f"{RANK}.txt").write_text(str(code))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
