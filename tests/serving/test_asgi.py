"""The application under another ASGI server."""

import os
import subprocess
import sys
from contextlib import contextmanager

import httpx
import pytest

from tests.helpers.processes import answers, free_port, wait_until
from tests.serving import tiny_models
from tests.serving.tiny_models import INFER, QUESTION


@contextmanager
def uvicorn(folder, *options, **environment):
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "penstock.serving.asgi:app", "--port", str(port), *options]
    process = subprocess.Popen(command, env=os.environ | {"PENSTOCK_MODELS": str(folder)} | environment)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: answers(f"{url}/v2/health/live") or process.poll() is not None)
        yield url, process
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.mark.parametrize("lifespan", ["on", "off"])
def test_uvicorn_serves_the_same_application(tmp_path, lifespan):
    version = tiny_models.save(tmp_path, "fractions", tiny_models.fractions())
    with uvicorn(tmp_path, "--lifespan", lifespan) as (url, _), httpx.Client(base_url=url) as client:
        assert client.get("/models").json() == {"fractions": version}
        answer = client.post(INFER, json=QUESTION).json()
        assert answer["outputs"][0]["data"] == [10.5]
        assert client.post("/predict/fractions", json={"text": "no"}).status_code == 400
        assert client.head("/v2").text == ""
        assert client.get("/nothing").status_code == 404
        assert 'model="fractions",protocol="http",status="200"' in client.get("/metrics").text
        newer = tiny_models.save(tmp_path, "fractions", tiny_models.fractions(shift=1))
        wait_until(lambda: client.get("/models").json() == {"fractions": newer})


def test_uvicorn_checks_the_token_and_the_size_of_a_body(tmp_path):
    tiny_models.save(tmp_path, "fractions", tiny_models.fractions())
    with uvicorn(tmp_path, PENSTOCK_TOKEN="a secret") as (url, _), httpx.Client(base_url=url) as client:
        assert client.get("/v2").status_code == 401
        client.headers["Authorization"] = "Bearer a secret"
        assert client.get("/v2").json()["name"] == "penstock"
        assert client.post("/predict/fractions", content=bytes(17 * 2**20)).status_code == 413


def test_uvicorn_exits_without_a_validated_model(tmp_path, capfd):
    with uvicorn(tmp_path) as (_, process):
        assert process.wait(timeout=20) == 3
    assert f"{tmp_path}: no validated models; run `penstock repro` to create them" in capfd.readouterr().err
