"""What all callers together may take of the server, and what becomes of a mistake of its own."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from penstock.serving.app import Application
from penstock.serving.engine import Engine
from penstock.serving.http import Response, Routes
from penstock.serving.listener import Listener
from penstock.serving.repository import Repository
from penstock.serving.settings import Settings
from tests.processes import free_port


async def wrong(_request):
    raise ZeroDivisionError("a mistake")


async def right(request):
    return Response(request.body)


@asynccontextmanager
async def listening(**limits):
    """A server with a route that works and one that does not; `ask` opens a connection and sends what it is given."""
    engine = Engine(Repository([]), Settings(port=free_port(), grace=0.01, **limits))
    routes = Routes()
    routes.add("POST", "/right", right)
    routes.add("POST", "/wrong", wrong)
    listener = Listener(Application(routes, engine), engine.settings)
    await listener.open()

    async def ask(sent):
        reader, writer = await asyncio.open_connection("127.0.0.1", engine.settings.port)
        writer.write(sent)
        return reader, writer

    try:
        yield ask, listener
    finally:
        await asyncio.wait_for(listener.close(), 20)


def post(path, body, size=None):
    return b"POST %b HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (path, len(body) if size is None else size, body)


async def status(reader):
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return int(head.split()[1]), await reader.readexactly(length)


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


def test_bodies_of_all_callers_together_have_a_limit_and_leave_room_when_they_are_answered():
    async def run():
        async with listening(all_bodies=1000) as (ask, listener):
            first, first_writer = await ask(post(b"/right", bytes(700), 701))
            await until(lambda: listener.held == 700)
            second, second_writer = await ask(post(b"/right", b"", 500))
            assert (await status(second))[0] == 503
            first_writer.write(b"\0")
            assert (await status(first))[0] == 200
            third, third_writer = await ask(post(b"/right", bytes(500)))
            assert (await status(third))[0] == 200
            _gone, gone_writer = await ask(post(b"/right", bytes(900), 901))
            await until(lambda: listener.held == 900)
            gone_writer.close()
            await until(lambda: listener.held == 0)
            third_writer.write(post(b"/right", bytes(900)))
            assert (await status(third))[0] == 200
            for writer in (first_writer, second_writer, third_writer):
                writer.close()

    asyncio.run(run())


def test_connections_have_a_limit():
    async def run():
        async with listening(connections=2) as (ask, listener):
            kept = [await ask(post(b"/right", b"x")) for _ in range(2)]
            assert [(await status(reader))[0] for reader, _ in kept] == [200, 200]
            reader, writer = await ask(b"")
            assert (await status(reader))[0] == 503
            assert await asyncio.wait_for(reader.read(), 20) == b""
            writer.close()
            kept[0][1].close()
            await until(lambda: len(listener.connections) == 1)
            reader, writer = await ask(post(b"/right", b"x"))
            assert (await status(reader))[0] == 200
            writer.close()
            kept[1][1].close()

    asyncio.run(run())


def test_a_mistake_of_ours_is_answered_and_told_and_the_connection_goes_on():
    told = []

    async def run():
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context["exception"]))
        async with listening() as (ask, _):
            reader, writer = await ask(post(b"/wrong", b"x") + post(b"/right", b"y"))
            assert await status(reader) == (500, b'{"error":"a mistake of the server\'s own; its log says which"}')
            assert await status(reader) == (200, b"y")
            writer.close()

    asyncio.run(run())
    assert [str(error) for error in told] == ["a mistake"]


def test_a_caller_that_reads_nothing_is_not_answered_into_memory():
    """It asks for a hundred megabytes and takes none of them: what it is answered stays in its own requests."""

    async def run():
        async with listening(largest_body=2**20, timeout=1) as (ask, _):
            _reader, writer = await ask(b"")
            body = post(b"/right", bytes(2**20))
            for _ in range(100):
                writer.write(body)
            with pytest.raises((TimeoutError, ConnectionError)):
                await asyncio.wait_for(writer.drain(), 5)
            writer.transport.abort()

    asyncio.run(run())
