"""The server as a process, over a real socket."""

import json
import signal
import subprocess
import sys

import httpx
import numpy as np
import pytest

from penstock.config.loading import load_config
from penstock.core.paths import Project
from penstock.data.sources.read import read_dataset
from penstock.data.sources.rows import part_for
from penstock.evaluation.parity import network_outputs
from penstock.io.processed_dataset import ProcessedDataset
from penstock.io.weights import load_weights
from penstock.models.common.build import build_network
from penstock.serving.runtime.repository import Repository
from tests.conftest import REPOSITORY, of_each_model
from tests.helpers.processes import answers, free_port, wait_until
from tests.serving.server_process import names_served

ALL = load_config(REPOSITORY / "params.yaml").models
CLASSIFIERS = [name for name, model in ALL.items() if model.task == "classification"]


@pytest.fixture(scope="module")
def server(small_run):
    port = free_port()
    command = [sys.executable, "-m", "penstock.cli", "serve", "--port", str(port)]
    process = subprocess.Popen(command, cwd=small_run.root)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/v2/health/ready"))
        yield client
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 0


def request_of(model, rows):
    spec = model["inputs"][0]
    data = rows.ravel().tolist()
    return {"id": "7", "inputs": [{**spec, "shape": [len(rows), *spec["shape"][1:]], "data": data}]}


@pytest.mark.parametrize("name", of_each_model(CLASSIFIERS))
@pytest.mark.parametrize("batch_size", [1, 7, 256])
def test_served_outputs_equal_the_trained_network(server, small_run, name, batch_size):
    """Compare raw test rows over HTTP with the trained network on processed rows, at batch sizes 1, 7 and 256."""
    project = Project(small_run.root)
    config = load_config(project.params)
    model = config.model(name)
    processed = ProcessedDataset(project.processed(model.dataset))
    network = build_network(model, processed.info)
    load_weights(project.model(name, "models").weights, network)
    raw = read_dataset(config.dataset(model.dataset), project.raw(model.dataset))
    rows = part_for(raw, "test")[processed.rows("test")].inputs[:batch_size]
    trained = network_outputs(network, processed.split("test").inputs[: len(rows)])

    described = server.get(f"/v2/models/{name}").json()
    answer = server.post(f"/v2/models/{name}/infer", json=request_of(described, rows)).json()
    likely, label = answer["outputs"]
    served = np.array(likely["data"]).reshape(likely["shape"])
    assert np.abs(served - trained["probabilities"]).max() <= 1e-4
    assert label["data"] == trained["label"].tolist()
    assert answer["id"] == "7"
    assert answer["model_version"] == described["versions"][0]


def test_metadata_have_the_provenance(server, small_run):
    described = server.get("/v2/models/mnist_cnn").json()
    report = json.loads((small_run.root / "reports/mnist_cnn/validation.json").read_text())
    assert described["versions"] == [report["onnx"]["sha256"][:12]]
    assert described["inputs"] == [{"name": "pixels", "datatype": "UINT8", "shape": [-1, 28, 28]}]
    of_file = {"model", "dataset", "input", "data", "parameters", "code"}
    assert described["parameters"].keys() == of_file | {"validated", "sha256"}
    assert described["parameters"]["sha256"] == report["onnx"]["sha256"]
    assert described["classes"] == list("0123456789")


def test_autoencoders_and_generators_are_served(server):
    answer = server.post("/predict/mnist_autoencoder", json={"pixels": [[0] * 28] * 28}).json()
    assert np.shape(answer["latent"]) == (32,)
    assert np.shape(answer["reconstruction"]) == (28, 28)
    answer = server.post("/predict/mnist_gan", json={"noise": [0.0] * 100}).json()
    assert np.shape(answer["image"]) == (28, 28)
    assert "classes" not in server.get("/v2/models/mnist_gan").json()


def test_short_routes_predict(server, small_run):
    answer = server.post("/predict/imdb_lstm", json={"text": "A wonderful film."}).json()
    assert answer["label"] in ("negative", "positive")
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    answer = server.post("/predict/iris_mlp", json={"features": [5.1, 3.5, 1.4, 0.2]}).json()
    assert answer["probabilities"].keys() == {"setosa", "versicolor", "virginica"}
    assert server.get("/models").json().keys() == names_served(load_config(small_run.root / "params.yaml").models)
    assert server.get("/v2").json()["name"] == "penstock"


