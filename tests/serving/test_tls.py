"""HTTPS, and gRPC over TLS."""

import asyncio
import json
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any

import grpc
import httpx
import numpy as np
import pytest

from penstock.serving.grpc import messages
from penstock.serving.http.connection import TLS_PIECE, Connection
from penstock.serving.http.messages import Response
from penstock.serving.runtime.memory_budget import LARGE_BODY, MemoryBudget
from tests.helpers.processes import free_port, wait_until
from tests.serving import tiny_models
from tests.serving.tiny_models import INFER

WIDTH = 1000
QUESTION = {"inputs": [{"name": "numbers", "datatype": "FP32", "shape": [500, 2], "data": tiny_models.GOOD * 500}]}


def make_certificate(folder, *options):
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command = ["openssl", "req", "-x509", "-days", "2", *kind, *names, *files, *(options or ["-nodes"])]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    tiny_models.save(folder / "models", "fractions", tiny_models.fractions())
    tiny_models.save(folder / "models", "thirds", tiny_models.thirds(WIDTH))
    make_certificate(folder)
    return folder


def command(folder, http, grpc_port, *options):
    ports = ["--port", str(http), "--grpc-port", str(grpc_port)]
    return [sys.executable, "-m", "penstock.cli", "serve", str(folder / "models"), *ports, *options]


@pytest.fixture(scope="module")
def ports():
    """Ports for HTTP and gRPC."""
    return free_port(), free_port()


@pytest.fixture(scope="module")
def client(folder, ports):
    """A client of a server with a certificate, which it checks."""
    port, grpc_port = ports
    files = ["--tls-cert", str(folder / "cert.pem"), "--tls-key", str(folder / "key.pem")]
    process = subprocess.Popen(command(folder, port, grpc_port, *files, "--max-body-size", "100000"), cwd=folder)
    context = ssl.create_default_context(cafile=folder / "cert.pem")
    try:
        with httpx.Client(base_url=f"https://localhost:{port}", verify=context, timeout=20) as client:
            wait_until(lambda: answers(client))
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        started = time.monotonic()
        assert process.wait(timeout=30) == 0
        assert time.monotonic() - started < 10


def answers(client):
    try:
        return client.get("/v2/health/ready").status_code == 200
    except httpx.ConnectError:
        return False


def test_https_requests_are_answered_on_one_connection(client):
    for _ in range(3):
        assert client.post(INFER, json=QUESTION).json()["outputs"][0]["data"] == [10.5] * 500


def test_a_large_response_waits_for_a_slow_client(client, folder):
    rows = bytes(98 * WIDTH)
    parameters = {"binary_data_size": len(rows)}
    tensor = {"name": "values", "datatype": "UINT8", "shape": [98, WIDTH], "parameters": parameters}
    head = json.dumps({"inputs": [tensor]}).encode()
    lines = f"Host: here\r\nInference-Header-Content-Length: {len(head)}\r\nContent-Length: {len(head + rows)}\r\n\r\n"
    request = f"POST /v2/models/thirds/infer HTTP/1.1\r\n{lines}".encode() + head + rows
    context = ssl.create_default_context(cafile=folder / "cert.pem")
    plain = socket.create_connection(("localhost", client.base_url.port), timeout=20)
    with context.wrap_socket(plain, server_hostname="localhost") as caller, caller.makefile("rb") as file:
        caller.sendall(request * 3)
        time.sleep(0.5)
        for _ in range(3):
            assert file.readline() == b"HTTP/1.1 200 OK\r\n"
            headers = dict(line.split(b": ") for line in iter(lambda: file.readline().strip(), b""))
            assert int(headers[b"content-length"]) > LARGE_BODY
            body = json.loads(file.read(int(headers[b"content-length"])))
            assert np.allclose(body["outputs"][0]["data"], np.full(98 * WIDTH, 1 / 3))


def test_large_responses_are_encrypted_by_pieces():
    sizes = asyncio.run(sizes_written(Response(bytes(3 * LARGE_BODY))))
    assert max(sizes) == TLS_PIECE
    assert sum(sizes) > 3 * LARGE_BODY


