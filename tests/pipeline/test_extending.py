"""Add a dataset or a kind of network to a copy of the project, as the README says."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from copy import deepcopy

import pytest
from sklearn.datasets import load_wine

from penstock.data.sources.offline import iris_bytes


def test_a_dataset_is_an_entry_and_a_baseline(changed_run, tmp_path):
    wine = load_wine()
    growers = ["Barbera, first", "Barolo", "Grignolino"]  # the comma needs quotes
    rows = [[*row, f'"{growers[label]}"'] for row, label in zip(wine.data, wine.target, strict=True)]
    lines = [",".join(map(str, row)) for row in [[*wine.feature_names, "grower"], *rows]]
    content = ("\n".join(lines) + "\n").encode()
    (tmp_path / "mirror/wine").mkdir(parents=True)
    (tmp_path / "mirror/wine/wine.csv").write_bytes(content)

    params = changed_run.read_params()
    # Copies, since ruamel writes an anchor for a block that is in two places.
    iris, iris_mlp = deepcopy(params["datasets"]["iris"]), deepcopy(params["models"]["iris_mlp"])
    params["download"]["mirrors"].insert(0, str(tmp_path / "mirror"))
    params["datasets"]["wine"] = {
        **iris,
        "files": {"wine.csv": {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}},
        "description": "thirteen measurements of a wine",
        "source": {"kind": "csv", "parts": {"all": "wine.csv"}},
        "inputs": {"kind": "table", "columns": list(wine.feature_names)},
        "target": {
            "kind": "class",
            "column": "grower",
            "classes": ["first", "second", "third"],
            "values": growers,
        },
        "checks": {"rows": {"all": 178}, "class_share": {"min": 0.2, "max": 0.5}, "values": {"min": 0, "max": 2000}},
    }
    params["baselines"]["wine_linear"] = {"kind": "linear", "dataset": "wine"}
    params["models"]["wine_mlp"] = {**iris_mlp, "dataset": "wine", "baseline": "wine_linear"}
    changed_run.write_params(params)

    changed_run.run("dvc", "repro", "register@wine_mlp")
    validation = json.loads((changed_run.root / "reports/wine_mlp/validation.json").read_text())
    assert validation["samples"] == 36
    assert (changed_run.root / "models/wine_mlp/validation.json").is_file()
    assert "wine_mlp" in changed_run.run("penstock", "results").stdout


# A class that joins the union in config/networks.py, and a file in models/.
SETTINGS = '''
class LogisticConfig(BaseConfig):
    """Logistic regression."""

    kind: Literal["logistic"] = Field(description="Logistic regression.")
    dropout: Dropout = Field(default=0.25, description="Dropout on the inputs, 0..1.")


'''
UNION = "PredictorNetworkConfig = Annotated[\n    "
NETWORK = """
from math import prod

from torch import nn

from penstock.config.networks import LogisticConfig
from penstock.io.dataset_info import DatasetInfo


def build(settings: LogisticConfig, info: DatasetInfo, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Dropout(settings.dropout), nn.Linear(prod(info.shape), outputs))
"""
BUILD = """
from pathlib import Path

from torch import nn

import penstock
from penstock.config.loading import load_config
from penstock.io.dataset_info import DatasetInfo
from penstock.models.common.build import build_network

assert Path.cwd() in Path(penstock.__path__[0]).parents
flowers = DatasetInfo(
    dataset="iris", kind="table", shape=(4,), vocab_size=0, classes=("a", "b", "c"), description="four lengths"
)
network = build_network(load_config(Path("params.yaml")).model("iris_mlp"), flowers)
dropout = [layer.p for layer in network.modules() if isinstance(layer, nn.Dropout)]
print(sum(weights.numel() for weights in network.parameters()), dropout)
"""


@pytest.fixture
def python(repository, tmp_path):
    """Run Python with a copy of the sources, in a folder with a copy of params.yaml and dvc.yaml."""
    shutil.copytree(repository / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "ui"))
    shutil.copytree(repository / "pipelines", tmp_path / "pipelines")
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(repository / name, tmp_path)
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "src")}

    def run(*arguments):
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return run


def test_a_kind_of_network_is_a_class_a_file_and_penstock_config_write(python, tmp_path):
    networks = tmp_path / "src/penstock/config/networks.py"
    text = networks.read_text()
    assert text.count(UNION) == 1
    networks.write_text(text.replace(UNION, f"{SETTINGS.lstrip()}{UNION}LogisticConfig | "))
    (tmp_path / "src/penstock/models/logistic.py").write_text(NETWORK)
    params = tmp_path / "params.yaml"
    params.write_text(params.read_text().replace("{kind: mlp, hidden_sizes: [10]}", "{kind: logistic}"))

    assert "not current: run `penstock config --write`" in python("-m", "penstock.cli", "config").stderr
    assert python("-m", "penstock.cli", "config", "--write").returncode == 0
    defaults = json.loads((tmp_path / "src/penstock/config/defaults.json").read_text())
    assert defaults["network"]["logistic"] == {"LogisticConfig": "dropout=0.25"}
    assert "LogisticConfig" in (tmp_path / "src/penstock/config/params.schema.json").read_text()
    built = python("-c", BUILD)
    assert built.stdout == "15 [0.25]\n", built.stderr


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (b"1.4,0.2,Iris-setosa", b"1.4,,Iris-setosa", "bezdekIris.data:1: petal_width: "),
        (b"5.1,3.5,1.4", b"5.1,wide,1.4", "bezdekIris.data:1: sepal_width: "),
        (b"0.2,Iris-setosa", b"0.2,Iris-setossa", "bezdekIris.data:1: species: "),
        (b"0.2,Iris-setosa", b"Iris-setosa", "bezdekIris.data:1: "),
    ],
)
def test_preprocess_ends_with_one_line_about_the_file_and_writes_nothing(python, tmp_path, old, new, problem):
    (tmp_path / "data/raw/iris").mkdir(parents=True)
    (tmp_path / "data/raw/iris/bezdekIris.data").write_bytes(iris_bytes().replace(old, new, 1))
    done = python("pipelines/preprocess.py", "iris")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert problem in line
    assert not [*tmp_path.glob("data/processed/*")]
    assert not (tmp_path / "reports/iris").exists()
