"""Limits for all clients together, disconnects, and bugs in handlers."""

import asyncio
import gc
import gzip
import socket
import struct
import tracemalloc
from contextlib import asynccontextmanager, suppress

import pytest
import uvloop

from penstock.serving.app import Application
from penstock.serving.http.connection import READ_PIECE, Connection
from penstock.serving.http.listener import Listener
from penstock.serving.http.messages import Request, Response
from penstock.serving.http.routes import Routes
from penstock.serving.runtime.engine import Engine
from penstock.serving.runtime.repository import Repository
from penstock.serving.settings import ServerConfig
from tests.helpers.processes import free_port

LARGE = 10_000


async def wrong(_request):
    raise ZeroDivisionError("a mistake")


async def right(request):
    return Response(request.body)


async def large(_request):
    return Response(bytes(LARGE))


async def slow(_request):
    await asyncio.sleep(0.5)
    return Response(b"at last")


@asynccontextmanager
async def listening(**limits):
    """A server with working routes and a broken one; `ask` opens a connection and sends bytes.

    Connections are closed although the test fails, so that later tests get no warning of them.
    """
    engine = Engine(Repository([]), ServerConfig(port=free_port(), shutdown_grace=0.01, **limits))
    routes = Routes()
    routes.add("POST", "/right", right)
    routes.add("POST", "/wrong", wrong)
    routes.add("POST", "/slow", slow)
    routes.add("GET", "/large", large)
    listener = Listener(Application(routes, engine), engine.config, engine.memory)
    callers = []
    await listener.open()

    async def ask(sent):
        reader, writer = await asyncio.open_connection("127.0.0.1", engine.config.port)
        callers.append(writer)
        writer.write(sent)
        return reader, writer

    try:
        yield ask, listener
    finally:
        for writer in callers:
            writer.transport.abort()
        await asyncio.wait_for(listener.close(), 20)


def post(path, body, size=None):
    return b"POST %b HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n%b" % (
        path,
        len(body) if size is None else size,
        body,
    )


async def status(reader):
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return int(head.split()[1]), await reader.readexactly(length)


async def soon(found):
    await until(found)
    return found()


def requests_in_memory():
    """Collect garbage of earlier tests first. isinstance would touch objects of torch that warn."""
    gc.collect()
    return sum(type(one) is Request for one in gc.get_objects())


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


def test_all_bodies_share_a_memory_budget():
    async def run():
        async with listening(max_total_body_size=1000) as (ask, listener):
            first, first_writer = await ask(post(b"/right", bytes(700), 701))
            await until(lambda: listener.app.engine.memory.used == 700)
            second, _ = await ask(post(b"/right", b"", 500))
            assert (await status(second))[0] == 503
            first_writer.write(b"\0")
            assert (await status(first))[0] == 200
            third, third_writer = await ask(post(b"/right", bytes(500)))
            assert (await status(third))[0] == 200
            _gone, gone_writer = await ask(post(b"/right", bytes(900), 901))
            await until(lambda: listener.app.engine.memory.used == 900)
            gone_writer.close()
            await until(lambda: listener.app.engine.memory.used == 0)
            third_writer.write(post(b"/right", bytes(900)))
            assert (await status(third))[0] == 200

    asyncio.run(run())


def test_the_number_of_connections_is_limited():
    async def run():
        async with listening(max_connections=2) as (ask, listener):
            kept = [await ask(post(b"/right", b"x")) for _ in range(2)]
            assert [(await status(reader))[0] for reader, _ in kept] == [200, 200]
            reader, _ = await ask(b"")
            assert (await status(reader))[0] == 503
            assert await asyncio.wait_for(reader.read(), 20) == b""
            kept[0][1].close()
            await until(lambda: len(listener.connections) == 1)
            reader, _ = await ask(post(b"/right", b"x"))
            assert (await status(reader))[0] == 200

    asyncio.run(run())


def test_a_bug_is_answered_with_500_and_logged():
    told = []

    async def run():
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context["exception"]))
        async with listening() as (ask, _):
            reader, _ = await ask(post(b"/wrong", b"x") + post(b"/right", b"y"))
            assert await status(reader) == (500, b'{"error":"internal server error; see the server\'s log"}')
            assert await status(reader) == (200, b"y")

    asyncio.run(run())
    assert [str(error) for error in told] == ["a mistake"]