def test_nothing_is_written_after_a_response_that_is_cancelled():
    sizes = asyncio.run(sizes_written(Response(bytes(3 * LARGE_BODY)), cancelled=True))
    assert len(sizes) == 3
    assert max(sizes) == TLS_PIECE


async def sizes_written(response, *, cancelled=False):
    """Return the sizes of all writes of a response to an encrypted connection, which is sometimes full."""
    sizes, loop, answered, aborted = [], asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

    async def respond(_):
        return response

    def write(data):
        sizes.append(len(data))
        if len(sizes) % 3 == 0:
            connection.pause_writing()
            task = connection._task
            loop.call_later(0.001, task.cancel if cancelled and task else connection.resume_writing)

    transport: Any = SimpleNamespace(write=write, get_extra_info=lambda *_: ("here", 1), is_closing=aborted.is_set)
    transport.abort = aborted.set
    transport.pause_reading = transport.resume_reading = lambda: None
    owner: Any = SimpleNamespace(
        app=SimpleNamespace(respond=respond, authorize=lambda *_: None), memory=MemoryBudget(2**30)
    )
    owner.loop, owner.max_body_size, owner.closing, owner.common_headers = loop, 1, False, b""
    owner.connected = owner.disconnected = lambda _: None
    owner.finished = lambda *_: answered.set()
    connection = Connection(owner)
    connection.connection_made(transport)
    connection.data_received(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
    await answered.wait()
    if cancelled:
        connection.connection_lost(None)
    assert owner.memory.used == 0
    return sizes


def test_a_rejected_https_client_can_read_why(client):
    assert client.post(INFER, content=bytes(5_000_000)).status_code == 413


def test_a_client_that_ends_an_https_connection_is_no_error(client, folder):
    context = ssl.create_default_context(cafile=folder / "cert.pem")
    plain = socket.create_connection(("localhost", client.base_url.port))
    with context.wrap_socket(plain, server_hostname="localhost") as caller:
        caller.sendall(b"GET /v2 HTTP/1.1\r\nHost: here\r\n\r\n")
        assert caller.recv(10_000).startswith(b"HTTP/1.1 200")
        caller.unwrap().close()
    assert answers(client)


def test_plain_http_is_not_answered(client):
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://localhost:{client.base_url.port}/v2/health/live")
    assert answers(client)


def test_grpc_uses_the_same_certificate(client, folder, ports):
    credentials = grpc.ssl_channel_credentials((folder / "cert.pem").read_bytes())
    with grpc.secure_channel(f"localhost:{ports[1]}", credentials) as channel:
        live = channel.unary_unary(
            "/inference.GRPCInferenceService/ServerLive",
            request_serializer=messages.ServerLiveRequest.SerializeToString,
            response_deserializer=messages.ServerLiveResponse.FromString,
        )
        assert live(messages.ServerLiveRequest(), timeout=20).live


@pytest.fixture
def wrong(folder, tmp_path):
    """Unusable certificates and keys by name."""
    shutil.copy(folder / "cert.pem", tmp_path / "another.pem")
    make_certificate(tmp_path, "-passout", "pass:secret")
    (tmp_path / "empty.pem").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (["--tls-cert", "cert.pem"], "--tls-key: is missing; TLS needs --tls-cert and --tls-key"),
        (["--tls-key", "key.pem"], "--tls-cert: is missing; TLS needs --tls-cert and --tls-key"),
        (["--tls-cert", "none.pem", "--tls-key", "key.pem"], "--tls-cert none.pem: cannot be read (No such file"),
        (["--tls-cert", "cert.pem", "--tls-key", "none.pem"], "--tls-key none.pem: cannot be read (No such file"),
        (["--tls-cert", "empty.pem", "--tls-key", "key.pem"], "expected a certificate chain"),
        (["--tls-cert", "cert.pem", "--tls-key", "key.pem"], "its unencrypted private key"),
        (["--tls-cert", "another.pem", "--tls-key", "key.pem"], "its unencrypted private key"),
    ],
)
def test_unusable_files_end_the_server_with_one_line(folder, wrong, files, says):
    done = subprocess.run(
        command(folder, free_port(), free_port(), *files),
        cwd=wrong,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 2
    assert says in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
