"""How a model is run is measured, so what is held here is what no measurement may change."""

import pytest

from penstock.serving.models import ServedModel
from penstock.serving.plan import INLINE_SECONDS, SIZES, example, measure
from tests.serving import tiny


@pytest.fixture(scope="module", params=["fractions", "sides", "echo", "slow"])
def model(request):
    makers = {"fractions": tiny.fractions, "sides": tiny.sides, "echo": tiny.echo, "slow": lambda: tiny.slow(2)}
    return ServedModel(request.param, makers[request.param]().SerializeToString())


def test_made_up_rows_are_what_the_model_takes(model):
    assert model.rows(example(model, 3)) == 3


def test_only_what_is_quick_runs_on_the_event_loop(model):
    plan = measure(model)
    assert plan.most_rows in (1, *SIZES)
    assert plan.inline_rows * plan.row_seconds <= INLINE_SECONDS
    assert (plan.inline_rows > 0) == (model.name != "slow")


def test_the_person_may_say_how_many_rows_a_run_has(model):
    assert measure(model, 3).most_rows == 3