def tensor(**changes):
    return {"inputs": [{"name": "features", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]} | changes]}


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("/v2/models/nothing/infer", tensor(), 404, "no model 'nothing'; the served models are"),
        ("/v2/models/../../etc/passwd", None, 404, "Not Found"),
        ("/v2/models/iris_mlp/infer", b"{", 400, "the body is not JSON"),
        ("/v2/models/iris_mlp/infer", b"[]", 400, "must be a JSON object"),
        ("/v2/models/iris_mlp/infer", {}, 400, "'inputs' must be a list of tensors; the inputs are features"),
        ("/v2/models/iris_mlp/infer", tensor(name="x"), 400, "inputs.0.name: expected 'features', not 'x'"),
        ("/v2/models/iris_mlp/infer", tensor(datatype="BYTES"), 400, "inputs.0.datatype: expected 'FP32'"),
        ("/v2/models/iris_mlp/infer", tensor(shape=[2, 4]), 400, "4 values do not fill the shape [2, 4]"),
        ("/v2/models/iris_mlp/infer", tensor(shape=[0, 4]), 400, "inputs.0.shape"),
        ("/v2/models/iris_mlp/infer", tensor(shape=[2, 2]), 400, "expected FP32 of shape [-1, 4], not [2, 2]"),
        ("/v2/models/iris_mlp/infer", tensor(data=["a", "b", "c", "d"]), 400, "expected FP32 of shape"),
        ("/v2/models/iris_mlp/infer", tensor(data=[[1], 2, 3, 4]), 400, "different depths"),
        ("/v2/models/iris_mlp/infer", tensor(data=[True, 1, 1, 1]), 400, "expected FP32 of shape"),
        ("/v2/models/iris_mlp/infer", tensor(data=[1e39, 1, 1, 1]), 400, "expected FP32 of shape"),
        (
            "/v2/models/iris_mlp/infer",
            tensor(data=[3e38, 3e38, -3e38, 1]),
            400,
            "so large that the model's output is not finite",
        ),
        ("/v2/models/iris_mlp/infer", tensor(shape=[True, 4]), 400, "inputs.0.shape"),
        ("/v2/models/iris_mlp/infer", tensor(shape=[1] * 100 + [4]), 400, "inputs.0.shape: expected sizes like"),
        (
            "/predict/iris_mlp",
            {"features": json.loads("[" * 70 + "1" + "]" * 70)},
            400,
            "expected FP32 of shape [-1, 4]",
        ),
        ("/predict/iris_mlp", {"features": [1, 2, 3]}, 400, "not [1, 3]"),
        ("/predict/mnist_cnn", {"pixels": [[0] * 28] * 27 + [[True] * 28]}, 400, "expected UINT8"),
        ("/predict/iris_mlp", {"text": "no"}, 400, 'expected {"features": ...}: sepal length'),
        ("/predict/mnist_cnn", {"pixels": [[300] * 28] * 28}, 400, "expected UINT8 of shape [-1, 28, 28]"),
        ("/predict/imdb_lstm", {"text": 5}, 400, "expected BYTES"),
    ],
)
def test_bad_requests_are_answered_with_the_expected_input(server, path, body, status, says):
    if body is None:
        response = server.get(path)
    else:
        response = server.post(path, content=body if isinstance(body, bytes) else json.dumps(body))
    assert response.status_code == status
    assert says in response.json()["error"]


def test_a_changed_file_is_not_served(changed_run):
    path = changed_run.root / "models/iris_mlp/model.onnx"
    path.write_bytes(path.read_bytes() + b"\x00")
    done = changed_run.run("penstock", "predict", "iris_mlp", "5", "3", "1", "0", check=False)
    assert done.returncode == 1
    assert "not the file that was validated" in done.stdout


def test_an_unvalidated_model_does_not_stop_the_others(changed_run):
    (changed_run.root / "models/mnist_cnn/validation.json").unlink()
    repository = Repository([changed_run.root / "models", changed_run.root / "tuned/models"])
    repository.load()
    assert set(repository.names) == names_served(load_config(changed_run.root / "params.yaml").models) - {"mnist_cnn"}
    assert "mnist_cnn: validated, but it has not passed its gates" in repository.rejected["mnist_cnn"]


def test_an_unknown_model_gives_the_nearest_name(small_run):
    done = small_run.run("penstock", "predict", "iris_mpl", "5", "3", "1", "0", check=False)
    assert done.returncode == 2
    assert "no model 'iris_mpl'; did you mean 'iris_mlp'?" in done.stdout


def test_a_server_without_models_says_how_to_create_them(linked_project):
    command = [sys.executable, "-m", "penstock.cli", "serve"]
    done = subprocess.run(command, cwd=linked_project, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no validated models; run `penstock repro` to create them" in done.stderr
