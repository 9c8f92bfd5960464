"""A process that parses large bodies, beside the event loop; `python -m penstock.serving.runtime.parser_process`.

The parsers of JSON and protobuf hold Python's global lock for a whole body, so that a thread would stop the event loop:
8 million numbers take 0.7 s. The process also bounds what a body may take when it is parsed, up to 50 times its size.
It starts with the first large body, ends after a while without one, and ends with its parent.

Function calls and their results are pickled. Both ends are of this program; the bodies themselves are only bytes.
"""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import resource
import select
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, BinaryIO, TypeVar

from penstock.serving.errors import PayloadTooLargeError, RequestError
from penstock.serving.runtime.memory_budget import release_freed_memory
from penstock.serving.runtime.timeouts import with_timeout

MAX_INLINE_BODY = 128 * 2**10
"""Bytes of a body that is parsed on the event loop, in up to 10 ms."""
MAX_MEMORY = 448 * 2**20
"""Bytes of the process."""
IDLE_SECONDS = 60
PIPE_SIZE = 2**20
COMMAND = [sys.executable, "-P", "-m", "penstock.serving.runtime.parser_process"]

T = TypeVar("T")


class ParserProcess:
    """Run functions in the process, one at a time."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "parser")  # it talks to the process
        self._process: subprocess.Popen[bytes] | None = None

    async def run(self, seconds: float, function: Callable[..., T], *args: Any) -> T:  # noqa: ANN401
        """Return what a function of a module returns, or raise what it raises.

        Args:
            seconds: Time that is left for the request.
            function: The function; it and its arguments can be pickled.
            *args: Its arguments.

        Raises:
            PayloadTooLargeError: It needs more than `MAX_MEMORY`.
            DeadlineExceededError: It has not finished after `seconds`.
        """
        exchange = partial(self._exchange, (function, args))
        answer = asyncio.get_running_loop().run_in_executor(self._thread, exchange)
        result, error = await with_timeout(seconds, answer)
        del answer
        try:
            if error is not None:
                raise error
        finally:
            del error  # its traceback has this frame, so that the body would stay in memory
        return result  # type: ignore[no-any-return]

    def close(self) -> None:
        """End the thread and the process."""
        self._thread.shutdown(cancel_futures=True)
        if self._process is not None:
            self._stop(self._process)

    def _exchange(self, call: object) -> tuple[Any, Exception | None]:
        process = self._process
        if process is not None and process.poll() is not None:
            self._stop(process)
            process = None
        if process is None:
            process = self._process = _start()
        try:
            _send(call, process.stdin)  # type: ignore[arg-type]
            return pickle.load(process.stdout)  # type: ignore[arg-type, no-any-return]
        except (OSError, EOFError, pickle.UnpicklingError):
            self._process = None
            if self._stop(process) == 0:  # it was idle for too long just now
                return self._exchange(call)
            return None, _too_large()

    def _stop(self, process: subprocess.Popen[bytes]) -> int:
        with suppress(OSError):
            process.communicate()
        return process.wait()


def _start() -> subprocess.Popen[bytes]:
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}  # each thread would take memory
    pipe = subprocess.PIPE
    # In a session of its own, so that Ctrl-C reaches the server only, which finishes the open requests.
    return subprocess.Popen(
        COMMAND, stdin=pipe, stdout=pipe, env=environment, pipesize=PIPE_SIZE, start_new_session=True
    )


def _send(message: object, pipe: BinaryIO) -> None:
    pickle.dump(message, pipe, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.flush()


def _too_large() -> PayloadTooLargeError:
    return PayloadTooLargeError(f"the body takes more than {MAX_MEMORY} bytes of memory when it is parsed")


def _answer(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, Exception | None]:
    try:
        return function(*args), None
    except (MemoryError, SystemError):  # the latter by orjson, where it had no memory for an object
        return None, _too_large()
    except RequestError as error:
        error.args = (str(error),)  # which is short
        return None, error
    except Exception as error:  # noqa: BLE001  (the parent raises it)
        return None, RuntimeError(f"{type(error).__name__}: {error}")


def main() -> None:
    """Answer calls from standard input until it ends, or until there is none for a while."""
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY, MAX_MEMORY))
    gc.disable()  # parsed values have no cycles
    calls, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing but answers goes to the parent
    while select.select([calls], [], [], IDLE_SECONDS)[0]:
        try:
            function, args = pickle.load(calls)
        except EOFError:
            return
        _send(_answer(function, args), answers)
        del args
        release_freed_memory()


if __name__ == "__main__":
    main()
