"""Requests of many callers in runs of a model: each gets its own rows' answers, and goes wrong alone."""

import asyncio
import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.serving.engine import LONG_REQUESTS, Engine
from penstock.serving.plan import Plan
from penstock.serving.refusals import (
    InputError,
    ModelFailedError,
    OverloadedError,
    RefusedError,
    TimedOutError,
    TooLargeError,
)
from penstock.serving.repository import Repository
from penstock.serving.settings import Settings
from tests.serving import tiny

SECONDS = 20  # in which a test must have come to its end


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    tiny.save(folder, "fractions", tiny.fractions())
    tiny.save(folder, "slow", tiny.slow(20))
    tiny.save(folder, "scaled", tiny.scaled())
    loaded = Repository([folder])
    loaded.load()
    return loaded


@pytest.fixture
def fractions(repository):
    return repository.get("fractions")


@pytest.fixture
def held(fractions, monkeypatch):
    """While it is not set, no run of `fractions` comes to its end."""
    go_on, run = threading.Event(), fractions.run

    def held_run(given):
        assert go_on.wait(SECONDS)
        return run(given)

    monkeypatch.setattr(fractions, "run", held_run)
    fractions.plan = Plan(most_rows=1, inline_rows=0, row_seconds=0.01)
    return go_on


def in_engine(repository, work, **limits):
    """What `work(engine)` returns, in an engine and an event loop of its own."""

    async def run():
        engine = Engine(repository, Settings(**{"lanes": 2} | limits))
        try:
            return await asyncio.wait_for(work(engine), SECONDS)
        finally:
            engine.close()

    return asyncio.run(run())


def inputs(*rows):
    return {"numbers": np.array(rows, np.float32)}


async def asked(engine, model, rows, pause=0):
    """The sums of a request that comes after so many turns of the event loop, or why it was refused."""
    for _ in range(pause):
        await asyncio.sleep(0)
    try:
        return (await engine.infer(model, inputs(*rows)))["sum"].tolist()
    except RefusedError as error:
        return type(error)


async def until(condition):
    while not condition():
        await asyncio.sleep(0)


async def all_asked(engine, model, requests):
    return await asyncio.gather(*(asked(engine, model, rows, pause) for rows, pause in requests))


def alone(model, row):
    """What the row gets when it is run by itself."""
    try:
        outputs = model.run(inputs(row))
    except ModelFailedError:
        return ModelFailedError
    return InputError if model.without_answer(outputs) is not None else outputs["sum"].item()


def is_right(model, rows, answer):
    """Each row's own answer, or what refuses one of them."""
    by_row = [alone(model, row) for row in rows]
    return answer == by_row if all(isinstance(one, float) for one in by_row) else answer in by_row


good = st.tuples(st.floats(0.125, 1000, width=32), st.sampled_from([0.0, 1.0, 2.0, 3.0])).map(list)
bad = st.sampled_from([tiny.INFINITE, tiny.IMPOSSIBLE])
requests = st.lists(
    st.tuples(st.lists(good | good | good | bad, min_size=1, max_size=9), st.integers(0, 6)), min_size=1, max_size=30
)
plans = st.builds(Plan, most_rows=st.integers(1, 8), inline_rows=st.integers(0, 12), row_seconds=st.just(1e-6))


@settings(deadline=None)
@given(requests=requests, plan=plans, lanes=st.integers(1, 3))
def test_batched_answers_are_the_unbatched_ones(repository, requests, plan, lanes):
    """Row by row, for whatever comes when, and nobody gets another's; what fails by itself is all that fails."""
    model = repository.get("fractions")
    model.plan = plan
    answers = in_engine(repository, lambda engine: all_asked(engine, model, requests), lanes=lanes)
    assert all(is_right(model, rows, answer) for (rows, _), answer in zip(requests, answers, strict=True))


@pytest.mark.parametrize("inline_rows", [0, 12])
def test_no_run_has_more_rows_than_the_plan_says(repository, fractions, inline_rows):
    async def work(engine):
        await all_asked(engine, fractions, [([tiny.GOOD] * 3, 0)] * 4)
        return engine.metrics.of("fractions").batch_rows

    fractions.plan = Plan(most_rows=2, inline_rows=inline_rows, row_seconds=1e-6)
    rows = in_engine(repository, work)
    assert rows.sum == 12
    assert sum(rows.counts[:2]) == sum(rows.counts)  # of those with at most one row, and with at most two


