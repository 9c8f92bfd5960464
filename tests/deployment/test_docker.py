"""The build context has only sources and validated files; test_image.py runs its steps."""

import json
import re
import shutil

import pytest

from penstock.io.files import read_json, sha256


@pytest.fixture
def context(package, tmp_path):
    package("--docker", tmp_path / "context")
    return tmp_path / "context"


def test_the_context_has_models_and_their_validation(context):
    assert {path.name for path in (context / "models").iterdir()} == {"iris_mlp", "imdb_lstm"}
    recorded = read_json(context / "penstock.json")["models"]
    assert recorded.keys() == {"iris_mlp", "imdb_lstm", "imdb_lstm.int8"}
    for name, files in recorded.items():
        folder = context / "models" / name.removesuffix(".int8")
        assert files == {path: sha256(folder / path) for path in files}
        validation = read_json(folder / "validation.json")
        assert files.keys() - {"validation.json"} < {"model.onnx", "model.int8.onnx"}
        assert set(files.values()) & {validation["sha256"], validation.get("int8_sha256")}


def test_the_image_runs_without_root_and_has_a_health_check(context):
    lines = (context / "Dockerfile").read_text().splitlines()
    (user,) = [line for line in lines if line.startswith("USER ")]
    assert int(re.split("[ :]", user)[1]) > 0
    assert any("HEALTHCHECK" in line for line in lines)
    entry = json.loads(lines[-1].removeprefix("ENTRYPOINT "))
    assert entry[entry.index("--host") + 1] == "0.0.0.0", "a container's own 127.0.0.1 is reached by nobody"
    assert float(entry[entry.index("--shutdown-grace") + 1]) >= 5, "the time that a load balancer needs"


def test_the_context_has_every_copied_file(context):
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", (context / "Dockerfile").read_text(), re.MULTILINE)
    copied = [path for paths in copies for path in paths.split()]
    assert {"pyproject.toml", "constraints.txt", "src/penstock", "models"} <= set(copied)
    assert all((context / path).exists() for path in copied)
    assert not list(context.rglob("__pycache__"))


def test_a_context_is_rewritten_without_deleted_models(context, package, models):
    shutil.rmtree(models / "iris_mlp")
    package("--docker", context)
    assert [path.name for path in (context / "models").iterdir()] == ["imdb_lstm"]
    assert [path.name for path in context.parent.iterdir() if "context" in path.name] == ["context"]


def test_a_context_is_not_overwritten_by_a_triton_repository(context, package):
    done = package("--triton", context, check=False)
    assert done.returncode == 2
    assert "did not write it" in done.stdout


def test_package_without_a_target_lists_the_targets(package):
    done = package(check=False)
    assert done.returncode == 2
    assert "give --triton, --docker or --kserve" in done.stdout
