"""The largest requests of each kind: the server answers or rejects all of them, in little memory."""

import gzip
import resource
import time

import httpx
import numpy as np
import orjson
import psutil
import pytest

from tests.helpers.processes import wait_until
from tests.serving import tiny_models
from tests.serving.server_process import serving

MEGABYTE = 2**20
MAX_GROWTH = 150 * MEGABYTE
SECONDS = 5
LIMIT = 4 * 2**30  # of addresses, most of which are libraries' and threads', not memory
MANY_WORDS = "a " * 4_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for rule in ("ascii", "unicode"):
        tiny_models.save(folder, rule, tiny_models.token_ids(["a", "film"], 200, rule))
    tiny_models.save(folder, "echo", tiny_models.echo())
    tiny_models.save(folder, "sides", tiny_models.sides())
    with serving(folder, str(folder), "--workers", "2") as running:
        process = psutil.Process(running.process.pid)
        resource.prlimit(process.pid, resource.RLIMIT_AS, (LIMIT, LIMIT))
        infer(running, "ascii", ["warm"] * 32)
        yield running, process


def infer(running, model, texts):
    tensor = {"name": "text", "datatype": "BYTES", "shape": [len(texts)], "data": texts}
    body = gzip.compress(orjson.dumps({"inputs": [tensor]}))
    headers = {"Content-Encoding": "gzip"}
    return httpx.post(f"{running.url}/v2/models/{model}/infer", content=body, headers=headers, timeout=60)


LARGEST = {
    "one long text beside others": (["film"] * 31 + [MANY_WORDS], {"ascii": 200, "unicode": 200, "echo": 413}),
    "one long text": ([MANY_WORDS * 2 + "film"], {"ascii": 200, "unicode": 200, "echo": 413}),
    "one long word": (["a" * (15 * MEGABYTE)], dict.fromkeys(("ascii", "unicode", "echo"), 413)),
    "no word": ([" " * (15 * MEGABYTE)], dict.fromkeys(("ascii", "unicode", "echo"), 413)),
    "many long texts": (["a " * 500_000] * 15, {"ascii": 200, "unicode": 200, "echo": 200}),
    "many short texts": (["a b " * 200] * 16_000, {"ascii": 200, "unicode": 200, "echo": 200}),
}


@pytest.mark.parametrize("kind", LARGEST)
def test_large_requests_leave_the_memory_as_it_was(server, kind):
    running, process = server
    texts, statuses = LARGEST[kind]
    before = process.memory_info().rss
    for model, status in statuses.items():
        assert infer(running, model, texts).status_code == status
        started = time.monotonic()
        wait_until(lambda: process.memory_info().rss < before + MAX_GROWTH, SECONDS)
        assert time.monotonic() - started < SECONDS
    assert httpx.get(f"{running.url}/v2/health/live").status_code == 200


def test_a_long_text_is_answered_as_its_last_words(server):
    running, _ = server
    long, short = (
        infer(running, "ascii", [text]).json()["outputs"] for text in (MANY_WORDS + "film", "a " * 199 + "film")
    )
    assert long == short
    assert np.array(long[0]["data"])[-1] != long[0]["data"][0]
