"""An int8 candidate is served as its own model, and its rows do not change each other's outputs."""

import shutil

import httpx
import numpy as np
import onnxruntime
import pytest

from penstock.io.files import read_json, write_json
from penstock.serving.runtime.repository import Repository
from tests.serving.server_process import serving

TEXTS = ["A wonderful film.", "", "Bad, bad, bad. " * 50]


@pytest.fixture(scope="module")
def served(small_run):
    with serving(small_run.root) as served:
        yield served


def asked(served, name, texts):
    body = {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [len(texts)], "data": texts}]}
    answer = httpx.post(f"{served.url}/v2/models/{name}/infer", json=body).raise_for_status().json()
    (likely,) = (output for output in answer["outputs"] if output["name"] == "probabilities")
    return np.array(likely["data"], dtype=np.float32).reshape(likely["shape"])


def test_int8_outputs_equal_those_of_each_row_alone(served, small_run):
    session = onnxruntime.InferenceSession(small_run.root / "models/imdb_lstm/model.int8.onnx")
    alone = [session.run(["probabilities"], {"text": [text]})[0] for text in TEXTS]
    assert np.allclose(asked(served, "imdb_lstm.int8", TEXTS), np.concatenate(alone), atol=1e-7)
    together = session.run(["probabilities"], {"text": TEXTS})[0]
    assert not np.allclose(together, np.concatenate(alone), atol=1e-7), "the rows would change each other's answers"


def test_int8_models_are_served_beside_the_float_model(served, small_run):
    validation = read_json(small_run.root / "models/imdb_lstm/validation.json")
    exact, int8 = (httpx.get(f"{served.url}/v2/models/{name}").json() for name in ("imdb_lstm", "imdb_lstm.int8"))
    assert (exact["versions"], int8["versions"]) == ([validation["sha256"][:12]], [validation["int8_sha256"][:12]])
    of_int8 = {"precision": "int8", "sha256": validation["int8_sha256"]}
    assert int8["parameters"] == exact["parameters"] | of_int8


def test_unadopted_int8_candidates_are_not_served(served):
    assert httpx.get(f"{served.url}/v2/models/mnist_cnn.int8").status_code == 404
    index = httpx.post(f"{served.url}/v2/repository/index", json={}).json()
    assert "mnist_cnn.int8" not in [entry["name"] for entry in index]


def test_a_changed_int8_candidate_is_rejected_alone(small_run, tmp_path):
    shutil.copytree(small_run.root / "models/imdb_lstm", tmp_path / "imdb_lstm")
    validation = read_json(tmp_path / "imdb_lstm/validation.json")
    write_json(tmp_path / "imdb_lstm/validation.json", validation | {"int8_sha256": validation["sha256"]})
    repository = Repository([tmp_path])
    repository.load()
    assert repository.names == ["imdb_lstm"]
    assert "model.int8.onnx: not the file that was validated" in repository.rejected["imdb_lstm.int8"]
