"""MLflow's own server serves the registered model unchanged."""

import os
import signal
import subprocess

import httpx
import onnxruntime
import pytest

from tests.helpers.processes import answers, free_port, wait_until


@pytest.fixture
def url(small_run):
    port = free_port()
    command = ["mlflow", "models", "serve", "--model-uri", "models:/imdb_lstm@champion", "--env-manager", "local"]
    process = subprocess.Popen(
        [*command, "--port", str(port)],
        cwd=small_run.root,
        env=os.environ | small_run.environment | {"MLFLOW_TRACKING_URI": f"sqlite:///{small_run.root}/mlflow.db"},
        start_new_session=True,
    )
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/ping"))
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def test_mlflow_serves_the_registered_model_with_the_same_outputs(url, small_run):
    texts = ["A wonderful film.", ""]
    served = httpx.post(url, json={"inputs": {"text": texts}}, timeout=30).json()["predictions"]
    path = small_run.root / "models/imdb_lstm/model.onnx"
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    likely, label = session.run(["probabilities", "label"], {"text": texts})
    assert served["label"] == label.tolist()
    assert served["probabilities"] == [pytest.approx(row, abs=1e-6) for row in likely.tolist()]
