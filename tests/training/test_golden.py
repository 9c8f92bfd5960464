"""Compare losses with golden.json.

After an intended change, run `python -m tests.training.golden`, and give the reason in the commit message.
"""

import json

import pytest

from penstock.config.loading import load_config
from tests.conftest import REPOSITORY
from tests.training.golden import FILE, STEPS, losses

GOLDEN = json.loads(FILE.read_text())
# The last bits depend on the processor. Plain RNNs and batch normalization amplify the difference at each step.
CLOSE, FIRST, GROWTH = 1e-3, 1e-4, 1.4


def test_every_model_has_golden_losses():
    assert GOLDEN.keys() == load_config(REPOSITORY / "params.yaml").every_model.keys()


@pytest.mark.parametrize("name", GOLDEN)
def test_first_losses_equal_the_golden_losses(config, name):
    network = config.model(name).network
    amplifies = getattr(network, "cell", None) == "rnn" or getattr(network, "normalization", None) == "batch"
    bounds = [max(CLOSE, FIRST * GROWTH**step) if amplifies else CLOSE for step in range(STEPS)]
    golden = [pytest.approx(loss, rel=bound) for loss, bound in zip(GOLDEN[name], bounds, strict=True)]
    assert losses(config, name) == golden
