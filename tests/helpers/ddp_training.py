"""Train a model on the golden rows as one process of a distributed training, started by torchrun or Lightning.

    python -m tests.helpers.ddp_training FOLDER MODEL [NORMALIZATION]

MODEL is a documented one, or `number` or `labels`: the first model that `penstock new` makes for such a target.

Each process writes its result to its own file, FOLDER/<rank>.json.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np

from penstock.config.loading import load_config
from penstock.io.files import canonical_hash
from penstock.io.processed_dataset import ArraySplit
from penstock.orchestration.resources import use_threads
from penstock.tasks.build import build_module
from penstock.training.fit import TrainingSetup, fit, score_split
from tests.models.documented import DATA
from tests.models.test_tabular import CONFIGS, first_model, info_of, model_of
from tests.training.golden import ROWS, rows_of

# With sixteen rows, the last batch has one row for two processes.
CHANGES = {"epochs": 3, "batch_size": 5}


def setting_of(config, name, normalization=None):
    """Return a short model without dropout, so that results can be compared; its data; and 16 rows."""
    if name in CONFIGS:
        inputs = np.random.default_rng(0).normal(size=(ROWS, 4)).astype(np.float32)
        labels = inputs[:, :1] if name == "number" else (inputs[:, :3] > 0).astype(np.float32)
        model, info = model_of(name, first_model("table", name, ROWS)), info_of(name, (4,))
        rows = ArraySplit(inputs=inputs, labels=labels)
    else:
        model = config.model(name)
        info, rows = DATA[model.dataset], rows_of(model.dataset)
    changes = {"normalization": normalization} if normalization else {}
    if hasattr(model.network, "dropout"):
        changes["dropout"] = 0
    network, training = model.network.model_copy(update=changes), model.training.model_copy(update=CHANGES)
    return model.model_copy(update={"training": training, "network": network}), info, rows


def trained(config, name, normalization=None, **trainer):
    """Run a short training."""
    model, info, rows = setting_of(config, name, normalization)
    settings = config.trainer.model_copy(update={"accelerator": "cpu"} | trainer)
    return fit(TrainingSetup(build_module, model, settings, info), rows, rows)


def evaluated(config, name, weights, **trainer):
    model, info, rows = setting_of(config, name)
    settings = config.trainer.model_copy(update={"accelerator": "cpu"} | trainer)
    odd = rows[np.arange(ROWS - 1)]  # an odd number, so that one of two processes has one row more
    return score_split(TrainingSetup(build_module, model, settings, info), weights, odd)


def main(folder, name, normalization=None):
    config = load_config(Path("params.yaml"))
    use_threads(1)
    nodes = int(os.environ.get("GROUP_WORLD_SIZE", "1"))
    fitted = trained(config, name, normalization, devices=2 // nodes, num_nodes=nodes)
    weights = {name: tensor.tolist() for name, tensor in fitted.weights.items()}
    content = {"weights": canonical_hash(weights), "epochs": [dict(epoch.metrics) for epoch in fitted.epochs]}
    if fitted.score and not normalization:
        content["score"] = evaluated(config, name, fitted.weights, devices=2 // nodes, num_nodes=nodes)
    rank = os.environ.get("RANK") or os.environ.get("LOCAL_RANK", "0")
    (folder / f"{rank}.json").write_text(json.dumps(content))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
