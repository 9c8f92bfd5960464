"""Batches of many requests: each request gets the outputs of its own rows, and fails alone."""

import asyncio
import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.serving.errors import (
    DeadlineExceededError,
    InputError,
    ModelFailedError,
    OverloadedError,
    PayloadTooLargeError,
    RequestError,
)
from penstock.serving.runtime.batch_policy import BatchPolicy
from penstock.serving.runtime.engine import MIN_REQUESTS_PER_QUEUE, Engine
from penstock.serving.runtime.repository import Repository
from penstock.serving.settings import ServerConfig
from tests.serving import tiny_models

SECONDS = 20  # in which a test must have come to its end


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    tiny_models.save(folder, "fractions", tiny_models.fractions())
    tiny_models.save(folder, "slow", tiny_models.slow(20))
    tiny_models.save(folder, "scaled", tiny_models.scaled())
    loaded = Repository([folder])
    loaded.load()
    return loaded


@pytest.fixture
def fractions(repository):
    return repository.get("fractions")


@pytest.fixture
def held(fractions, monkeypatch):
    """Runs of `fractions` wait until this event is set."""
    go_on, run = threading.Event(), fractions.run

    def held_run(given):
        assert go_on.wait(SECONDS)
        return run(given)

    monkeypatch.setattr(fractions, "run", held_run)
    fractions.policy = BatchPolicy(max_batch_size=1, max_inline_rows=0, seconds_per_row=0.01)
    return go_on


def in_engine(repository, work, **limits):
    """Return the result of `work(engine)` in a new engine and event loop."""

    async def run():
        engine = Engine(repository, ServerConfig(**{"workers": 2} | limits))
        try:
            return await asyncio.wait_for(work(engine), SECONDS)
        finally:
            engine.close()

    return asyncio.run(run())


def inputs(*rows):
    return {"numbers": np.array(rows, np.float32)}


async def asked(engine, model, rows, pause=0):
    """Return the sums of a request that arrives after `turns` of the event loop, or its error."""
    for _ in range(pause):
        await asyncio.sleep(0)
    try:
        return (await engine.infer(model, inputs(*rows)))["sum"].tolist()
    except RequestError as error:
        return type(error)


async def until(condition):
    while not condition():
        await asyncio.sleep(0)


async def all_asked(engine, model, requests):
    return await asyncio.gather(*(asked(engine, model, rows, pause) for rows, pause in requests))


def alone(model, row):
    """Return the output or error of a row that is run alone."""
    try:
        outputs = model.run(inputs(row))
    except ModelFailedError:
        return ModelFailedError
    return InputError if model.non_finite_rows(outputs) is not None else outputs["sum"].item()


def is_right(model, rows, answer):
    """Return the outputs of the rows run alone, or the error of one of them."""
    by_row = [alone(model, row) for row in rows]
    return answer == by_row if all(isinstance(one, float) for one in by_row) else answer in by_row


good = st.tuples(st.floats(0.125, 1000, width=32), st.sampled_from([0.0, 1.0, 2.0, 3.0])).map(list)
bad = st.sampled_from([tiny_models.INFINITE, tiny_models.IMPOSSIBLE])
requests = st.lists(
    st.tuples(st.lists(good | good | good | bad, min_size=1, max_size=9), st.integers(0, 6)), min_size=1, max_size=30
)
plans = st.builds(
    BatchPolicy, max_batch_size=st.integers(1, 8), max_inline_rows=st.integers(0, 12), seconds_per_row=st.just(1e-6)
)


@settings(deadline=None)
@given(requests=requests, plan=plans, workers=st.integers(1, 3))
def test_batched_outputs_equal_unbatched_outputs(repository, requests, plan, workers):
    """For any arrival times, each request gets its own rows' outputs, and only failing rows fail."""
    model = repository.get("fractions")
    model.policy = plan
    answers = in_engine(repository, lambda engine: all_asked(engine, model, requests), workers=workers)
    assert all(is_right(model, rows, answer) for (rows, _), answer in zip(requests, answers, strict=True))


@pytest.mark.parametrize("max_inline_rows", [0, 12])
def test_no_run_exceeds_max_batch_size(repository, fractions, max_inline_rows):
    async def work(engine):
        await all_asked(engine, fractions, [([tiny_models.GOOD] * 3, 0)] * 4)
        return engine.metrics.of("fractions").batch_size_rows

    fractions.policy = BatchPolicy(max_batch_size=2, max_inline_rows=max_inline_rows, seconds_per_row=1e-6)
    rows = in_engine(repository, work)
    assert rows.sum == 12
    assert sum(rows.counts[:2]) == sum(rows.counts)  # of those with at most one row, and with at most two


