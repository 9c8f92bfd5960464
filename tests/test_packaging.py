"""`pip install penstock[serve]` is small, and serves on its own."""

import subprocess
import sys

import httpx

from tests.processes import answers, free_port, wait_until

ABSENT = ("torch", "pytorch_lightning", "mlflow", "dvc", "onnx", "pydantic", "matplotlib", "sklearn")


def test_the_serve_extra_brings_no_training_and_serves(small_run, small_copy, repository, tmp_path_factory):
    """A virtual environment of its own, in a folder that is no project, with nothing but the validated files."""
    environment = tmp_path_factory.mktemp("serve")
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = environment / "bin/python"
    install = ["-m", "pip", "install", "--quiet", "--constraint", repository / "constraints.txt"]
    subprocess.run([python, *install, f"{small_copy.root}[serve]"], check=True, capture_output=True)
    found = f"import importlib.util as u; print([m for m in {ABSENT!r} if u.find_spec(m)])"
    assert subprocess.run([python, "-c", found], check=True, capture_output=True, text=True).stdout == "[]\n"

    port = free_port()
    command = [environment / "bin/penstock", "serve", "--models", small_run.root / "models", "--port", str(port)]
    process = subprocess.Popen(command, cwd=environment)
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/v2/health/ready"))
        body = {"text": "A wonderful film."}
        answer = httpx.post(f"http://127.0.0.1:{port}/predict/imdb_lstm", json=body).json()
        assert answer["label"] in ("negative", "positive")
    finally:
        process.terminate()
        process.wait(timeout=10)