def test_unread_responses_do_not_fill_the_memory():
    """The client requests 100 MB and reads nothing."""

    async def run():
        async with listening(max_body_size=2**20, timeout=1) as (ask, _):
            _reader, writer = await ask(b"")
            body = post(b"/right", bytes(2**20))
            for _ in range(100):
                writer.write(body)
            with pytest.raises((TimeoutError, ConnectionError)):
                await asyncio.wait_for(writer.drain(), 5)

    asyncio.run(run())


def counted(listener):
    return {str(status): count for (_, status), count in listener.app.engine.metrics.of("").requests.items()}


def test_clients_that_stop_reading_are_disconnected():
    """200 MB of responses; the system's buffers take a few."""

    async def run():
        async with listening(timeout=1) as (ask, listener):
            reader, writer = await ask(b"")
            reader._transport.pause_reading()
            writer.write(b"GET /large HTTP/1.1\r\nHost: here\r\n\r\n" * 20_000)
            (connection,) = await soon(lambda: listener.connections)
            await until(lambda: not listener.connections)
            assert counted(listener).keys() == {"200", "499"}
            assert counted(listener)["200"] * LARGE < 20 * 2**20
            assert connection._transport.get_write_buffer_size() < 2**20

    asyncio.run(run())


def test_slow_readers_get_every_response():
    async def run():
        async with listening(timeout=0.5) as (ask, _):
            reader, _ = await ask(b"GET /large HTTP/1.1\r\nHost: here\r\n\r\n" * 3000)
            for number in range(3000):
                if number % 300 == 0:
                    await asyncio.sleep(0.2)
                assert await status(reader) == (200, bytes(LARGE))

    asyncio.run(run())


def test_pipelined_requests_count_in_the_memory_budget():
    """Thousands of requests of a few bytes, each an object of hundreds of bytes."""

    before = requests_in_memory()

    async def run():
        async with listening(max_total_body_size=100 * 2**10) as (ask, listener):
            reader, _ = await ask(post(b"/slow", b"") + b"GET /large HTTP/1.1\r\nHost: here\r\n\r\n" * 5000)
            await until(lambda: listener.app.engine.memory.used)
            assert 90 < requests_in_memory() - before < 110
            answers = await asyncio.wait_for(reader.read(), 20)
            assert 90 < answers.count(b"HTTP/1.1 200") < 110
            assert answers.count(b"HTTP/1.1 503") == 1
            assert listener.app.engine.memory.used == 0

    asyncio.run(run())


def test_decompressed_bodies_count_in_the_memory_budget():
    packed = b"POST /right HTTP/1.1\r\nHost: here\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b"

    async def run():
        async with listening(max_total_body_size=10_000) as (ask, listener):
            for size, wanted in ((9_000, 200), (11_000, 503)):
                body = gzip.compress(bytes(size))
                reader, _ = await ask(packed % (len(body), body))
                assert (await status(reader))[0] == wanted
                assert listener.app.engine.memory.used == 0

    asyncio.run(run())


def test_tiny_chunks_take_no_more_memory_than_large_ones():
    """After the response, the memory is free although the connection stays open."""
    body = b"2\r\nxy\r\n" * 100_000
    head = b"POST /right HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"

    async def run():
        async with listening() as (ask, listener):
            reader, _ = await ask(b"")
            (connection,) = await soon(lambda: listener.connections)
            tracemalloc.start()
            for first in range(0, len(head + body), READ_PIECE):
                connection.data_received((head + body)[first : first + READ_PIECE])
            assert tracemalloc.get_traced_memory()[0] < 500_000
            connection.data_received(b"0\r\n\r\n")
            assert await status(reader) == (200, b"xy" * 100_000)
            tracemalloc.reset_peak()
            await until(lambda: tracemalloc.get_traced_memory()[0] < 100_000)
            tracemalloc.stop()

    asyncio.run(run())


def test_a_large_read_gives_way_to_other_connections():
    """Each piece of it is parsed in a turn of the event loop of its own, in order."""
    chunk = b"1\r\nx\r\n"
    request = b"POST /right HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 40_000

    async def run():
        async with listening() as (ask, listener):
            reader, _ = await ask(b"")
            (connection,) = await soon(lambda: listener.connections)
            connection.data_received(request)
            assert 0 < listener.memory.used <= READ_PIECE / len(chunk)
            connection.data_received(b"0\r\n\r\n" + post(b"/right", b"next"))
            assert await status(reader) == (200, b"x" * 40_000)
            assert await status(reader) == (200, b"next")

    asyncio.run(run())


