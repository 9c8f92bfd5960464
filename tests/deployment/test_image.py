"""Run the steps of the Dockerfile without Docker, in temporary folders."""

import json
import os
import re
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.helpers.processes import answers, free_port, wait_until

ABSENT = ("torch", "pytorch_lightning", "mlflow", "dvc", "onnx", "pydantic", "matplotlib", "sklearn")


@pytest.fixture(scope="module")
def image(small_run, tmp_path_factory):
    """The Dockerfile's instructions by name, with temporary folders for those of the image, after all RUN commands."""
    root = tmp_path_factory.mktemp("image")
    context = root / "context"
    small_run.run("penstock", "package", "--models", "models", "--docker", str(context))
    text = (context / "Dockerfile").read_text().replace("\\\n", "")
    here = {"/opt/penstock": root / "venv", "/source": context, "/models": context / "models"}
    for there, folder in here.items():
        text = re.sub(rf'(?<=[ "]){there}\b', str(folder), text)
    assert "/opt/" not in text, "nothing of this machine's is touched"
    instructions = re.findall(r"^([A-Z]+) (.*)$", text.replace("8080", str(free_port())), re.MULTILINE)
    for command in [rest for name, rest in instructions if name == "RUN"]:
        environment = os.environ | {"PATH": small_run.environment["PATH"], "PYTHONPATH": ""}
        subprocess.run(command, shell=True, check=True, cwd=root, env=environment, capture_output=True)
    return dict(instructions)


def command_of(instruction):
    """Return the JSON list at the end of an instruction."""
    words: list[str] = json.loads(instruction[instruction.index("[") :])
    return words


def test_the_serve_extra_has_no_training_libraries(image):
    python = Path(command_of(image["ENTRYPOINT"])[0]).with_name("python")
    found = f"import importlib.util as u; print([m for m in {ABSENT!r} if u.find_spec(m)])"
    environment = os.environ | {"PYTHONPATH": ""}
    assert subprocess.run([python, "-c", found], check=True, capture_output=True, env=environment).stdout == b"[]\n"


def test_the_image_serves_and_passes_its_health_check(image, tmp_path):
    """The server runs in a folder that is not a project."""
    command, healthy = command_of(image["ENTRYPOINT"]), command_of(image["HEALTHCHECK"])
    url = f"http://127.0.0.1:{command[-1]}"
    assert subprocess.run(healthy, check=False, capture_output=True).returncode == 1
    process = subprocess.Popen(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": ""})
    try:
        wait_until(lambda: answers(f"{url}/v2/health/ready"))
        answer = httpx.post(f"{url}/predict/imdb_lstm", json={"text": "A wonderful film."}).json()
        assert answer["label"] in ("negative", "positive")
        assert all(answers(f"{url}{path}") for path in ("/", "/docs", "/ui/js/main.js", "/ui/css/base.css"))
        assert subprocess.run(healthy, check=False).returncode == 0
    finally:
        process.terminate()
        assert process.wait(timeout=10) == 0