def test_a_failing_row_fails_alone(repository, fractions):
    fractions.plan = Plan(most_rows=16, inline_rows=0, row_seconds=1e-6)
    crowd = [([tiny.GOOD], 0)] * 7 + [([tiny.INFINITE], 0), ([tiny.IMPOSSIBLE], 0)] + [([tiny.GOOD], 0)] * 7
    answers = in_engine(repository, lambda engine: all_asked(engine, fractions, crowd), lanes=1)
    assert answers == [[10.5]] * 7 + [InputError, ModelFailedError] + [[10.5]] * 7


def test_what_comes_while_the_lanes_are_busy_goes_together(repository, fractions):
    async def work(engine):
        slow = asyncio.gather(*(engine.infer(repository.get("slow"), inputs(tiny.GOOD)) for _ in range(2)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await all_asked(engine, fractions, [([tiny.GOOD], pause) for pause in range(6)])
        await slow
        return engine.metrics.of("fractions").batch_rows

    fractions.plan = Plan(most_rows=3, inline_rows=0, row_seconds=1e-6)
    rows = in_engine(repository, work)
    assert rows.sum == 6
    assert sum(rows.counts) == 2


def test_a_long_request_does_not_hold_up_the_short_ones_behind_it(repository, fractions):
    async def work(engine):
        order = []

        async def note(name, rows):
            await asked(engine, fractions, rows)
            order.append(name)

        await asyncio.gather(note("long", [tiny.GOOD] * 50), note("short", [tiny.GOOD]))
        return order

    fractions.plan = Plan(most_rows=4, inline_rows=0, row_seconds=1e-6)
    assert in_engine(repository, work, lanes=1) == ["short", "long"]


def test_a_full_queue_refuses_at_once_and_recovers(repository):
    slow = repository.get("slow")

    async def work(engine):
        answers = await asyncio.gather(
            *(engine.infer(slow, inputs(tiny.GOOD)) for _ in range(12)), return_exceptions=True
        )
        return answers, await engine.infer(slow, inputs(tiny.GOOD)), engine.waiting

    slow.plan = Plan(most_rows=1, inline_rows=0, row_seconds=0.2)
    answers, again, waiting = in_engine(repository, work, lanes=1, waiting_rows=4)
    refused = [answer for answer in answers if isinstance(answer, OverloadedError)]
    assert len(refused) == 8
    assert {error.retry_after for error in refused} == {1}
    assert again["same"].tolist() == [tiny.GOOD]
    assert waiting == {"slow": 0}


@pytest.mark.parametrize("crowd", [[[tiny.GOOD] * 50, [tiny.GOOD]], [[tiny.GOOD], [tiny.GOOD] * 50]])
def test_a_request_of_more_rows_than_may_wait_is_let_in_and_shuts_nobody_out(repository, fractions, crowd):
    fractions.plan = Plan(most_rows=4, inline_rows=0, row_seconds=1e-6)
    requests = [(rows, 0) for rows in crowd]
    answers = in_engine(repository, lambda engine: all_asked(engine, fractions, requests), waiting_rows=4)
    assert answers == [[10.5] * len(rows) for rows in crowd]


def test_no_more_long_requests_wait_than_fill_the_queue(repository, fractions, held):
    async def work(engine):
        crowd = asyncio.gather(*(asked(engine, fractions, [tiny.GOOD] * 100) for _ in range(LONG_REQUESTS + 3)))
        await until(lambda: engine.waiting == {"fractions": LONG_REQUESTS * 100 - 60})
        held.set()
        return await crowd, await asked(engine, fractions, [tiny.GOOD])

    fractions.plan = replace(fractions.plan, most_rows=60)
    answers, afterwards = in_engine(repository, work, lanes=1)
    assert answers.count(OverloadedError) == 3
    assert answers.count([10.5] * 100) == LONG_REQUESTS
    assert afterwards == [10.5]


def test_more_rows_than_a_request_may_have_are_refused_with_how_many_it_may(repository, fractions):
    with pytest.raises(TooLargeError, match="11 rows in one request; at most 10 are taken"):
        in_engine(repository, lambda engine: engine.infer(fractions, inputs(*[tiny.GOOD] * 11)), request_rows=10)


@pytest.mark.parametrize("shift", [[[10, 20]], [[10, 20], [30, 40], [50, 60]]])
def test_rows_with_an_input_that_may_be_left_out_are_divided_as_others_are(repository, shift):
    """Of a model that runs rows one by one, so that they do not change each other's answers."""
    numbers, given = np.array([[1, 2], [1, 4], [8, 1]], np.float32), np.array(shift, np.float32)
    model = repository.get("scaled")

    async def work(engine):
        asked = (engine.infer(model, {"numbers": numbers, "shift": given}), engine.infer(model, {"numbers": numbers}))
        return [answer["parts"] for answer in await asyncio.gather(*asked)], engine.metrics.of("scaled").batch_rows

    (shifted, plain), rows = in_engine(repository, work)
    assert np.array_equal(plain, [[0.5, 1], [0.25, 1], [1, 0.125]])
    assert np.array_equal(shifted, plain + given)
    assert rows.counts[0] == rows.sum == 6  # runs of one row each


def test_a_run_that_fails_in_any_way_leaves_its_lane_to_the_next(repository, fractions, monkeypatch, caplog):
    def fail(given):
        raise MemoryError

    fractions.plan = Plan(most_rows=4, inline_rows=0, row_seconds=1e-6)

    async def work(engine):
        with monkeypatch.context() as patched:
            patched.setattr(fractions, "run", fail)
            failed = await all_asked(engine, fractions, [([tiny.GOOD], 0)] * 3)
        return failed, await asked(engine, fractions, [tiny.GOOD])

    assert in_engine(repository, work, lanes=1) == ([ModelFailedError] * 3, [10.5])
    assert "MemoryError" in caplog.text


@pytest.mark.parametrize(
    ("limits", "error"), [({"timeout": 0.1}, TimedOutError), ({"longest_wait": 0.1}, OverloadedError)]
)
def test_who_waits_too_long_is_told_so_and_leaves_the_queue(repository, fractions, held, limits, error):
    async def work(engine):
        crowd = [asyncio.create_task(asked(engine, fractions, [tiny.GOOD])) for _ in range(5)]
        waited = await asyncio.gather(*crowd[1:])
        held.set()
        await crowd[0]
        return waited, engine.waiting

    assert in_engine(repository, work, lanes=1, **limits) == ([error] * 4, {"fractions": 0})


def test_a_request_may_allow_less_time_than_the_server(repository):
    slow = repository.get("slow")

    async def work(engine):
        before = [asyncio.create_task(engine.infer(slow, inputs(tiny.GOOD))) for _ in range(5)]
        hurried = asyncio.create_task(engine.infer(slow, inputs(tiny.GOOD), 0.001))
        return await asyncio.gather(*before, hurried, return_exceptions=True)

    slow.plan = Plan(most_rows=1, inline_rows=0, row_seconds=0.01)
    *answers, hurried = in_engine(repository, work, lanes=1)
    assert all(answer["same"].tolist() == [tiny.GOOD] for answer in answers)
    assert isinstance(hurried, TimedOutError)


def test_nobody_computes_for_a_caller_who_has_gone(repository, fractions, held):
    async def work(engine):
        tasks = [asyncio.create_task(asked(engine, fractions, [tiny.GOOD])) for _ in range(5)]
        await until(lambda: engine.waiting == {"fractions": 4})
        for task in tasks[1:]:
            task.cancel()
        await until(lambda: engine.waiting == {"fractions": 0})
        held.set()
        return await tasks[0], engine.metrics.of("fractions").batch_rows.sum

    assert in_engine(repository, work, lanes=1) == ([10.5], 1)


def test_quick_models_are_answered_while_a_slow_one_has_all_lanes(repository, fractions):
    async def work(engine):
        slow = asyncio.gather(*(engine.infer(repository.get("slow"), inputs(tiny.GOOD)) for _ in range(4)))
        answer = await asked(engine, fractions, [tiny.GOOD])
        was_done = slow.done()
        await slow
        return answer, was_done

    fractions.plan = replace(fractions.plan, inline_rows=1)
    assert in_engine(repository, work) == ([10.5], False)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "numbers: wants FP32 of shape [-1, 2], which is missing"),
        ({"numbers": np.zeros((2, 3), np.float32)}, "numbers: wants FP32 of shape [-1, 2], not [2, 3]"),
        ({"numbers": np.zeros((0, 2), np.float32)}, "not [0, 2]"),
        ({"numbers": np.float32(1)}, "not []"),
        ({"numbers": np.zeros((1, 2))}, "wants FP32 of shape [-1, 2], not float64"),
        (inputs(tiny.GOOD) | {"more": np.zeros(1)}, "no input 'more'; there are numbers"),
    ],
)
def test_what_does_not_fit_never_reaches_the_queue(repository, fractions, given, says):
    with pytest.raises(InputError) as refused:
        in_engine(repository, lambda engine: engine.infer(fractions, given))
    assert says in str(refused.value)
