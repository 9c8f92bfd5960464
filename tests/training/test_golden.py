"""No number moves unless somebody means it: then `python -m tests.training.golden`, and the commit says why."""

import json

import pytest

from penstock.config.loading import load_config
from tests.conftest import REPOSITORY
from tests.training.golden import FILE, STEPS, losses

GOLDEN = json.loads(FILE.read_text())
# The last bits are each processor's own. What plain RNNs and batch normalisation make of them grows from step to step.
CLOSE, FIRST, GROWTH = 1e-3, 1e-4, 1.4


def test_every_model_has_golden_losses():
    assert GOLDEN.keys() == load_config(REPOSITORY / "params.yaml").every_model.keys()


@pytest.mark.parametrize("name", GOLDEN)
def test_the_first_twenty_losses_are_the_golden_ones(config, name):
    network = config.model(name).network
    magnifies = getattr(network, "cell", None) == "rnn" or getattr(network, "normalization", None) == "batch"
    bounds = [max(CLOSE, FIRST * GROWTH**step) if magnifies else CLOSE for step in range(STEPS)]
    golden = [pytest.approx(loss, rel=bound) for loss, bound in zip(GOLDEN[name], bounds, strict=True)]
    assert losses(config, name) == golden
