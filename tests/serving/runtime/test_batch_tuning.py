"""Properties of the batch policy that do not depend on the measurement."""

import pytest

from penstock.serving.runtime.batch_tuning import MAX_INLINE_SECONDS, SIZES, autotune
from penstock.serving.runtime.model import ServedModel
from penstock.serving.runtime.row_check import generated_inputs
from tests.serving import tiny_models


@pytest.fixture(scope="module", params=["fractions", "sides", "echo", "slow"])
def model(request):
    makers = {
        "fractions": tiny_models.fractions,
        "sides": tiny_models.sides,
        "echo": tiny_models.echo,
        "slow": lambda: tiny_models.slow(2),
    }
    return ServedModel(request.param, makers[request.param]().SerializeToString())


def test_generated_inputs_fit_the_model(model):
    assert model.rows(generated_inputs(model.inputs, 3)) == 3


def test_only_fast_models_run_on_the_event_loop(model):
    plan = autotune(model)
    assert plan.max_batch_size in (1, *SIZES)
    assert plan.max_inline_rows * plan.seconds_per_row <= MAX_INLINE_SECONDS
    assert (plan.max_inline_rows > 0) == (model.name != "slow")


def test_max_batch_size_can_be_fixed(model):
    assert autotune(model, 3).max_batch_size == 3
