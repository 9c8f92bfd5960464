"""No number moves unless somebody means it: then `python -m tests.training.golden`, and the commit says why."""

import json

import pytest

from penstock.config import load_config
from tests.conftest import REPOSITORY
from tests.training.golden import FILE, losses

GOLDEN = json.loads(FILE.read_text())
# The last bits are each processor's own, and what they make of the next loss grows from step to step.
FIRST, GROWTH = 1e-4, 1.4


def test_every_model_has_golden_losses():
    assert GOLDEN.keys() == load_config(REPOSITORY / "params.yaml").every_model.keys()


@pytest.mark.parametrize("name", GOLDEN)
def test_the_first_twenty_losses_are_the_golden_ones(config, name):
    golden = [pytest.approx(loss, rel=FIRST * GROWTH**step) for step, loss in enumerate(GOLDEN[name])]
    assert losses(config, name) == golden