def test_rejected_and_failed_requests_are_counted():
    async def run():
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        async with listening(max_body_size=1000, max_total_body_size=1500, timeout=0.5) as (ask, listener):
            for sent in (
                post(b"/wrong", b""),
                b"no HTTP",
                b"GET /" + b"x" * 70_000,
                post(b"/right", b"", 1001),
                post(b"/right", b"half", 10),
            ):
                reader, _ = await ask(sent)
                await status(reader)
            assert counted(listener) == dict.fromkeys(["500", "400", "431", "413", "408"], 1)

    asyncio.run(run())


def test_a_disconnect_before_the_response_is_counted():
    async def run():
        async with listening() as (ask, listener):
            _, writer = await ask(post(b"/slow", b"x") + post(b"/right", b"behind it"))
            await until(lambda: listener.app.engine.memory.used > len("behind it"))
            # Without it a caller only says that it sends no more, and may still read.
            reset = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            writer.close()
            await until(lambda: counted(listener) == {"499": 2})
            assert listener.app.engine.memory.used == 0

    asyncio.run(run())


def test_a_disconnect_in_the_middle_of_a_body_is_counted():
    async def run():
        async with listening() as (ask, listener):
            _, writer = await ask(post(b"/right", b"half", 10))
            await until(lambda: listener.app.engine.memory.used)
            writer.close()
            await until(lambda: counted(listener) == {"499": 1})
            assert listener.app.engine.memory.used == 0

    asyncio.run(run())


def test_a_disconnect_before_accept_does_no_harm():
    class Gone(asyncio.Transport):
        def get_extra_info(self, name, default=None):
            return default

    async def run():
        async with listening() as (_, listener):
            connection = Connection(listener)
            connection.connection_made(Gone())
            connection.connection_lost(None)
            assert not listener.connections

    asyncio.run(run())


def test_a_partial_request_after_a_complete_one_is_awaited():
    async def run():
        async with listening() as (ask, listener):
            reader, writer = await ask(post(b"/right", b"x") + b"GET /lar")
            assert await status(reader) == (200, b"x")
            assert [connection.idle for connection in listener.connections] == [False]
            writer.write(b"ge HTTP/1.1\r\nHost: here\r\n\r\n")
            assert await status(reader) == (200, bytes(LARGE))
            assert [connection.idle for connection in listener.connections] == [True]

    asyncio.run(run())


def test_empty_lines_leave_a_connection_idle():
    """Otherwise SIGTERM waits for the rest of a request."""

    async def run():
        async with listening() as (ask, listener):
            reader, _ = await ask(post(b"/right", b"x"))
            assert await status(reader) == (200, b"x")
            (connection,) = listener.connections
            connection.data_received(b"\r\n")
            connection.data_received(b"\r")
            assert connection.idle

    asyncio.run(run())


def test_idle_connections_are_closed_after_the_keep_alive_timeout():
    async def run():
        async with listening(keep_alive_timeout=0.1) as (ask, _):
            reader, _ = await ask(post(b"/right", b"x"))
            assert await status(reader) == (200, b"x")
            assert await asyncio.wait_for(reader.read(), 5) == b""

    asyncio.run(run())


@pytest.mark.parametrize(("host", "wanted"), [("127.0.0.1", "127.0.0.1:8081"), ("::", "[::]:8081")])
def test_ipv6_addresses_are_in_brackets(host, wanted):
    assert ServerConfig(host=host).address(8081) == wanted


@pytest.mark.parametrize("loop_factory", [asyncio.SelectorEventLoop, uvloop.Loop])
def test_connections_that_the_system_has_made_are_answered_when_listening_ends(loop_factory):
    """A proxy answers 502 for each connection that is reset."""
    callers = []

    async def close_while_callers_connect():
        async with listening() as (_, listener):

            def connect():
                with suppress(ConnectionRefusedError):
                    caller = socket.create_connection(("127.0.0.1", listener.config.port), timeout=20)
                    callers.append(caller)
                    caller.sendall(post(b"/right", b"here"))
                    asyncio.get_running_loop().call_soon(connect)

            connect()
            await listener.close()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(close_while_callers_connect())
    assert len(callers) > 1
    for caller in callers:
        with caller, caller.makefile("rb") as file:
            assert file.read().endswith(b"here")
