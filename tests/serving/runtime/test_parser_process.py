"""The process that parses large bodies."""

import asyncio
import gc
import os
import signal
import sys
import time
import tracemalloc

import pytest

from penstock.serving.errors import DeadlineExceededError, InputError, PayloadTooLargeError
from penstock.serving.http.messages import json_object
from penstock.serving.runtime import parser_process
from penstock.serving.runtime.parser_process import MAX_MEMORY, ParserProcess


def run(*calls, seconds=30):
    """Run calls at once in one process; return results and errors."""

    async def gather():
        parser = ParserProcess()
        try:
            return await asyncio.gather(*(parser.run(seconds, *call) for call in calls), return_exceptions=True)
        finally:
            parser.close()

    return asyncio.run(gather())


def test_calls_return_what_the_function_returns():
    assert run((json_object, b'{"a": [1, 2]}'), (divmod, 7, 2)) == [{"a": [1, 2]}, (3, 1)]


def test_the_process_is_another_one_and_stays():
    first, second = run((os.getpid,), (os.getpid,))
    assert first == second != os.getpid()


def test_calls_raise_what_the_function_raises():
    (error,) = run((json_object, b"[]"))
    assert isinstance(error, InputError)
    assert str(error) == "the body must be a JSON object"


def test_bugs_are_no_errors_of_the_request():
    (error,) = run((divmod, 1, 0))
    assert isinstance(error, RuntimeError)
    assert "ZeroDivisionError" in str(error)


def test_memory_is_limited():
    error, size = run((bytes, 2 * MAX_MEMORY), (len, b"four"))
    assert isinstance(error, PayloadTooLargeError)
    assert size == 4


def test_a_process_that_ends_is_replaced():
    """As when the system has no memory left."""
    error, size = run((os.kill, 0, signal.SIGKILL), (len, b"four"))
    assert isinstance(error, PayloadTooLargeError)
    assert size == 4


def test_an_idle_process_ends_and_another_starts(monkeypatch):
    code = f"from penstock.serving.runtime import parser_process as p; p.IDLE_SECONDS = {0.2}; p.main()"
    monkeypatch.setattr(parser_process, "COMMAND", [sys.executable, "-c", code])

    async def ask_again():
        parser = ParserProcess()
        first = await parser.run(30, os.getpid)
        await asyncio.sleep(0.5)
        second = await parser.run(30, os.getpid)
        parser.close()
        return first, second

    first, second = asyncio.run(ask_again())
    assert first != second


def test_slow_calls_fail_after_the_timeout():
    error, _ = run((time.sleep, 0.5), (time.sleep, 0), seconds=0.2)
    assert isinstance(error, DeadlineExceededError)


def test_a_rejected_body_does_not_stay_in_memory():
    """The traceback of an error has the frames that have the body."""

    async def growth():
        parser = ParserProcess()
        tracemalloc.start()
        for _ in range(5):
            with pytest.raises(InputError):
                await parser.run(30, json_object, bytes(2**20))
        grown, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        parser.close()
        return grown

    gc.disable()
    try:
        assert asyncio.run(growth()) < 2 * 2**20  # the last error is still there
    finally:
        gc.enable()