def test_a_failing_row_fails_only_its_request(repository, fractions):
    fractions.policy = BatchPolicy(max_batch_size=16, max_inline_rows=0, seconds_per_row=1e-6)
    crowd = (
        [([tiny_models.GOOD], 0)] * 7
        + [([tiny_models.INFINITE], 0), ([tiny_models.IMPOSSIBLE], 0)]
        + [([tiny_models.GOOD], 0)] * 7
    )
    answers = in_engine(repository, lambda engine: all_asked(engine, fractions, crowd), workers=1)
    assert answers == [[10.5]] * 7 + [InputError, ModelFailedError] + [[10.5]] * 7


def test_requests_during_a_run_form_the_next_batch(repository, fractions):
    async def work(engine):
        slow = asyncio.gather(*(engine.infer(repository.get("slow"), inputs(tiny_models.GOOD)) for _ in range(2)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await all_asked(engine, fractions, [([tiny_models.GOOD], pause) for pause in range(6)])
        await slow
        return engine.metrics.of("fractions").batch_size_rows

    fractions.policy = BatchPolicy(max_batch_size=3, max_inline_rows=0, seconds_per_row=1e-6)
    rows = in_engine(repository, work)
    assert rows.sum == 6
    assert sum(rows.counts) == 2


def test_a_long_request_does_not_block_short_ones(repository, fractions):
    async def work(engine):
        order = []

        async def note(name, rows):
            await asked(engine, fractions, rows)
            order.append(name)

        await asyncio.gather(note("long", [tiny_models.GOOD] * 50), note("short", [tiny_models.GOOD]))
        return order

    fractions.policy = BatchPolicy(max_batch_size=4, max_inline_rows=0, seconds_per_row=1e-6)
    assert in_engine(repository, work, workers=1) == ["short", "long"]


def test_a_full_queue_rejects_at_once_and_recovers(repository):
    slow = repository.get("slow")

    async def work(engine):
        answers = await asyncio.gather(
            *(engine.infer(slow, inputs(tiny_models.GOOD)) for _ in range(12)), return_exceptions=True
        )
        return answers, await engine.infer(slow, inputs(tiny_models.GOOD)), engine.queue_sizes

    slow.policy = BatchPolicy(max_batch_size=1, max_inline_rows=0, seconds_per_row=0.2)
    answers, again, waiting = in_engine(repository, work, workers=1, max_queue_size=4)
    refused = [answer for answer in answers if isinstance(answer, OverloadedError)]
    assert len(refused) == 8
    assert {error.retry_after for error in refused} == {1}
    assert again["same"].tolist() == [tiny_models.GOOD]
    assert waiting == {"slow": 0}


@pytest.mark.parametrize(
    "crowd", [[[tiny_models.GOOD] * 50, [tiny_models.GOOD]], [[tiny_models.GOOD], [tiny_models.GOOD] * 50]]
)
def test_a_request_longer_than_the_queue_is_accepted_and_blocks_nobody(repository, fractions, crowd):
    fractions.policy = BatchPolicy(max_batch_size=4, max_inline_rows=0, seconds_per_row=1e-6)
    requests = [(rows, 0) for rows in crowd]
    answers = in_engine(repository, lambda engine: all_asked(engine, fractions, requests), max_queue_size=4)
    assert answers == [[10.5] * len(rows) for rows in crowd]


def test_long_requests_fill_the_queue(repository, fractions, held):
    async def work(engine):
        crowd = asyncio.gather(
            *(asked(engine, fractions, [tiny_models.GOOD] * 100) for _ in range(MIN_REQUESTS_PER_QUEUE + 3))
        )
        await until(lambda: engine.queue_sizes == {"fractions": MIN_REQUESTS_PER_QUEUE * 100 - 60})
        held.set()
        return await crowd, await asked(engine, fractions, [tiny_models.GOOD])

    fractions.policy = replace(fractions.policy, max_batch_size=60)
    answers, afterwards = in_engine(repository, work, workers=1)
    assert answers.count(OverloadedError) == 3
    assert answers.count([10.5] * 100) == MIN_REQUESTS_PER_QUEUE
    assert afterwards == [10.5]


def test_requests_above_max_request_rows_are_rejected(repository, fractions):
    with pytest.raises(PayloadTooLargeError, match="11 rows in one request; the limit is 10"):
        in_engine(
            repository, lambda engine: engine.infer(fractions, inputs(*[tiny_models.GOOD] * 11)), max_request_rows=10
        )


@pytest.mark.parametrize("shift", [[[10, 20]], [[10, 20], [30, 40], [50, 60]]])
def test_requests_with_optional_inputs_are_split_as_others(repository, shift):
    """The model runs rows one by one, so that they do not change each other's outputs."""
    numbers, given = np.array([[1, 2], [1, 4], [8, 1]], np.float32), np.array(shift, np.float32)
    model = repository.get("scaled")

    async def work(engine):
        asked = (engine.infer(model, {"numbers": numbers, "shift": given}), engine.infer(model, {"numbers": numbers}))
        return [answer["parts"] for answer in await asyncio.gather(*asked)], engine.metrics.of("scaled").batch_size_rows

    (shifted, plain), rows = in_engine(repository, work)
    assert np.array_equal(plain, [[0.5, 1], [0.25, 1], [1, 0.125]])
    assert np.array_equal(shifted, plain + given)
    assert rows.counts[0] == rows.sum == 6  # runs of one row each


def test_a_failed_run_frees_its_worker(repository, fractions, monkeypatch, caplog):
    def fail(given):
        raise MemoryError

    fractions.policy = BatchPolicy(max_batch_size=4, max_inline_rows=0, seconds_per_row=1e-6)

    async def work(engine):
        with monkeypatch.context() as patched:
            patched.setattr(fractions, "run", fail)
            failed = await all_asked(engine, fractions, [([tiny_models.GOOD], 0)] * 3)
        return failed, await asked(engine, fractions, [tiny_models.GOOD])

    assert in_engine(repository, work, workers=1) == ([ModelFailedError] * 3, [10.5])
    assert "MemoryError" in caplog.text


@pytest.mark.parametrize(
    ("limits", "error"), [({"timeout": 0.1}, DeadlineExceededError), ({"queue_timeout": 0.1}, OverloadedError)]
)
def test_requests_time_out_in_the_queue(repository, fractions, held, limits, error):
    async def work(engine):
        crowd = [asyncio.create_task(asked(engine, fractions, [tiny_models.GOOD])) for _ in range(5)]
        waited = await asyncio.gather(*crowd[1:])
        held.set()
        await crowd[0]
        return waited, engine.queue_sizes

    assert in_engine(repository, work, workers=1, **limits) == ([error] * 4, {"fractions": 0})


def test_a_request_can_have_a_shorter_timeout(repository):
    slow = repository.get("slow")

    async def work(engine):
        before = [asyncio.create_task(engine.infer(slow, inputs(tiny_models.GOOD))) for _ in range(5)]
        hurried = asyncio.create_task(engine.infer(slow, inputs(tiny_models.GOOD), 0.001))
        return await asyncio.gather(*before, hurried, return_exceptions=True)

    slow.policy = BatchPolicy(max_batch_size=1, max_inline_rows=0, seconds_per_row=0.01)
    *answers, hurried = in_engine(repository, work, workers=1)
    assert all(answer["same"].tolist() == [tiny_models.GOOD] for answer in answers)
    assert isinstance(hurried, DeadlineExceededError)


def test_cancelled_requests_are_not_run(repository, fractions, held):
    async def work(engine):
        tasks = [asyncio.create_task(asked(engine, fractions, [tiny_models.GOOD])) for _ in range(5)]
        await until(lambda: engine.queue_sizes == {"fractions": 4})
        for task in tasks[1:]:
            task.cancel()
        await until(lambda: engine.queue_sizes == {"fractions": 0})
        held.set()
        return await tasks[0], engine.metrics.of("fractions").batch_size_rows.sum

    assert in_engine(repository, work, workers=1) == ([10.5], 1)


def test_fast_models_answer_while_a_slow_one_has_all_workers(repository, fractions):
    async def work(engine):
        slow = asyncio.gather(*(engine.infer(repository.get("slow"), inputs(tiny_models.GOOD)) for _ in range(4)))
        answer = await asked(engine, fractions, [tiny_models.GOOD])
        was_done = slow.done()
        await slow
        return answer, was_done

    fractions.policy = replace(fractions.policy, max_inline_rows=1)
    assert in_engine(repository, work) == ([10.5], False)


def test_nan_in_an_input_is_named(repository, fractions):
    with pytest.raises(InputError, match="numbers: expected finite values, not an infinity or NaN"):
        in_engine(repository, lambda engine: engine.infer(fractions, inputs([np.nan, 1])))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "numbers: expected FP32 of shape [-1, 2]; it is missing"),
        ({"numbers": np.zeros((2, 3), np.float32)}, "numbers: expected FP32 of shape [-1, 2], not [2, 3]"),
        ({"numbers": np.zeros((0, 2), np.float32)}, "not [0, 2]"),
        ({"numbers": np.float32(1)}, "not []"),
        ({"numbers": np.zeros((1, 2))}, "expected FP32 of shape [-1, 2], not float64"),
        (inputs(tiny_models.GOOD) | {"more": np.zeros(1)}, "no input 'more'; the inputs are numbers"),
    ],
)
def test_misfitting_inputs_never_reach_the_queue(repository, fractions, given, says):
    with pytest.raises(InputError) as refused:
        in_engine(repository, lambda engine: engine.infer(fractions, given))
    assert says in str(refused.value)
