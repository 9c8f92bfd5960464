"""The largest requests of each kind: others are answered meanwhile, in the memory that packages give the server."""

import http.client
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import Any

import grpc
import psutil
import pytest

from tests.helpers.processes import wait_until
from tests.serving import largest_requests
from tests.serving.largest_requests import GRPC, HTTP
from tests.serving.server_process import serving

MEGABYTE = 2**20
MEMORY_LIMIT = 1024 * MEGABYTE  # that of the container of `penstock package --kserve`
MAX_GROWTH = 150 * MEGABYTE
SECONDS = 5
# The aim is 0.05 s. A block of the event loop is CPU time of the server, whatever else the machine does. On a busy
# machine the worker threads' time counts as well, so a request is sent again: a block of the code is there each time.
MAX_BLOCK_SECONDS = 0.1
ATTEMPTS = 3
MAX_BLOCK_SECONDS_OF_MANY = 1.0  # of many requests at once; the limit of a probe of Kubernetes
CONNECTIONS = 300


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    largest_requests.save_models(folder)
    with serving(folder, str(folder), "--workers", "2") as running:
        yield running


def memory(server):
    """Return the bytes of the server and of its parser."""
    process, total = psutil.Process(server.process.pid), 0
    for one in (process, *process.children()):
        with suppress(psutil.NoSuchProcess):
            total += one.memory_info().rss
    return total


def cpu_seconds(server):
    """Return the CPU time of all threads, in the kernel's resolution."""
    total = 0
    for thread in Path(f"/proc/{server.process.pid}/task").iterdir():
        with suppress(OSError):  # it has ended
            total += int((thread / "schedstat").read_text().split()[0])
    return total / 1e9


def watch_health(server, stop):
    """Ask for the health again and again; return the longest time that the server was busy with other things."""
    longest = 0.0
    with closing(http.client.HTTPConnection(server.http)) as connection:
        while not stop.wait(0.002):
            started, cpu = time.perf_counter(), cpu_seconds(server)
            connection.request("GET", "/v2/health/live")
            assert connection.getresponse().read() == b'{"live":true}'
            longest = max(longest, min(time.perf_counter() - started, cpu_seconds(server) - cpu))
    return longest


def watch_memory(server, stop):
    peak = 0
    while not stop.wait(0.05):
        peak = max(peak, memory(server))
    return peak


@contextmanager
def watching(server):
    """Check that the memory stays under the limit and returns to what it was; yield the longest block at the end."""
    before, stop = memory(server), Event()
    block: list[float] = []
    with ThreadPoolExecutor(2) as threads:
        health, peak = threads.submit(watch_health, server, stop), threads.submit(watch_memory, server, stop)
        try:
            yield block
        finally:
            stop.set()
    block.append(health.result())
    assert peak.result() < MEMORY_LIMIT
    wait_until(lambda: memory(server) < before + MAX_GROWTH, SECONDS)


@contextmanager
def answering(server):
    """Watch the server while it gets many requests: a probe of Kubernetes must not fail."""
    with watching(server) as block:
        yield
    assert max(block) < MAX_BLOCK_SECONDS_OF_MANY


def longest_blocks(server, ask):
    """Yield the longest block of the event loop while one request is sent, for each attempt."""
    for _ in range(ATTEMPTS):
        with watching(server) as block:
            ask()
        yield max(block)


def post(server, request):
    path, body, headers = request
    with closing(http.client.HTTPConnection(server.http, timeout=60)) as connection:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        response.read()
        return response.status


def call(server, message):
    with grpc.insecure_channel(server.grpc, [("grpc.max_receive_message_length", -1)]) as channel:
        infer: grpc.UnaryUnaryMultiCallable[Any, Any]
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        try:
            infer(message, timeout=60)
        except grpc.RpcError as error:
            return error.code().name
    return "OK"


@pytest.mark.parametrize("kind", HTTP)
def test_largest_requests_over_http(server, kind):
    make, status = HTTP[kind]
    request = make()

    def ask():
        assert post(server, request) == status

    assert any(block < MAX_BLOCK_SECONDS for block in longest_blocks(server, ask))


@pytest.mark.parametrize("kind", GRPC)
def test_largest_requests_over_grpc(server, kind):
    make, code = GRPC[kind]
    message = make()

    def ask():
        assert call(server, message) == code

    assert any(block < MAX_BLOCK_SECONDS for block in longest_blocks(server, ask))


@pytest.mark.parametrize("kind", ["small numbers", "bytes, answered as JSON", "PNG", "long texts"])
def test_many_of_the_largest_requests_at_once(server, kind):
    request = HTTP[kind][0]()
    with answering(server), ThreadPoolExecutor(8) as threads:
        statuses = set(threads.map(lambda _: post(server, request), range(8)))
    assert statuses <= {200, 503}
    assert 200 in statuses


def test_many_connections_with_half_a_body(server):
    head = f"POST /v2/models/numbers/infer HTTP/1.1\r\nHost: a\r\nContent-Length: {2 * MEGABYTE}\r\n\r\n".encode()
    with answering(server):
        clients = [socket.create_connection(server.http.split(":")) for _ in range(CONNECTIONS)]
        for client in clients:
            with suppress(ConnectionError):  # rejected before it has sent everything
                client.sendall(head + bytes(MEGABYTE))
        for client in clients:
            client.close()


def test_a_client_that_does_not_read_holds_no_second_answer(server):
    path, body, headers = HTTP["bytes, answered as JSON"][0]()
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode()
    with answering(server):
        clients = [socket.create_connection(server.http.split(":")) for _ in range(12)]
        for client in clients:
            client.sendall(head + body)
        for client in clients:
            client.recv(1)
        for client in clients:
            client.close()
