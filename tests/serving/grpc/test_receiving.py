"""Messages that arrive slowly, or never as a whole, take little memory and do not stop others."""

import asyncio
from contextlib import closing
from typing import Any

import grpc
import psutil
import pytest

from penstock.serving.errors import DeadlineExceededError, InputError, OverloadedError
from penstock.serving.grpc.receiving import MAX_PROMPT, MAX_SLOW, PROMPT_SECONDS, MessageReceiver
from penstock.serving.runtime.memory_budget import MemoryBudget
from tests.helpers.processes import wait_until
from tests.serving import tiny_models
from tests.serving.grpc.half_sent import HalfSent
from tests.serving.server_process import serving

MEGABYTE = 2**20
STREAMS, SIZE = 100, 4 * MEGABYTE
TIMEOUT = 3


async def message(*contents, arrives=None):
    if arrives is not None:
        await arrives.wait()
    for content in contents:
        yield content


def test_messages_are_received():
    async def receive():
        receiver = MessageReceiver(1, MemoryBudget(1))
        everything = [receiver.receive(message(b"%d" % number)) for number in range(5 * MAX_PROMPT)]
        assert await asyncio.gather(*everything) == [b"%d" % number for number in range(5 * MAX_PROMPT)]
        with pytest.raises(InputError, match="no message"):
            await receiver.receive(message())

    asyncio.run(receive())


def test_only_some_messages_may_be_slow():
    async def receive():
        receiver, arrives = MessageReceiver(60, MemoryBudget(1)), asyncio.Event()
        slow = [asyncio.create_task(receiver.receive(message(b"late", arrives=arrives))) for _ in range(MAX_SLOW + 5)]
        while sum(task.done() for task in slow) < 5:
            await asyncio.sleep(PROMPT_SECONDS)
        assert await receiver.receive(message(b"here")) == b"here"
        arrives.set()
        results = await asyncio.gather(*slow, return_exceptions=True)
        assert results.count(b"late") == MAX_SLOW
        assert sum(isinstance(result, OverloadedError) for result in results) == 5

    asyncio.run(receive())


def test_messages_have_a_timeout_and_calls_can_be_cancelled():
    async def receive():
        never = asyncio.Event()
        receiver = MessageReceiver(2 * PROMPT_SECONDS, MemoryBudget(1))
        with pytest.raises(DeadlineExceededError):
            await receiver.receive(message(arrives=never))
        call = asyncio.create_task(receiver.receive(message(arrives=never)))
        await asyncio.sleep(PROMPT_SECONDS / 2)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await receiver.receive(message(b"here")) == b"here"

    asyncio.run(receive())


@pytest.mark.parametrize("method", ["/inference.GRPCInferenceService/ModelInfer", "/grpc.health.v1.Health/Check"])
def test_half_sent_messages_take_little_memory(tmp_path, method):
    tiny_models.save(tmp_path, "fractions", tiny_models.fractions())
    with serving(tmp_path, str(tmp_path), "--timeout", str(TIMEOUT)) as server:
        process = psutil.Process(server.process.pid)
        before = process.memory_info().rss
        with closing(HalfSent(server.grpc, method, STREAMS, SIZE)) as client:
            wait_until(lambda: len(client.ended) >= STREAMS - MAX_SLOW, 20)
            assert process.memory_info().rss < before + STREAMS * SIZE / 2
            with grpc.insecure_channel(server.grpc) as channel:
                live: grpc.UnaryUnaryMultiCallable[Any, Any]
                live = channel.unary_unary("/inference.GRPCInferenceService/ServerLive")
                assert live(b"", timeout=10)
            wait_until(lambda: len(client.ended) == STREAMS, 20)
            wait_until(lambda: process.memory_info().rss < before + 50 * MEGABYTE, 10)
